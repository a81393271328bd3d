import { test } from "uvu";
import * as assert from "uvu/assert";
import { beyond, problemsOf, sectionText } from "./permissions.ts";
import { reasons, tablesOf } from "./permissions-page.ts";
import type { Reasons } from "./reasons-rules.ts";
import { readShipped } from "./shipped.ts";

const facts = [{ of: "Role a", keys: ["get: pods"] }];
const known: Reasons = { "Role a": { "get: pods": { why: "looks", without: "blind", abuse: "sees" } } };

const rows: readonly (readonly [rule: string, reasons: Reasons, expected: RegExp | undefined])[] = [
  ["a line with a reason is fine", known, undefined],
  ["a line without a reason is told", {}, /^no reason for "get: pods" of Role a/],
  [
    "the reason for another role is none",
    { "Role b": known["Role a"] ?? {} },
    /^no reason for "get: pods" of Role a.*\n.*of Role b, which is not shipped/,
  ],
  [
    "a reason without a line is told",
    { "Role a": { ...known["Role a"], "list: pods": { why: "", without: "", abuse: "" } } },
    /^reason for "list: pods" of Role a, which is not shipped/,
  ],
];
for (const [rule, given, expected] of rows)
  test(rule, () => {
    const problems = problemsOf(facts, given).join("\n");
    if (expected === undefined) assert.is(problems, "");
    else assert.match(problems, expected);
  });

test("every line is a row with its reasons", () => {
  assert.is(
    sectionText({ heading: "Rules", text: "Some.", facts }, known),
    [
      "## Rules\n\nSome.\n\n### Role a\n",
      "| allowed | what for | without it | in an attacker's hands |\n| --- | --- | --- | --- |",
      "| get: `pods` | looks | blind | sees |",
    ].join("\n"),
  );
});

test("what another object has as well is not told again", () => {
  assert.equal(beyond({ of: "a", keys: ["x", "y"] }, { of: "b", keys: ["x"] }, "c"), { of: "c", keys: ["y"] });
});

test("all that is shipped has a reason, and nothing else has", () => {
  const shipped = Object.values(tablesOf(readShipped())).flat();
  assert.equal(problemsOf(shipped, reasons), []);
  assert.ok(shipped.flatMap(({ keys }) => keys).length > 80);
});

for (const never of [
  /escalate|impersonate/,
  /pods\/exec|serviceaccounts\/token|nodes\/proxy/,
  /^[^/]*\*/,
  /list.*: secrets, /,
])
  test(`no rule is like ${never}, as the page says`, () => {
    const { operatorRoles, operandRoles } = tablesOf(readShipped());
    const rules = [...operatorRoles, ...operandRoles].flatMap(({ keys }) => keys);
    assert.equal(
      rules.filter((rule) => never.test(rule)),
      [],
    );
  });

test.run();
