/** Rows as aligned columns under their titles, as kubectl prints them. */
export function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [titles, ...rows];
  const widths = titles.map((_, column) => Math.max(...all.map((row) => (row[column] ?? "").length)));
  const line = (row: readonly string[]) =>
    titles
      .map((_, column) => (row[column] ?? "").padEnd(widths[column] ?? 0))
      .join("   ")
      .trimEnd();
  return all.map(line).join("\n");
}
