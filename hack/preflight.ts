/** Looks before long work whether this machine can do it, and says what to type when it cannot. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, statfsSync } from "node:fs";
import { dirname } from "node:path";
import { cacheDir } from "./cache.ts";
import { stateRoot } from "./cluster/state.ts";

const gigabyte = 1024 ** 3;
/** Builds of Kubernetes and their compiler's cache take about 9 GB, images and two nodes the rest. */
const neededBytes = 15 * gigabyte;
const oldestGo = 26;

/** Debian package by the program, or file, that it brings. */
const packages: Readonly<Record<string, string>> = {
  containerd: "containerd",
  runc: "runc",
  "/usr/lib/cni/ptp": "containernetworking-plugins",
  iptables: "iptables",
  conntrack: "conntrack",
  ip: "iproute2",
  unshare: "util-linux",
  mount: "mount",
  "/bin/busybox": "busybox-static",
};

/** What the extractor's own tests run or look through, and what the samples are built by. */
const testPackages: Readonly<Record<string, string>> = {
  strace: "strace",
  python3: "python3",
  java: "default-jre-headless",
  javac: "default-jdk-headless",
  mvn: "maven",
  pip3: "python3-pip",
  gcc: "gcc",
  "g++": "g++",
};

export interface Need {
  /** `api`: etcd and an API server; `cluster`: whole nodes as well; `tests`: and what the extractor's tests run. */
  readonly need: "api" | "cluster" | "tests";
  /** True: missing Debian packages are installed when this is root on Debian. */
  readonly install: boolean;
  /** Whether the product's own programs are built too; default true. */
  readonly rust?: boolean;
}

/** What was seen of this machine. */
export interface Seen {
  /** As `go version` prints it; empty when there is none. */
  readonly go: string;
  readonly cargo: boolean;
  /** Free bytes by folder. */
  readonly free: Readonly<Record<string, number>>;
  readonly root: boolean;
  /** Debian packages whose programs are not there. */
  readonly missing: readonly string[];
  /** What could not be done in namespaces of its own; empty when all went well. */
  readonly namespaces: string;
}

/** Returns when everything is there; else throws with one sentence per lack. */
export async function preflight({ need, install, rust = true }: Need): Promise<void> {
  if (need !== "api" && install) installPackages(missingPackages(need));
  const lacks = lacksOf(look(need), { need, rust });
  if (lacks.length > 0) throw new Error(lacks.join("\n"));
}

/** One sentence per thing that is missing, each with what helps. */
export function lacksOf(seen: Seen, { need, rust }: Pick<Need, "need"> & { readonly rust: boolean }): string[] {
  const lacks: string[] = [];
  const version = /go1\.(\d+)/.exec(seen.go)?.[1];
  if (seen.go === "") lacks.push(`Go is missing: install Go 1.${oldestGo} or newer (go.dev/dl) and put it on the PATH`);
  else if (version !== undefined && Number(version) < oldestGo)
    lacks.push(
      `Go 1.${version} is too old: install Go 1.${oldestGo} or newer (go.dev/dl) and put it first on the PATH`,
    );
  if (rust && !seen.cargo) lacks.push("cargo is missing: install Rust (rustup.rs) and put ~/.cargo/bin on the PATH");
  for (const [dir, bytes] of Object.entries(seen.free))
    if (bytes < neededBytes)
      lacks.push(
        `only ${(bytes / gigabyte).toFixed(1)} GB are free where ${dir} lies, ${neededBytes / gigabyte} GB are needed: free some, or set RUNTIME_INSIGHTS_CACHE and RUNTIME_INSIGHTS_STATE to folders on a larger disk`,
      );
  if (need === "api") return lacks;
  if (!seen.root)
    return [
      ...lacks,
      "the nodes of the local cluster are namespaces, which only root can make: run the command again with sudo",
    ];
  if (seen.missing.length > 0) lacks.push(`programs are missing: ${installCommand(seen.missing)}`);
  else if (seen.namespaces !== "")
    lacks.push(
      `nodes cannot be made here (${seen.namespaces}): use a machine or VM that lets root make namespaces, with the kernel modules bridge, veth and overlay (modprobe -a bridge veth overlay)`,
    );
  return lacks;
}

function look(need: Need["need"]): Seen {
  const output = (program: string, args: readonly string[]) =>
    spawnSync(program, args, { encoding: "utf8" }).stdout ?? "";
  const root = process.getuid?.() === 0;
  const nodes = need !== "api" && root;
  return {
    go: output("go", ["version"]).trim(),
    cargo: spawnSync("cargo", ["--version"]).status === 0,
    free: Object.fromEntries([cacheDir(), ...(nodes ? [stateRoot()] : [])].map((dir) => [dir, freeBytes(dir)])),
    root,
    missing: nodes ? missingPackages(need) : [],
    namespaces: nodes ? tryNamespaces() : "",
  };
}

/** Of the file system that the folder is on, or will be on. */
function freeBytes(dir: string): number {
  if (!existsSync(dir)) return freeBytes(dirname(dir));
  const { bavail, bsize } = statfsSync(dir);
  return bavail * bsize;
}

function missingPackages(need: Need["need"]): readonly string[] {
  const wanted = need === "tests" ? { ...packages, ...testPackages } : packages;
  const present = (what: string) =>
    what.startsWith("/") ? existsSync(what) : spawnSync("sh", ["-c", `command -v ${what}`]).status === 0;
  return Object.entries(wanted).flatMap(([what, name]) => (present(what) ? [] : [name]));
}

/** In throw-away namespaces: a network as the cluster's, and address translation. */
function tryNamespaces(): string {
  const steps =
    "ip link add name probe0 type bridge && ip link add name probe1 type veth peer name probe2 && iptables -t nat -S > /dev/null";
  const { status, stderr } = spawnSync("unshare", ["--net", "--mount", "--pid", "--fork", "sh", "-c", steps], {
    encoding: "utf8",
  });
  return status === 0 ? "" : (stderr ?? "").trim().split("\n").at(-1) || `unshare ended with ${status}`;
}

const installCommand = (names: readonly string[]) => `apt-get install --no-install-recommends -y ${names.join(" ")}`;

/** What cannot be installed is found missing afterwards. */
function installPackages(names: readonly string[]): void {
  if (names.length === 0 || process.getuid?.() !== 0 || !existsSync("/usr/bin/apt-get")) return;
  console.error(`  Installing Debian packages: ${names.join(" ")}`);
  try {
    execFileSync("sh", ["-c", `apt-get update -qq && ${installCommand(names)} >&2`], {
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
      stdio: ["ignore", "ignore", "inherit"],
    });
  } catch {
    console.error("  Installing them failed");
  }
}
