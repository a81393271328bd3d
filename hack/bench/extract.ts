/** The cost of looking into containers, beside the least that it could cost. */
import { execFile, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { availableParallelism, cpus, loadavg, release, tmpdir } from "node:os";
import { basename, join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { z } from "zod";
import { cacheDir, cargoEnv, cloneDir } from "../cache.ts";
import { median, type Result, type Row, row } from "./report.ts";
import { ensureRoots, type Kind, kinds, programOnPath } from "./rootfs.ts";

const run = promisify(execFile);

/** What the node of the benchmark shall do; processes run pinned to `cpu`. */
export const planSchema = z.strictObject({
  /** An empty folder; the node mounts a tmpfs on it. */
  root: z.string(),
  cgroup: z.string(),
  kinds: z.array(z.enum(kinds)),
  roots: z.record(z.enum(kinds), z.string()),
  hostProcesses: z.int(),
  rounds: z.int(),
  cpu: z.int(),
  extractorPort: z.int(),
  exporterPort: z.int(),
  programs: z.record(z.enum(["extractor", "exporter", "floor", "measure"]), z.string()),
});
export type Plan = z.infer<typeof planSchema>;

const sampleSchema = z.strictObject({
  /** `none`: an ID that no container has, which leaves start-up and the pass over the process table. */
  group: z.enum(["all", ...kinds, "none"]),
  containers: z.int(),
  floorMs: z.array(z.number()),
  extractorMs: z.array(z.number()),
  cpu: z.int(),
});
const measuredSchema = z.strictObject({
  processes: z.int(),
  /** Containers by the kind that was found. */
  answers: z.record(z.string(), z.int()),
  samples: z.array(sampleSchema),
  memory: z.strictObject({ idleBytes: z.number(), peakBytes: z.number(), afterBytes: z.number() }),
  /** That one container of the kind adds; empty without strace. */
  calls: z.partialRecord(z.enum(kinds), z.int()),
});
export type Sample = z.infer<typeof sampleSchema>;
export type Measured = z.infer<typeof measuredSchema>;

const names: Readonly<Record<Exclude<Sample["group"], "none">, string>> = {
  all: "all kinds together",
  shell: "OS only",
  node: "Node.js",
  java: "Java, plain main",
  go: "Go",
};
/** Most times the floor that a container may cost, where something is promised. */
const limits: Readonly<Partial<Record<Sample["group"], number>>> = { all: 5, shell: 4 };
/** Programs of the machine, with the Debian package of each; strace counts system calls when it is there. */
const needed = [
  ["runc", "runc"],
  ["cc", "gcc libc6-dev"],
  ["cargo", "cargo"],
  ["unshare", "util-linux"],
  ["javac", "default-jdk-headless"],
] as const;
const mebibyte = 1024 * 1024;

/** The rows of what was measured; per container, start-up and the pass over the process table included. */
export function extractRows({ samples, memory, calls }: Measured, imageBytes: number): Row[] {
  const rows = samples.flatMap(({ group, containers, floorMs, extractorMs }) => {
    const value = median(extractorMs);
    if (group === "none") return [row({ name: "start-up and process table, no container", value, unit: "ms" })];
    const floor = median(floorMs) / containers;
    const name = `${names[group]}, per container`;
    return [row({ name, value: value / containers, unit: "ms", floor, limit: limits[group] ?? null })];
  });
  const inMebibytes = (name: string, bytes: number, limit: number) =>
    row({ name, value: bytes / mebibyte, unit: "MiB", limit });
  const callRows = kinds.flatMap((kind) => {
    const value = calls[kind];
    const limit = kind === "shell" ? 120 : null;
    return value === undefined
      ? []
      : [row({ name: `${names[kind]}, system calls of a container`, value, unit: "calls", limit })];
  });
  return [
    ...rows,
    ...callRows,
    inMebibytes("extractor and exporter, idle (PSS)", memory.idleBytes, 4),
    inMebibytes("extractor, children and exporter, peak (PSS)", memory.peakBytes, 12),
    inMebibytes("extractor and exporter, after ten scans (PSS)", memory.afterBytes, 4),
    row({ name: "both programs, gzip", value: imageBytes / 1e6, unit: "MB", limit: 3 }),
  ];
}

/** How many containers of each kind: 60 % OS only, 15 % Node.js, 15 % Java, the rest Go. */
export function mixture(containers: number): Kind[] {
  const some = Math.round(containers * 0.15);
  const go = Math.round(containers * 0.1);
  const repeat = (kind: Kind, times: number) => Array<Kind>(times).fill(kind);
  return [
    ...repeat("shell", containers - 2 * some - go),
    ...repeat("node", some),
    ...repeat("java", some),
    ...repeat("go", go),
  ];
}

/** Why the containers were not told right, or none. */
export function wrongAnswers(kinds: readonly Kind[], answers: Readonly<Record<string, number>>): string | undefined {
  const found: Readonly<Record<Kind, string>> = { shell: "OS only", node: "Node.js", java: "Java", go: "Golang" };
  const expected: Record<string, number> = {};
  for (const kind of kinds) expected[found[kind]] = (expected[found[kind]] ?? 0) + 1;
  const sorted = (counts: Readonly<Record<string, number>>) => JSON.stringify(Object.entries(counts).toSorted());
  return sorted(expected) === sorted(answers) ? undefined : `expected ${sorted(expected)}, found ${sorted(answers)}`;
}

export interface ExtractOptions {
  readonly containers: number;
  readonly rounds: number;
}

/** Builds the programs, runs the benchmark's node in namespaces of its own, and cleans up after it. */
export async function extract({ containers, rounds }: ExtractOptions, log: (line: string) => void): Promise<Result> {
  if (process.getuid?.() !== 0) throw new Error("The benchmark makes namespaces and containers: run it as root");
  if (availableParallelism() < 2) throw new Error("The benchmark needs two processors: one measures the other");
  for (const [name, debianPackage] of needed) await programOnPath(name, debianPackage);
  const programs = await buildPrograms(log);
  log("Preparing the root folders of the containers ...");
  const roots = await ensureRoots();
  const root = mkdtempSync(join(tmpdir(), "runtime-insights-bench-"));
  const cgroup = basename(root);
  const wanted = mixture(containers);
  const hostProcesses = containers * 4;
  const ports = { extractorPort: 23_000 + (process.pid % 1000), exporterPort: 24_000 + (process.pid % 1000) };
  const plan: Plan = { root, cgroup, kinds: wanted, roots, hostProcesses, rounds, cpu: 1, ...ports, programs };
  try {
    const measured = measuredSchema.parse(JSON.parse(await runNode(plan)));
    const wrong = wrongAnswers(wanted, measured.answers);
    if (wrong !== undefined) throw new Error(`The extractor does not tell the containers right: ${wrong}`);
    const image = [programs.extractor, programs.exporter].map((path) => gzipSync(readFileSync(path)).length);
    const rows = extractRows(
      measured,
      image.reduce((sum, bytes) => sum + bytes, 0),
    );
    return { rows, method: method(plan, measured) };
  } finally {
    await removeCgroups(cgroup);
    rmSync(root, { recursive: true, force: true });
  }
}

function method({ kinds: wanted, rounds }: Plan, { processes }: Measured): string[] {
  const load = (loadavg()[0] ?? 0).toFixed(1);
  const machine = `${availableParallelism()} x ${cpus()[0]?.model ?? "unknown processor"}, Linux ${release()}, load average ${load}`;
  return [
    `${new Date().toISOString().slice(0, 10)} on ${machine}.`,
    `${wanted.length} containers (${kinds.map((kind) => `${wanted.filter((k) => k === kind).length} ${kind}`).join(", ")}) made by runc on overlay roots, ten to a pod, among ${processes} processes, in pid and mount namespaces of their own; no kubelet.`,
    `A fresh extractor is started, pinned to one processor at real-time priority, and asked once over TCP; the floor program (fork, setns, read os-release, readlink of the executable) takes turns with it. Medians of ${rounds} rounds after one to warm the page cache; wall time from the start of the program to its answer.`,
    "System calls: those of the extractor and its children under strace for one container, less those for an ID that no container has.",
    "Memory: one extractor and one exporter, ten scans of all containers with detail through the exporter, sampled every 10 ms.",
  ];
}

async function buildPrograms(log: (line: string) => void): Promise<Plan["programs"]> {
  log("Building the node programs (release) ...");
  const env = cargoEnv();
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
