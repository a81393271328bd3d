import { test } from "uvu";
import * as assert from "uvu/assert";
import { decodeNewestEvent, decodeOwnPods } from "./own-pod.ts";

const spec = {
  nodeName: "n",
  containers: [
    { name: "a", image: "i:1" },
    { name: "b", image: "j:1" },
  ],
};
const page = (...items: readonly unknown[]) => ({ metadata: { continue: "next" }, items });

test("a pod tells of its containers what they wait for and how they ended last", () => {
  const containerStatuses = [
    {
      name: "a",
      ready: false,
      state: { waiting: { reason: "CrashLoopBackOff" } },
      lastState: { terminated: { exitCode: 3, reason: "Error" } },
    },
    { name: "b", ready: true, state: { running: {} }, lastState: {} },
    { name: "not of the spec", ready: false },
  ];
  assert.equal(decodeOwnPods(page({ metadata: {}, spec, status: { containerStatuses } })), {
    ...{ newestMs: 0, continueToken: "next" },
    pods: [
      {
        node: "n",
        unschedulable: undefined,
        containers: [
          {
            name: "a",
            image: "i:1",
            ready: false,
            waiting: { reason: "CrashLoopBackOff", message: "" },
            exit: { reason: "Error", code: 3 },
          },
          { name: "b", image: "j:1", ready: true, waiting: undefined, exit: undefined },
        ],
      },
    ],
  });
});

test("a container that has just ended tells that", () => {
  const ended = { name: "a", state: { terminated: { exitCode: 1 } }, lastState: { terminated: { exitCode: 2 } } };
  const { pods } = decodeOwnPods(page({ metadata: {}, spec, status: { containerStatuses: [ended] } }));
  assert.equal(pods[0]?.containers[0]?.exit, { reason: "", code: 1 });
});

test("pods without a node, without a status, going away, and nonsense", () => {
  const conditions = [{ type: "PodScheduled", status: "False", reason: "Unschedulable", message: "0/1 nodes" }];
  const items = [
    { metadata: {}, spec: { containers: [] }, status: { conditions } },
    { metadata: {}, spec },
    { metadata: { deletionTimestamp: "2026-01-01T00:00:00Z" }, spec },
    { spec: 1 },
  ];
  assert.equal(decodeOwnPods({ items }), {
    ...{ newestMs: 0, continueToken: "" },
    pods: [
      { node: "", unschedulable: "0/1 nodes", containers: [] },
      { node: "n", unschedulable: undefined, containers: [] },
    ],
  });
});

const phases: readonly (readonly [phase: string | undefined, counts: boolean])[] = [
  [undefined, true],
  ["Pending", true],
  ["Running", true],
  ["Unknown", true],
  ["Failed", false],
  ["Succeeded", false],
];
for (const [phase, counts] of phases)
  test(`a pod of phase ${phase ?? "not told"} ${counts ? "counts" : "has ended: what it says is not about the one that replaces it"}`, () =>
    assert.is(decodeOwnPods(page({ metadata: {}, spec, status: { phase } })).pods.length, counts ? 1 : 0));

test("the newest pod is one of all, also of those that go away or have ended", () => {
  const made = (second: number, metadata: object = {}, status: object = {}) => ({
    ...{ metadata: { creationTimestamp: `2026-01-01T00:00:0${second}Z`, ...metadata }, spec, status },
  });
  const newest = (...items: readonly unknown[]) => decodeOwnPods(page(...items)).newestMs;
  const atMs = Date.parse("2026-01-01T00:00:00Z");
  assert.is(newest(made(2), made(1), { metadata: { creationTimestamp: "never" }, spec }), atMs + 2_000);
  assert.is(newest(made(1), made(3, { deletionTimestamp: "2026-01-01T00:00:09Z" })), atMs + 3_000);
  assert.is(newest(made(1), made(4, {}, { phase: "Failed" })), atMs + 4_000);
  assert.is(newest(), 0);
});

test("the newest event of exactly this object, none from long ago", () => {
  const event = (uid: string, message: string, second: number) => ({
    ...{ involvedObject: { uid }, message },
    lastTimestamp: `2026-01-01T00:00:0${second}Z`,
  });
  const atMs = Date.parse("2026-01-01T00:00:00Z");
  const list = {
    items: [event("u", "first", 1), event("u", "last", 3), event("u", "second", 2), event("v", "other", 9)],
  };
  assert.is(decodeNewestEvent(list, "u", atMs), "last");
  assert.is(decodeNewestEvent(list, "u", atMs + 4_000), undefined);
  const newer = {
    involvedObject: { uid: "w" },
    message: "by the newer API",
    lastTimestamp: null,
    eventTime: "2026-01-01T00:00:05.000000Z",
  };
  assert.is(decodeNewestEvent({ items: [newer] }, "w", atMs), "by the newer API");
});

test.run();
