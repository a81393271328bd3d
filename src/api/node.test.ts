import { test } from "uvu";
import * as assert from "uvu/assert";
import { decodeNodeTable } from "./node.ts";

const table = (...cells: readonly (readonly unknown[])[]) => ({
  metadata: { continue: "next" },
  columnDefinitions: [{ name: "Name" }, { name: "Status" }],
  rows: cells.map((row) => ({ cells: row })),
});

const rows: readonly (readonly [rule: string, cells: readonly unknown[], name: string, ready: boolean])[] = [
  ["is ready", ["a", "Ready"], "a", true],
  ["takes no more pods", ["a", "Ready,SchedulingDisabled"], "a", true],
  ["is not ready", ["a", "NotReady"], "a", false],
  ["has gone, and takes no more pods", ["a", "NotReady,SchedulingDisabled"], "a", false],
  ["has too few cells", [], "", true],
  ["has cells that are no text", [7, null], "", true],
  ["has cells that cannot be made one", [{ toString: 1 }, { toString: null }], "", true],
];
for (const [rule, cells, name, ready] of rows)
  test(`a row of a node that ${rule}`, () =>
    assert.equal(decodeNodeTable(table(cells)), { nodes: [{ name, ready }], continueToken: "next" }));

test("a table without rows, and what is no table", () => {
  assert.equal(decodeNodeTable({ metadata: {} }), { nodes: [], continueToken: "" });
  for (const value of [undefined, "x", { rows: [] }, { metadata: {}, rows: [{}] }])
    assert.throws(() => decodeNodeTable(value));
});

test.run();
