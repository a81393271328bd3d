/** The entries of an archive as files beside it, for whoever wants to read them without unpacking. */
import { mkdir, readFile, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import tar from "tar-stream";
import type { Entry } from "../core/archive.ts";
import { replaceFile } from "./disk.ts";

/** Writes each entry of the archive into the folder, byte for byte; of the names in `known`, those it lacks are removed. The names written. */
export async function writePlainFiles(
  directory: string,
  archiveName: string,
  known: readonly string[],
): Promise<readonly string[]> {
  const entries = await unpack(await readFile(join(directory, archiveName)));
  for (const { name, bytes } of entries) {
    const folder = join(directory, dirname(name));
    await mkdir(folder, { recursive: true });
    await replaceFile(folder, basename(name), new TextDecoder().decode(bytes));
  }
  const written = entries.map(({ name }) => name);
  for (const name of known) if (!written.includes(name)) await rm(join(directory, name), { force: true });
  return written;
}

/** The entries of a packed archive, in its order. */
export async function unpack(packed: Uint8Array): Promise<readonly Entry[]> {
  const entries: Entry[] = [];
  const extract = tar.extract();
  await Promise.all([
    pipeline([packed], createGunzip(), extract),
    (async () => {
      for await (const entry of extract) entries.push({ name: entry.header.name, bytes: await buffer(entry) });
    })(),
  ]);
  return entries;
}
