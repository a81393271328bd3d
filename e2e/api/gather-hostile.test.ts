/** The worst pods that a real API server takes: what a gather by hand makes of them, and in how much memory. */
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { cloneDir } from "../../hack/cache.ts";
import { type ApiServer, startApiServer } from "../../hack/cluster/apiserver.ts";
import { Connection } from "../../src/adapters/connection.ts";
import { obfuscate } from "../../src/core/hash.ts";
import { digest } from "../../src/core/pods.fixture.ts";

const mebibyte = 1024 * 1024;
const largePods = 100;
const manyContainers = 3_000;
const namespaces = ["constructor", "tostring", "7", "large"];

let server: ApiServer;
let api: Connection;
let directory = "";
test.before(async () => {
  server = await startApiServer();
  api = Connection.load(server.kubeconfig);
  directory = await mkdtemp(join(tmpdir(), "gather-hostile-"));
});
test.after(async () => {
  await api.close();
  await server.stop();
  await rm(directory, { recursive: true });
});

async function call(method: "POST" | "PATCH", path: string, body: object): Promise<void> {
  const contentType = method === "PATCH" ? "application/merge-patch+json" : "application/json";
  const answer = await api.call({ method, path, body, contentType });
  assert.ok(answer.status < 300, JSON.stringify(answer.body).slice(0, 500));
}

async function createPod(
  namespace: string,
  name: string,
  containers: readonly object[],
  status?: object,
): Promise<void> {
  const path = `/api/v1/namespaces/${namespace}/pods`;
  await call("POST", path, {
    metadata: { name },
    spec: { automountServiceAccountToken: false, nodeName: "n", containers },
  });
  if (status !== undefined) await call("PATCH", `${path}/${name}/status`, { status });
}

const statusOf = (name: string, containerID = "containerd://same") => ({
  ...{ name, image: "app:v1", imageID: `x@${digest("a")}`, containerID, ready: true, restartCount: 0 },
  state: { running: {} },
});
const running = (...names: readonly string[]) => ({
  phase: "Running",
  containerStatuses: names.map((name) => statusOf(name)),
});

test("the API server takes pods with strange names, without statuses, with megabytes and with thousands of containers", async () => {
  for (const name of namespaces) {
    await call("POST", "/api/v1/namespaces", { metadata: { name } });
    await call("POST", `/api/v1/namespaces/${name}/serviceaccounts`, { metadata: { name: "default" } });
  }
  const one = [{ name: "constructor", image: "app:v1" }];
  for (const namespace of namespaces.slice(0, 3)) {
    await createPod(namespace, "tostring", one, running("constructor"));
    await createPod(namespace, "valueof", one, running("constructor"));
    await createPod(namespace, "bare", one);
    await createPod(namespace, "unknown", one, { phase: "Unknown" });
    await createPod(namespace, "mismatch", one, running("other"));
  }
  const argument = "x".repeat(mebibyte);
  for (let n = 0; n < largePods; n += 1)
    await createPod("large", `large-${n}`, [{ name: "a", image: "app:v1", args: [argument] }], running("a"));
  const many = Array.from({ length: manyContainers }, (_, n) => ({ name: `c${n}`, image: "app:v1" }));
  await createPod("large", "many", many, running(...many.map(({ name }) => name).reverse()));
});

/** Runs to its end; the peak is the largest resident set that was seen. */
async function gatherOnce(output: string): Promise<{ readonly code: number | null; readonly peakBytes: number }> {
  const args = ["once", "--kubeconfig", server.kubeconfig, "--output", output, "--no-runtime-info"];
  const child = spawn(process.execPath, ["src/bin/gatherer.ts", ...args], {
    cwd: cloneDir,
    stdio: ["ignore", "ignore", "inherit"],
  });
  let peakBytes = 0;
  const timer = setInterval(async () => {
    const status = await readFile(`/proc/${child.pid}/status`, "utf8").catch(() => "");
    peakBytes = Math.max(peakBytes, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024);
  }, 20);
  const code = await new Promise<number | null>((resolve) => child.once("exit", resolve));
  clearInterval(timer);
  return { code, peakBytes };
}

test("each pod is counted where it belongs, and the memory is bounded", async () => {
  const output = join(directory, "output");
  const { code, peakBytes } = await gatherOnce(output);
  assert.is(code, 0);
  const workload = JSON.parse(await readFile(join(output, "config/workload_info.json"), "utf8"));
  assert.is(workload.pods, 3 * 5 + largePods + 1);
  const container = { imageID: digest("a") };
  for (const name of namespaces.slice(0, 3))
    assert.equal(workload.namespaces[obfuscate(name)], {
      ...{ count: 5, ignoredCount: 2, invalidCount: 1 },
      shapes: [{ duplicates: 1, restartAlways: true, containers: [container] }],
    });
  const { shapes, ...counts } = workload.namespaces[obfuscate("large")];
  assert.equal(counts, { count: largePods + 1 });
  const [large, many] = shapes;
  assert.equal(large, {
    ...{ duplicates: largePods - 1, restartAlways: true },
    containers: [{ ...container, firstArg: obfuscate("x".repeat(mebibyte)) }],
  });
  assert.is(many.containers.length, manyContainers);
  assert.ok(peakBytes > 0 && peakBytes < 450 * mebibyte, `${Math.round(peakBytes / mebibyte)} MiB`);
});

test.run();
