import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";

const state = mkdtempSync(join(tmpdir(), "runtime-insights-cli-"));
test.after(() => rmSync(state, { recursive: true }));

const cli = (...args: readonly string[]) =>
  spawnSync(process.execPath, [join(import.meta.dirname, "cli.ts"), ...args], {
    encoding: "utf8",
    env: { ...process.env, RUNTIME_INSIGHTS_STATE: state, DOCKER_HOST: "unix:///nowhere/docker.sock" },
  });

const refused: readonly [string, readonly string[], RegExp][] = [
  ["no command", [], /^usage:/],
  ["an unknown command", ["start"], /^usage:/],
  ["an unknown option", ["up", "--node", "2"], /^Unknown option '--node'(.|\n)*usage:/],
  ["a word too many", ["down", "demo"], /^Unexpected argument 'demo'(.|\n)*usage:/],
  ["an option of another command", ["down", "--nodes", "2"], /^Unknown option '--nodes'(.|\n)*usage:/],
  ["no nodes", ["up", "--nodes", "0"], /^--nodes 0: give a number from 1 to 9(.|\n)*usage:/],
  ["nodes in words", ["up", "--nodes", "two"], /^--nodes two: give a number/],
  [
    "a provider that there is not",
    ["up", "--provider", "kind"],
    /^--provider kind: give k3s, or leave it out(.|\n)*usage:/,
  ],
  ["two nodes of K3s", ["up", "--provider", "k3s", "--nodes", "2"], /^--nodes 2: a cluster of K3s has one node/],
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

test("refused: K3s where no Docker engine answers, in one sentence with what to do, and nothing is left", () => {
  const before = readdirSync(state);
  const { status, stdout, stderr } = cli("up", "--provider", "k3s", "--name", "k");
  assert.is(status, 1);
  assert.is(stdout, "");
  assert.match(
    stderr,
    /^no Docker engine answers at unix:\/\/\/nowhere\/docker\.sock: start one, .*, or leave --provider k3s out: .*\n$/,
  );
  assert.equal(readdirSync(state), before);
});

for (const args of [["--help"], ["up", "--help"], ["down", "--help"], ["kubeconfig", "--help"]]) {
  test(`${args.join(" ")} prints the usage`, () => {
    const { status, stdout } = cli(...args);
    assert.is(status, 0);
    assert.match(stdout, /^usage: npm run cluster:up/);
  });
}

test.run();
