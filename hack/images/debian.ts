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
export const debianFiles = (wanted: readonly Wanted[]): Promise<DebianFiles> =>
  unpackedOnce([wanted, process.arch], () => Promise.all(wanted.map(nameOf)));

/** The files of the packages and of all that they depend on, but for packages whose name is left out. */
export const debianTree = (packages: readonly string[], leftOut: RegExp): Promise<DebianFiles> =>
  unpackedOnce(["tree", packages, leftOut.source, process.arch], async () =>
    (await dependenciesOf(packages)).filter((name) => !leftOut.test(name)),
  );

/** What apt would install where nothing is installed, the packages themselves among it. */
async function dependenciesOf(packages: readonly string[]): Promise<string[]> {
  const nothing = join(cacheDir("debian"), "nothing-installed");
  writeFileSync(nothing, "");
  const settings = ["-o", `Dir::State::status=${nothing}`, "-o", "APT::Install-Recommends=false"];
  const { stdout } = await run("apt-get", ["--simulate", ...settings, "install", ...packages]);
  return [...stdout.matchAll(/^Inst (\S+)/gm)].map(([, name = ""]) => name).sort();
}

/** The folder that `key` names, filled when it is not there. */
async function unpackedOnce(key: unknown, names: () => Promise<readonly string[]>): Promise<DebianFiles> {
  const hash = createHash("sha256").update(JSON.stringify(key)).digest("hex").slice(0, 16);
  const dir = join(cacheDir("debian"), hash);
  const record = join(dir, "versions.json");
  if (!existsSync(record)) await fetchInto(dir, names);
  return { root: join(dir, "root"), versions: versionsSchema.parse(JSON.parse(readFileSync(record, "utf8"))) };
}

const versionsSchema = z.record(z.string(), z.string());

async function fetchInto(dir: string, names: () => Promise<readonly string[]>): Promise<void> {
  const partial = mkdtempSync(`${dir}.`);
  try {
    await download(partial, names).catch(async (cause: Error) => {
      if (process.getuid?.() !== 0) throw withAdvice(cause);
      await run("apt-get", ["update", "-qq"]);
      await download(partial, names).catch((again: Error) => {
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

const nameOf = async (one: Wanted): Promise<string> => (typeof one === "string" ? one : firstAvailable(one));

async function download(dir: string, names: () => Promise<readonly string[]>): Promise<void> {
  await run("apt-get", ["download", "-qq", ...(await names())], { cwd: dir, maxBuffer: 16 * 1024 * 1024 });
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
