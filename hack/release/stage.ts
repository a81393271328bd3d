/**
 * The sources of a release: a clone of the clone's last commit in release/.stage, in which the version is written and everything is built, so
 * that the clone itself changes only when all went well.
 */
import { execFile } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { releaseChangelog } from "./changelog.ts";
import { readVersionFiles, withVersion } from "./versions.ts";

const execute = promisify(execFile);

/** What a program printed; throws with its words. */
export async function run(cwd: string, program: string, args: readonly string[]): Promise<string> {
  const { stdout } = await execute(program, args, { cwd, maxBuffer: 64 * 1024 * 1024 }).catch(
    (cause: Error & { readonly stderr?: string }) => {
      const why = cause.stderr?.trim() || cause.message;
      throw new Error(`${program} ${args.join(" ")}: ${why}`, { cause });
    },
  );
  return stdout;
}

const git = (cwd: string, ...args: readonly string[]): Promise<string> => run(cwd, "git", args);
const split = (list: string): string[] => list.split("\0").filter((part) => part !== "");

/** Clones the last commit, and gives it the packages of the clone. */
export async function makeStage(clone: string, stage: string): Promise<void> {
  rmSync(stage, { recursive: true, force: true });
  mkdirSync(dirname(stage), { recursive: true });
  const commit = (await git(clone, "rev-parse", "HEAD")).trim();
  await git(clone, "clone", "--quiet", "--shared", "--no-checkout", clone, stage);
  await git(stage, "checkout", "--quiet", "--detach", commit);
  const packages = join(clone, "node_modules");
  // Second names of the same files: nothing is downloaded, and what a later installation removes here stays there.
  if (existsSync(packages)) await run(clone, "cp", ["-al", packages, join(stage, "node_modules")]);
}

export interface Told {
  readonly date: string;
  readonly notes: string;
}

/** Writes the version into the stage and makes what is generated anew; the changelog's section is what is told of it. */
export async function writeVersion(stage: string, version: string, today: string): Promise<Told> {
  const changelog = join(stage, "CHANGELOG.md");
  const released = releaseChangelog(readFileSync(changelog, "utf8"), version, today);
  if (released.kind === "refused") throw new Error(released.problem);
  writeFileSync(changelog, released.text);
  const files = readVersionFiles(stage);
  for (const [path, text] of withVersion(files, version)) writeFileSync(join(stage, path), text);
  keepPackages(stage);
  for (const generator of ["hack/crds.ts", "hack/bundle/cli.ts"]) await run(stage, "sh", ["hack/run.sh", generator]);
  return released;
}

/** The lock differs from the one that the packages were installed by in nothing but the version of this project. */
function keepPackages(stage: string): void {
  const stamp = join(stage, "node_modules", ".installed-lock");
  if (!existsSync(stamp)) return;
  // Writing through the second name would change the clone's.
  rmSync(stamp);
  copyFileSync(join(stage, "package-lock.json"), stamp);
}

/** Paths in which the stage differs from its commit. */
export async function changedPaths(stage: string): Promise<readonly string[]> {
  const known = await git(stage, "diff", "--no-renames", "--name-only", "-z", "HEAD");
  const others = await git(stage, "ls-files", "-z", "--others", "--exclude-standard");
  return [...split(known), ...split(others)].sort();
}

/** Paths in which the clone differs from its commit, but for those that are as the stage has them: an earlier run of the same release wrote them. */
export async function foreignChanges(clone: string, stage: string): Promise<readonly string[]> {
  const status = await git(clone, "status", "--porcelain", "--no-renames", "-z", "--untracked-files=all");
  return split(status)
    .map((line) => line.slice(3))
    .filter((path) => !isSame(join(clone, path), join(stage, path)));
}

function isSame(one: string, other: string): boolean {
  if (!existsSync(one) || !existsSync(other)) return existsSync(one) === existsSync(other);
  return readFileSync(one).equals(readFileSync(other));
}

/** Brings what the stage changed into the clone, each file whole; the number of those that differed. */
export async function takeOver(clone: string, stage: string): Promise<number> {
  const paths = (await changedPaths(stage)).filter((path) => !isSame(join(clone, path), join(stage, path)));
  for (const path of paths) {
    const target = join(clone, path);
    if (!existsSync(join(stage, path))) rmSync(target, { force: true });
    else {
      mkdirSync(dirname(target), { recursive: true });
      copyFileSync(join(stage, path), `${target}.release`);
      renameSync(`${target}.release`, target);
    }
  }
  return paths.length;
}
