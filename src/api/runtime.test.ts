import { test } from "uvu";
import * as assert from "uvu/assert";
import { decodeDetail, decodeRuntimeInfo, type RuntimeInfo, saysNothing } from "./runtime.ts";

const empty: RuntimeInfo = { os: "", osVersion: "", kind: "", kindVersion: "", kindImplementer: "", runtimes: null };

const rows: readonly {
  readonly rule: string;
  readonly json: string;
  readonly expected: Partial<RuntimeInfo> | RegExp;
}[] = [
  {
    rule: "fields are copied",
    json: '{"os":"a","osVersion":"b","kind":"c"}',
    expected: { os: "a", osVersion: "b", kind: "c" },
  },
  {
    rule: "keys match in any case",
    json: '{"OS":"a","KINDVERSION":"b","Runtimes":[{"NAME":"n","Version":"v"}]}',
    expected: { os: "a", kindVersion: "b", runtimes: [{ name: "n", version: "v" }] },
  },
  {
    rule: "two characters beyond ASCII match as in Go",
    json: '{"o\u017f":"a","\u212aind":"b"}',
    expected: { os: "a", kind: "b" },
  },
  { rule: "of keys that differ in case the last wins", json: '{"OS":"a","os":"b"}', expected: { os: "b" } },
  { rule: "a null does not take a value away", json: '{"os":"a","OS":null}', expected: { os: "a" } },
  { rule: "unknown keys are ignored", json: '{"os":"a","else":{"x":1},"__proto__":1}', expected: { os: "a" } },
  { rule: "nulls are absent", json: '{"os":null,"runtimes":null}', expected: {} },
  { rule: "a null entry is empty", json: "null", expected: {} },
  { rule: "an empty list stays a list", json: '{"runtimes":[]}', expected: { runtimes: [] } },
  {
    rule: "a null in the list is an empty component, in its place",
    json: '{"runtimes":[null,{"name":"n"}]}',
    expected: {
      runtimes: [
        { name: "", version: "" },
        { name: "n", version: "" },
      ],
    },
  },
  { rule: "a lone surrogate becomes U+FFFD", json: '{"os":"\\ud800"}', expected: { os: "\ufffd" } },
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
