import { test } from "uvu";
import * as assert from "uvu/assert";
import { decodeConfig } from "./config.ts";
import { unknownFields } from "./unknown-fields.ts";

const rows: readonly (readonly [rule: string, raw: unknown, decoded: unknown, expected: readonly string[]])[] = [
  ["nothing", {}, {}, []],
  ["a default is no field that was given", {}, { a: 1 }, []],
  [
    "a field that was left out, and one below another",
    { b: 1, a: { c: 1, d: 1 } },
    { a: { d: 1 } },
    ["spec.a.c", "spec.b"],
  ],
  ["a value that became another one is known", { a: "11h", b: { c: 1 } }, { a: 1, b: "c" }, []],
  ["lists are not looked into", { a: [{ b: 1 }] }, { a: [{}] }, []],
];
for (const [rule, raw, decoded, expected] of rows)
  test(`unknown fields: ${rule}`, () => assert.equal(unknownFields(raw, decoded, "spec"), expected));

test("a config of a newer schema can be used, and names what is ignored", () => {
  const metadata = { name: "cluster", uid: "u", generation: 1, creationTimestamp: "2026-01-01T00:00:00Z" };
  const spec = { telepathy: "t", gather: { interval: "11h", novelty: "n" }, extractor: { nodeSelector: { a: "b" } } };
  const config = decodeConfig({ metadata, spec });
  assert.equal(config.kind === "valid" ? config.ignored : [], ["spec.gather.novelty", "spec.telepathy"]);
});

test.run();
