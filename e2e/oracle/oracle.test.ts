/** Whole files: what a gather writes about a cluster is, byte for byte, what an independent Go program says it must be. */
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { cases } from "./cases.ts";
import { assertEqualEntries, entriesSchema, gathered, Oracle } from "./oracle.ts";

const seed = Number(process.env.SEED ?? 20_261_121);
const count = Number(process.env.RUNS ?? 150);

const oracle = new Oracle();
test.after(() => oracle.remove());

test(`${count} clusters drawn with seed ${seed}: equal bytes`, async () => {
  const all = fc.sample(cases, { seed, numRuns: count });
  const expected = oracle.ask(all, entriesSchema);
  let withRuntimes = 0;
  for (const [index, one] of all.entries()) {
    const { entries, outcome } = await gathered(one);
    const about = `case ${index} of seed ${seed}: ${JSON.stringify(one)}`;
    assertEqualEntries(entries, expected[index], about);
    assert.is(outcome.counts.nodesFailed, 0, about);
    if (entries.workload.includes('"runtimeInfo"')) withRuntimes += 1;
  }
  assert.ok(withRuntimes > count / 10, `${withRuntimes} of the cases have runtimes`);
});

test.run();
