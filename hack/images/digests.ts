/** SHA-256 of files, remembered in the build cache by file number and time of the last change, which no one can set. */
import { createHash } from "node:crypto";
import { createReadStream, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { cacheDir } from "../cache.ts";

const mostRemembered = 200_000;
const fileName = "digests.json";
const rememberedSchema = z.array(z.tuple([z.string(), z.string()]));

let remembered: Map<string, string> | undefined;
let isNew = false;

/** Lower-case hex of the file's SHA-256. One that changed less than `settledMs` ago may change again at what counts as the same time. */
export async function sha256OfFile(file: string, { settledMs = 2_000 } = {}): Promise<string> {
  const { dev, ino, size, ctimeNs, ctimeMs } = statSync(file, { bigint: true });
  const key = `${dev} ${ino} ${size} ${ctimeNs}`;
  const known = recall().get(key);
  if (known !== undefined) return known;
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file)) hash.update(chunk);
  const digest = hash.digest("hex");
  if (Date.now() - Number(ctimeMs) > settledMs) remember(key, digest);
  return digest;
}

function recall(): Map<string, string> {
  remembered ??= read();
  return remembered;
}

function remember(key: string, digest: string): void {
  recall().set(key, digest);
  if (!isNew) process.once("exit", save);
  isNew = true;
}

function read(): Map<string, string> {
  try {
    return new Map(rememberedSchema.parse(JSON.parse(readFileSync(join(cacheDir("digests"), fileName), "utf8"))));
  } catch {
    return new Map();
  }
}

/** With what other processes have learned meanwhile, the oldest left out. */
function save(): void {
  const all = [...new Map([...read(), ...recall()])].slice(-mostRemembered);
  const file = join(cacheDir("digests"), fileName);
  writeFileSync(`${file}.${process.pid}`, JSON.stringify(all));
  renameSync(`${file}.${process.pid}`, file);
}
