/** Folders that are needed for a moment. What a run that was stopped leaves of them a later run removes. */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cacheDir } from "./cache.ts";
import { removeUnused } from "./images/unused.ts";

/** None is in use for so long. */
const dayMs = 24 * 60 * 60_000;

/** What `use` makes of an empty folder, which is gone afterwards. */
export async function withScratch<T>(use: (dir: string) => Promise<T>): Promise<T> {
  const parent = cacheDir("tmp");
  removeUnused(parent, Date.now(), dayMs);
  const dir = mkdtempSync(join(parent, "scratch-"));
  try {
    return await use(dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
