import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { StoredArchive } from "../api/gather.ts";
import { type LastUpload, type UploadReason, uploadReasons } from "../api/upload.ts";
import {
  backOffMs,
  gatheredMs,
  lastUploadOf,
  metadataOf,
  nextArchive,
  type Retry,
  retryAfterMs,
  tooLarge,
  type UploadOutcome,
  uploadEvents,
  userAgent,
  verdictOf,
  withoutFailure,
} from "./upload.ts";

const nowMs = Date.UTC(2026, 10, 21, 12, 0, 0);
const now = "2026-11-21T12:00:00Z";
const minuteMs = 60_000;
const nameAt = (text: string) => `insights-2026-11-${text}.tar.gz`;
const stored = (name: string, bytes = 100): StoredArchive => ({ name, bytes, sha256: "x", modified: nowMs });
const success = (name: string) => ({ archive: name, time: now });

const choices: readonly {
  readonly rule: string;
  readonly there: readonly string[];
  readonly last?: string;
  readonly chosen: string | undefined;
}[] = [
  { rule: "nothing stored: nothing", there: [], chosen: undefined },
  {
    rule: "nothing sent yet: the newest, whatever the order",
    there: [nameAt("20-010000"), nameAt("21-010000"), nameAt("19-010000")],
    chosen: nameAt("21-010000"),
  },
  {
    rule: "the newest was sent: nothing, also not the ones before",
    there: [nameAt("21-010000"), nameAt("20-010000")],
    last: nameAt("21-010000"),
    chosen: undefined,
  },
  {
    rule: "several newer ones: the newest only",
    there: [nameAt("21-010000"), nameAt("20-130000"), nameAt("20-010000")],
    last: nameAt("20-010000"),
    chosen: nameAt("21-010000"),
  },
  {
    rule: "the one sent is gone, only older ones are left: nothing",
    there: [nameAt("20-010000")],
    last: nameAt("20-020000"),
    chosen: undefined,
  },
  {
    rule: "archives of some namespaces are never sent",
    there: [`filtered-${nameAt("21-020000")}`, nameAt("21-010000")],
    chosen: nameAt("21-010000"),
  },
  { rule: "only archives of some namespaces: nothing", there: [`filtered-${nameAt("21-020000")}`], chosen: undefined },
  { rule: "other files are not archives", there: ["inventory.json", "insights-x.tar.gz"], chosen: undefined },
  {
    rule: "an archive of next year waits for its time",
    there: ["insights-2027-11-21-010000.tar.gz", nameAt("21-010000")],
    chosen: nameAt("21-010000"),
  },
  { rule: "an archive of in half an hour is new", there: [nameAt("21-123000")], chosen: nameAt("21-123000") },
  {
    rule: "one of next year was sent by a wrong clock: it does not keep the others back",
    there: ["insights-2027-11-21-010000.tar.gz", nameAt("21-010000")],
    last: "insights-2027-11-21-010000.tar.gz",
    chosen: nameAt("21-010000"),
  },
];
for (const { rule, there, last, chosen } of choices)
  test(`next archive: ${rule}`, () => {
    const lastSuccess = last === undefined ? undefined : success(last);
    const archives = there.map((name) => stored(name));
    assert.is(nextArchive(archives, lastSuccess, nowMs)?.name, chosen);
  });

test("whatever comes, in whatever order it is listed: nothing is sent twice, and nothing older after something newer", () => {
  const day = fc.integer({ min: 1, max: 21 }).map((number) => nameAt(`${String(number).padStart(2, "0")}-010000`));
  fc.assert(
    fc.property(fc.array(fc.uniqueArray(day, { maxLength: 6 }), { maxLength: 12 }), (looks) => {
      const sent: string[] = [];
      for (const look of looks) {
        const last = sent.at(-1);
        const next = nextArchive(
          look.map((name) => stored(name)),
          last === undefined ? undefined : success(last),
          nowMs,
        );
        if (next !== undefined) sent.push(next.name);
      }
      assert.equal(sent, [...new Set(sent)].sort());
    }),
  );
});

test("an archive of 10 MiB is too long, one of a byte less is not", () => {
  assert.is(tooLarge(stored("a", 10 * 1024 * 1024 - 1)), undefined);
  assert.equal(tooLarge(stored("a", 10 * 1024 * 1024)), {
    ...{ kind: "failed", reason: "TooLarge", message: "the incoming sample data is too long" },
  });
});

const answers: readonly (readonly [status: number, reason: UploadReason, retry: Retry])[] = [
  [200, "Uploaded", "never"],
  [202, "Uploaded", "never"],
  [299, "Uploaded", "never"],
  [301, "Redirected", "much later"],
  [307, "Redirected", "much later"],
  [400, "Refused", "much later"],
  [401, "NotAuthorized", "much later"],
  [403, "NotAuthorized", "much later"],
  [404, "Refused", "much later"],
  [407, "ProxyFailed", "much later"],
  [408, "Timeout", "later"],
  [413, "TooLarge", "much later"],
  [415, "Refused", "much later"],
  [418, "Refused", "much later"],
  [429, "Throttled", "later"],
  [500, "ServerFailed", "later"],
  [503, "ServerFailed", "later"],
];
for (const [status, reason, retry] of answers)
  test(`answer ${status}: ${reason}, again ${retry}`, () => {
    const verdict = verdictOf({ kind: "answered", status });
    assert.equal([verdict.succeeded, verdict.reason, verdict.retry], [status < 300, reason, retry]);
    assert.is(verdict.message.includes(String(status)), status >= 300);
  });

test("every failed answer has a text of its own status; 401, 403 and 400 differ in words", () => {
  const words = (status: number) => verdictOf({ kind: "answered", status }).message.replace(/\d+/, "");
  assert.is(new Set([400, 401, 403, 404, 413, 415, 429, 500].map(words)).size, 8);
});

const failed = (reason: UploadReason): UploadOutcome => ({ kind: "failed", reason, message: "m" });
const answered = (status: number, retryMs?: number): UploadOutcome => ({
  ...{ kind: "answered", status },
  ...(retryMs === undefined ? {} : { retryAfterMs: retryMs }),
});
const waits: readonly {
  readonly rule: string;
  readonly outcome: UploadOutcome;
  readonly least: number | undefined;
  readonly most: number | undefined;
}[] = [
  { rule: "a failure waits for one to 2.2 intervals", outcome: answered(500), least: 15, most: 33 },
  { rule: "so does an endpoint that cannot be reached", outcome: failed("Unreachable"), least: 15, most: 33 },
  { rule: "so does a missing token", outcome: failed("NoToken"), least: 15, most: 33 },
  { rule: "not authorized waits for four to twelve", outcome: answered(401), least: 60, most: 180 },
  { rule: "a bad request too", outcome: answered(400), least: 60, most: 180 },
  { rule: "Retry-After counts when it is longer", outcome: answered(429, 20 * minuteMs), least: 20, most: 33 },
  { rule: "Retry-After counts for a day at most", outcome: answered(503, 1e12), least: 1440, most: 1440 },
  { rule: "a gatherer that does not answer is asked soon", outcome: failed("ArchiveUnavailable"), least: 1, most: 1 },
  { rule: "too large: never again", outcome: failed("TooLarge"), least: undefined, most: undefined },
];
for (const { rule, outcome, least, most } of waits)
  test(`back-off: ${rule}`, () => {
    const minutes = (jitter: number) => {
      const ms = backOffMs(verdictOf(outcome), outcome, 15 * minuteMs, jitter);
      return ms === undefined ? undefined : ms / minuteMs;
    };
    assert.is(minutes(0), least);
    assert.is(minutes(1), most);
    const some = minutes(0.5);
    assert.ok(some === undefined || (some >= (least ?? 0) && some <= (most ?? 0)), `${some}`);
  });

const headers: readonly (readonly [header: string, ms: number | undefined])[] = [
  ["120", 120_000],
  [" 0 ", 0],
  ["Sat, 21 Nov 2026 12:10:00 GMT", 10 * minuteMs],
  ["Sat, 21 Nov 2026 11:00:00 GMT", 0],
  ["-5", undefined],
  ["1.5", undefined],
  ["soon", undefined],
  ["Foo, bar", undefined],
  ["99999999999999999999", undefined],
  ["", undefined],
];
for (const [header, ms] of headers) test(`Retry-After "${header}"`, () => assert.is(retryAfterMs(header, nowMs), ms));

const a = nameAt("20-010000");
const b = nameAt("21-010000");
const good: LastUpload = {
  ...{
    archive: a,
    time: "2026-11-20T02:00:00Z",
    succeeded: true,
    reason: "Uploaded",
    message: "The archive was received",
  },
  lastSuccess: { archive: a, time: "2026-11-20T02:00:00Z" },
};
const bad: LastUpload = {
  ...{
    archive: b,
    time: "2026-11-21T02:00:00Z",
    succeeded: false,
    reason: "ServerFailed",
    message: "The receiver failed (500)",
  },
  requestId: "r1",
  lastSuccess: { archive: a, time: "2026-11-20T02:00:00Z" },
};
const after = (archive: string | undefined, outcome: UploadOutcome, previous: LastUpload | undefined) =>
  lastUploadOf(archive, verdictOf(outcome), outcome, previous, nowMs);

test("status: a success is the last success, with the receiver's id", () => {
  assert.equal(after(b, { kind: "answered", status: 202, requestId: "r2" }, bad), {
    ...{ archive: b, time: now, succeeded: true, reason: "Uploaded", message: "The archive was received" },
    ...{ requestId: "r2", lastSuccess: { archive: b, time: now } },
  });
});
test("status: a failure keeps the last success", () => {
  assert.equal(after(b, { kind: "answered", status: 500, requestId: "r1" }, good), { ...bad, time: now });
});
test("status: the same failure of the same archive changes nothing, whatever its id", () => {
  assert.is(after(b, { kind: "answered", status: 500, requestId: "r7" }, bad), bad);
});
test("status: another failure, or of another archive, is new", () => {
  assert.is(after(b, answered(503), bad).time, now);
  assert.is(after(nameAt("21-020000"), answered(500), bad).time, now);
});
test("status: the first failure has no last success, and no archive when none could be chosen", () => {
  assert.equal(after(undefined, failed("ArchiveUnavailable"), undefined), {
    ...{ time: now, succeeded: false, reason: "ArchiveUnavailable", message: "m" },
  });
});
test("status: without its failures the last success is left, or nothing", () => {
  assert.equal(withoutFailure(bad), good);
  assert.is(withoutFailure(good), good);
  assert.is(withoutFailure(after(b, answered(500), undefined)), undefined);
  assert.is(withoutFailure(undefined), undefined);
});

const events: readonly {
  readonly rule: string;
  readonly before: LastUpload | undefined;
  readonly after: LastUpload | undefined;
  readonly said: readonly string[];
}[] = [
  { rule: "nothing known", before: undefined, after: undefined, said: [] },
  {
    rule: "the first archive ever",
    before: undefined,
    after: good,
    said: [`Normal Uploaded ${a}: The archive was received`],
  },
  { rule: "one more archive is no news", before: good, after: after(b, answered(200), good), said: [] },
  {
    rule: "a failure",
    before: good,
    after: bad,
    said: [`Warning UploadFailed ${b}: ServerFailed: The receiver failed (500)`],
  },
  { rule: "the same failure of the next archive", before: bad, after: { ...bad, archive: "c" }, said: [] },
  {
    rule: "a failure of another kind",
    before: bad,
    after: after(b, answered(401), bad),
    said: [`Warning UploadFailed ${b}: NotAuthorized: The receiver does not know the token, or it has expired (401)`],
  },
  {
    rule: "recovery",
    before: bad,
    after: after(b, answered(200), bad),
    said: [`Normal Uploaded ${b}: The archive was received`],
  },
  { rule: "uploads switched off while they fail", before: bad, after: withoutFailure(bad), said: [] },
  { rule: "the record goes", before: bad, after: undefined, said: [] },
];
for (const { rule, before, after: then, said } of events)
  test(`events: ${rule}`, () => {
    assert.equal(
      uploadEvents(before, then).map(({ type, reason, message }) => `${type} ${reason} ${message}`),
      said,
    );
  });

test("who sends it: with the cluster's id where there is one", () => {
  assert.is(userAgent("0.1.0", "abc", "1-2"), "insights-operator/0.1.0-abc cluster/1-2");
  assert.is(userAgent("0.1.0", "abc", undefined), "insights-operator/0.1.0-abc");
});

test("the metadata has the time in the archive's name", () => {
  assert.is(gatheredMs(nameAt("21-010203")), Date.UTC(2026, 10, 21, 1, 2, 3));
  assert.is(gatheredMs("insights-2026-13-41-010203.tar.gz"), undefined);
  assert.is(metadataOf(nameAt("21-010203")), '{"custom_metadata":{"gathering_time":"2026-11-21T01:02:03Z"}}');
});

test("docs/archive.md names every reason, and no other", () => {
  const text = readFileSync(join(import.meta.dirname, "../../docs/archive.md"), "utf8");
  const section = text.split(/^## /m).find((part) => part.startsWith("Upload\n")) ?? "";
  const table = section.split(/\n\n/).find((part) => part.startsWith("| reason ")) ?? "";
  const documented = [...table.matchAll(/^\| `([A-Za-z]+)`( \*)? \|/gm)];
  assert.equal(
    documented.map(([, word]) => word),
    [...uploadReasons],
  );
  const patient = documented.filter(([, , mark]) => mark !== undefined).map(([, word]) => word);
  const always = uploadReasons.filter((reason) =>
    answers.some(([, one, retry]) => one === reason && retry === "much later"),
  );
  assert.equal(
    patient,
    always.filter((reason) => reason !== "TooLarge" && reason !== "ProxyFailed"),
  );
});

test.run();
