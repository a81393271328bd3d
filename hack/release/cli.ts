/**
 * Makes a release: `npm run release -- X.Y.Z`; `--help` says more. Needs git, cargo, Go and apt-get, and with all tests root.
 * Leaves release/X.Y.Z/ and, in files of the clone, the version; it commits, tags and pushes nothing in git.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { filesBelow } from "../bundle/files.ts";
import { type ChannelName, channelNames, channelsOf } from "../bundle/graph.ts";
import { cacheDir, cloneDir } from "../cache.ts";
import { digestAt } from "../images/registry.ts";
import { withLock } from "../lock.ts";
import { preflight } from "../preflight.ts";
import type { Order } from "./build.ts";
import { readChangelog } from "./changelog.ts";
import { type Release, wishProblems } from "./graph.ts";
import { promote } from "./promote.ts";
import { adoptRecord, readRecord, recordPaths } from "./record.ts";
import { changedPaths, foreignChanges, makeStage, run, takeOver, writeVersion } from "./stage.ts";

const testKinds = ["all", "checks", "none"] as const;

const usage = `usage: npm run release -- X.Y.Z [options]

Writes the version, builds images, bundle and catalogue, checks them and leaves all in release/X.Y.Z/. The clone's last commit is what
is released; the clone changes at the end, when all went well. Running it again gives the same bytes, and goes on where a run was ended.

With --push and another channel than the one that a released version is in, only the catalogue is made anew, from the record, and pushed.

  --registry REF      what the images' names begin with; default IMAGE_REGISTRY, else where the version was pushed, else localhost
  --push              also push the images there, and record the version in hack/release/releases.yaml
  --channel NAME      ${channelNames.join(" or ")}; default: the one it has, for a new version candidate
  --unless-released   do nothing when the record says that the version was pushed
  --tests KIND        all (npm test, the default), checks (npm test -- checks) or none; the notes say which, and --push wants all
  --dry-run           say what would change, build nothing
  --help              this`;

interface Wanted {
  readonly version: string;
  /** As typed, or of the environment. */
  readonly registry: string | undefined;
  readonly channel: ChannelName | undefined;
  readonly tests: Order["tests"];
  readonly push: boolean;
  readonly unlessReleased: boolean;
  readonly dryRun: boolean;
}

function readArguments(): Wanted | "help" {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      registry: { type: "string" },
      push: { type: "boolean", default: false },
      channel: { type: "string" },
      tests: { type: "string", default: "all" },
      "unless-released": { type: "boolean", default: false },
      "dry-run": { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return "help";
  const [version, ...others] = positionals;
  if (version === undefined || others.length > 0) throw new Error(usage);
  const channel = channelNames.find((name) => name === values.channel);
  if (values.channel !== undefined && channel === undefined)
    throw new Error(`--channel ${values.channel}: it is ${channelNames.join(" or ")}`);
  const tests = testKinds.find((kind) => kind === values.tests);
  if (tests === undefined) throw new Error(`--tests ${values.tests}: it is ${testKinds.join(", ")}`);
  const given = values.registry ?? process.env.IMAGE_REGISTRY;
  if (values.push && tests !== "all") throw new Error(`--push wants all tests, not --tests ${tests}`);
  const [unlessReleased, dryRun] = [values["unless-released"], values["dry-run"]];
  return { version, registry: given, channel, tests, push: values.push, unlessReleased, dryRun };
}

/** With the registry that it is about. */
interface Placed extends Wanted {
  readonly registry: string;
}

const say = (line: string): void => console.error(`  ${line}`);
const releaseDir = join(cloneDir, "release");
const stage = join(releaseDir, ".stage");

async function main(): Promise<void> {
  const typed = readArguments();
  if (typed === "help") {
    console.log(usage);
    return;
  }
  const known = readRecord(cloneDir);
  const before = known.find((one) => one.version === typed.version);
  if (typed.push && typed.registry === undefined && before === undefined)
    throw new Error("--push needs --registry REF or IMAGE_REGISTRY");
  const wanted = { ...typed, registry: typed.registry ?? before?.registry ?? "localhost" };
  const channel = wanted.channel ?? before?.channel ?? "candidate";
  const problems = [
    ...wishProblems({ version: wanted.version, channel, released: known }),
    ...registryProblems(wanted, known),
  ];
  if (problems.length > 0) throw new Error(problems.join("\n"));
  // Otherwise an earlier run may have been ended while it brought its changes here.
  const isCommitted = (await run(cloneDir, "git", ["status", "--porcelain"])) === "";
  if (wanted.unlessReleased && before !== undefined && isCommitted) {
    console.log(`${wanted.version} was pushed to ${before.registry} before, as the record says: nothing is done`);
    return;
  }
  const isPromotion = wanted.push && before !== undefined && before.channel !== channel;
  await preflight({ need: "api", install: true });
  if (wanted.push) {
    const there = await digestAt(`${wanted.registry}/runtime-insights-bundle:${wanted.version}`, say);
    if (there !== undefined && there === before?.bundle && !isPromotion && isCommitted) {
      console.log(
        `${wanted.version} is in ${wanted.registry} as the record says, with bundle ${there}: nothing is done`,
      );
      return;
    }
  }
  if (wanted.tests === "all" && !isPromotion) await preflight({ need: "tests", install: true });
  mkdirSync(releaseDir, { recursive: true });
  await withLock(join(releaseDir, ".lock"), say, async () => {
    try {
      if (isPromotion && wanted.dryRun)
        console.log(`Would move ${wanted.version} to channel ${channel} in a new catalogue below ${before.registry}`);
      else if (isPromotion) await moveTo(channel, wanted.version);
      else await release(wanted, channel);
    } finally {
      rmSync(stage, { recursive: true, force: true });
    }
  });
}

async function moveTo(channel: ChannelName, version: string): Promise<void> {
  const catalogue = await promote(cloneDir, { version, channel }, say);
  console.log(`${version} is in channel ${channel}, of catalogue ${catalogue}. To keep the record:`);
  console.log(indented(["git add --all", `git commit --message "${version} moves to channel ${channel}"`, "git push"]));
}

/** A version lives in one registry: its bundle names the images there. */
function registryProblems({ version, registry, push }: Placed, known: readonly Release[]): readonly string[] {
  const before = known.find((one) => one.version === version);
  return push && before !== undefined && before.registry !== registry
    ? [
        `${version} was pushed to ${before.registry} already: give --registry ${before.registry}, or choose a newer version`,
      ]
    : [];
}

async function release(wanted: Placed, channel: ChannelName): Promise<void> {
  const { version, registry } = wanted;
  say(`Preparing ${version} from the last commit`);
  await makeStage(cloneDir, stage);
  adoptRecord(cloneDir, stage, version);
  const told = await writeVersion(stage, version, await dayOf(version));
  const foreign = await foreignChanges(cloneDir, stage);
  if (foreign.length > 0)
    throw new Error(`these files are not committed, and a release is made from commits:\n${indented(foreign)}`);
  const before = readRecord(stage);
  if (wanted.dryRun) {
    dryRun(wanted, channel, before, await changedPaths(stage));
    return;
  }
  if (wanted.tests !== "none") await testStage(["checks"]);
  const partial = join(releaseDir, `.${version}`);
  rmSync(partial, { recursive: true, force: true });
  const order = { registry, channel, date: told.date, notes: told.notes, tests: wanted.tests };
  const build = (push: boolean) =>
    inStage("hack/release/build.ts", [JSON.stringify({ ...order, out: partial, push } satisfies Order)]);
  // What is wrong with the files is told before the tests, which take long.
  if (!wanted.push || !existsSync(await markOf([]))) await build(false);
  if (wanted.tests === "all") await testStage([]);
  if (wanted.push) await build(true);
  const target = join(releaseDir, version);
  const same = existsSync(target) && fingerprint(target) === fingerprint(partial);
  rmSync(target, { recursive: true, force: true });
  renameSync(partial, target);
  const changed = await takeOver(cloneDir, stage);
  console.log(`${same ? "The same files as before are" : "The release is"} in release/${version}/`);
  await sayWhatNext(version, changed);
}

/** That of the last commit, or what an earlier run wrote into the changelog of the clone: a push that is repeated on another day pushes the same. */
async function dayOf(version: string): Promise<string> {
  const changelog = readChangelog(readFileSync(join(cloneDir, "CHANGELOG.md"), "utf8"));
  const before =
    changelog.kind === "read" ? changelog.sections.find((section) => section.version === version) : undefined;
  if (before?.date !== undefined) return before.date;
  const seconds = process.env.SOURCE_DATE_EPOCH ?? (await run(cloneDir, "git", ["log", "-1", "--format=%ct"]));
  return new Date(Number(seconds) * 1000).toISOString().slice(0, 10);
}

function dryRun(
  { version, registry, tests, push }: Placed,
  channel: ChannelName,
  known: readonly Release[],
  paths: readonly string[],
): void {
  const others = known.filter((one) => one.version !== version);
  const channels = channelsOf([...others, { version, channel }]);
  console.log(
    `Would release ${version} in channel ${channel}, with images below ${registry}${push ? ", pushed" : ""}; tests: ${tests}.`,
  );
  console.log(`Channels: ${channels.map(({ name, entries }) => `${name} (${entries.length})`).join(", ")}`);
  console.log(
    paths.length === 0
      ? "No file of the clone would change."
      : `Files of the clone that would change:\n${indented(paths)}`,
  );
}

/** The file that is there once these sources passed those tests; what was released before is no part of them. */
async function markOf(kinds: readonly string[]): Promise<string> {
  await run(stage, "git", ["add", "--all"]);
  await run(stage, "git", ["rm", "-r", "--quiet", "--cached", "--ignore-unmatch", ...recordPaths]);
  const tree = (await run(stage, "git", ["write-tree"])).trim();
  await run(stage, "git", ["add", "--all"]);
  return join(cacheDir("tested"), [tree, ...kinds].join("-"));
}

async function testStage(kinds: readonly string[]): Promise<void> {
  const mark = await markOf(kinds);
  if (existsSync(mark)) {
    say(`${kinds.length === 0 ? "All tests" : kinds.join(", ")} passed on the same sources before`);
    return;
  }
  await inStage("hack/test.ts", [...kinds, "--no-second-try"]);
  writeFileSync(mark, "");
}

/** Runs a script of the stage, whose output is shown; throws when it fails. It ends with this process, since the next run takes the stage away. */
async function inStage(script: string, args: readonly string[]): Promise<void> {
  const command = ["--pdeathsig", "TERM", "sh", "hack/run.sh", script, ...args];
  const child = spawn("setpriv", command, { cwd: stage, stdio: ["ignore", 2, 2] });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  if (code !== 0) throw new Error(`${script} failed: nothing was changed`);
}

function fingerprint(dir: string): string {
  const hash = createHash("sha256");
  for (const file of filesBelow(dir)) hash.update(`${file}\0`).update(readFileSync(join(dir, file)));
  return hash.digest("hex");
}

async function sayWhatNext(version: string, changed: number): Promise<void> {
  const status = await run(cloneDir, "git", ["status", "--porcelain"]);
  const tag = (await run(cloneDir, "git", ["tag", "--list", `v${version}`])).trim();
  if (changed > 0) say(`${changed} files of the clone name ${version} now`);
  const commands = [
    ...(status === "" ? [] : ["git add --all", `git commit --message "Release ${version}"`]),
    ...(tag !== "" ? [] : [`git tag --annotate v${version} --message "Runtime Insights ${version}"`]),
    `git push origin HEAD v${version}`,
  ];
  console.log(`To publish the sources:\n${indented(commands)}`);
}

const indented = (lines: readonly string[]): string => lines.map((line) => `  ${line}`).join("\n");

try {
  await main();
} catch (cause) {
  console.error(cause instanceof Error ? cause.message : String(cause));
  process.exitCode = 1;
}
