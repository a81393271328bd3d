import { test } from "uvu";
import * as assert from "uvu/assert";
import { asText, median, row, withSection } from "./report.ts";

const timed = row({ name: "OS only", value: 0.3, unit: "ms", floor: 0.1, limit: 4 });

for (const [name, actual, expected] of [
  ["with a floor the ratio is judged", timed, { floor: 0.1, ratio: 3, limit: 4, ok: true }],
  [
    "a ratio beyond the limit is not ok",
    row({ name: "", value: 5, unit: "ms", floor: 1, limit: 4 }),
    { ratio: 5, ok: false },
  ],
  [
    "without a floor the value is judged",
    row({ name: "", value: 13, unit: "MiB", limit: 12 }),
    { floor: null, ratio: null, ok: false },
  ],
  ["without a limit everything is ok", row({ name: "", value: 13, unit: "ms" }), { limit: null, ok: true }],
  ["values keep four digits", row({ name: "", value: 1.23456, unit: "ms" }), { value: 1.235 }],
] as const) {
  test(name, () => {
    for (const [key, value] of Object.entries(expected))
      assert.is(Object.entries(actual).find(([k]) => k === key)?.[1], value, key);
  });
}

test("the median is the middle, or the mean of two", () => {
  assert.is(median([3, 1, 2]), 2);
  assert.is(median([4, 1, 2, 3]), 2.5);
  assert.is(median([7]), 7);
  assert.throws(() => median([]), "no median");
});

test("a table shows the limit as what it limits", () => {
  const rows = [
    timed,
    row({ name: "memory", value: 3, unit: "MiB", limit: 4 }),
    row({ name: "slow", value: 9, unit: "ms", floor: 1, limit: 4 }),
  ];
  assert.is(
    asText([{ title: "Cost", rows }]),
    [
      "Cost",
      "",
      "WHAT      VALUE   UNIT   FLOOR   RATIO   LIMIT   OK",
      "OS only   0.3     ms     0.1     3 x     4 x     yes",
      "memory    3       MiB                    4       yes",
      "slow      9       ms     1       9 x     4 x     NO",
    ].join("\n"),
  );
});

test("a section is added once and replaced afterwards, the rest stays", () => {
  const first = withSection("# Benchmarks\n\nWords.\n", "extract", {
    tables: [{ title: "Cost", rows: [timed] }],
    method: ["Measured."],
  });
  assert.match(
    first,
    /^# Benchmarks\n\nWords\.\n\n## extract\n\n<!-- begin extract -->\n- Measured\.\n\nCost:\n\n\| what \|/,
  );
  assert.match(first, "| OS only | 0.3 | ms | 0.1 | 3 x | 4 x | yes |");
  const both = withSection(first, "gather", { tables: [], method: [] });
  const again = withSection(both, "extract", { tables: [], method: ["Anew."] });
  assert.is(again.split("<!-- begin extract -->").length, 2);
  assert.match(again, "Anew.");
  assert.not.match(again, "Measured.");
  assert.match(again, "<!-- end gather -->");
});

test.run();
