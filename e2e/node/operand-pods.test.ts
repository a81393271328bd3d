/** What kubelets, registries and admission really say when pods of ours do not run, and that mending it is enough. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Cluster } from "../../hack/cluster/cluster.ts";
import { kubectl } from "../../hack/kubectl.ts";
import { applyConfig, condition, installOperator, namespace, testCluster, waitForCondition } from "./world.ts";

const operator = "deployment/runtime-insights-operator";
/** Nobody listens there: refused at once, without a name to look up. */
const image = "127.0.0.1:1/nobody/node:1";
let cluster: Cluster;

const enforce = (standard: string) =>
  kubectl(cluster, ["label", "namespace", namespace, `pod-security.kubernetes.io/enforce=${standard}`, "--overwrite"]);

const message = (type: string) =>
  kubectl(cluster, ["get", "ire", "cluster", "-o", `jsonpath={.status.conditions[?(@.type=="${type}")].message}`]);

test("preparation: extractors run on all nodes", async () => {
  cluster = await testCluster();
  await installOperator(cluster);
  await applyConfig(cluster, { featureGate: "Ignored" });
  await waitForCondition(cluster, "ExtractorReady", /^True\/AsExpected$/);
  await waitForCondition(cluster, "GathererReady", /^True/);
});

test("a namespace that enforces restricted refuses new extractors: the condition says so in the API server's words", async () => {
  await stopOperator();
  await enforce("restricted");
  await kubectl(cluster, [
    "-n",
    namespace,
    "set",
    "env",
    operator,
    `RELATED_IMAGE_INSIGHTS_RUNTIME_EXTRACTOR=${image}`,
  ]);
  await kubectl(cluster, ["-n", namespace, "scale", operator, "--replicas=2"]);
  await waitForCondition(cluster, "ExtractorReady", /^False\/PodsRefused$/);
  assert.match(
    await message("ExtractorReady"),
    /refuses to make the pods on 1 node: violates PodSecurity "restricted:latest": .*hostPID=true/,
  );
  assert.match((await condition(cluster, "GathererReady")) ?? "", /^True/);
});

test("the label is set: the pod is made, and now its image is what cannot be pulled, named with the reason", async () => {
  await enforce("privileged");
  await waitForCondition(cluster, "ExtractorReady", /^False\/ImagePullFailed$/);
  assert.match(
    await message("ExtractorReady"),
    /image 127\.0\.0\.1:1\/nobody\/node:1 \(the registry does not answer\) cannot be pulled on 1 node$/,
  );
});

test("the right image: all extractors run again", async () => {
  await restore();
  await waitForCondition(cluster, "ExtractorReady", /^True\/AsExpected$/);
  await waitForCondition(cluster, "Available", /^True/);
});

/** Both pods end and give the Lease back, so that the next ones lead at once. */
async function stopOperator(): Promise<void> {
  await kubectl(cluster, ["-n", namespace, "scale", operator, "--replicas=0"]);
  await kubectl(cluster, [
    "-n",
    namespace,
    "wait",
    "pods",
    "-l",
    "app.kubernetes.io/name=runtime-insights-operator",
    "--for=delete",
    "--timeout=60s",
  ]);
}

/** As the manifests have it. */
async function restore(): Promise<void> {
  await stopOperator();
  await installOperator(cluster);
}

/** Also after a failure, since the other tests use the same operator. */
test.after(async () => {
  if (cluster === undefined) return;
  await enforce("privileged");
  await installOperator(cluster);
});

test.run();
