/**
 * The same manifests on every kind of cluster: each API is looked for by itself, and what is there decides. Kinds are OpenShift's own,
 * nodes and pods have the states that kubelets and controllers would write.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import { kubectl, waitFor } from "../../hack/kubectl.ts";
import { applyMonitoringKinds } from "../../hack/monitoring.ts";
import { applyOpenshift, applyOpenshiftCrds, type OpenshiftCrd } from "../../hack/openshift/objects.ts";
import { ServiceCa } from "../../hack/openshift/service-ca.ts";
import { statusSchema } from "../../src/api/config-status.ts";
import { decodeRequest } from "../../src/api/request.ts";
import { names } from "../../src/core/operands.ts";
import { configPath, gathererSide, namespace, nodeSide, OperatorWorld } from "./operator-world.ts";

let world: OperatorWorld;
let serviceCa: ServiceCa | undefined;

const scc = "securitycontextconstraints.security.openshift.io";
const everyCrd: readonly OpenshiftCrd[] = [
  scc,
  ...(["featuregates", "apiservers", "clusterversions", "infrastructures"] as const).map(
    (plural) => `${plural}.config.openshift.io` as const,
  ),
];
const daemonSet = { kind: "DaemonSet", name: names.extractor } as const;
const sccKey = "SecurityContextConstraints/runtime-insights-extractor";
/** Certificates are main's own where there is no service CA, else nothing of them but the bundle. */
const ownCa = "Secret/runtime-insights-ca";
const withoutScc = nodeSide.filter((key) => key !== sccKey);

test("preparation: an API server without OpenShift's kinds", async () => {
  world = await OperatorWorld.start({ controllers: "cleaning", openshift: false });
  await world.applyCrds();
});

interface Node {
  readonly name: string;
  readonly roles?: readonly string[];
  readonly architecture?: string;
}

interface Topology {
  readonly name: string;
  readonly prepare: () => Promise<unknown>;
  readonly nodes: readonly Node[];
  /** How many of them the controller of DaemonSets would choose. */
  readonly pods: number;
  readonly spec: object;
  /** Before the user has said anything about the gate. */
  readonly gate: string;
  readonly present: readonly string[];
  readonly message: string;
}

const worker = (name: string, more: Omit<Node, "name"> = {}): Node => ({ name, roles: ["worker"], ...more });
const infrastructure = (controlPlaneTopology: string, infrastructureTopology: string) => async () => {
  const path = "/apis/config.openshift.io/v1/infrastructures";
  await world.create(path, {
    apiVersion: "config.openshift.io/v1",
    kind: "Infrastructure",
    metadata: { name: "cluster" },
    spec: {},
  });
  await world.patch(`${path}/cluster/status`, {
    status: { controlPlaneTopology, infrastructureTopology, apiServerURL: "https://api.example:6443" },
  });
};
const startServiceCa = async () => {
  serviceCa = await ServiceCa.start(world.admin);
  await waitFor("the published CA", () =>
    world.get(`/api/v1/namespaces/${namespace}/configmaps/openshift-service-ca.crt`),
  );
};
const openshift = (topology: () => Promise<void>) => async () => {
  await applyOpenshift(world.server);
  await applyOpenshiftCrds(world.server, ["infrastructures.config.openshift.io"]);
  await topology();
  await world.setGate("enabled");
  await startServiceCa();
};
const ignored = { featureGate: "Ignored" };

const topologies: readonly Topology[] = [
  {
    name: "plain Kubernetes with nodes of two architectures",
    prepare: async () => undefined,
    nodes: [worker("a"), worker("b"), worker("arm-1", { architecture: "arm64" })],
    pods: 2,
    spec: ignored,
    gate: "False/GateApiMissing",
    present: [...gathererSide, ...withoutScc],
    message:
      "2 of 2 extractor pods are ready; 1 Linux node has none, since there is no image for their architecture: arm-1 (arm64)",
  },
  {
    name: "MicroShift: SCC and service CA, and nothing of config.openshift.io",
    prepare: async () => {
      await applyOpenshiftCrds(world.server, [scc]);
      await startServiceCa();
    },
    nodes: [worker("edge", { roles: ["control-plane", "worker"] })],
    pods: 1,
    spec: ignored,
    gate: "False/GateApiMissing",
    present: [...gathererSide, ...nodeSide].filter((key) => key !== ownCa),
    message: "1 of 1 extractor pods are ready",
  },
  {
    name: "OpenShift on a single node",
    prepare: openshift(infrastructure("SingleReplica", "SingleReplica")),
    nodes: [worker("sno", { roles: ["control-plane", "master", "worker"] })],
    pods: 1,
    spec: {},
    gate: "True/GateEnabled",
    present: [...gathererSide, ...nodeSide].filter((key) => key !== ownCa),
    message: "1 of 1 extractor pods are ready",
  },
  {
    name: "a hosted control plane: no node of it is there",
    prepare: openshift(infrastructure("External", "HighlyAvailable")),
    nodes: [worker("a"), worker("b")],
    pods: 2,
    spec: {},
    gate: "True/GateEnabled",
    present: [...gathererSide, ...nodeSide].filter((key) => key !== ownCa),
    message: "2 of 2 extractor pods are ready",
  },
];

for (const topology of topologies) {
  test(`${topology.name}: the gate is judged, and nothing is on the nodes before it allows it`, async () => {
    await arrive(topology);
    await world.applyConfig({});
    await world.startOperator({ resyncMs: 500 });
    await world.waitForCondition("FeatureGateEnabled", topology.gate);
    if (topology.gate.startsWith("True")) return;
    await world.waitForPresent(gathererSide.filter((key) => topology.present.includes(key)));
    const { FeatureGateEnabled } = await messages();
    assert.match(FeatureGateEnabled ?? "", /set spec\.featureGate to Ignored/);
  });

  test(`${topology.name}: the operands that belong there, and conditions that are well`, async () => {
    await world.applyConfig(topology.spec);
    await world.waitForPresent(topology.present);
    await deploy(topology.pods);
    assert.equal(await untilWell(), {
      ...{ Available: "True/AsExpected", Progressing: "False/AsExpected", Degraded: "False/AsExpected" },
      ...{ FeatureGateEnabled: topology.gate.startsWith("True") ? topology.gate : "True/GateIgnored" },
      ...{ ExtractorReady: "True/AsExpected", GathererReady: "True/AsExpected" },
    });
    assert.is((await messages()).ExtractorReady, topology.message);
    await assertCalm();
  });

  test(`${topology.name}: nothing stays when the config goes`, async () => {
    await world.delete(configPath);
    await world.waitForPresent([]);
    await leave();
  });
}

test("kinds that come after the operator: what they need is made, and no pod is made anew for it", async () => {
  await arrive({ nodes: [worker("a")] });
  await world.applyConfig(ignored);
  await world.startOperator({ resyncMs: 500 });
  await world.waitForPresent([...gathererSide, ...withoutScc]);
  await deploy(1);
  await untilWell();
  const before = await workloads();
  await applyOpenshiftCrds(world.server, [scc]);
  await world.waitForPresent([...gathererSide, ...nodeSide]);
  assert.equal(await workloads(), before);
});

test("an OpenShift of which only a part is there yet: with the gate ignored nothing changes, without it the nodes stay as they are", async () => {
  const before = await workloads();
  await applyOpenshiftCrds(world.server, ["featuregates.config.openshift.io"]);
  await sleep(1_500);
  assert.equal(await workloads(), before);
  await world.applyConfig({});
  await world.waitForCondition("FeatureGateEnabled", "Unknown/GateUnknown");
  await sleep(1_500);
  assert.ok((await world.present()).includes("DaemonSet/runtime-insights-extractor"));
  await world.applyConfig(ignored);
});

test("an API whose server does not answer (503): it is named, everything else is kept, and gathers go on", async () => {
  const group = "monitoring.coreos.com";
  const service = { name: "nobody", namespace: "default" };
  await world.create("/apis/apiregistration.k8s.io/v1/apiservices", {
    ...{ apiVersion: "apiregistration.k8s.io/v1", kind: "APIService", metadata: { name: `v1.${group}` } },
    spec: {
      group,
      version: "v1",
      service,
      groupPriorityMinimum: 1000,
      versionPriority: 15,
      insecureSkipTLSVerify: true,
    },
  });
  const before = await workloads();
  await world.waitForCondition("GathererReady", "False/OperandFailed");
  assert.match((await messages()).GathererReady ?? "", /^(PrometheusRule|ServiceMonitor)\/.*503/);
  const conditions = await world.conditions();
  assert.is(conditions.Available, "True/AsExpected");
  // It is Degraded two minutes after the gatherer was not to be reached, and for nothing else.
  assert.ok(["False/AsExpected", "True/GathererUnreachable"].includes(conditions.Degraded ?? ""), conditions.Degraded);
  assert.equal(await workloads(), before);
  await waitFor(
    "the gather to wait",
    async () => (await gathersWaitFor()).join() === "GathererUnreachable" || undefined,
  );
  await world.delete(`/apis/apiregistration.k8s.io/v1/apiservices/v1.${group}`);
  await world.waitForCondition("GathererReady", "True/AsExpected");
  await applyMonitoringKinds(world.server);
  await waitFor("the monitors", async () =>
    (await world.present()).includes("ServiceMonitor/runtime-insights-gatherer") ? true : undefined,
  );
});

test("kinds that go while the operator runs: no more of them is wanted, and the pods stay", async () => {
  const before = await workloads();
  await kubectl(world.server, [
    "delete",
    "crd",
    "--wait=true",
    ...everyCrd,
    "servicemonitors.monitoring.coreos.com",
    "prometheusrules.monitoring.coreos.com",
    "--ignore-not-found",
  ]);
  await world.waitForPresent([...gathererSide, ...withoutScc]);
  await untilWell();
  assert.equal(await workloads(), before);
  await assertCalm();
});

test("end", async () => {
  await serviceCa?.stop();
  await world.stop();
});

async function arrive({ prepare, nodes }: Partial<Topology> & Pick<Topology, "nodes">): Promise<void> {
  await prepare?.();
  for (const { name, roles = [], architecture = "amd64" } of nodes) {
    const labels = Object.fromEntries(roles.map((role) => [`node-role.kubernetes.io/${role}`, ""]));
    const metadata = { name, labels: { ...labels, "kubernetes.io/os": "linux", "kubernetes.io/arch": architecture } };
    await world.create("/api/v1/nodes", { apiVersion: "v1", kind: "Node", metadata });
    const conditions = [{ type: "Ready", status: "True", reason: "x", message: "" }];
    await world.patch(`/api/v1/nodes/${name}/status`, { status: { conditions } });
  }
}

async function leave(): Promise<void> {
  await world.stopOperator();
  await serviceCa?.stop();
  serviceCa = undefined;
  await kubectl(world.server, ["delete", "nodes", "--all"]);
  await kubectl(world.server, [
    "delete",
    "configmaps",
    "-A",
    "--field-selector=metadata.name=openshift-service-ca.crt",
  ]);
  await kubectl(world.server, ["delete", "crd", "--wait=true", "--ignore-not-found", ...everyCrd]);
}

/** As the controllers of both workloads would say once their pods are there. */
async function deploy(pods: number): Promise<void> {
  await world.setGathererReady(true);
  const path = world.pathOf(daemonSet);
  await world.patch(`${path}/status`, {
    status: {
      observedGeneration: (await world.get(path))?.metadata.generation ?? 1,
      ...{ desiredNumberScheduled: pods, currentNumberScheduled: pods, updatedNumberScheduled: pods },
      ...{ numberMisscheduled: 0, numberReady: pods, numberAvailable: pods, numberUnavailable: 0 },
    },
  });
}

/** But for GatherSucceeded, since no gatherer answers here. */
async function untilWell(): Promise<object> {
  return waitFor("the conditions to be well", async () => {
    const { GatherSucceeded: _, ...conditions } = await world.conditions();
    const isWell = conditions.ExtractorReady === "True/AsExpected" && conditions.GathererReady === "True/AsExpected";
    return isWell && conditions.Progressing === "False/AsExpected" ? conditions : undefined;
  });
}

async function messages(): Promise<Readonly<Record<string, string>>> {
  const { status } = z.object({ status: z.unknown() }).parse(await world.get(configPath));
  return Object.fromEntries((statusSchema.parse(status).conditions ?? []).map(({ type, message }) => [type, message]));
}

/** Three runs write nothing, once the gather that is due has found no gatherer, which takes as long as the machine is busy. */
async function assertCalm(): Promise<void> {
  await waitFor(
    "the gather to wait",
    async () => (await gathersWaitFor()).includes("GathererUnreachable") || undefined,
  );
  const seen = async () => ({ versions: await world.versions(), config: await world.get(configPath) });
  let before = await seen();
  // A condition may turn by the clock meanwhile; whoever writes in each run is seen in each.
  for (let tries = 1; ; tries += 1) {
    await sleep(1_800);
    const now = await seen();
    if (JSON.stringify(now) === JSON.stringify(before)) return;
    if (tries === 5) assert.equal(now, before);
    before = now;
  }
}

/** What tells whether a pod is made anew. */
async function workloads(): Promise<readonly (number | undefined)[]> {
  const objects = [daemonSet, { kind: "Deployment", name: names.gatherer } as const];
  return Promise.all(objects.map(async (one) => (await world.operand(one))?.metadata.generation));
}

/** Why the scheduled gather has not begun. */
async function gathersWaitFor(): Promise<readonly string[]> {
  const path = "/apis/runtimes.insights.openshift.io/v1alpha1/runtimegathers";
  const { items } = z.object({ items: z.array(z.unknown()) }).parse((await world.admin.call({ path })).body);
  return items
    .map(decodeRequest)
    .flatMap(({ status }) => (status.conditions ?? []).filter(({ type }) => type === "Progressing"))
    .map(({ reason }) => reason);
}

test.run();
