/** Builds the fuzz targets, writes their dictionary, runs one of them. */
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cacheDir } from "./cache.ts";
import { type Result, resultOf, words } from "./fuzz-report.ts";

/** What cargo-fuzz asks of the compiler, with the options that stable Rust has. Memory errors are not looked for: no parser has unsafe code. */
const coverage = [
  "--cfg=fuzzing",
  "-Cpasses=sancov-module",
  "-Cllvm-args=-sanitizer-coverage-level=4",
  "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
  "-Cllvm-args=-sanitizer-coverage-pc-table",
  "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/** Builds all targets; the folder that their programs are in. The lock file follows the dependencies of the crates that are fuzzed. */
export function build(folder: string): string {
  const triple = /^host: (.*)$/m.exec(execFileSync("rustc", ["-vV"], { encoding: "utf8" }))?.[1];
  if (triple === undefined) throw new Error("rustc does not say what it builds for");
  const target = cacheDir("fuzz", "target");
  execFileSync("cargo", ["build", "--quiet", "--release", "--target", triple], {
    cwd: folder,
    // Named, so that build scripts and macros are not instrumented.
    env: { ...process.env, CARGO_TARGET_DIR: target, RUSTFLAGS: coverage.join(" ") },
    stdio: "inherit",
  });
  return join(target, triple, "release");
}

/** A file with the words of the sources, for libFuzzer. */
export function dictionary(sources: string): string {
  const file = join(cacheDir("fuzz"), `words-${process.pid}.txt`);
  writeFileSync(file, `${words(sources).join("\n")}\n`);
  return file;
}

export interface Run {
  readonly target: string;
  readonly folder: string;
  readonly programs: string;
  readonly words: string;
  readonly seconds: number;
}

/** What one input may take. libFuzzer measures the time on the wall. */
const limits = ["-timeout=2", "-rss_limit_mb=1024"];

/** One target, for that long. An input of more than two seconds or a gigabyte is a failure like a crash, unless it was the machine that stalled. */
export async function run(order: Run): Promise<Result> {
  const startedMs = Date.now();
  const { result, output } = await runOnce(order);
  const input = /Test unit written to (\S*\/timeout-\S+)/.exec(output)?.[1];
  if (input === undefined || (await start(join(order.programs, order.target), [...limits, input], 60)).exitCode !== 0)
    return result;
  console.error(`  ${order.target}: ${input} took two seconds in a row of others, and does not alone: going on`);
  rmSync(input);
  const { failure: _, ...figures } = result;
  const seconds = order.seconds - Math.ceil((Date.now() - startedMs) / 1000);
  if (seconds <= 0) return figures;
  const rest = await run({ ...order, seconds });
  return { ...rest, runs: figures.runs + rest.runs };
}

async function runOnce({ target, folder, programs, words, seconds }: Run): Promise<{
  readonly result: Result;
  readonly output: string;
}> {
  const program = join(programs, target);
  const corpus = cacheDir("fuzz", "corpus", target);
  const crashes = cacheDir("fuzz", "crashes", target);
  const seeds = join(folder, "seeds", target);
  mkdirSync(corpus, { recursive: true });
  const options = [
    `-max_total_time=${seconds}`,
    "-max_len=65536",
    ...limits,
    `-dict=${words}`,
    `-artifact_prefix=${crashes}/`,
    "-print_final_stats=1",
  ];
  const args = [...options, corpus, ...(existsSync(seeds) ? [seeds] : [])];
  const { output, exitCode } = await start(program, args, seconds + 120);
  return { output, result: resultOf({ target, program, output, exitCode, inputs: readdirSync(corpus).length }) };
}

/** Runs the program for so many seconds at the most. */
async function start(
  program: string,
  args: readonly string[],
  seconds: number,
): Promise<{ readonly output: string; readonly exitCode: number }> {
  const child = spawn(program, args, {
    stdio: ["ignore", "ignore", "pipe"],
    timeout: seconds * 1000,
    killSignal: "SIGKILL",
  });
  let output = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    // The figures and the reason of an end stand at the end.
    output = (output + text).slice(-64 * 1024);
  });
  const exitCode = await new Promise<number>((resolve) => {
    child.on("error", () => resolve(127));
    child.on("close", (code) => resolve(code ?? 1));
  });
  return { output, exitCode };
}
