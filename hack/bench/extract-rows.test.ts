import { test } from "uvu";
import * as assert from "uvu/assert";
import { extractTables, mixture, toldAs, wrongAnswers } from "./extract-rows.ts";

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

const told = {
  ...{ shell: "debian 12", node: "debian 12; Node.js v24.1.0", java: "", go: "", python: "" },
  ...{ framework: "", large: "", heavy: "" },
};
const containers = [
  { id: "a", kind: "shell" },
  { id: "b", kind: "node" },
] as const;

for (const [name, answers, expected] of [
  ["right answers", { a: "debian 12", b: "debian 12; Node.js v24.1.0" }, undefined],
  [
    "a container too few",
    { b: "debian 12; Node.js v24.1.0" },
    '1 of 2 containers are told wrong: shell is "debian 12", not "nothing at all"',
  ],
  [
    "answers of each other",
    { a: "debian 12; Node.js v24.1.0", b: "debian 12" },
    '2 of 2 containers are told wrong: shell is "debian 12", not "debian 12; Node.js v24.1.0", ' +
      'node is "debian 12; Node.js v24.1.0", not "debian 12"',
  ],
  [
    "another version",
    { a: "debian 12", b: "debian 12; Node.js v22.1.0" },
    '1 of 2 containers are told wrong: node is "debian 12; Node.js v24.1.0", not "debian 12; Node.js v22.1.0"',
  ],
] as const) {
  test(`answers are judged: ${name}`, () => {
    assert.is(wrongAnswers(containers, told, answers), expected);
  });
}

for (const [name, info, expected] of [
  ["nothing known", {}, ""],
  ["a system alone", { os: "debian", osVersion: "12" }, "debian 12"],
  ["a kind without a version", { os: "debian", osVersion: "12", kind: "C/C++" }, "debian 12; C/C++"],
  [
    "a framework",
    { os: "a", kind: "Java", kindVersion: "17.0.1", runtimes: [{ name: "Spring Boot", version: "3.5.0" }] },
    "a; Java 17.0.1; Spring Boot 3.5.0",
  ],
] as const) {
  test(`an answer is one line: ${name}`, () => {
    assert.is(toldAs(info), expected);
  });
}

test("rows are medians per container beside the floor's, then memory and size", () => {
  const mebibytes = (count: number) => count * 1024 * 1024;
  const tables = extractTables(
    {
      processes: 400,
      samples: [
        { group: "all", when: "fresh", containers: 100, floorMs: [10, 99, 11], extractorMs: [44, 1, 60] },
        { group: "shell", when: "fresh", containers: 60, floorMs: [6], extractorMs: [30] },
        { group: "shell", when: "cold", containers: 60, floorMs: [6], extractorMs: [30] },
        { group: "none", when: "fresh", containers: 0, floorMs: [1], extractorMs: [3] },
      ],
      growth: [
        { asked: 10, containers: 10, processes: 200, floorMs: [1], extractorMs: [7], noneMs: [3] },
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
  const facts = tables
    .flatMap(({ rows }) => rows)
    .map(({ name, value, unit, floor, ratio, limit, ok }) => [name, value, unit, floor, ratio, limit, ok]);
  assert.equal(facts, [
    ["all kinds together, per container", 0.44, "ms", 0.11, 4, 5, true],
    ["OS only, per container", 0.5, "ms", 0.1, 5, 4, false],
    ["OS only, per container, cold page cache", 0.5, "ms", 0.1, 5, null, true],
    ["start-up and process table, no container", 3, "ms", null, null, null, true],
    ["OS only, system calls of a container", 130, "calls", null, null, 120, false],
    ["Go, system calls of a container", 110, "calls", null, null, 120, true],
    ["10 containers among 200 processes, per container", 0.7, "ms", 0.1, 7, null, true],
    ["10 containers among 200 processes, per container without start-up and pass", 0.4, "ms", null, null, null, true],
    ["10 containers among 200 processes, start-up and pass", 3, "ms", null, null, null, true],
    ["50 containers among 200 processes, per container", 0.46, "ms", 0.1, 4.6, null, true],
    ["50 containers among 200 processes, per container without start-up and pass", 0.4, "ms", null, null, null, true],
    ["50 containers among 200 processes, start-up and pass", 3, "ms", null, null, null, true],
    ["10 of 250 containers asked for among 1600 processes, per container", 1.4, "ms", 0.1, 14, null, true],
    [
      "10 of 250 containers asked for among 1600 processes, per container without start-up and pass",
      ...[0.4, "ms", null, null, null, true],
    ],
    ["10 of 250 containers asked for among 1600 processes, start-up and pass", 10, "ms", null, null, null, true],
    [
      "10 of 250 beside 10 alone (as floor), per container without start-up and pass",
      ...[0.4, "ms", 0.4, 1, 1.25, true],
    ],
    ["extractor and exporter, idle (PSS)", 2.5, "MiB", null, null, 4, true],
    ["extractor, children and exporter, peak (PSS)", 13, "MiB", null, null, 12, false],
    ["the same, contents a hundred times as large, peak (PSS)", 11, "MiB", null, null, 12, true],
    ["the second peak beside the first (as floor)", 11, "MiB", 13, 0.8462, 1.25, true],
    ["extractor and exporter, after the scans (PSS)", 2.75, "MiB", null, null, 4, true],
    ["both programs, gzip", 1.5, "MB", null, null, 3, true],
  ]);
});

test("what was not measured has no row", () => {
  const tables = extractTables({ processes: 40, samples: [], growth: [], memory: null, calls: {} }, 1_500_000);
  assert.equal(
    tables.map(({ title, rows }) => [title, ...rows.map(({ name }) => name)]),
    [["Memory and size", "both programs, gzip"]],
  );
});

test.run();
