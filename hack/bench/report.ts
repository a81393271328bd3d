/** What every benchmark gives: rows, shown as a table, as JSON or as a section of docs/benchmarks.md. */
import { table } from "../table.ts";

export interface Row {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** The same thing done by the floor program in the same run; null when there is none. */
  readonly floor: number | null;
  /** Value by floor. */
  readonly ratio: number | null;
  /** Most that the ratio, or the value when there is no floor, may be; null when nothing is asked of it. */
  readonly limit: number | null;
  readonly ok: boolean;
}

/** Rows that belong together. */
export interface Table {
  readonly title: string;
  readonly rows: readonly Row[];
}

/** One benchmark's tables and how they came about. */
export interface Result {
  readonly tables: readonly Table[];
  /** Sentences for docs/benchmarks.md: what was measured, how, on what. */
  readonly method: readonly string[];
}

/** A row whose ratio and verdict follow from its numbers. */
export function row({
  name,
  value,
  unit,
  floor = null,
  limit = null,
}: {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly floor?: number | null;
  readonly limit?: number | null;
}): Row {
  const ratio = floor === null ? null : rounded(value / floor);
  const judged = ratio ?? value;
  return {
    name,
    value: rounded(value),
    unit,
    floor: floor === null ? null : rounded(floor),
    ratio,
    limit,
    ok: limit === null || judged <= limit,
  };
}

/** Four significant digits: more than any of these measurements carries. */
function rounded(value: number): number {
  return Number(value.toPrecision(4));
}

/** The middle of the values, or the mean of the two middle ones. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length / 2;
  const [low, high] = [sorted[Math.ceil(half) - 1], sorted[Math.floor(half)]];
  if (low === undefined || high === undefined) throw new Error("There is no median of no values");
  return (low + high) / 2;
}

const titles = ["WHAT", "VALUE", "UNIT", "FLOOR", "RATIO", "LIMIT", "OK"];

function cells({ name, value, unit, floor, ratio, limit, ok }: Row): string[] {
  const optional = (number: number | null, suffix = "") => (number === null ? "" : `${number}${suffix}`);
  const isRatio = floor !== null;
  const verdict = limit === null ? "" : ok ? "yes" : "NO";
  return [
    name,
    String(value),
    unit,
    optional(floor),
    optional(ratio, " x"),
    optional(limit, isRatio ? " x" : ""),
    verdict,
  ];
}

/** The tables for a terminal. */
export function asText(tables: readonly Table[]): string {
  return tables.map(({ title, rows }) => `${title}\n\n${table(titles, rows.map(cells))}`).join("\n\n");
}

/** The document with the section of this benchmark replaced, or added at the end. */
export function withSection(document: string, name: string, { tables, method }: Result): string {
  const [begin, end] = [`<!-- begin ${name} -->`, `<!-- end ${name} -->`];
  const line = (words: readonly string[]) => `| ${words.join(" | ")} |`;
  const section = [
    begin,
    ...method.map((sentence) => `- ${sentence}`),
    ...tables.flatMap(({ title, rows }) => [
      "",
      `${title}:`,
      "",
      line(titles.map((word) => word.toLowerCase())),
      line(titles.map(() => "---")),
      ...rows.map((entry) => line(cells(entry))),
    ]),
    end,
  ].join("\n");
  const [from, to] = [document.indexOf(begin), document.indexOf(end)];
  if (from === -1 || to < from) return `${document.trimEnd()}\n\n## ${name}\n\n${section}\n`;
  return document.slice(0, from) + section + document.slice(to + end.length);
}
