/** Runs the commands of a test run one after the other, shows their output as it comes and counts what they report. */
import { type ChildProcess, spawn } from "node:child_process";
import { type Failure, failuresOf, lastWords, type Report, withoutColours } from "./failures.ts";

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** A failure and the step it is of. */
export type Told = Failure & { readonly step: string };

export interface Tally extends Counts {
  readonly failures: readonly Told[];
  /** What failed and passed when it ran again; counted as passed. */
  readonly unsteady: readonly Told[];
}

export interface Step {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  readonly report: Report;
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** The command is killed and counts as failed after this time; default 20 minutes. */
  readonly timeoutMs?: number;
  /** So long a runner of tests may take to end after its last one; default 60 s. */
  readonly endMs?: number;
  /** `at its end`: for a step that runs beside another; default `as it comes`. */
  readonly show?: "as it comes" | "at its end" | "not at all";
}

/** How a runner ended. */
export interface End {
  readonly exitCode: number;
  /** It was killed by us. */
  readonly isKilled: boolean;
}

/** The counts in a runner's output. One that was killed, failed without saying of what, or found no test is `broken`: one failure more. */
export function tally(
  report: Report,
  output: string,
  { exitCode, isKilled }: End,
): Counts & { readonly isBroken: boolean } {
  const counted =
    report === "exit code" ? { passed: exitCode === 0 ? 1 : 0, failed: 0, skipped: 0 } : count(report, output);
  const ran = counted.passed + counted.failed > 0;
  const isBroken = isKilled || !ran || (exitCode !== 0 && counted.failed === 0);
  return { ...counted, failed: counted.failed + (isBroken ? 1 : 0), isBroken };
}

/** When each file of a uvu run began, by the output as it comes. */
export class FileTimes {
  readonly #began: { readonly file: string; readonly atMs: number }[] = [];

  hear(text: string, atMs: number): void {
    for (const [, file = ""] of withoutColours(text).matchAll(/^(\S+\.test\.ts)$/gm)) this.#began.push({ file, atMs });
  }

  /** Those of ten seconds and more, the slowest first; empty when there are none. */
  slowest(endMs: number): string {
    return this.#began
      .map(({ file, atMs }, at) => ({
        file,
        seconds: Math.round(((this.#began[at + 1]?.atMs ?? endMs) - atMs) / 1_000),
      }))
      .filter(({ seconds }) => seconds >= 10)
      .toSorted((a, b) => b.seconds - a.seconds)
      .map(({ file, seconds }) => `${file} ${seconds} s`)
      .join(", ");
  }
}

function count(report: "uvu" | "cargo" | "fuzz", output: string): Counts {
  const text = withoutColours(output);
  if (report === "fuzz")
    return {
      passed: sum(text, /^(\d+) passed, \d+ failed$/gm),
      failed: sum(text, /^\d+ passed, (\d+) failed$/gm),
      skipped: 0,
    };
  if (report === "uvu") {
    const total = sum(text, /^\s*Total:\s+(\d+)/gm);
    const passed = sum(text, /^\s*Passed:\s+(\d+)/gm);
    // Its total is without what is skipped, or left out by a forgotten `only`: a hole that nobody is to overlook.
    const skipped = sum(text, /^\s*Skipped:\s+(\d+)/gm);
    return { passed, failed: total - passed + skipped, skipped: 0 };
  }
  return {
    passed: sum(text, /^test result: .*? (\d+) passed;/gm),
    failed: sum(text, /^test result: .*? (\d+) failed;/gm),
    skipped: sum(text, /^test result: .*? (\d+) ignored;/gm),
  };
}

function sum(text: string, pattern: RegExp): number {
  return [...text.matchAll(pattern)].reduce((all, match) => all + Number(match[1]), 0);
}

const running = new Set<ChildProcess>();

function endGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGKILL");
  } catch {
    // It is gone already.
  }
}

process.once("exit", () => {
  for (const child of running) endGroup(child);
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

/** Runs one step; its output goes to the terminal unchanged, in one piece where the step says so. */
export async function runStep(step: Step): Promise<Tally> {
  const [program, ...args] = step.command;
  const startedMs = Date.now();
  const { show = "as it comes" } = step;
  const say = (line: string) => (show === "not at all" ? undefined : console.log(line));
  const isShown = show === "as it comes";
  const title = `\n--- ${step.name}`;
  say(isShown ? title : `${title} begins; what it says comes at its end`);
  const child = spawn(program, args, {
    stdio: ["ignore", "pipe", "pipe"],
    ...(step.cwd === undefined ? {} : { cwd: step.cwd }),
    env: step.env ?? process.env,
    // A group of its own, so that what it started and left ends with it.
    detached: true,
  });
  running.add(child);
  let output = "";
  const files = new FileTimes();
  let isKilled = false;
  const end = (why: string) => {
    isKilled = true;
    output += `\n${why}\n`;
    if (isShown) say(`\n${why}`);
    endGroup(child);
  };
  const limitMs = step.timeoutMs ?? 20 * 60_000;
  const limit = setTimeout(() => end(`not ended within ${limitMs / 60_000} minutes: killed`), limitMs);
  let leftover: NodeJS.Timeout | undefined;
  const keep = (to: NodeJS.WriteStream) => (chunk: Buffer) => {
    if (isShown) to.write(chunk);
    output += chunk.toString("utf8");
    if (step.report !== "uvu") return;
    files.hear(chunk.toString("utf8"), Date.now());
    if (/^\s*Duration: /m.test(withoutColours(chunk.toString("utf8"))))
      leftover ??= setTimeout(
        () => end("its tests are over, but something that they started is not: killed"),
        step.endMs ?? 60_000,
      );
  };
  child.stdout.on("data", keep(process.stdout));
  child.stderr.on("data", keep(process.stderr));
  const exitCode = await new Promise<number>((resolve) => {
    child.on("error", (cause) => {
      output += `cannot run ${program}: ${cause.message}\n`;
      if (isShown) say(`cannot run ${program}: ${cause.message}`);
      resolve(127);
    });
    child.on("close", (code) => resolve(code ?? 1));
  });
  clearTimeout(limit);
  clearTimeout(leftover);
  running.delete(child);
  endGroup(child);
  if (!isShown) say(`${title}\n${output}`);
  const { isBroken, ...counts } = tally(step.report, output, { exitCode, isKilled });
  const seconds = ((Date.now() - startedMs) / 1000).toFixed(1);
  say(`--- ${step.name}: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped (${seconds} s)`);
  const slowest = files.slowest(Date.now());
  if (slowest !== "") say(`    took long: ${slowest}`);
  const failures = [...failuresOf(step.report, output), ...(isBroken ? [lastWords(output)] : [])];
  return { ...counts, failures: failures.map((failure) => ({ step: step.name, ...failure })), unsteady: [] };
}

const mostFilesTriedAgain = 2;

/**
 * For tests with a real clock, which a machine that stalls can fail: at most two failed files run once more, whole, unless the runner
 * broke. Only what passes then does not count as failed, and it is told at the end, since whoever sees it twice has found a defect of a
 * test or of the product.
 */
export async function runTwice(
  step: Step,
  again: (files: readonly string[]) => Step["command"],
  prepareAgain = async () => {},
): Promise<Tally> {
  const first = await runStep(step);
  const files = [...new Set(first.failures.map(({ file }) => file))].filter((file) => file !== undefined);
  const areAllNamed = first.failures.every(({ file }) => file !== undefined);
  if (first.failed === 0 || !areAllNamed || files.length > mostFilesTriedAgain) return first;
  await prepareAgain();
  const second = await runStep({ ...step, name: `${step.name}, again: ${files.join(", ")}`, command: again(files) });
  if (second.failed > 0 || second.passed < first.failed)
    return { ...first, failures: [...first.failures, ...second.failures] };
  return { ...first, passed: first.passed + first.failed, failed: 0, failures: [], unsteady: first.failures };
}

/** Runs every step, whatever becomes of the others, and adds their counts up. */
export async function runSteps(steps: readonly Step[]): Promise<Tally> {
  const tallies: Tally[] = [];
  for (const step of steps) tallies.push(await runStep(step));
  return sumOf(tallies);
}

export const noTests: Tally = { passed: 0, failed: 0, skipped: 0, failures: [], unsteady: [] };

export const sumOf = (tallies: readonly Tally[]): Tally =>
  tallies.reduce(
    (all, one) => ({
      passed: all.passed + one.passed,
      failed: all.failed + one.failed,
      skipped: all.skipped + one.skipped,
      failures: [...all.failures, ...one.failures],
      unsteady: [...all.unsteady, ...one.unsteady],
    }),
    noTests,
  );
