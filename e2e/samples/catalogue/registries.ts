/** Content of package registries by their own clients, pinned by its hashes and kept in the build cache. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { promisify } from "node:util";
import { z } from "zod";
import { cacheDir, cloneDir } from "../../../hack/cache.ts";
import { sha256OfFile } from "../../../hack/images/digests.ts";

const run = promisify(execFile);
export const projects = join(import.meta.dirname, "projects");

/** The folder of an npm package, unpacked as it is; nothing of it is run. */
export const npmPackage = (spec: string, integrity: string): Promise<string> =>
  madeOnce(cacheDir("npm"), spec.replaceAll("/", "_"), async (dir) => {
    const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", dir, spec], { cwd: cloneDir });
    const [packed] = packSchema.parse(JSON.parse(stdout));
    if (packed === undefined || packed.integrity !== integrity)
      throw new Error(`npm package ${spec}: its integrity is not the pinned one`);
    await run("tar", ["-xzf", join(dir, packed.filename), "-C", dir]);
    return join(dir, "package");
  });

const packSchema = z.array(z.object({ filename: z.string(), integrity: z.string() }));

/** A folder of `projects` with the dependencies that its lock file names, built when `build` names a script. */
export function npmProject(name: string, build?: string): Promise<string> {
  const source = join(projects, name);
  const hash = createHash("sha256");
  for (const file of filesBelow(source)) hash.update(`${file}\0`).update(readFileSync(join(source, file)));
  return madeOnce(cacheDir("npm"), `project-${name}-${hash.digest("hex").slice(0, 16)}`, async (dir) => {
    cpSync(source, dir, { recursive: true });
    const env = { ...process.env, NEXT_TELEMETRY_DISABLED: "1", CI: "true" };
    await run("npm", ["ci", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund"], { cwd: dir, env });
    if (build !== undefined) await run("npm", ["run", build], { cwd: dir, env, maxBuffer: 16 * 1024 * 1024 });
    return dir;
  });
}

const filesBelow = (dir: string): string[] =>
  readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(dir, join(entry.parentPath, entry.name)))
    .sort();

/** Python packages unpacked beside each other, as in `site-packages`; programs in `bin`. One line each: `name==version --hash=...`. */
export const pythonPackages = (name: string, pinned: string): Promise<string> =>
  madeOnce(
    cacheDir("python"),
    `${name}-${createHash("sha256").update(pinned).digest("hex").slice(0, 16)}`,
    async (dir) => {
      const list = join(dir, "requirements.txt");
      writeFileSync(list, pinned);
      const place = ["--target", join(dir, "content"), "--python-version", "3.11", "--only-binary", ":all:"];
      await run("python3", [
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-compile",
        "--require-hashes",
        ...place,
        "-r",
        list,
      ]);
      return join(dir, "content");
    },
  );

/** The content of a jar of Maven Central, `group:artifact:version:jar:classifier`. */
export const mavenJar = (artifact: string, hash: string): Promise<string> =>
  madeOnce(cacheDir("jars"), artifact.replaceAll(":", "_"), async (dir) => {
    const copy = ["org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy", `-Dartifact=${artifact}`];
    const repository = `-Dmaven.repo.local=${cacheDir("maven", "repository")}`;
    await run("mvn", ["--batch-mode", "-q", repository, ...copy, `-DoutputDirectory=${dir}`]);
    const file = readdirSync(dir).find((one) => one.endsWith(".jar"));
    if (file === undefined || (await sha256OfFile(join(dir, file))) !== hash)
      throw new Error(`Maven artifact ${artifact}: its content is not the pinned one`);
    await run("python3", ["-m", "zipfile", "-e", join(dir, file), join(dir, "content")]);
    rmSync(join(dir, file));
    return join(dir, "content");
  });

/** A folder below `root`, filled by `fill` when it is not there; what `fill` gives must lie in the folder that it got. */
async function madeOnce(root: string, name: string, fill: (dir: string) => Promise<string>): Promise<string> {
  const dir = join(root, name);
  const isMade = () => existsSync(`${dir}.made`);
  if (!isMade()) {
    const partial = mkdtempSync(`${dir}.`);
    try {
      const content = await fill(partial);
      if (!isMade()) {
        rmSync(dir, { recursive: true, force: true });
        renameSync(content, dir);
        writeFileSync(`${dir}.made`, "");
      }
    } finally {
      rmSync(partial, { recursive: true, force: true });
    }
  }
  return dir;
}
