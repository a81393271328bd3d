/** Archives in a folder: packed, written whole or not at all, the newest few kept. */
import { createHash, randomUUID } from "node:crypto";
import { link, mkdir, open, readdir, readFile, rename, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import tar from "tar-stream";
import type { ArchiveInfo, StoredArchive } from "../api/gather.ts";
import type { Entry } from "../core/archive.ts";

const archivePattern = /^(?:filtered-)?insights-\d{4}-\d{2}-\d{2}-\d{6}\.tar\.gz$/;
const temporaryPrefix = ".writing-";
const fileMode = 0o640;
/** Archives of each sort that are kept, unless told otherwise. */
export const defaultRetention = 5;

/** True for names that an archive of ours can have, so never for a path. */
export function isArchiveName(name: string): boolean {
  return archivePattern.test(name);
}

/** The entries as a compressed tar file; equal entries and times give equal bytes. */
export async function pack(entries: readonly Entry[], atMs: number): Promise<Buffer> {
  const packing = tar.pack();
  const mtime = new Date(Math.floor(atMs / 1000) * 1000);
  for (const { name, bytes } of entries)
    packing.entry({ name, mode: fileMode, mtime, uid: 0, gid: 0, type: "file" }, Buffer.from(bytes));
  packing.finalize();
  const chunks: Buffer[] = [];
  await pipeline(packing, createGzip(), async (source) => {
    for await (const chunk of source) chunks.push(chunk);
  });
  const packed = Buffer.concat(chunks);
  packed[operatingSystemByte] = unknownOperatingSystem;
  return packed;
}
// zlib names the system it was built for; Go, whose archives these resemble, names none.
const operatingSystemByte = 9;
const unknownOperatingSystem = 255;

export type Written =
  | { readonly kind: "written"; readonly archive: ArchiveInfo }
  /** There is a file of that name, which stays as it is. */
  | { readonly kind: "present" };

/** Writes a new archive; a crash or a full disk leaves either the whole file or none of that name. */
export async function writeArchive(directory: string, name: string, bytes: Uint8Array): Promise<Written> {
  const temporary = await writeTemporary(directory, bytes);
  try {
    await link(temporary, join(directory, name));
  } catch (cause) {
    if (hasCode(cause, "EEXIST")) return { kind: "present" };
    throw cause;
  } finally {
    await unlink(temporary);
  }
  await syncFolder(directory);
  return { kind: "written", archive: { name, bytes: bytes.length, sha256: sha256(bytes) } };
}

/** Writes a file of that name, in place of the one that may be there; whoever reads it sees the one or the other, whole. */
export async function replaceFile(directory: string, name: string, text: string): Promise<void> {
  const temporary = await writeTemporary(directory, Buffer.from(text));
  try {
    await rename(temporary, join(directory, name));
  } catch (cause) {
    await unlink(temporary);
    throw cause;
  }
  await syncFolder(directory);
}

async function writeTemporary(directory: string, bytes: Uint8Array): Promise<string> {
  await mkdir(directory, { recursive: true });
  const path = join(directory, `${temporaryPrefix}${randomUUID()}`);
  const file = await open(path, "wx", fileMode);
  try {
    await file.chmod(fileMode);
    await file.writeFile(bytes);
    await file.sync();
  } catch (cause) {
    await unlink(path);
    throw cause;
  } finally {
    await file.close();
  }
  return path;
}

async function syncFolder(directory: string): Promise<void> {
  const folder = await open(directory, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** The archives of a folder, newest first. */
export async function listArchives(directory: string): Promise<readonly StoredArchive[]> {
  const archives: StoredArchive[] = [];
  for (const name of newestFirst(await names(directory))) {
    const path = join(directory, name);
    const { mtimeMs } = await stat(path);
    const bytes = await readFile(path);
    archives.push({ name, bytes: bytes.length, sha256: sha256(bytes), modified: Math.floor(mtimeMs) });
  }
  return archives;
}

/** An archive's bytes, undefined when there is none of that name. */
export async function readArchive(directory: string, name: string): Promise<Buffer | undefined> {
  if (!isArchiveName(name)) return undefined;
  return readIfPresent(join(directory, name));
}

export async function readIfPresent(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (cause) {
    if (hasCode(cause, "ENOENT")) return undefined;
    throw cause;
  }
}

/** Removes all but the newest archives; those of filtered gathers are counted apart, so that they push out no full one. */
export async function pruneArchives(directory: string, keep = defaultRetention): Promise<readonly string[]> {
  const all = newestFirst(await names(directory));
  const isFiltered = (name: string) => name.startsWith("filtered-");
  const old = [...all.filter(isFiltered).slice(keep), ...all.filter((name) => !isFiltered(name)).slice(keep)];
  for (const name of old) await unlink(join(directory, name));
  return old;
}

/** Removes what an interrupted write left; only for the one process that writes there. */
export async function sweepTemporaries(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  for (const name of await readdir(directory))
    if (name.startsWith(temporaryPrefix)) await unlink(join(directory, name));
}

async function names(directory: string): Promise<readonly string[]> {
  try {
    return (await readdir(directory)).filter(isArchiveName);
  } catch (cause) {
    if (hasCode(cause, "ENOENT")) return [];
    throw cause;
  }
}

/** Times are in the names, and sort as text. */
function newestFirst(all: readonly string[]): readonly string[] {
  const time = (name: string) => name.slice(name.indexOf("insights-"));
  return all.toSorted((a, b) => (time(a) === time(b) ? (a < b ? 1 : -1) : time(a) < time(b) ? 1 : -1));
}

/** Lower-case hex. */
export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function hasCode(cause: unknown, code: string): boolean {
  return cause instanceof Error && "code" in cause && cause.code === code;
}
