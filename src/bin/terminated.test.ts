/** A program that a kubelet ends while it still starts hears of it. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";

const kubeconfig = {
  clusters: [{ name: "a", cluster: { server: "http://127.0.0.1:1" } }],
  ...{ users: [{ name: "a", user: {} }], contexts: [{ name: "a", context: { cluster: "a", user: "a" } }] },
  "current-context": "a",
};
const image = { RELATED_IMAGE_INSIGHTS_RUNTIME_EXTRACTOR: "x", RELATED_IMAGE_INSIGHTS_RUNTIME_EXPORTER: "x" };
const env = { ...process.env, ...image, RELATED_IMAGE_KUBE_RBAC_PROXY: "x", RELATED_IMAGE_INSIGHTS_GATHERER: "x" };

const programs = [
  { program: "gatherer.ts", args: (directory: string) => ["serve", "--health-port", "0", "--directory", directory] },
  { program: "main.ts", args: () => ["--namespace", "n"] },
];

// A pipe in place of the kube config holds the start up for as long as nothing is written to it.
for (const { program, args } of programs)
  test(`${program}: SIGTERM while it starts ends it with 0 once it has started`, async () => {
    const directory = await mkdtemp(join(tmpdir(), "terminated-test-"));
    const pipe = join(directory, "kubeconfig");
    execFileSync("mkfifo", [pipe]);
    const more = ["--kubeconfig", pipe, "--port", "0", "--metrics-port", "0"];
    const child = spawn(process.execPath, [join(import.meta.dirname, program), ...args(directory), ...more], {
      stdio: ["ignore", "ignore", "inherit"],
      env,
    });
    try {
      const exit = once(child, "exit");
      const config = await open(pipe, "w");
      child.kill("SIGTERM");
      await config.write(JSON.stringify(kubeconfig));
      await config.close();
      assert.equal(await exit, [0, null]);
    } finally {
      child.kill("SIGKILL");
      await rm(directory, { recursive: true });
    }
  });

test.run();
