/** Layers of images: gzipped tars that are the same bytes for the same content, kept in the build cache. */
import { createHash, type Hash, randomUUID } from "node:crypto";
import { createReadStream, createWriteStream, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { pack } from "tar-stream";
import { z } from "zod";
import { cacheDir } from "../cache.ts";
import { sha256OfFile } from "./digests.ts";
import { type Content, complete, type Entry } from "./entries.ts";
import { removeUnused, wasUsed } from "./unused.ts";

const epoch = new Date(0);
/** Part of every key: another way of packing makes other bytes. */
const packing = "2";

const layerSchema = z.strictObject({ digest: z.string(), diffId: z.string(), bytes: z.int() });

export interface Layer extends z.infer<typeof layerSchema> {
  /** The gzipped tar. `digest` and `bytes` are of this file, `diffId` is the digest of the tar inside. */
  readonly file: string;
}

/** The layer with these entries, from the cache when the same content was packed before. */
export async function layerOf(entries: readonly Entry[]): Promise<Layer> {
  const all = complete(entries);
  const file = join(cacheDir("layers"), `${await keyOf(all)}.tar.gz`);
  const facts = `${file}.json`;
  if (!wasUsed(file) || !wasUsed(facts)) {
    const partial = `${file}.${randomUUID()}`;
    const made = await writeLayer(all, partial);
    renameSync(partial, file);
    writeFileSync(partial, JSON.stringify(made));
    renameSync(partial, facts);
    removeUnused(cacheDir("layers"), Date.now());
  }
  return { file, ...layerSchema.parse(JSON.parse(readFileSync(facts, "utf8"))) };
}

/** Changes when a path, mode, link or byte of the content does. */
async function keyOf(entries: readonly Entry[]): Promise<string> {
  const hash = createHash("sha256").update(`${packing} ${process.versions.zlib}\n`);
  for (const entry of entries) {
    const content = entry.kind === "file" ? await sha256(entry.content) : "";
    hash.update(`${JSON.stringify({ ...entry, content })}\n`);
  }
  return hash.digest("hex").slice(0, 32);
}

async function writeLayer(entries: readonly Entry[], file: string): Promise<z.infer<typeof layerSchema>> {
  const tar = pack();
  const inside = createHash("sha256");
  const outside = createHash("sha256");
  const written = pipeline(tar, tap(inside), createGzip(), tap(outside), createWriteStream(file));
  const modes = new Map(entries.map((entry) => [entry.path, entry.kind === "file" ? entry.mode : 0]));
  for (const entry of entries) await Promise.race([addEntry(tar, entry, modes), written]);
  tar.finalize();
  await written;
  return { digest: digestOf(outside), diffId: digestOf(inside), bytes: statSync(file).size };
}

type Tar = ReturnType<typeof pack>;

async function addEntry(tar: Tar, entry: Entry, modes: ReadonlyMap<string, number>): Promise<void> {
  const header = { name: entry.path, mtime: epoch, uid: 0, gid: 0, uname: "root", gname: "root" };
  switch (entry.kind) {
    case "folder":
      tar.entry({ ...header, name: `${entry.path}/`, type: "directory", mode: entry.mode });
      return;
    case "symlink":
      tar.entry({ ...header, type: "symlink", linkname: entry.target, mode: 0o777 });
      return;
    case "hardlink":
      // Whoever unpacks gives the file the mode of its last name.
      tar.entry({ ...header, type: "link", linkname: entry.target, mode: modes.get(entry.target) ?? 0 });
      return;
    case "file": {
      const { content } = entry;
      const size = Buffer.isBuffer(content) ? content.length : statSync(content.file).size;
      await pipeline(contentOf(content), tar.entry({ ...header, mode: entry.mode, size }));
      return;
    }
    default:
      return unreachable(entry);
  }
}

const contentOf = (content: Content): Readable | Buffer[] =>
  Buffer.isBuffer(content) ? [content] : createReadStream(content.file);

/** Lower-case hex of the content's SHA-256. */
const sha256 = async (content: Content): Promise<string> =>
  Buffer.isBuffer(content) ? createHash("sha256").update(content).digest("hex") : sha256OfFile(content.file);

function tap(hash: Hash): Transform {
  return new Transform({
    transform(chunk, _encoding, done) {
      hash.update(chunk);
      done(null, chunk);
    },
  });
}

const digestOf = (hash: Hash): string => `sha256:${hash.digest("hex")}`;

function unreachable(entry: never): never {
  throw new Error(`layer entry of an unknown kind: ${JSON.stringify(entry)}`);
}
