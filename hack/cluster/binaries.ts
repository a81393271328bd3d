/** The programs of the local cluster, of OLM and of the field's checkers, built from pinned Go modules into the shared cache. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, linkSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { cacheDir } from "../cache.ts";
import { type Architecture, ownArchitecture } from "../images/architecture.ts";
import { removeUnused, wasUsed } from "../images/unused.ts";
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

const olm = (name: string, folder: string, seconds: number): Binary => ({
  name,
  module: "olm",
  package: `github.com/operator-framework/operator-lifecycle-manager/${folder}`,
  seconds,
});

/** What a cluster runs, and its own pods. */
const clusterPrograms: readonly Binary[] = [
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

const binaries: readonly Binary[] = [
  ...clusterPrograms,
  olm("olm", "cmd/olm", 130),
  olm("catalog", "cmd/catalog", 5),
  olm("cpb", "util/cpb", 5),
  { name: "opm", module: "opm", package: "github.com/operator-framework/operator-registry/cmd/opm", seconds: 120 },
  {
    name: "grpc_health_probe",
    module: "grpc-health-probe",
    package: "runtime-insights.local/grpc-health-probe",
    seconds: 30,
  },
  { name: "bundle-check", module: "bundle-check", package: "runtime-insights.local/bundle-check", seconds: 60 },
  {
    name: "scorecard-test",
    module: "scorecard",
    package: "github.com/operator-framework/operator-sdk/images/scorecard-test",
    seconds: 120,
  },
  { name: "crane", module: "crane", package: "github.com/google/go-containerregistry/cmd/crane", seconds: 15 },
  {
    name: "registry",
    module: "registry",
    package: "github.com/distribution/distribution/v3/cmd/registry",
    seconds: 60,
  },
  { name: "actionlint", module: "actionlint", package: "github.com/rhysd/actionlint/cmd/actionlint", seconds: 10 },
];

/** The programs of an API server alone. */
export const apiBinaries = ["etcd", "kube-apiserver", "kubectl"] as const;
export const allBinaries = binaries.map(({ name }) => name);
export const clusterBinaries = clusterPrograms.map(({ name }) => name);

function binaryOf(name: string): Binary {
  const found = binaries.find((binary) => binary.name === name);
  if (found === undefined) throw new Error(`hack/cluster/binaries.ts knows no program ${name}`);
  return found;
}

/** The folder that holds the named programs; builds those that are missing, one clone at a time. */
export async function ensureBinaries(
  names: readonly string[],
  log: Log,
  architecture = ownArchitecture,
): Promise<string> {
  for (const name of names) binaryOf(name);
  const compiler = await compilerVersion(architecture);
  const wanted = binaries.map((binary) => ({ binary, program: `${binary.name}-${keyOf(binary, compiler)}` }));
  const together = createHash("sha256").update(wanted.map(({ program }) => program).join("\n"));
  const dir = cacheDir("bin", together.digest("hex").slice(0, 16));
  wasUsed(dir);
  const missing = () => wanted.filter(({ binary: { name } }) => names.includes(name) && !existsSync(join(dir, name)));
  if (missing().length === 0) return dir;
  await withLock(join(cacheDir("bin"), ".lock"), log, async () => {
    const store = cacheDir("programs");
    for (const file of readdirSync(store).filter((name) => name.startsWith(".")))
      rmSync(join(store, file), { force: true });
    const todo = missing();
    for (const [done, { binary, program }] of todo.entries()) {
      const file = join(store, program);
      if (!wasUsed(file)) await build(binary, file, { position: `${done + 1} of ${todo.length}`, architecture, log });
      linkSync(file, join(dir, binary.name));
    }
    for (const folder of [store, cacheDir("bin")]) removeUnused(folder, Date.now());
  });
  return dir;
}

interface Build {
  readonly position: string;
  readonly architecture: Architecture;
  readonly log: Log;
}

async function build(binary: Binary, file: string, { position, architecture, log }: Build): Promise<void> {
  const expected = binary.seconds < 100 ? `${binary.seconds} s` : `${Math.ceil(binary.seconds / 60)} min`;
  log(
    `Building ${binary.name}${architecture === ownArchitecture ? "" : ` for ${architecture}`} (${position}, about ${expected} when nothing is cached) ...`,
  );
  const startedMs = Date.now();
  // A compiler that outlived a killed run may still write to the name of that run.
  const partial = join(cacheDir("programs"), `.${binary.name}.${process.pid}`);
  const args = ["-n", "5", "go", "build", "-mod=readonly", "-trimpath", "-ldflags", flags, "-o", partial];
  await run("nice", [...args, binary.package], {
    ...placeOf(binary, architecture),
    maxBuffer: 64 * 1024 * 1024,
  }).catch((cause: Error) => {
    throw new Error(`building ${binary.name} from ${binary.package}: ${cause.message}`, { cause });
  });
  renameSync(partial, file);
  log(`  ${binary.name} built in ${((Date.now() - startedMs) / 1000).toFixed(0)} s`);
}

const placeOf = ({ module }: Binary, architecture: Architecture) => ({
  cwd: join(toolsDir, module),
  env: { ...process.env, GOARCH: architecture, CGO_ENABLED: "0", GOFLAGS: "", GOWORK: "off" },
});

/** A package of a program's sources on this machine, which Go fetches where they are missing. */
export interface GoPackage {
  /** `NAME@VERSION` as it is linked; `std` for Go's own library. */
  readonly module: string;
  /** The module's folder. */
  readonly root: string;
  readonly folder: string;
}

/** What the program is built from. It names its modules itself, but not where they lie. */
export async function goPackages(name: string, architecture: Architecture): Promise<readonly GoPackage[]> {
  const binary = binaryOf(name);
  const used = "{{with .Module}}{{with .Replace}}{{.Path}}@{{.Version}}{{else}}{{.Path}}@{{.Version}}{{end}}{{end}}";
  const format = `{{if .Standard}}std\t{{.Root}}{{else}}${used}\t{{.Module.Dir}}{{end}}\t{{.Dir}}`;
  const { stdout } = await run("go", ["list", "-mod=readonly", "-deps", "-f", format, binary.package], {
    ...placeOf(binary, architecture),
    maxBuffer: 64 * 1024 * 1024,
  });
  return stdout.split("\n").flatMap((line): GoPackage[] => {
    const [module, root, folder] = line.split("\t");
    return module === undefined || root === undefined || folder === undefined ? [] : [{ module, root, folder }];
  });
}

const flags = `-s -w -X k8s.io/component-base/version.gitVersion=${kubernetesVersion}`;

/** Same pins, sources, flags and compiler, same program. */
function keyOf(binary: Binary, compiler: string): string {
  const hash = createHash("sha256").update(`${binary.package}\n${flags}\n${compiler}`);
  const dir = join(toolsDir, binary.module);
  for (const file of readdirSync(dir).sort()) hash.update(`${file}\n`).update(readFileSync(join(dir, file)));
  return hash.digest("hex").slice(0, 16);
}

async function compilerVersion(architecture: Architecture): Promise<string> {
  const env = { ...process.env, GOARCH: architecture };
  const { stdout } = await run("go", ["env", "GOVERSION", "GOARCH"], { env });
  return stdout;
}
