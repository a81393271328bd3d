/** The page docs/permissions.md: every line of what is allowed, with its reasons. */
import type { Facts } from "./facts.ts";
import type { Reasons } from "./reasons-rules.ts";

export interface Section {
  readonly heading: string;
  readonly text: string;
  /** In the order of the page. */
  readonly facts: readonly Facts[];
}

/** Lines without a reason, and reasons without a line; a sentence each. */
export function problemsOf(facts: readonly Facts[], reasons: Reasons): readonly string[] {
  const known = new Map(facts.map(({ of, keys }) => [of, new Set(keys)]));
  const missing = facts.flatMap(({ of, keys }) =>
    keys
      .filter((key) => reasons[of]?.[key] === undefined)
      .map((key) => `no reason for "${key}" of ${of}: add it to hack/docs/reasons-*.ts`),
  );
  const stale = Object.entries(reasons).flatMap(([of, lines]) =>
    Object.keys(lines)
      .filter((key) => known.get(of)?.has(key) !== true)
      .map((key) => `reason for "${key}" of ${of}, which is not shipped: take it out of hack/docs/reasons-*.ts`),
  );
  return [...missing, ...stale];
}

/** The lines of `facts` that `others` do not have. */
export function beyond(facts: Facts, others: Facts, of: string): Facts {
  return { of, keys: facts.keys.filter((key) => !others.keys.includes(key)) };
}

export function sectionText({ heading, text, facts }: Section, reasons: Reasons): string {
  return [`## ${heading}`, text, ...facts.map((one) => table(one, reasons))].join("\n\n");
}

const titles = ["allowed", "what for", "without it", "in an attacker's hands"];

function table({ of, keys }: Facts, reasons: Reasons): string {
  const rows = keys.map((key) => {
    const { why = "", without = "", abuse = "" } = reasons[of]?.[key] ?? {};
    return [shown(key), why, without, abuse];
  });
  const lines = [titles, titles.map(() => "---"), ...rows].map((cells) => `| ${cells.map(cell).join(" | ")} |`);
  return [`### ${of}`, lines.join("\n")].join("\n\n");
}

const cell = (text: string): string => text.replaceAll("|", "\\|");

/** The part before the first colon as it is, the rest as code. */
function shown(key: string): string {
  const at = key.indexOf(": ");
  return `${key.slice(0, at)}: \`${key.slice(at + 2)}\``;
}
