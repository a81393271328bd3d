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
import { cacheDir, cloneDir } from "../cache.ts";
import { sha256 } from "./layer.ts";

const run = promisify(execFile);

export interface NodeProgram {
  readonly file: string;
  /** As `node --version` prints it, `v24.21.0`. */
  readonly version: string;
}

const packageSchema = z.object({ version: z.string() });
const versionOf = (packageDir: string): string =>
  `v${packageSchema.parse(JSON.parse(readFileSync(join(packageDir, "package.json"), "utf8"))).version.replace(/^v/, "")}`;
const npmPackage = `node-linux-${process.arch}`;

/** The Node that this clone brings. */
export async function ownNode(): Promise<NodeProgram> {
  const packageDir = realpathSync(join(cloneDir, "node_modules", npmPackage));
  return { file: await stripped(join(packageDir, "bin", "node")), version: versionOf(packageDir) };
}

/** Another Node from the npm registry; `integrity` is what the registry must have for this machine's architecture. */
export async function otherNode(
  version: string,
  integrity: Readonly<Partial<Record<NodeJS.Architecture, string>>>,
): Promise<NodeProgram> {
  const dir = join(cacheDir("node"), `${npmPackage}-${version}`);
  if (!existsSync(dir)) {
    const partial = mkdtempSync(`${dir}.`);
    try {
      const args = ["pack", "--json", "--pack-destination", partial, `${npmPackage}@${version}`];
      const { stdout } = await run("npm", args, { cwd: cloneDir });
      const [packed] = packSchema.parse(JSON.parse(stdout));
      if (packed === undefined || packed.integrity !== integrity[process.arch])
        throw new Error(`npm package ${npmPackage}@${version}: its integrity is not the pinned one`);
      await run("tar", ["-xzf", join(partial, packed.filename), "-C", partial]);
      if (!existsSync(dir)) renameSync(join(partial, "package"), dir);
    } finally {
      rmSync(partial, { recursive: true, force: true });
    }
  }
  return { file: await stripped(join(dir, "bin", "node")), version: versionOf(dir) };
}

const packSchema = z.array(z.object({ filename: z.string(), integrity: z.string() }));

/** A copy without symbols, a sixth smaller; the program itself where binutils are missing. */
async function stripped(file: string): Promise<string> {
  const target = join(cacheDir("stripped"), (await sha256({ file })).slice(0, 32));
  if (existsSync(target)) return target;
  const partial = `${target}.${process.pid}`;
  copyFileSync(file, partial);
  chmodSync(partial, 0o755);
  try {
    await run("strip", [partial]);
    renameSync(partial, target);
    return target;
  } catch {
    rmSync(partial);
    return file;
  }
}
