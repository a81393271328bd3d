/** What was released, as it lies in the repository: releases.yaml, and per version its entry in a catalogue as `opm render` made it. */
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { dump, load } from "js-yaml";
import { type Release, releasesSchema } from "./graph.ts";

const recordPath = "hack/release/releases.yaml";
const bundlesPath = "hack/release/bundles";
const bundlePath = (version: string): string => `${bundlesPath}/${version}.yaml`;
/** File and folder that hold it. */
export const recordPaths = [recordPath, bundlesPath] as const;

/** Throws when the file says what cannot be. */
export function readRecord(root: string): readonly Release[] {
  const decoded = releasesSchema.safeParse(load(readFileSync(join(root, recordPath), "utf8")));
  if (!decoded.success)
    throw new Error(
      `${recordPath}: ${decoded.error.issues.map(({ path, message }) => `${path.join(".")} ${message}`).join("; ")}`,
    );
  return decoded.data.releases;
}

/** A released version's entry in a catalogue. */
export function readRendered(root: string, version: string): string {
  const path = join(root, bundlePath(version));
  if (!existsSync(path)) throw new Error(`${recordPath} names ${version}, but there is no ${bundlePath(version)}`);
  return readFileSync(path, "utf8");
}

export function writeRecord(root: string, releases: readonly Release[], version: string, rendered: string): void {
  const path = join(root, recordPath);
  const comments = readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line.startsWith("#"));
  writeFileSync(path, `${comments.join("\n")}\n${dump({ releases }, { lineWidth: -1 })}`);
  mkdirSync(dirname(join(root, bundlePath(version))), { recursive: true });
  writeFileSync(join(root, bundlePath(version)), rendered);
}

/** Brings the record of this version, which an earlier run left in the clone and nobody committed yet, into the stage. */
export function adoptRecord(clone: string, stage: string, version: string): void {
  const others = (releases: readonly Release[]) => JSON.stringify(releases.filter((one) => one.version !== version));
  const known = readRecord(clone);
  if (!known.some((one) => one.version === version) || others(known) !== others(readRecord(stage))) return;
  for (const path of [recordPath, bundlePath(version)]) {
    if (!existsSync(join(clone, path))) continue;
    mkdirSync(dirname(join(stage, path)), { recursive: true });
    copyFileSync(join(clone, path), join(stage, path));
  }
}
