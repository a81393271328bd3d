/** For tests of what keeps files in the build cache. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Test } from "uvu";

/** An empty cache while the tests of this file run, which those of other files in the same process do not see; the folder that holds it as `cache`. */
export function useOwnCache(test: Test): string {
  const dir = mkdtempSync(join(tmpdir(), "cache-test-"));
  const { RUNTIME_INSIGHTS_CACHE: before } = process.env;
  test.before(() => {
    process.env.RUNTIME_INSIGHTS_CACHE = join(dir, "cache");
  });
  test.after(() => {
    if (before === undefined) delete process.env.RUNTIME_INSIGHTS_CACHE;
    else process.env.RUNTIME_INSIGHTS_CACHE = before;
    rmSync(dir, { recursive: true });
  });
  return dir;
}
