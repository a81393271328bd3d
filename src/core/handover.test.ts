import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  decideHandover,
  failurePatienceMs,
  gatherPatienceMs,
  graceSeconds,
  type HandoverInput,
  lingerMs,
  lonelyMs,
  type SeenGatherer,
} from "./handover.ts";

const nowMs = 1_800_000_000_000;
const gatherer = (name: string, over: Partial<SeenGatherer> = {}): SeenGatherer => ({
  ...{ uid: `uid-${name}`, name, leaving: false, state: "serving", sinceMs: 1_000 },
  ...over,
});
const old = gatherer("old");
const fresh = gatherer("new", { state: "waiting", sinceMs: 2_000 });
const leaving = { ...old, leaving: true };
const silent = (ms: number) => gatherer("old", { leaving: true, state: "silent", sinceMs: nowMs - ms });
const since = (ms: number, failingMs?: number): HandoverInput["waiting"] => ({
  ...{ uid: fresh.uid, sinceMs: nowMs - ms },
  ...(failingMs === undefined ? {} : { failingSinceMs: nowMs - failingMs }),
});

const rows: readonly (readonly [
  rule: string,
  gatherers: readonly SeenGatherer[],
  more: Partial<HandoverInput>,
  step: string,
  ask: string | undefined,
  mayBegin: boolean,
])[] = [
  ["none is known: as if there were one", [], {}, "none", undefined, true],
  ["one serves: it is asked by the Service", [old], {}, "none", undefined, true],
  ["one that has not answered yet: nothing is known of it", [{ ...old, state: "silent" }], {}, "none", undefined, true],
  ["the first one of all: it gets nothing at once", [fresh], {}, "new <- ", undefined, false],
  ["a new one beside an old one: it gets what that has", [old, fresh], {}, "new <- old", "old", false],
  ["the old one gathers: it is waited for", [old, fresh], { isGathering: true }, "wait", "old", false],
  [
    "it gathers for too long: handed over all the same, and the gather runs again in the new one",
    [old, fresh],
    { isGathering: true, waiting: since(gatherPatienceMs) },
    "new <- old",
    "old",
    false,
  ],
  [
    "the old one is told to end: its gather is over",
    [leaving, fresh],
    { isGathering: true },
    "new <- old",
    "old",
    false,
  ],
  [
    "an old one that does not answer is waited for",
    [silent(failurePatienceMs - 1), fresh],
    {},
    "wait",
    undefined,
    false,
  ],
  ["and given up after a while", [silent(failurePatienceMs), fresh], {}, "new <- ; silent old", undefined, false],
  [
    "one that gathers and misses an answer is not given up, however long its gather was waited for",
    [silent(0), fresh],
    { isGathering: true, waiting: since(gatherPatienceMs - 1) },
    "wait",
    undefined,
    false,
  ],
  [
    "a wait of another new one for a gather does not count",
    [old, fresh],
    { isGathering: true, waiting: { uid: "uid-other", sinceMs: 0 } },
    "wait",
    "old",
    false,
  ],
  [
    "a clock set back by a day ends the wait",
    [silent(-86_400_000), fresh],
    {},
    "new <- ; silent old",
    undefined,
    false,
  ],
  ["what fails is tried again", [old, fresh], { waiting: since(9, failurePatienceMs - 1) }, "new <- old", "old", false],
  [
    "and after a while a part has to do",
    [old, fresh],
    { waiting: since(9, failurePatienceMs) },
    "new <- old; last",
    "old",
    false,
  ],
  [
    "one that was handed everything and waits all the same is nobody for a while",
    [old, fresh],
    { handed: new Set([fresh.uid]) },
    "none",
    "old",
    true,
  ],
  ["nor does a gather wait for it", [fresh], { handed: new Set([fresh.uid]) }, "none", undefined, true],
  ["a new one that ends before it got anything is nobody", [old, { ...fresh, leaving: true }], {}, "none", "old", true],
  [
    "two roll-outs overlap: the newest gets what both have",
    [leaving, gatherer("second", { sinceMs: 3_000, leaving: true }), fresh],
    {},
    "new <- second, old",
    "second",
    false,
  ],
  [
    "two new ones: one after the other",
    [old, gatherer("also-new", { state: "waiting" }), fresh],
    {},
    "also-new <- old",
    "old",
    false,
  ],
  [
    "both serve: the one that took over last is asked",
    [gatherer("a-took-over", { sinceMs: 3_000 }), old],
    {},
    "none",
    "a-took-over",
    true,
  ],
  [
    "one of a version that knows no handover serves since never",
    [gatherer("b", { sinceMs: 0 }), old],
    {},
    "none",
    "old",
    true,
  ],
  [
    "the old one ends after the handover: what it gathered since is passed on",
    [leaving, gatherer("took-over", { sinceMs: 3_000 })],
    {},
    "took-over <= old",
    "took-over",
    true,
  ],
  [
    "and once that is done nothing is left to do",
    [{ ...leaving, state: "relieved" }, gatherer("took-over")],
    {},
    "none",
    "took-over",
    true,
  ],
  [
    "a drained one whose successor is not there yet is asked still, and gathers nothing",
    [leaving],
    {},
    "none",
    "old",
    false,
  ],
  [
    "relieved, and the one that had taken over is gone: the newest gets what it has",
    [{ ...leaving, state: "relieved" }, fresh],
    {},
    "new <- old",
    "old",
    false,
  ],
];

const told = ({ step }: ReturnType<typeof decideHandover>): string => {
  if (step.kind === "none" || step.kind === "wait") return step.kind;
  const from = step.from.map(({ name }) => name).join(", ");
  if (step.kind === "pass on") return `${step.to.name} <= ${from}`;
  const silent = step.silent.length === 0 ? "" : `; silent ${step.silent.map(({ name }) => name).join()}`;
  return `${step.to.name} <- ${from}${silent}${step.isLast ? "; last" : ""}`;
};

const none = { isGathering: false, waiting: undefined, handed: new Set<string>(), nowMs };
for (const [rule, gatherers, more, step, ask, mayBegin] of rows)
  test(rule, () => {
    for (const order of [gatherers, gatherers.toReversed()]) {
      const decision = decideHandover({ ...none, gatherers: order, ...more });
      assert.equal([told(decision), decision.ask?.name, decision.mayBegin], [step, ask, mayBegin]);
    }
  });

test("whoever waits is patient for longer than the one it waits for", () => {
  assert.ok(gatherPatienceMs + 2 * failurePatienceMs < lonelyMs);
  assert.ok(lingerMs < graceSeconds * 1000);
});

test.run();
