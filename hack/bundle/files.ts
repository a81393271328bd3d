/** A folder as a map from path to text. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

export type Files = ReadonlyMap<string, string>;

export function filesBelow(dir: string): string[] {
  if (!existsSync(dir)) return [];
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(dir, join(entry.parentPath, entry.name)))
    .sort();
}

/** The paths in which the folder differs from the files: missing, other text, or too many. */
export function differing(dir: string, files: Files): readonly string[] {
  const wrong = [...files].filter(
    ([file, text]) => !existsSync(join(dir, file)) || readFileSync(join(dir, file), "utf8") !== text,
  );
  return [...wrong.map(([file]) => file), ...filesBelow(dir).filter((file) => !files.has(file))];
}

/** Makes the folder hold these files and no others. */
export function writeFolder(dir: string, files: Files): void {
  for (const file of filesBelow(dir)) if (!files.has(file)) rmSync(join(dir, file));
  for (const [file, text] of files) {
    mkdirSync(dirname(join(dir, file)), { recursive: true });
    writeFileSync(join(dir, file), text);
  }
}
