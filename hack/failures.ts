/** What failed in a test run, taken from the runners' outputs, so that a run of half an hour can end with it. */

export interface Failure {
  /** The file of the test; undefined where the runner does not tell it. */
  readonly file: string | undefined;
  /** What the runner said of it, at most `mostLines` lines without colours. */
  readonly text: string;
}

/** How a command reports: by its exit code alone, as uvu, as cargo test, or as our own fuzzing. */
export type Report = "exit code" | "uvu" | "cargo" | "fuzz";

const mostLines = 25;
const escapes = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, "g");

export const withoutColours = (text: string): string => text.replaceAll(escapes, "");

const shortened = (lines: readonly string[]): string =>
  [...lines.slice(0, mostLines), ...(lines.length > mostLines ? ["..."] : [])].join("\n").trimEnd();

/** One for each test that failed, as far as the runner names them. */
export function failuresOf(report: Report, output: string): readonly Failure[] {
  const lines = withoutColours(output).split("\n");
  if (report === "uvu") return uvuFailures(lines);
  if (report === "cargo") return cargoFailures(lines);
  return report === "fuzz" && /^\d+ passed, [1-9]\d* failed$/m.test(output) ? [lastWords(output)] : [];
}

/** What a runner that broke said last. */
export const lastWords = (output: string): Failure => ({
  file: undefined,
  text: shortened(withoutColours(output).trimEnd().split("\n").slice(-mostLines)).trim(),
});

/**
 * A file's name stands alone on its line, above what its tests say; the failures of a file stand below its dots and `(passed / all)`.
 * Of a hook that throws uvu says nothing but these two numbers.
 */
function uvuFailures(lines: readonly string[]): readonly Failure[] {
  const failures: { file: string | undefined; lines: string[] }[] = [];
  let file: string | undefined;
  let isInFailure = false;
  for (const line of lines) {
    const isFile = /^\S+\.test\.ts$/.test(line);
    if (isFile) file = line;
    const [, passed, all] = /\((\d+) \/ (\d+)\)$/.exec(line) ?? [];
    if (Number(passed) < Number(all) && !line.includes("✘"))
      failures.push({
        file,
        lines: [`   ${passed} of ${all} tests ran: a hook before or after them threw, or the file ended early`],
      });
    if (/^ +FAIL {2}/.test(line)) {
      isInFailure = true;
      failures.push({ file, lines: [] });
    } else if (isFile || /^\s*Total:\s/.test(line)) isInFailure = false;
    if (isInFailure) failures.at(-1)?.lines.push(line);
  }
  const named = failures.map((failure) => ({ file: failure.file, text: shortened(failure.lines) }));
  const skipped = lines.map((line) => /^\s*Skipped:\s+([1-9]\d*)$/.exec(line)?.[1]).filter((one) => one !== undefined);
  return [
    ...named,
    ...skipped.map((one) => ({ file: undefined, text: `${one} tests are skipped, or left out by \`only\`` })),
  ];
}

function cargoFailures(lines: readonly string[]): readonly Failure[] {
  const failures: string[][] = [];
  let isInFailure = false;
  for (const line of lines) {
    if (/^---- \S.* stdout ----$/.test(line)) {
      isInFailure = true;
      failures.push([]);
    } else if (line === "failures:") isInFailure = false;
    if (isInFailure) failures.at(-1)?.push(line);
  }
  return failures.map((failure) => ({ file: undefined, text: shortened(failure) }));
}

/** Under a heading, each with the kind or file it is of; empty for none. */
export function listed(heading: string, failures: readonly (Failure & { readonly step: string })[]): string {
  if (failures.length === 0) return "";
  const blocks = failures.map(({ step, file, text }) => `${step}${file === undefined ? "" : `, ${file}`}\n${text}\n`);
  return `\n${heading}\n\n${blocks.join("\n")}`;
}
