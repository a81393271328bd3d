import { test } from "uvu";
import * as assert from "uvu/assert";
import { extractRows, mixture, wrongAnswers } from "./extract-rows.ts";

test("a hundred containers are 60 shells, 15 Node.js, 15 Java and 10 Go; other numbers keep the proportion", () => {
  for (const [containers, expected] of [
    [100, { shell: 60, node: 15, java: 15, go: 10 }],
    [20, { shell: 12, node: 3, java: 3, go: 2 }],
    [1, { shell: 1, node: 0, java: 0, go: 0 }],
  ] as const) {
    const kinds = mixture(containers);
    assert.is(kinds.length, containers);
    for (const [kind, times] of Object.entries(expected))
      assert.is(kinds.filter((k) => k === kind).length, times, kind);
  }
});

for (const [name, answers, expected] of [
  ["right answers", { "OS only": 1, "Node.js": 2 }, undefined],
  [
    "a container too few",
    { "OS only": 1, "Node.js": 1 },
    'expected [["Node.js",2],["OS only",1]], found [["Node.js",1],["OS only",1]]',
  ],
  ["nothing found", {}, 'expected [["Node.js",2],["OS only",1]], found []'],
] as const) {
  test(`answers are judged: ${name}`, () => {
    assert.is(wrongAnswers(["node", "shell", "node"], answers), expected);
  });
}

test("rows are medians per container beside the floor's, then memory and size", () => {
  const mebibytes = (count: number) => count * 1024 * 1024;
  const rows = extractRows(
    {
      processes: 400,
      answers: {},
      samples: [
        { group: "all", when: "fresh", containers: 100, floorMs: [10, 99, 11], extractorMs: [44, 1, 60] },
        { group: "shell", when: "fresh", containers: 60, floorMs: [6], extractorMs: [30] },
        { group: "shell", when: "cold", containers: 60, floorMs: [6], extractorMs: [30] },
        { group: "none", when: "fresh", containers: 0, floorMs: [1], extractorMs: [3] },
      ],
      growth: [
        { asked: 50, containers: 50, processes: 200, floorMs: [5], extractorMs: [23], noneMs: [3] },
        { asked: 10, containers: 250, processes: 1600, floorMs: [1], extractorMs: [14], noneMs: [10] },
      ],
      memory: {
        idleBytes: mebibytes(2.5),
        peakBytes: mebibytes(13),
        heavyBytes: mebibytes(11),
        afterBytes: mebibytes(2.75),
      },
      calls: { shell: 130, go: 110 },
    },
    1_500_000,
  );
  const facts = rows.map(({ name, value, unit, floor, ratio, limit, ok }) => [
    name,
    value,
    unit,
    floor,
    ratio,
    limit,
    ok,
  ]);
  assert.equal(facts, [
    ["all kinds together, per container", 0.44, "ms", 0.11, 4, 5, true],
    ["OS only, per container", 0.5, "ms", 0.1, 5, 4, false],
    ["OS only, per container, cold page cache", 0.5, "ms", 0.1, 5, null, true],
    ["start-up and process table, no container", 3, "ms", null, null, null, true],
    ["50 containers among 200 processes, per container", 0.46, "ms", 0.1, 4.6, null, true],
    ["50 containers among 200 processes, per container without start-up and pass", 0.4, "ms", null, null, null, true],
    ["50 containers among 200 processes, start-up and pass", 3, "ms", null, null, null, true],
    ["10 of 250 containers asked for among 1600 processes, per container", 1.4, "ms", 0.1, 14, null, true],
    [
      "10 of 250 containers asked for among 1600 processes, per container without start-up and pass",
      ...[0.4, "ms", null, null, null, true],
    ],
    ["10 of 250 containers asked for among 1600 processes, start-up and pass", 10, "ms", null, null, null, true],
    ["OS only, system calls of a container", 130, "calls", null, null, 120, false],
    ["Go, system calls of a container", 110, "calls", null, null, 120, true],
    ["extractor and exporter, idle (PSS)", 2.5, "MiB", null, null, 4, true],
    ["extractor, children and exporter, peak (PSS)", 13, "MiB", null, null, 12, false],
    ["the same, contents a hundred times as large, peak (PSS)", 11, "MiB", null, null, 12, true],
    ["extractor and exporter, after the scans (PSS)", 2.75, "MiB", null, null, 4, true],
    ["both programs, gzip", 1.5, "MB", null, null, 3, true],
  ]);
});

test.run();
