/** Looks before long work whether this machine can do it, and says what to type when it cannot. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, statfsSync } from "node:fs";
import { homedir } from "node:os";

const gigabyte = 1024 ** 3;
const neededBytes = 12 * gigabyte;

/** Debian package by the program it brings. */
const clusterPackages: Readonly<Record<string, string>> = {
  "/usr/bin/containerd": "containerd",
  "/usr/sbin/runc": "runc",
  "/usr/lib/cni/ptp": "containernetworking-plugins",
  "/usr/sbin/iptables": "iptables",
  "/usr/sbin/conntrack": "conntrack",
  "/usr/sbin/ip": "iproute2",
  "/usr/bin/unshare": "util-linux",
  "/bin/busybox": "busybox-static",
};

export interface Need {
  /** `api`: etcd and an API server; `cluster`: whole nodes as well. */
  readonly need: "api" | "cluster";
  /** True: missing Debian packages are installed when this is root on Debian. */
  readonly install: boolean;
}

/** Returns when everything is there; else throws with one sentence per lack. */
export async function preflight({ need, install }: Need): Promise<void> {
  const lacks = [...programs(), ...disk(), ...(need === "cluster" ? nodes(install) : [])];
  if (lacks.length > 0) throw new Error(lacks.join("\n"));
}

function programs(): string[] {
  const wanted = { go: "Go 1.26 (go.dev/dl)", cargo: "Rust with cargo (rustup.rs)" };
  return Object.entries(wanted)
    .filter(([program]) => spawnSync("sh", ["-c", `command -v ${program}`]).status !== 0)
    .map(([program, what]) => `${program} is missing: install ${what} and put it on the PATH`);
}

function disk(): string[] {
  const { bavail, bsize } = statfsSync(homedir());
  const free = bavail * bsize;
  return free >= neededBytes
    ? []
    : [
        `only ${(free / gigabyte).toFixed(1)} GB of disk are free: ${neededBytes / gigabyte} GB are needed for builds and images`,
      ];
}

function nodes(install: boolean): string[] {
  if (process.getuid?.() !== 0)
    return ["the nodes of the local cluster are namespaces, which only root can make: run the command again with sudo"];
  const missing = () => [
    ...new Set(
      Object.entries(clusterPackages)
        .filter(([program]) => !existsSync(program))
        .map(([, name]) => name),
    ),
  ];
  const command = (names: readonly string[]) => `apt-get install --no-install-recommends -y ${names.join(" ")}`;
  if (install && missing().length > 0 && existsSync("/usr/bin/apt-get")) {
    console.error(`  Installing Debian packages: ${missing().join(" ")}`);
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    execFileSync("sh", ["-c", `apt-get update -qq && ${command(missing())} >&2`], {
      env,
      stdio: ["ignore", "ignore", "inherit"],
    });
  }
  const still = missing();
  const lacks = still.length === 0 ? [] : [`programs are missing: ${command(still)}`];
  if (spawnSync("unshare", ["--net", "--mount", "--pid", "--fork", "true"]).status !== 0)
    lacks.push(
      "network, mount and pid namespaces cannot be made here: run on a machine or VM that allows them to root",
    );
  return lacks;
}
