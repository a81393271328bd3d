/** What must hold on a cluster where the operator was just installed, in whatever way; each is one or more tests of the file that asks for them. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Cluster } from "../../hack/cluster/cluster.ts";
import { kubectl, waitFor } from "../../hack/kubectl.ts";
import { openReader, type Reader } from "../../hack/reader.ts";
import { unpack } from "../../src/adapters/plain-files.ts";
import { applyConfig, gatherAtOnce, namespace, ours, setGate, waitForCondition } from "../node/world.ts";
import { applySamples, buildSampleImages } from "../samples/apply.ts";
import { compareInventory } from "../samples/inventory.ts";
import { loadSamples, type Sample } from "../samples/samples.ts";

export interface Installation {
  readonly cluster: Cluster;
  /** True: the cluster has OpenShift's FeatureGate, and the node side comes when that lists our gate as enabled; false: when the config ignores the gate. */
  readonly hasGate: boolean;
}

const operator = "deployment/runtime-insights-operator";
/** On both nodes: a script's runtime, a static program alone in its image, an interpreter as another user, and nothing but a shell. */
const chosen = ["web", "catalog", "invoices", "janitor"];

export const loadChosenSamples = async (): Promise<readonly Sample[]> =>
  (await loadSamples()).filter(({ name }) => chosen.includes(name));

/** Registers the tests that lead from an operator without a config to a right inventory; the config and the samples stay. */
export function checkInstallation(installation: () => Promise<Installation>): void {
  checkWithoutNodeSide(installation);
  checkNodeSide(installation);
}

/** Its first half: until shapes are gathered without an extractor. */
export function checkWithoutNodeSide(installation: () => Promise<Installation>): void {
  test("the operator is up, and without a config nothing else is", async () => {
    const { cluster } = await installation();
    await kubectl(cluster, ["-n", namespace, "rollout", "status", operator, "--timeout=120s"]);
    assert.equal(await ours(cluster, "deployments"), ["runtime-insights-operator"]);
    assert.equal(await ours(cluster, "daemonsets"), []);
  });

  test("a config while the gate is off: Available, shapes are gathered, no node is touched", async () => {
    const { cluster, hasGate } = await installation();
    if (hasGate) await setGate(cluster, "disabled");
    await startSamples(cluster);
    await applyConfig(cluster, {});
    await waitForCondition(cluster, "Available", /^True\//);
    await waitForCondition(cluster, "FeatureGateEnabled", hasGate ? /^False\/GateDisabled$/ : /^False\//);
    await waitForCondition(cluster, "GatherSucceeded", /^True\//);
    assert.equal(await ours(cluster, "daemonsets"), []);
    const counts = await withReader(cluster, async (reader) => containersOf(await newestWorkloadInfo(reader)));
    assert.ok(counts.all >= chosen.length, JSON.stringify(counts));
    assert.is(counts.withRuntime, 0);
  });
}

/** Its second half. */
export function checkNodeSide(installation: () => Promise<Installation>): void {
  test("the gate on: an extractor on every node, and the next gather says rightly what runs", async () => {
    const { cluster, hasGate } = await installation();
    if (hasGate) await setGate(cluster, "enabled");
    else await applyConfig(cluster, { featureGate: "Ignored" });
    await waitForCondition(cluster, "ExtractorReady", /^True\//);
    assert.equal(await extractorNodes(cluster), cluster.nodes.map(({ name }) => name).sort());
    await assertRightGather(cluster);
  });
}

/** Gathers now; the archive must hold runtimes, and the inventory what the samples really run. */
export async function assertRightGather(cluster: Cluster): Promise<void> {
  const finished = await gatherAtOnce(cluster);
  assert.equal(finished.status?.failures ?? [], []);
  assert.is(finished.status?.counts?.nodesAnswered, cluster.nodes.length);
  await withReader(cluster, async (reader) => {
    const [newest] = await reader.archives();
    assert.is(newest?.name, finished.status?.archive?.name);
    assert.ok(containersOf(await newestWorkloadInfo(reader)).withRuntime > 0);
    const compared = compareInventory(await loadChosenSamples(), (await reader.inventory()).rows);
    assert.equal(
      compared.filter(({ isRight }) => !isRight),
      [],
    );
  });
}

/** Names of the archives that the gatherer serves, the newest first. */
export const archivesOf = (cluster: Cluster): Promise<readonly string[]> =>
  withReader(cluster, async (reader) => (await reader.archives()).map(({ name }) => name));

/** Nodes with a ready extractor pod, sorted. */
export async function extractorNodes(cluster: Cluster): Promise<readonly string[]> {
  const ready = '{range .items[*]}{.spec.nodeName} {.status.conditions[?(@.type=="Ready")].status}{"\\n"}{end}';
  const selector = "app.kubernetes.io/name=runtime-insights-extractor";
  const text = await kubectl(cluster, ["-n", namespace, "get", "pods", "-l", selector, "-o", `jsonpath=${ready}`]);
  return text
    .split("\n")
    .flatMap((line) => (line.endsWith(" True") ? [line.split(" ")[0] ?? ""] : []))
    .sort();
}

async function startSamples(cluster: Cluster): Promise<void> {
  const [image] = await buildSampleImages();
  assert.ok(image);
  await cluster.importImage(image.archive);
  await applySamples(cluster, { samples: await loadChosenSamples() });
}

/** A gatherer that was just replaced is not there yet. */
async function withReader<T>(cluster: Cluster, work: (reader: Reader) => Promise<T>): Promise<T> {
  const reader = await waitFor("a way to the gatherer", () => openReader(cluster), { timeoutMs: 60_000 });
  try {
    return await work(reader);
  } finally {
    await reader.close();
  }
}

async function newestWorkloadInfo(reader: Reader): Promise<unknown> {
  const [newest] = await reader.archives();
  assert.ok(newest, "the gatherer holds no archive");
  const entry = (await unpack(await reader.archive(newest.name))).find(
    ({ name }) => name === "config/workload_info.json",
  );
  assert.ok(entry, `${newest.name} has no workload_info.json`);
  return JSON.parse(new TextDecoder().decode(entry.bytes));
}

interface Containers {
  readonly all: number;
  readonly withRuntime: number;
}

/** How many container shapes a workload_info.json has, wherever in it they are, and how many of them say a runtime. */
function containersOf(value: unknown): Containers {
  if (typeof value !== "object" || value === null) return { all: 0, withRuntime: 0 };
  const inside = Object.values(value).map(containersOf);
  const isContainer = "imageID" in value;
  return {
    all: inside.reduce((sum, { all }) => sum + all, isContainer ? 1 : 0),
    withRuntime: inside.reduce((sum, one) => sum + one.withRuntime, isContainer && "runtimeInfo" in value ? 1 : 0),
  };
}
