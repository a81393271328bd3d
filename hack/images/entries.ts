/** What goes into an image's file system, as plain values: made from folders, files and text, checked before it is packed. */
import { lstatSync, readdirSync, readlinkSync } from "node:fs";
import { join, posix } from "node:path";

/** Paths are relative to the image's root, `usr/bin/node`. Everything belongs to root and is as old as the epoch. */
export type Entry =
  | { readonly kind: "folder"; readonly path: string; readonly mode: number }
  | { readonly kind: "file"; readonly path: string; readonly mode: number; readonly content: Content }
  | { readonly kind: "symlink"; readonly path: string; readonly target: string }
  /** A second name of a file of the same layer. */
  | { readonly kind: "hardlink"; readonly path: string; readonly target: string };

/** The bytes themselves, or the file that holds them. */
export type Content = Buffer | { readonly file: string };

/** A text file. */
export const text = (path: string, content: string, mode = 0o644): Entry => ({
  kind: "file",
  path,
  mode,
  content: Buffer.from(content),
});
/** A copy of a file of this machine. */
export const copy = (path: string, file: string, mode = 0o644): Entry => ({
  kind: "file",
  path,
  mode,
  content: { file },
});
export const folder = (path: string, mode = 0o755): Entry => ({ kind: "folder", path, mode });
export const symlink = (path: string, target: string): Entry => ({ kind: "symlink", path, target });
export const hardlink = (path: string, target: string): Entry => ({ kind: "hardlink", path, target });

/** Files and links below `root` whose path from there is wanted; set-user-ID bits and special files are left behind. */
export function entriesBelow(root: string, wanted: (path: string) => boolean = () => true): Entry[] {
  const walk = (at: string): Entry[] =>
    readdirSync(join(root, at)).flatMap((name) => {
      const path = posix.join(at, name);
      const file = join(root, path);
      const stat = lstatSync(file);
      if (stat.isDirectory()) return walk(path);
      if (!wanted(path)) return [];
      if (stat.isSymbolicLink()) return [symlink(path, readlinkSync(file))];
      return stat.isFile() ? [copy(path, file, stat.mode & 0o777)] : [];
    });
  return walk("");
}

/** The entries in the order of a layer, with the folders they need; throws on a path that an image must not have. */
export function complete(entries: readonly Entry[]): Entry[] {
  const byPath = new Map<string, Entry>();
  for (const entry of entries) {
    checkPath(entry.path);
    if (byPath.has(entry.path)) throw new Error(`layer entry ${entry.path}: there are two of them`);
    byPath.set(entry.path, entry);
  }
  for (const { path } of entries) {
    for (let parent = posix.dirname(path); parent !== "."; parent = posix.dirname(parent)) {
      const known = byPath.get(parent);
      if (known === undefined) byPath.set(parent, folder(parent));
      else if (known.kind !== "folder") throw new Error(`layer entry ${path}: ${parent} is a ${known.kind}`);
    }
  }
  for (const entry of entries) {
    if (entry.kind === "hardlink" && byPath.get(entry.target)?.kind !== "file")
      throw new Error(`layer entry ${entry.path}: its other name ${entry.target} is no file of this layer`);
  }
  return [...byPath.values()].sort(inLayerOrder);
}

/** By path, so that folders precede their content; hard links last, since their file must be there. */
function inLayerOrder(one: Entry, other: Entry): number {
  const links = Number(one.kind === "hardlink") - Number(other.kind === "hardlink");
  if (links !== 0) return links;
  return one.path < other.path ? -1 : 1;
}

function checkPath(path: string): void {
  if (path === "" || path.startsWith("/") || posix.normalize(path) !== path || path.split("/").includes(".."))
    throw new Error(`layer entry "${path}": the path is not a plain one from the image's root`);
  if (path.split("/").some((part) => part.startsWith(".wh.")))
    throw new Error(`layer entry ${path}: such a name would delete files of other layers`);
}
