/** The same images from another clone, on what differs between machines and costs little to change. */
import { execFile, execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { cacheDir, cloneDir } from "../../hack/cache.ts";
import { architectureProblem, architectures } from "../../hack/images/architecture.ts";
import { buildImages, imageNames } from "../../hack/images/images.ts";

/** Below the clone, for second names of its packages' files. */
const elsewhere = join(cloneDir, "dist", "elsewhere");
const clone = join(elsewhere, "deeper", "clone");
const cache = join(elsewhere, "cache");

const removeAll = () => rmSync(elsewhere, { recursive: true, force: true });
test.after(removeAll);

/** Compilers and Debian take minutes; layers, archives, the stripped Node and bundles are made anew. */
const keptProducts = ["debian", "node", "node-programs", "bin", "programs"];

function makeElsewhere(): void {
  removeAll();
  const list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
  const files = execFileSync("git", list, { cwd: cloneDir, encoding: "utf8" }).split("\0");
  for (const file of files.filter((one) => one !== "" && existsSync(join(cloneDir, one)))) {
    mkdirSync(dirname(join(clone, file)), { recursive: true });
    cpSync(join(cloneDir, file), join(clone, file), { recursive: true, verbatimSymlinks: true });
  }
  execFileSync("cp", ["-al", join(cloneDir, "node_modules"), join(clone, "node_modules")]);
  mkdirSync(cache, { recursive: true });
  for (const name of keptProducts) symlinkSync(cacheDir(name), join(cache, name));
}

/** Name and digest of each image in the order in which they are made. */
async function digestsElsewhere(): Promise<readonly (readonly [string, string])[]> {
  const umask = process.umask(0o077);
  try {
    makeElsewhere();
    const env = {
      ...process.env,
      ...{ RUNTIME_INSIGHTS_CACHE: cache, IMAGE_REGISTRY: "localhost", TZ: "Pacific/Kiritimati", LC_ALL: "C" },
      ...{ TMPDIR: elsewhere },
    };
    const only = compared.flatMap((name) => ["--only", name]);
    const archs = buildable.flatMap((architecture) => ["--arch", architecture]);
    const command = [join(clone, "hack/images/cli.ts"), ...only, ...archs];
    const { stdout } = await promisify(execFile)(process.execPath, command, { env, cwd: elsewhere });
    return [...stdout.matchAll(/^(\S+)@(sha256:\S+) /gm)].map(([, ref = "", digest = ""]) => [ref, digest]);
  } finally {
    process.umask(umask);
  }
}

/** The bundle names the others by digest; a catalogue would only add the time that its programs take to pack. */
const compared = [...imageNames, "bundle"] as const;
const buildable = architectures.filter((architecture) => architectureProblem(architecture) === undefined);

test("another folder, umask, time zone, locale and cache of layers: every image of every architecture has the same digest", async () => {
  const here = await buildImages({ only: compared, architectures: buildable, registry: "localhost", log: () => {} });
  assert.is(here.length, compared.length * buildable.length);
  assert.equal(
    await digestsElsewhere(),
    here.map(({ ref, digest }) => [ref, digest]),
  );
});

test.run();
