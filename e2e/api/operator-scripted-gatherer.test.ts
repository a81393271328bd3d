/** RuntimeGathers and a gatherer that answers what the test says, every wrong thing included. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { waitFor } from "../../hack/kubectl.ts";
import { type HttpsServer, serveHttps } from "../../src/adapters/https.fixture.ts";
import { type GatherOutcome, type GatherProgress, gatherOrderSchema } from "../../src/api/gather.ts";
import { names } from "../../src/core/operands.ts";
import { GathersWorld } from "./gathers-world.ts";
import type { OperatorWorld } from "./operator-world.ts";

let gathers: GathersWorld;
let world: OperatorWorld;

test.before(async () => {
  gathers = await GathersWorld.start();
  world = gathers.world;
});
test.after(async () => {
  await scripted?.close();
  await world.stop();
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
  ...{ id, phase, startedAtMs: gathers.nowMs(), outcome: result },
  stage: phase === "Finished" ? "Done" : "AskingNodes",
  finishedAtMs: phase === "Finished" ? gathers.nowMs() : null,
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
  assert.is((await world.applyConfig({})).status, 201);
  await gathers.startOperator();
  await waitFor("the certificate", async () =>
    (await world.operand({ kind: "Deployment", name: names.gatherer })) ? true : undefined,
  );
  await world.setGathererReady(true);
  scripted = await serveHttps(await gathers.servingPair(), (request, response) => void answer(request, response));
  script = (method, id) => (method === "POST" ? accepted : { status: 200, body: progress(id, "Finished", outcome) });
  await gathers.startOperator({
    gathererOrigin: `https://127.0.0.1:${scripted.port}`,
    gathererToken: async () => "x",
  });
  await world.waitForCondition("GatherSucceeded", "True/AsExpected");
});
for (const row of rows) {
  test(`a gather that is ${row.what}`, async () => {
    script = row.script;
    posts.length = 0;
    await gathers.make(row.name);
    await gathers.pass(61_000);
    const finished = await gathers.waitForPhase(row.name, row.phase);
    assert.is(posts.length, row.posts);
    assert.is(new Set(posts).size, 1);
    assert.match(JSON.stringify(finished.status.conditions), row.says);
    if (row.gatherSucceeded !== undefined) await world.waitForCondition("GatherSucceeded", row.gatherSucceeded);
  });
}

test("busy with a run that nobody knows: the gather waits for it", async () => {
  script = () => ({ status: 409, body: { error: "another run" } });
  await gathers.make("after-another");
  await gathers.pass(61_000);
  await gathers.waitForPhase("after-another", "GathererBusy");
  script = (method, id) => (method === "POST" ? accepted : { status: 200, body: progress(id, "Finished", outcome) });
  await gathers.waitForPhase("after-another", "Succeeded");
});

test("an answer that is garbage is not believed; the gather goes on when the answers are good again", async () => {
  script = (method) => (method === "POST" ? accepted : { status: 200, body: "<html>" });
  await gathers.make("garbage");
  await gathers.pass(61_000);
  await gathers.waitForPhase("garbage", "Running");
  await waitFor("the complaint", async () =>
    /not JSON/.test(JSON.stringify((await gathers.find("garbage"))?.status.conditions)) ? true : undefined,
  );
  await gathers.pass(61_000);
  await world.waitForCondition("GatherSucceeded", "False/GathererUnreachable");
  script = (method, id) => (method === "POST" ? accepted : { status: 200, body: progress(id, "Finished", outcome) });
  await gathers.waitForPhase("garbage", "Succeeded");
});

test("the API server crashes and comes back: the operator goes on with what has changed meanwhile", async () => {
  await world.server.crash(3_000);
  await world.setGate("enabled");
  await world.waitForCondition("FeatureGateEnabled", "True/GateEnabled");
  await gathers.make("after-the-crash");
  await gathers.pass(61_000);
  await gathers.waitForPhase("after-the-crash", "Succeeded");
});

test("a gatherer with a certificate of another CA is not asked", async () => {
  await world.stopOperator();
  await world.delete(world.pathOf({ kind: "Secret", name: names.ca }));
  await world.delete(world.pathOf({ kind: "ConfigMap", name: names.caBundle }));
  await gathers.startOperator({
    gathererOrigin: `https://127.0.0.1:${scripted?.port}`,
    gathererToken: async () => "x",
  });
  await gathers.make("distrust");
  await gathers.waitForPhase("distrust", "GathererNotReady");
  await gathers.pass(4 * 60_000);
  const request = await gathers.waitForPhase("distrust", "GathererUnreachable");
  assert.match(JSON.stringify(request.status.conditions), /does not answer/);
});

test.run();
