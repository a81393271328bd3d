/**
 * The plain manifests on the cluster that RUNTIME_INSIGHTS_CLUSTER names, of whatever provider: the workflow of the forge runs this on K3s,
 * which needs a Docker engine that runs privileged containers, so it is in no kind of `npm test`.
 */
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import { cloneDir } from "../../hack/cache.ts";
import { loadCluster } from "../../hack/cluster/cluster.ts";
import { loadK3s } from "../../hack/cluster/k3s.ts";
import { isK3s } from "../../hack/cluster/state.ts";
import { buildImages } from "../../hack/images/images.ts";
import { kubectl, ownKinds, waitFor, waitForKinds } from "../../hack/kubectl.ts";

const name = process.env.RUNTIME_INSIGHTS_CLUSTER ?? "ci";
const cluster = isK3s(name) ? await loadK3s(name) : await loadCluster(name);
const folder = (path: string) => join(cloneDir, path);

const statusSchema = z.object({
  conditions: z.array(z.object({ type: z.string(), status: z.string(), reason: z.string() })).default([]),
  counts: z.object({ pods: z.int(), nodesAnswered: z.int() }).optional(),
});
const statusOf = async (object: string) =>
  z
    .object({ status: statusSchema.default({ conditions: [] }) })
    .parse(JSON.parse(await kubectl(cluster, ["get", object, "-o", "json"]))).status;

const isTrue = (object: string, type: string) =>
  waitFor(
    `${type} of ${object}`,
    async () => (await statusOf(object)).conditions.find((one) => one.type === type && one.status === "True"),
    { timeoutMs: 300_000 },
  );

test("kubectl apply -k, and the operator is up", async () => {
  for (const { archive } of await buildImages()) await cluster.importImage(archive);
  await kubectl(cluster, ["apply", "-k", folder("crds")]);
  await waitForKinds(cluster, ownKinds);
  await kubectl(cluster, ["apply", "-k", folder("manifests")]);
  const deployment = "deployment/runtime-insights-operator";
  await kubectl(cluster, ["-n", "runtime-insights", "rollout", "status", deployment, "--timeout=300s"]);
});

test("a config that ignores the gate: an extractor on every node", async () => {
  const config = {
    ...{ apiVersion: "runtimes.insights.openshift.io/v1alpha1", kind: "InsightsRuntimeExtractor" },
    ...{ metadata: { name: "cluster" }, spec: { featureGate: "Ignored" } },
  };
  await kubectl(cluster, ["apply", "-f", "-"], JSON.stringify(config));
  for (const type of ["Available", "ExtractorReady", "GathererReady"]) await isTrue("ire/cluster", type);
});

test("a gather that every node answers", async () => {
  const request = (await kubectl(cluster, ["create", "-o", "name", "-f", folder("docs/examples/gather.yaml")])).trim();
  await isTrue(request, "Succeeded");
  const { counts } = await statusOf(request);
  assert.is(counts?.nodesAnswered, cluster.nodes.length);
  assert.ok((counts?.pods ?? 0) > 0);
});

test.run();
