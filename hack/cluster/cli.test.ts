import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";

const state = mkdtempSync(join(tmpdir(), "runtime-insights-cli-"));
test.after(() => rmSync(state, { recursive: true }));

const cli = (...args: readonly string[]) =>
  spawnSync(process.execPath, [join(import.meta.dirname, "cli.ts"), ...args], {
    encoding: "utf8",
    env: { ...process.env, RUNTIME_INSIGHTS_STATE: state },
  });

const refused: readonly [string, readonly string[], RegExp][] = [
  ["no command", [], /^usage:/],
  ["an unknown command", ["start"], /^usage:/],
  ["an unknown option", ["up", "--node", "2"], /^Unknown option '--node'(.|\n)*usage:/],
  ["a word too many", ["down", "demo"], /^Unexpected argument 'demo'(.|\n)*usage:/],
  ["an option of another command", ["down", "--nodes", "2"], /^Unknown option '--nodes'(.|\n)*usage:/],
  ["no nodes", ["up", "--nodes", "0"], /^--nodes 0: give a number from 1 to 9(.|\n)*usage:/],
  ["nodes in words", ["up", "--nodes", "two"], /^--nodes two: give a number/],
  ["a cluster that is not up", ["kubeconfig", "--name", "nowhere"], /is not up: npm run cluster:up -- --name nowhere/],
  ["a name that is a path", ["kubeconfig", "--name", "../x"], /^cluster name "\.\.\/x": use up to 20/],
];
for (const [name, args, message] of refused) {
  test(`refused: ${name}`, () => {
    const { status, stdout, stderr } = cli(...args);
    assert.is(status, 1);
    assert.is(stdout, "");
    assert.match(stderr, message);
  });
}

for (const args of [["--help"], ["up", "--help"], ["down", "--help"], ["kubeconfig", "--help"]]) {
  test(`${args.join(" ")} prints the usage`, () => {
    const { status, stdout } = cli(...args);
    assert.is(status, 0);
    assert.match(stdout, /^usage: npm run cluster:up/);
  });
}

test.run();
