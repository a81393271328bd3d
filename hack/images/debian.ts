/** Files of Debian packages without installing them: fetched by apt-get, unpacked into the build cache. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { z } from "zod";
import { cacheDir } from "../cache.ts";
import { type Log, withLock } from "../lock.ts";
import { type Architecture, architectures, nodeArchitectures, ownArchitecture } from "./architecture.ts";
import { ownDistribution } from "./distribution.ts";

const run = promisify(execFile);

/** A package, or the first one of several that this Debian has. */
export type Wanted = string | readonly [string, ...string[]];

export interface DebianFiles {
  /** Where the packages are unpacked, together. */
  readonly root: string;
  /** The version of each package, as it was when the folder was made; deleting the folder takes newer ones. */
  readonly versions: Readonly<Record<string, string>>;
}

/** Whose package lists apt reads. */
interface Apt {
  readonly options: readonly string[];
  /** Of these lists, in the build cache, anybody has the right to renew them; of the machine's only root. */
  readonly isOwn: boolean;
}

const machineApt: Apt = { options: [], isOwn: false };
const canRenew = ({ isOwn }: Apt): boolean => isOwn || process.getuid?.() === 0;

/** In English, since what it says is read. */
const ask = (program: "apt-get" | "apt-cache", { options }: Apt, args: readonly string[], cwd?: string) =>
  run(program, [...options, ...args], {
    env: { ...process.env, LC_ALL: "C" },
    maxBuffer: 16 * 1024 * 1024,
    ...(cwd === undefined ? {} : { cwd }),
  });

/** Packages of one release: a machine that is upgraded begins anew. */
const debianDir = (...parts: readonly string[]): string => cacheDir("debian", ownDistribution(), ...parts);

/**
 * Lists of both architectures, from the machine's sources but in the build cache, so that the machine does not learn of
 * another architecture. Packages named without one are the `native` one's.
 */
export function aptOfBoth(native: Architecture): Apt {
  const dir = debianDir("apt");
  for (const folder of ["state/lists/partial", "cache/archives/partial"])
    mkdirSync(join(dir, folder), { recursive: true });
  const settings = [
    `APT::Architecture=${native}`,
    ...[native, ...architectures.filter((other) => other !== native)].map((one) => `APT::Architectures::=${one}`),
    `Dir::State=${join(dir, "state")}`,
    `Dir::State::status=${nothingInstalled()}`,
    `Dir::Cache=${join(dir, "cache")}`,
    // The cache may lie where apt's own user cannot look.
    "APT::Sandbox::User=root",
  ];
  return { options: settings.flatMap((setting) => ["-o", setting]), isOwn: true };
}

function nothingInstalled(): string {
  const file = join(debianDir(), "nothing-installed");
  writeFileSync(file, "");
  return file;
}

/** The packages' files; fetched once per list, without the packages' dependencies. */
export function debianFiles(wanted: readonly Wanted[]): Promise<DebianFiles> {
  const names = () => Promise.all(wanted.map((one) => nameOf(one, machineApt)));
  return unpackedOnce([wanted, process.arch], { apt: machineApt, names });
}

export interface ImageFilesOptions {
  readonly architecture: Architecture;
  /** Given: takes newer versions where Debian has some, and says so, for what leaves this machine. */
  readonly renew?: Log | undefined;
}

export interface ImageFiles extends DebianFiles {
  /** What each package says of itself, as `dpkg-deb --field` prints it. */
  readonly control: Readonly<Record<string, string>>;
}

/** As `debianFiles`, for what an image holds; documents of a package that lie in another one are there, too. */
export async function debianFilesOf(
  names: readonly string[],
  { architecture, renew }: ImageFilesOptions,
): Promise<ImageFiles> {
  const apt = architecture === ownArchitecture ? machineApt : aptOfBoth(architecture);
  const fetch = { apt, names: async () => names, documents: true, ...(renew === undefined ? {} : { renew }) };
  const files = await unpackedOnce(["image with documents", names, nodeArchitectures[architecture]], fetch);
  const control = names.map((name) => [name, readFileSync(join(files.root, "..", "control", name), "utf8")]);
  return { ...files, control: Object.fromEntries(control) };
}

export interface TreeOptions {
  /** Default: the machine's own. */
  readonly apt?: Apt;
  readonly log?: Log;
  /** Takes away what is not needed, or adds to it, before anybody sees the folder. */
  readonly finish?: (root: string) => void;
  /** What `finish` makes of the tree; another word where another one did so before and its folder may be in the cache. */
  readonly finished?: string;
}

/** The files of the packages and of all that they depend on, but for packages whose name is left out. */
export function debianTree(
  packages: readonly string[],
  leftOut: RegExp,
  { apt = machineApt, finished, ...options }: TreeOptions = {},
): Promise<DebianFiles> {
  const names = async () => (await dependenciesOf(packages, apt)).filter((name) => !leftOut.test(name));
  const key = ["tree", packages, leftOut.source, process.arch, ...(finished === undefined ? [] : [finished])];
  return unpackedOnce(key, { ...options, apt, names });
}

/** What apt would install where nothing is installed, the packages themselves among it. */
async function dependenciesOf(packages: readonly string[], apt: Apt): Promise<string[]> {
  const settings = ["-o", `Dir::State::status=${nothingInstalled()}`, "-o", "APT::Install-Recommends=false"];
  const { stdout } = await ask("apt-get", apt, ["--simulate", ...settings, "install", ...packages]);
  return [...stdout.matchAll(/^Inst (\S+)/gm)].map(([, name = ""]) => name).sort();
}

interface Fetch extends Omit<TreeOptions, "apt" | "finished"> {
  readonly apt: Apt;
  readonly names: () => Promise<readonly string[]>;
  /** Also those that lie in packages which are not among the names. */
  readonly documents?: boolean;
  readonly renew?: Log;
}

/** The folder that `key` names, filled when it is not there, or is to be renewed; one run at a time. */
async function unpackedOnce(key: unknown, fetch: Fetch): Promise<DebianFiles> {
  const { apt, renew, log = () => {} } = fetch;
  const hash = createHash("sha256").update(JSON.stringify(key)).digest("hex").slice(0, 16);
  const dir = join(debianDir(), hash);
  const record = join(dir, recordName);
  const read = () => versionsSchema.parse(JSON.parse(readFileSync(record, "utf8")));
  const filled = async () => {
    if (!existsSync(record) || (renew !== undefined && (await isOld(read(), apt, renew)))) await fetchInto(dir, fetch);
  };
  if (!existsSync(record) || renew !== undefined)
    await withLock(join(debianDir(), ".lock"), log, () =>
      filled().catch((cause: Error) => {
        const advice = apt.isOwn ? "They come from the machine's own package sources." : "Try: apt-get update";
        throw new Error(`fetching Debian packages: ${cause.message}\n${advice}`, { cause });
      }),
    );
  return { root: join(dir, "root"), versions: read() };
}

/** Waits for whoever else renews them; apt itself does not. */
async function renewLists(apt: Apt): Promise<void> {
  for (let tries = 1; ; tries += 1)
    try {
      await ask("apt-get", apt, ["update", "-qq"]);
      return;
    } catch (cause) {
      if (tries >= 30 || !/Could not get lock/.test(String(cause))) throw cause;
      await sleep(2_000);
    }
}

/** True when Debian has other versions now; throws when nobody can say. */
async function isOld(versions: DebianFiles["versions"], apt: Apt, log: Log): Promise<boolean> {
  if (canRenew(apt)) await renewLists(apt);
  const newer: string[] = [];
  for (const [name, version] of Object.entries(versions)) {
    const now = await candidateOf(name, apt);
    // What is there is kept until something newer can be had.
    if (now === undefined) throw new Error(`nobody knows which ${name} Debian has now`);
    if (now !== version) newer.push(`${name} ${version} -> ${now}`);
  }
  if (newer.length > 0) log(`Debian has other packages than before: ${newer.join(", ")}`);
  return newer.length > 0;
}

/** Written last: a folder without it was left by a run that was ended. */
const recordName = "versions.json";
const versionsSchema = z.record(z.string(), z.string());

async function fetchInto(dir: string, { apt, names, documents = false, log, finish }: Fetch): Promise<void> {
  const partial = mkdtempSync(`${dir}.`);
  try {
    log?.("Fetching Debian packages (about a minute) ...");
    await download(partial, names, apt).catch(async (cause: Error) => {
      if (!canRenew(apt)) throw cause;
      // A source that cannot be reached is no matter where the others have the packages.
      const notRenewed = await renewLists(apt).then(
        () => undefined,
        (why: Error) => why,
      );
      await download(partial, names, apt).catch((again: Error) => {
        throw notRenewed ?? again;
      });
    });
    const versions = await unpacked(partial);
    if (documents) await fetchDocuments(partial, apt);
    finish?.(join(partial, "root"));
    writeFileSync(join(partial, recordName), `${JSON.stringify(versions, undefined, 2)}\n`);
    // The record goes first, lest a removal that is ended leaves a folder that looks whole.
    for (const old of [join(dir, recordName), dir]) rmSync(old, { recursive: true, force: true });
    renameSync(partial, dir);
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
}

/** Adds the packages that documents of the unpacked ones lie in, and those that theirs lie in. */
async function fetchDocuments(dir: string, apt: Apt): Promise<void> {
  const asked = new Set<string>();
  for (;;) {
    const missing = missingDocuments(join(dir, "root")).filter((name) => !asked.has(name));
    if (missing.length === 0) return;
    for (const name of missing) asked.add(name);
    await download(dir, async () => missing, apt);
    await unpacked(dir);
  }
}

/** Unpacks the packages in the folder to its `root`, and says their versions. */
async function unpacked(dir: string): Promise<DebianFiles["versions"]> {
  const versions: Record<string, string> = {};
  mkdirSync(join(dir, "control"), { recursive: true });
  for (const file of readdirSync(dir)
    .filter((name) => name.endsWith(".deb"))
    .sort()) {
    const path = join(dir, file);
    const { stdout: control } = await run("dpkg-deb", ["--field", path]);
    const { Package: name, Version: version } = fieldsSchema.parse(fieldsOf(control));
    versions[name] = version;
    writeFileSync(join(dir, "control", name), control);
    await run("dpkg-deb", ["-x", path, join(dir, "root")]);
    rmSync(path);
  }
  return versions;
}

/** The packages whose documents those of others are: libgcc-s1 has a link to the folder of gcc-12-base, which it depends on. */
export function missingDocuments(root: string): readonly string[] {
  const dir = join(root, "usr/share/doc");
  if (!existsSync(dir)) return [];
  const entries = readdirSync(dir, { withFileTypes: true });
  const there = new Set(entries.map(({ name }) => name));
  const links = entries.filter((entry) => entry.isSymbolicLink());
  const targets = new Set(links.map(({ name }) => readlinkSync(join(dir, name))));
  return [...targets].filter((name) => packageName.test(name) && !there.has(name)).sort();
}

/** What Debian's rules allow; a link may lead anywhere. */
const packageName = /^[a-z0-9][a-z0-9.+-]+$/;

const fieldsSchema = z.object({ Package: z.string(), Version: z.string() });
const fieldsOf = (text: string) => Object.fromEntries(text.split("\n").map((line) => line.split(": ", 2)));

const nameOf = async (one: Wanted, apt: Apt): Promise<string> =>
  typeof one === "string" ? one : firstAvailable(one, apt);

async function download(dir: string, names: () => Promise<readonly string[]>, apt: Apt): Promise<void> {
  await ask("apt-get", apt, ["download", "-qq", ...(await names())], dir);
}

async function firstAvailable(names: readonly string[], apt: Apt): Promise<string> {
  for (const name of names) if ((await candidateOf(name, apt)) !== undefined) return name;
  throw new Error(`Debian package: none of ${names.join(", ")} is available`);
}

/** The version that Debian has now; undefined when it has none. */
async function candidateOf(name: string, apt: Apt): Promise<string | undefined> {
  const { stdout } = await ask("apt-cache", apt, ["policy", name]);
  return /^ {2}Candidate: (?!\(none\))(.*)$/m.exec(stdout)?.[1];
}
