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
    rule: "the clock was set back by an hour: the window that has had its gather has had it",
    input: input({ nowMs: created + 11 * hourMs, requests: made(created + 12 * hourMs) }),
    expected: { dueMs: created + 24 * hourMs, create: undefined },
  },
  {
    rule: "the same, with no object left",
    input: input({ nowMs: created + 11 * hourMs, lastGatherMs: created + 12 * hourMs }),
    expected: { dueMs: created + 24 * hourMs, create: undefined },
  },
  {
    rule: "the last gather began a year ahead, by a clock that was wrong: it does not count",
    input: input({ nowMs: created + hourMs, lastGatherMs: created + 8_760 * hourMs }),
    expected: { dueMs: created, create: name(created) },
  },
  {
    rule: "the config was made a minute ahead, by the API server's clock: due then",
    input: input({ nowMs: created - 60_000 }),
    expected: { dueMs: created, create: undefined },
  },
  {
    rule: "a year ahead: due now, and once",
    input: input({ nowMs: created - 8_760 * hourMs }),
    expected: { dueMs: created - 8_760 * hourMs - 4 * hourMs, create: name(created - 8_764 * hourMs) },
  },
  {
    rule: "and then an interval later",
    input: input({ nowMs: created - 8_760 * hourMs, requests: made(created - 8_764 * hourMs) }),
    expected: { dueMs: created - 8_752 * hourMs, create: undefined },
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

/** What happens to a cluster between two looks of whoever leads. */
type Happening =
  /** Nobody looks meanwhile, as when the operator is restarted. */
  | { readonly kind: "time"; readonly ms: number }
  /** The leader's clock is set, or another leader's differs. */
  | { readonly kind: "clock"; readonly ms: number }
  /** The gather that runs, if one does, has so long to go. */
  | { readonly kind: "long run"; readonly ms: number }
  | { readonly kind: "gatherer away"; readonly ms: number }
  /** Somebody deletes the finished RuntimeGathers. */
  | { readonly kind: "deleted" }
  /** Two leaders look at once: both saw what there was before either wrote. */
  | { readonly kind: "two looks" };

const intervalMs = 12 * hourMs;

/** A cluster by its real time; the operator keeps nothing but what the API server and the status do. */
class Simulation {
  readonly gathers: { readonly dueMs: number; readonly realMs: number }[] = [];
  realMs = created;
  #clockMs = 0;
  #names = new Set<string>();
  #lastGatherMs: number | undefined;
  #busyUntilMs = 0;
  #awayUntilMs = 0;

  happen(happening: Happening): void {
    if (happening.kind === "time") this.realMs += happening.ms;
    if (happening.kind === "clock") this.#clockMs += happening.ms;
    if (happening.kind === "long run" && this.#isBusy()) this.#busyUntilMs = this.realMs + happening.ms;
    if (happening.kind === "gatherer away") this.#awayUntilMs = this.realMs + happening.ms;
    if (happening.kind === "deleted" && !this.#isBusy()) this.#names = new Set();
    const seen = [this.#look(), ...(happening.kind === "two looks" ? [this.#look()] : [])];
    for (const create of seen) this.#make(create);
  }

  /** All is as it should be from now on, for so long. */
  settle(ms: number): void {
    this.#awayUntilMs = 0;
    this.#busyUntilMs = 0;
    for (let left = ms; left > 0; left -= hourMs / 6) this.happen({ kind: "time", ms: hourMs / 6 });
  }

  #isBusy(): boolean {
    return this.realMs < this.#busyUntilMs;
  }

  #look(): string | undefined {
    if (this.#isBusy()) return undefined;
    return schedule({
      ...{ nowMs: this.realMs + this.#clockMs, intervalMs, configCreatedMs: created, isBusy: false },
      requests: [...this.#names].map((one) => makeRequest({ name: one })),
      lastGatherMs: this.#lastGatherMs,
      canGather: this.realMs >= this.#awayUntilMs,
    }).create;
  }

  /** The API server makes one of each name. */
  #make(create: string | undefined): void {
    if (create === undefined || this.#names.has(create)) return;
    this.#names.add(create);
    this.gathers.push({ dueMs: dueMsOf(create) ?? 0, realMs: this.realMs });
    this.#lastGatherMs = this.realMs + this.#clockMs;
    this.#busyUntilMs = this.realMs + 60_000;
  }
}

const span = (maxHours: number) => fc.integer({ min: 1, max: maxHours * 3_600 }).map((seconds) => seconds * 1_000);
const happenings = (clock: fc.Arbitrary<number>) =>
  fc.array(
    fc.oneof(
      fc.record({ kind: fc.constant("time" as const), ms: fc.oneof(span(1), span(40)) }),
      fc.record({ kind: fc.constant("clock" as const), ms: clock }),
      fc.record({ kind: fc.constant("long run" as const), ms: span(30) }),
      fc.record({ kind: fc.constant("gatherer away" as const), ms: span(30) }),
      fc.record({ kind: fc.constant("two looks" as const) }),
    ),
    { maxLength: 40 },
  );
const distances = (times: readonly number[]) => times.slice(1).map((time, at) => time - (times[at] ?? 0));

test("a clock that is right: no window has two gathers, whatever happens, and none is skipped once it is over", () => {
  fc.assert(
    fc.property(happenings(fc.constant(0)), (list) => {
      const simulation = new Simulation();
      for (const happening of list) simulation.happen(happening);
      const { gathers } = simulation;
      assert.ok(distances(gathers.map(({ dueMs }) => dueMs)).every((ms) => ms >= intervalMs));
      assert.ok(gathers.every(({ dueMs, realMs }) => dueMs <= realMs));
      simulation.settle(hourMs);
      const window = Math.floor((simulation.realMs - created) / intervalMs);
      assert.is(gathers.at(-1)?.dueMs, created + window * intervalMs);
    }),
  );
});

test("a clock that is set forth at will, and back by less than an interval at a time: no window has two gathers", () => {
  const clock = fc.oneof(
    span(10_000),
    span(5).map((ms) => -ms),
  );
  fc.assert(
    fc.property(happenings(clock), (list) => {
      const simulation = new Simulation();
      let backMs = 0;
      for (const happening of list) {
        if (happening.kind === "clock" && happening.ms < 0) backMs -= happening.ms;
        if (backMs > intervalMs) return;
        simulation.happen(happening);
      }
      assert.ok(distances(simulation.gathers.map(({ dueMs }) => dueMs)).every((ms) => ms >= intervalMs));
    }),
  );
});

test("a clock that is set to anything, however often: within three intervals there is a gather again", () => {
  const clock = fc.oneof(
    span(10_000),
    span(10_000).map((ms) => -ms),
  );
  fc.assert(
    fc.property(happenings(clock), fc.boolean(), (list, areDeleted) => {
      const simulation = new Simulation();
      for (const happening of list) simulation.happen(happening);
      if (areDeleted) simulation.happen({ kind: "deleted" });
      const before = simulation.gathers.length;
      simulation.settle(3 * intervalMs + hourMs);
      assert.ok(simulation.gathers.length > before);
    }),
  );
});

test("a clock that is set forth at will: soon there is a gather, and then one in each interval", () => {
  fc.assert(
    fc.property(happenings(span(10_000)), (list) => {
      const simulation = new Simulation();
      for (const happening of list) simulation.happen(happening);
      const before = simulation.gathers.length;
      simulation.settle(6 * intervalMs + hourMs);
      // What was missed is made up late, so that the one after it may come sooner.
      const [first = 0, ...others] = distances(simulation.gathers.slice(before).map(({ realMs }) => realMs));
      assert.ok(first <= intervalMs + hourMs && others.every((ms) => Math.abs(ms - intervalMs) <= hourMs));
    }),
  );
});

test("finished RuntimeGathers that somebody deletes are not gathered again", () => {
  fc.assert(
    fc.property(fc.array(span(30), { maxLength: 20 }), (times) => {
      const simulation = new Simulation();
      simulation.happen({ kind: "time", ms: 1_000 });
      for (const ms of times) {
        simulation.happen({ kind: "time", ms });
        simulation.happen({ kind: "deleted" });
      }
      assert.ok(distances(simulation.gathers.map(({ dueMs }) => dueMs)).every((ms) => ms >= intervalMs));
    }),
  );
});

test.run();
