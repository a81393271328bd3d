/**
 * Runs the project's tests: all of them, or one kind (`checks`, `unit`, `fuzz`, `api`, `robust`, `images`, `node`).
 * Needs root, cargo and Go for the node tests; hack/preflight.ts says what is missing and installs Debian packages.
 * Leaves nothing but the build cache. The last line is `N passed, N failed`, with skipped tests counted behind it.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { say } from "./build.ts";
import { cargoEnv, cloneDir } from "./cache.ts";
import { checks } from "./checks.ts";
import { keepCalls, keepCallsIn } from "./cluster/audit.ts";
import { down, up } from "./cluster/cluster.ts";
import { clusterDir } from "./cluster/state.ts";
import { withDocker } from "./docker.ts";
import { buildImages } from "./images/images.ts";
import { checkPermissions } from "./permissions.ts";
import { preflight } from "./preflight.ts";
import { runStep, runSteps, type Step, type Tally } from "./steps.ts";

const kinds = ["checks", "unit", "fuzz", "api", "robust", "images", "node"] as const;
type Kind = (typeof kinds)[number];
const usage = `usage: npm test [-- ${kinds.join("|")}]...   no kind means all`;

/** The cluster of the node tests; made at the start and taken down at the end. */
const clusterName = "test";

const uvu = (name: string, folder: string): Step => ({
  name,
  report: "uvu",
  command: ["uvu", folder, "\\.test\\.ts$"],
});

async function runKind(kind: Kind): Promise<Tally> {
  switch (kind) {
    case "checks":
      return runSteps(checks({ fix: false }));
    case "unit":
      return runSteps([
        uvu("unit tests of src", "src"),
        uvu("unit tests of hack", "hack"),
        uvu("unit tests of the samples", "e2e/samples"),
        uvu("whole archives beside an independent program", "e2e/oracle"),
        {
          name: "unit tests of extractor",
          report: "cargo",
          command: ["cargo", "test", "--locked", "--workspace", "--no-fail-fast"],
          cwd: join(cloneDir, "extractor"),
          env: cargoEnv(),
        },
      ]);
    case "fuzz":
      return runStep({ name: "fuzzing", report: "fuzz", command: ["node", "hack/fuzz.ts"] });
    case "api":
      return runStep(uvu("tests against a real API server", "e2e/api"));
    case "robust":
      return runStep({
        ...uvu("the operator beside crashes and faults", "e2e/robust"),
        show: beside(chosen).includes("robust") ? "at its end" : "as it comes",
        timeoutMs: 30 * 60_000,
      });
    case "images":
      return withDocker(say, ({ environment }) =>
        runStep({
          ...uvu("our images on a Docker engine", "e2e/images"),
          env: { ...process.env, ...environment },
          timeoutMs: 10 * 60_000,
        }),
      );
    case "node":
      return nodeTests();
  }
}

async function nodeTests(): Promise<Tally> {
  await down(clusterName);
  try {
    const cluster = await up({ name: clusterName, nodes: 2 });
    for (const image of await buildImages()) await cluster.importImage(image.archive);
    return await runStep({
      ...uvu("tests on two real nodes", "e2e/node"),
      env: { ...process.env, RUNTIME_INSIGHTS_CLUSTER: clusterName },
      timeoutMs: 45 * 60_000,
    });
  } finally {
    keepCalls(join(clusterDir(clusterName), "control-plane"));
    await down(clusterName);
  }
}

/** What they do with an API server shows which permissions are needed. */
const kindsWithApi: readonly Kind[] = ["api", "robust", "images", "node"];

function permissions(folder: string, chosen: readonly Kind[]): Tally {
  console.log("\n--- permissions");
  return checkPermissions(folder, { everything: kindsWithApi.every((kind) => chosen.includes(kind)) });
}

function chosenKinds(): readonly Kind[] {
  const { positionals } = parseArgs({ allowPositionals: true, options: {} });
  const chosen = kinds.filter((kind) => positionals.includes(kind));
  if (chosen.length !== positionals.length) throw new Error(usage);
  return chosen.length === 0 ? kinds : chosen;
}

/** The kinds that run at the same time as the node tests, since both mostly wait; the output of these comes at their end. */
function beside(chosen: readonly Kind[]): readonly Kind[] {
  return chosen.includes("node") ? chosen.filter((kind) => kind === "robust") : [];
}

/** A kind whose preparation breaks is one failure; the other kinds still run. */
async function runSafely(kind: Kind): Promise<Tally> {
  try {
    return await runKind(kind);
  } catch (cause) {
    console.log(`--- ${kind}: ${cause instanceof Error ? cause.message : String(cause)}`);
    return { passed: 0, failed: 1, skipped: 0 };
  }
}

const chosen = chosenKinds();
const needs =
  chosen.includes("node") || chosen.includes("unit") ? "tests" : chosen.includes("images") ? "cluster" : "api";
await preflight({ need: needs, install: true });
let all: Tally = { passed: 0, failed: 0, skipped: 0 };
const count = (one: Tally) => {
  all = { passed: all.passed + one.passed, failed: all.failed + one.failed, skipped: all.skipped + one.skipped };
};
const calls = mkdtempSync(join(tmpdir(), "runtime-insights-calls-"));
keepCallsIn(calls);
const others = beside(chosen);
for (const kind of chosen.filter((one) => !others.includes(one))) {
  const running = kind === "node" ? others.map(runSafely) : [];
  count(await runSafely(kind));
  for (const one of running) count(await one);
}
if (chosen.some((kind) => kindsWithApi.includes(kind))) count(permissions(calls, chosen));
rmSync(calls, { recursive: true, force: true });
console.log(`\n${all.passed} passed, ${all.failed} failed${all.skipped > 0 ? `, ${all.skipped} skipped` : ""}`);
process.exitCode = all.failed === 0 ? 0 : 1;
