/** Archives in a folder: packed, written whole or not at all, the newest few kept. */
import { createHash, randomUUID } from "node:crypto";
import { constants, type Stats } from "node:fs";
import { link, mkdir, open, readdir, rename, unlink } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import tar from "tar-stream";
import type { ArchiveInfo, StoredArchive } from "../api/gather.ts";
import type { Entry } from "../core/archive.ts";

const archivePattern = /^(?:filtered-)?insights-(\d{4})-(\d{2})-(\d{2})-(\d{2})(\d{2})(\d{2})\.tar\.gz$/;
const temporaryPrefix = ".writing-";
const fileMode = 0o640;

/** What is kept of each sort, full and filtered. */
export interface Retention {
  /** The newest so many, at least one. */
  readonly archives: number;
  /** Absent: whatever their age. The newest stays all the same. */
  readonly ageMs?: number;
}
export const defaultRetention: Retention = { archives: 5 };

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
    await removeIfPossible(temporary);
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
    await removeIfPossible(temporary);
    throw cause;
  }
  await syncFolder(directory);
}

async function writeTemporary(directory: string, bytes: Uint8Array): Promise<string> {
  await makeFolder(directory);
  const path = join(directory, `${temporaryPrefix}${randomUUID()}`);
  const file = await open(path, "wx", fileMode);
  try {
    await file.chmod(fileMode);
    await file.writeFile(bytes);
    await file.sync();
  } catch (cause) {
    await removeIfPossible(path);
    throw cause;
  } finally {
    await file.close();
  }
  return path;
}

async function makeFolder(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true });
  } catch (cause) {
    if (!hasCode(cause, "ENOENT")) throw cause;
    // What Node calls missing may be a volume that can only be read; a plain mkdir says so.
    await mkdir(directory);
  }
}

async function syncFolder(directory: string): Promise<void> {
  const folder = await open(directory, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** What cannot be removed does no harm: a temporary file is swept at the next start. */
export async function removeIfPossible(path: string): Promise<void> {
  await unlink(path).catch(() => {});
}

/** The archives of a folder, newest first. */
export async function listArchives(directory: string): Promise<readonly StoredArchive[]> {
  const archives: StoredArchive[] = [];
  for (const name of newestFirst(await names(directory))) {
    const file = await readFileIn(directory, name);
    if (file === undefined) continue;
    const { bytes, stats } = file;
    const modified = Math.max(0, Math.floor(stats.mtimeMs));
    archives.push({ name, bytes: bytes.length, sha256: sha256(bytes), modified });
  }
  return archives;
}

/** An archive's bytes, undefined when there is none of that name. */
export async function readArchive(directory: string, name: string): Promise<Buffer | undefined> {
  if (!isArchiveName(name)) return undefined;
  return readIfPresent(directory, name);
}

/** Undefined for what is not there or not a regular file, which a link is not, whatever it leads to. */
export async function readIfPresent(directory: string, name: string): Promise<Buffer | undefined> {
  return (await readFileIn(directory, name))?.bytes;
}

const readOnlyHere = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

async function readFileIn(
  directory: string,
  name: string,
): Promise<{ readonly bytes: Buffer; readonly stats: Stats } | undefined> {
  let file: Awaited<ReturnType<typeof open>>;
  try {
    file = await open(join(directory, name), readOnlyHere);
  } catch (cause) {
    if (hasCode(cause, "ENOENT") || hasCode(cause, "ELOOP") || hasCode(cause, "ENXIO")) return undefined;
    throw cause;
  }
  try {
    const stats = await file.stat();
    return stats.isFile() ? { bytes: await file.readFile(), stats } : undefined;
  } finally {
    await file.close();
  }
}

/**
 * Removes all but the newest archives, and those that are too old, and returns their names. Filtered ones are counted apart, so that
 * they push out no full one. Archives of a time after `nowMs`, and by more than `aheadMs` after it, come from a clock that was wrong: they
 * make room first.
 * One that cannot be removed does not save the others.
 */
export async function pruneArchives(
  directory: string,
  { archives, ageMs = Number.POSITIVE_INFINITY }: Retention,
  nowMs: number,
  aheadMs = 0,
): Promise<readonly string[]> {
  const all = newestFirst(await names(directory));
  const ofTheFuture = (name: string) => timeOf(name) > nowMs + aheadMs;
  const inOrder = [...all.filter((name) => !ofTheFuture(name)), ...all.filter(ofTheFuture)];
  const excess = (sort: readonly string[]) =>
    sort.filter((name, index) => index >= archives || (index > 0 && nowMs - timeOf(name) > ageMs));
  const old = [...excess(inOrder.filter(isFiltered)), ...excess(inOrder.filter((name) => !isFiltered(name)))];
  const failures: unknown[] = [];
  for (const name of old) await unlink(join(directory, name)).catch((cause) => failures.push(cause));
  if (failures.length > 0) throw failures[0];
  return old;
}

const isFiltered = (name: string) => name.startsWith("filtered-");

/** Removes what an interrupted write left; only for the one process that writes there. */
export async function sweepTemporaries(directory: string): Promise<void> {
  await makeFolder(directory);
  for (const name of await readdir(directory))
    if (name.startsWith(temporaryPrefix)) await removeIfPossible(join(directory, name));
}

/** Of regular files only: a folder or a link of such a name is none of ours. */
async function names(directory: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    return entries.filter((entry) => entry.isFile() && isArchiveName(entry.name)).map(({ name }) => name);
  } catch (cause) {
    if (hasCode(cause, "ENOENT")) return [];
    throw cause;
  }
}

/** The second in an archive's name. */
function timeOf(name: string): number {
  const [year = 0, month = 0, ...rest] = (archivePattern.exec(name) ?? []).slice(1).map(Number);
  return Date.UTC(year, month - 1, ...rest);
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

/** True of an error that more room would mend. */
export function isNoRoom(cause: unknown): boolean {
  return hasCode(cause, "ENOSPC") || hasCode(cause, "EDQUOT");
}

function hasCode(cause: unknown, code: string): boolean {
  return cause instanceof Error && "code" in cause && cause.code === code;
}
