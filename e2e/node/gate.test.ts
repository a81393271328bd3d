import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { cloneDir } from "../../hack/cache.ts";
import { kubectl, waitFor } from "../../hack/kubectl.ts";
import { openReader } from "../../hack/reader.ts";
import { gatherOutcomeSchema, inventorySchema } from "../../src/api/gather.ts";
import {
  applyConfig,
  gatherAtOnce,
  installOperator,
  namespace,
  ours,
  setGate,
  testCluster,
  waitForCondition,
} from "./world.ts";

const cluster = await testCluster();

test("preparation: the operator is installed and configured", async () => {
  await installOperator(cluster);
  await setGate(cluster, "disabled");
  await applyConfig(cluster, {});
});

const extractorPods = async () => {
  const path = "{range .items[*]}{.spec.nodeName} {.status.containerStatuses[*].ready}{'\\n'}{end}";
  const selector = "app.kubernetes.io/name=runtime-insights-extractor";
  const text = await kubectl(cluster, ["get", "pods", "-A", "-l", selector, "-o", `jsonpath=${path}`]);
  return text
    .split("\n")
    .filter((line) => line !== "")
    .sort();
};

/** Id of the gather whose inventory is the newest. */
const newestInventory = async (): Promise<string> => {
  const reader = await openReader(cluster);
  try {
    return (await reader.inventory()).gather;
  } finally {
    await reader.close();
  }
};

/** How many containers of the newest archive's inventory have a runtime. */
const withRuntime = async (): Promise<number> => {
  const reader = await openReader(cluster);
  try {
    return (await reader.inventory()).rows.filter((row) => row.os !== "" || row.kind !== "").length;
  } finally {
    await reader.close();
  }
};

test("gate disabled: no node is touched, gathering goes on without runtimes", async () => {
  await waitForCondition(cluster, "GathererReady", /^True/);
  await waitForCondition(cluster, "FeatureGateEnabled", /^False\/GateDisabled$/);
  assert.equal(await ours(cluster, "daemonsets"), []);
  assert.equal(await ours(cluster, "securitycontextconstraints"), []);
  const finished = await gatherAtOnce(cluster);
  assert.ok((finished.status?.counts?.pods ?? 0) > 0);
  assert.is(finished.status?.counts?.nodesAsked, 0);
  assert.match(finished.status?.archive?.name ?? "", /^insights-\d{4}-\d\d-\d\d-\d{6}\.tar\.gz$/);
});

test("gate enabled: one extractor on each node, and the next gather has runtimes", async () => {
  await setGate(cluster, "enabled");
  await waitForCondition(cluster, "ExtractorReady", /^True/);
  const nodes = cluster.nodes.map((node) => `${node.name} true true true true`).sort();
  assert.equal(await extractorPods(), nodes);
  assert.equal(await ours(cluster, "securitycontextconstraints"), ["runtime-insights-extractor"]);
  const finished = await gatherAtOnce(cluster);
  assert.is(finished.status?.counts?.nodesAnswered, cluster.nodes.length);
  assert.equal(finished.status?.failures ?? [], []);
  assert.ok((await withRuntime()) > 0);
});

test("a gather by hand asks our own extractors too, and answers in clear text", async () => {
  const output = mkdtempSync(join(tmpdir(), "by-hand-"));
  try {
    const args = ["--kubeconfig", cluster.kubeconfig, "--output", output, "--namespace", namespace];
    const command = ["run", "-s", "gatherer", "--", "once", ...args];
    const { stdout } = await promisify(execFile)("npm", command, { cwd: cloneDir, maxBuffer: 1 << 26 });
    const { rows, files: _, ...outcome } = JSON.parse(stdout);
    assert.equal(gatherOutcomeSchema.parse(outcome).failures, []);
    assert.is(outcome.counts.nodesAnswered, cluster.nodes.length);
    const found = inventorySchema.shape.rows.parse(rows);
    const exporter = found.find((row) => row.namespace === namespace && row.container === "exporter");
    assert.is(exporter?.kind, "Rust");
  } finally {
    rmSync(output, { recursive: true });
  }
});

test("gate moved to disabled: the node side goes, the gatherer stays", async () => {
  await setGate(cluster, "disabled");
  await waitFor("no extractor pod", async () => ((await extractorPods()).length === 0 ? true : undefined));
  assert.equal(await ours(cluster, "daemonsets"), []);
  assert.equal(await ours(cluster, "securitycontextconstraints"), []);
  assert.equal(await ours(cluster, "deployments"), ["runtime-insights-gatherer", "runtime-insights-operator"]);
});

test("featureGate Ignored: the node side comes although the gate is disabled", async () => {
  await applyConfig(cluster, { featureGate: "Ignored" });
  await waitForCondition(cluster, "ExtractorReady", /^True/);
  assert.is((await extractorPods()).length, cluster.nodes.length);
});

test("runtimeInfo Disabled: the node side goes although the gate is ignored", async () => {
  await applyConfig(cluster, { featureGate: "Ignored", runtimeInfo: "Disabled" });
  await waitFor("no DaemonSet", async () => ((await ours(cluster, "daemonsets")).length === 0 ? true : undefined));
});

test("lifecycle OnDemand: a gather brings the extractors along, finds real runtimes, and no pod of theirs is left when it is over", async () => {
  await applyConfig(cluster, { featureGate: "Ignored", lifecycle: "OnDemand" });
  await waitForCondition(cluster, "ExtractorReady", /^True\/OnDemandIdle$/);
  await waitFor("no extractor pod", async () => ((await extractorPods()).length === 0 ? true : undefined));
  const before = await newestInventory();
  const finished = await gatherAtOnce(cluster);
  assert.equal(await extractorPods(), []);
  assert.equal(await ours(cluster, "daemonsets"), []);
  assert.is(finished.status?.counts?.nodesAnswered, cluster.nodes.length);
  assert.equal(finished.status?.failures ?? [], []);
  assert.is(finished.status?.conditions?.find(({ type }) => type === "Succeeded")?.reason, "AsExpected");
  assert.match(finished.status?.archive?.name ?? "", /^insights-/);
  assert.is.not(await newestInventory(), before);
  assert.ok((await withRuntime()) > 0);
  await waitForCondition(cluster, "ExtractorReady", /^True\/OnDemandIdle$/);
});

test("managementState Removed: the gatherer goes too, the config stays", async () => {
  await applyConfig(cluster, { featureGate: "Ignored", managementState: "Removed" });
  await waitFor("no gatherer", async () =>
    (await ours(cluster, "deployments")).join() === "runtime-insights-operator" ? true : undefined,
  );
  assert.is((await kubectl(cluster, ["get", "ire", "-o", "name"])).trim().split("\n").length, 1);
});

test("config deleted: every operand goes", async () => {
  await applyConfig(cluster, { featureGate: "Ignored" });
  await waitForCondition(cluster, "ExtractorReady", /^True/);
  await kubectl(cluster, ["delete", "ire", "cluster"]);
  await waitFor("no operand", async () => {
    const kinds = [
      "daemonsets",
      "deployments",
      "services",
      "secrets",
      "networkpolicies",
      "clusterrolebindings",
      "securitycontextconstraints",
    ];
    const left = (await Promise.all(kinds.map((kind) => operands(kind)))).flat();
    return left.length === 0 ? true : undefined;
  });
});

/** Objects that carry our label and are owned by a config. */
async function operands(kind: string): Promise<readonly string[]> {
  const path =
    '{range .items[?(@.metadata.ownerReferences[0].kind=="InsightsRuntimeExtractor")]}{.metadata.name}{"\\n"}{end}';
  const text = await kubectl(cluster, ["get", kind, "-A", "-o", `jsonpath=${path}`]);
  return text.split("\n").filter((line) => line !== "");
}

test.run();
