/** Files of Debian packages without installing them: fetched by apt-get, unpacked into the build cache. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { z } from "zod";
import { cacheDir } from "../cache.ts";

const run = promisify(execFile);

/** A package, or the first one of several that this Debian has. */
export type Wanted = string | readonly [string, ...string[]];

export interface DebianFiles {
  /** Where the packages are unpacked, together. */
  readonly root: string;
  /** The version of each package, as it was when the folder was made; deleting the folder takes newer ones. */
  readonly versions: Readonly<Record<string, string>>;
}

/** The packages' files; fetched once per list, without the packages' dependencies. */
export async function debianFiles(wanted: readonly Wanted[]): Promise<DebianFiles> {
  const key = createHash("sha256")
    .update(JSON.stringify([wanted, process.arch]))
    .digest("hex")
    .slice(0, 16);
  const dir = join(cacheDir("debian"), key);
  const record = join(dir, "versions.json");
  if (!existsSync(record)) await fetchInto(dir, wanted);
  return { root: join(dir, "root"), versions: versionsSchema.parse(JSON.parse(readFileSync(record, "utf8"))) };
}

const versionsSchema = z.record(z.string(), z.string());

async function fetchInto(dir: string, wanted: readonly Wanted[]): Promise<void> {
  const partial = mkdtempSync(`${dir}.`);
  try {
    await download(partial, wanted).catch(async (cause: Error) => {
      if (process.getuid?.() !== 0) throw withAdvice(cause);
      await run("apt-get", ["update", "-qq"]);
      await download(partial, wanted).catch((again: Error) => {
        throw withAdvice(again);
      });
    });
    const versions: Record<string, string> = {};
    for (const file of readdirSync(partial)
      .filter((name) => name.endsWith(".deb"))
      .sort()) {
      const path = join(partial, file);
      const { stdout } = await run("dpkg-deb", ["-f", path, "Package", "Version"]);
      const { Package: name, Version: version } = fieldsSchema.parse(fieldsOf(stdout));
      versions[name] = version;
      await run("dpkg-deb", ["-x", path, join(partial, "root")]);
      rmSync(path);
    }
    writeFileSync(join(partial, "versions.json"), `${JSON.stringify(versions, undefined, 2)}\n`);
    if (!existsSync(dir)) renameSync(partial, dir);
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
}

const fieldsSchema = z.object({ Package: z.string(), Version: z.string() });
const fieldsOf = (text: string) => Object.fromEntries(text.split("\n").map((line) => line.split(": ", 2)));

async function download(dir: string, wanted: readonly Wanted[]): Promise<void> {
  const names = await Promise.all(wanted.map((one) => (typeof one === "string" ? one : firstAvailable(one))));
  await run("apt-get", ["download", "-qq", ...names], { cwd: dir, maxBuffer: 16 * 1024 * 1024 });
}

async function firstAvailable(names: readonly string[]): Promise<string> {
  for (const name of names) {
    const { stdout } = await run("apt-cache", ["policy", name]);
    if (/^ {2}Candidate: (?!\(none\))/m.test(stdout)) return name;
  }
  throw new Error(`Debian package: none of ${names.join(", ")} is available`);
}

const withAdvice = (cause: Error): Error =>
  new Error(`fetching Debian packages: ${cause.message}\nTry: apt-get update`, { cause });
