import { test } from "uvu";
import * as assert from "uvu/assert";
import { retryAfterMsOf } from "./retry-after.ts";

const rows: readonly (readonly [string, number, string | undefined, number | undefined])[] = [
  ["seconds", 429, "3", 3_000],
  ["none at all: now", 429, "0", 0],
  ["a server that is overloaded or on its way out", 503, "1", 1_000],
  ["more than a minute is cut", 429, "86400", 60_000],
  ["a date of the past: now", 429, "Wed, 21 Oct 2015 07:28:00 GMT", 0],
  ["a date far in the future is cut", 429, "Wed, 21 Oct 2065 07:28:00 GMT", 60_000],
  ["no header", 429, undefined, undefined],
  ["no time", 429, "soon", undefined],
  ["a negative number is read as no time to wait", 429, "-5", 0],
  ["an answer of another kind", 404, "3", undefined],
];
for (const [name, status, header, expected] of rows)
  test(name, () => assert.is(retryAfterMsOf(status, header), expected));

test.run();
