import { test } from "uvu";
import * as assert from "uvu/assert";
import { decodeDetail, decodeRuntimeInfo, type RuntimeInfo, saysNothing } from "./runtime.ts";

/** Real hashes, one with each letter of the alphabet that is neither letter nor digit. */
const [a, b, c, n, v] = ["yqx1WBefoIAq", "7RUYdckn49F8", "wbpgzhNYZQOi", "zBVuVhrrC_vC", "DzP5-GS6tDOQ"];
const empty: RuntimeInfo = { os: "", osVersion: "", kind: "", kindVersion: "", kindImplementer: "", runtimes: null };

const rows: readonly {
  readonly rule: string;
  readonly json: string;
  readonly expected: Partial<RuntimeInfo> | RegExp;
}[] = [
  {
    rule: "fields are copied",
    json: `{"os":"${a}","osVersion":"${b}","kind":"${c}","kindVersion":"${n}","kindImplementer":"${v}"}`,
    expected: { os: a, osVersion: b, kind: c, kindVersion: n, kindImplementer: v },
  },
  {
    rule: "keys match in any case",
    json: `{"OS":"${a}","KINDVERSION":"${b}","Runtimes":[{"NAME":"${n}","Version":"${v}"}]}`,
    expected: { os: a, kindVersion: b, runtimes: [{ name: n, version: v }] },
  },
  {
    rule: "two characters beyond ASCII match as in Go",
    json: `{"o\u017f":"${a}","\u212aind":"${b}"}`,
    expected: { os: a, kind: b },
  },
  { rule: "of keys that differ in case the last wins", json: `{"OS":"${a}","os":"${b}"}`, expected: { os: b } },
  { rule: "a null does not take a value away", json: `{"os":"${a}","OS":null}`, expected: { os: a } },
  { rule: "unknown keys are ignored", json: `{"os":"${a}","else":{"x":1},"__proto__":1}`, expected: { os: a } },
  { rule: "nulls are absent", json: '{"os":null,"runtimes":null}', expected: {} },
  { rule: "a null entry is empty", json: "null", expected: {} },
  { rule: "an empty list stays a list", json: '{"runtimes":[]}', expected: { runtimes: [] } },
  {
    rule: "a null in the list is an empty component, in its place",
    json: `{"runtimes":[null,{"name":"${n}"}]}`,
    expected: {
      runtimes: [
        { name: "", version: "" },
        { name: n, version: "" },
      ],
    },
  },
  {
    rule: "empty texts are what upstream leaves unknown",
    json: '{"os":"","runtimes":[{"name":""}]}',
    expected: { runtimes: [{ name: "", version: "" }] },
  },
  {
    rule: "clear text is refused, without being quoted",
    json: '{"kindVersion":"17.0.13"}',
    expected: /^kindversion: it is not a hash$/,
  },
  {
    rule: "clear text of a framework is refused",
    json: `{"os":"${a}","runtimes":[{"name":"Quarkus"}]}`,
    expected: /^runtimes\.0\.name: it is not a hash$/,
  },
  { rule: "a hash and a newline is none", json: `{"os":"${a}\\n"}`, expected: /^os: it is not a hash$/ },
  { rule: "a shorter one is none", json: '{"os":"yqx1WBefoIA"}', expected: /^os: it is not a hash$/ },
  { rule: "a longer one is none", json: '{"os":"yqx1WBefoIAq4"}', expected: /^os: it is not a hash$/ },
  { rule: "the other base64 alphabet is none", json: '{"os":"DzP5+GS6tDOQ"}', expected: /^os: it is not a hash$/ },
  { rule: "padding is none", json: '{"os":"yqx1WBefoI=="}', expected: /^os: it is not a hash$/ },
  { rule: "a space is none", json: '{"os":"Oracle Linux"}', expected: /^os: it is not a hash$/ },
  { rule: "a number for a text is refused", json: '{"os":1}', expected: /^os: / },
  { rule: "an object for the list is refused", json: '{"runtimes":{}}', expected: /^runtimes: / },
  {
    rule: "a wrong version in the list is refused",
    json: '{"runtimes":[{"version":[]}]}',
    expected: /^runtimes\.0\.version: /,
  },
  { rule: "a list for the entry is refused", json: "[]", expected: /^the entry: / },
];
for (const { rule, json, expected } of rows)
  test(rule, () => {
    const decoded = decodeRuntimeInfo(JSON.parse(json));
    if (expected instanceof RegExp) assert.match(decoded.ok ? "" : decoded.problem, expected);
    else assert.equal(decoded, { ok: true, value: { ...empty, ...expected } });
  });

test("an entry says nothing when all is empty, but an empty list is something", () => {
  assert.is(saysNothing(empty), true);
  assert.is(saysNothing({ ...empty, runtimes: [] }), false);
  assert.is(saysNothing({ ...empty, kindImplementer: "x" }), false);
});

test("no detail is no problem; a wrong one names its field", () => {
  assert.equal(decodeDetail({ os: "a" }), { ok: true, value: undefined });
  assert.equal(decodeDetail(null), { ok: true, value: undefined });
  const wrong = decodeDetail({ detail: { notes: [{ about: 1 }] } });
  assert.match(wrong.ok ? "" : wrong.problem, /^notes\.0\.about: /);
});

test("a detail is read with defaults, and what the inventory does not show is left out", () => {
  const detail = {
    containerName: "app",
    runtimeInfo: { os: "debian", runtimes: [{ name: "n" }] },
    processes: [],
    notes: [],
  };
  assert.equal(decodeDetail({ detail }), {
    ok: true,
    value: {
      containerName: "app",
      runtimeInfo: { ...empty, os: "debian", runtimes: [{ name: "n", version: "" }] },
      notes: [],
    },
  });
});

test("clear text that a terminal would obey is made harmless", () => {
  const kind = "Java\u001b[2J\r\n\u202e71\ud800";
  const decoded = decodeDetail({
    detail: { containerName: "c", runtimeInfo: { kind, runtimes: [{ name: "\u0007" }] } },
  });
  const info = decoded.ok ? decoded.value?.runtimeInfo : undefined;
  assert.is(info?.kind, "Java\ufffd[2J\ufffd\ufffd\ufffd71\ufffd");
  assert.equal(info?.runtimes, [{ name: "\ufffd", version: "" }]);
});

test.run();
