import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { makeRequest } from "./requests.fixture.ts";
import { dueMsOf, type Schedule, type ScheduleInput, schedule } from "./schedule.ts";

const hourMs = 3_600_000;
const created = 1_000_000 * hourMs;
const name = (ms: number) => `scheduled-${ms / 1000}`;
const input = (changes: Partial<ScheduleInput>): ScheduleInput => ({
  ...{ nowMs: created + hourMs, intervalMs: 12 * hourMs, configCreatedMs: created, requests: [] },
  ...{ lastGatherMs: undefined, canGather: true, isBusy: false },
  ...changes,
});
const made = (...dueTimes: readonly number[]) => dueTimes.map((dueMs) => makeRequest({ name: name(dueMs) }));

const rows: readonly { readonly rule: string; readonly input: ScheduleInput; readonly expected: Schedule }[] = [
  {
    rule: "a new config: due since it was made",
    input: input({}),
    expected: { dueMs: created, create: name(created) },
  },
  {
    rule: "the gatherer is not ready: due, but not made",
    input: input({ canGather: false }),
    expected: { dueMs: created, create: undefined },
  },
  {
    rule: "another one runs or waits: not made",
    input: input({ nowMs: created + 60_000, isBusy: true }),
    expected: { dueMs: created, create: undefined },
  },
  {
    rule: "others have been before it for ten minutes: made all the same",
    input: input({ nowMs: created + 600_000, isBusy: true }),
    expected: { dueMs: created, create: name(created) },
  },
  {
    rule: "one was made: due an interval after its due time",
    input: input({ requests: made(created) }),
    expected: { dueMs: created + 12 * hourMs, create: undefined },
  },
  {
    rule: "the newest one counts",
    input: input({ nowMs: created + 20 * hourMs, requests: made(created, created + 12 * hourMs) }),
    expected: { dueMs: created + 24 * hourMs, create: undefined },
  },
  {
    rule: "many were missed: made up once, at the last due time",
    input: input({ nowMs: created + 50 * hourMs, requests: made(created) }),
    expected: { dueMs: created + 48 * hourMs, create: name(created + 48 * hourMs) },
  },
  {
    rule: "the objects are gone: an interval after the last gather",
    input: input({ lastGatherMs: created + hourMs / 2 }),
    expected: { dueMs: created + 12.5 * hourMs, create: undefined },
  },
  {
    rule: "objects of an earlier config do not count",
    input: input({ requests: made(created - hourMs) }),
    expected: { dueMs: created, create: name(created) },
  },
  {
    rule: "an object named after a time to come does not stop the schedule",
    input: input({ requests: made(created + 1_000 * hourMs) }),
    expected: { dueMs: created, create: name(created) },
  },
  {
    rule: "requests of users do not count",
    input: input({ requests: [makeRequest({ name: "requested-1" })] }),
    expected: { dueMs: created, create: name(created) },
  },
  {
    rule: "a shorter interval holds at once",
    input: input({ intervalMs: hourMs / 2, requests: made(created) }),
    expected: { dueMs: created + hourMs, create: name(created + hourMs) },
  },
];
for (const { rule, input: given, expected } of rows) test(rule, () => assert.equal(schedule(given), expected));

test("what is made is never made twice: with it on record nothing is due, whenever one looks", () => {
  fc.assert(
    fc.property(fc.nat(1_000), fc.nat(1_000), (hours, more) => {
      const given = input({ nowMs: created + hours * hourMs, requests: made(created) });
      const { create, dueMs } = schedule(given);
      if (create === undefined) return;
      const after = schedule({
        ...given,
        nowMs: given.nowMs + (more % 12) * 1000,
        requests: [...given.requests, makeRequest({ name: create })],
      });
      assert.is(dueMsOf(create), dueMs);
      assert.is(after.create, undefined);
      assert.ok(after.dueMs > dueMs);
    }),
  );
});

test.run();
