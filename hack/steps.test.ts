import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Report } from "./failures.ts";
import { waitFor } from "./kubectl.ts";
import { type Counts, FileTimes, runStep, runTwice, type Step, tally } from "./steps.ts";

const uvu = (total: number, passed: number, skipped: number) =>
  `\n  Total:     ${total}\n  Passed:    ${passed}\n  Skipped:   ${skipped}\n  Duration:  3.00ms\n`;

const rows: readonly [string, Report, string, number, Counts][] = [
  ["a check that succeeds is one pass", "exit code", "", 0, { passed: 1, failed: 0, skipped: 0 }],
  ["a check that fails is one failure", "exit code", "", 1, { passed: 0, failed: 1, skipped: 0 }],
  [
    "uvu's counts: its total leaves out what is skipped, which is a failure",
    "uvu",
    uvu(4, 3, 1),
    1,
    { passed: 3, failed: 2, skipped: 0 },
  ],
  ["uvu that finds no test fails", "uvu", uvu(0, 0, 0), 0, { passed: 0, failed: 1, skipped: 0 }],
  ["uvu that dies before its summary fails", "uvu", "Error", 1, { passed: 0, failed: 1, skipped: 0 }],
  ["uvu that passes but exits with an error fails", "uvu", uvu(2, 2, 0), 1, { passed: 2, failed: 1, skipped: 0 }],
  ["a skipped test beside good ones fails", "uvu", uvu(2, 2, 1), 0, { passed: 2, failed: 1, skipped: 0 }],
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
  test(name, () => {
    const { isBroken: _, ...counts } = tally(report, output, { exitCode, isKilled: false });
    assert.equal(counts, expected);
  });
}

test("files that took ten seconds and more are told, the slowest first, whatever the colours", () => {
  const esc = String.fromCharCode(27);
  const times = new FileTimes();
  times.hear(`${esc}[1m${esc}[4m${esc}[37mquick.test.ts${esc}[22m${esc}[24m${esc}[39m\n• • `, 0);
  times.hear("\nsome.test.ts\n• says of other.test.ts\n", 9_000);
  times.hear("slow.test.ts\n", 20_000);
  assert.is(times.slowest(50_000), "slow.test.ts 30 s, some.test.ts 11 s");
  assert.is(new FileTimes().slowest(50_000), "");
});

const summary = "  Total:     1\n  Passed:    1\n  Skipped:   0\n  Duration:  1ms\n";
const unending: readonly (readonly [
  rule: string,
  script: string,
  limits: Pick<Step, "endMs" | "timeoutMs">,
  Counts,
])[] = [
  ["no end in time", "", { timeoutMs: 3_000 }, { passed: 0, failed: 1, skipped: 0 }],
  ["tests that leave a process", `printf '${summary}';`, { endMs: 300 }, { passed: 1, failed: 1, skipped: 0 }],
];
for (const [rule, script, limits, expected] of unending)
  test(`${rule}: killed with all that was started, and a failure`, async () => {
    const dir = mkdtempSync(join(tmpdir(), "steps-test-"));
    const started = join(dir, "pid");
    const command = ["sh", "-c", `sleep 600 & echo $! > ${started}; ${script} wait`] as const;
    const { passed, failed, skipped } = await runStep({
      name: rule,
      report: "uvu",
      command,
      show: "not at all",
      ...limits,
    });
    assert.equal({ passed, failed, skipped }, expected);
    const pid = readFileSync(started, "utf8").trim();
    rmSync(dir, { recursive: true });
    await waitFor("its end", async () => (existsSync(`/proc/${pid}`) ? undefined : true), {
      timeoutMs: 30_000,
      everyMs: 10,
    });
  });

const failing = (file: string) => `${file}\n✘   (0 / 1)\n\n   FAIL  "rule"\n    why\n`;
const output = (files: readonly string[], passed: number) =>
  `${files.map(failing).join("\n")}\n  Total:     ${files.length + passed}\n  Passed:    ${passed}\n  Skipped:   0\n`;
const steps: readonly (readonly [
  rule: string,
  first: string,
  second: string,
  { readonly failed: number; readonly unsteady: number; readonly told: number },
])[] = [
  [
    "what passes the second time is unsteady",
    output(["a.test.ts"], 1),
    output([], 2),
    { failed: 0, unsteady: 1, told: 0 },
  ],
  [
    "what fails twice has failed",
    output(["a.test.ts"], 1),
    output(["a.test.ts"], 1),
    { failed: 1, unsteady: 0, told: 2 },
  ],
  [
    "three files are not tried again",
    output(["a.test.ts", "b.test.ts", "c.test.ts"], 1),
    output([], 3),
    { failed: 3, unsteady: 0, told: 3 },
  ],
  ["a runner that died is not tried again", "a.test.ts\n", output([], 3), { failed: 1, unsteady: 0, told: 1 }],
  ["one that died behind a failure neither", failing("a.test.ts"), output([], 3), { failed: 1, unsteady: 0, told: 2 }],
  [
    "a hook that throws is tried again as a whole file",
    "a.test.ts\n  (0 / 3)\n\n  Total:     3\n  Passed:    0\n  Skipped:   0\n",
    output([], 3),
    { failed: 0, unsteady: 1, told: 0 },
  ],
  [
    "a second try has to run what failed",
    "a.test.ts\n  (0 / 3)\n\n  Total:     3\n  Passed:    0\n  Skipped:   0\n",
    output([], 2),
    { failed: 3, unsteady: 0, told: 1 },
  ],
];
for (const [rule, first, second, expected] of steps)
  test(rule, async () => {
    const printing = (text: string) => ["printf", "%s", text] as const;
    const step: Step = { name: "step", report: "uvu", command: printing(first), show: "not at all" };
    let prepared = 0;
    const prepare = async () => {
      prepared += 1;
    };
    const again = () => {
      assert.is(prepared, 1, "the second try has its own preparation");
      return printing(second);
    };
    const { failed, unsteady, failures } = await runTwice(step, again, prepare);
    assert.equal({ failed, unsteady: unsteady.length, told: failures.length }, expected);
  });

test.run();
