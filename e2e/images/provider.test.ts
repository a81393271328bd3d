/** `cluster:up --provider k3s` where the Docker engine runs no privileged containers, as that of the tests (hack/docker.ts). */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { cloneDir } from "../../hack/cache.ts";
import { docker } from "./world.ts";

const state = mkdtempSync(join(tmpdir(), "runtime-insights-k3s-"));
test.after(() => rmSync(state, { recursive: true }));

const cluster = (...args: readonly string[]) =>
  spawnSync(process.execPath, [join(cloneDir, "hack/cluster/cli.ts"), ...args], {
    encoding: "utf8",
    env: { ...process.env, RUNTIME_INSIGHTS_STATE: state, TMPDIR: state },
  });

/** What a cluster could leave behind. */
async function left(): Promise<unknown> {
  const engine = await docker();
  const [containers, images, volumes] = [
    await engine.listContainers({ all: true }),
    await engine.listImages({ all: true }),
    await engine.listVolumes(),
  ];
  return {
    containers: containers.map(({ Id }) => Id),
    images: images.map(({ Id }) => Id).sort(),
    volumes: volumes.Volumes,
    files: readdirSync(state),
  };
}

test("refused in one sentence with the engine's own words and what to do, exit code 1, and nothing is left", async () => {
  const before = await left();
  const { status, stdout, stderr } = cluster("up", "--provider", "k3s", "--name", "k");
  assert.is(status, 1);
  assert.is(stdout, "");
  assert.match(
    stderr,
    /^this Docker engine cannot run privileged containers, which K3s is \(.*(operation not permitted|capabilit).*\): use an engine that can, or leave --provider k3s out: .*\n$/,
  );
  assert.equal(await left(), before);
});

test("the other commands go on as if nobody had asked", () => {
  const { status, stderr } = cluster("kubeconfig", "--name", "k");
  assert.is(status, 1);
  assert.match(stderr, /^cluster "k" is not up: /);
});

test.run();
