import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Report, type Tally, tally } from "./steps.ts";

const uvu = (total: number, passed: number, skipped: number) =>
  `\n  Total:     ${total}\n  Passed:    ${passed}\n  Skipped:   ${skipped}\n  Duration:  3.00ms\n`;

const rows: readonly [string, Report, string, number, Tally][] = [
  ["a check that succeeds is one pass", "exit code", "", 0, { passed: 1, failed: 0, skipped: 0 }],
  ["a check that fails is one failure", "exit code", "", 1, { passed: 0, failed: 1, skipped: 0 }],
  ["uvu's three counts", "uvu", uvu(5, 3, 1), 1, { passed: 3, failed: 1, skipped: 1 }],
  ["uvu that finds no test fails", "uvu", uvu(0, 0, 0), 0, { passed: 0, failed: 1, skipped: 0 }],
  ["uvu that dies before its summary fails", "uvu", "Error", 1, { passed: 0, failed: 1, skipped: 0 }],
  ["uvu that passes but exits with an error fails", "uvu", uvu(2, 2, 0), 1, { passed: 2, failed: 1, skipped: 0 }],
  ["only skipped tests are no test run", "uvu", uvu(2, 0, 2), 0, { passed: 0, failed: 1, skipped: 2 }],
  [
    "cargo's results of several crates are added",
    "cargo",
    "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured\ntest result: FAILED. 1 passed; 2 failed; 0 ignored;\n",
    101,
    { passed: 4, failed: 2, skipped: 1 },
  ],
  ["fuzzing ends with its counts", "fuzz", "a: ok\n\n7 passed, 2 failed\n", 1, { passed: 7, failed: 2, skipped: 0 }],
  ["fuzzing that cannot be built is one failure", "fuzz", "error", 101, { passed: 0, failed: 1, skipped: 0 }],
  ["cargo that does not compile fails", "cargo", "error: could not compile", 101, { passed: 0, failed: 1, skipped: 0 }],
];

for (const [name, report, output, exitCode, expected] of rows) {
  test(name, () => assert.equal(tally(report, output, exitCode), expected));
}

test.run();
