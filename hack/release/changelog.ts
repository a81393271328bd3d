/** CHANGELOG.md as values: its sections, and what becomes of the newest one when it is released. */
import { valid } from "semver";

export interface Section {
  readonly version: string;
  /** `2026-11-21`; absent: not released. */
  readonly date?: string;
  /** Without the heading, trimmed. */
  readonly body: string;
}

export type Changelog =
  | { readonly kind: "read"; readonly intro: string; readonly sections: readonly Section[] }
  | { readonly kind: "malformed"; readonly problem: string };

const notReleased = "not released";
const heading = /^## (\S+) \((not released|\d{4}-\d{2}-\d{2})\)$/;

/** The sections, newest first, or the first line that has not their form. */
export function readChangelog(text: string): Changelog {
  const lines = text.split("\n");
  const starts = lines.flatMap((line, at) => (line.startsWith("## ") ? [at] : []));
  const sections: Section[] = [];
  for (const [index, start] of starts.entries()) {
    const line = lines[start] ?? "";
    const [, version = "", date = ""] = heading.exec(line) ?? [];
    const malformed = (why: string): Changelog => ({
      kind: "malformed",
      problem: `CHANGELOG.md line ${start + 1}: ${why}`,
    });
    if (valid(version) !== version)
      return malformed(`"${line}" is not "## X.Y.Z (YYYY-MM-DD)" or "## X.Y.Z (${notReleased})"`);
    if (date === notReleased && index > 0) return malformed(`only the topmost section can be ${notReleased}`);
    const body = lines
      .slice(start + 1, starts[index + 1])
      .join("\n")
      .trim();
    sections.push({ version, body, ...(date === notReleased ? {} : { date }) });
  }
  return { kind: "read", intro: lines.slice(0, starts[0]).join("\n").trim(), sections };
}

/** The text that `readChangelog` reads as this. */
export const writeChangelog = (intro: string, sections: readonly Section[]): string =>
  `${[intro, ...sections.map(({ version, date, body }) => `## ${version} (${date ?? notReleased})\n\n${body}`)].join("\n\n")}\n`;

export type Released =
  | { readonly kind: "released"; readonly text: string; readonly notes: string; readonly date: string }
  | { readonly kind: "refused"; readonly problem: string };

/** The text in which the topmost section is that of this version, of this day; a section that has its date keeps it. No new section begins. */
export function releaseChangelog(text: string, version: string, today: string): Released {
  const changelog = readChangelog(text);
  if (changelog.kind === "malformed") return { kind: "refused", problem: changelog.problem };
  const { intro, sections } = changelog;
  const [top, ...older] = sections;
  const advice = `write what changes for administrators below a topmost heading "## ${version} (${notReleased})"`;
  if (top === undefined || (top.date !== undefined && top.version !== version))
    return { kind: "refused", problem: `CHANGELOG.md says nothing of ${version}: ${advice}` };
  if (top.body === "")
    return { kind: "refused", problem: `CHANGELOG.md's section of ${top.version} is empty: ${advice}` };
  if (older.some((section) => section.version === version))
    return { kind: "refused", problem: `CHANGELOG.md has an older section of ${version} already` };
  const date = top.date ?? today;
  const released = { version, date, body: top.body };
  return { kind: "released", text: writeChangelog(intro, [released, ...older]), notes: top.body, date };
}
