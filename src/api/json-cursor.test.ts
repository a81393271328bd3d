import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Incomplete, JsonCursor, wanted } from "./json-cursor.ts";

const which = wanted({ name: true, list: { id: true }, deep: { er: { x: true } } });
const read = (json: string) => new JsonCursor(Buffer.from(json)).value(which);

for (const { rule, json, value } of [
  {
    rule: "fields that are not wanted are left out",
    json: '{"a":1,"name":"x","b":[{"name":"y"}]}',
    value: { name: "x" },
  },
  {
    rule: "of a list, those of each element",
    json: '{"list":[{"id":1,"no":2},{},{"id":[{"no":3}]}]}',
    value: { list: [{ id: 1 }, {}, { id: [{ no: 3 }] }] },
  },
  {
    rule: "a wanted value is read in whole",
    json: '{"name":{"a":[1,null,true,-2.5e3]}}',
    value: { name: { a: [1, null, true, -2500] } },
  },
  {
    rule: "other types than expected stay what they are",
    json: '{"list":"text","deep":null,"name":false}',
    value: { list: "text", deep: null, name: false },
  },
  {
    rule: "elements of other types too",
    json: '{"list":[1,"x",null,[{"id":1,"no":2}]]}',
    value: { list: [1, "x", null, [{ id: 1, no: 2 }]] },
  },
  {
    rule: "brackets and quotes within strings are text",
    json: '{"a":"}]\\"{","name":"[\\"{"}',
    value: { name: '["{' },
  },
  { rule: "a backslash before the end of a string", json: '{"a":"\\\\","name":"\\\\"}', value: { name: "\\" } },
  { rule: "names may be written with escapes", json: '{"n\\u0061me":"x"}', value: { name: "x" } },
  { rule: "the last of two fields of a name", json: '{"name":1,"name":2}', value: { name: 2 } },
  { rule: "white space anywhere", json: ' {\n"name" :\t"x" , "list" : [ { } ] }', value: { name: "x", list: [{}] } },
  { rule: "characters of several bytes", json: '{"ä":"ö","name":"€𝄞"}', value: { name: "€𝄞" } },
  { rule: "lone surrogates as JSON.parse reads them", json: '{"name":"\\ud800"}', value: { name: "\ud800" } },
  { rule: "a number is none of the fields", json: "12 ", value: 12 },
  { rule: "names of an object's own", json: '{"__proto__":{"name":1},"constructor":2}', value: {} },
])
  test(rule, () => assert.equal(read(json), value));

for (const json of [
  '{"name" "x"}',
  '{name:"x"}',
  '{"name":}',
  '{"name":tru}',
  '{"name":"\\q"}',
  '{"list":[1 2]}',
  '{"name":1 "a":2}',
  "}",
])
  test(`not JSON: ${json}`, () =>
    assert.throws(
      () => read(json),
      (error: unknown) => error instanceof SyntaxError,
    ));

test("nesting of any depth is passed over, or read in whole", () => {
  const nested = "[".repeat(200_000) + "]".repeat(200_000);
  assert.equal(read(`{"a":${nested},"name":"x"}`), { name: "x" });
  const { list } = Object(read(`{"list":[${nested}]}`));
  assert.is(list.length, 1);
});

/** As the cursor reads with everything wanted at the top and `x` below. */
test("what is read is what JSON.parse reads, and every cut of it is incomplete", () =>
  fc.assert(
    fc.property(fc.json(), fc.string({ unit: "binary" }), (inner, name) => {
      const json = `{"skipped":${inner},${JSON.stringify(name)}:${inner},"kept":${inner}}`;
      const bytes = Buffer.from(json);
      const value = new JsonCursor(bytes).value(wanted({ kept: true }));
      assert.equal(value, { kept: JSON.parse(json).kept });
      for (let end = 0; end < bytes.length; end += 1)
        assert.throws(
          () => new JsonCursor(bytes.subarray(0, end)).value(wanted({ kept: true })),
          (error: unknown) => error instanceof Incomplete || error instanceof SyntaxError,
        );
    }),
  ));

test.run();
