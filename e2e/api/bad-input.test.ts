/** What an administrator gets wrong: it is named, what ran before goes on, and taking it back heals. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import { waitFor } from "../../hack/kubectl.ts";
import { names } from "../../src/core/operands.ts";
import { longName } from "./config-fields.ts";
import { GathersWorld } from "./gathers-world.ts";
import { configPath, gathererSide, nodeSide, type OperatorWorld } from "./operator-world.ts";

let gathers: GathersWorld;
let world: OperatorWorld;

test.before(async () => {
  gathers = await GathersWorld.start();
  world = gathers.world;
});
test.after(async () => {
  await world.stop();
});

const ignored = { featureGate: "Ignored" };
const daemonSet = { kind: "DaemonSet", name: names.extractor } as const;
const conditionsSchema = z.object({
  status: z.object({ conditions: z.array(z.object({ type: z.string(), message: z.string() })) }),
});

const message = async (type: string) =>
  conditionsSchema.parse(await world.get(configPath)).status.conditions.find((one) => one.type === type)?.message ?? "";

/** What a rollout would change. */
async function running(): Promise<readonly unknown[]> {
  const object = await world.operand(daemonSet);
  return [object?.metadata.uid, object?.metadata.generation];
}

/** The problem is told at once, is Degraded after the time of grace, and nothing happens to the DaemonSet until it is gone. */
async function suffers(says: RegExp, before: readonly unknown[]): Promise<void> {
  await world.waitForCondition("ExtractorReady", "False/OperandFailed");
  assert.match(await message("ExtractorReady"), says);
  assert.match(await message("Progressing"), says);
  await gathers.pass(130_000);
  await world.waitForCondition("Degraded", "True/OperandFailed");
  assert.match(await message("Degraded"), says);
  assert.equal(await running(), before);
}

async function heals(): Promise<void> {
  await world.waitForObserved();
  await world.waitForCondition("Degraded", "False/AsExpected");
  await world.waitForPresent([...gathererSide, ...nodeSide]);
}

test("preparation: everything is installed", async () => {
  assert.is((await world.applyConfig(ignored)).status, 201);
  await gathers.startOperator();
  await world.waitForPresent([...gathererSide, ...nodeSide]);
});

for (const name of ["no-such-class", longName])
  test(`a priority class of ${name.length} characters that does not exist: named, the old pods stay, taking it back heals`, async () => {
    const before = await running();
    await world.applyConfig({ ...ignored, extractor: { priorityClassName: name } });
    await suffers(new RegExp(`no PriorityClass ${name}, which spec\\.extractor\\.priorityClassName names`), before);
    await world.applyConfig(ignored);
    await heals();
    assert.equal(await running(), before);
  });

test("a priority class that comes later is used without a change of the config", async () => {
  await world.applyConfig({ ...ignored, extractor: { priorityClassName: "later" } });
  await world.waitForCondition("ExtractorReady", "False/OperandFailed");
  const made = await world.create("/apis/scheduling.k8s.io/v1/priorityclasses", {
    metadata: { name: "later" },
    value: 1,
  });
  assert.is(made.status, 201, made.text);
  await waitFor(
    "the class",
    async () =>
      JSON.stringify(await world.operand(daemonSet)).includes('"priorityClassName":"later"') ? true : undefined,
    { everyMs: 100 },
  );
  await world.applyConfig(ignored);
  await heals();
});

test.run();
