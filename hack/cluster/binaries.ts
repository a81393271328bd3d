/** The programs of the local cluster, built from pinned Go modules into the shared cache. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { cacheDir } from "../cache.ts";
import { type Log, withLock } from "../lock.ts";

const run = promisify(execFile);
const toolsDir = join(import.meta.dirname, "tools");

interface Binary {
  readonly name: string;
  /** Folder below tools/ whose go.mod pins the module. */
  readonly module: string;
  readonly package: string;
  /** Cold, on two cores. */
  readonly seconds: number;
}

const kubernetesVersion = "v1.34.4";
const kubernetes = (name: string, seconds: number): Binary => ({
  name,
  module: "kubernetes",
  package: `k8s.io/kubernetes/cmd/${name}`,
  seconds,
});

const binaries: readonly Binary[] = [
  { name: "etcd", module: "etcd", package: "go.etcd.io/etcd/server/v3", seconds: 40 },
  kubernetes("kube-apiserver", 280),
  kubernetes("kubectl", 30),
  kubernetes("kube-controller-manager", 60),
  kubernetes("kube-scheduler", 10),
  kubernetes("kubelet", 50),
  kubernetes("kube-proxy", 10),
  {
    name: "kube-rbac-proxy",
    module: "kube-rbac-proxy",
    package: "github.com/brancz/kube-rbac-proxy/cmd/kube-rbac-proxy",
    seconds: 120,
  },
  { name: "coredns", module: "coredns", package: "runtime-insights.local/coredns", seconds: 90 },
  { name: "pause", module: "pause", package: "runtime-insights.local/pause", seconds: 5 },
];

/** The programs of an API server alone. */
export const apiBinaries = ["etcd", "kube-apiserver", "kubectl"] as const;
export const allBinaries = binaries.map(({ name }) => name);

/** The folder that holds the named programs; builds those that are missing, one clone at a time. */
export async function ensureBinaries(names: readonly string[], log: Log): Promise<string> {
  const dir = cacheDir("bin", await key());
  const missing = () => binaries.filter(({ name }) => names.includes(name) && !existsSync(join(dir, name)));
  if (missing().length === 0) return dir;
  await withLock(join(dir, ".lock"), log, async () => {
    const partials = readdirSync(dir).filter((file) => file.includes(".partial."));
    for (const file of partials) rmSync(join(dir, file), { force: true });
    const todo = missing();
    for (const [done, binary] of todo.entries()) await build(binary, dir, `${done + 1} of ${todo.length}`, log);
  });
  return dir;
}

async function build(binary: Binary, dir: string, position: string, log: Log): Promise<void> {
  const expected = binary.seconds < 100 ? `${binary.seconds} s` : `${Math.ceil(binary.seconds / 60)} min`;
  log(`Building ${binary.name} (${position}, about ${expected} when nothing is cached) ...`);
  const startedMs = Date.now();
  // A compiler that outlived a killed run may still write to the name of that run.
  const partial = join(dir, `.${binary.name}.partial.${process.pid}`);
  const flags = `-s -w -X k8s.io/component-base/version.gitVersion=${kubernetesVersion}`;
  const args = [
    "-n",
    "5",
    "go",
    "build",
    "-mod=readonly",
    "-trimpath",
    "-ldflags",
    flags,
    "-o",
    partial,
    binary.package,
  ];
  await run("nice", args, {
    cwd: join(toolsDir, binary.module),
    env: { ...process.env, CGO_ENABLED: "0", GOFLAGS: "", GOWORK: "off" },
    maxBuffer: 64 * 1024 * 1024,
  }).catch((cause: Error) => {
    throw new Error(`building ${binary.name} from ${binary.package}: ${cause.message}`, { cause });
  });
  renameSync(partial, join(dir, binary.name));
  log(`  ${binary.name} built in ${((Date.now() - startedMs) / 1000).toFixed(0)} s`);
}

/** Same pins and same compiler, same folder. */
async function key(): Promise<string> {
  const hash = createHash("sha256");
  for (const module of [...new Set(binaries.map((binary) => binary.module))].sort()) {
    for (const file of ["go.mod", "go.sum", "main.go"]) {
      const path = join(toolsDir, module, file);
      if (existsSync(path)) hash.update(readFileSync(path));
    }
  }
  const { stdout } = await run("go", ["env", "GOVERSION", "GOARCH"]);
  return hash.update(stdout).digest("hex").slice(0, 16);
}
