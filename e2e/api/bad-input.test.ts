/** What an administrator gets wrong: it is named, what ran before goes on, and taking it back heals. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import { waitFor } from "../../hack/kubectl.ts";
import { names } from "../../src/core/operands.ts";
import { longName } from "./config-fields.ts";
import { GathersWorld } from "./gathers-world.ts";
import { configPath, gathererSide, namespace, nodeSide, type OperatorWorld } from "./operator-world.ts";

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

/** What the controllers would say of pods that run; nobody else does here. */
async function podsRun(): Promise<void> {
  await world.setGathererReady(true);
  const path = world.pathOf(daemonSet);
  const observedGeneration = (await world.get(path))?.metadata.generation ?? 1;
  const counts = ["desiredNumberScheduled", "currentNumberScheduled", "updatedNumberScheduled", "numberReady"];
  const status = { observedGeneration, numberMisscheduled: 0, ...Object.fromEntries(counts.map((name) => [name, 1])) };
  await world.patch(`${path}/status`, { status: { ...status, numberAvailable: 1 } });
}

/** No condition speaks of it any more; that no gatherer answers here is another matter. */
async function heals(): Promise<void> {
  await world.waitForObserved();
  await waitFor("the DaemonSet to be as it should", async () => {
    await podsRun();
    return (await world.conditions()).ExtractorReady === "True/AsExpected" ? true : undefined;
  });
  await gathers.pass(70_000);
  await waitFor("the problem to be gone", async () =>
    /OperandFailed|ConfigInvalid/.test(Object.values(await world.conditions()).join()) ? undefined : true,
  );
  await world.waitForPresent([...gathererSide, ...nodeSide]);
}

test("preparation: everything is installed", async () => {
  assert.is((await world.applyConfig(ignored)).status, 201);
  await gathers.startOperator();
  await world.waitForPresent([...gathererSide, ...nodeSide]);
  await heals();
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

test("an image that the API server refuses: the DaemonSet is named, the old one stays, another image heals", async () => {
  const before = await running();
  await gathers.startOperator({ images: { extractor: "" } });
  await suffers(/DaemonSet\/runtime-insights-extractor: .*image/, before);
  await gathers.startOperator();
  await heals();
  assert.equal(await running(), before);
});

test("a word that only a newer schema knows: named, nothing is changed, taking it back heals", async () => {
  const crd =
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/insightsruntimeextractors.runtimes.insights.openshift.io";
  const words =
    "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/extractor/properties/securityProfile/enum/-";
  await world.patch(crd, [{ op: "add", path: words, value: "Newer" }], "application/json-patch+json");
  const before = await running();
  await waitFor(
    "the newer schema",
    async () =>
      (await world.applyConfig({ ...ignored, extractor: { securityProfile: "Newer" } })).status === 200
        ? true
        : undefined,
    { everyMs: 100 },
  );
  await world.waitForCondition("Degraded", "True/ConfigInvalid");
  assert.match(await message("Degraded"), /spec\.extractor\.securityProfile/);
  assert.equal(await running(), before);
  await world.applyConfig(ignored);
  await heals();
  assert.equal(await running(), before);
});

test("a DaemonSet of ours with another selector, which nobody can change: named, left, and made anew once it is gone", async () => {
  const path = world.pathOf(daemonSet);
  const found = z
    .looseObject({
      metadata: z.looseObject({ labels: z.unknown(), ownerReferences: z.unknown() }),
      spec: z.looseObject({ template: z.looseObject({ metadata: z.looseObject({}), spec: z.unknown() }) }),
    })
    .parse(await world.get(path));
  const { labels, ownerReferences } = found.metadata;
  await world.stopOperator();
  await world.delete(path);
  const other = { other: "yes" };
  const made = await world.create(path.replace(/\/[^/]+$/, ""), {
    ...{ apiVersion: "apps/v1", kind: "DaemonSet" },
    metadata: { name: names.extractor, namespace, labels, ownerReferences },
    spec: {
      selector: { matchLabels: other },
      template: { metadata: { labels: other }, spec: found.spec.template.spec },
    },
  });
  assert.is(made.status, 201, made.text);
  const before = await running();
  await gathers.startOperator();
  await suffers(/DaemonSet\/runtime-insights-extractor: .*(selector|field is immutable)/, before);
  await world.delete(path);
  await heals();
});

test.run();
