import { test } from "uvu";
import * as assert from "uvu/assert";
import { type UploadPause, type UploadWait, waitOf } from "./upload-pause.ts";

const minuteMs = 60_000;
const span = { sinceMs: 100 * minuteMs, untilMs: 115 * minuteMs, settings: "s" };
const rest: UploadPause = { ...span, kind: "nothing new", lastGatherMs: 5 };
const failure: UploadPause = { ...span, kind: "failed", credentials: undefined };
const wrongToken: UploadPause = { ...span, kind: "failed", credentials: "f" };
const over: UploadWait = { kind: "over" };

const rows: readonly {
  readonly rule: string;
  readonly pause: UploadPause | undefined;
  readonly at: number;
  readonly settings?: string;
  readonly lastGatherMs?: number;
  readonly expected: UploadWait;
}[] = [
  { rule: "none: look", pause: undefined, at: 100, expected: over },
  {
    rule: "nothing new: the rest of the interval",
    pause: rest,
    at: 105,
    expected: { kind: "wait", ms: 10 * minuteMs },
  },
  { rule: "the interval is over: look", pause: rest, at: 115, expected: over },
  { rule: "a gather ended: look", pause: rest, at: 105, lastGatherMs: 6, expected: over },
  { rule: "the settings were changed: look", pause: rest, at: 105, settings: "t", expected: over },
  { rule: "the clock was set back: look", pause: rest, at: 99, expected: over },
  { rule: "a failure: the rest of its time", pause: failure, at: 114, expected: { kind: "wait", ms: minuteMs } },
  {
    rule: "a failure: a gather that ended does not make it shorter",
    ...{ pause: failure, at: 105, lastGatherMs: 6 },
    expected: { kind: "wait", ms: 10 * minuteMs },
  },
  { rule: "a failure: changed settings end it", pause: failure, at: 105, settings: "t", expected: over },
  {
    rule: "a wrong token: another one ends it, which is looked for each minute",
    ...{ pause: wrongToken, at: 105 },
    expected: { kind: "unless mended", ms: minuteMs, credentials: "f" },
  },
  { rule: "a wrong token: its time is over", pause: wrongToken, at: 116, expected: over },
  { rule: "a wrong token and a clock that was set back", pause: wrongToken, at: 1, expected: over },
];
for (const { rule, pause, at, settings = "s", lastGatherMs = 5, expected } of rows)
  test(rule, () => assert.equal(waitOf(pause, { nowMs: at * minuteMs, settings, lastGatherMs }), expected));

test.run();
