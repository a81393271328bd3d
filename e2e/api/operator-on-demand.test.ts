/**
 * Lifecycle OnDemand: the operator under its shipped account and the real gatherer behind the real proxy. The test stands in for the
 * DaemonSet's controller and the garbage collector, neither of which runs here.
 */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import { kubectl, waitFor } from "../../hack/kubectl.ts";
import { statusSchema } from "../../src/api/config-status.ts";
import type { GatherRequest } from "../../src/api/request.ts";
import { keyOf, names } from "../../src/core/operands.ts";
import { GathersWorld } from "./gathers-world.ts";
import { configPath, gathererSide, gathersPath, namespace, nodeSide, type OperatorWorld } from "./operator-world.ts";
import { RealGatherer } from "./real-gatherer.ts";

const daemonSet = { kind: "DaemonSet", name: names.extractor } as const;
const idle = [...gathererSide, ...nodeSide].filter((key) => key !== keyOf(daemonSet));
const soon = { timeoutMs: 90_000, everyMs: 50 };
const minuteMs = 60_000;
let gathers: GathersWorld;
let world: OperatorWorld;
let gatherer: RealGatherer | undefined;
let path = "";

test.before(async () => {
  gathers = await GathersWorld.start();
  world = gathers.world;
  path = world.pathOf(daemonSet);
});
test.after(async () => {
  gatherer?.stop();
  await world.stop();
});

const startOperator = () =>
  gathers.startOperator({
    gathererOrigin: gatherer?.origin ?? "https://127.0.0.1:1",
    gathererToken: async () => (await gatherer?.operatorToken()) ?? "",
  });
const onDemand = (more: object = {}) =>
  world.applyConfig({ featureGate: "Ignored", lifecycle: "OnDemand", gather: { helm: "Disabled" }, ...more });

async function waitForDaemonSet(state: "absent" | "going" | "present"): Promise<void> {
  let last = "";
  await waitFor(
    `the DaemonSet to be ${state}`,
    async () => {
      const found = await world.get(path);
      last = found === undefined ? "absent" : found.metadata.deletionTimestamp === undefined ? "present" : "going";
      return last === state ? true : undefined;
    },
    soon,
  ).catch(() => {
    throw new Error(`the DaemonSet is ${last}, not ${state}`);
  });
}

/** What the DaemonSet's controller would report. */
async function setExtractors(ready: number, desired: number): Promise<void> {
  const generation = (await world.get(path))?.metadata.generation ?? 1;
  const counts = { currentNumberScheduled: desired, desiredNumberScheduled: desired, numberMisscheduled: 0 };
  const status = { ...counts, observedGeneration: generation, numberReady: ready, updatedNumberScheduled: desired };
  await world.patch(`${path}/status`, { status });
}

/** What the garbage collector does once the pods are gone. */
async function endPods(): Promise<void> {
  await waitForDaemonSet("going");
  assert.equal((await world.get(path))?.metadata.finalizers, ["foregroundDeletion"]);
  await world.patch(path, { metadata: { finalizers: null } });
}

/** A gather that begins now. */
async function begin(name: string, spec: object = {}): Promise<string> {
  await gathers.make(name, spec);
  await gathers.pass(61_000);
  return name;
}

const archives = z.object({
  status_reports: z.array(z.object({ name: z.string(), errors: z.array(z.string()).nullable() })),
});
/** Of the stanza of the workloads, in the archive that a gather wrote. */
function errorsOf({ status }: GatherRequest): readonly string[] | null | undefined {
  const file = join(gatherer?.directory ?? "", status.archive?.name ?? "");
  const text = execFileSync("tar", ["-xzOf", file, "insights-operator/gathers.json"], { encoding: "utf8" });
  return archives.parse(JSON.parse(text)).status_reports.find(({ name }) => name === "workloads/workload_info")?.errors;
}
const verdictOf = ({ status }: GatherRequest) =>
  status.conditions
    ?.filter(({ type }) => type === "Succeeded")
    .map(({ status: value, reason }) => `${value}/${reason}`)
    .join();
const succeed = async (name: string) => {
  const request = await gathers.waitForPhase(name, "Succeeded");
  return { verdict: verdictOf(request), errors: errorsOf(request), nodeSide: request.status.nodeSide };
};
const status = async () =>
  statusSchema.parse(z.object({ status: z.unknown() }).parse(await world.get(configPath)).status);

async function undeploying(name: string): Promise<GatherRequest> {
  return waitFor(
    `${name} to need the extractors no more`,
    async () => {
      const request = await gathers.find(name);
      return request?.status.nodeSide?.undeployTime === undefined ? undefined : request;
    },
    soon,
  );
}

let first = "";

test("between gathers there is no DaemonSet, all else is ready for one, and the status is calm", async () => {
  assert.is((await onDemand()).status, 201);
  await startOperator();
  await world.waitForPresent(idle);
  await world.waitForCondition("ExtractorReady", "True/OnDemandIdle");
  assert.is((await status()).nodes?.summary, "OnDemand");
  const { Available, Degraded } = await world.conditions();
  assert.equal([Available, Degraded], ["False/GathererNotReady", "False/AsExpected"]);
});

test("a gather deploys, waits until all are ready, asks, takes away, and only then writes", async () => {
  gatherer = await RealGatherer.start(gathers);
  await startOperator();
  await world.setGathererReady(true);
  await waitForDaemonSet("present");
  first = (await gathers.requests())[0]?.name ?? "";
  await gathers.waitForPhase(first, "Deploying");
  await world.waitForCondition("Progressing", "True/Deploying");
  await setExtractors(1, 2);
  await waitFor("the count", async () => ((await status()).nodes?.summary === "1/2" ? true : undefined), soon);
  await gathers.waitForPhase(first, "Deploying");
  await setExtractors(2, 2);
  await waitForDaemonSet("going");
  const waiting = await undeploying(first);
  assert.equal([waiting.status.archive, waiting.status.finishTime], [undefined, undefined]);
  await world.waitForCondition("Progressing", "True/Removing");
  const { Available, Degraded } = await world.conditions();
  assert.equal([Available, Degraded], ["True/AsExpected", "False/AsExpected"]);
  await endPods();
  const { verdict, errors, nodeSide: record } = await succeed(first);
  assert.equal([verdict, errors], ["True/AsExpected", null]);
  assert.equal(Object.keys(record ?? {}).sort(), ["deployTime", "undeployTime"]);
  await world.waitForCondition("ExtractorReady", "True/OnDemandIdle");
  await world.waitForCondition("Progressing", "False/AsExpected");
  await world.waitForPresent(idle);
});

test("a gather without runtimes deploys nothing", async () => {
  await begin("without", { runtimeInfo: "Disabled" });
  const { verdict, errors, nodeSide: record } = await succeed("without");
  assert.equal([verdict, errors, record], ["True/AsExpected", null, undefined]);
  assert.equal(await world.present(), idle);
});

test("while the gatherer does not answer, nothing is deployed for it", async () => {
  gatherer?.kill();
  await begin("unheard");
  await gathers.waitForPhase("unheard", "GathererUnreachable");
  assert.equal(await world.present(), idle);
  gatherer?.restart();
  await waitForDaemonSet("present");
  await setExtractors(2, 2);
  await endPods();
  assert.is((await succeed("unheard")).verdict, "True/AsExpected");
});

test("not all ready in time: those that are get asked, one error says how many, though a node without extractor has containers", async () => {
  await world.create("/api/v1/namespaces/default/serviceaccounts", { metadata: { name: "default" } });
  const pod = { metadata: { name: "app" }, spec: { nodeName: "node-1", containers: [{ name: "c", image: "i" }] } };
  const made = await world.create("/api/v1/namespaces/default/pods", pod);
  assert.is(made.status, 201, made.text);
  const containerStatuses = [
    {
      name: "c",
      image: "i",
      imageID: `registry.example/a/b@sha256:${"b".repeat(64)}`,
      ready: true,
      restartCount: 0,
      containerID: `cri-o://${"a".repeat(64)}`,
    },
  ];
  const running = { phase: "Running", containerStatuses: [{ ...containerStatuses[0], state: { running: {} } }] };
  await world.patch("/api/v1/namespaces/default/pods/app/status", { status: running });
  await begin("late");
  await waitForDaemonSet("present");
  await setExtractors(1, 2);
  await gathers.pass(4 * minuteMs);
  await gathers.waitForPhase("late", "Deploying");
  await gathers.pass(minuteMs);
  await endPods();
  const { verdict, errors, nodeSide: record } = await succeed("late");
  const problem = "1 of 2 extractors were ready after 5m";
  assert.equal([verdict, errors, record?.problem], ["True/NodeSideFailed", [problem], problem]);
  await world.waitForCondition("GatherSucceeded", "True/NodeSideFailed");
  await world.waitForCondition("ExtractorReady", "True/OnDemandIdle");
  const { Available, Degraded } = await world.conditions();
  assert.equal([Available, Degraded], ["True/AsExpected", "False/AsExpected"]);
  const { counts } = (await gathers.find("late"))?.status ?? {};
  assert.equal([counts?.pods, counts?.nodesSkipped], [1, 1]);
});

test("a DaemonSet that the API server refuses: one error with its words, and no node is asked", async () => {
  const policy = (kind: string, spec: object) => ({
    ...{ apiVersion: "admissionregistration.k8s.io/v1", kind, metadata: { name: "no-daemonsets" } },
    spec,
  });
  const rule = { apiGroups: ["apps"], apiVersions: ["v1"], resources: ["daemonsets"], operations: ["CREATE"] };
  const refuse = [
    policy("ValidatingAdmissionPolicy", {
      matchConstraints: { resourceRules: [rule] },
      validations: [{ expression: "false", message: "no privileged pods here" }],
    }),
    policy("ValidatingAdmissionPolicyBinding", { policyName: "no-daemonsets", validationActions: ["Deny"] }),
  ];
  for (const object of refuse) await kubectl(world.server, ["apply", "-f", "-"], JSON.stringify(object));
  const labels = { a: "b" };
  const template = { metadata: { labels }, spec: { containers: [{ name: "c", image: "i" }] } };
  const probe = {
    ...{ apiVersion: "apps/v1", kind: "DaemonSet", metadata: { name: "probe" } },
    spec: { selector: { matchLabels: labels }, template },
  };
  const refusal = async () =>
    (await world.create("/apis/apps/v1/namespaces/default/daemonsets?dryRun=All", probe)).text;
  await waitFor("the policy to hold", async () => ((await refusal()).includes("no privileged") ? true : undefined));
  await begin("refused");
  await gathers.waitForPhase("refused", "Deploying");
  await world.waitForCondition("ExtractorReady", "False/OperandFailed");
  await gathers.pass(5 * minuteMs);
  const { verdict, errors } = await succeed("refused");
  assert.is(verdict, "True/NodeSideFailed");
  assert.is(errors?.length, 1, JSON.stringify(errors));
  assert.match(errors?.[0] ?? "", /^the extractors could not be deployed: DaemonSet.*no privileged pods here/);
  assert.is((await gathers.find("refused"))?.status.counts?.nodesAsked, 0);
  for (const { kind } of refuse) await kubectl(world.server, ["delete", kind, "no-daemonsets"]);
  await waitFor("the policy to go", async () => ((await refusal()).includes("no privileged") ? undefined : true));
  await world.waitForCondition("ExtractorReady", "True/OnDemandIdle");
  await world.waitForCondition("Degraded", "False/AsExpected");
});

test("somebody else's DaemonSet of our name: one error at once, and it is not touched", async () => {
  const labels = { a: "b" };
  const template = { metadata: { labels }, spec: { containers: [{ name: "c", image: "i" }] } };
  const foreign = { apiVersion: "apps/v1", kind: "DaemonSet", metadata: { name: names.extractor } };
  const collection = `/apis/apps/v1/namespaces/${namespace}/daemonsets`;
  const made = await world.create(collection, { ...foreign, spec: { selector: { matchLabels: labels }, template } });
  assert.is(made.status, 201, made.text);
  const before = (await world.get(path))?.metadata;
  await begin("foreign");
  const { verdict, errors } = await succeed("foreign");
  assert.is(verdict, "True/NodeSideFailed");
  assert.is(errors?.length, 1, JSON.stringify(errors));
  assert.match(errors?.[0] ?? "", /could not be deployed: Not made by this operator.*DaemonSet/);
  const after = (await world.get(path))?.metadata;
  assert.equal([after?.uid, after?.resourceVersion], [before?.uid, before?.resourceVersion]);
  await world.delete(path);
  await world.delete("/api/v1/namespaces/default/pods/app?gracePeriodSeconds=0");
});

test("not gone in time: one error, the archive is written, and the leftover is pruned", async () => {
  await begin("stuck");
  await waitForDaemonSet("present");
  await setExtractors(2, 2);
  await waitForDaemonSet("going");
  await undeploying("stuck");
  const seen = async () => ((await status()).nodes?.summary === "OnDemand" ? true : undefined);
  await waitFor("the operator to see that it goes", seen, soon);
  await gathers.pass(minuteMs);
  assert.is((await gathers.find("stuck"))?.status.finishTime, undefined);
  await gathers.pass(minuteMs + 5_000);
  const { verdict, errors, nodeSide: record } = await succeed("stuck");
  assert.is(verdict, "True/NodeSideFailed");
  assert.is(errors?.length, 1, JSON.stringify(errors));
  // The second when the operator has not yet heard that the first of both steps is done.
  assert.match(
    errors?.[0] ?? "",
    /^the extractors were not gone 2m after the nodes were asked: (some of their pods are left|DaemonSet\/runtime-insights-extractor is there)$/,
  );
  assert.is(record?.leftover, errors?.[0]);
  await waitForDaemonSet("absent");
  await world.waitForCondition("ExtractorReady", "True/OnDemandIdle");
});

test("the operator is restarted while it deploys, and again while it takes away: the gather goes on", async () => {
  await begin("restarts");
  await waitForDaemonSet("present");
  const { uid } = (await world.get(path))?.metadata ?? {};
  await startOperator();
  await gathers.waitForPhase("restarts", "Deploying");
  await setExtractors(2, 2);
  assert.is((await world.get(path))?.metadata.uid, uid);
  await waitForDaemonSet("going");
  await world.stopOperator();
  await endPods();
  await startOperator();
  const { verdict, errors } = await succeed("restarts");
  assert.equal([verdict, errors], ["True/AsExpected", null]);
  assert.is((await gathers.find("restarts"))?.status.attempts, 1);
});

test("the gatherer is restarted while it holds the archive back: deployed anew, and gathered once more", async () => {
  await begin("interrupted");
  await waitForDaemonSet("present");
  await setExtractors(2, 2);
  await waitForDaemonSet("going");
  gatherer?.kill();
  await endPods();
  gatherer?.restart();
  await waitForDaemonSet("present");
  await gathers.waitForPhase("interrupted", "Deploying");
  await setExtractors(2, 2);
  await endPods();
  const { verdict, errors } = await succeed("interrupted");
  assert.equal([verdict, errors], ["True/AsExpected", null]);
  assert.is((await gathers.find("interrupted"))?.status.attempts, 2);
});

test("a gather that is deleted while it deploys leaves nothing, also when no operator saw that", async () => {
  for (const sees of [true, false]) {
    const name = await begin(`deleted-${sees}`);
    await waitForDaemonSet("present");
    if (!sees) await world.stopOperator();
    await world.delete(`${gathersPath}/${name}`);
    if (!sees) await startOperator();
    await endPods();
    await world.waitForPresent(idle);
    await world.waitForCondition("ExtractorReady", "True/OnDemandIdle");
  }
});

test("the gate becomes unknown during a gather: what it deployed is used and taken away all the same", async () => {
  await world.setGate("enabled");
  await onDemand({ featureGate: "Required" });
  await world.waitForCondition("FeatureGateEnabled", "True/GateEnabled");
  await begin("unknown");
  await waitForDaemonSet("present");
  await world.setGate("enabled", "4.17.0");
  await world.waitForCondition("FeatureGateEnabled", "Unknown/GateUnknown");
  await setExtractors(2, 2);
  await endPods();
  assert.is((await succeed("unknown")).verdict, "True/AsExpected");
  await world.waitForPresent(idle);
  await onDemand();
});

test("Continuous while a gather holds: the extractors stay, the archive is written; and back: they go", async () => {
  await begin("switched");
  await waitForDaemonSet("present");
  await setExtractors(2, 2);
  await waitForDaemonSet("going");
  await onDemand({ lifecycle: "Continuous" });
  const { verdict, errors } = await succeed("switched");
  assert.equal([verdict, errors], ["True/AsExpected", null]);
  await endPods();
  await waitForDaemonSet("present");
  await setExtractors(2, 2);
  await world.waitForCondition("ExtractorReady", "True/AsExpected");
  await onDemand();
  await endPods();
  await world.waitForCondition("ExtractorReady", "True/OnDemandIdle");
});

test("the gate disabled: a gather deploys nothing and has no runtimes", async () => {
  await world.setGate("disabled");
  await onDemand({ featureGate: "Required" });
  await world.waitForCondition("ExtractorReady", "False/GateDisabled");
  await begin("gated");
  const { verdict, errors, nodeSide: record } = await succeed("gated");
  assert.equal([verdict, errors, record], ["True/AsExpected", null, undefined]);
  assert.equal(await world.present(), gathererSide);
});

test.run();
