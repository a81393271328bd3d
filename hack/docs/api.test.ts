import { test } from "uvu";
import * as assert from "uvu/assert";
import { apiPage, crdSchema, undescribed } from "./api.ts";

const string = { type: "string", description: "Words." };
const crdOf = (properties: object, over: object = {}) =>
  crdSchema.parse({
    spec: {
      group: "example.com",
      scope: "Cluster",
      names: { kind: "Thing", plural: "things", shortNames: ["th"] },
      versions: [
        {
          name: "v1",
          additionalPrinterColumns: [
            { name: "A", jsonPath: ".spec.a" },
            { name: "B", jsonPath: ".spec.b", priority: 1 },
          ],
          schema: {
            openAPIV3Schema: {
              description: "A thing.",
              properties: { spec: { description: "Wanted.", type: "object", properties, ...over } },
            },
          },
        },
      ],
    },
  });
const rowsOf = (properties: object, over?: object): readonly string[] =>
  apiPage([crdOf(properties, over)])
    .split("\n")
    .filter((line) => line.startsWith("| `spec"));

const rows: readonly (readonly [rule: string, rows: readonly string[], expected: readonly string[]])[] = [
  ["a field with its default", rowsOf({ a: { ...string, default: "x" } }), ["| `spec.a` | string | `x` |  | Words. |"]],
  [
    "a field that must be there",
    rowsOf({ a: string }, { required: ["a"] }),
    ["| `spec.a` | string | required |  | Words. |"],
  ],
  [
    "words that it may be",
    rowsOf({ a: { ...string, enum: ["x", "y"] } }),
    ["| `spec.a` | string |  | `x`, `y` | Words. |"],
  ],
  [
    "a pattern does not break the table",
    rowsOf({ a: { ...string, pattern: "^(a|b)$", maxLength: 5 } }),
    ["| `spec.a` | string |  | at most 5 characters; `^(a\\|b)$` | Words. |"],
  ],
  [
    "a number between two bounds",
    rowsOf({ a: { ...string, type: "integer", minimum: 1, maximum: 9 } }),
    ["| `spec.a` | integer |  | 1 to 9 | Words. |"],
  ],
  [
    "a number with one bound",
    rowsOf({ a: { ...string, type: "integer", minimum: 0 } }),
    ["| `spec.a` | integer |  | at least 0 | Words. |"],
  ],
  [
    "a duration has its bounds and not its form",
    rowsOf({
      a: {
        ...string,
        ...{ maxLength: 20, pattern: "^x$", default: "5m" },
        "x-kubernetes-validations": [{ rule: "duration(self) >= duration('1s')", message: "must be at least 1s" }],
      },
    }),
    ["| `spec.a` | duration | `5m` | must be at least 1s | Words. |"],
  ],
  [
    "a quantity has no form",
    rowsOf({ a: { description: "Much.", "x-kubernetes-int-or-string": true, pattern: "^x$", maxLength: 3 } }),
    ["| `spec.a` | quantity |  |  | Much. |"],
  ],
  [
    "a list of objects, and what is in them",
    rowsOf({
      a: { ...string, type: "array", maxItems: 2, items: { type: "object", properties: { b: string } } },
    }),
    ["| `spec.a` | list of object |  | at most 2 items | Words. |", "| `spec.a[].b` | string |  |  | Words. |"],
  ],
  [
    "a list of words, and what each may be",
    rowsOf({ a: { description: "Many.", "x-kubernetes-list-type": "set", items: { type: "string", maxLength: 3 } } }),
    ["| `spec.a` | list of string |  | no value twice; each: at most 3 characters | Many. |"],
  ],
  [
    "a map",
    rowsOf({ a: { ...string, type: "object", additionalProperties: { type: "string" } } }),
    ["| `spec.a` | map to string |  |  | Words. |"],
  ],
  [
    "an object before its fields, without its default",
    rowsOf({ a: { ...string, type: "object", default: {}, properties: { b: string } } }),
    ["| `spec.a` | object |  |  | Words. |", "| `spec.a.b` | string |  |  | Words. |"],
  ],
];
for (const [rule, found, expected] of rows) test(`a row: ${rule}`, () => assert.equal(found, expected));

test("rules of the whole spec stand above its table", () => {
  const rule = { rule: "self == oldSelf", message: "it cannot be changed" };
  assert.match(
    apiPage([crdOf({}, { "x-kubernetes-validations": [rule] })]),
    "The API server holds it to: it cannot be changed.",
  );
});

test("columns say where they come from and whether they are always shown", () => {
  const page = apiPage([crdOf({})]);
  assert.match(page, "| A | `.spec.a` |  |");
  assert.match(page, "| B | `.spec.b` | with `-o wide` |");
});

test("fields without description are told, at any depth", () => {
  const crd = crdOf({ a: { description: "Many.", items: { properties: { b: { type: "string" } } } }, c: string });
  assert.equal(undescribed([crd]), ["Thing.spec.a[].b has no description: give it one in src/api"]);
});

test.run();
