import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Failure, failuresOf, lastWords, listed, type Report } from "./failures.ts";

const esc = String.fromCharCode(27);
const uvuOutput = `${esc}[1mgood.test.ts${esc}[22m
• • (2 / 2)

bad.test.ts
• ✘   (1 / 2)

   FAIL  "waits for it"
    Expected values to be strictly equal:  (is)

        ++true    (Expected)
        --false   (Actual)

    at Object.handler (bad.test.ts:18:10)

   FAIL  a suite  "another"
    never said
    at x (y)


after.test.ts
• (1 / 1)
  Total:     5
  Passed:    3
`;

const rows: readonly (readonly [rule: string, Report, output: string, readonly Failure[]])[] = [
  [
    "each failure of uvu with its file, without colours",
    "uvu",
    uvuOutput,
    [
      {
        file: "bad.test.ts",
        text: `   FAIL  "waits for it"\n    Expected values to be strictly equal:  (is)\n\n        ++true    (Expected)\n        --false   (Actual)\n\n    at Object.handler (bad.test.ts:18:10)`,
      },
      { file: "bad.test.ts", text: `   FAIL  a suite  "another"\n    never said\n    at x (y)` },
    ],
  ],
  [
    "a hook that threw, of which uvu says nothing",
    "uvu",
    "a.test.ts\n• • (2 / 2)\n\nb.test.ts\n  (0 / 3)\n",
    [{ file: "b.test.ts", text: "   0 of 3 tests ran: a hook before or after them threw, or the file ended early" }],
  ],
  [
    "each failure of cargo",
    "cargo",
    "test a ... ok\ntest b ... FAILED\n\nfailures:\n\n---- b stdout ----\nthread 'b' panicked at x.rs:1\n\n\nfailures:\n    b\n\ntest result: FAILED. 1 passed; 1 failed;\n",
    [{ file: undefined, text: "---- b stdout ----\nthread 'b' panicked at x.rs:1" }],
  ],
  [
    "what is skipped",
    "uvu",
    "a.test.ts\n• (1 / 1)\n\n  Total:     1\n  Passed:    1\n  Skipped:   2\n",
    [{ file: undefined, text: "2 tests are skipped, or left out by `only`" }],
  ],
];

for (const [rule, report, output, expected] of rows)
  test(rule, () => assert.equal(failuresOf(report, output), expected));

test("a runner that broke is told by its end", () => {
  assert.is(lastWords(`x\n${"y\n".repeat(25)}`).text, Array(25).fill("y").join("\n"));
});

test("a list names kind and file, and is nothing without failures", () => {
  assert.is(listed("Failed:", []), "");
  assert.is(
    listed("Failed:", [{ step: "nodes", file: "a.test.ts", text: "   FAIL  x" }]),
    "\nFailed:\n\nnodes, a.test.ts\n   FAIL  x\n",
  );
});

test.run();
