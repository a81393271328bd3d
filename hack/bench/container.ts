/** Containers made by runc as a container engine makes them: overlay root, own namespaces, cgroup named after the ID. */
import { execFile, spawn } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { commands, type Kind, variables } from "./rootfs.ts";

const run = promisify(execFile);

export interface Container {
  readonly id: string;
  readonly kind: Kind;
  readonly namespace: string;
  readonly pod: string;
  readonly podUid: string;
  /** Process ID of its first process, as this process table has it. */
  readonly pid: number;
}

/** Where the containers of one benchmark live. */
export interface Place {
  /** Writable, on a tmpfs. */
  readonly dir: string;
  /** First component of every cgroup path. */
  readonly cgroup: string;
  /** Where the links to the logs go. */
  readonly logDir: string;
}

/** The runtime's default capabilities. */
const capabilities = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_FSETID",
  "CAP_FOWNER",
  "CAP_SETGID",
  "CAP_SETUID",
  "CAP_NET_BIND_SERVICE",
  "CAP_KILL",
];
/** An ordinary user, as most images have it. */
const uid = 1000;

function runcConfig(kind: Kind, root: string, cgroupsPath: string): object {
  return {
    ociVersion: "1.0.2",
    process: {
      terminal: false,
      user: { uid, gid: uid },
      args: commands[kind],
      env: ["PATH=/usr/local/bin:/usr/bin:/bin", ...variables(kind)],
      cwd: "/",
      capabilities: { bounding: capabilities, effective: [], permitted: [] },
      noNewPrivileges: true,
    },
    root: { path: root, readonly: true },
    hostname: kind,
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=755"] },
      { destination: "/tmp", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=1777"] },
    ],
    linux: {
      cgroupsPath,
      namespaces: ["pid", "mount", "ipc", "uts", "network"].map((type) => ({ type })),
      maskedPaths: ["/proc/kcore", "/proc/keys"],
      readonlyPaths: ["/proc/sys"],
    },
  };
}

/** Starts a container and leaves the link that a kubelet would leave. */
export async function start(
  { dir, cgroup, logDir }: Place,
  lower: string,
  wanted: Omit<Container, "pid">,
): Promise<Container> {
  const { id, kind, namespace, pod, podUid } = wanted;
  const bundle = join(dir, id);
  const [root, upper, work] = [join(bundle, "root"), join(bundle, "upper"), join(bundle, "work")];
  for (const folder of [root, upper, work]) mkdirSync(folder, { recursive: true });
  await run("mount", ["-t", "overlay", "overlay", "-o", `lowerdir=${lower},upperdir=${upper},workdir=${work}`, root]);
  const cgroupsPath = `/${cgroup}/kubepods/burstable/pod${podUid}/${id}`;
  writeFileSync(join(bundle, "config.json"), JSON.stringify(runcConfig(kind, root, cgroupsPath)));
  const pidFile = join(bundle, "pid");
  await runDetached(["--root", join(dir, "runc"), "run", "--detach", "--bundle", bundle, "--pid-file", pidFile, id]);
  symlinkSync(
    `/var/log/pods/${namespace}_${pod}_${podUid}/app-${id.slice(0, 6)}/0.log`,
    join(logDir, `${pod}_${namespace}_app-${id.slice(0, 6)}-${id}.log`),
  );
  return { ...wanted, pid: Number(readFileSync(pidFile, "utf8")) };
}

/** runc hands its own standard streams to the container, so they must not be pipes that someone waits for. */
async function runDetached(args: readonly string[]): Promise<void> {
  const child = spawn("runc", args, { stdio: ["ignore", "ignore", "inherit"] });
  const code = await new Promise<number | null>((resolve, reject) => child.on("exit", resolve).on("error", reject));
  if (code !== 0) throw new Error(`runc ${args.join(" ")} ended with code ${code}`);
}
