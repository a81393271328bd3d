/** `cluster:up --provider k3s` where the Docker engine runs no privileged containers, as that of hack/docker.ts; not run beside another engine. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { cloneDir } from "../../hack/cache.ts";
import { docker, loadedImages } from "./world.ts";

const state = mkdtempSync(join(tmpdir(), "runtime-insights-k3s-"));
test.after(() => rmSync(state, { recursive: true }));

const cluster = (...args: readonly string[]) =>
  spawnSync(process.execPath, [join(cloneDir, "hack/cluster/cli.ts"), ...args], {
    encoding: "utf8",
    env: { ...process.env, RUNTIME_INSIGHTS_STATE: state, TMPDIR: state },
  });

/** What a cluster could leave behind. */
async function left() {
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

/** As `up` leaves it when it is killed before K3s is up. */
async function halfMade(): Promise<void> {
  const [image] = await loadedImages();
  await (await docker()).createContainer({ Image: image?.ref ?? "", Labels: { "runtime-insights.cluster": "k" } });
  mkdirSync(join(state, "clusters/k"), { recursive: true });
  writeFileSync(join(state, "clusters/k/k3s.json"), "{}");
}

test("one that is half made: not up, not taken for a cluster of machines, and taken down whole", async () => {
  await loadedImages();
  const before = (await left()).containers;
  await halfMade();
  assert.match(cluster("kubeconfig", "--name", "k").stderr, /^cluster "k" is not up: .* --provider k3s --name k\n$/);
  assert.match(cluster("up", "--name", "k").stderr, /^cluster "k" is one of K3s: take it down first/);
  const { status, stderr } = cluster("down", "--name", "k");
  assert.is(status, 0, stderr);
  assert.match(stderr, /Cluster "k" is gone: removed 1 container and files below /);
  assert.equal((await left()).containers, before);
  assert.not(existsSync(join(state, "clusters/k")));
});

test("the other commands go on as if nobody had asked", () => {
  const { status, stderr } = cluster("kubeconfig", "--name", "k");
  assert.is(status, 1);
  assert.match(stderr, /^cluster "k" is not up: /);
});

test.run();
