import { test } from "uvu";
import * as assert from "uvu/assert";
import { driftOf, type World } from "./drift.ts";
import { anchorOf, pageOf } from "./markdown.ts";
import { readPages, readWorld } from "./world.ts";

const world: World = {
  exists: (path) => ["docs/a.md", "docs/b.md", "hack/x.ts"].includes(path),
  anchorsOf: () => new Set(["there"]),
  scripts: new Map([["build", "name: { type: 'string' }, `--fast`"]]),
  fields: new Set(["spec.a", "spec.a.b", "status.c"]),
  foreignFields: new Set(["spec.theirs"]),
  names: new Set(["runtime-insights", "runtime-insights-operator"]),
  problemOfObject: (object) => (JSON.stringify(object).includes("wrong") ? "it is wrong" : undefined),
};

const rows: readonly (readonly [rule: string, text: string, expected: readonly string[]])[] = [
  ["a link to a page that is there", "[b](b.md) and [c](b.md#there) and [d](#there)", []],
  ["a link to the outside is not followed", "[b](https://example.com/b.md)", []],
  ["a link to nowhere", "[b](c.md)", ["link to c.md, which is not there"]],
  ["a link to a heading that is not there", "[b](b.md#gone)", ["link to b.md#gone, which has no such heading"]],
  ["what looks like a link in code is none", "`[a](b)`", []],
  ["a file that is there", "see `hack/x.ts`", []],
  ["a file that is not", "see `hack/y.ts`", ["file hack/y.ts, which is not there"]],
  ["a file in a command", "    kubectl apply -f docs/c.yaml", ["file docs/c.yaml, which is not there"]],
  ["a file for the reader to name", "`docs/NAME.md`", []],
  ["a script that is there, with its options", "`npm run build -- --name x --fast`", []],
  ["a script that is not", "`npm run biuld`", ["npm run biuld, which there is not"]],
  [
    "an option that is not",
    "    npm run build -- --slow",
    ["npm run build -- --slow, an option that it does not have"],
  ],
  ["a field that is there", "`spec.a.b: x` and `status.c`, `spec.theirs`", []],
  ["a field that is not", "`spec.a.c`", ["field spec.a.c, which no kind of ours has"]],
  ["a patch that is right", "    kubectl patch ire cluster --type=merge -p '{\"spec\":{}}'", []],
  [
    "a patch that is wrong",
    "    kubectl patch ire cluster --type=merge -p '{\"wrong\":1}'",
    ['patch {"wrong":1}: it is wrong'],
  ],
  [
    "a patch of a field that is not",
    '    kubectl patch ire cluster --type=json -p \'[{"op":"remove","path":"/spec/z"}]\'',
    ["field spec.z, which no kind of ours has"],
  ],
  [
    "a command that reads a field that is not",
    "    kubectl get ire cluster -o jsonpath='{.status.d}'",
    ["field status.d, which no kind of ours has"],
  ],
  ["a command is one although it is broken into lines", "    npm run build -- \\\n      --name x", []],
  ["a name that is there", "`kubectl -n runtime-insights get deploy runtime-insights-operator`", []],
  [
    "a name that is not, behind its kind",
    "`kubectl logs deploy/runtime-insights-oprator`",
    ["name runtime-insights-oprator, which nothing has"],
  ],
  ["a part of an address is no name", "`registry.example.com/runtime-insights-x:1`", []],
  ["a name that is not, by itself", "`runtime-insights-oprator`", ["name runtime-insights-oprator, which nothing has"]],
  ["an example that is right", "```yaml\nkind: a\n---\nkind: b\n```", []],
  ["an example that is wrong", "```yaml\nkind: wrong\n```", ["example: it is wrong"]],
];
for (const [rule, text, expected] of rows)
  test(`a page: ${rule}`, () => {
    const problems = driftOf("docs/a.md", pageOf(text), world);
    assert.equal(
      problems,
      expected.map((problem) => `docs/a.md: ${problem}`),
    );
  });

const headings: readonly (readonly [heading: string, anchor: string])[] = [
  ["What leaves the cluster", "what-leaves-the-cluster"],
  ["`?detail=true` of the exporter", "detailtrue-of-the-exporter"],
  ["[Linked](x.md) and, more", "linked-and-more"],
];
for (const [heading, anchor] of headings) test(`the anchor of ${heading}`, () => assert.is(anchorOf(heading), anchor));

test("headings of one name have numbers, and comments in code are no headings", () => {
  assert.equal([...pageOf("# a\n\n    # b\n\n## a\n").anchors], ["a", "a-1"]);
});

test("what the pages name is there", () => {
  const pages = readPages();
  const real = readWorld(pages);
  assert.equal(
    [...pages].flatMap(([path, page]) => driftOf(path, page, real)),
    [],
  );
});

test.run();
