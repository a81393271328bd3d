/** Installed, upgraded, downgraded and removed with kubectl alone, on a cluster that serves no OpenShift API at all. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import { cloneDir } from "../../hack/cache.ts";
import type { Cluster } from "../../hack/cluster/cluster.ts";
import { buildImages } from "../../hack/images/images.ts";
import { kubectl, ownKinds, waitFor, waitForKinds } from "../../hack/kubectl.ts";
import { freeze, processesOf, resume } from "../node/processes.ts";
import {
  applyConfig,
  askForGather,
  condition,
  forgetGathers,
  namespace,
  podsOf,
  waitForCondition,
  waitForGather,
  waitForPhase,
} from "../node/world.ts";
import { checkInstallation } from "./checks.ts";
import { endWatches, watchExtractors } from "./extractors-watch.ts";
import { installCluster } from "./world.ts";

let cluster: Cluster;
const run = (...args: readonly string[]) => kubectl(cluster, args);
const crds = join(cloneDir, "crds");
const manifests = join(cloneDir, "manifests");
const elsewhere = "insights-elsewhere";
const newer = "0.2.0";
/** Overlays name what they build on by a way within the clone. */
const overlays = join(cloneDir, "dist");
mkdirSync(overlays, { recursive: true });
const dir = mkdtempSync(join(overlays, "overlay-"));

test.after(() => {
  endWatches();
  rmSync(dir, { recursive: true, force: true });
});

test("preparation: a cluster without any OpenShift API", async () => {
  cluster = await installCluster("plain");
  assert.not.match(await run("api-versions"), /openshift|monitoring/);
});

test("all in one go on an empty cluster: only the config has to be said again, since its kind was not there yet", async () => {
  const config = JSON.stringify({
    ...{ apiVersion: "runtimes.insights.openshift.io/v1alpha1", kind: "InsightsRuntimeExtractor" },
    metadata: { name: "cluster" },
  });
  const everything = [config, await run("kustomize", manifests), await run("kustomize", crds)].join("\n---\n");
  const said = await kubectl(cluster, ["apply", "-f", "-"], everything).catch((cause: unknown) => String(cause));
  assert.match(said, /ensure CRDs are installed first/);
  assert.is(said.match(/error/gi)?.length ?? 0, 2, said);
});

checkInstallation(async () => ({ cluster, hasGate: false }));

/** Every object of crds/ and manifests/ with its version. */
async function versions(): Promise<string> {
  const path = '{range .items[*]}{.kind}/{.metadata.name} {.metadata.resourceVersion}{"\\n"}{end}';
  const of = (folder: string) => run("get", "-k", folder, "-o", `jsonpath=${path}`);
  return (await of(crds)) + (await of(manifests));
}

test("applied again: nothing changes", () => assertNothingChanges());

test("applied with pruning by our label, as some tools do: what is not in manifests/ any more goes, no operand does", async () => {
  const label = "app.kubernetes.io/part-of=runtime-insights";
  const metadata = {
    name: "of-an-older-version",
    namespace,
    labels: { "app.kubernetes.io/part-of": "runtime-insights" },
  };
  await kubectl(cluster, ["apply", "-f", "-"], JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata }));
  const operands = () =>
    run(
      ..."get deploy,ds,svc,sa,cm,secret,netpol,clusterrolebindings -o name -l app.kubernetes.io/managed-by=runtime-insights-operator -n".split(
        " ",
      ),
      namespace,
    );
  const before = await operands();
  assert.match(before, /daemonset\.apps\/runtime-insights-extractor/);
  const said = await run("apply", "-k", manifests, "--prune", "-l", label);
  assert.match(said, /configmap\/of-an-older-version pruned/);
  assert.is(said.match(/pruned/g)?.length, 1, said);
  assert.is(await operands(), before);
});

test("applied again by server-side apply, which takes the fields over: nothing changes, either", async () => {
  await apply("--server-side");
  await assertNothingChanges("--server-side");
});

async function apply(...args: readonly string[]): Promise<void> {
  for (const folder of [crds, manifests]) await run("apply", ...args, "-k", folder);
}

/** No object, and so no pod. */
async function assertNothingChanges(...args: readonly string[]): Promise<void> {
  const before = await versions();
  await apply(...args);
  assert.is(await versions(), before);
  assert.is(await replicaSets(), 1);
}

/** One for each template that the operator's Deployment had. */
const replicaSets = async (): Promise<number> =>
  (await run("-n", namespace, "get", "rs", "-l", "app.kubernetes.io/name=runtime-insights-operator", "-o", "name"))
    .trim()
    .split("\n").length;

test("newer manifests while a gather runs: the extractors are never down, and the gather succeeds", async () => {
  for (const { archive } of await buildImages({ version: newer, only: ["node", "operator"] }))
    await cluster.importImage(archive);
  writeFileSync(join(dir, "kustomization.yaml"), overlay(manifests));
  const watch = await watchExtractors(cluster);
  // So that the gather is under way until the new operator leads.
  await applyConfig(cluster, { featureGate: "Ignored", gather: { nodeTimeout: "10m" } });
  await forgetGathers(cluster);
  const [held] = await podsOf(cluster, "runtime-insights-extractor");
  const frozen = processesOf(held?.uid ?? "", "/exporter");
  assert.is(frozen.length, 1);
  freeze(frozen);
  const request = await askForGather(cluster);
  try {
    await waitForPhase(cluster, request, "Running", "Asking the nodes");
    await run("apply", "-k", dir);
    await waitForVersion(newer);
    await waitForPhase(cluster, request, "Running", "Asking the nodes");
  } finally {
    resume(frozen);
  }
  // An exporter that the rollout ended while it was frozen costs the node's whole time.
  const finished = await waitForGather(cluster, request, 660_000);
  assert.is(finished.status?.conditions?.find(({ type }) => type === "Succeeded")?.status, "True");
  await settled();
  const seen = await watch.stop();
  assert.is(seen.uids.length, 1);
  assert.not(seen.wasDeleted);
  assert.ok(seen.leastReady >= cluster.nodes.length - 1, JSON.stringify(seen));
  assert.not.match(await images(), /runtime-insights-[a-z]+:0\.1\.0/);
});

/** Of all pods that are not going away. */
async function images(): Promise<string> {
  const { items } = podsSchema.parse(JSON.parse(await run("-n", namespace, "get", "pods", "-o", "json")));
  return items
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .flatMap(({ spec }) => spec.containers.map(({ image }) => image))
    .join(" ");
}
const podsSchema = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ deletionTimestamp: z.string().optional() }),
      spec: z.object({ containers: z.array(z.object({ image: z.string() })) }),
    }),
  ),
});

/** The newer images, each named once. */
const overlay = (base: string): string => `
resources: [${relative(dir, base)}]
images:
  - { name: localhost/runtime-insights-operator, newTag: ${newer} }
  - { name: localhost/runtime-insights-node, newTag: ${newer} }
`;

async function waitForVersion(version: string): Promise<void> {
  const look = async () => {
    const said = await run("get", "ire", "cluster", "-o", "jsonpath={.status.version}");
    return said === version ? true : undefined;
  };
  await waitFor(`the operator of ${version}`, look, { timeoutMs: 300_000 });
}

async function settled(): Promise<void> {
  for (const name of ["operator", "gatherer"])
    await run("-n", namespace, "rollout", "status", `deployment/runtime-insights-${name}`, "--timeout=180s");
  const look = async () => {
    const said = [await condition(cluster, "Progressing"), await condition(cluster, "ExtractorReady")];
    return said.join() === "False/AsExpected,True/AsExpected" ? true : undefined;
  };
  await waitFor("the extractors to be rolled out", look, { timeoutMs: 300_000 });
}

test("older manifests again: operator and extractors go back", async () => {
  await run("apply", "-k", manifests);
  await waitForVersion("0.1.0");
  await settled();
  assert.not.match(await images(), /:0\.2\.0/);
});

test("the last node that is left can be drained, and all comes back with it", async () => {
  const nodes = cluster.nodes.map(({ name }) => name);
  await run("cordon", ...nodes);
  const selector = "--pod-selector=app.kubernetes.io/part-of=runtime-insights";
  await run("drain", ...nodes, selector, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=60s");
  await run("uncordon", ...nodes);
  await run("-n", namespace, "rollout", "status", "deployment/runtime-insights-operator", "--timeout=120s");
  await waitForCondition(cluster, "GathererReady", /^True\//);
});

test("removed as the README says: nothing of ours is left", async () => {
  await run("delete", "ire", "cluster");
  await operandsGone(namespace);
  await run("delete", "-k", manifests, "--timeout=120s");
  await run("delete", "-k", crds, "--timeout=60s");
  await assertNothingLeft();
});

test("in another namespace by an overlay, and the CRDs after the operator: it works as anywhere", async () => {
  await run("apply", "-k", join(cloneDir, "docs/examples/other-namespace"));
  await run("-n", elsewhere, "rollout", "status", "deployment/runtime-insights-operator", "--timeout=120s");
  await run("apply", "-k", crds);
  await waitForKinds(cluster, ownKinds);
  await applyConfig(cluster, { featureGate: "Ignored" });
  await waitForCondition(cluster, "ExtractorReady", /^True\//);
  await waitForCondition(cluster, "GathererReady", /^True\//);
  await waitForCondition(cluster, "GatherSucceeded", /^True\/AsExpected/);
  const answered = await run("get", "ire", "cluster", "-o", "jsonpath={.status.lastGather.counts.nodesAnswered}");
  assert.is(answered, String(cluster.nodes.length));
  assert.match(
    await run("-n", "default", "get", "events", "-o", "jsonpath={.items[*].source.component}"),
    /runtime-insights-operator/,
  );
  assert.is(await run("get", "namespace", namespace, "--ignore-not-found"), "");
});

test("removed in another order, the config last: nothing of ours is left", async () => {
  await run("delete", "-k", join(cloneDir, "docs/examples/other-namespace"), "--timeout=120s");
  await run("delete", "ire", "cluster", "--timeout=60s");
  await operandsGone(elsewhere);
  await run("delete", "-k", crds, "--timeout=60s");
  await assertNothingLeft();
});

/** As the page on removing says: the garbage collector needs the config's kind for it. */
async function operandsGone(from: string): Promise<void> {
  const label = "app.kubernetes.io/managed-by=runtime-insights-operator";
  const kinds = "daemonset,deployment,clusterrolebinding";
  await run("-n", from, "wait", "--for=delete", "--timeout=3m", kinds, "-l", label);
}

const kinds = [
  ..."namespaces,clusterroles,clusterrolebindings,customresourcedefinitions,priorityclasses".split(","),
  ..."validatingwebhookconfigurations,apiservices,persistentvolumes".split(","),
];

async function assertNothingLeft(): Promise<void> {
  let left: readonly string[] = [];
  const look = async () => {
    const lists = [
      await run("get", kinds.join(), "-o", "name"),
      await run("-n", "default", "get", "roles,rolebindings,configmaps,secrets,serviceaccounts", "-o", "name"),
    ];
    left = lists.flatMap((list) => list.split("\n")).filter((name) => /runtime-?s?[-.]insights|insights-/.test(name));
    return left.length === 0 ? true : undefined;
  };
  await waitFor("the cluster to be without us", look, { timeoutMs: 150_000 }).catch(() => assert.equal(left, []));
}

test.run();
