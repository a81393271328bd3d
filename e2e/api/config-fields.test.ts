/** Every field of the config's spec: set, changed, at its bounds, unset and written otherwise, it shows where it should and nothing is written twice. */
import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import { type HttpsServer, serveHttps } from "../../src/adapters/https.fixture.ts";
import { specSchema } from "../../src/api/config.ts";
import { statusSchema } from "../../src/api/config-status.ts";
import { type GatherOrder, type GatherProgress, gatherOrderSchema } from "../../src/api/gather.ts";
import { keyOf, names, operands } from "../../src/core/operands.ts";
import {
  elsewhere,
  leavesOf,
  longName,
  podSpecOf,
  put,
  rows,
  type Seen,
  type Stage,
  specOf,
  stages,
  valueAt,
} from "./config-fields.ts";
import { GathersWorld } from "./gathers-world.ts";
import { configPath, gathererSide, nodeSide, type OperatorWorld } from "./operator-world.ts";

const daemonSet = { kind: "DaemonSet", name: names.extractor } as const;
const deployment = { kind: "Deployment", name: names.gatherer } as const;
const leaves = leavesOf(z.toJSONSchema(specSchema, { io: "input", unrepresentable: "any" }));

let gathers: GathersWorld;
let world: OperatorWorld;
let gatherer: HttpsServer | undefined;
/** What the gatherer was told to do, by the uid of its RuntimeGather. */
const orders = new Map<string, GatherOrder>();
const seenAt = new Map<Stage, Seen>();
let direct: unknown;

test.before(async () => {
  gathers = await GathersWorld.start();
  world = gathers.world;
});
test.after(async () => {
  await gatherer?.close();
  await world.stop();
});

test("every field of the schema has a row here or a test elsewhere", () => {
  assert.equal([...rows.map(({ path }) => path), ...Object.keys(elsewhere)].sort(), [...leaves].sort());
  for (const [path, file] of Object.entries(elsewhere)) {
    const where = new URL(file, import.meta.url);
    const field = path.split(".").at(path.startsWith("upload.") ? 1 : -1) ?? "";
    assert.ok(readFileSync(where, "utf8").includes(field), `${file} tests ${path}`);
  }
});

/** Has done what it was told as soon as it is asked. */
function progressOf(id: string): GatherProgress {
  const counts = {
    pods: 1,
    containers: 1,
    shapes: 1,
    nodesAsked: 0,
    nodesAnswered: 0,
    nodesFailed: 0,
    nodesSkipped: 0,
  };
  const done = { succeeded: true, reason: "", message: "", archive: null, failures: [], moreFailures: 0, notes: [] };
  return {
    ...{ id, phase: "Finished", stage: "Done", startedAtMs: gathers.nowMs(), finishedAtMs: gathers.nowMs() },
    outcome: { ...done, counts, inventory: [], durationsMs: { listPods: 1, askNodes: 1, write: 1, total: 3 } },
  };
}

test("preparation: a config with a value in each field, and a gatherer that remembers its orders", async () => {
  const priority = { metadata: { name: longName }, value: 1 };
  assert.is((await world.create("/apis/scheduling.k8s.io/v1/priorityclasses", priority)).status, 201);
  const made = await world.applyConfig(specOf("set"));
  assert.is(made.status, 201, made.text);
  await gathers.startOperator();
  await world.waitForPresent([...gathererSide, ...nodeSide]);
  await world.setGathererReady(true);
  gatherer = await serveHttps(await gathers.servingPair(), async (request, response) => {
    const said = await text(request);
    if (request.method !== "POST") {
      const id = (request.url ?? "").split("/").at(-1) ?? "";
      return response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(progressOf(id)));
    }
    const order = gatherOrderSchema.parse(JSON.parse(said));
    orders.set(order.id, order);
    return response.writeHead(202, { "content-type": "application/json" }).end("{}");
  });
  await gathers.startOperator({
    gathererOrigin: `https://127.0.0.1:${gatherer.port}`,
    gathererToken: async () => "x",
  });
  // So long the first gather waits for extractors, which nobody makes ready here.
  await gathers.pass(200_000);
  await world.waitForCondition("GatherSucceeded", "True/AsExpected");
});

/** All operands as the API server has them, without what tells one making of them from another. */
async function settledOperands(): Promise<unknown> {
  const objects = await Promise.all(
    operands.map(async (operand) => [keyOf(operand), (await world.admin.call({ path: world.pathOf(operand) })).body]),
  );
  const varying = new Set(["uid", "resourceVersion", "generation", "creationTimestamp", "time", "status"]);
  varying.add("deprecated.daemonset.template.generation");
  return JSON.parse(JSON.stringify(objects, (key, value: unknown) => (varying.has(key) ? undefined : value)));
}

/** Resource versions of the operands. */
async function versions() {
  const { "InsightsRuntimeExtractor/cluster": _, ...others } = await world.versions();
  return others;
}

/** How many objects the operator has applied or deleted; an apply that changes nothing leaves no other trace. */
async function writes(): Promise<number> {
  const metric = await world.registry.getSingleMetric("runtime_insights_operator_writes_total")?.get();
  const counted = (metric?.values ?? []).filter(({ labels }) => labels.action !== "status");
  return counted.reduce((sum, { value }) => sum + value, 0);
}

/** Applied, and looked at three times more without any write. */
async function applySettled(spec: object): Promise<void> {
  const { status, text: said } = await world.applyConfig(spec);
  assert.is(status, 200, said);
  await world.waitForObserved();
  await world.setGathererReady(true);
  const before = [await versions(), await writes()];
  for (let looks = 0; looks < 3; looks += 1) {
    await gathers.pass(1_000);
    await sleep(400);
  }
  assert.equal([await versions(), await writes()], before);
}

async function look(stage: string): Promise<Seen> {
  const uid = async () => (await gathers.find(stage))?.uid ?? "";
  await gathers.make(stage);
  await gathers.pass(61_000);
  await gathers.waitForPhase(stage, "Succeeded");
  const order = orders.get(await uid());
  if (order === undefined) throw new Error(`the gatherer was not asked for ${stage}`);
  const config = await world.get(configPath);
  return {
    order,
    daemonSet: podSpecOf(await world.operand(daemonSet)),
    deployment: podSpecOf(await world.operand(deployment)),
    status: statusSchema.parse(z.object({ status: z.unknown() }).parse(config).status),
    configCreatedMs: Date.parse(config?.metadata.creationTimestamp ?? ""),
  };
}

for (const stage of stages) {
  test(`${stage}: every field at once is applied and settles`, async () => {
    await applySettled(specOf(stage));
    if (stage === "set") direct = await settledOperands();
    seenAt.set(stage, await look(stage));
  });
  for (const { path, read, values } of rows)
    test(`${stage}: spec.${path} shows`, () => {
      const seen = seenAt.get(stage);
      assert.ok(seen, "nothing was seen");
      assert.equal(seen && read(seen), valueAt(values, stage).shows);
    });
}

test("the same spec again after all of these: the same objects", async () => {
  await applySettled(specOf("set"));
  assert.equal(await settledOperands(), direct);
});

test("the same values in another form: nothing is rolled out, and nothing is written for ever", async () => {
  // An annotation of ours is new, by which a Deployment's generation moves, but not its pods.
  const templates = () => Promise.all([daemonSet, deployment].map(async (one) => podSpecOf(await world.operand(one))));
  const before = await templates();
  await applySettled(specOf("equivalent"));
  assert.equal(await templates(), before);
  const seen = await look("equivalent");
  for (const { path, read, values } of rows) assert.equal(read(seen), values.set.shows, path);
});

for (const path of leaves)
  test(`spec.${path} with a value that is none is refused by its name`, async () => {
    const spec: Record<string, unknown> = {};
    put(spec, path.split("."), { nonsense: 1 });
    const answer = await world.admin.call({
      ...{ method: "PATCH", path: configPath, query: { dryRun: "All" }, body: { spec } },
      contentType: "application/merge-patch+json",
    });
    const said = JSON.stringify(answer.body);
    assert.is(answer.status, 422, said);
    assert.ok(said.includes(`spec.${path}`), said);
  });

test.run();
