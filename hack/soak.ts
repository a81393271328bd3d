/**
 * The long variants of the robustness tests: the operator killed beside every single write, then a random walk of any length.
 *   npm run test:soak -- [--minutes N] [--seed S] [--walk-only]
 * Needs what the API tests need. The last result of a walk of five minutes or more stands in docs/testing.md; commit it.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type RobustWorld, startRobustWorld } from "../e2e/robust/robust-world.ts";
import { type WalkResult, walk } from "../e2e/robust/walk.ts";
import { cloneDir } from "./cache.ts";
import { preflight } from "./preflight.ts";
import { runSteps, type Step } from "./steps.ts";

const usage = "usage: npm run test:soak -- [--minutes N] [--seed S] [--walk-only]   a walk of 60 minutes, any seed";
const minuteMs = 60_000;
const shortestToldMinutes = 5;
const rowsTold = 12;

interface Sample {
  readonly atMs: number;
  readonly heapBytes: number;
  readonly residentBytes: number;
}

function parse(): { readonly minutes: number; readonly seed: number; readonly walkOnly: boolean } {
  const { values } = parseArgs({
    options: { minutes: { type: "string" }, seed: { type: "string" }, "walk-only": { type: "boolean" } },
  });
  const minutes = Number(values.minutes ?? "60");
  const seed = Number(values.seed ?? Date.now() % 1_000_000);
  if (!(minutes > 0) || !Number.isInteger(seed)) throw new Error(usage);
  return { minutes, seed, walkOnly: values["walk-only"] === true };
}

const longTests: readonly Step[] = [
  {
    name: "the operator killed beside every write",
    report: "uvu",
    command: ["uvu", "e2e/robust", "kills\\.test\\.ts$"],
    env: { ...process.env, RUNTIME_INSIGHTS_KILL_POINTS: "all" },
    timeoutMs: 60 * minuteMs,
  },
  {
    name: "faults, at length",
    report: "uvu",
    command: ["uvu", "e2e/robust", "faults.*\\.test\\.ts$"],
    env: { ...process.env, RUNTIME_INSIGHTS_STEADY_MINUTES: "10" },
    timeoutMs: 60 * minuteMs,
  },
  {
    name: "the gatherer killed beside every change of its folder",
    report: "uvu",
    command: ["uvu", "src/bin", "gatherer-killed\\.test\\.ts$"],
    env: { ...process.env, RUNTIME_INSIGHTS_KILL_POINTS: "all" },
    timeoutMs: 60 * minuteMs,
  },
];

async function sampleOf({ operator }: RobustWorld, atMs: number): Promise<Sample | undefined> {
  const readingOf = async (name: string) => (await operator.metric(`runtime_insights_operator_${name}`))[0]?.value;
  const heapBytes = await readingOf("nodejs_heap_size_used_bytes");
  const residentBytes = await readingOf("process_resident_memory_bytes");
  return heapBytes === undefined || residentBytes === undefined ? undefined : { atMs, heapBytes, residentBytes };
}

/** Processes are killed in the first half; in the second one stays, whose memory is told. */
async function soak(minutes: number, seed: number): Promise<void> {
  const world = await startRobustWorld({ controllers: "cleaning" });
  const forMs = minutes * minuteMs;
  const samples: Sample[] = [];
  try {
    world.operator.start();
    await world.operator.waitUntilRun();
    const result = await walk(world, {
      ...{ seed, forMs },
      restarts: (elapsedMs) => elapsedMs < forMs / 2,
      onQuiet: async (elapsedMs) => {
        const sample = elapsedMs < forMs / 2 ? undefined : await sampleOf(world, elapsedMs);
        if (sample !== undefined) samples.push(sample);
        process.stdout.write(".");
      },
    });
    const text = told({ minutes, seed, result, samples });
    console.log(`\n${text}`);
    if (minutes >= shortestToldMinutes) keep(text);
  } finally {
    await world.stop();
  }
}

interface Told {
  readonly minutes: number;
  readonly seed: number;
  readonly result: WalkResult;
  readonly samples: readonly Sample[];
}

function told({ minutes, seed, result, samples }: Told): string {
  const { actions, quietPoints, slowestMs } = result;
  const every = Math.max(1, Math.ceil(samples.length / rowsTold));
  const rows = samples.filter((_, index) => index % every === 0 || index === samples.length - 1);
  const mib = (bytes: number) => (bytes / 1024 / 1024).toFixed(1);
  return [
    `${new Date().toISOString().slice(0, 10)}, seed ${seed}, ${minutes} minutes: ${actions} actions, ${quietPoints} quiet points, nothing wrong at any of them;`,
    `at most ${(slowestMs / 1000).toFixed(1)} s from the end of the disturbances until all was right. Memory of the one process of the second half:`,
    "",
    "| minute | heap, MiB | resident, MiB |",
    "|---|---|---|",
    ...rows.map(
      ({ atMs, heapBytes, residentBytes }) =>
        `| ${(atMs / minuteMs).toFixed(1)} | ${mib(heapBytes)} | ${mib(residentBytes)} |`,
    ),
  ].join("\n");
}

/** Between the two marks of the document. */
function keep(text: string): void {
  const file = join(cloneDir, "docs/testing.md");
  const [begin, end] = ["<!-- soak: begin -->", "<!-- soak: end -->"];
  const before = readFileSync(file, "utf8");
  const after = before.replace(new RegExp(`${begin}[\\s\\S]*${end}`), `${begin}\n${text}\n${end}`);
  if (!before.includes(begin)) throw new Error(`${file} has no place for the result`);
  writeFileSync(file, after);
}

const { minutes, seed, walkOnly } = parse();
await preflight({ need: "api", install: true });
const { failed } = walkOnly ? { failed: 0 } : await runSteps(longTests);
if (failed > 0) process.exitCode = 1;
console.log(`\n--- a random walk of ${minutes} minutes, seed ${seed}`);
await soak(minutes, seed);
