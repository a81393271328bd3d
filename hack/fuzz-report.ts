/** What the output of a fuzz target says, and the words of a source file that make good inputs. */

export interface Result {
  readonly target: string;
  readonly runs: number;
  readonly perSecond: number;
  /** Inputs that are kept because each reaches something of its own. */
  readonly inputs: number;
  /** Places of the code that were reached. */
  readonly reached: number;
  /** Why it failed, where the input lies and how to run it again. */
  readonly failure?: string;
}

export interface Ended {
  readonly target: string;
  readonly program: string;
  readonly output: string;
  readonly exitCode: number;
  readonly inputs: number;
}

export function resultOf({ target, program, output, exitCode, inputs }: Ended): Result {
  const number = (pattern: RegExp) => Number([...output.matchAll(pattern)].at(-1)?.[1] ?? 0);
  const runs = number(/stat::number_of_executed_units:\s+(\d+)/g) || number(/^#(\d+)/gm);
  const figures = {
    target,
    runs,
    perSecond: number(/stat::average_exec_per_sec:\s+(\d+)/g),
    inputs,
    reached: number(/cov: (\d+)/g),
  };
  if (exitCode === 0 && runs > 0) return figures;
  const input = /Test unit written to (\S+)/.exec(output)?.[1];
  const reason =
    /panicked at ([^\n]*\n[^\n]*)/.exec(output)?.[1]?.replace("\n", " ") ??
    /ERROR: libFuzzer: ([^\n]*)/.exec(output)?.[1] ??
    `ended with ${exitCode} after ${runs} runs`;
  const replay = input === undefined ? "" : `\n    input: ${input}\n    again: ${program} ${input}`;
  return { ...figures, failure: `${reason}${replay}` };
}

/** A row per target in the order of their names, and what there is to say about the failed ones. */
export function table(results: readonly Result[]): string {
  const sorted = results.toSorted((one, other) => (one.target < other.target ? -1 : 1));
  const heads = ["target", "runs", "exec/s", "corpus", "places", "result"];
  const rows = sorted.map((it) => [
    it.target,
    String(it.runs),
    String(it.perSecond),
    String(it.inputs),
    String(it.reached),
    it.failure === undefined ? "ok" : "FAILED",
  ]);
  const widths = heads.map((head, column) => Math.max(head.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join("  ");
  const failures = sorted.flatMap((it) => (it.failure === undefined ? [] : [`${it.target}: ${it.failure}`]));
  return [heads, ...rows].map(line).concat(failures).join("\n");
}

const maxWordBytes = 64;

/** The text literals of Rust sources as entries of a libFuzzer dictionary, each once and sorted. */
export function words(sources: string): readonly string[] {
  const literals = [...sources.matchAll(/"((?:[^"\\\n]|\\.)*)"/g)].map((match) => match[1] ?? "");
  const entries = literals.map(entry).filter((word) => word.length > 0 && word.length <= maxWordBytes * 4);
  return [...new Set(entries)].sort().map((word) => `"${word}"`);
}

/** Of Rust's escapes, those that libFuzzer does not know as hexadecimal ones; empty for a literal with others. */
function entry(literal: string): string {
  const known: Readonly<Record<string, string>> = { n: "\\x0a", r: "\\x0d", t: "\\x09", "0": "\\x00" };
  const text = literal.replaceAll(/\\(x[0-9a-fA-F]{2}|.)/g, (whole, code: string) =>
    code.startsWith("x") || code === "\\" || code === '"' ? whole : (known[code] ?? "\u0000"),
  );
  const isPlain = [...text].every((char) => char >= " " && char <= "~");
  return isPlain && !text.includes("{") ? text : "";
}
