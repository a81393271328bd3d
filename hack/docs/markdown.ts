/** What a page says to machines: its headings, links, and everything that is set as code. */

export interface Page {
  readonly anchors: ReadonlySet<string>;
  readonly links: readonly string[];
  /** Spans in the running text. */
  readonly spans: readonly string[];
  /** Lines of indented and fenced blocks; a line that ends in a backslash is joined with the next one. */
  readonly commands: readonly string[];
  /** Blocks fenced as `yaml`. */
  readonly yaml: readonly string[];
}

/** The anchor that GitHub gives a heading. */
export function anchorOf(heading: string): string {
  return heading
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-");
}

export function pageOf(text: string): Page {
  const yaml: string[] = [];
  const withoutFences = text.replaceAll(/^```(\w*)\n([\s\S]*?)^```$/gm, (_, language: string, block: string) => {
    if (language === "yaml") yaml.push(block);
    return block.replaceAll(/^/gm, "    ");
  });
  const lines = withoutFences.replaceAll("\\\n", " ").split("\n");
  const isCode = (line: string) => /^(?: {4}|\t)/.test(line);
  const prose = lines.filter((line) => !isCode(line)).join("\n");
  const anchors = new Set<string>();
  for (const [, heading = ""] of prose.matchAll(/^#+ (.*)$/gm)) {
    const anchor = anchorOf(heading);
    let count = 0;
    while (anchors.has(count === 0 ? anchor : `${anchor}-${count}`)) count++;
    anchors.add(count === 0 ? anchor : `${anchor}-${count}`);
  }
  const spans = [...prose.matchAll(/(`+)([^`]|[^`][\s\S]*?[^`])\1(?!`)/g)].map(([, , code = ""]) =>
    code.replaceAll("\\|", "|").replaceAll("\n", " "),
  );
  const links = [...prose.replaceAll(/`[^`\n]*`/g, "").matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = ""]) => target);
  return { anchors, links, spans, commands: lines.filter(isCode).map((line) => line.trim()), yaml };
}
