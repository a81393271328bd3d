import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { wanted } from "./json-cursor.ts";
import { ListReader } from "./list.ts";

interface Read {
  readonly items: unknown[];
  readonly fields: unknown;
}

/** The list in pieces of that many bytes. */
function read(json: string, pieceBytes = 1 << 20): Read {
  const items: unknown[] = [];
  const reader = new ListReader({
    what: "reading",
    fields: wanted({ metadata: { continue: true } }),
    fieldsOfItem: wanted({ name: true }),
    onItem: (item) => items.push(item),
  });
  const bytes = Buffer.from(json);
  for (let at = 0; at < bytes.length; at += pieceBytes) reader.push(bytes.subarray(at, at + pieceBytes));
  reader.finish();
  return { items, fields: reader.fields };
}

for (const { rule, json, items, fields } of [
  {
    rule: "items and fields",
    json: '{"kind":"L","metadata":{"continue":"c","x":{}},"items":[{"name":"a","b":[{}]},{"name":"b"}]}',
    items: [{ name: "a" }, { name: "b" }],
    fields: { metadata: { continue: "c" }, items: [] },
  },
  {
    rule: "fields after the items",
    json: '{"items":[{"name":"a"}],"metadata":{"continue":"c","y":{}}}',
    items: [{ name: "a" }],
    fields: { items: [], metadata: { continue: "c" } },
  },
  { rule: "no items", json: '{"metadata":{}}', items: [], fields: { metadata: {} } },
  { rule: "an empty list", json: ' { "items" : [ ] } \n', items: [], fields: { items: [] } },
  {
    rule: "items that are no list stay what they are",
    json: '{"items":{"name":"a"}}',
    items: [],
    fields: { items: { name: "a" } },
  },
  {
    rule: "items that are no objects stay what they are",
    json: '{"items":[null,1,"{",[{}]]}',
    items: [null, 1, "{", [{}]],
    fields: { items: [] },
  },
  {
    rule: "a field of that name elsewhere is no list of items",
    json: '{"metadata":{"items":[{"name":"x"}]},"a":"\\"items\\":[","items":[]}',
    items: [],
    fields: { metadata: {}, items: [] },
  },
]) {
  test(rule, () => assert.equal(read(json), { items, fields }));
  test(`${rule}: byte by byte`, () => assert.equal(read(json, 1), { items, fields }));
}

for (const json of [
  "",
  "[]",
  "null",
  '"text"',
  '{"items":[{"name":"a"}',
  '{"items":[{"name":"a"}]',
  '{"items":[]}}',
  '{"items":[]} 1',
])
  test(`no list: ${json}`, () => assert.throws(() => read(json), /^reading: the answer is (no list in JSON|cut off)$/));

test("an item is handed on before the list ends, and the fields before it are known", () => {
  const items: unknown[] = [];
  const reader = new ListReader({
    what: "reading",
    fields: wanted({ metadata: true }),
    fieldsOfItem: wanted({ name: true }),
    onItem: (item) => items.push(item),
  });
  reader.push(Buffer.from(`{"metadata":{"continue":"c"},"items":[{"name":"a","long":"${"x".repeat(70_000)}"},{"na`));
  assert.equal(items, [{ name: "a" }]);
  assert.equal(reader.fields, { metadata: { continue: "c" }, items: [] });
});

test("pieces of any size make no difference, also within characters and items longer than a piece", () =>
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: "grapheme" })),
      fc.integer({ min: 1, max: 40 }),
      fc.nat(3),
      (names, pieceBytes, long) => {
        const all = names.map((name, index) => ({ name, filler: index === long ? "[é".repeat(70_000) : index }));
        assert.equal(
          read(JSON.stringify({ items: all }), pieceBytes * 997).items,
          names.map((name) => ({ name })),
        );
      },
    ),
    { numRuns: 40 },
  ));

test.run();
