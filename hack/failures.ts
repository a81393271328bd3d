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

/** One for each test that failed; a runner that failed without naming one is told by its last lines. */
export function failuresOf(report: Report, output: string): readonly Failure[] {
  const lines = withoutColours(output).split("\n");
  const named = report === "uvu" ? uvuFailures(lines) : report === "cargo" ? cargoFailures(lines) : [];
  return named.length > 0 ? named : [{ file: undefined, text: shortened(lines.slice(-mostLines)).trim() }];
}

/** A file's name stands alone on its line, above what its tests say; the failures of a file stand below its dots. */
function uvuFailures(lines: readonly string[]): readonly Failure[] {
  const failures: { file: string | undefined; lines: string[] }[] = [];
  let file: string | undefined;
  let isInFailure = false;
  for (const line of lines) {
    const isFile = /^\S+\.test\.ts$/.test(line);
    if (isFile) file = line;
    if (/^ +FAIL {2}/.test(line)) {
      isInFailure = true;
      failures.push({ file, lines: [] });
    } else if (isFile || /^\s*Total:\s/.test(line)) isInFailure = false;
    if (isInFailure) failures.at(-1)?.lines.push(line);
  }
  return failures.map((failure) => ({ file: failure.file, text: shortened(failure.lines) }));
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
