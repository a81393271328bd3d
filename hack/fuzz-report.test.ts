import { test } from "uvu";
import * as assert from "uvu/assert";
import { resultOf, table, words } from "./fuzz-report.ts";

const ended = { target: "elf", program: "/t/elf", exitCode: 0, inputs: 12, output: "" };
const figures =
  "#2000\tDONE cov: 77 ft: 90\nstat::number_of_executed_units: 2000\nstat::average_exec_per_sec:     400\n";

test("a target that ran is told with its figures", () => {
  assert.equal(resultOf({ ...ended, output: figures }), {
    target: "elf",
    runs: 2000,
    perSecond: 400,
    inputs: 12,
    reached: 77,
  });
});

test("a crash says why, where the input lies and how to run it again", () => {
  const output = `#9 NEW cov: 5\nthread '<unnamed>' panicked at src/elf.rs:7:9:\nno value: "a"\nTest unit written to /c/elf/crash-1\n`;
  assert.is(
    resultOf({ ...ended, exitCode: 77, output }).failure,
    'src/elf.rs:7:9: no value: "a"\n    input: /c/elf/crash-1\n    again: /t/elf /c/elf/crash-1',
  );
});

test("an input that takes too long is a failure by libFuzzer's own words", () => {
  const output = "ALARM\nSUMMARY\n==7== ERROR: libFuzzer: timeout after 2 seconds\nTest unit written to /c/timeout-1\n";
  assert.match(resultOf({ ...ended, exitCode: 70, output }).failure ?? "", "timeout after 2 seconds\n");
});

test("a target that ran nothing is a failure", () => {
  assert.is(resultOf(ended).failure, "ended with 0 after 0 runs");
});

test("the table is sorted and ends with the failures", () => {
  const bad = resultOf({ ...ended, target: "a", exitCode: 1 });
  const lines = table([resultOf({ ...ended, output: figures }), bad]).split("\n");
  assert.is(lines[0], "target  runs  exec/s  corpus  places  result");
  assert.is(lines[2], "elf     2000     400      12      77      ok");
  assert.is(lines.at(-1), "a: ended with 1 after 0 runs");
});

test("words are the literals of the sources, each once, escaped as libFuzzer wants them", () => {
  const sources = String.raw`find(b"libjvm.so\0"); note("a {}"); x("\u{1}"); "libjvm.so\0"; "\x7fELF" "\"q\"" ""`;
  assert.equal(words(sources), [String.raw`"\"q\""`, String.raw`"\x7fELF"`, String.raw`"libjvm.so\x00"`]);
});

test.run();
