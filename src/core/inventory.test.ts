import { test } from "uvu";
import * as assert from "uvu/assert";
import type { InventoryRow } from "../api/gather.ts";
import { obfuscate } from "./hash.ts";
import { inventoryRows, topCounts } from "./inventory.ts";
import { answersOf } from "./merge.ts";
import { draftOf, type PodOptions, pods } from "./pods.fixture.ts";
import { firstQueries, fullQueries, type NodeOutcome, type NodeQuery, readAnswer } from "./query.ts";

const rowsOf = (all: readonly PodOptions[], ask: (query: NodeQuery) => NodeOutcome): readonly InventoryRow[] => {
  const draft = draftOf(pods(...all));
  const outcomes = firstQueries(draft).map(ask);
  return inventoryRows(draft, answersOf(outcomes), outcomes);
};
const saying = (entry: unknown) => (query: NodeQuery) =>
  readAnswer(query, { shop: { "web-1": { "containerd://web-1-0": entry } } }, { detail: true });

test("clear text comes from the detail, the hashes stay out", () => {
  const detail = {
    containerName: "c0",
    runtimeInfo: {
      os: "debian",
      osVersion: "12",
      kind: "Java",
      kindVersion: "17",
      kindImplementer: "Debian",
      runtimes: [{ name: "Quarkus", version: "3.8.1" }],
    },
    notes: [],
  };
  assert.equal(rowsOf([{}, { name: "web-2" }], saying({ os: obfuscate("debian"), detail })), [
    {
      ...{ namespace: "shop", pod: "web-1", container: "c0", pods: 2, note: "" },
      ...{ os: "debian", osVersion: "12", kind: "Java", kindVersion: "17", kindImplementer: "Debian" },
      runtimes: ["Quarkus 3.8.1"],
    },
  ]);
});

const failing = (query: NodeQuery): NodeOutcome => ({ kind: "failed", query, reason: "Timeout", message: "" });
const notes: readonly {
  readonly rule: string;
  readonly pod: PodOptions;
  readonly ask: (query: NodeQuery) => NodeOutcome;
  readonly note: string;
}[] = [
  {
    rule: "what the exporter does not know is said with its reason",
    pod: {},
    ask: saying({ detail: { notes: [{ about: "kindVersion", reason: "packed", message: "UPX" }] } }),
    note: "kindVersion: packed: UPX",
  },
  {
    rule: "an exporter without clear text",
    pod: {},
    ask: saying({ os: obfuscate("debian") }),
    note: "the exporter gave no clear text",
  },
  {
    rule: "a container that the answer lacks",
    pod: {},
    ask: saying(undefined),
    note: "the node's answer does not have the container",
  },
  {
    rule: "a container that the node cannot see into",
    pod: { runtimeClass: "kata" },
    ask: saying(undefined),
    note: "the node's answer does not have the container, which has runtime class kata",
  },
  {
    rule: "a pod that opted out",
    pod: { annotations: { "runtimes.insights.openshift.io/exclude": "true" } },
    ask: failing,
    note: "excluded",
  },
  { rule: "a node that failed", pod: {}, ask: failing, note: "node node-1: Timeout" },
  { rule: "a Pending pod", pod: { phase: "Pending" }, ask: failing, note: "the pod is Pending" },
  {
    rule: "a container that ended",
    pod: { containers: [{ state: "terminated" }] },
    ask: failing,
    note: "the container does not run",
  },
];
for (const { rule, pod, ask, note } of notes)
  test(`${rule}: noted`, () =>
    assert.equal(
      rowsOf([pod], ask).map((row) => row.note),
      [note],
    ));

const replicas: readonly PodOptions[] = ["web-1", "web-2", "web-3"].map((name, index) => ({
  ...{ name, node: `node-${index}` },
  initContainers: [{ name: "proxy", restartPolicy: "Always", state: "running" }],
}));
const agreements: readonly { readonly rule: string; readonly kinds: readonly string[]; readonly note: string }[] = [
  { rule: "replicas that agree need no word", kinds: ["Java", "Java", "Java"], note: "" },
  { rule: "one of three differs", kinds: ["Java", "Java", "Node.js"], note: "consistent 2 of 3" },
  { rule: "the first one differs", kinds: ["Java", "Node.js", "Node.js"], note: "consistent 1 of 3" },
  { rule: "a replica that was not answered does not count", kinds: ["Java", "", "Node.js"], note: "consistent 1 of 2" },
];
for (const { rule, kinds, note } of agreements)
  test(`${rule}, and a sidecar has a row of its own`, () => {
    const draft = draftOf(pods(...replicas));
    const detail = { runtimeInfo: {}, notes: [] };
    const outcomes = fullQueries(draft).map((query, index) => {
      const entries = { [`containerd://web-${index + 1}-0`]: { kind: obfuscate(kinds[index] ?? ""), detail } };
      const sidecar = { [`containerd://web-${index + 1}-init-0`]: { kind: obfuscate("Envoy"), detail } };
      const said = kinds[index] === "" ? {} : { shop: { [`web-${index + 1}`]: { ...entries, ...sidecar } } };
      return readAnswer(query, said, { detail: true });
    });
    assert.equal(
      inventoryRows(draft, answersOf(outcomes), outcomes).map((row) => `${row.container}: ${row.note}`),
      [`c0: ${note}`, `proxy: ${note}`],
    );
  });

test("rows are sorted by namespace, pod and container", () => {
  const rows = rowsOf(
    [
      { namespace: "b", name: "x", containers: [{ name: "z" }, { name: "a" }] },
      { namespace: "a", name: "y" },
      { namespace: "a", name: "x", containers: [{ command: ["x"] }] },
    ],
    failing,
  );
  assert.equal(
    rows.map((row) => `${row.namespace}/${row.pod}/${row.container}`),
    ["a/x/c0", "a/y/c0", "b/x/a", "b/x/z"],
  );
});

test("counts weigh rows by their pods, the most frequent first, ties by name, at most 20", () => {
  const row = (kind: string, kindVersion: string, count: number): InventoryRow => ({
    ...{ namespace: "a", pod: "p", container: "c", os: "", osVersion: "", kindImplementer: "", runtimes: [], note: "" },
    ...{ kind, kindVersion, pods: count },
  });
  assert.equal(
    topCounts([row("Java", "17", 1), row("Go", "1", 2), row("Java", "17", 2), row("", "", 1), row("Go", "0", 2)]),
    [
      { kind: "Java", version: "17", containers: 3 },
      { kind: "Go", version: "0", containers: 2 },
      { kind: "Go", version: "1", containers: 2 },
      { kind: "", version: "", containers: 1 },
    ],
  );
  assert.is(topCounts([row("a b", "c", 1), row("a", "b c", 1)]).length, 2, "a blank in a name is part of it");
  assert.is(topCounts(Array.from({ length: 30 }, (_, index) => row("Go", `${index}`, 1))).length, 20);
});

test.run();
