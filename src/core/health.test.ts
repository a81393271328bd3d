import { test } from "uvu";
import * as assert from "uvu/assert";
import { decodePods } from "../api/pods.ts";
import type { Decision } from "./decide.ts";
import { type Health, type HealthInput, healthOf } from "./health.ts";
import { operands } from "./operands.ts";

const decision = (kind: Decision["kind"], reason: Decision["reason"]): Decision => ({ kind, reason, message: "why" });
const install = decision("install", "GateEnabled");
const none = { steps: [], conflicts: [], unreadable: [] };
const [gathererOperand] = operands.filter(({ side }) => side === "gatherer");
const nodeOperands = operands.filter(({ side }) => side === "node");
const input = (changes: Partial<HealthInput>): HealthInput => ({
  ...{ side: "node", decision: install, wanted: true, pods: undefined, plan: none, failed: [], anyLeft: false },
  ...changes,
});
const pods = (ready: number, desired: number, current = true) => ({ ready, desired, current });
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
    input: input({ pods: pods(2, 2, false) }),
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
    expected: { state: "ready", reason: "OnDemandIdle", some: false, message: /when a gather begins/ },
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
const objects: readonly { readonly rule: string; readonly object: unknown; readonly expected: object }[] = [
  {
    rule: "a DaemonSet whose controller has seen it",
    object: daemonSet(2),
    expected: { desired: 3, ready: 2, current: true },
  },
  {
    rule: "a DaemonSet that was changed since",
    object: daemonSet(3),
    expected: { desired: 3, ready: 2, current: false },
  },
  {
    rule: "a DaemonSet with pods of before",
    object: daemonSet(2, { updatedNumberScheduled: 1 }),
    expected: { desired: 3, ready: 2, current: false },
  },
  {
    rule: "a Deployment",
    object: {
      kind: "Deployment",
      metadata: { generation: 1 },
      spec: { replicas: 1 },
      status: { observedGeneration: 1, readyReplicas: 1, updatedReplicas: 1 },
    },
    expected: { desired: 1, ready: 1, current: true },
  },
  {
    rule: "an object without a status",
    object: { kind: "Deployment", metadata: { generation: 1 }, spec: { replicas: 1 } },
    expected: { desired: 1, ready: 0, current: false },
  },
  { rule: "nonsense", object: { kind: "Deployment" }, expected: { desired: 0, ready: 0, current: false } },
];
for (const { rule, object, expected } of objects)
  test(`pods of ${rule}`, () => assert.equal(decodePods(object), expected));

test.run();
