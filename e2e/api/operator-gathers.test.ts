/** RuntimeGathers and schedule: the operator, the real kube-rbac-proxy with the shipped arguments, the real gatherer; then a scripted one that fails. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import { cloneDir } from "../../hack/cache.ts";
import { ensureBinaries } from "../../hack/cluster/binaries.ts";
import { kubectl, waitFor } from "../../hack/kubectl.ts";
import { type HttpsServer, serveHttps } from "../../src/adapters/https.fixture.ts";
import { statusSchema } from "../../src/api/config.ts";
import { type GatherOutcome, type GatherProgress, gatherOrderSchema } from "../../src/api/gather.ts";
import { decodeRequest, type GatherRequest } from "../../src/api/request.ts";
import { decodeKeyPair } from "../../src/api/tls.ts";
import { names } from "../../src/core/operands.ts";
import { phaseOf } from "../../src/core/requests.ts";
import { configPath, gathersPath, namespace, OperatorWorld } from "./operator-world.ts";

const hourMs = 3_600_000;
let world: OperatorWorld;
let offsetMs = 0;
const nowMs = () => Date.now() + offsetMs;
const children: ChildProcess[] = [];
let gatherer: { readonly child: ChildProcess; readonly start: () => ChildProcess } | undefined;
let origin = "";
let createdSeconds = 0;

test.before(async () => {
  world = await OperatorWorld.start({ controllers: false });
  await world.applyCrds();
  await world.setGate("disabled");
});
test.after(async () => {
  for (const child of children) child.kill("SIGKILL");
  await world.stop();
});

const token = (account: string, audience: string) =>
  kubectl(world.server, ["-n", namespace, "create", "token", account, `--audience=${audience}`]);
const operatorToken = () => token("runtime-insights-operator", "runtime-insights-gatherer");

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}

/** The pair in the gatherer's TLS Secret. */
async function servingPair(): Promise<{ readonly cert: string; readonly key: string }> {
  const pair = decodeKeyPair(await world.operand({ kind: "Secret", name: names.gathererTls }));
  if (pair === undefined) throw new Error("there is no serving certificate");
  return { cert: pair.certificate, key: pair.key };
}

const podSchema = z.object({
  spec: z.object({
    template: z.object({
      spec: z.object({ containers: z.array(z.object({ name: z.string(), args: z.array(z.string()).default([]) })) }),
    }),
  }),
});

/** Gatherer and proxy as their Deployment would run them, with paths and ports of this machine. */
async function startGatherer(): Promise<void> {
  const dir = join(world.server.dir, "gatherer");
  await mkdir(dir, { recursive: true });
  const account = await world.accountConfig(names.gatherer);
  const [port, proxyPort, metricsPort] = [await freePort(), await freePort(), await freePort()];
  const start = () => {
    const args = ["serve", "--kubeconfig", account, "--namespace", namespace, "--directory", dir];
    const ports = ["--port", `${port}`, "--metrics-port", `${metricsPort}`];
    const child = spawn(process.execPath, [join(cloneDir, "src/bin/gatherer.ts"), ...args, ...ports], {
      stdio: "ignore",
    });
    children.push(child);
    return child;
  };
  gatherer = { child: start(), start };
  const { cert, key } = await servingPair();
  await writeFile(join(dir, "tls.crt"), cert);
  await writeFile(join(dir, "tls.key"), key, { mode: 0o600 });
  const deployment = podSchema.parse(await world.operand({ kind: "Deployment", name: names.gatherer }));
  const shipped = deployment.spec.template.spec.containers.find(({ name }) => name === "kube-rbac-proxy")?.args ?? [];
  const args = shipped.map((arg) =>
    arg.replace(":8443", `127.0.0.1:${proxyPort}`).replace(":8080", `:${port}`).replace("/etc/tls/private", dir),
  );
  const binDir = await ensureBinaries(["kube-rbac-proxy"], () => undefined);
  children.push(spawn(join(binDir, "kube-rbac-proxy"), [...args, `--kubeconfig=${account}`], { stdio: "ignore" }));
  origin = `https://127.0.0.1:${proxyPort}`;
}

async function requests(): Promise<readonly GatherRequest[]> {
  const answer = await world.admin.call({ path: gathersPath });
  return z
    .object({ items: z.array(z.unknown()) })
    .parse(answer.body)
    .items.map(decodeRequest);
}

async function find(name: string): Promise<GatherRequest | undefined> {
  return (await requests()).find((request) => request.name === name);
}

async function make(name: string, spec: object = {}): Promise<string> {
  const { status, text: said } = await world.create(gathersPath, {
    apiVersion: "runtimes.insights.openshift.io/v1alpha1",
    kind: "RuntimeGather",
    metadata: { name },
    spec,
  });
  assert.is(status, 201, said);
  return name;
}

async function waitForPhase(name: string, phase: string): Promise<GatherRequest> {
  let last = "";
  return waitFor(
    `${name} to be ${phase}`,
    async () => {
      const request = await find(name);
      last = request === undefined ? "not there" : phaseOf(request);
      return request !== undefined && last === phase ? request : undefined;
    },
    { timeoutMs: 20_000, everyMs: 100 },
  ).catch(() => {
    throw new Error(`${name} is ${last}, not ${phase}`);
  });
}

/** Time passes for the operator, which is woken by a change of an object. */
async function pass(ms: number): Promise<void> {
  offsetMs += ms;
  const [any] = await requests();
  const path = any === undefined ? configPath : `${gathersPath}/${any.name}`;
  await world.patch(path, { metadata: { annotations: { now: `${offsetMs}` } } });
  await world.patch(configPath, { metadata: { annotations: { now: `${offsetMs}` } } });
}

const status = async () =>
  statusSchema.parse(z.object({ status: z.unknown() }).parse(await world.get(configPath)).status);
const timeText = (ms: number) => new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");

test("a config is made: the first gather runs as soon as the gatherer is ready, and its end is in the status", async () => {
  assert.is((await world.applyConfig({})).status, 201);
  await world.startOperator({ nowMs });
  await waitFor("the certificate", async () =>
    (await world.operand({ kind: "Deployment", name: names.gatherer })) ? true : undefined,
  );
  await world.stopOperator();
  await startGatherer();
  await world.startOperator({ nowMs, gathererOrigin: origin, gathererToken: operatorToken });
  assert.equal(await requests(), []);
  await world.setGathererReady(true);
  const created = (await world.get(configPath))?.metadata.creationTimestamp ?? "";
  createdSeconds = Date.parse(created) / 1000;
  const first = await waitForPhase(`scheduled-${createdSeconds}`, "Succeeded");
  assert.is(first.spec.trigger, "Scheduled");
  assert.match(first.status.archive?.name ?? "", /^insights-.*\.tar\.gz$/);
  await world.waitForCondition("GatherSucceeded", "True/AsExpected");
  await world.waitForCondition("Available", "True/AsExpected");
  const { lastGather, nextGather } = await status();
  assert.is(lastGather?.name, first.name);
  assert.is(nextGather, timeText(createdSeconds * 1000 + 12 * hourMs));
});

test("one runs and one waits: less than a minute after the last the newest waits, older ones are superseded", async () => {
  await make("a");
  await waitForPhase("a", "Pending");
  await make("b");
  await waitForPhase("a", "Superseded");
  await waitForPhase("b", "Pending");
  await pass(61_000);
  await waitForPhase("b", "Succeeded");
  await waitFor("the last gather", async () => ((await status()).lastGather?.name === "b" ? true : undefined));
});

test("a gather of some namespaces does not count as the last one", async () => {
  await make("some", { namespaces: ["default"] });
  await pass(61_000);
  const finished = await waitForPhase("some", "Succeeded");
  assert.is(finished.status.counts?.pods, 0);
  await world.waitForObserved();
  assert.is((await status()).lastGather?.name, "b");
});

test("a RuntimeGather cannot be changed", async () => {
  const body = { spec: { runtimeInfo: "Disabled" } };
  const answer = await world.admin.call({
    ...{ method: "PATCH", path: `${gathersPath}/b`, body },
    contentType: "application/merge-patch+json",
  });
  assert.is(answer.status, 422);
  assert.match(JSON.stringify(answer.body), /make another/);
});

test("twelve hours later the next one is made, named after its due time, also by an operator that has just started", async () => {
  await world.stopOperator();
  offsetMs += 12 * hourMs;
  await world.startOperator({ nowMs, gathererOrigin: origin, gathererToken: operatorToken });
  await waitForPhase(`scheduled-${createdSeconds + 12 * 3600}`, "Succeeded");
  await waitFor("the next due time", async () =>
    (await status()).nextGather === timeText((createdSeconds + 24 * 3600) * 1000) ? true : undefined,
  );
});

test("a token that the proxy refuses: the gather waits, says why, and nothing crashes", async () => {
  await world.stopOperator();
  const wrong = () => token("runtime-insights-operator", "https://kubernetes.default.svc");
  await world.startOperator({ nowMs, gathererOrigin: origin, gathererToken: wrong });
  await make("refused");
  await pass(61_000);
  const request = await waitForPhase("refused", "GathererUnreachable");
  assert.match(JSON.stringify(request.status.conditions), /refused our token \(401\)/);
  await world.stopOperator();
  await world.startOperator({ nowMs, gathererOrigin: origin, gathererToken: operatorToken });
  await waitForPhase("refused", "Succeeded");
});

test("the gatherer is gone: GathererUnreachable, and the gather runs when it is back", async () => {
  gatherer?.child.kill("SIGKILL");
  await make("lost");
  await pass(61_000);
  await waitForPhase("lost", "GathererUnreachable");
  await pass(61_000);
  await world.waitForCondition("GatherSucceeded", "False/GathererUnreachable");
  await pass(120_000);
  await world.waitForCondition("Degraded", "True/GathererUnreachable");
  gatherer?.start();
  await waitForPhase("lost", "Succeeded");
  await world.waitForCondition("GatherSucceeded", "True/AsExpected");
  await world.waitForCondition("Degraded", "False/AsExpected");
});

test("without a managed config a request waits, and runs when the config is managed again", async () => {
  await world.applyConfig({ managementState: "Unmanaged" });
  await world.waitForObserved();
  await make("patient");
  await pass(61_000);
  await waitForPhase("patient", "NotManaged");
  await world.applyConfig({});
  await waitForPhase("patient", "Succeeded");
});

test("of the finished ones the last ten are kept, and the schedule's newest", async () => {
  const before = await requests();
  await world.stopOperator();
  for (let number = 0; number < 11; number += 1) {
    const name = await make(`old-${number}`, { trigger: "Scheduled" });
    const condition = (type: string, value: string, reason: string) => ({
      ...{ type, status: value, reason, message: "", lastTransitionTime: "2026-01-01T00:00:00Z" },
    });
    const conditions = [condition("Progressing", "False", "Superseded"), condition("Succeeded", "False", "Superseded")];
    await world.patch(`${gathersPath}/${name}/status`, { status: { conditions, finishTime: "2026-01-01T00:00:00Z" } });
  }
  const scheduled = `scheduled-${createdSeconds + 12 * 3600}`;
  assert.ok(before.some(({ name }) => name === scheduled));
  await world.startOperator({ nowMs, gathererOrigin: origin, gathererToken: operatorToken });
  await waitFor("the old ones to be forgotten", async () => ((await requests()).length === 11 ? true : undefined), {
    timeoutMs: 20_000,
  });
  assert.ok((await requests()).some(({ name }) => name === scheduled));
});

/** A gatherer that answers what the test says; it listens with the real certificate. */
type Script = (method: string, id: string) => { readonly status: number; readonly body: unknown };
let script: Script = () => ({ status: 500, body: {} });
const posts: string[] = [];
let scripted: HttpsServer | undefined;

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const said = await text(request);
  const id =
    request.method === "POST" ? gatherOrderSchema.parse(JSON.parse(said)).id : (request.url ?? "").split("/").at(-1);
  if (request.method === "POST") posts.push(id ?? "");
  const { status: code, body } = script(request.method ?? "", id ?? "");
  response
    .writeHead(code, { "content-type": "application/json" })
    .end(typeof body === "string" ? body : JSON.stringify(body));
}

const outcome: GatherOutcome = {
  ...{
    succeeded: true,
    reason: "",
    message: "",
    archive: null,
    failures: [],
    moreFailures: 0,
    notes: [],
    inventory: [],
  },
  counts: { pods: 3, containers: 4, shapes: 2, nodesAsked: 2, nodesAnswered: 2, nodesFailed: 0, nodesSkipped: 0 },
  durationsMs: { listPods: 1, askNodes: 2, write: 3, total: 6 },
};

const progress = (id: string, phase: GatherProgress["phase"], result: GatherOutcome | null): GatherProgress => ({
  ...{ id, phase, startedAtMs: nowMs(), outcome: result },
  stage: phase === "Finished" ? "Done" : "AskingNodes",
  finishedAtMs: phase === "Finished" ? nowMs() : null,
});

interface Row {
  readonly what: string;
  readonly name: string;
  readonly script: Script;
  readonly phase: string;
  readonly posts: number;
  readonly says: RegExp;
  readonly gatherSucceeded?: string;
}

const accepted = { status: 202, body: {} };
const rows: readonly Row[] = [
  {
    what: "interrupted once: it is ordered once more under the same id",
    ...{ name: "interrupted-once", phase: "Succeeded", posts: 2, says: /3 pods gathered, 2 of 2 nodes answered/ },
    script: (method, id) => {
      if (method === "POST") return accepted;
      const again = posts.filter((one) => one === id).length > 1;
      return { status: 200, body: progress(id, again ? "Finished" : "Interrupted", again ? outcome : null) };
    },
    gatherSucceeded: "True/AsExpected",
  },
  {
    what: "interrupted twice: it fails",
    ...{ name: "interrupted-twice", phase: "Failed", posts: 2, says: /Interrupted/ },
    script: (method, id) => (method === "POST" ? accepted : { status: 200, body: progress(id, "Interrupted", null) }),
    gatherSucceeded: "False/GatherFailed",
  },
  {
    what: "forgotten twice: it fails",
    ...{ name: "forgotten-twice", phase: "Failed", posts: 2, says: /Interrupted/ },
    script: (method) => (method === "POST" ? accepted : { status: 404, body: { error: "unknown" } }),
  },
  {
    what: "the order is refused: it fails at once",
    ...{ name: "refused-order", phase: "Failed", posts: 1, says: /Refused/ },
    script: () => ({ status: 400, body: { error: "podLimit: too small" } }),
  },
  {
    what: "the gatherer's disk is full: its own reason is shown",
    ...{ name: "disk-full", phase: "Failed", posts: 1, says: /ArchiveWriteFailed: No space left/ },
    script: (method, id) => {
      if (method === "POST") return accepted;
      const failed = { ...outcome, succeeded: false, reason: "ArchiveWriteFailed", message: "No space left" };
      return { status: 200, body: progress(id, "Finished", failed) };
    },
    gatherSucceeded: "False/GatherFailed",
  },
  {
    what: "one node failed: the gather succeeded and names the node",
    ...{ name: "node-failed", phase: "Succeeded", posts: 1, says: /1 of 2 nodes answered; no runtimes from worker-1/ },
    script: (method, id) => {
      if (method === "POST") return accepted;
      const failures = [{ node: "worker-1", reason: "Timeout" as const, message: "no answer within 120 s" }];
      const counts = { ...outcome.counts, nodesAnswered: 1, nodesFailed: 1 };
      return { status: 200, body: progress(id, "Finished", { ...outcome, counts, failures }) };
    },
    gatherSucceeded: "True/NodesFailed",
  },
];

test("a scripted gatherer takes the real one's place", async () => {
  await world.stopOperator();
  scripted = await serveHttps(await servingPair(), (request, response) => void answer(request, response));
  await world.startOperator({
    nowMs,
    gathererOrigin: `https://127.0.0.1:${scripted.port}`,
    gathererToken: async () => "x",
  });
});
for (const row of rows) {
  test(`a gather that is ${row.what}`, async () => {
    script = row.script;
    posts.length = 0;
    await make(row.name);
    await pass(61_000);
    const finished = await waitForPhase(row.name, row.phase);
    assert.is(posts.length, row.posts);
    assert.is(new Set(posts).size, 1);
    assert.match(JSON.stringify(finished.status.conditions), row.says);
    if (row.gatherSucceeded !== undefined) await world.waitForCondition("GatherSucceeded", row.gatherSucceeded);
  });
}

test("busy with a run that nobody knows: the gather waits for it", async () => {
  script = () => ({ status: 409, body: { error: "another run" } });
  await make("after-another");
  await pass(61_000);
  await waitForPhase("after-another", "GathererBusy");
  script = (method, id) => (method === "POST" ? accepted : { status: 200, body: progress(id, "Finished", outcome) });
  await waitForPhase("after-another", "Succeeded");
});

test("an answer that is garbage is not believed; the gather goes on when the answers are good again", async () => {
  script = (method) => (method === "POST" ? accepted : { status: 200, body: "<html>" });
  await make("garbage");
  await pass(61_000);
  await waitForPhase("garbage", "Running");
  await waitFor("the complaint", async () =>
    /not JSON/.test(JSON.stringify((await find("garbage"))?.status.conditions)) ? true : undefined,
  );
  await pass(61_000);
  await world.waitForCondition("GatherSucceeded", "False/GathererUnreachable");
  script = (method, id) => (method === "POST" ? accepted : { status: 200, body: progress(id, "Finished", outcome) });
  await waitForPhase("garbage", "Succeeded");
});

test("the API server crashes and comes back: the operator goes on with what has changed meanwhile", async () => {
  await world.server.crash(3_000);
  await world.setGate("enabled");
  await world.waitForCondition("FeatureGateEnabled", "True/GateEnabled");
  await make("after-the-crash");
  await pass(61_000);
  await waitForPhase("after-the-crash", "Succeeded");
});

test("a gatherer with a certificate of another CA is not asked", async () => {
  await world.stopOperator();
  await world.delete(world.pathOf({ kind: "Secret", name: names.ca }));
  await world.delete(world.pathOf({ kind: "ConfigMap", name: names.caBundle }));
  await world.startOperator({
    nowMs,
    gathererOrigin: `https://127.0.0.1:${scripted?.port}`,
    gathererToken: async () => "x",
  });
  await make("distrust");
  await pass(61_000);
  const request = await waitForPhase("distrust", "GathererUnreachable");
  assert.match(JSON.stringify(request.status.conditions), /does not answer/);
  await scripted?.close();
});

test.run();
