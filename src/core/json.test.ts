import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { goJson, type Json } from "./json.ts";

const rows: readonly { readonly rule: string; readonly value: Json; readonly text: string }[] = [
  { rule: "no blanks, no newline", value: { a: [1, true, null] }, text: '{"a":[1,true,null]}' },
  { rule: "keys of an object in the order given", value: { b: 1, a: 2 }, text: '{"b":1,"a":2}' },
  {
    rule: "keys of a map sorted, whatever they look like",
    value: new Map<string, Json>([
      ["b", 1],
      ["10", 2],
      ["__proto__", 3],
      ["9", 4],
    ]),
    text: '{"10":2,"9":4,"__proto__":3,"b":1}',
  },
  { rule: "undefined is left out", value: { a: undefined, b: 1 }, text: '{"b":1}' },
  { rule: "an empty map and an empty list are written", value: { a: new Map(), b: [] }, text: '{"a":{},"b":[]}' },
  { rule: "<, > and & are escaped", value: "<a&b>", text: '"\\u003ca\\u0026b\\u003e"' },
  { rule: "U+2028 and U+2029 are escaped", value: "\u2028\u2029", text: '"\\u2028\\u2029"' },
  { rule: "a lone surrogate becomes U+FFFD, unescaped", value: "a\ud800", text: '"a\ufffd"' },
  {
    rule: "control characters as Go escapes them",
    value: "\b\f\n\r\t\u0001\u007f",
    text: '"\\b\\f\\n\\r\\t\\u0001\u007f"',
  },
  { rule: "other characters stay as they are", value: "\u00e9\u{1f600}'", text: '"\u00e9\u{1f600}\'"' },
  { rule: "a fraction of a second", value: 12.345, text: "12.345" },
];
for (const { rule, value, text } of rows) test(rule, () => assert.is(goJson(value), text));

test("what is written parses back", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const json = value as Json;
      assert.equal(JSON.parse(goJson(json)), JSON.parse(JSON.stringify(json)));
    }),
  );
});

const short: ReadonlyMap<number, string> = new Map([
  [8, "\\b"],
  [9, "\\t"],
  [10, "\\n"],
  [12, "\\f"],
  [13, "\\r"],
  [34, '\\"'],
  [92, "\\\\"],
]);
/** One code point as Go writes it, told by its number alone. */
function escaped(point: number): string {
  const isLong = point < 0x20 || [0x3c, 0x3e, 0x26, 0x2028, 0x2029].includes(point);
  if (point >= 0xd800 && point <= 0xdfff) return "\ufffd";
  return short.get(point) ?? (isLong ? `\\u${point.toString(16).padStart(4, "0")}` : String.fromCodePoint(point));
}
const units = fc
  .array(fc.oneof(fc.nat(0x7f), fc.nat(0xffff), fc.constantFrom(0x2028, 0x2029, 0xd800, 0xdc00)))
  .map((codes) => String.fromCharCode(...codes));

test("text of any UTF-16 units, halves of pairs too, is written point by point", () => {
  fc.assert(
    fc.property(units, (text) => {
      const points = Array.from(text, (character) => escaped(character.codePointAt(0) ?? 0));
      assert.is(goJson(text), `"${points.join("")}"`);
      assert.is(goJson({ [text]: text }), `{${goJson(text)}:${goJson(text)}}`);
    }),
    { numRuns: 1_000 },
  );
});

test("text of any code points parses back and holds none that HTML would see", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const written = goJson(text);
      assert.is(JSON.parse(written), text.toWellFormed());
      assert.not.match(written, /[<>&\u2028\u2029]/);
    }),
  );
});

test.run();
