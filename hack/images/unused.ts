/** Keeps the cache of layers, archives and what they are made of from growing for ever: each use is noted in the file's time, old files go. */
import { readdirSync, rmSync, statSync, utimesSync } from "node:fs";
import { join } from "node:path";

/** Two weeks: a branch that was left for a holiday is still warm. */
const maxUnusedMs = 14 * 24 * 60 * 60_000;

/** True when the file or folder is there; it counts as used now. */
export function wasUsed(file: string): boolean {
  try {
    const now = new Date();
    utimesSync(file, now, now);
    return true;
  } catch {
    return false;
  }
}

/** Removes the files and folders of a folder that nobody has used for two weeks, or so long, half-written ones among them. */
export function removeUnused(dir: string, nowMs: number, maxMs = maxUnusedMs): void {
  for (const name of readdirSync(dir)) {
    const file = join(dir, name);
    const stat = statSync(file, { throwIfNoEntry: false });
    if (stat !== undefined && nowMs - stat.mtimeMs > maxMs) rmSync(file, { recursive: true, force: true });
  }
}
