import { test } from "uvu";
import * as assert from "uvu/assert";
import { waitFor } from "../../hack/kubectl.ts";
import { keyOf, names } from "../../src/core/operands.ts";
import { configPath, featureGatePath, gathererSide, namespace, nodeSide, OperatorWorld } from "./operator-world.ts";

let world: OperatorWorld;

test.before(async () => {
  world = await OperatorWorld.start({ controllers: true });
});
test.after(async () => {
  await world.stop();
});

const daemonSet = { kind: "DaemonSet", name: names.extractor } as const;
const soon = { timeoutMs: 90_000, everyMs: 100 };

test("our kinds are not served yet: the operator waits for them", async () => {
  await world.startOperator();
  await world.applyCrds();
  assert.is((await world.applyConfig({})).status, 201);
  await world.waitForPresent(gathererSide);
});

test("FeatureGate without an entry for our version: unknown, nothing on the nodes, the gatherer is there", async () => {
  await world.waitForCondition("FeatureGateEnabled", "Unknown/GateUnknown");
  await world.setGate("enabled", "4.17.0");
  await world.waitForCondition("FeatureGateEnabled", "Unknown/GateUnknown");
  assert.equal(await world.present(), gathererSide);
});

test("gate disabled: nothing on the nodes", async () => {
  await world.setGate("disabled");
  await world.waitForCondition("FeatureGateEnabled", "False/GateDisabled");
  await world.waitForCondition("ExtractorReady", "False/GateDisabled");
  assert.equal(await world.present(), gathererSide);
});

test("gate enabled: the node side is there at once, without waiting for the next regular look", async () => {
  const startedMs = Date.now();
  await world.setGate("enabled");
  await world.waitForPresent([...gathererSide, ...nodeSide]);
  // It looks by itself every 100 seconds.
  assert.ok(Date.now() - startedMs < 60_000, `${Date.now() - startedMs} ms`);
  await world.waitForCondition("FeatureGateEnabled", "True/GateEnabled");
});

test("every operand is owned by the config, which it does not block, and carries our label", async () => {
  const config = await world.get(configPath);
  for (const key of await world.present()) {
    const [kind = "", name = ""] = key.split("/");
    const object = await world.get(world.pathOf({ kind: kind as typeof daemonSet.kind, name }));
    assert.is(object?.metadata.labels?.["app.kubernetes.io/managed-by"], "runtime-insights-operator", key);
    const [owner] = object?.metadata.ownerReferences ?? [];
    assert.equal([owner?.uid, owner?.controller, owner?.blockOwnerDeletion], [config?.metadata.uid, true, false], key);
  }
});

test("gate unknown again: what is on the nodes stays", async () => {
  await world.setGate("enabled", "4.17.0");
  await world.waitForCondition("FeatureGateEnabled", "Unknown/GateUnknown");
  assert.equal(await world.present(), [...gathererSide, ...nodeSide]);
  await world.setGate("enabled");
  await world.waitForCondition("FeatureGateEnabled", "True/GateEnabled");
});

/** No condition is on its way any more, and nothing has been written for a second. */
async function settled(): Promise<Readonly<Record<string, string | undefined>>> {
  let before = await world.versions();
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const now = await world.versions();
    if (JSON.stringify(now) === JSON.stringify(before)) return now;
    before = now;
  }
}

test("a restart of the operator writes nothing", async () => {
  await settled();
  await world.stopOperator();
  await world.startOperator();
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  // Others may write: the controllers count pods when they get to it.
  const writes = await world.registry.getSingleMetric("runtime_insights_operator_writes_total")?.get();
  assert.equal(
    writes?.values.filter(({ labels, value }) => labels.action !== "status" && value > 0),
    [],
  );
});

test("drift is repaired: an image, a label, a deleted Secret, a widened policy", async () => {
  const patch = { spec: { template: { spec: { containers: [{ name: "exporter", image: "evil:1" }] } } } };
  await world.patch(world.pathOf(daemonSet), patch, "application/strategic-merge-patch+json");
  const service = world.pathOf({ kind: "Service", name: names.exporter });
  await world.patch(service, { metadata: { labels: { "app.kubernetes.io/managed-by": null } } });
  const secret = world.pathOf({ kind: "Secret", name: names.gathererTls });
  await world.delete(secret);
  const policy = world.pathOf({ kind: "NetworkPolicy", name: names.extractor });
  await world.patch(policy, { spec: { ingress: [{}] } });
  await waitFor(
    "the repairs",
    async () => {
      const texts = await Promise.all(
        [daemonSet, { kind: "Service", name: names.exporter } as const].map((one) => world.operand(one)),
      );
      const [ds, svc] = texts.map((object) => JSON.stringify(object));
      const repaired =
        ds?.includes('"x:1"') === true &&
        !ds.includes("evil") &&
        svc?.includes('"app.kubernetes.io/managed-by":"runtime-insights-operator"') === true &&
        (await world.get(secret)) !== undefined &&
        JSON.stringify(await world.get(policy)).includes("8443");
      return repaired ? true : undefined;
    },
    soon,
  );
});

test("a service account made anew: its pods are made anew, since their tokens are worth nothing", async () => {
  const account = world.pathOf({ kind: "ServiceAccount", name: names.extractor });
  const uid = (await world.get(account))?.metadata.uid ?? "";
  const templateHas = async (text: string) => JSON.stringify(await world.operand(daemonSet)).includes(text);
  assert.ok(await templateHas(uid));
  await world.delete(account);
  await waitFor(
    "the DaemonSet to name the new account",
    async () => {
      const fresh = (await world.get(account))?.metadata.uid;
      return fresh !== undefined && fresh !== uid && (await templateHas(fresh)) ? true : undefined;
    },
    soon,
  );
});

test("what another field manager adds is kept", async () => {
  const answer = await world.admin.call({
    method: "PATCH",
    path: world.pathOf(daemonSet),
    query: { fieldManager: "somebody" },
    contentType: "application/apply-patch+yaml",
    body: {
      apiVersion: "apps/v1",
      kind: "DaemonSet",
      metadata: { name: names.extractor, namespace, labels: { team: "a" }, annotations: { note: "b" } },
    },
  });
  assert.is(answer.status, 200);
  const before = await settled();
  const spec = { extractor: { tolerations: [{ operator: "Exists" }] } };
  assert.is((await world.applyConfig(spec)).status, 200);
  await waitFor(
    "the new toleration",
    async () =>
      JSON.stringify(await world.operand(daemonSet)).includes('"tolerations":[{"operator":"Exists"}]')
        ? true
        : undefined,
    soon,
  );
  const metadata = (await world.operand(daemonSet))?.metadata;
  assert.is(metadata?.labels?.team, "a");
  assert.is(metadata?.annotations?.note, "b");
  assert.not.equal(metadata?.resourceVersion, before[keyOf(daemonSet)]);
});

test("a field that is wanted no more is taken back", async () => {
  assert.is((await world.applyConfig({})).status, 200);
  await waitFor(
    "no toleration",
    async () => (JSON.stringify(await world.operand(daemonSet)).includes("tolerations") ? undefined : true),
    soon,
  );
});

test("Unmanaged: nothing is written, Managed again: what is missing comes back", async () => {
  await world.applyConfig({ managementState: "Unmanaged" });
  await world.waitForObserved();
  await world.delete(world.pathOf(daemonSet));
  await world.waitForCondition("ExtractorReady", "False/Unmanaged");
  assert.is(await world.operand(daemonSet), undefined);
  await world.applyConfig({});
  await world.waitForPresent([...gathererSide, ...nodeSide]);
});

test("runtimeInfo Disabled and a gate that is not listed take the node side away", async () => {
  await world.applyConfig({ runtimeInfo: "Disabled" });
  await world.waitForPresent(gathererSide);
  await world.waitForCondition("ExtractorReady", "False/RuntimeInfoDisabled");
  await world.applyConfig({});
  await world.waitForPresent([...gathererSide, ...nodeSide]);
  await world.setGate("not listed");
  await world.waitForPresent(gathererSide);
  await world.waitForCondition("FeatureGateEnabled", "False/GateNotListed");
});

test("featureGate Ignored: the node side is there whatever the gate says", async () => {
  await world.applyConfig({ featureGate: "Ignored" });
  await world.waitForPresent([...gathererSide, ...nodeSide]);
  await world.waitForCondition("FeatureGateEnabled", "True/GateIgnored");
});

test("managementState Removed: every operand goes, the config stays", async () => {
  await world.applyConfig({ featureGate: "Ignored", managementState: "Removed" });
  await world.waitForPresent([]);
  await world.waitForCondition("Available", "False/Removed");
});

test("an object of our name that somebody else made: named, not touched, and taken over by nobody", async () => {
  const foreign = { kind: "ConfigMap", name: names.exporterProxy } as const;
  const collection = `/api/v1/namespaces/${namespace}/configmaps`;
  const made = await world.create(collection, { metadata: { name: foreign.name }, data: { mine: "yes" } });
  assert.is(made.status, 201);
  const before = (await world.operand(foreign))?.metadata.resourceVersion;
  await world.applyConfig({ featureGate: "Ignored" });
  await world.waitForCondition("Degraded", "True/OperandConflict");
  await world.waitForCondition("ExtractorReady", "False/OperandConflict");
  assert.is((await world.operand(foreign))?.metadata.resourceVersion, before);
  await world.applyConfig({ managementState: "Removed" });
  await world.waitForPresent([keyOf(foreign)]);
  await world.delete(world.pathOf(foreign));
  await world.applyConfig({ featureGate: "Ignored" });
  await world.waitForPresent([...gathererSide, ...nodeSide]);
});

const refused: readonly { readonly what: string; readonly spec: object; readonly words: RegExp }[] = [
  { what: "an interval under ten minutes", spec: { gather: { interval: "9m" } }, words: /spec\.gather\.interval.*10m/ },
  { what: "a pod limit of nothing", spec: { gather: { podLimit: 0 } }, words: /spec\.gather\.podLimit/ },
  { what: "an unknown word", spec: { managementState: "Maybe" }, words: /spec\.managementState/ },
  { what: "a size that is none", spec: { storage: { emptyDir: { sizeLimit: "much" } } }, words: /sizeLimit/ },
];
for (const { what, spec, words } of refused) {
  test(`the API server refuses ${what} and names the field`, async () => {
    const { status, text } = await world.applyConfig(spec);
    assert.is(status, 422, text);
    assert.match(text, words);
  });
}

test("two configs cannot exist", async () => {
  const path = configPath.replace(/\/cluster$/, "");
  const { status, text } = await world.create(path, {
    apiVersion: "runtimes.insights.openshift.io/v1alpha1",
    kind: "InsightsRuntimeExtractor",
    metadata: { name: "second" },
  });
  assert.is(status, 422);
  assert.match(text, /the only config is called cluster/);
});

test("a config that a newer schema allowed and this operator cannot use changes nothing and says so", async () => {
  const crd =
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/insightsruntimeextractors.runtimes.insights.openshift.io";
  const loosened =
    "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/gather/properties/podLimit/minimum";
  await world.patch(crd, [{ op: "replace", path: loosened, value: 0 }], "application/json-patch+json");
  const before = await settled();
  await waitFor(
    "the loosened schema",
    async () =>
      (await world.applyConfig({ featureGate: "Ignored", gather: { podLimit: 0 } })).status === 200 ? true : undefined,
    soon,
  );
  await world.waitForCondition("Degraded", "True/ConfigInvalid");
  const { InsightsRuntimeExtractor: _, ...kept } = Object.fromEntries(
    Object.entries(before).map(([key, value]) => [key.split("/cluster")[0] ?? key, value]),
  );
  const { InsightsRuntimeExtractor: __, ...now } = Object.fromEntries(
    Object.entries(await settled()).map(([key, value]) => [key.split("/cluster")[0] ?? key, value]),
  );
  assert.equal(now, kept);
  assert.match(JSON.stringify(await world.get(configPath)), /gather\.podLimit/);
  await world.applyConfig({});
  await world.waitForCondition("Degraded", "False/AsExpected");
});

test("the cluster's TLS profile is obeyed by both proxies", async () => {
  const apiServers = "/apis/config.openshift.io/v1/apiservers";
  const spec = { tlsSecurityProfile: { type: "Modern", modern: {} } };
  const made = await world.create(apiServers, {
    ...{ apiVersion: "config.openshift.io/v1", kind: "APIServer" },
    metadata: { name: "cluster" },
    spec,
  });
  assert.is(made.status, 201, made.text);
  const workloads = [daemonSet, { kind: "Deployment", name: names.gatherer } as const];
  await world.applyConfig({ featureGate: "Ignored" });
  await waitFor(
    "TLS 1.3",
    async () => {
      const texts = await Promise.all(workloads.map(async (one) => JSON.stringify(await world.operand(one))));
      return texts.every((text) => text.includes("--tls-min-version=VersionTLS13")) ? true : undefined;
    },
    soon,
  );
});

test("OpenShift's own extractor is named and left alone", async () => {
  const stock = "/apis/apps/v1/namespaces/openshift-insights/daemonsets";
  const labels = { app: "stock" };
  await world.create("/api/v1/namespaces", { metadata: { name: "openshift-insights" } });
  const template = { metadata: { labels }, spec: { containers: [{ name: "a", image: "a" }] } };
  const made = await world.create(stock, {
    metadata: { name: "insights-runtime-extractor" },
    spec: { selector: { matchLabels: labels }, template },
  });
  assert.is(made.status, 201, made.text);
  await world.applyConfig({ featureGate: "Ignored", logLevel: "Trace" });
  await waitFor(
    "the sentence",
    async () =>
      /OpenShift's own extractor runs as well/.test(JSON.stringify(await world.get(configPath))) ? true : undefined,
    soon,
  );
  assert.is((await world.get(`${stock}/insights-runtime-extractor`))?.metadata.generation, 1);
  await world.delete(`${stock}/insights-runtime-extractor`);
});

test("another installation that is alive has the config: nothing is written until its Lease has run out", async () => {
  const leases = "/apis/coordination.k8s.io/v1/namespaces/other/leases";
  const renewTime = (agoMs: number) => new Date(Date.now() - agoMs).toISOString().replace("Z", "000Z");
  await world.create("/api/v1/namespaces", { metadata: { name: "other" } });
  const lease = {
    metadata: { name: "runtime-insights-operator" },
    spec: { holderIdentity: "other", leaseDurationSeconds: 300, renewTime: renewTime(0) },
  };
  assert.is((await world.create(leases, lease)).status, 201);
  await world.stopOperator();
  await world.patch(`${configPath}/status`, { status: { operator: { namespace: "other", uid: "other-uid" } } });
  await world.delete(world.pathOf(daemonSet));
  await world.startOperator();
  await world.applyConfig({ logLevel: "Debug", featureGate: "Ignored" });
  const before = await settled();
  assert.is(before[keyOf(daemonSet)], undefined);
  const gathers = "/apis/runtimes.insights.openshift.io/v1alpha1/runtimegathers";
  const kind = { apiVersion: "runtimes.insights.openshift.io/v1alpha1", kind: "RuntimeGather" };
  assert.is((await world.create(gathers, { ...kind, metadata: { name: "for-the-other" } })).status, 201);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  assert.equal(await world.conditions(`${gathers}/for-the-other`), {});
  await world.patch(`${leases}/runtime-insights-operator`, { spec: { renewTime: renewTime(301_000) } });
  await world.applyConfig({ featureGate: "Ignored" });
  await world.waitForPresent([...gathererSide, ...nodeSide]);
  await world.waitForObserved();
  assert.match(JSON.stringify(await world.get(configPath)), /"operator":\{"namespace":"runtime-insights"/);
  const events = await world.admin.call({ path: "/api/v1/namespaces/default/events" });
  assert.match(
    JSON.stringify(events.body),
    /"reason":"TookOver","message":"[^"]*kubectl -n other delete daemonset,deployment,[^"]* -l app\.kubernetes\.io\/managed-by=runtime-insights-operator[^"]*","source":[^}]*},[^}]*"type":"Warning"/,
  );
});

test("a cluster without the FeatureGate API: the node side goes, the message names the way out", async () => {
  await world.applyConfig({});
  await world.setGate("enabled");
  await world.waitForPresent([...gathererSide, ...nodeSide]);
  await world.delete("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/featuregates.config.openshift.io");
  await waitFor(
    "the kind to be gone",
    async () => ((await world.get(featureGatePath)) === undefined ? true : undefined),
    soon,
  );
  await world.waitForCondition("FeatureGateEnabled", "False/GateApiMissing");
  await world.waitForPresent(gathererSide);
  assert.match(JSON.stringify(await world.get(configPath)), /featureGate to Ignored/);
});

test("config deleted when an operand had lost its owner: the operator deletes that one itself", async () => {
  await world.applyConfig({ managementState: "Unmanaged" });
  await world.waitForObserved();
  const path = world.pathOf({ kind: "ServiceAccount", name: names.reader });
  await world.patch(path, { metadata: { ownerReferences: null } });
  await world.delete(configPath);
  await world.waitForPresent([]);
  await world.applyConfig({});
  await world.waitForPresent(gathererSide);
});

test("config deleted: every operand goes, although the operator does nothing about it", async () => {
  await world.stopOperator();
  await world.delete(configPath);
  await world.waitForPresent([]);
});

test.run();
