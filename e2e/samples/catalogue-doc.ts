/** The catalogue as docs/samples.md shows it: without versions, some of which are whatever a registry has that day. */
import type { CatalogueEntry } from "./entry.ts";

const nameOf = (component: string): string => component.replace(/ v?\d\S*$/, "");

function answerOf({ expected, detail = [] }: CatalogueEntry): string {
  const kind = expected.kind === "" ? "no runtime" : expected.kind;
  const system = expected.os === "" ? " without an operating system" : "";
  const runtimes = expected.runtimes.length === 0 ? "" : `; ${expected.runtimes.map(nameOf).join(", ")}`;
  const more = detail.length === 0 ? "" : `; in detail ${detail.map(nameOf).join(", ")}`;
  return `${kind}${system}${runtimes}${more}`;
}

const row = (entry: CatalogueEntry): string => {
  const user = entry.uid === undefined ? "" : `, uid ${entry.uid}`;
  const pending = entry.pending === undefined ? "" : ` (not yet: ${entry.pending})`;
  return `| ${entry.name} | ${entry.about}${user} | ${answerOf(entry)}${pending} |`;
};

/** A table with a row per entry. */
export const catalogueTable = (entries: readonly CatalogueEntry[]): string =>
  ["| container | what is special | must be found |", "|---|---|---|", ...entries.map(row)].join("\n");

const mark = "<!-- catalogue -->";

/** The table that a document has between two marks; empty when it has none. */
export const tableIn = (document: string): string => (document.split(mark)[1] ?? "").trim();

/** A table as it stands in a document. */
export const marked = (table: string): string => `${mark}\n${table}\n${mark}`;
