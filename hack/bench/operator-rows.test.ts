import { test } from "uvu";
import * as assert from "uvu/assert";
import type { FlipsFound, Found, Memory, MemoryFound, SteadyFound } from "./operator-plan.ts";
import { operatorTables } from "./operator-rows.ts";
import type { Row } from "./report.ts";

const memory = (residentMiB: number): Memory => ({ what: "", residentMiB, peakMiB: residentMiB + 5, heapMiB: 25 });
const memoryFound: MemoryFound = {
  ...{ part: "memory", bareMiB: 44, floorMiB: 80, floorStartMs: 300 },
  starts: [700, 900, 2_900].map((ms) => ({ leadingMs: ms, firstRunMs: ms + 200 })),
  ...{ idle: memory(88), configured: memory(94), large: memory(100), churned: memory(118) },
};
const flips: FlipsFound = {
  part: "flips",
  objects: 8,
  flips: [
    { to: "on", ms: 300, floorMs: 100 },
    { to: "on", ms: 2_500, floorMs: 100 },
    { to: "on", ms: 200, floorMs: 100 },
    { to: "off", ms: 150, floorMs: 10 },
  ],
};
const steady: SteadyFound = {
  ...{ part: "steady", sampleMs: 300_000, openWatches: 20, memory: memory(99) },
  sample: { reads: 30, watches: 10, leaseWrites: 11, otherWrites: [] },
  start: { reads: 60, watches: 20, leaseWrites: 1, otherWrites: [] },
  run: { reads: 25, watches: 0, leaseWrites: 0, otherWrites: [] },
};

function rowOf(all: readonly Found[], name: RegExp): Partial<Row> | undefined {
  return operatorTables(all)
    .flatMap(({ rows }) => rows)
    .find((row) => name.test(row.name));
}

for (const { rule, all, name, expected } of [
  {
    rule: "memory is judged by the largest it ever was",
    ...{ all: [memoryFound], name: /^1000 nodes, largest/, expected: { value: 123, limit: 120, ok: false } },
  },
  {
    rule: "memory is shown beside that of the floor",
    ...{ all: [memoryFound], name: /beside its floor/, expected: { value: 88, floor: 80, ratio: 1.1, limit: null } },
  },
  {
    rule: "a start is the median of all",
    ...{ all: [memoryFound], name: /until all loops have run/, expected: { value: 1.1, floor: 0.3 } },
  },
  {
    rule: "flips are told by their median",
    ...{ all: [flips], name: /^gate on.*median$/, expected: { value: 300, limit: 2_000, ok: true } },
  },
  {
    rule: "and by the worst, which may not miss the figure either",
    ...{ all: [flips], name: /^gate on.*worst of 3/, expected: { value: 2_500, limit: 2_000, ok: false } },
  },
  {
    rule: "flips off are apart from flips on",
    ...{ all: [flips], name: /^gate off.*beside/, expected: { value: 150, floor: 10, ratio: 15 } },
  },
  {
    rule: "requests of the sample are told per hour",
    ...{ all: [steady], name: /^steady state, an hour$/, expected: { value: 612 } },
  },
  {
    rule: "no write but the Lease is fine",
    ...{ all: [steady], name: /other writes/, expected: { value: 0, limit: 0, ok: true } },
  },
  {
    rule: "a single write more is not",
    all: [{ ...steady, sample: { ...steady.sample, otherWrites: ["PATCH /a"] } }],
    ...{ name: /other writes/, expected: { value: 12, limit: 0, ok: false } },
  },
] as const)
  test(rule, () => {
    const found = rowOf(all, name);
    assert.equal({ ...found, ...expected }, found);
  });

test.run();
