/** What a catalogue shows of this operator, as Markdown. */

/** The README from its second line to its first section, and what a reader of a catalogue needs beside it. */
export function description(readme: string, more: string): string {
  const start = readme.indexOf("\n") + 1;
  return `${withoutRelativeLinks(readme.slice(start, readme.indexOf("\n## "))).trim()}\n\n${more.trim()}\n`;
}

/** Links into the sources lead nowhere from a catalogue: their words stay. A line that was a link and nothing else goes. */
const withoutRelativeLinks = (markdown: string): string =>
  markdown
    .replaceAll(/^ *\[[^\]]*\]\((?!https?:)[^)]*\)\.?\n/gm, "")
    .replaceAll(/\[([^\]]*)\]\((?!https?:)[^)]*\)/g, "$1");
