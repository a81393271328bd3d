/**
 * Runs the project's tests: all of them, or one kind (`checks`, `unit`, `fuzz`, `api`, `robust`, `images`, `install`, `node`).
 * Needs root, cargo and Go for the node tests; hack/preflight.ts says what is missing and installs Debian packages.
 * Leaves nothing but the build cache. The last line is `N passed, N failed`, with skipped tests counted behind it.
 */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { installClusters } from "../e2e/install/world.ts";
import { buildSampleImages } from "../e2e/samples/images.ts";
import { say } from "./build.ts";
import { cargoEnv, cloneDir } from "./cache.ts";
import { checks } from "./checks.ts";
import { keepCalls, keepCallsIn } from "./cluster/audit.ts";
import { allBinaries, ensureBinaries } from "./cluster/binaries.ts";
import { down, up } from "./cluster/cluster.ts";
import { clusterDir } from "./cluster/state.ts";
import { withDocker } from "./docker.ts";
import { listed } from "./failures.ts";
import { architectureProblem } from "./images/architecture.ts";
import { buildImages, describeImages } from "./images/images.ts";
import { checkPermissions } from "./permissions.ts";
import { preflight } from "./preflight.ts";
import { noTests, runStep, runSteps, runTwice, type Step, sumOf, type Tally } from "./steps.ts";

const kinds = ["checks", "unit", "fuzz", "api", "robust", "images", "install", "node"] as const;
type Kind = (typeof kinds)[number];
/** One after the other: what needs the processors for itself, then what mostly waits. The kinds of a lane run one after the other, the lanes beside each other. */
const stages: readonly (readonly (readonly Kind[])[])[] = [
  [["checks", "unit", "fuzz"]],
  [
    ["images", "install", "node"],
    ["api", "robust"],
  ],
];
const usage = `usage: npm test [-- [${kinds.join("|")}]... [--no-second-try]]   no kind means all`;

/** The cluster of the node tests; made at the start and taken down at the end. */
const clusterName = "test";

const uvu = (name: string, folder: string): Step => ({
  name,
  report: "uvu",
  command: ["uvu", folder, "\\.test\\.ts$"],
});

interface Suite {
  readonly name: string;
  readonly folder: string;
  /** Default: all. */
  readonly files?: readonly string[];
  readonly options?: readonly string[];
  readonly minutes: number;
  /** Before a second try. */
  readonly prepareAgain?: () => Promise<void>;
}

/** Tests that wait for real servers. */
function runSuite(
  { name, folder, files, options = [], minutes, prepareAgain }: Suite,
  rest: Partial<Step> = {},
): Promise<Tally> {
  const commandFor = (some: readonly string[] | undefined): Step["command"] => {
    const pattern = some === undefined ? "\\.test\\.ts$" : `^(${some.join("|").replaceAll(".", "\\.")})$`;
    return ["uvu", ...options, folder, pattern];
  };
  const step: Step = { name, report: "uvu", command: commandFor(files), timeoutMs: minutes * 60_000, ...rest };
  return hasSecondTry ? runTwice(step, commandFor, prepareAgain) : runStep(step);
}

async function runKind(kind: Kind): Promise<Tally> {
  switch (kind) {
    case "checks":
      return runSteps(checks({ fix: false }));
    case "unit":
      return unitTests();
    case "fuzz":
      return runStep({ name: "fuzzing", report: "fuzz", command: ["node", "hack/fuzz.ts"] });
    case "api":
      return runSuite(
        { name: "tests against a real API server", folder: "e2e/api", minutes: 45 },
        { show: hasLaneToItself(kind) ? "as it comes" : "at its end" },
      );
    case "robust":
      return runSuite(
        { name: "the operator beside crashes and faults", folder: "e2e/robust", minutes: 45 },
        { show: hasLaneToItself(kind) ? "as it comes" : "at its end" },
      );
    case "images":
      return imageTests();
    case "install":
      return installTests();
    case "node":
      return nodeTests();
  }
}

/** Those in TypeScript have one thread, so that there is a processor for the others. */
async function unitTests(): Promise<Tally> {
  const typescript = runSteps([
    uvu("unit tests of src", "src"),
    uvu("unit tests of hack", "hack"),
    uvu("unit tests of the samples", "e2e/samples"),
    uvu("whole archives beside an independent program", "e2e/oracle"),
  ]);
  const rust = runStep({
    name: "unit tests of extractor",
    report: "cargo",
    command: ["cargo", "test", "--locked", "--workspace", "--no-fail-fast"],
    cwd: join(cloneDir, "extractor"),
    env: cargoEnv(),
    show: "at its end",
  });
  return sumOf(await Promise.all([typescript, rust]));
}

/** Each file brings a cluster of its own up. One after the other: side by side they took longer, and no test's patience was enough. */
async function installTests(): Promise<Tally> {
  const takeDown = async () => {
    for (const { name } of Object.values(installClusters)) {
      keepCalls(join(clusterDir(name), "control-plane"));
      await down(name);
    }
  };
  const files = readdirSync(join(cloneDir, "e2e/install")).filter((file) => file.endsWith(".test.ts"));
  const tallies: Tally[] = [];
  await takeDown();
  for (const file of files) {
    const name = `installed: ${file}`;
    const suite: Suite = { name, folder: "e2e/install", files: [file], minutes: 25, prepareAgain: takeDown };
    tallies.push(await cleanedUp("install", () => runSuite(suite), takeDown));
  }
  return sumOf(tallies);
}

/** Some of them need Debian, and the engine that we run. */
async function imageTests(): Promise<Tally> {
  const name = "our images on a Docker engine";
  const tallies: Tally[] = [];
  const engine = await runSafely("images", () =>
    withDocker(say, async ({ isOwn, environment }) => {
      const options = isOwn ? [] : ["--ignore", "provider", "--ignore", "arm64"];
      const env = { ...process.env, ...environment };
      tallies.push(await runSuite({ name, folder: "e2e/images", options, minutes: 30 }, { env }));
      return noTests;
    }),
  );
  return sumOf([...tallies, engine]);
}

async function nodeTests(): Promise<Tally> {
  const tests = async () => {
    const cluster = await up({ name: clusterName, nodes: 2 });
    for (const image of await buildImages()) await cluster.importImage(image.archive);
    return runSuite(
      { name: "tests on two real nodes", folder: "e2e/node", minutes: 45 },
      { env: { ...process.env, RUNTIME_INSIGHTS_CLUSTER: clusterName } },
    );
  };
  await down(clusterName);
  return cleanedUp("node", tests, async () => {
    keepCalls(join(clusterDir(clusterName), "control-plane"));
    await down(clusterName);
  });
}

/** A failure of either does not hide what the other found. */
async function cleanedUp(kind: Kind, tests: () => Promise<Tally>, cleanUp: () => Promise<void>): Promise<Tally> {
  const tally = await runSafely(kind, tests);
  return sumOf([tally, await runSafely(kind, () => cleanUp().then(() => noTests))]);
}

/** What they do with an API server shows which permissions are needed. */
const kindsWithApi: readonly Kind[] = ["api", "robust", "images", "node"];

function permissions(folder: string, chosen: readonly Kind[]): Tally {
  console.log("\n--- permissions");
  return checkPermissions(folder, { everything: kindsWithApi.every((kind) => chosen.includes(kind)) });
}

function parse(): { readonly chosen: readonly Kind[]; readonly hasSecondTry: boolean } {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { "no-second-try": { type: "boolean" } },
  });
  const chosen = kinds.filter((kind) => positionals.includes(kind));
  if (chosen.length !== positionals.length) throw new Error(usage);
  return { chosen: chosen.length === 0 ? kinds : chosen, hasSecondTry: values["no-second-try"] !== true };
}

/** Whether nothing of another lane runs at the same time. */
const hasLaneToItself = (kind: Kind): boolean => {
  const others = stages.find((lanes) => lanes.flat().includes(kind))?.filter((lane) => !lane.includes(kind)) ?? [];
  return others.flat().every((one) => !chosen.includes(one));
};

/** Before all tests, since no clock can be trusted beside compilers. A kind that runs alone builds what it needs on its way. */
async function buildAll(): Promise<void> {
  await ensureBinaries(allBinaries, say);
  await buildImages();
  await buildSampleImages();
}

/** Of their tests alone, so that the others run without them. */
async function buildForArm64(): Promise<Tally> {
  if (!includesOneOf("images") || architectureProblem("arm64") !== undefined) return noTests;
  return runSafely("images", () => describeImages({ architectures: ["arm64"] }).then(() => noTests));
}

/** A kind whose preparation breaks is one failure; the other kinds still run. */
async function runSafely(kind: Kind, run: () => Promise<Tally>): Promise<Tally> {
  try {
    return await run();
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause);
    console.log(`--- ${kind}: ${text}`);
    return { ...noTests, failed: 1, failures: [{ step: kind, file: undefined, text }] };
  }
}

const { chosen, hasSecondTry } = parse();
const includesOneOf = (...some: readonly Kind[]) => some.some((kind) => chosen.includes(kind));
const ownEngine = includesOneOf("images") && process.env.DOCKER_HOST === undefined;
const needs = includesOneOf("node", "install", "unit") ? "tests" : ownEngine ? "cluster" : "api";
await preflight({ need: needs, install: true });
if (chosen.length > 1) await buildAll();
const forArm64 = chosen.length > 1 ? await buildForArm64() : noTests;
const calls = mkdtempSync(join(tmpdir(), "runtime-insights-calls-"));
keepCallsIn(calls);
const tallies: Tally[] = [forArm64];
const runLane = async (lane: readonly Kind[]) => {
  for (const kind of lane.filter((one) => chosen.includes(one)))
    tallies.push(await runSafely(kind, () => runKind(kind)));
};
for (const lanes of stages) await Promise.all(lanes.map(runLane));
if (includesOneOf(...kindsWithApi)) tallies.push(permissions(calls, chosen));
rmSync(calls, { recursive: true, force: true });
const all = sumOf(tallies);
process.stdout.write(
  listed("Failed at first and passed when run again; a defect of the test or of the product:", all.unsteady),
);
process.stdout.write(listed("Failed:", all.failures));
console.log(`\n${all.passed} passed, ${all.failed} failed${all.skipped > 0 ? `, ${all.skipped} skipped` : ""}`);
process.exitCode = all.failed === 0 ? 0 : 1;
