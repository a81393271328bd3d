import { test } from "uvu";
import * as assert from "uvu/assert";
import { defaultSettings } from "../api/config.ts";
import type { ConfigStatus, LastGather } from "../api/config-status.ts";
import { type ConditionsInput, conditionReasons, conditionsOf, conditionTypes } from "./conditions.ts";
import type { Health } from "./health.ts";

const minuteMs = 60_000;
const nowMs = Date.UTC(2026, 0, 2);
const now = "2026-01-02T00:00:00Z";
const counts = { pods: 1, containers: 1, shapes: 1, nodesAsked: 2, nodesAnswered: 2, nodesFailed: 0, nodesSkipped: 0 };
const gathered: LastGather = {
  name: "a",
  startTime: now,
  finishTime: now,
  succeeded: true,
  reason: "AsExpected",
  message: "fine",
  counts,
};
const ready: Health = { state: "ready", reason: "AsExpected", message: "ready", some: true };
const health = (changes: Partial<Health>): Health => ({ ...ready, ...changes });
const waiting = health({ state: "moving", reason: "PodsNotReady", message: "1 of 2" });
const nodesDown = health({ state: "moving", reason: "NodesNotReady", message: "1 of 2" });
const failed = health({ state: "moving", reason: "OperandFailed", message: "403" });
const off = health({ state: "off", reason: "GateDisabled", message: "off", some: false });

const input = (changes: Partial<ConditionsInput> = {}, status: ConfigStatus = {}): ConditionsInput => ({
  nowMs,
  config: { kind: "valid", identity: { uid: "u", generation: 4, createdMs: 0, status }, settings: defaultSettings },
  gate: { state: "enabled", version: "4.18.0" },
  ...{ node: ready, gatherer: ready, lastGather: gathered, unreachable: undefined, stockExtractor: false },
  ...{ isProgress: false, notServed: [], namespace: "ns" },
  ...changes,
});
const words = (given: ConditionsInput) =>
  Object.fromEntries(conditionsOf(given).conditions.map(({ type, status, reason }) => [type, `${status}/${reason}`]));

const good = {
  ...{ Available: "True/AsExpected", Progressing: "False/AsExpected", Degraded: "False/AsExpected" },
  ...{ FeatureGateEnabled: "True/GateEnabled", ExtractorReady: "True/AsExpected" },
  ...{ GathererReady: "True/AsExpected", GatherSucceeded: "True/AsExpected" },
};
const invalid = {
  kind: "invalid",
  identity: { uid: "u", generation: 4, createdMs: 0, status: {} },
  problem: "spec.x: bad",
} as const;
const unmanaged = {
  kind: "valid",
  identity: { uid: "u", generation: 4, createdMs: 0, status: {} },
  settings: { ...defaultSettings, managementState: "Unmanaged" },
} as const;
const condition = (type: string, status: "True" | "False", reason: string) => ({
  ...{ type, status, reason },
  ...{ message: "", lastTransitionTime: now },
});
const ignored = { ...defaultSettings, featureGate: "Ignored" as const };
const onDemand = {
  kind: "valid",
  identity: { uid: "u", generation: 4, createdMs: 0, status: {} },
  settings: { ...defaultSettings, lifecycle: "OnDemand" },
} as const;
const idle = health({ reason: "OnDemandIdle", some: false });
const deploying = health({ state: "moving", reason: "Deploying", message: "m", some: false });
const removing = health({ state: "moving", reason: "Removing", message: "m", some: false });
const onDemandWith = (status: ConfigStatus) => ({ ...onDemand, identity: { ...onDemand.identity, status } });
const troubled = (reason: string, sinceMs: number): ConfigStatus => ({
  troubles: [{ reason, since: new Date(sinceMs).toISOString() }],
});
const wasAvailable: ConfigStatus = { conditions: [condition("Available", "True", "AsExpected")] };
const lost = (agoMs: number) => ({ sinceMs: nowMs - agoMs, message: "ECONNREFUSED" });

const rows: readonly { readonly rule: string; readonly input: ConditionsInput; readonly expected: object }[] = [
  { rule: "all is well", input: input(), expected: good },
  {
    rule: "gate disabled: the node side is off, nothing is wrong",
    input: input({ gate: { state: "disabled", version: "4.18.0" }, node: off }),
    expected: { ...good, FeatureGateEnabled: "False/GateDisabled", ExtractorReady: "False/GateDisabled" },
  },
  {
    rule: "gate unknown: Unknown, not False",
    input: input({ gate: { state: "unknown", why: "x" } }),
    expected: { ...good, FeatureGateEnabled: "Unknown/GateUnknown" },
  },
  {
    rule: "gate ignored: as if it were enabled",
    input: input({
      gate: { state: "no API" },
      config: { kind: "valid", identity: { uid: "u", generation: 4, createdMs: 0, status: {} }, settings: ignored },
    }),
    expected: { ...good, FeatureGateEnabled: "True/GateIgnored" },
  },
  {
    rule: "nothing gathered yet: Unknown",
    input: input({ lastGather: undefined }),
    expected: { ...good, GatherSucceeded: "Unknown/NoGatherYet" },
  },
  {
    rule: "one node's pod is not ready for a moment, as when the node restarts: neither Progressing nor Degraded",
    input: input({ node: waiting }),
    expected: { ...good, ExtractorReady: "False/PodsNotReady" },
  },
  {
    rule: "nodes that are not ready are no trouble of ours, however long: neither Progressing nor Degraded",
    input: input({ node: nodesDown }, troubled("ExtractorNotReady", 0)),
    expected: { ...good, ExtractorReady: "False/NodesNotReady" },
  },
  {
    rule: "unless nobody is left to ask",
    input: input({ node: { ...nodesDown, some: false } }, troubled("ExtractorNotReady", nowMs - 5 * minuteMs)),
    expected: {
      ...good,
      Available: "False/ExtractorNotReady",
      ExtractorReady: "False/NodesNotReady",
      Degraded: "True/ExtractorNotReady",
    },
  },
  {
    rule: "a roll-out that goes on is not Degraded, however long it takes",
    input: input(
      { node: health({ state: "moving", reason: "Deploying" }), isProgress: true },
      troubled("ExtractorNotReady", 0),
    ),
    expected: { ...good, Progressing: "True/Deploying", ExtractorReady: "False/Deploying" },
  },
  {
    rule: "one that does not is, and goes on being Progressing",
    input: input({ node: health({ state: "moving", reason: "Deploying" }) }, troubled("ExtractorNotReady", 0)),
    expected: {
      ...good,
      Progressing: "True/Deploying",
      ExtractorReady: "False/Deploying",
      Degraded: "True/ExtractorNotReady",
    },
  },
  {
    rule: "the gatherer moves to another node for a moment: Available all the same",
    input: input({ gatherer: health({ state: "moving", reason: "PodsNotReady", some: false }) }, wasAvailable),
    expected: { ...good, GathererReady: "False/PodsNotReady" },
  },
  {
    rule: "it stays away: not Available, and Degraded",
    input: input(
      { gatherer: health({ state: "moving", reason: "PodsNotReady", some: false }) },
      { ...wasAvailable, ...troubled("GathererNotReady", nowMs - 5 * minuteMs) },
    ),
    expected: {
      ...good,
      Available: "False/GathererNotReady",
      GathererReady: "False/PodsNotReady",
      Degraded: "True/GathererNotReady",
    },
  },
  {
    rule: "the only node restarts: Available all the same",
    input: input({ node: { ...waiting, some: false } }, wasAvailable),
    expected: { ...good, ExtractorReady: "False/PodsNotReady" },
  },
  {
    rule: "somebody else has the gatherer's name: not Available at once",
    input: input({ gatherer: health({ state: "broken", reason: "OperandConflict", some: false }) }, wasAvailable),
    expected: {
      ...good,
      Available: "False/GathererNotReady",
      GathererReady: "False/OperandConflict",
      Degraded: "True/OperandConflict",
    },
  },
  {
    rule: "being removed with nothing left to ask: not Available, for that reason",
    input: input({ gatherer: health({ state: "moving", reason: "Removing", some: false }) }, wasAvailable),
    expected: {
      ...good,
      Available: "False/Removing",
      Progressing: "True/Removing",
      GathererReady: "False/Removing",
    },
  },
  {
    rule: "Unmanaged is said, whatever the pods do",
    input: input({ config: unmanaged, node: waiting }),
    expected: { ...good, Progressing: "False/Unmanaged", ExtractorReady: "False/PodsNotReady" },
  },
  {
    rule: "for five minutes: Degraded",
    input: input({ node: waiting }, troubled("ExtractorNotReady", nowMs - 5 * minuteMs)),
    expected: {
      ...good,
      ExtractorReady: "False/PodsNotReady",
      Degraded: "True/ExtractorNotReady",
    },
  },
  {
    rule: "no extractor at all: not Available",
    input: input({ node: health({ state: "moving", reason: "Deploying", some: false }) }),
    expected: {
      ...good,
      Available: "False/ExtractorNotReady",
      Progressing: "True/Deploying",
      ExtractorReady: "False/Deploying",
    },
  },
  {
    rule: "no gatherer: not Available",
    input: input({ gatherer: health({ state: "moving", reason: "PodsNotReady", some: false }) }),
    expected: {
      ...good,
      Available: "False/GathererNotReady",
      GathererReady: "False/PodsNotReady",
    },
  },
  {
    rule: "a write failed: two minutes of grace",
    input: input({ gatherer: failed }, troubled("OperandFailed", nowMs - minuteMs)),
    expected: { ...good, Progressing: "True/OperandFailed", GathererReady: "False/OperandFailed" },
  },
  {
    rule: "a write fails for longer: Degraded",
    input: input({ gatherer: failed }, troubled("OperandFailed", nowMs - 2 * minuteMs)),
    expected: {
      ...good,
      Progressing: "True/OperandFailed",
      GathererReady: "False/OperandFailed",
      Degraded: "True/OperandFailed",
    },
  },
  {
    rule: "a conflict is Degraded at once",
    input: input({ node: health({ state: "broken", reason: "OperandConflict" }) }),
    expected: { ...good, ExtractorReady: "False/OperandConflict", Degraded: "True/OperandConflict" },
  },
  {
    rule: "an invalid config is Degraded at once, before all else",
    input: input({ config: invalid, node: failed }),
    expected: {
      ...good,
      Progressing: "True/OperandFailed",
      ExtractorReady: "False/OperandFailed",
      Degraded: "True/ConfigInvalid",
    },
  },
  {
    rule: "a failed gather is Degraded",
    input: input({ lastGather: { ...gathered, succeeded: false } }),
    expected: { ...good, GatherSucceeded: "False/GatherFailed", Degraded: "True/GatherFailed" },
  },
  {
    rule: "a failed node is not",
    input: input({ lastGather: { ...gathered, counts: { ...counts, nodesFailed: 1 } } }),
    expected: { ...good, GatherSucceeded: "True/NodesFailed" },
  },
  {
    rule: "the gatherer is out of reach for seconds: nothing",
    input: input({ unreachable: lost(30_000) }),
    expected: good,
  },
  {
    rule: "for a minute: the gather did not succeed",
    input: input({ unreachable: lost(minuteMs) }),
    expected: { ...good, GatherSucceeded: "False/GathererUnreachable" },
  },
  {
    rule: "for two minutes: Degraded",
    input: input({ unreachable: lost(2 * minuteMs) }),
    expected: { ...good, GatherSucceeded: "False/GathererUnreachable", Degraded: "True/GathererUnreachable" },
  },
  {
    rule: "on demand, between gathers: all is well",
    input: input({ config: onDemand, node: idle }),
    expected: { ...good, ExtractorReady: "True/OnDemandIdle" },
  },
  {
    rule: "on demand, deploying: Available all the same",
    input: input({ config: onDemand, node: deploying }),
    expected: { ...good, Progressing: "True/Deploying", ExtractorReady: "False/Deploying" },
  },
  {
    rule: "on demand, not ready for long: the gather says so, nothing is Degraded",
    input: input({ config: onDemandWith(troubled("ExtractorNotReady", 0)), node: waiting }),
    expected: { ...good, ExtractorReady: "False/PodsNotReady" },
  },
  {
    rule: "on demand, removing: Available all the same",
    input: input({ config: onDemand, node: removing }),
    expected: { ...good, Progressing: "True/Removing", ExtractorReady: "False/Removing" },
  },
  {
    rule: "on demand, the last gather lacked the node side: told, not Degraded",
    input: input({ config: onDemand, node: idle, lastGather: { ...gathered, reason: "NodeSideFailed" } }),
    expected: { ...good, ExtractorReady: "True/OnDemandIdle", GatherSucceeded: "True/NodeSideFailed" },
  },
  {
    rule: "on demand, an object cannot be applied for long: Degraded",
    input: input({ config: onDemandWith(troubled("OperandFailed", 0)), node: failed }),
    expected: {
      ...good,
      Progressing: "True/OperandFailed",
      ExtractorReady: "False/OperandFailed",
      Degraded: "True/OperandFailed",
    },
  },
  {
    rule: "removed: not Available, nothing is wrong",
    input: input({
      node: health({ state: "off", reason: "Removed", some: false }),
      gatherer: health({ state: "off", reason: "Removed", some: false }),
    }),
    expected: { ...good, Available: "False/Removed", ExtractorReady: "False/Removed", GathererReady: "False/Removed" },
  },
];
for (const { rule, input: given, expected } of rows) test(rule, () => assert.equal(words(given), expected));

test("the order is stable, the generation is set, the reasons are of the closed set", () => {
  for (const { input: given } of rows) {
    const { conditions } = conditionsOf(given);
    assert.equal(
      conditions.map(({ type }) => type),
      conditionTypes,
    );
    assert.ok(conditions.every(({ observedGeneration }) => observedGeneration === 4));
    assert.ok(conditions.every(({ reason }) => conditionReasons.some((one) => one === reason)));
  }
});

test("a second look at the same facts, later, changes nothing and causes no event", () => {
  for (const { input: given } of rows) {
    const { conditions, troubles } = conditionsOf(given);
    const { config } = given;
    const status = { conditions: [...conditions], troubles: [...troubles] };
    const later = { ...given, isProgress: false, config: { ...config, identity: { ...config.identity, status } } };
    const again = conditionsOf({ ...later, nowMs: nowMs + 1_000 });
    assert.equal(again.conditions, conditions);
    assert.equal(again.troubles, troubles);
    assert.equal(again.events, []);
  }
});

test("the time of transition moves with the status only", () => {
  const before = conditionsOf(input()).conditions;
  const after = conditionsOf({
    ...input({ node: off }, { conditions: [...before] }),
    nowMs: nowMs + minuteMs,
  }).conditions;
  const times = Object.fromEntries(after.map(({ type, lastTransitionTime }) => [type, lastTransitionTime]));
  assert.is(times.ExtractorReady, "2026-01-02T00:01:00Z");
  assert.is(times.GathererReady, now);
});

test("Degraded that was said is not taken back while its trouble lasts, even by a status that forgot since when", () => {
  const said = conditionsOf(input({ node: waiting }, troubled("ExtractorNotReady", 0))).conditions;
  assert.is(words(input({ node: waiting }, { conditions: [...said] })).Degraded, "True/ExtractorNotReady");
});

test("Degraded says what to do, and names where", () => {
  const said = (given: ConditionsInput) =>
    conditionsOf(given).conditions.find(({ type }) => type === "Degraded")?.message;
  assert.is(
    said(input({ node: waiting }, troubled("ExtractorNotReady", 0))),
    "1 of 2. To do: kubectl -n ns describe pods -l app.kubernetes.io/name=runtime-insights-extractor",
  );
  assert.is(
    said(input({ lastGather: { ...gathered, succeeded: false, message: "full" } })),
    "full. To do: kubectl describe rg a",
  );
});

const headlines: readonly (readonly [rule: string, input: ConditionsInput, headline: string])[] = [
  ["all is well", input(), "AsExpected: Nothing is wrong"],
  ["trouble before all else", input({ config: invalid, node: failed }), "ConfigInvalid"],
  ["then what is being changed", input({ node: deploying }, wasAvailable), "Deploying: m"],
  ["pods that are not ready, in their grace time", input({ node: waiting }), "PodsNotReady: 1 of 2"],
  ["nodes that are down", input({ node: nodesDown }), "NodesNotReady: 1 of 2"],
  ["the gate keeps the nodes free", input({ gate: { state: "no API" }, node: off }), "GateDisabled: off"],
  ["the gate is not known", input({ gate: { state: "unknown", why: "x" } }), "GateUnknown: Not known: x"],
  ["Unmanaged", input({ config: unmanaged }), "Unmanaged"],
  [
    "some nodes did not answer",
    input({ lastGather: { ...gathered, counts: { ...counts, nodesFailed: 1 } } }),
    "NodesFailed",
  ],
  ["no gather yet", input({ lastGather: undefined }), "NoGatherYet"],
];
for (const [rule, given, headline] of headlines)
  test(`headline: ${rule}`, () => {
    const { reason, message } = conditionsOf(given).headline;
    assert.ok(`${reason}: ${message}`.startsWith(headline), `${reason}: ${message}`);
  });

test("OpenShift's own extractor is named beside the state of ours, with one event", () => {
  const seen = conditionsOf(input({ stockExtractor: true }));
  const ready = seen.conditions.find(({ type }) => type === "ExtractorReady");
  assert.match(ready?.message ?? "", /^ready\. OpenShift's own extractor runs as well/);
  assert.is(seen.events.filter(({ reason }) => reason === "StockExtractorPresent").length, 1);
  const again = conditionsOf(input({ stockExtractor: true }, { conditions: [...seen.conditions] }));
  assert.equal(again.events, []);
  const unread = conditionsOf(input({ stockExtractor: undefined }, { conditions: [...seen.conditions] }));
  assert.equal([unread.conditions, unread.events], [seen.conditions, []], "what cannot be read is not gone");
  const gone = conditionsOf(input({ stockExtractor: false }, { conditions: [...seen.conditions] })).conditions;
  assert.is(gone.find(({ type }) => type === "ExtractorReady")?.message, "ready");
});

test("the next look is when the grace ends", () => {
  assert.is(
    conditionsOf(input({ node: waiting }, troubled("ExtractorNotReady", nowMs - minuteMs))).afterMs,
    4 * minuteMs,
  );
  assert.is(conditionsOf(input({ unreachable: lost(30_000) })).afterMs, 30_000);
  assert.is(conditionsOf(input()).afterMs, undefined);
});

test("events: a trouble warns, a recovery informs, the steps of a roll-out are no news", () => {
  const seen = (from: ConditionsInput, to: Partial<ConditionsInput>) => {
    const { conditions } = conditionsOf(from);
    return conditionsOf(input(to, { conditions: [...conditions] })).events.map(
      ({ type, reason, message }) => `${type} ${reason} ${message}`,
    );
  };
  assert.equal(seen(input(), { lastGather: { ...gathered, succeeded: false, message: "full" } }), [
    "Warning GatherFailed Degraded: full. To do: kubectl describe rg a",
    "Warning GatherFailed GatherSucceeded: full",
  ]);
  assert.equal(seen(input({ node: deploying }), { node: waiting }), []);
  const steps = [idle, deploying, waiting, ready, removing, idle];
  for (const [at, node] of steps.entries()) {
    const from = input({ config: onDemand, node: steps.at(at - 1) ?? idle });
    const { config } = from;
    const status = { conditions: [...conditionsOf(from).conditions] };
    const to = input({ config: { ...config, identity: { ...config.identity, status } }, node });
    assert.equal(conditionsOf(to).events, [], `step ${at} of a gather on demand`);
  }
  assert.equal(seen(input(), { node: waiting }), [], "a node restarts");
  assert.equal(seen(input({ node: waiting }), {}), [], "it is back");
  assert.equal(seen(input(), { node: failed }), [], "a read or write fails");
  assert.equal(seen(input({ node: failed }), {}), [], "the next one does not");
  const lasting = seen(input({ node: failed }, troubled("OperandFailed", 0)), { node: failed });
  assert.equal(lasting, [], "that it lasts is said once");
  assert.equal(seen(input({ node: deploying }), {}), ["Normal AsExpected ExtractorReady: ready"]);
  const long = input({ node: waiting }, troubled("ExtractorNotReady", 0));
  assert.match(seen(long, {}).join(), /^Normal AsExpected Degraded: Nothing is wrong$/);
});

test.run();
