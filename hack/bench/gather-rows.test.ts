import { test } from "uvu";
import * as assert from "uvu/assert";
import { curve, ticksUpTo } from "./gather-curve.ts";
import type { GatherPart, Measured, Turn } from "./gather-plan.ts";
import { gatherTables } from "./gather-rows.ts";
import type { Row } from "./report.ts";

const turn = (fields: Partial<Turn> = {}): Turn => ({
  ...{
    floorListMs: 600,
    floorAskMs: 400,
    wallMs: 1_500,
    listMs: 900,
    askMs: 500,
    writeMs: 100,
    cpuMs: 1_200,
    peakMiB: 150,
  },
  ...fields,
});

function measured(part: GatherPart, pods: number, turns: readonly Turn[]): Measured {
  return {
    ...{ part, size: { pods, nodes: pods / 8, namespaces: 10 }, podLimit: 8_000, idleMiB: 90, restingMiB: 140, turns },
    counts: {
      ...{
        pods,
        containers: pods,
        shapes: 10,
        nodesAsked: pods / 8,
        nodesFailed: part === "broken" ? 10 : 0,
        podLists: 18,
      },
      ...{ posts: 1_000, floorRequests: 1_016, listedBytes: 6e7, answeredBytes: 4e6 },
    },
  };
}

const slowFirst = turn({ wallMs: 9_000, peakMiB: 199 });
const healthy = measured("healthy", 8_000, [slowFirst, turn(), turn({ wallMs: 1_700 }), turn({ wallMs: 1_600 })]);

function rowOf(all: readonly Measured[], title: RegExp, name: RegExp): Row | undefined {
  return gatherTables(all)
    .find((table) => title.test(table.title))
    ?.rows.find((row) => name.test(row.name));
}

for (const { rule, all, title, name, expected } of [
  {
    rule: "the time is the median of all gathers but the first, beside the floor's",
    ...{ all: [healthy], title: /^8000 pods on 1000 healthy/, name: /^a gather$/ },
    expected: { value: 1.6, floor: 1, ratio: 1.6, limit: 2, ok: true },
  },
  {
    rule: "the first gather of a process is given, not judged",
    ...{ all: [healthy], title: /healthy/, name: /first gather of a process/ },
    expected: { value: 9, floor: 1, limit: null },
  },
  {
    rule: "the memory is the most of all gathers, the first included",
    ...{ all: [healthy], title: /healthy/, name: /most of all gathers/ },
    expected: { value: 199, limit: 200, ok: true },
  },
  {
    rule: "more than twice the floor is too long",
    ...{ all: [measured("healthy", 8_000, [turn(), turn({ wallMs: 2_001 })])], title: /healthy/, name: /^a gather$/ },
    expected: { ratio: 2.001, ok: false },
  },
  {
    rule: "with broken nodes the difference to healthy ones is judged by the node timeout",
    ...{
      all: [healthy, measured("broken", 8_000, [turn(), turn({ wallMs: 6_700 })])],
      title: /slow or broken/,
      name: /longer/,
    },
    expected: { value: 5.1, limit: 5, ok: false },
  },
  {
    rule: "a pod of the largest cluster costs no more than one of 8000",
    ...{
      all: [healthy, measured("healthy", 16_000, [turn(), turn({ wallMs: 3_200 })])],
      title: /grows/,
      name: /beside a pod/,
    },
    expected: { ratio: 1, limit: 1.25, ok: true },
  },
  {
    rule: "no more pods than the limit are looked at",
    ...{
      all: [measured("limit", 20_000, [turn(), turn()])],
      title: /20000 pods and a limit of 8000/,
      name: /looked at/,
    },
    expected: { value: 20_000, limit: 8_000, ok: false },
  },
])
  test(rule, () => {
    const row = rowOf(all, title, name);
    for (const [key, value] of Object.entries(expected))
      assert.is(Object.entries(row ?? {}).find(([field]) => field === key)?.[1], value, key);
  });

for (const [value, ticks] of [
  [20_000, [0, 4_000, 8_000, 12_000, 16_000, 20_000]],
  [200, [0, 40, 80, 120, 160, 200]],
  [9.1, [0, 2, 4, 6, 8, 10]],
  [0.3, [0, 0.1, 0.2, 0.3]],
] as const)
  test(`an axis up to ${value}`, () => assert.equal(ticksUpTo(value), ticks));

test("the curve names its axes, their units and its lines, and has a point per size", () => {
  const svg = curve([measured("healthy", 1_000, [turn(), turn()]), healthy]);
  for (const word of ["pods", "seconds", "MiB", "gatherer", "floor", "2 x floor", "8000"])
    assert.match(svg, `>${word}`);
  assert.is(svg.match(/<circle /g)?.length, 6);
  assert.not.match(svg, /NaN|undefined|Infinity/);
});

test.run();
