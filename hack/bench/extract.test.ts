import { test } from "uvu";
import * as assert from "uvu/assert";
import { extractRows, mixture, wrongAnswers } from "./extract.ts";

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
        { group: "all", containers: 100, floorMs: [10, 99, 11], extractorMs: [44, 1, 60], cpu: 1 },
        { group: "shell", containers: 60, floorMs: [6], extractorMs: [30], cpu: 1 },
        { group: "none", containers: 0, floorMs: [1], extractorMs: [3], cpu: 1 },
      ],
      memory: { idleBytes: mebibytes(2.5), peakBytes: mebibytes(13), afterBytes: mebibytes(2.75) },
      calls: { shell: 130, go: 500 },
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
    ["start-up and process table, no container", 3, "ms", null, null, null, true],
    ["OS only, system calls of a container", 130, "calls", null, null, 120, false],
    ["Go, system calls of a container", 500, "calls", null, null, null, true],
    ["extractor and exporter, idle (PSS)", 2.5, "MiB", null, null, 4, true],
    ["extractor, children and exporter, peak (PSS)", 13, "MiB", null, null, 12, false],
    ["extractor and exporter, after ten scans (PSS)", 2.75, "MiB", null, null, 4, true],
    ["both programs, gzip", 1.5, "MB", null, null, 3, true],
  ]);
});

test.run();
