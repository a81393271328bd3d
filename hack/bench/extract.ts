/** The cost of looking into containers, beside the least that it could cost. */
import { execFile, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { availableParallelism, cpus, loadavg, release, tmpdir } from "node:os";
import { basename, join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { releaseEnv } from "../build.ts";
import { cacheDir, cloneDir } from "../cache.ts";
import { type Measured, measuredSchema, type Part, type Plan } from "./extract-plan.ts";
import { extractTables, mixture } from "./extract-rows.ts";
import type { Result } from "./report.ts";
import { ensureRoots, kinds, programOnPath } from "./rootfs.ts";

const run = promisify(execFile);

/** Programs of the machine, with the Debian package of each; strace counts system calls when it is there. */
const needed = [
  ["runc", "runc"],
  ["cc", "gcc libc6-dev"],
  ["cargo", "cargo"],
  ["unshare", "util-linux"],
  ["javac", "default-jdk-headless"],
  ["mvn", "maven"],
] as const;
const mebibyte = 1024 * 1024;

export interface ExtractOptions {
  readonly containers: number;
  readonly rounds: number;
  readonly only: readonly Part[];
}

/** What is measured beside the mixture. */
const singles = ["python", "python", "framework", "framework", "large", "large"] as const;

/** Builds the programs, runs the benchmark's node in namespaces of its own, and cleans up after it. */
export async function extract(
  { containers, rounds, only }: ExtractOptions,
  log: (line: string) => void,
): Promise<Result> {
  if (process.getuid?.() !== 0) throw new Error("The benchmark makes namespaces and containers: run it as root");
  if (availableParallelism() < 2) throw new Error("The benchmark needs two processors: one measures the other");
  for (const [name, debianPackage] of needed) await programOnPath(name, debianPackage);
  const programs = await buildPrograms(log);
  log("Preparing the root folders of the containers ...");
  const { roots, told } = await ensureRoots();
  const root = mkdtempSync(join(tmpdir(), "runtime-insights-bench-"));
  const cgroup = basename(root);
  const mixed = mixture(containers);
  const wanted = [...mixed, ...singles];
  const hostProcesses = containers * 4;
  const most = { containers: Math.round(containers * 2.5), processes: containers * 16 };
  const ports = { extractorPort: 23_000 + (process.pid % 1000), exporterPort: 24_000 + (process.pid % 1000) };
  const plan: Plan = {
    ...{ root, cgroup, kinds: wanted, mixed: mixed.length, most, hostProcesses, rounds, cpu: 1 },
    ...{ roots, told, only: [...only], programs },
    ...ports,
  };
  try {
    const measured = measuredSchema.parse(JSON.parse(await runNode(plan)));
    const image = [programs.extractor, programs.exporter].map((path) => gzipSync(readFileSync(path)).length);
    const tables = extractTables(
      measured,
      image.reduce((sum, bytes) => sum + bytes, 0),
    );
    return { tables, method: method(plan, measured) };
  } finally {
    await removeCgroups(cgroup);
    rmSync(root, { recursive: true, force: true });
  }
}

function method({ kinds: wanted, mixed, rounds, most }: Plan, { processes }: Measured): string[] {
  const load = (loadavg()[0] ?? 0).toFixed(1);
  const machine = `${availableParallelism()} x ${cpus()[0]?.model ?? "unknown processor"}, Linux ${release()}, load average ${load}`;
  const counts = kinds.map((kind) => [kind, wanted.filter((k) => k === kind).length] as const);
  return [
    `${new Date().toISOString().slice(0, 10)} on ${machine}.`,
    `${wanted.length} containers (${counts.flatMap(([kind, count]) => (count === 0 ? [] : `${count} ${kind}`)).join(", ")}; the first ${mixed}, mixed, are "all kinds together") made by runc on overlay roots, ten to a pod, among ${processes} processes, in pid and mount namespaces of their own; no kubelet.`,
    `A fresh extractor is started, pinned to one processor at real-time priority, and asked once over TCP; the floor program (fork, setns, read os-release, readlink of the executable) takes turns with it. Medians of ${rounds} rounds after one to warm the page cache; wall time from the start of the program to its answer. "Second scan": the same extractor asked again, without its start. "Cold": the page cache is dropped before each turn, the floor's too.`,
    `Spring Boot is one jar of 20 MB with an embedded Tomcat. "Large binary" is Node.js in which the bytes before its version were changed, so that the whole of it is searched for several platforms; its floor is a program that reads the file once.`,
    `Growth: a fresh extractor asked for all mixed containers on the node, up to ${most.containers} containers and ${most.processes} processes.`,
    "System calls: those of the extractor and its children under strace for one container, less those for an ID that no container has.",
    "Memory: one extractor and one exporter, ten scans of all containers with detail through the exporter, sampled every 10 ms; then the same with ten containers more whose os-release, release file, command line, environment, memory map and class path (100 jars of 20 MB) are a hundred times as large, or more.",
  ];
}

async function buildPrograms(log: (line: string) => void): Promise<Plan["programs"]> {
  log("Building the node programs (release) ...");
  const env = await releaseEnv();
  await run("nice", ["-n", "5", "cargo", "build", "--release", "--locked"], {
    cwd: join(cloneDir, "extractor"),
    env,
    maxBuffer: 64 * mebibyte,
  });
  const dir = cacheDir("bench");
  const compiled = async (name: string) => {
    const [source, program] = [join(import.meta.dirname, "floor", `${name}.c`), join(dir, name)];
    if (!existsSync(program) || statSync(program).mtimeMs < statSync(source).mtimeMs) {
      await run("cc", ["-O2", "-static", "-Wall", "-Werror", "-o", program, source]);
    }
    return program;
  };
  const release = join(String(env.CARGO_TARGET_DIR), "release");
  return {
    extractor: join(release, "extractor_server"),
    exporter: join(release, "exporter"),
    floor: await compiled("floor"),
    measure: await compiled("measure"),
    readonce: await compiled("readonce"),
  };
}

/** Runs the benchmark's node; when it ends, or this process does, the kernel ends everything in it. */
async function runNode(plan: Plan): Promise<string> {
  const node = [process.execPath, join(import.meta.dirname, "extract-node.ts"), JSON.stringify(plan)];
  const child = spawn("unshare", ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", ...node], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise<number | null>((resolve, reject) => child.on("close", resolve).on("error", reject));
  const output = await text(child.stdout);
  const code = await ended;
  if (code !== 0) throw new Error(`The benchmark's node ended with code ${code}`);
  return output;
}

/** Containers that were killed leave their empty cgroups in every hierarchy; the kernel frees them a moment later. */
async function removeCgroups(name: string): Promise<void> {
  const below = ["/sys/fs/cgroup", "-depth", "-type", "d", "-path", `*/${name}*`];
  for (let attempt = 0; attempt < 50; attempt++) {
    const left = await run("find", [...below, "-not", "(", "-exec", "rmdir", "{}", ";", ")", "-print"]).catch(
      () => undefined,
    );
    if (left?.stdout === "") return;
    await sleep(100);
  }
}
