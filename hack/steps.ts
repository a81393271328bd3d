/** Runs the commands of a test run one after the other, shows their output as it comes and counts what they report. */
import { spawn } from "node:child_process";

export interface Tally {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** How a command reports: by its exit code alone, as uvu, as cargo test, or as our own fuzzing. */
export type Report = "exit code" | "uvu" | "cargo" | "fuzz";

export interface Step {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  readonly report: Report;
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** The command is killed and counts as failed after this time; default 20 minutes. */
  readonly timeoutMs?: number;
  /** `at its end`: for a step that runs beside another; default `as it comes`. */
  readonly show?: "as it comes" | "at its end";
}

/** The counts in a runner's output; a runner that failed without saying so, or found no test, counts as one failure. */
export function tally(report: Report, output: string, exitCode: number): Tally {
  const counted =
    report === "exit code" ? { passed: exitCode === 0 ? 1 : 0, failed: 0, skipped: 0 } : count(report, output);
  const ran = counted.passed + counted.failed > 0;
  const failed = counted.failed === 0 && (exitCode !== 0 || !ran) ? 1 : counted.failed;
  return { ...counted, failed };
}

const escapes = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, "g");

function count(report: "uvu" | "cargo" | "fuzz", output: string): Tally {
  const text = output.replaceAll(escapes, "");
  if (report === "fuzz")
    return {
      passed: sum(text, /^(\d+) passed, \d+ failed$/gm),
      failed: sum(text, /^\d+ passed, (\d+) failed$/gm),
      skipped: 0,
    };
  if (report === "uvu") {
    const total = sum(text, /^\s*Total:\s+(\d+)/gm);
    const passed = sum(text, /^\s*Passed:\s+(\d+)/gm);
    const skipped = sum(text, /^\s*Skipped:\s+(\d+)/gm);
    return { passed, failed: total - passed - skipped, skipped };
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

/** Runs one step; its output goes to the terminal unchanged, in one piece where the step says so. */
export async function runStep(step: Step): Promise<Tally> {
  const [program, ...args] = step.command;
  const startedMs = Date.now();
  const isShown = step.show !== "at its end";
  const title = `\n--- ${step.name}`;
  console.log(isShown ? title : `${title} begins; what it says comes at its end`);
  const child = spawn(program, args, {
    stdio: ["ignore", "pipe", "pipe"],
    ...(step.cwd === undefined ? {} : { cwd: step.cwd }),
    env: step.env ?? process.env,
    timeout: step.timeoutMs ?? 20 * 60_000,
    killSignal: "SIGKILL",
  });
  let output = "";
  const keep = (to: NodeJS.WriteStream) => (chunk: Buffer) => {
    if (isShown) to.write(chunk);
    output += chunk.toString("utf8");
  };
  child.stdout.on("data", keep(process.stdout));
  child.stderr.on("data", keep(process.stderr));
  const exitCode = await new Promise<number>((resolve) => {
    child.on("error", (cause) => {
      output += `cannot run ${program}: ${cause.message}\n`;
      if (isShown) console.log(`cannot run ${program}: ${cause.message}`);
      resolve(127);
    });
    child.on("close", (code) => resolve(code ?? 1));
  });
  if (!isShown) console.log(`${title}\n${output}`);
  const counts = tally(step.report, output, exitCode);
  const seconds = ((Date.now() - startedMs) / 1000).toFixed(1);
  console.log(
    `--- ${step.name}: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped (${seconds} s)`,
  );
  return counts;
}

/** Runs every step, whatever becomes of the others, and adds their counts up. */
export async function runSteps(steps: readonly Step[]): Promise<Tally> {
  let all: Tally = { passed: 0, failed: 0, skipped: 0 };
  for (const step of steps) {
    const one = await runStep(step);
    all = { passed: all.passed + one.passed, failed: all.failed + one.failed, skipped: all.skipped + one.skipped };
  }
  return all;
}
