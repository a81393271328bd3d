/** Where builds live that several clones on one machine share. */
import { mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** The root folder of this clone. */
export const cloneDir = join(import.meta.dirname, "..");

/** A folder of the build cache, made when missing; the cache's place is RUNTIME_INSIGHTS_CACHE or the user's cache folder. */
export function cacheDir(...parts: readonly string[]): string {
  const root =
    process.env.RUNTIME_INSIGHTS_CACHE ??
    join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "runtime-insights");
  const dir = join(root, ...parts);
  mkdirSync(dir, { recursive: true });
  return dir;
}

/** Cargo's environment: build products outside the clone, where a clean clone finds them again. */
export function cargoEnv(): NodeJS.ProcessEnv {
  return { ...process.env, CARGO_TARGET_DIR: cacheDir("cargo-target") };
}
