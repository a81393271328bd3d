/**
 * A Docker engine of the tests' own: Debian's `docker.io`, unpacked and not installed, in a machine of its own (hack/cluster/machine.ts).
 * Needs root and the Debian packages of the local cluster. Leaves nothing; what a killed run left is swept by the next one.
 */
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type { ContainerRuntimeClient } from "testcontainers";
import { Agent, request } from "undici";
import { z } from "zod";
import { cgroupOf, removeCgroups } from "./cluster/cgroups.ts";
import { findEngine } from "./cluster/engine.ts";
import { background, endTogether, initStart } from "./cluster/init-script.ts";
import { inMachine, isAlive, type ProcessId, startMachine, stopMachines } from "./cluster/machine.ts";
import { stateRoot } from "./cluster/state.ts";
import { debianFiles } from "./images/debian.ts";
import { waitFor } from "./kubectl.ts";
import { type Log, withLock } from "./lock.ts";

const run = promisify(execFile);

export interface DockerEngine {
  /** False: it is the one that DOCKER_HOST names, which may be able to do more. */
  readonly isOwn: boolean;
  /** What its clients, testcontainers among them, have to find in their environment; RUNTIME_INSIGHTS_HOST_ADDRESS is this machine as containers reach it. */
  readonly environment: Readonly<Record<string, string>>;
}

/** Between this machine and the engine's; beyond this machine there is no way, so no image can be pulled. */
const [hostAddress, engineAddress] = ["172.29.255.1", "172.29.255.2"];
const bridge = "172.29.254.1/24";
const hostInterface = "ri-docker";
/** No cluster can have this name. */
const cgroupName = "_docker";

/** Runs `work` beside the engine that DOCKER_HOST names, which is left as it is but for what `work` does, else beside one of its own as `withOwnDocker` does. */
export async function withDocker<T>(log: Log, work: (engine: DockerEngine) => Promise<T>): Promise<T> {
  if (process.env.DOCKER_HOST === undefined) return withOwnDocker(log, work);
  const address = process.env.RUNTIME_INSIGHTS_HOST_ADDRESS ?? (await gatewayOf(await findEngine()));
  return work({ isOwn: false, environment: { RUNTIME_INSIGHTS_HOST_ADDRESS: address } });
}

/** This machine as containers reach it where the engine runs on it. */
async function gatewayOf({ container: { dockerode } }: ContainerRuntimeClient): Promise<string> {
  const { IPAM } = await dockerode.getNetwork("bridge").inspect();
  const { Config } = z.object({ Config: z.array(z.object({ Gateway: z.string().optional() })) }).parse(IPAM);
  const gateway = Config.find(({ Gateway }) => Gateway !== undefined)?.Gateway;
  if (gateway === undefined) throw new Error("the Docker engine's network bridge has no gateway");
  return gateway;
}

/** Runs `work` beside a fresh engine, the only one of this project on this machine, and takes the engine away with all its containers. Throws when anybody asked the engine for an image that it does not have. */
export async function withOwnDocker<T>(log: Log, work: (engine: DockerEngine) => Promise<T>): Promise<T> {
  const dir = join(dirname(stateRoot()), "docker");
  const lock = `${dir}.lock`;
  mkdirSync(dirname(dir), { recursive: true });
  return withLock(lock, log, async () => {
    await sweep(dir);
    try {
      const result = await work(await start(dir, lock, log));
      const pulled = pulls(readFileSync(join(dir, "dockerd.log"), "utf8"));
      if (pulled.length > 0) throw new Error(`the Docker engine was asked to pull: ${pulled.join(", ")}`);
      return result;
    } finally {
      await sweep(dir);
    }
  });
}

/** What an engine's log, at level debug, says that it was asked for. */
export const pulls = (log: string): readonly string[] =>
  [...log.matchAll(/Calling POST \S*\/images\/create\?(\S*fromImage=\S*?)"?$/gm)].map(([, query = ""]) => query);

async function start(dir: string, lock: string, log: Log): Promise<DockerEngine> {
  const startedMs = Date.now();
  // Installing the package would take Docker's own packages away where there are some, and start an engine for good.
  const { root, versions } = await debianFiles(["docker.io", "libdevmapper1.02.1"]);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const socket = join(dir, "docker.sock");
  writeFileSync(join(dir, "containerd.toml"), containerdConfig(dir));
  writeFileSync(join(dir, "daemon.json"), JSON.stringify({ "deprecated-key-path": join(dir, "key.json") }));
  writeFileSync(join(dir, "init.sh"), initScript({ dir, root, socket, lock }));
  const init = await startMachine(join(dir, "init.sh"), join(dir, "init.log"));
  await connect(init);
  await waitUntilReady(dir, socket, init);
  log(`Docker ${versions["docker.io"] ?? ""} of the tests is up (${((Date.now() - startedMs) / 1000).toFixed(1)} s)`);
  return {
    isOwn: true,
    environment: {
      DOCKER_HOST: `unix://${socket}`,
      TESTCONTAINERS_HOST_OVERRIDE: engineAddress,
      TESTCONTAINERS_RYUK_DISABLED: "true",
      RUNTIME_INSIGHTS_HOST_ADDRESS: hostAddress,
    },
  };
}

const containerdSocket = "/run/containerd/containerd.sock";

const containerdConfig = (dir: string): string => `version = 2
root = "${dir}/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "${containerdSocket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "${dir}/containerd/opt"
`;

interface Place {
  readonly dir: string;
  /** Of the unpacked packages. */
  readonly root: string;
  readonly socket: string;
  readonly lock: string;
}

/** The machine's own network holds the engine's bridge and its iptables rules, its own /run the engine's other sockets. */
function initScript({ dir, root, socket, lock }: Place): string {
  // Privileged containers need every capability: nowhere can this engine run one, as many engines cannot.
  const containerd = ["setpriv", "--bounding-set=-sys_resource", "containerd", "-c", join(dir, "containerd.toml")];
  const dockerd = [
    "env",
    `LD_LIBRARY_PATH=${["lib", "usr/lib"].map((lib) => join(root, lib, libraryFolder())).join(":")}`,
    join(root, "usr/sbin/dockerd"),
    `--config-file=${join(dir, "daemon.json")}`,
    // Its requests, among which pulls are looked for.
    "--debug",
    `--data-root=${join(dir, "data")}`,
    "--exec-root=/run/docker",
    "--pidfile=/run/docker.pid",
    `--host=unix://${socket}`,
    `--containerd=${containerdSocket}`,
    `--bip=${bridge}`,
    `--cgroup-parent=/${cgroupOf(cgroupName, 1)}`,
    "--exec-opt=native.cgroupdriver=cgroupfs",
    "--userland-proxy=false",
  ];
  return `${initStart}
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
hostname docker
ip link set lo up
until ip link show eth0 > /dev/null 2>&1; do sleep 0.05; done
ip addr add ${engineAddress}/30 dev eth0
ip link set eth0 up
# The lock is free when its holder, this engine's user, is gone, however that happened.
${background("its user", ["flock", lock, "true"], dir)}
${background("containerd", containerd, dir)}
until [ -S ${containerdSocket} ]; do sleep 0.05; done
${background("dockerd", dockerd, dir)}
${endTogether}
`;
}

const libraryFolder = (): string => (process.arch === "arm64" ? "aarch64-linux-gnu" : "x86_64-linux-gnu");

async function connect(init: ProcessId): Promise<void> {
  await run("ip", ["link", "add", hostInterface, "type", "veth", "peer", "name", "eth0", "netns", `${init.pid}`]);
  await run("ip", ["addr", "add", `${hostAddress}/30`, "dev", hostInterface]);
  await run("ip", ["link", "set", hostInterface, "up"]);
  await inMachine(init, ["ip", "link", "set", "eth0", "up"]);
}

async function waitUntilReady(dir: string, socket: string, init: ProcessId): Promise<void> {
  const dispatcher = new Agent({ connect: { socketPath: socket } });
  const lastWords = () =>
    ["init.log", "containerd.log", "dockerd.log"]
      .map((name) => join(dir, name))
      .filter((file) => existsSync(file))
      .map((file) => readFileSync(file, "utf8").trim().split("\n").slice(-3).join("\n"))
      .join("\n");
  try {
    const state = await waitFor(
      "the Docker engine",
      async () => {
        if (!isAlive(init)) return "ended";
        const { statusCode, body } = await request("http://docker/_ping", { dispatcher });
        await body.dump();
        return statusCode === 200 ? "ready" : undefined;
      },
      { timeoutMs: 60_000, everyMs: 100 },
    );
    if (state === "ended") throw new Error("it has ended");
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`Debian's Docker engine cannot run on this machine: ${why}\n${lastWords()}`, { cause });
  } finally {
    await dispatcher.destroy();
  }
}

/** Ends the engine that lies there, alive or not, and removes all that it made. The caller holds its lock. */
async function sweep(dir: string): Promise<void> {
  await stopMachines(dir);
  // The kernel takes it away by itself, with the namespace of its other end, but only a moment later.
  await run("ip", ["link", "delete", hostInterface]).catch(() => undefined);
  await removeCgroups(cgroupName);
  rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
}
