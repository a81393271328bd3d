import { test } from "uvu";
import * as assert from "uvu/assert";
import type { ConfigIdentity } from "../api/config.ts";
import type { ConfigStatus } from "../api/config-status.ts";
import type { Fleet } from "./coverage.ts";
import { makeRequest } from "./requests.fixture.ts";
import { type StatusInput, statusOf } from "./status.ts";

const day = (number: number) => `2026-01-0${number}T00:00:00Z`;
const counts = { pods: 3, containers: 4, shapes: 2, nodesAsked: 2, nodesAnswered: 2, nodesFailed: 0, nodesSkipped: 0 };
const inventory = [{ kind: "Java", version: "17", containers: 3 }];
const succeeded = (name: string, begin: string, more: object = {}) =>
  makeRequest({
    ...{ name, phase: "Succeeded", createdMs: 1_000 },
    status: {
      conditions: [
        { type: "Progressing", status: "False", reason: "Succeeded", message: "m", lastTransitionTime: begin },
        { type: "Succeeded", status: "True", reason: "AsExpected", message: "fine", lastTransitionTime: begin },
      ],
      ...{
        startTime: begin,
        finishTime: day(9),
        counts,
        inventory,
        archive: { name: `${name}.tar.gz`, bytes: 1, sha256: "x" },
      },
      ...more,
    },
  });
const identity = (status: ConfigStatus = {}): ConfigIdentity => ({ uid: "u", generation: 2, createdMs: 500, status });
const pods = { desired: 3, ready: 2, updated: 3, generation: 4, seen: true, current: true };
const headline = { reason: "AsExpected", message: "fine" };
const fleet = (linux: number, notReady: number): Fleet => ({ linux, notReady, foreign: { count: 0, shown: [] } });
const input = (changes: Partial<StatusInput> = {}): StatusInput => ({
  nowMs: Date.UTC(2026, 0, 9),
  ...{ identity: identity(), conditions: [], gate: { state: "enabled", version: "4.18.0" }, gateIgnored: false },
  ...{
    pods,
    ...{ headline, troubles: [], isRollingOut: false, fleet: undefined },
    onDemand: false,
    requests: [],
    nextGatherMs: Date.UTC(2026, 0, 5),
    inventory: true,
    lastUpload: undefined,
  },
  ...{ operator: { namespace: "ns", uid: "n" }, version: "1" },
  ...changes,
});
const last = {
  ...{ name: "b", startTime: day(2), finishTime: day(9), succeeded: true, reason: "AsExpected", message: "fine" },
  ...{ archive: "b.tar.gz", counts },
};

test("the whole status, from the gather that began last", () => {
  assert.equal(statusOf(input({ requests: [succeeded("b", day(2)), succeeded("a", day(1))] })), {
    observedGeneration: 2,
    conditions: [],
    headline,
    gate: { state: "enabled", version: "4.18.0", source: "FeatureGate", summary: "enabled" },
    nodes: { desired: 3, ready: 2, updated: 3, rolledOut: 4, summary: "2/3" },
    lastGather: last,
    nextGather: day(5),
    inventory,
    storage: "Ephemeral",
    operator: { namespace: "ns", uid: "n" },
    version: "1",
  });
});

test("the last upload stands there as it was handed over", () => {
  const upload = { time: day(3), succeeded: false, reason: "Timeout", message: "m" };
  assert.equal(statusOf(input({ lastUpload: upload })).lastUpload, upload);
  assert.not.ok("lastUpload" in statusOf(input({ identity: identity({ lastUpload: upload }) })));
});

const kept: readonly {
  readonly rule: string;
  readonly changes: Partial<StatusInput>;
  readonly last: string | undefined;
  readonly inventory?: boolean;
}[] = [
  {
    rule: "no gather on record: what the status says stays",
    changes: { identity: identity({ lastGather: last, inventory }) },
    last: "b",
    inventory: true,
  },
  {
    rule: "an older one on record does not push out a newer one that is gone",
    changes: { identity: identity({ lastGather: last, inventory }), requests: [succeeded("a", day(1))] },
    last: "b",
    inventory: true,
  },
  {
    rule: "a clock that was a year ahead does not hide what came after it was set right",
    changes: {
      identity: identity({ lastGather: { ...last, startTime: "2027-01-01T00:00:00Z" } }),
      requests: [succeeded("ahead", "2027-01-01T00:00:00Z"), succeeded("a", day(1))],
    },
    last: "a",
    inventory: true,
  },
  {
    rule: "one that began before the clock was set back by an hour is the last one still",
    changes: { requests: [succeeded("ahead", "2026-01-09T01:00:00Z"), succeeded("a", day(1))] },
    last: "ahead",
    inventory: true,
  },
  {
    rule: "one of an earlier config does not count",
    changes: { identity: { ...identity(), createdMs: Date.UTC(2026, 0, 2) }, requests: [succeeded("a", day(1))] },
    last: undefined,
  },
  {
    rule: "a gather without runtimes keeps the inventory of before",
    changes: { identity: identity({ inventory }), requests: [succeeded("a", day(1), { inventory: [] })] },
    last: "a",
    inventory: true,
  },
  {
    rule: "a disabled inventory is taken out of the status",
    changes: { identity: identity({ inventory }), requests: [succeeded("a", day(1))], inventory: false },
    last: "a",
  },
];
for (const { rule, changes, last: name, inventory: has = false } of kept)
  test(rule, () => {
    const status = statusOf(input(changes));
    assert.equal([status.lastGather?.name, status.inventory], [name, has ? inventory : undefined]);
  });

test("an ignored gate and a missing DaemonSet show as what they are", () => {
  const status = statusOf(
    input({ gate: { state: "no API" }, gateIgnored: true, pods: undefined, nextGatherMs: undefined }),
  );
  assert.equal(
    [status.gate, status.nodes?.summary, status.nextGather],
    [{ state: "no API", source: "Config", summary: "ignored" }, "0/0", undefined],
  );
});

const before = { desired: 2, ready: 2, withoutExtractor: 1, rolledOut: 3, summary: "2/2, 1 without" };
const counted: readonly (readonly [rule: string, changes: Partial<StatusInput>, nodes: object])[] = [
  [
    "three of six Linux nodes are to have none",
    { fleet: fleet(6, 1) },
    { desired: 3, ready: 2, updated: 3, withoutExtractor: 3, rolledOut: 4, summary: "2/3, 3 without" },
  ],
  [
    "every Linux node is to have one: a zero, not nothing",
    { fleet: fleet(3, 0) },
    { desired: 3, ready: 2, updated: 3, withoutExtractor: 0, rolledOut: 4, summary: "2/3" },
  ],
  [
    "a node has joined since they were counted: none is without",
    { fleet: fleet(2, 0) },
    { desired: 3, ready: 2, updated: 3, withoutExtractor: 0, rolledOut: 4, summary: "2/3" },
  ],
  [
    "they could not be counted: as before",
    { identity: identity({ nodes: before }) },
    { desired: 3, ready: 2, updated: 3, withoutExtractor: 1, rolledOut: 4, summary: "2/3, 1 without" },
  ],
  [
    "the DaemonSet's controller has not counted yet: as before",
    {
      identity: identity({ nodes: before }),
      fleet: fleet(6, 0),
      pods: { ...pods, seen: false, current: false },
    },
    { desired: 3, ready: 2, updated: 3, withoutExtractor: 1, rolledOut: 3, summary: "2/3, 1 without" },
  ],
  [
    "a roll-out is on: the generation of before has reached the nodes",
    { identity: identity({ nodes: before }), isRollingOut: true },
    { desired: 3, ready: 2, updated: 3, withoutExtractor: 1, rolledOut: 3, summary: "2/3, 1 without" },
  ],
];
for (const [rule, changes, nodes] of counted)
  test(`nodes: ${rule}`, () => assert.equal(statusOf(input(changes)).nodes, nodes));

test("troubles stand there while there are any", () => {
  const troubles = [{ reason: "OperandFailed", since: day(1) }];
  assert.equal(statusOf(input({ troubles })).troubles, troubles);
  assert.not.ok("troubles" in statusOf(input()));
});

const nodes: readonly (readonly [rule: string, changes: Partial<StatusInput>, summary: string])[] = [
  ["no DaemonSet", { pods: undefined }, "0/0"],
  ["none between gathers on demand", { pods: undefined, onDemand: true }, "OnDemand"],
  ["one during a gather on demand", { onDemand: true }, "2/3"],
];
for (const [rule, changes, summary] of nodes)
  test(`nodes: ${rule}`, () => assert.is(statusOf(input(changes)).nodes?.summary, summary));

test.run();
