import { test } from "uvu";
import * as assert from "uvu/assert";
import { answersOf } from "./merge.ts";
import { archiveErrors, countsOf, failuresOf, replicaWarnings } from "./outcome.ts";
import { draftOf, pods } from "./pods.fixture.ts";
import { firstQueries, fullQueries, type NodeOutcome, readAnswer, secondQueries } from "./query.ts";

type Failed = Extract<NodeOutcome, { readonly kind: "failed" }>;
type Answered = Extract<NodeOutcome, { readonly kind: "answered" }>;
const failed = (node: string, fields: Partial<Failed> = {}): NodeOutcome => {
  return { kind: "failed", query: { node, containers: [] }, reason: "Timeout", message: "late", ...fields };
};
const answered = (node: string, fields: Partial<Answered> = {}): NodeOutcome => ({
  ...{ kind: "answered", query: { node, containers: [] }, found: new Map(), problems: [], unasked: 0 },
  ...{ lacksDetail: false },
  ...fields,
});
const missing = (node: string, particulars?: string): NodeOutcome =>
  failed(node, {
    ...{ reason: "NoExtractorPod", message: "the node has no extractor pod" },
    ...(particulars === undefined ? {} : { particulars }),
  });

const unaskedSentence = "the answer speaks of 3 containers that were not asked for; ignored";
const droppedSentence = "2 entries of the answer dropped, the first because of os: x";

const errorRows: readonly {
  readonly rule: string;
  readonly outcomes: readonly NodeOutcome[];
  readonly limit?: number;
  readonly errors: readonly string[];
}[] = [
  { rule: "nothing to ask about: no error", outcomes: [], errors: [] },
  { rule: "all answered: no error", outcomes: [answered("a")], errors: [] },
  {
    rule: "sorted, equal ones counted, no node named, the limit last",
    outcomes: [
      failed("node-b", { message: "b" }),
      failed("node-c", { message: "b" }),
      failed("node-a", { message: "a" }),
    ],
    limit: 8_000,
    errors: ["a", "b (2 nodes)", "the 8000 limit for number of pods gathered was reached"],
  },
  {
    rule: "entries dropped and entries nobody asked for are two errors",
    outcomes: [answered("c", { problems: ["os: x", "y"], unasked: 3 })],
    errors: [droppedSentence, unaskedSentence],
  },
  {
    rule: "not one node has an extractor: the existing gatherer's sentence",
    outcomes: [missing("a"), missing("b")],
    errors: ["no running pods found for the insights-runtime-extractor statefulset"],
  },
  {
    rule: "some nodes have none: counted, without what the node tells",
    outcomes: [missing("a", "the node has taint secret"), missing("b"), answered("c")],
    errors: ["the node has no extractor pod (2 nodes)"],
  },
  {
    rule: "one entry that nobody asked for",
    outcomes: [answered("a", { unasked: 1 })],
    errors: ["the answer speaks of 1 container that was not asked for; ignored"],
  },
  {
    rule: "missing clear text is no error of the archive",
    outcomes: [answered("a", { lacksDetail: true })],
    errors: [],
  },
];
for (const { rule, outcomes, limit, errors } of errorRows)
  test(`errors: ${rule}`, () =>
    assert.equal(archiveErrors(outcomes, { podLimit: limit ?? null, nodeSideProblems: [] }), errors));

test("errors: what main told of the node side as a whole is not told again of each node without a ready extractor", () => {
  const outcomes = [
    missing("a"),
    failed("b", { reason: "ExtractorNotReady", message: "the extractor is not ready" }),
    failed("c", { message: "its own" }),
    answered("d"),
  ];
  const options = { podLimit: 5, nodeSideProblems: ["2 of 4 extractors were ready"] };
  const limit = "the 5 limit for number of pods gathered was reached";
  assert.equal(archiveErrors(outcomes, options), ["2 of 4 extractors were ready", "its own", limit]);
  assert.equal(archiveErrors(outcomes.slice(0, 2), { ...options, podLimit: null }), options.nodeSideProblems);
});

const failureRows: readonly {
  readonly rule: string;
  readonly outcomes: readonly NodeOutcome[];
  readonly failures: ReturnType<typeof failuresOf>;
}[] = [
  { rule: "none when all answered", outcomes: [answered("a")], failures: [] },
  {
    rule: "sorted by node, one each",
    outcomes: [failed("b"), failed("a"), failed("b", { message: "again" })],
    failures: [
      { node: "a", reason: "Timeout", message: "late" },
      { node: "b", reason: "Timeout", message: "late" },
    ],
  },
  {
    rule: "the owner is told what the node tells",
    outcomes: [missing("a", "the node is not ready")],
    failures: [
      { node: "a", reason: "NoExtractorPod", message: "the node has no extractor pod: the node is not ready" },
    ],
  },
  {
    rule: "a lying exporter",
    outcomes: [answered("a", { unasked: 3 })],
    failures: [{ node: "a", reason: "UnaskedContainers", message: unaskedSentence }],
  },
  {
    rule: "dropped entries go before lies, both are told",
    outcomes: [answered("a", { unasked: 3, problems: ["os: x", "y"] })],
    failures: [{ node: "a", reason: "Malformed", message: `${droppedSentence}; ${unaskedSentence}` }],
  },
  {
    rule: "an exporter of another version",
    outcomes: [answered("a", { lacksDetail: true })],
    failures: [
      { node: "a", reason: "VersionSkew", message: "the exporter gave no clear text; is it of another version?" },
    ],
  },
];
for (const { rule, outcomes, failures } of failureRows)
  test(`failures: ${rule}`, () => assert.equal(failuresOf(outcomes), failures));

test("a node without extractor is skipped, one that answered once and failed once has failed", () => {
  const { nodesAsked, nodesAnswered, nodesFailed, nodesSkipped } = countsOf(draftOf([]), [
    ...[missing("a"), answered("b"), failed("b"), answered("c", { unasked: 3 })],
  ]);
  assert.equal([nodesAsked, nodesAnswered, nodesFailed, nodesSkipped], [2, 1, 1, 1]);
});

const replicas = pods(
  { name: "web-1", node: "node-1" },
  { name: "web-2", node: "node-2" },
  { name: "new-1", node: "node-1", phase: "Pending", containers: [{ command: ["new"] }] },
  { name: "new-2", node: "node-2", containers: [{ command: ["new"] }] },
);
const saysAll = {
  shop: Object.fromEntries(replicas.map(({ name }) => [name, { [`containerd://${name}-0`]: { os: "yqx1WBefoIAq" } }])),
};
for (const queriesOf of [firstQueries, fullQueries])
  test(`${queriesOf.name}: it is said which shapes owe their runtimes to a replica`, () => {
    const draft = draftOf(replicas);
    const first = queriesOf(draft).map((query) =>
      query.node === "node-1" ? failed("node-1", { query }) : readAnswer(query, saysAll, { detail: false }),
    );
    const second = secondQueries(draft, first).map((query) => readAnswer(query, saysAll, { detail: false }));
    assert.equal(replicaWarnings(draft, answersOf([...first, ...second])), [
      "1 shape was answered by another replica: the first pod cannot be asked about",
      "1 shape was answered by another replica: the node of the first pod did not answer for it",
    ]);
  });

test.run();
