/**
 * The same cluster by another way: K3s in one privileged container of a Docker engine that is there, through testcontainers.
 * `up` leaves the container and a folder with its kube config; `down` leaves nothing.
 */
import { spawn } from "node:child_process";
import {
  closeSync,
  createReadStream,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { K3sContainer } from "@testcontainers/k3s";
import { pack } from "tar-stream";
import type { ContainerRuntimeClient } from "testcontainers";
import { z } from "zod";
import { kubectl, waitFor } from "../kubectl.ts";
import { type Log, withLock } from "../lock.ts";
import { applyOpenshift } from "../openshift/objects.ts";
import { standInCommand } from "../openshift/stand-in.ts";
import { changedImages, digestReferences } from "./archives.ts";
import { ensureBinaries } from "./binaries.ts";
import type { Cluster } from "./cluster.ts";
import { findEngine, requirePrivileged } from "./engine.ts";
import { keepRunning } from "./init-script.ts";
import { endGroup, identify, isAlive } from "./machine.ts";
import { clusterDir, clusterLock, k3sFile } from "./state.ts";

/** The Kubernetes version of the other clusters (binaries.ts). */
const image = "rancher/k3s:v1.34.4-k3s1";
const label = "runtime-insights.cluster";
const nodeName = "node-1";

/** A cluster whose node is no machine of ours to enter. */
export type K3sCluster = Omit<Cluster, "nodes"> & {
  /** The package starts one. */
  readonly nodes: readonly [{ readonly name: string; readonly address: string }];
};

const stateSchema = z.strictObject({
  container: z.string(),
  /** As the engine's network knows the node. */
  address: z.string(),
  openshift: z.boolean(),
  binDir: z.string(),
  configOperator: z.strictObject({ pid: z.int(), startTicks: z.string() }).optional(),
});
type State = z.infer<typeof stateSchema>;

export interface K3sOptions {
  readonly name: string;
  /** As for the other clusters; default true. */
  readonly openshift?: boolean;
  readonly log: Log;
}

/** Makes the cluster, or finds the one that is there. Where no Docker engine can run privileged containers it throws one sentence that says so, and has made nothing. */
export async function upK3s({ name, openshift = true, log }: K3sOptions): Promise<K3sCluster> {
  const dir = clusterDir(name);
  if (existsSync(dir) && !existsSync(k3sFile(name)))
    throw new Error(`cluster "${name}" is not one of K3s: take it down first (npm run cluster:down -- --name ${name})`);
  const client = await findEngine();
  await requirePrivileged(client, log);
  return withLock(clusterLock(name), log, async () => {
    const existing = readState(name);
    if (existing !== undefined && (await isWhole(client, existing))) {
      if (existing.openshift !== openshift)
        throw new Error(
          `cluster "${name}" is up with ${existing.openshift ? "" : "no "}OpenShift kinds: take it down first (npm run cluster:down -- --name ${name})`,
        );
      log(`Cluster "${name}" is up already`);
      return clusterOf(client, name, existing);
    }
    await sweep(client, name);
    const binDir = await ensureBinaries(["kubectl"], log);
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    // From here on `down` knows whose it is.
    writeFileSync(k3sFile(name), "{}");
    try {
      return await create(client, { name, openshift, binDir, log });
    } catch (cause) {
      await sweep(client, name);
      throw cause;
    }
  });
}

/** The cluster of that name, which `isK3s` said is one of K3s; throws when it is not up. */
export async function loadK3s(name: string): Promise<K3sCluster> {
  const client = await findEngine();
  const state = readState(name);
  if (state === undefined || !(await isWhole(client, state)))
    throw new Error(`cluster "${name}" is not up: npm run cluster:up -- --provider k3s --name ${name}`);
  return clusterOf(client, name, state);
}

/** Removes the container with its volumes, the stand-in's process and the cluster's files, whole or not. */
export async function downK3s(name: string, log: Log): Promise<void> {
  const client = await findEngine();
  await withLock(clusterLock(name), log, async () => {
    const containers = await sweep(client, name);
    log(
      `Cluster "${name}" is gone: removed ${containers} ${containers === 1 ? "container" : "containers"} and files below ${clusterDir(name)}`,
    );
  });
}

async function create(
  client: ContainerRuntimeClient,
  { name, openshift, binDir, log }: Required<K3sOptions> & { readonly binDir: string },
): Promise<K3sCluster> {
  const { host } = client.info.containerRuntime;
  log(`Starting ${image}; the first time Docker pulls it ...`);
  const started = await new K3sContainer(image)
    .withCommand([
      "server",
      `--node-name=${nodeName}`,
      `--tls-san=${host}`,
      ...["traefik", "metrics-server", "servicelb"].map((part) => `--disable=${part}`),
    ])
    .withLabels({ [label]: name })
    // It lives on when this process ends.
    .withAutoCleanup(false)
    .start()
    .catch((cause: Error) => {
      throw new Error(`starting K3s in ${image}: ${cause.message}`, { cause });
    });
  const bare: State = {
    container: started.getId(),
    address: started.getIpAddress(started.getNetworkNames()[0] ?? "bridge"),
    ...{ openshift, binDir },
  };
  writeFileSync(join(clusterDir(name), "kubeconfig"), started.getKubeConfig(), { mode: 0o600 });
  const cluster = clusterOf(client, name, bare);
  log("K3s is up");
  await waitFor("the node to be ready", async () => {
    const path = '{range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{end}';
    return (await kubectl(cluster, ["get", "nodes", "-o", `jsonpath=${path}`])) === "True" ? true : undefined;
  });
  if (openshift) await applyOpenshift(cluster);
  const configOperator = openshift ? await startConfigOperator(cluster) : undefined;
  const state: State = { ...bare, ...(configOperator === undefined ? {} : { configOperator }) };
  writeFileSync(k3sFile(name), `${JSON.stringify(state, undefined, 2)}\n`);
  log("The node is ready");
  return cluster;
}

/** As in the control plane of the other clusters, here as a process of this machine. */
async function startConfigOperator({ dir, kubeconfig }: K3sCluster): Promise<State["configOperator"]> {
  const command = await standInCommand(dir, kubeconfig);
  const log = openSync(join(dir, "config-operator.log"), "a");
  const script = `${keepRunning("config-operator", command, dir)}\nwait`;
  const child = spawn("bash", ["-c", script], { detached: true, stdio: ["ignore", log, log], cwd: "/" });
  closeSync(log);
  child.unref();
  return child.pid === undefined ? undefined : identify(child.pid);
}

function clusterOf(client: ContainerRuntimeClient, name: string, { container, address, binDir }: State): K3sCluster {
  const dir = clusterDir(name);
  return {
    ...{ name, dir, binDir },
    kubectl: join(binDir, "kubectl"),
    kubeconfig: join(dir, "kubeconfig"),
    nodes: [{ name: nodeName, address }],
    importImage: (archive) => importArchive(client, container, archive),
  };
}

/** Brings an OCI or docker archive into the containerd of a container; what a pull would have left beside each name, its name by digest, is made too. */
export async function importArchive(client: ContainerRuntimeClient, id: string, archive: string): Promise<void> {
  const container = client.container.getById(id);
  const run = async (command: readonly string[]): Promise<string> => {
    const { exitCode, stdout, output } = await client.container.exec(container, [...command]);
    if (exitCode !== 0) throw new Error(`running ${command.join(" ")} in K3s: ${output.trim()}`);
    return stdout;
  };
  const images = (...args: readonly string[]) => run(["ctr", "-n", "k8s.io", "images", ...args]);
  const before = await images("list");
  const tar = pack();
  const file = "runtime-insights-import.tar";
  await Promise.all([
    // Not below /run, a tmpfs, into which Docker copies nothing that the container sees.
    client.container.putArchive(container, Readable.from(tar), "/tmp"),
    pipeline(createReadStream(archive), tar.entry({ name: file, size: statSync(archive).size })).then(() =>
      tar.finalize(),
    ),
  ]);
  try {
    await images("import", `/tmp/${file}`);
  } finally {
    await run(["rm", "-f", `/tmp/${file}`]);
  }
  for (const [name, reference] of digestReferences(changedImages(before, await images("list"))))
    await images("tag", "--force", name, reference);
}

async function isWhole(client: ContainerRuntimeClient, { container, configOperator }: State): Promise<boolean> {
  if (configOperator !== undefined && !isAlive(configOperator)) return false;
  const { State: state } = await client.container
    .getById(container)
    .inspect()
    .catch(() => ({ State: { Running: false } }));
  return state.Running;
}

function readState(name: string): State | undefined {
  try {
    return stateSchema.parse(JSON.parse(readFileSync(k3sFile(name), "utf8")));
  } catch {
    return undefined;
  }
}

/** Also what a killed `up` left, which the label tells. How many containers there were. */
async function sweep(client: ContainerRuntimeClient, name: string): Promise<number> {
  const configOperator = readState(name)?.configOperator;
  if (configOperator !== undefined) endGroup(configOperator);
  const { dockerode } = client.container;
  const containers = await dockerode.listContainers({ all: true, filters: { label: [`${label}=${name}`] } });
  for (const { Id } of containers) await dockerode.getContainer(Id).remove({ force: true, v: true });
  rmSync(clusterDir(name), { recursive: true, force: true });
  return containers.length;
}
