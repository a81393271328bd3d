/** The cluster of the operator's benchmark: what controllers, kubelets and users would have left on a large one. */
import {
  configPath,
  featureGatePath,
  gathersPath,
  namespace,
  type OperatorWorld,
} from "../../e2e/api/operator-world.ts";
import { apiVersion } from "../../src/api/object.ts";
import { requestKind } from "../../src/api/request.ts";
import { names, type OperandKind } from "../../src/core/operands.ts";
import { openshiftVersion } from "../openshift/objects.ts";
import { nodeBody } from "./gather-pods.ts";
import { large } from "./operator-plan.ts";

const daemonSet = { kind: "DaemonSet", name: names.extractor } as const;
const hex = (length: number, seed: number) => (seed * 2_654_435_761).toString(16).repeat(length).slice(0, length);

/** Nodes, a rolled out DaemonSet, finished gathers, gates of many versions, and other people's objects in the namespace. */
export async function fill(world: OperatorWorld, log: (line: string) => void): Promise<void> {
  log(`Creating ${large.nodes} nodes and what belongs to them ...`);
  await inParallel(large.nodes, (index) => created(world, "/api/v1/nodes", { ...nodeBody(index), status: nodeStatus }));
  await setNodesReady(world, large.nodes);
  await setGates(world, 0);
  await inParallel(large.strangers, (index) => addStrangers(world, index));
  await inParallel(large.gathers, async (index) => {
    // The first one is the schedule's, so that none is due while the benchmark runs.
    const name = index === 0 ? `scheduled-${Math.floor(Date.now() / 1000)}` : `asked-for-${index}`;
    const trigger = index === 0 ? "Scheduled" : "Requested";
    await created(world, gathersPath, { apiVersion, kind: requestKind, metadata: { name }, spec: { trigger } });
    await world.patch(`${gathersPath}/${name}/status`, { status: gatherStatus(index) });
  });
}

/** What the DaemonSet's controller says while so many extractors are ready. */
export async function setNodesReady(world: OperatorWorld, ready: number): Promise<void> {
  const path = world.pathOf(daemonSet);
  const generation = (await world.get(path))?.metadata.generation ?? 1;
  const all = { desiredNumberScheduled: large.nodes, currentNumberScheduled: large.nodes, numberMisscheduled: 0 };
  const status = {
    ...{ ...all, observedGeneration: generation, updatedNumberScheduled: large.nodes },
    ...{ numberReady: ready, numberAvailable: ready, numberUnavailable: large.nodes - ready },
  };
  await world.patch(`${path}/status`, { status });
}

/** Our gate is on in the entry of the cluster's version; the others have other names each time. */
export async function setGates(world: OperatorWorld, seed: number): Promise<void> {
  const gates = (version: number) =>
    Array.from({ length: large.gatesPerVersion }, (_, index) => ({
      name: `Feature${seed}Version${version}Number${index}${hex(16, index + 1)}`,
    }));
  const featureGates = Array.from({ length: large.gateVersions }, (_, version) => ({
    version: version === 0 ? openshiftVersion : `4.${17 - version}.0`,
    enabled: [...(version === 0 ? [{ name: "InsightsRuntimeExtractor" }] : []), ...gates(version)],
    disabled: gates(version + 1_000),
  }));
  await world.patch(`${featureGatePath}/status`, { status: { featureGates } });
}

/** Writes each kind of watched object again and again, as an upgrade of the cluster does, without changing what the operator has to do. */
export async function churn(world: OperatorWorld, times: number): Promise<void> {
  const gathers = await gatherNames(world);
  const note = (seed: number) => ({ metadata: { annotations: { "example.com/seen": hex(64, seed + 1) } } });
  for (let seed = 1; seed <= times; seed += 1) {
    await setGates(world, seed);
    for (const name of gathers) await world.patch(`${gathersPath}/${name}`, note(seed));
    for (const kind of ["DaemonSet", "Service"] as const)
      await world.patch(
        world.pathOf({ kind, name: kind === "Service" ? names.exporter : names.extractor }),
        note(seed),
      );
    await world.patch(configPath, note(seed));
    await setNodesReady(world, large.nodes);
  }
}

async function gatherNames(world: OperatorWorld): Promise<readonly string[]> {
  const found = await Promise.all(
    Array.from({ length: large.gathers }, (_, index) => world.get(`${gathersPath}/asked-for-${index}`)),
  );
  return found.filter((object) => object !== undefined).map(({ metadata }) => metadata.name);
}

const nodeStatus = {
  capacity: { cpu: "16", memory: "64Gi", pods: "250" },
  allocatable: { cpu: "15500m", memory: "61Gi", pods: "250" },
  conditions: ["MemoryPressure", "DiskPressure", "PIDPressure", "Ready"].map((type) => ({
    ...{ type, status: type === "Ready" ? "True" : "False" },
    ...{
      reason: "KubeletIsFine",
      message: "kubelet is posting its status",
      lastTransitionTime: "2026-11-02T08:15:42Z",
    },
  })),
  images: Array.from({ length: 40 }, (_, index) => ({
    names: [`registry.example.com/team/image-${index}@sha256:${hex(64, index + 1)}`],
    sizeBytes: 1_000_000 * (index + 1),
  })),
};

/** The largest that the schema allows, but for messages, which are as long as main cuts them. */
function gatherStatus(index: number): object {
  const time = (agoMs: number) => new Date(Date.now() - agoMs).toISOString().replace(/\.\d+Z$/, "Z");
  const condition = (type: string, status: string, reason: string) => ({
    ...{ type, status, reason, message: "x".repeat(1_000), lastTransitionTime: time(60_000) },
  });
  const total = { pods: 8_000, containers: 16_000, shapes: 2_777 };
  return {
    conditions: [condition("Progressing", "False", "Succeeded"), condition("Succeeded", "True", "NodesFailed")],
    ...{ startTime: time(120_000), finishTime: time(60_000), attempts: 1 },
    counts: { ...total, nodesAsked: 1_000, nodesAnswered: 980, nodesFailed: 20, nodesSkipped: 0 },
    archive: { name: `insights-${index}.tar.gz`, bytes: 1_000_000, sha256: hex(64, index + 1) },
    failures: Array.from({ length: 20 }, (_, node) => ({
      node: `worker-${String(node).padStart(4, "0")}.bench.example.com`,
      ...{ reason: "Unreachable", message: "x".repeat(1_000) },
    })),
    ...{ moreFailures: 0, took: "60s", notes: Array.from({ length: 20 }, () => "y".repeat(1_000)) },
    durationsMs: { listPods: 1_000, askNodes: 2_000, write: 100, total: 3_100 },
    inventory: Array.from({ length: 20 }, (_, kind) => ({ kind: `kind-${kind}`, version: "1.2.3", containers: 10 })),
  };
}

/** Other people's objects in our namespace, large ones among them. */
async function addStrangers(world: OperatorWorld, index: number): Promise<void> {
  const name = `stranger-${index}`;
  const data = { text: hex(10_000, index + 1) };
  const add = (kind: OperandKind, body: object) =>
    created(world, world.pathOf({ kind, name: "" }).replace(/\/$/, ""), { metadata: { name, namespace }, ...body });
  await add("ConfigMap", { data });
  await add("Secret", { stringData: data });
  // Headless, since the benchmark's cluster has few addresses.
  await add("Service", { spec: { clusterIP: "None", ports: [{ port: 80 }], selector: { app: name } } });
}

async function created(world: OperatorWorld, path: string, body: object): Promise<void> {
  const { status, text } = await world.create(path, body);
  if (status >= 300) throw new Error(`creating an object of ${path}: ${status} ${text}`);
}

async function inParallel(count: number, work: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < count; index = next++) await work(index);
  };
  await Promise.all(Array.from({ length: 16 }, worker));
}
