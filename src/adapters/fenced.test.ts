import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Api, ApiCall } from "./connection.ts";
import { fenced } from "./lease.ts";

/** The deadline that a call got; undefined when it was not sent. */
async function deadlineOf(call: ApiCall, leftMs: number): Promise<number | "default" | undefined> {
  let sent: ApiCall | undefined;
  const api: Api = {
    call: async (one) => {
      sent = one;
      return { status: 200, body: undefined };
    },
  };
  await fenced(api, { remainingMs: () => leftMs })
    .call(call)
    .catch(() => undefined);
  return sent === undefined ? undefined : (sent.timeoutMs ?? "default");
}

const write: ApiCall = { method: "PATCH", path: "/a" };
const rows: readonly {
  readonly what: string;
  readonly call: ApiCall;
  readonly leftMs: number;
  readonly expected: number | "default" | undefined;
}[] = [
  { what: "a write ends with the Lease, in whole milliseconds", call: write, leftMs: 6192.138, expected: 6192 },
  { what: "a write has half a minute when the Lease lasts longer", call: write, leftMs: 90_000.5, expected: 30_000 },
  { what: "without the Lease nothing is written", call: write, leftMs: 0, expected: undefined },
  { what: "reads do not ask for the Lease", call: { path: "/a" }, leftMs: 0, expected: "default" },
];
for (const { what, call, leftMs, expected } of rows)
  test(what, async () => {
    assert.is(await deadlineOf(call, leftMs), expected);
  });

test.run();
