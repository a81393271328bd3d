/** Node's program for images: from its npm package, without symbols, kept in the build cache. */
import { execFile } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { z } from "zod";
import { say } from "../build.ts";
import { cacheDir, cloneDir } from "../cache.ts";
import type { Log } from "../lock.ts";
import { type Architecture, nodeArchitectures, ownArchitecture } from "./architecture.ts";
import { crossTools } from "./cross.ts";
import { sha256OfFile } from "./digests.ts";
import { lockedPackage } from "./npm-lock.ts";

const run = promisify(execFile);

export interface NodeProgram {
  readonly file: string;
  /** As `node --version` prints it, `v24.21.0`. */
  readonly version: string;
  /** The unpacked npm package that it comes from. */
  readonly packageDir: string;
}

const packageSchema = z.object({ version: z.string() });
const versionOf = (packageDir: string): string =>
  `v${packageSchema.parse(JSON.parse(readFileSync(join(packageDir, "package.json"), "utf8"))).version.replace(/^v/, "")}`;
const npmPackage = (architecture: Architecture): string => `node-linux-${nodeArchitectures[architecture]}`;

/** The Node that this clone brings, or for another architecture the one that package-lock.json pins beside it. */
export async function ownNode(architecture = ownArchitecture, log: Log = say): Promise<NodeProgram> {
  const name = npmPackage(architecture);
  if (architecture === ownArchitecture)
    return programOf(realpathSync(join(cloneDir, "node_modules", name)), architecture, log);
  const { version, integrity } = lockedPackage(name);
  return programOf(await fetched(name, version, integrity), architecture, log);
}

/** Another Node from the npm registry; `integrity` is what the registry must have for this machine's architecture. */
export async function otherNode(
  version: string,
  integrity: Readonly<Partial<Record<NodeJS.Architecture, string>>>,
): Promise<NodeProgram> {
  return programOf(await fetched(npmPackage(ownArchitecture), version, integrity[process.arch]), ownArchitecture, say);
}

/** The folder of that npm package in the build cache. */
async function fetched(name: string, version: string, integrity: string | undefined): Promise<string> {
  const dir = join(cacheDir("node"), `${name}-${version}`);
  if (existsSync(dir)) return dir;
  const partial = mkdtempSync(`${dir}.`);
  try {
    const args = ["pack", "--json", "--pack-destination", partial, `${name}@${version}`];
    const { stdout } = await run("npm", args, { cwd: cloneDir });
    const [packed] = packSchema.parse(JSON.parse(stdout));
    if (packed === undefined || packed.integrity !== integrity)
      throw new Error(`npm package ${name}@${version}: its integrity is not the pinned one`);
    await run("tar", ["-xzf", join(partial, packed.filename), "-C", partial]);
    if (!existsSync(dir)) renameSync(join(partial, "package"), dir);
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
  return dir;
}

async function programOf(packageDir: string, architecture: Architecture, log: Log): Promise<NodeProgram> {
  const strip = architecture === ownArchitecture ? "strip" : (await crossTools(log)).strip;
  return { file: await stripped(join(packageDir, "bin", "node"), strip), version: versionOf(packageDir), packageDir };
}

const packSchema = z.array(z.object({ filename: z.string(), integrity: z.string() }));

/** A copy without symbols, a sixth smaller. Without binutils it is the program itself, and images of it have other digests. */
async function stripped(file: string, strip: string): Promise<string> {
  const target = join(cacheDir("stripped"), (await sha256OfFile(file)).slice(0, 32));
  if (existsSync(target)) return target;
  const partial = `${target}.${process.pid}`;
  copyFileSync(file, partial);
  chmodSync(partial, 0o755);
  try {
    await run(strip, [partial]);
    renameSync(partial, target);
    return target;
  } catch (cause) {
    rmSync(partial);
    const why = cause instanceof Error ? cause.message.split("\n")[0] : String(cause);
    say(`Node keeps its symbols, so images of it are larger and have other digests than elsewhere: ${why}`);
    return file;
  }
}
