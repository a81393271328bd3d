import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { run } from "./fuzz-run.ts";

const dir = mkdtempSync(join(tmpdir(), "fuzz-run-test-"));
const before = process.env.RUNTIME_INSIGHTS_CACHE;
process.env.RUNTIME_INSIGHTS_CACHE = join(dir, "cache");

test.after(() => {
  if (before === undefined) delete process.env.RUNTIME_INSIGHTS_CACHE;
  else process.env.RUNTIME_INSIGHTS_CACHE = before;
  rmSync(dir, { recursive: true });
});

/** Runs a program that takes too long for its first input, then none; the input alone ends with that code. What was asked of it, too. */
async function ran(alone: number, reason: "timeout" | "crash") {
  const programs = join(dir, `${alone}-${reason}`);
  mkdirSync(programs);
  const input = join(programs, `${reason}-1`);
  const script = `#!/bin/sh
echo "$@" >> ${programs}/calls
case "$*" in
  *${input}) exit ${alone} ;;
esac
if [ $(wc -l < ${programs}/calls) = 1 ]; then
  echo > ${input}
  printf '#30\\tNEW cov: 5\\nTest unit written to ${input}\\n==7== ERROR: libFuzzer: ${reason}\\n' >&2
  exit 70
fi
printf 'stat::number_of_executed_units: 12\\n' >&2
`;
  writeFileSync(join(programs, "elf"), script);
  chmodSync(join(programs, "elf"), 0o755);
  const result = await run({ target: "elf", folder: dir, programs, words: "/none", seconds: 60 });
  return { result, calls: readFileSync(join(programs, "calls"), "utf8").trim().split("\n") };
}

test("an input that takes too long once, and alone does not: the rest of the time is used", async () => {
  const { result, calls } = await ran(0, "timeout");
  assert.is(result.failure, undefined);
  assert.is(result.runs, 30 + 12);
  assert.is(calls.length, 3);
  assert.match(calls[1] ?? "", /^-timeout=2 /);
  const seconds = Number(/-max_total_time=(\d+)/.exec(calls[2] ?? "")?.[1]);
  assert.ok(seconds > 0 && seconds < 60, calls[2]);
});

test("one that takes too long alone, too, is a failure", async () => {
  const { result, calls } = await ran(70, "timeout");
  assert.match(result.failure ?? "", "timeout\n");
  assert.is(calls.length, 2);
});

test("what crashed is a failure without a second look", async () => {
  const { result, calls } = await ran(0, "crash");
  assert.match(result.failure ?? "", "crash\n");
  assert.is(calls.length, 1);
});

test.run();
