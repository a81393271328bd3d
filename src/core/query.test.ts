import { test } from "uvu";
import * as assert from "uvu/assert";
import { draftOf, pods } from "./pods.fixture.ts";
import { firstQueries, type NodeOutcome, type NodeQuery, readAnswer, secondQueries } from "./query.ts";

const short = (queries: readonly NodeQuery[]) =>
  queries.map(
    ({ node, containers }) => `${node}: ${containers.map(({ pod, reference }) => `${pod} ${reference}`).join(", ")}`,
  );

test("one query per node, sorted; only the first pod of each shape is asked", () => {
  const draft = draftOf(
    pods(
      { name: "web-1", node: "node-2" },
      { name: "web-2", node: "node-1" },
      { name: "db-1", node: "node-2", containers: [{ command: ["db"] }, { state: "terminated" }] },
      { name: "job-1", node: "node-1", containers: [{ command: ["job"] }] },
    ),
  );
  assert.equal(short(firstQueries(draft)), [
    "node-1: job-1 containerd://job-1-0",
    "node-2: web-1 containerd://web-1-0, db-1 containerd://db-1-0",
  ]);
});

test("a node without running containers is not asked", () => {
  assert.equal(firstQueries(draftOf(pods({ phase: "Pending" }, { phase: "Succeeded", node: "node-2" }))), []);
});

const replicas = pods(
  { name: "web-1", node: "node-1" },
  { name: "web-2", node: "node-2" },
  { name: "new-1", node: "node-1", phase: "Pending", containers: [{ command: ["new"] }] },
  { name: "new-2", node: "node-3", containers: [{ command: ["new"] }] },
);
const answered = (node: string): NodeOutcome => ({
  kind: "answered",
  query: { node, containers: [] },
  found: new Map(),
  problems: [],
});
const failed = (node: string): NodeOutcome => ({
  kind: "failed",
  query: { node, containers: [] },
  reason: "Timeout",
  message: "",
});
const seconds: readonly {
  readonly rule: string;
  readonly outcomes: readonly NodeOutcome[];
  readonly expected: string[];
}[] = [
  {
    rule: "all answered: only the replica of the Pending pod is asked",
    outcomes: [answered("node-1")],
    expected: ["node-3: new-2 containerd://new-2-0"],
  },
  {
    rule: "a failed node: replicas elsewhere are asked",
    outcomes: [failed("node-1")],
    expected: ["node-2: web-2 containerd://web-2-0", "node-3: new-2 containerd://new-2-0"],
  },
  {
    rule: "a node that failed is not asked again",
    outcomes: [failed("node-1"), failed("node-2"), failed("node-3")],
    expected: [],
  },
];
for (const { rule, outcomes, expected } of seconds)
  test(rule, () => assert.equal(short(secondQueries(draftOf(replicas), outcomes)), expected));

const query: NodeQuery = {
  node: "node-1",
  containers: [
    { namespace: "shop", pod: "web-1", reference: "cri-o://1" },
    { namespace: "shop", pod: "web-1", reference: "cri-o://2" },
  ],
};
const answers: readonly {
  readonly rule: string;
  readonly body: unknown;
  readonly found: readonly string[];
  readonly problems?: RegExp;
}[] = [
  {
    rule: "an entry that was asked for is taken",
    body: { shop: { "web-1": { "cri-o://1": { os: "a" } } } },
    found: ["shop/web-1/cri-o://1"],
  },
  { rule: "an ID without its prefix is another", body: { shop: { "web-1": { "1": { os: "a" } } } }, found: [] },
  {
    rule: "entries nobody asked for are not looked at",
    body: { shop: { "web-2": { "cri-o://3": { os: 1 } } } },
    found: [],
  },
  {
    rule: "an asked ID under another pod is not taken",
    body: { shop: { "web-2": { "cri-o://1": { os: "a" } } } },
    found: [],
  },
  {
    rule: "an empty entry says nothing",
    body: { shop: { "web-1": { "cri-o://1": {}, "cri-o://2": null } } },
    found: [],
  },
  {
    rule: "an empty list is something",
    body: { shop: { "web-1": { "cri-o://1": { runtimes: [] } } } },
    found: ["shop/web-1/cri-o://1"],
  },
  {
    rule: "a wrong entry costs itself only",
    body: { shop: { "web-1": { "cri-o://1": { os: 7 }, "cri-o://2": { os: "a" } } } },
    found: ["shop/web-1/cri-o://2"],
    problems: /^os: /,
  },
  {
    rule: "a wrong detail costs itself only",
    body: { shop: { "web-1": { "cri-o://1": { os: "a", detail: { notes: 1 } } } } },
    found: ["shop/web-1/cri-o://1"],
    problems: /^detail\.notes: /,
  },
  { rule: "nulls on the way are tolerated", body: { shop: { "web-1": null } }, found: [] },
  { rule: "no namespaces: nothing", body: {}, found: [] },
];
for (const { rule, body, found, problems } of answers)
  test(rule, () => {
    const outcome = readAnswer(query, body);
    assert.is(outcome.kind, "answered");
    if (outcome.kind !== "answered") return;
    assert.equal([...outcome.found.keys()], found);
    if (problems === undefined) assert.equal(outcome.problems, []);
    else assert.match(outcome.problems.join(), problems);
  });

for (const body of [null, [], "text", 1])
  test(`an answer that is ${JSON.stringify(body)}: Malformed`, () => {
    const outcome = readAnswer(query, body);
    assert.is(outcome.kind === "failed" && outcome.reason, "Malformed");
  });

test.run();
