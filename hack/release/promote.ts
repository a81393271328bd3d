/** Moves a released version to another channel. Only the catalogue is made, from the record: bundle and images stay those that were tested. */
import { catalogueFiles } from "../bundle/catalogue.ts";
import { writeFolder } from "../bundle/files.ts";
import { type ChannelName, channelsOf } from "../bundle/graph.ts";
import { ownArchitecture } from "../images/architecture.ts";
import { catalogueImage } from "../images/olm.ts";
import { pushImages } from "../images/push.ts";
import type { Log } from "../lock.ts";
import { withScratch } from "../scratch.ts";
import { toolFaults } from "./check.ts";
import { pinned, releasedImage } from "./files.ts";
import { readRecord, readRendered, writeRecord } from "./record.ts";
import { underItsDigest } from "./tags.ts";

export interface Promotion {
  /** One that the record has. */
  readonly version: string;
  readonly channel: ChannelName;
}

/** Pushes the catalogue where the version was pushed, under a tag of its own and the newest version's, and then changes the record; its name by digest. What is run again does the same. */
export async function promote(root: string, { version, channel }: Promotion, log: Log): Promise<string> {
  const releases = readRecord(root).map((one) => (one.version === version ? { ...one, channel } : one));
  const [promoted, newest] = [releases.find((one) => one.version === version), releases.at(-1)];
  if (promoted === undefined || newest === undefined) throw new Error(`${version} was not released`);
  const catalogue = await catalogueFiles({
    bundles: releases.map((one) => ({ rendered: readRendered(root, one.version) })),
    channels: channelsOf(releases),
  });
  const faults = await withScratch((dir) => {
    writeFolder(dir, catalogue);
    return toolFaults([["opm", ["validate", dir]]], log);
  });
  if (faults.length > 0) throw new Error(faults.join("\n"));
  const { registry } = promoted;
  const naming = { architecture: ownArchitecture, registry, version: newest.version, log };
  const spec = await catalogueImage(catalogue, naming);
  const [kept] = await pushImages([underItsDigest(spec), spec], log);
  if (kept === undefined) throw new Error("no catalogue was pushed");
  writeRecord(root, releases, version, readRendered(root, version));
  return pinned(releasedImage(kept));
}
