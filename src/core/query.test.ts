import { test } from "uvu";
import * as assert from "uvu/assert";
import { draftOf, pods } from "./pods.fixture.ts";
import { firstQueries, fullQueries, type NodeOutcome, type NodeQuery, readAnswer, secondQueries } from "./query.ts";

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

test("for the owner's view replicas and sidecars are asked about too, other init containers never", () => {
  const draft = draftOf(
    pods(
      {
        name: "web-1",
        initContainers: [{ name: "setup" }, { name: "proxy", restartPolicy: "Always", state: "running" }],
      },
      { name: "web-2", node: "node-2", initContainers: [{ name: "setup" }, { name: "proxy" }] },
    ),
  );
  assert.equal(short(fullQueries(draft)), [
    "node-1: web-1 containerd://web-1-0, web-1 containerd://web-1-init-1",
    "node-2: web-2 containerd://web-2-0",
  ]);
  assert.equal(short(firstQueries(draft)), ["node-1: web-1 containerd://web-1-0"]);
});

const optOut = { "runtimes.insights.openshift.io/exclude": "true" };
test("nobody is asked about pods that opted out, nor about pods of namespaces that did", () => {
  const draft = draftOf(
    pods(
      { name: "web-1", annotations: optOut },
      { name: "db-1", namespace: "bank", node: "node-2" },
      { name: "api-1", node: "node-3", annotations: { "runtimes.insights.openshift.io/exclude": "yes" } },
    ),
    8_000,
    ["bank"],
  );
  assert.equal(short(fullQueries(draft)), ["node-3: api-1 containerd://api-1-0"]);
  assert.equal(
    [...draft.namespaces].map(([name, { shapes }]) => `${name} ${shapes.size}`),
    ["shop 1", "bank 1"],
  );
});

const replicas = pods(
  { name: "web-1", node: "node-1" },
  { name: "web-2", node: "node-2" },
  { name: "new-1", node: "node-1", phase: "Pending", containers: [{ command: ["new"] }] },
  { name: "new-2", node: "node-3", containers: [{ command: ["new"] }] },
);
const seconds: readonly {
  readonly rule: string;
  /** The other nodes answered. */
  readonly failed: readonly string[];
  readonly expected: readonly string[];
}[] = [
  {
    rule: "all answered: only the replica of the Pending pod is asked",
    failed: [],
    expected: ["node-3: new-2 containerd://new-2-0"],
  },
  {
    rule: "a failed node: replicas elsewhere are asked",
    failed: ["node-1"],
    expected: ["node-2: web-2 containerd://web-2-0", "node-3: new-2 containerd://new-2-0"],
  },
];
const outcomesOf = (queries: readonly NodeQuery[], failed: readonly string[]) =>
  queries.map((query): NodeOutcome => {
    if (failed.includes(query.node)) return { kind: "failed", query, reason: "Timeout", message: "" };
    return readAnswer(query, {}, { detail: false });
  });
for (const { rule, failed, expected } of seconds)
  test(rule, () => {
    const draft = draftOf(replicas);
    assert.equal(short(secondQueries(draft, outcomesOf(firstQueries(draft), failed))), expected);
  });

test("who was asked about all replicas at once is not asked again", () => {
  const draft = draftOf(replicas);
  assert.equal(secondQueries(draft, outcomesOf(fullQueries(draft), ["node-1", "node-2"])), []);
});

test("a replica on a node that failed for another shape is not asked", () => {
  const draft = draftOf([
    ...replicas,
    ...pods({ name: "late-1", node: "node-4", containers: [{ command: ["late"] }] }),
    ...pods({ name: "late-2", node: "node-1", containers: [{ command: ["late"] }] }),
  ]);
  const outcomes = outcomesOf(firstQueries(draft), ["node-1", "node-4"]);
  assert.equal(
    short(secondQueries(draft, outcomes)).map((line) => line.slice(0, 6)),
    ["node-2", "node-3"],
  );
});

const hashed = "yqx1WBefoIAq";
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
    body: { shop: { "web-1": { "cri-o://1": { os: hashed } } } },
    found: ["shop/web-1/cri-o://1"],
  },
  { rule: "an ID without its prefix is another", body: { shop: { "web-1": { "1": { os: hashed } } } }, found: [] },
  {
    rule: "entries nobody asked for are not looked at",
    body: { shop: { "web-2": { "cri-o://3": { os: 1 } } } },
    found: [],
  },
  {
    rule: "an asked ID under another pod is not taken",
    body: { shop: { "web-2": { "cri-o://1": { os: hashed } } } },
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
    body: { shop: { "web-1": { "cri-o://1": { os: 7 }, "cri-o://2": { os: hashed } } } },
    found: ["shop/web-1/cri-o://2"],
    problems: /^os: /,
  },
  {
    rule: "clear text costs its container only, and is not told",
    body: { shop: { "web-1": { "cri-o://1": { os: hashed, kind: "Java" }, "cri-o://2": { os: hashed } } } },
    found: ["shop/web-1/cri-o://2"],
    problems: /^kind: it is not a hash$/,
  },
  {
    rule: "a wrong detail costs itself only",
    body: { shop: { "web-1": { "cri-o://1": { os: hashed, detail: { notes: 1 } } } } },
    found: ["shop/web-1/cri-o://1"],
    problems: /^detail\.notes: /,
  },
  { rule: "nulls on the way are tolerated", body: { shop: { "web-1": null } }, found: [] },
  { rule: "no namespaces: nothing", body: {}, found: [] },
];
for (const { rule, body, found, problems } of answers)
  test(rule, () => {
    const outcome = readAnswer(query, body, { detail: true });
    assert.is(outcome.kind, "answered");
    if (outcome.kind !== "answered") return;
    assert.equal([...outcome.found.keys()], found);
    if (problems === undefined) assert.equal(outcome.problems, []);
    else assert.match(outcome.problems.join(), problems);
  });

for (const body of [null, [], "text", 1])
  test(`an answer that is ${JSON.stringify(body)}: Malformed`, () => {
    const outcome = readAnswer(query, body, { detail: true });
    assert.is(outcome.kind === "failed" && outcome.reason, "Malformed");
  });

test.run();
