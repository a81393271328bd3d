import { test } from "uvu";
import * as assert from "uvu/assert";
import { descriptorsOf, displayName } from "./descriptors.ts";
import type { FieldSchema } from "./sources.ts";

const ui = (capability: string) => `urn:alm:descriptor:com.tectonic.ui:${capability}`;
const of = (properties: Record<string, FieldSchema>): FieldSchema => ({ type: "object", properties });

test("a field's kind of input follows from its schema", () => {
  const schema = of({
    mode: { type: "string", enum: ["On", "Off"], description: "Which." },
    count: { type: "integer" },
    is: { type: "boolean" },
    size: {},
  });
  assert.equal(descriptorsOf(schema, "spec"), [
    {
      path: "mode",
      displayName: "Mode",
      description: "Which.",
      "x-descriptors": [ui("select:On"), ui("select:Off")],
    },
    { path: "count", displayName: "Count", "x-descriptors": [ui("number")] },
    { path: "is", displayName: "Is", "x-descriptors": [ui("booleanSwitch")] },
    { path: "size", displayName: "Size", "x-descriptors": [ui("text")] },
  ]);
});

test("fields of an object are its group, and those of an array's items are one form each", () => {
  const schema = of({ a: of({ list: { type: "array", items: of({ key: { type: "string" } }) } }) });
  assert.equal(
    descriptorsOf(schema, "spec").map((one) => [one.path, one["x-descriptors"]]),
    [
      ["a", []],
      ["a.list", [ui("fieldGroup:a")]],
      ["a.list[0].key", [ui("text"), ui("arrayFieldGroup:list")]],
    ],
  );
});

test("an array of a status is shown as a whole, conditions in the console's own way", () => {
  const items = of({ type: { type: "string" } });
  const schema = of({ conditions: { type: "array", items }, list: { type: "array", items }, took: { type: "string" } });
  assert.equal(
    descriptorsOf(schema, "status").map((one) => [one.path, one["x-descriptors"]]),
    [
      ["conditions", ["urn:alm:descriptor:io.kubernetes.conditions"]],
      ["list", []],
      ["took", ["urn:alm:descriptor:text"]],
    ],
  );
});

for (const [name, expected] of [
  ["nodeTimeout", "Node timeout"],
  ["managementState", "Management state"],
  ["uid", "UID"],
  ["caConfigMapRef", "CA ConfigMap"],
  ["sha256", "SHA-256"],
] as const)
  test(`a field as words: ${name}`, () => {
    assert.is(displayName(name), expected);
  });

test.run();
