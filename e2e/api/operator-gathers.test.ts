/** RuntimeGathers and schedule: the operator, the real kube-rbac-proxy with the shipped arguments, the real gatherer. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import { waitFor } from "../../hack/kubectl.ts";
import { statusSchema } from "../../src/api/config-status.ts";
import { names } from "../../src/core/operands.ts";
import { GathersWorld } from "./gathers-world.ts";
import { configPath, gathersPath, type OperatorWorld } from "./operator-world.ts";
import { RealGatherer } from "./real-gatherer.ts";

const hourMs = 3_600_000;
let gathers: GathersWorld;
let world: OperatorWorld;
let gatherer: RealGatherer | undefined;
let createdSeconds = 0;

test.before(async () => {
  gathers = await GathersWorld.start();
  world = gathers.world;
});
test.after(async () => {
  gatherer?.stop();
  await world.stop();
});

/** How the operator reaches it. */
const reach = () => ({
  gathererOrigin: gatherer?.origin ?? "",
  gathererToken: async () => (await gatherer?.operatorToken()) ?? "",
});

const status = async () =>
  statusSchema.parse(z.object({ status: z.unknown() }).parse(await world.get(configPath)).status);
const timeText = (ms: number) => new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");

test("a config is made: the first gather runs as soon as the gatherer is ready, and its end is in the status", async () => {
  assert.is((await world.applyConfig({})).status, 201);
  await gathers.startOperator();
  await waitFor("the certificate", async () =>
    (await world.operand({ kind: "Deployment", name: names.gatherer })) ? true : undefined,
  );
  await world.stopOperator();
  gatherer = await RealGatherer.start(gathers);
  await gathers.startOperator(reach());
  assert.equal(await gathers.requests(), []);
  await world.setGathererReady(true);
  const created = (await world.get(configPath))?.metadata.creationTimestamp ?? "";
  createdSeconds = Date.parse(created) / 1000;
  const first = await gathers.waitForPhase(`scheduled-${createdSeconds}`, "Succeeded");
  assert.is(first.spec.trigger, "Scheduled");
  assert.match(first.status.archive?.name ?? "", /^insights-.*\.tar\.gz$/);
  await world.waitForCondition("GatherSucceeded", "True/AsExpected");
  await world.waitForCondition("Available", "True/AsExpected");
  const { lastGather, nextGather } = await status();
  assert.is(lastGather?.name, first.name);
  assert.is(nextGather, timeText(createdSeconds * 1000 + 12 * hourMs));
});

test("one runs and one waits: less than a minute after the last the newest waits, older ones are superseded", async () => {
  await gathers.make("a");
  await gathers.waitForPhase("a", "Pending");
  await gathers.make("b");
  await gathers.waitForPhase("a", "Superseded");
  await gathers.waitForPhase("b", "Pending");
  await gathers.pass(61_000);
  await gathers.waitForPhase("b", "Succeeded");
  await waitFor("the last gather", async () => ((await status()).lastGather?.name === "b" ? true : undefined));
});

test("a gather of some namespaces does not count as the last one", async () => {
  await gathers.make("some", { namespaces: ["default"] });
  await gathers.pass(61_000);
  const finished = await gathers.waitForPhase("some", "Succeeded");
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
  gathers.skip(12 * hourMs);
  await gathers.startOperator(reach());
  await gathers.waitForPhase(`scheduled-${createdSeconds + 12 * 3600}`, "Succeeded");
  await waitFor("the next due time", async () =>
    (await status()).nextGather === timeText((createdSeconds + 24 * 3600) * 1000) ? true : undefined,
  );
});

test("a token that the proxy refuses: the gather waits, says why, and nothing crashes", async () => {
  const wrong = async () => (await gatherer?.operatorToken("https://kubernetes.default.svc")) ?? "";
  await gathers.startOperator({ ...reach(), gathererToken: wrong });
  await gathers.make("refused");
  await gathers.pass(61_000);
  const request = await gathers.waitForPhase("refused", "GathererUnreachable");
  assert.match(JSON.stringify(request.status.conditions), /refused our token \(401\)/);
  await gathers.startOperator(reach());
  await gathers.waitForPhase("refused", "Succeeded");
});

test("the gatherer is gone: GathererUnreachable, and the gather runs when it is back", async () => {
  gatherer?.kill();
  await gathers.make("lost");
  await gathers.pass(61_000);
  await gathers.waitForPhase("lost", "GathererUnreachable");
  await gathers.pass(61_000);
  await world.waitForCondition("GatherSucceeded", "False/GathererUnreachable");
  await gathers.pass(120_000);
  await world.waitForCondition("Degraded", "True/GathererUnreachable");
  gatherer?.restart();
  await gathers.waitForPhase("lost", "Succeeded");
  await world.waitForCondition("GatherSucceeded", "True/AsExpected");
  await world.waitForCondition("Degraded", "False/AsExpected");
});

test("without a managed config a request waits, and runs when the config is managed again", async () => {
  await world.applyConfig({ managementState: "Unmanaged" });
  await world.waitForObserved();
  await gathers.make("patient");
  await gathers.pass(61_000);
  await gathers.waitForPhase("patient", "NotManaged");
  await world.applyConfig({});
  await gathers.waitForPhase("patient", "Succeeded");
});

test("of the finished ones the last ten are kept, and the schedule's newest", async () => {
  const before = await gathers.requests();
  await world.stopOperator();
  for (let number = 0; number < 11; number += 1) {
    const name = await gathers.make(`old-${number}`, { trigger: "Scheduled" });
    const condition = (type: string, value: string, reason: string) => ({
      ...{ type, status: value, reason, message: "", lastTransitionTime: "2026-01-01T00:00:00Z" },
    });
    const conditions = [condition("Progressing", "False", "Superseded"), condition("Succeeded", "False", "Superseded")];
    await world.patch(`${gathersPath}/${name}/status`, { status: { conditions, finishTime: "2026-01-01T00:00:00Z" } });
  }
  const scheduled = `scheduled-${createdSeconds + 12 * 3600}`;
  assert.ok(before.some(({ name }) => name === scheduled));
  await gathers.startOperator(reach());
  await waitFor(
    "the old ones to be forgotten",
    async () => ((await gathers.requests()).length === 11 ? true : undefined),
    {
      timeoutMs: 90_000,
    },
  );
  assert.ok((await gathers.requests()).some(({ name }) => name === scheduled));
});

test.run();
