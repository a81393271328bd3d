import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { defaultSettings, type Settings } from "../api/config.ts";
import type { GatherOutcome, GatherProgress } from "../api/gather.ts";
import { type GatherRequest, requestStatusSchema } from "../api/request.ts";
import { makeOrder } from "./order.fixture.ts";
import { makeRequest } from "./requests.fixture.ts";
import {
  deployingStatus,
  endedStatus,
  finishedStatus,
  isFinished,
  lastFull,
  orderOf,
  overlong,
  phases,
  queueOf,
  runningStatus,
  waitingStatus,
} from "./requests.ts";

const nowMs = Date.UTC(2026, 0, 2);
const names = (requests: readonly GatherRequest[]) => requests.map(({ name }) => name);
const rows: readonly {
  readonly rule: string;
  readonly requests: readonly GatherRequest[];
  readonly expected: object;
}[] = [
  { rule: "nothing there", requests: [], expected: { running: undefined, waiting: undefined, supersede: [] } },
  { rule: "a new one waits", requests: [makeRequest()], expected: { running: undefined, waiting: "a", supersede: [] } },
  {
    rule: "the newest waits, older ones are given up",
    requests: [
      makeRequest({ name: "c", createdMs: 3 }),
      makeRequest({ name: "a", createdMs: 1 }),
      makeRequest({ name: "b", createdMs: 2, phase: "Pending" }),
    ],
    expected: { running: undefined, waiting: "c", supersede: ["a", "b"] },
  },
  {
    rule: "a scheduled one goes before newer requests",
    requests: [
      makeRequest({ name: "scheduled-1", createdMs: 1, trigger: "Scheduled" }),
      makeRequest({ name: "b", createdMs: 2 }),
    ],
    expected: { running: undefined, waiting: "scheduled-1", supersede: ["b"] },
  },
  {
    rule: "one runs, one waits",
    requests: [makeRequest({ name: "a", phase: "Running" }), makeRequest({ name: "b" })],
    expected: { running: "a", waiting: "b", supersede: [] },
  },
  {
    rule: "one that has the extractors deployed runs",
    requests: [makeRequest({ name: "a", phase: "Deploying" }), makeRequest({ name: "b" })],
    expected: { running: "a", waiting: "b", supersede: [] },
  },
  {
    rule: "finished ones are neither",
    requests: [
      makeRequest({ name: "a", phase: "Succeeded" }),
      makeRequest({ name: "b", phase: "Failed" }),
      makeRequest({ name: "c", phase: "Superseded" }),
    ],
    expected: { running: undefined, waiting: undefined, supersede: [] },
  },
  {
    rule: "one that ended in a way that only another version knows is finished, too",
    requests: [makeRequest({ name: "a", status: { finishTime: "2026-01-01T00:00:00Z" } })],
    expected: { running: undefined, waiting: undefined, supersede: [] },
  },
  {
    rule: "one that asks for nobody knows what neither runs nor waits: it is refused, and stays so",
    requests: [
      makeRequest({ name: "a", specProblem: "spec.trigger" }),
      makeRequest({ name: "b" }),
      makeRequest({ name: "c", specProblem: "spec.trigger", phase: "Failed" }),
    ],
    expected: { running: undefined, waiting: "b", supersede: [], refuse: ["a"] },
  },
];
for (const { rule, requests, expected } of rows)
  test(rule, () => {
    const { running, waiting, supersede, refuse } = queueOf(requests, nowMs);
    const seen = { running: running?.name, waiting: waiting?.name, supersede: names(supersede), refuse: names(refuse) };
    assert.equal(seen, { refuse: [], ...expected });
  });

test("at least a minute lies between two starts", () => {
  const started = makeRequest({ phase: "Succeeded", status: { startTime: "2026-01-01T00:00:00Z", conditions: [] } });
  assert.is(queueOf([started], nowMs).startableAtMs, Date.UTC(2026, 0) + 60_000);
});

test("a start that lies ahead, since the clock was set back, holds nothing up", () => {
  const started = makeRequest({ phase: "Succeeded", status: { startTime: "2027-01-01T00:00:00Z", conditions: [] } });
  assert.is(queueOf([started], nowMs).startableAtMs, 60_000);
});

const overlongs: readonly (readonly [rule: string, startTime: string | undefined, isOverlong: boolean])[] = [
  ["one that has not begun", undefined, false],
  ["a moment before its four hours are over", "2026-01-01T20:00:01Z", false],
  ["after four hours", "2026-01-01T20:00:00Z", true],
  ["one that began an hour ahead, before the clock was set back", "2026-01-02T01:00:00Z", false],
  ["one that began a year ahead, by a clock that was wrong", "2027-01-01T00:00:00Z", true],
];
for (const [rule, startTime, isOverlong] of overlongs)
  test(`a gather that takes too long: ${rule}`, () => {
    const started = startTime === undefined ? {} : { startTime };
    const request = {
      ...makeRequest({ phase: "Running" }),
      status: { ...runningStatus(makeRequest(), 1, "Asking", nowMs), ...started },
    };
    const { startTime: _, ...status } = request.status;
    const told = overlong(startTime === undefined ? { ...request, status } : request, nowMs);
    assert.is(told, isOverlong ? "Not finished after 4 hours, last at: Asking" : undefined);
  });

test("the last ten finished are kept, and the schedule's newest", () => {
  const finished = Array.from({ length: 13 }, (_, at) =>
    makeRequest({ name: `r${at}`, createdMs: 10 + at, phase: "Succeeded" }),
  );
  const scheduled = [5, 4].map((due) => makeRequest({ name: `scheduled-${due}`, createdMs: due, phase: "Failed" }));
  assert.equal(names(queueOf([...finished, ...scheduled], nowMs).forget).sort(), ["r0", "r1", "r2", "scheduled-4"]);
});

test("whatever exists, at most one runs or waits, nothing is both kept and given up, and nothing unfinished is forgotten", () => {
  const request = fc
    .record({
      createdMs: fc.nat(5),
      phase: fc.option(fc.constantFrom(...phases)),
      trigger: fc.constantFrom("Scheduled" as const, "Requested" as const),
    })
    .map(({ createdMs, phase, trigger }) => ({ createdMs, trigger, ...(phase === null ? {} : { phase }) }));
  fc.assert(
    fc.property(fc.array(request, { maxLength: 30 }), (list) => {
      const requests = list.map((changes, at) => makeRequest({ ...changes, name: `r${at}` }));
      const { running, waiting, supersede, forget } = queueOf(requests, nowMs);
      assert.not.ok(supersede.some((one) => one === running || one === waiting));
      assert.ok(forget.every(isFinished));
      assert.ok(requests.filter(isFinished).length - forget.length <= 11);
      if (requests.some((one) => !isFinished(one))) assert.ok(running !== undefined || waiting !== undefined);
    }),
  );
});

test("the last full gather: the newest begin, not of some namespaces, not superseded", () => {
  const at = (startTime: string) => ({ startTime, finishTime: "9" });
  const requests = [
    { ...makeRequest({ name: "old", phase: "Succeeded" }), time: "1" },
    { ...makeRequest({ name: "new", phase: "Failed" }), time: "2" },
    { ...makeRequest({ name: "some", phase: "Succeeded", namespaces: ["x"] }), time: "3" },
    { ...makeRequest({ name: "given-up", phase: "Superseded" }), time: "4" },
    { ...makeRequest({ name: "running", phase: "Running" }), time: "5" },
  ].map(({ time, ...request }) => ({ ...request, status: { ...request.status, ...at(time) } }));
  assert.is(lastFull(requests, nowMs)?.name, "new");
});

const orders: readonly {
  readonly rule: string;
  readonly request: GatherRequest;
  readonly nodes: boolean;
  readonly asks: boolean;
  readonly inventory?: "Disabled";
}[] = [
  { rule: "with the node side there, nodes are asked", request: makeRequest(), nodes: true, asks: true },
  { rule: "without it they are not", request: makeRequest(), nodes: false, asks: false },
];
for (const { rule, request, nodes, asks } of orders)
  test(`ordering: ${rule}`, () => {
    assert.equal(
      orderOf(request, defaultSettings, { nodes }),
      makeOrder({ id: "uid-a", runtimeInfo: asks, inventory: asks, nodeTimeoutMs: 120_000 }),
    );
  });

test("ordering: a filter, a disabled inventory and what is opted out of reach the gatherer", () => {
  const { gather, extractor } = defaultSettings;
  const settings: Settings = {
    ...{ ...defaultSettings, inventory: "Disabled" },
    gather: { ...gather, images: "Disabled", helm: "Disabled", obfuscation: ["Networking"] },
    extractor: { ...extractor, excludedNamespaces: ["bank"] },
  };
  const order = orderOf(makeRequest({ namespaces: ["x"] }), settings, { nodes: true });
  assert.equal([order.namespaces, order.inventory, order.runtimeInfo], [["x"], false, true]);
  assert.equal([order.images, order.helm, order.obfuscateNetworking], [false, false, true]);
  assert.equal(order.excludedNamespaces, ["bank"]);
});

const outcome: GatherOutcome = {
  ...{ succeeded: true, reason: "", message: "", archive: null, moreFailures: 3, notes: ["n"], inventory: [] },
  failures: ["f", "e", "d", "c", "b", "a"].map((node) => ({ node, reason: "Timeout" as const, message: "m" })),
  counts: { pods: 3, containers: 4, shapes: 2, nodesAsked: 12, nodesAnswered: 3, nodesFailed: 9, nodesSkipped: 0 },
  durationsMs: { listPods: 1, askNodes: 2, write: 3, total: 12_400 },
};
const progress: GatherProgress = {
  id: "uid-a",
  phase: "Finished",
  stage: "Done",
  startedAtMs: 1_000,
  finishedAtMs: 14_000,
  outcome,
};

test("of many notes the first ones are on record, and how many there were besides", () => {
  const notes = Array.from({ length: 25 }, (_, n) => `${n} ${"x".repeat(2_000)}`);
  const { notes: kept = [] } = finishedStatus(makeRequest(), progress, { ...outcome, notes }, 20_000);
  assert.equal([kept.length, kept[0]?.length, kept[18]?.slice(0, 2), kept[19]], [20, 1024, "18", "and 6 more notes"]);
  const all = notes.slice(0, 20).map((note) => note.slice(0, 1024));
  assert.equal(finishedStatus(makeRequest(), progress, { ...outcome, notes: all }, 20_000).notes, all);
});

test("a finished gather is on record with its counts, and names a few of the failed nodes in order", () => {
  const status = finishedStatus(makeRequest(), progress, outcome, 20_000);
  assert.equal(
    [status.startTime, status.finishTime, status.took],
    ["1970-01-01T00:00:01Z", "1970-01-01T00:00:14Z", "12s"],
  );
  assert.equal(
    status.conditions?.map(({ type, status: value, reason, message }) => [type, value, reason, message]),
    [
      [
        "Progressing",
        "False",
        "Succeeded",
        "3 pods gathered, 3 of 12 nodes answered; no runtimes from a, b, c, d, e and 4 more",
      ],
      [
        "Succeeded",
        "True",
        "NodesFailed",
        "3 pods gathered, 3 of 12 nodes answered; no runtimes from a, b, c, d, e and 4 more",
      ],
    ],
  );
});

test("a node that answered, and said more than it was asked, is not said to lack runtimes", () => {
  const failures = [
    { node: "liar", reason: "UnaskedContainers" as const, message: "m" },
    { node: "mute", reason: "Timeout" as const, message: "m" },
  ];
  const counts = { ...outcome.counts, nodesAsked: 2, nodesAnswered: 1, nodesFailed: 1 };
  const status = finishedStatus(makeRequest(), progress, { ...outcome, counts, failures, moreFailures: 0 }, 20_000);
  assert.is(status.conditions?.[0]?.message, "3 pods gathered, 1 of 2 nodes answered; no runtimes from mute");
});

test("a reason that is no word does not become one of a condition", () => {
  const status = finishedStatus(
    makeRequest(),
    progress,
    { ...outcome, succeeded: false, reason: "disk full!", message: "x" },
    0,
  );
  assert.is(status.conditions?.[1]?.reason, "GatherFailed");
});

test("every status fits the schema of the kind; a repeated one differs in nothing", () => {
  const request = makeRequest();
  const made = [
    deployingStatus(request, 0),
    waitingStatus(request, "Pending", "m", 0),
    runningStatus(request, 1, "m", 0),
    endedStatus(request, "Failed", "Interrupted", "m", 0),
    finishedStatus(request, progress, outcome, 0),
  ];
  for (const status of made) assert.equal(requestStatusSchema.parse(status), status);
  const waiting = waitingStatus(request, "Pending", "m", 0);
  assert.equal(waitingStatus({ ...request, status: waiting }, "Pending", "m", 99_000), waiting);
});

test("ordering on demand: the archive waits for the node side where nodes are asked, and knows what is wrong with it", () => {
  const terms = (nodes: boolean, problem?: string) => {
    const order = orderOf(makeRequest(), defaultSettings, { nodes, problem, goes: true });
    return [order.runtimeInfo, order.holdBeforeWriting, order.nodeSideProblems];
  };
  assert.equal(terms(true), [true, true, []]);
  assert.equal(terms(true, "1 of 2"), [true, true, ["1 of 2"]]);
  assert.equal(terms(false, "403"), [false, false, ["403"]]);
});

test("on demand: begin, attempts and what is wrong with the node side stay on record; an interruption begins anew", () => {
  const request = makeRequest();
  const deploying = deployingStatus(request, 1_000);
  const deployTime = "1970-01-01T00:00:01Z";
  assert.equal([deploying.startTime, deploying.attempts, deploying.nodeSide], [deployTime, undefined, { deployTime }]);
  const problem = "1 of 2 extractors were ready after 5m";
  const running = runningStatus({ ...request, status: deploying }, 1, "m", 9_000, { deployTime, problem });
  assert.equal(running.nodeSide, { deployTime, problem });
  assert.equal(runningStatus({ ...request, status: running }, 1, "n", 9_000).nodeSide, { deployTime, problem });
  const again = deployingStatus({ ...request, status: running }, 60_000);
  assert.equal([again.startTime, again.attempts], [deployTime, 1]);
  assert.equal(again.nodeSide, { deployTime: "1970-01-01T00:01:00Z" });
  const finished = finishedStatus({ ...request, status: running }, progress, outcome, 20_000);
  assert.equal(finished.nodeSide, { deployTime, problem });
  const [, succeeded] = finished.conditions ?? [];
  assert.equal([succeeded?.status, succeeded?.reason], ["True", "NodeSideFailed"]);
  assert.match(succeeded?.message ?? "", /; 1 of 2 extractors were ready after 5m$/);
});

test.run();
