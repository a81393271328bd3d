import { test } from "uvu";
import * as assert from "uvu/assert";
import { defaultTimes, type LeaseView, mayHold, problemOfTimes, seen } from "./leader.ts";

const held: Extract<LeaseView, { readonly kind: "present" }> = {
  kind: "present",
  holder: "b_2",
  leaseMs: 137_000,
  resourceVersion: "7",
  sinceMs: 1_000,
};

const rows: readonly {
  readonly rule: string;
  readonly view: LeaseView;
  readonly nowMs: number;
  readonly may: boolean;
}[] = [
  { rule: "no Lease: taken", view: { kind: "absent", before: undefined }, nowMs: 0, may: true },
  {
    rule: "deleted while another one held it: waited for, since that one does not know yet",
    view: { kind: "absent", before: held },
    nowMs: 137_999,
    may: false,
  },
  {
    rule: "deleted while another one held it: taken after its duration",
    view: { kind: "absent", before: held },
    nowMs: 138_000,
    may: true,
  },
  {
    rule: "deleted while we held it: taken at once",
    view: { kind: "absent", before: { ...held, holder: "a_1" } },
    nowMs: 1_000,
    may: true,
  },
  { rule: "given back: taken at once", view: { ...held, holder: "" }, nowMs: 1_000, may: true },
  {
    rule: "ours, from before a restart in the same pod: taken at once",
    view: { ...held, holder: "a_1" },
    nowMs: 1_000,
    may: true,
  },
  {
    rule: "a pod of our name with another uid: waited for",
    view: { ...held, holder: "a_0" },
    nowMs: 2_000,
    may: false,
  },
  { rule: "another's, seen to change just now: waited for", view: held, nowMs: 1_000, may: false },
  { rule: "another's, a moment before it runs out: waited for", view: held, nowMs: 137_999, may: false },
  { rule: "another's, unchanged for its duration: taken", view: held, nowMs: 138_000, may: true },
  {
    rule: "a duration of a year: waited for ten minutes",
    view: { ...held, leaseMs: 31_536_000_000 },
    nowMs: 601_000,
    may: true,
  },
  {
    rule: "a duration of a year: not taken sooner",
    view: { ...held, leaseMs: 31_536_000_000 },
    nowMs: 600_999,
    may: false,
  },
];
for (const { rule, view, nowMs, may } of rows)
  test(rule, () => {
    assert.is(mayHold(view, "a_1", nowMs), may);
  });

test("a Lease that did not change keeps the time since when it is so, a renewed one begins anew", () => {
  assert.equal(seen(held, { ...held, sinceMs: 9_000 }), held);
  const renewed = { ...held, resourceVersion: "8", sinceMs: 9_000 };
  assert.equal(seen(held, renewed), renewed);
});

test("a Lease that was deleted is remembered for its holder, however often it is looked for", () => {
  const gone = seen(held, undefined);
  assert.equal(gone, { kind: "absent", before: held });
  assert.equal(seen(gone, undefined), gone);
  assert.equal(seen(gone, held), held);
  assert.equal(seen(undefined, undefined), { kind: "absent", before: undefined });
});

const times: readonly {
  readonly rule: string;
  readonly change: Partial<typeof defaultTimes>;
  readonly problem: RegExp;
}[] = [
  { rule: "a holder must stop before others begin", change: { renewMs: 137_000 }, problem: /lease duration/ },
  { rule: "one failed try must not cost the Lease", change: { retryMs: 60_000 }, problem: /renew deadline/ },
  { rule: "no storm of tries", change: { retryMs: 100 }, problem: /retry period/ },
  { rule: "nobody waits longer than ten minutes", change: { leaseMs: 601_000 }, problem: /600 seconds/ },
];
for (const { rule, change, problem } of times)
  test(rule, () => {
    assert.match(problemOfTimes({ ...defaultTimes, ...change }) ?? "", problem);
  });

test("OpenShift's numbers can be used", () => {
  assert.is(problemOfTimes(defaultTimes), undefined);
});

test.run();
