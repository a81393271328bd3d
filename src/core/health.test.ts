import { test } from "uvu";
import * as assert from "uvu/assert";
import { decodePods, type Pods } from "../api/pods.ts";
import type { Fleet } from "./coverage.ts";
import type { Decision } from "./decide.ts";
import { type Health, type HealthInput, healthOf, isProgress, previousHealth } from "./health.ts";
import { operands } from "./operands.ts";

const decision = (kind: Decision["kind"], reason: Decision["reason"]): Decision => ({ kind, reason, message: "why" });
const install = decision("install", "GateEnabled");
const none = { steps: [], conflicts: [], unreadable: [] };
const [gathererOperand] = operands.filter(({ side }) => side === "gatherer");
const nodeOperands = operands.filter(({ side }) => side === "node");
const input = (changes: Partial<HealthInput>): HealthInput => ({
  ...{ side: "node", decision: install, wanted: true, pods: undefined, plan: none, failed: [], anyLeft: false },
  previous: {},
  ...changes,
});
const pods = (ready: number, desired: number, updated = desired, seen = true) => ({
  ...{ ready, desired, updated, generation: 3, seen },
  current: seen && updated >= desired,
});
const fleet = (linux: number, notReady: number, foreign: Fleet["foreign"] = { count: 0, shown: [] }): Fleet => ({
  ...{ linux, notReady, foreign },
});
const failures = nodeOperands.slice(0, 3).map((operand) => ({ operand, message: "403" }));

const rows: readonly {
  readonly rule: string;
  readonly input: HealthInput;
  readonly expected: Omit<Health, "message"> & { readonly message: RegExp };
}[] = [
  {
    rule: "nothing there yet",
    input: input({}),
    expected: { state: "moving", reason: "Deploying", some: false, message: /Being deployed/ },
  },
  {
    rule: "an older spec still runs",
    input: input({ pods: pods(2, 2, 1) }),
    expected: { state: "moving", reason: "Deploying", some: true, message: /rolled out/ },
  },
  {
    rule: "some pods are not ready",
    input: input({ pods: pods(1, 2) }),
    expected: { state: "moving", reason: "PodsNotReady", some: true, message: /^1 of 2 extractor pods are ready$/ },
  },
  {
    rule: "all pods are ready",
    input: input({ pods: pods(2, 2) }),
    expected: { state: "ready", reason: "AsExpected", some: true, message: /^2 of 2/ },
  },
  {
    rule: "the newest spec has not been seen",
    input: input({ pods: pods(2, 2, 2, false), previous: { rolledOut: 3 } }),
    expected: { state: "moving", reason: "Deploying", some: true, message: /rolled out/ },
  },
  {
    rule: "a node joins, whose pod is not made yet: no roll-out",
    input: input({ pods: pods(2, 3, 2), previous: { reason: "AsExpected", rolledOut: 3 } }),
    expected: { state: "moving", reason: "PodsNotReady", some: true, message: /^2 of 3/ },
  },
  {
    rule: "a pod was deleted: no roll-out either",
    input: input({ pods: pods(1, 2, 1), previous: { reason: "PodsNotReady", rolledOut: 3 } }),
    expected: { state: "moving", reason: "PodsNotReady", some: true, message: /^1 of 2/ },
  },
  {
    rule: "a generation that has not been rolled out: a roll-out, whatever was said before",
    input: input({ pods: pods(2, 2, 1), previous: { reason: "AsExpected", rolledOut: 2 } }),
    expected: { state: "moving", reason: "Deploying", some: true, message: /rolled out/ },
  },
  {
    rule: "a roll-out that is on is not over because a DaemonSet made anew counts its generations from one",
    input: input({ pods: pods(0, 2, 1), previous: { reason: "Deploying", rolledOut: 3 } }),
    expected: { state: "moving", reason: "Deploying", some: false, message: /rolled out/ },
  },
  {
    rule: "a roll-out ends when its last pod is ready",
    input: input({ pods: pods(1, 2), previous: { reason: "Deploying", rolledOut: 2 } }),
    expected: { state: "moving", reason: "Deploying", some: true, message: /^The last extractor pods/ },
  },
  {
    rule: "or when Degraded says that it does not end",
    input: input({ pods: pods(1, 2), previous: { reason: "Deploying", rolledOut: 2, isDegraded: true } }),
    expected: { state: "moving", reason: "PodsNotReady", some: true, message: /^1 of 2/ },
  },
  {
    rule: "a roll-out does not wait for nodes that are not ready",
    input: input({
      pods: pods(1, 2, 1),
      previous: { reason: "Deploying", rolledOut: 2 },
      fleet: fleet(2, 1),
    }),
    expected: {
      state: "moving",
      reason: "NodesNotReady",
      some: true,
      message: /^1 of 2 extractor pods are ready; 1 Linux node that should have one is not ready$/,
    },
  },
  {
    rule: "more pods are missing than nodes: a trouble of ours",
    input: input({ pods: pods(1, 4), fleet: fleet(4, 2) }),
    expected: { state: "moving", reason: "PodsNotReady", some: true, message: /^1 of 4 extractor pods are ready$/ },
  },
  {
    rule: "nodes without an extractor are told",
    input: input({ pods: pods(3, 3), fleet: fleet(6, 0) }),
    expected: {
      state: "ready",
      reason: "AsExpected",
      some: true,
      message: /^3 of 3 extractor pods are ready; 3 Linux nodes have none, by taint or nodeSelector$/,
    },
  },
  {
    rule: "nodes that no image of ours runs on are named, apart from those that were left out",
    input: input({
      pods: pods(3, 3),
      fleet: fleet(9, 0, {
        count: 4,
        shown: ["a", "b", "c"].map((name) => ({ name, architecture: "arm64" })),
      }),
    }),
    expected: {
      state: "ready",
      reason: "AsExpected",
      some: true,
      message:
        /are ready; 2 Linux nodes have none, by taint or nodeSelector; 4 Linux nodes have none, since there is no image for their architecture: a \(arm64\), b \(arm64\), c \(arm64\) and 1 more$/,
    },
  },
  {
    rule: "no node is of our architecture",
    input: input({
      pods: pods(0, 0),
      fleet: fleet(1, 0, { count: 1, shown: [{ name: "a", architecture: "s390x" }] }),
    }),
    expected: {
      state: "broken",
      reason: "NoMatchingNodes",
      some: false,
      message: /, of 1; 1 Linux node has none, since there is no image for their architecture: a \(s390x\)$/,
    },
  },
  {
    rule: "the nodes say nothing about the gatherer",
    input: input({ side: "gatherer", pods: pods(0, 1), fleet: fleet(2, 2) }),
    expected: { state: "moving", reason: "PodsNotReady", some: false, message: /^0 of 1 gatherer pods are ready$/ },
  },
  {
    rule: "the controller says why it makes no pod",
    input: input({ side: "gatherer", pods: { ...pods(0, 1, 0), refusal: "exceeded quota" } }),
    expected: { state: "moving", reason: "Deploying", some: false, message: /being rolled out: exceeded quota$/ },
  },
  {
    rule: "no node takes one, of those that are there",
    input: input({ pods: pods(0, 0), fleet: fleet(5, 0) }),
    expected: {
      state: "broken",
      reason: "NoMatchingNodes",
      some: false,
      message: /^No Linux node matches spec.extractor, of 5$/,
    },
  },
  {
    rule: "no node takes one",
    input: input({ pods: pods(0, 0) }),
    expected: { state: "broken", reason: "NoMatchingNodes", some: false, message: /No Linux node/ },
  },
  {
    rule: "somebody else's object: named, before all else",
    input: input({ pods: pods(2, 2), failed: failures, plan: { ...none, conflicts: nodeOperands.slice(1, 2) } }),
    expected: {
      state: "broken",
      reason: "OperandConflict",
      some: true,
      message: /ServiceAccount\/runtime-insights-extractor; delete or rename/,
    },
  },
  {
    rule: "a conflict of the other side is not ours",
    input: input({
      pods: pods(2, 2),
      plan: { ...none, conflicts: gathererOperand === undefined ? [] : [gathererOperand] },
    }),
    expected: { state: "ready", reason: "AsExpected", some: true, message: /^2 of 2/ },
  },
  {
    rule: "failed writes: the first by name, and how many more",
    input: input({ pods: pods(2, 2), failed: failures }),
    expected: {
      state: "moving",
      reason: "OperandFailed",
      some: true,
      message: /^ClusterRoleBinding\/runtime-insights-extractor: 403 and 2 more$/,
    },
  },
  {
    rule: "between gathers on demand: as it should be",
    input: input({ wanted: false }),
    expected: { state: "ready", reason: "OnDemandIdle", some: false, message: /only during a gather$/ },
  },
  {
    rule: "after a gather on demand: going away",
    input: input({ wanted: false, anyLeft: true, pods: pods(2, 2) }),
    expected: { state: "moving", reason: "Removing", some: true, message: /taken away/ },
  },
  {
    rule: "on demand, and the gate disabled: off",
    input: input({ wanted: false, decision: decision("remove", "GateDisabled") }),
    expected: { state: "off", reason: "GateDisabled", some: false, message: /^why$/ },
  },
  {
    rule: "on demand, and the gate unknown: nothing is to come",
    input: input({ wanted: false, decision: decision("wait", "GateUnknown") }),
    expected: { state: "off", reason: "GateUnknown", some: false, message: /^why$/ },
  },
  {
    rule: "being removed",
    input: input({ decision: decision("remove", "GateDisabled"), anyLeft: true, pods: pods(2, 2) }),
    expected: { state: "moving", reason: "Removing", some: true, message: /why; removing/ },
  },
  {
    rule: "removed",
    input: input({ decision: decision("remove", "GateDisabled") }),
    expected: { state: "off", reason: "GateDisabled", some: false, message: /^why$/ },
  },
  {
    rule: "kept as it is, and there: judged by its pods",
    input: input({ decision: decision("wait", "GateUnknown"), pods: pods(2, 2) }),
    expected: { state: "ready", reason: "AsExpected", some: true, message: /^2 of 2/ },
  },
  {
    rule: "kept as it is, and not there",
    input: input({ decision: decision("wait", "GateUnknown") }),
    expected: { state: "off", reason: "GateUnknown", some: false, message: /^why$/ },
  },
];
for (const { rule, input: given, expected } of rows)
  test(rule, () => {
    const { message, ...rest } = healthOf(given);
    const { message: words, ...others } = expected;
    assert.equal(rest, others);
    assert.match(message, words);
  });

const status = { observedGeneration: 2, desiredNumberScheduled: 3, numberReady: 2, updatedNumberScheduled: 3 };
const daemonSet = (generation: number, changes: object = {}) => ({
  kind: "DaemonSet",
  metadata: { generation },
  spec: {},
  status: { ...status, ...changes },
});
const deployment = (changes: object) => ({
  ...{ kind: "Deployment", metadata: { generation: 1 }, spec: { replicas: 1 } },
  status: { observedGeneration: 1, readyReplicas: 1, updatedReplicas: 1, ...changes },
});
const rolledOut = { type: "Progressing", status: "True", reason: "NewReplicaSetAvailable", message: "m" };
const quota = { type: "ReplicaFailure", status: "True", reason: "FailedCreate", message: "exceeded quota" };
const objects: readonly { readonly rule: string; readonly object: unknown; readonly expected: object }[] = [
  {
    rule: "a DaemonSet whose controller has seen it",
    object: daemonSet(2),
    expected: { desired: 3, ready: 2, updated: 3, generation: 2, seen: true, current: true },
  },
  {
    rule: "a DaemonSet that was changed since",
    object: daemonSet(3),
    expected: { desired: 3, ready: 2, updated: 3, generation: 3, seen: false, current: false },
  },
  {
    rule: "a DaemonSet with pods of before",
    object: daemonSet(2, { updatedNumberScheduled: 1 }),
    expected: { desired: 3, ready: 2, updated: 1, generation: 2, seen: true, current: false },
  },
  {
    rule: "a Deployment",
    object: deployment({}),
    expected: { desired: 1, ready: 1, updated: 1, generation: 1, seen: true, current: true },
  },
  {
    rule: "a Deployment whose old pod stays until the new one is ready",
    object: deployment({ replicas: 2 }),
    expected: { desired: 1, ready: 1, updated: 1, generation: 1, seen: true, current: false },
  },
  {
    rule: "a Deployment that was rolled out, whose pod is being replaced",
    object: deployment({ readyReplicas: 0, updatedReplicas: 0, conditions: [rolledOut] }),
    expected: { desired: 1, ready: 0, updated: 0, generation: 1, seen: true, current: true },
  },
  {
    rule: "a Deployment whose pods are refused",
    object: deployment({ readyReplicas: 0, updatedReplicas: 0, conditions: [quota] }),
    expected: {
      ...{ desired: 1, ready: 0, updated: 0, generation: 1, seen: true, current: false },
      refusal: "exceeded quota",
    },
  },
  {
    rule: "an object without a status",
    object: { kind: "Deployment", metadata: { generation: 1 }, spec: { replicas: 1 } },
    expected: { desired: 1, ready: 0, updated: 0, generation: 1, seen: false, current: false },
  },
  {
    rule: "nonsense",
    object: { kind: "Deployment" },
    expected: { desired: 0, ready: 0, updated: 0, generation: 0, seen: false, current: false },
  },
];
for (const { rule, object, expected } of objects)
  test(`pods of ${rule}`, () => assert.equal(decodePods(object), expected));

const before = { desired: 3, ready: 3, updated: 3, summary: "3/3" };
const moves: readonly (readonly [rule: string, pods: Pods | undefined, isOne: boolean])[] = [
  ["a node more", pods(3, 4, 3), true],
  ["a node less", pods(2, 2), false],
  ["a pod crashes", pods(2, 3), false],
  ["the newest spec has come to fewer nodes: a roll-out begins", pods(3, 3, 0), false],
  ["no DaemonSet", undefined, false],
];
for (const [rule, now, isOne] of moves) test(`progress: ${rule}`, () => assert.is(isProgress(now, before), isOne));
test("progress: the newest spec has come to one node more", () => {
  assert.ok(isProgress(pods(3, 3, 2), { ...before, updated: 1 }));
  assert.not.ok(isProgress(pods(3, 3, 2), { ...before, updated: 2 }));
});

test("what the status says of a side", () => {
  const time = "2026-01-01T00:00:00Z";
  const conditions = [
    { type: "Degraded", status: "True" as const, reason: "ExtractorNotReady", message: "", lastTransitionTime: time },
    { type: "ExtractorReady", status: "False" as const, reason: "Deploying", message: "", lastTransitionTime: time },
    { type: "GathererReady", status: "True" as const, reason: "AsExpected", message: "", lastTransitionTime: time },
  ];
  const status = { conditions, nodes: { ...before, rolledOut: 7 } };
  assert.equal(previousHealth(status, "node"), { reason: "Deploying", rolledOut: 7, isDegraded: true });
  assert.equal(previousHealth(status, "gatherer"), { reason: "AsExpected", rolledOut: undefined, isDegraded: false });
  assert.equal(previousHealth({}, "node"), { reason: undefined, rolledOut: undefined, isDegraded: false });
});

test.run();
