/** Installed in the wrong order, with the wrong CRDs or without a permission: it is told where somebody looks, and mending it is enough. */
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import { cloneDir } from "../../hack/cache.ts";
import { kubectl, waitFor } from "../../hack/kubectl.ts";
import { configPath, gathererSide, namespace, nodeSide, OperatorWorld } from "./operator-world.ts";

let world: OperatorWorld;
let offsetMs = 0;
const nowMs = () => Date.now() + offsetMs;

test.after(async () => {
  await world?.stop();
});

const soon = { timeoutMs: 90_000, everyMs: 200 };
const crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const configCrd = `${crds}/insightsruntimeextractors.runtimes.insights.openshift.io`;
const schema = "/spec/versions/0/schema/openAPIV3Schema/properties";
const jsonPatch = "application/json-patch+json";
const clusterRole = "/apis/rbac.authorization.k8s.io/v1/clusterroles/runtime-insights-operator";
const ignored = { featureGate: "Ignored" };

const eventsSchema = z.object({
  items: z.array(
    z.object({
      reason: z.string(),
      message: z.string(),
      involvedObject: z.object({ kind: z.string(), name: z.string() }),
    }),
  ),
});

async function events(reason: string): Promise<readonly string[]> {
  const { body } = await world.admin.call({ path: "/api/v1/namespaces/default/events" });
  return eventsSchema
    .parse(body)
    .items.filter((event) => event.reason === reason)
    .map(({ involvedObject: { kind, name }, message }) => `${kind}/${name}: ${message}`);
}

const statusSchema = z.object({
  status: z.object({ conditions: z.array(z.object({ type: z.string(), message: z.string() })) }),
});
const message = async (type: string) =>
  statusSchema.parse(await world.get(configPath)).status.conditions.find((one) => one.type === type)?.message ?? "";

/** The operator looks again: something of the config changes. */
async function pass(ms: number): Promise<void> {
  offsetMs += ms;
  await world.patch(configPath, { metadata: { annotations: { now: `${offsetMs}` } } });
}

async function waitForMessage(type: string, expected: RegExp): Promise<void> {
  let last = "";
  await waitFor(
    `${type} to say ${expected}`,
    async () => {
      last = await message(type);
      return expected.test(last) ? true : undefined;
    },
    soon,
  ).catch(() => assert.match(last, expected));
}

test("the operator before the CRDs: it waits, and an event about its namespace says for what", async () => {
  world = await OperatorWorld.start({ controllers: false });
  await world.startOperator({ nowMs, resyncMs: 600_000 });
  await waitFor("the event", async () => ((await events("CrdMissing")).length > 0 ? true : undefined), soon);
  assert.match((await events("CrdMissing")).join(), new RegExp(`^Namespace/${namespace}: .*kubectl apply -k crds/`));
});

test("the CRDs come, and a config: it begins by itself, and has said it once", async () => {
  await world.applyCrds();
  assert.is((await world.applyConfig(ignored)).status, 201);
  await world.waitForPresent([...gathererSide, ...nodeSide]);
  assert.is((await events("CrdMissing")).length, 1);
});

test("a config that was there before the operator, and one that went while it was away", async () => {
  await world.stopOperator();
  await world.delete(configPath);
  await world.startOperator({ nowMs });
  await world.stopOperator();
  assert.is((await world.applyConfig(ignored)).status, 201);
  await world.startOperator({ nowMs });
  await world.waitForObserved();
  await world.waitForPresent([...gathererSide, ...nodeSide]);
});

test("without permission for SCCs: verb, resource and account are named, all else is made, and the permission is enough", async () => {
  const role = z
    .object({ rules: z.array(z.looseObject({ apiGroups: z.array(z.string()).default([]) })) })
    .parse(await world.get(clusterRole));
  await world.stopOperator();
  await world.delete(configPath);
  for (const operand of ["/apis/security.openshift.io/v1/securitycontextconstraints/runtime-insights-extractor"])
    await world.delete(operand);
  const rules = role.rules.filter(({ apiGroups }) => !apiGroups.includes("security.openshift.io"));
  assert.is(rules.length, role.rules.length - 1);
  const reading = {
    apiGroups: ["security.openshift.io"],
    resources: ["securitycontextconstraints"],
    verbs: ["get", "list", "watch"],
  };
  await world.patch(clusterRole, { rules: [...rules, reading] });
  await world.applyConfig(ignored);
  await world.startOperator({ nowMs });
  await world.waitForCondition("ExtractorReady", "False/OperandFailed");
  assert.match(
    await message("ExtractorReady"),
    /forbidden: User "system:serviceaccount:runtime-insights:runtime-insights-operator" cannot (patch|create) resource "securitycontextconstraints" in API group "security\.openshift\.io"/,
  );
  const scc = "SecurityContextConstraints/runtime-insights-extractor";
  await world.waitForPresent([...gathererSide, ...nodeSide].filter((key) => key !== scc));
  await pass(130_000);
  await world.waitForCondition("Degraded", "True/OperandFailed");
  await waitForMessage(
    "Degraded",
    /To do: give the operator's account the permission that is named: apply its manifests/,
  );
  await world.patch(clusterRole, { rules: role.rules });
  await world.waitForPresent([...gathererSide, ...nodeSide]);
  await waitFor(
    "Degraded to end",
    async () => ((await message("Degraded")).includes("forbidden") ? undefined : true),
    soon,
  );
});

const forbidden = {
  ...{ role: clusterRole, resource: "priorityclasses" },
  what: "PriorityClass/openshift-user-critical",
};
const forbiddenHere = {
  role: `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}/roles/runtime-insights-operator`,
  ...{ resource: "namespaces", what: `Namespace/${namespace}` },
};
for (const { role: path, resource, what } of [forbidden, forbiddenHere])
  test(`the permission to read ${resource} goes while the operator runs: told with what to do, all is kept, and the permission is enough`, async () => {
    const { rules } = z
      .object({ rules: z.array(z.looseObject({ resources: z.array(z.string()).default([]) })) })
      .parse(await world.get(path));
    await world.patch(path, { rules: rules.filter(({ resources }) => !resources.includes(resource)) });
    const before = await world.present();
    await waitFor(
      "the trouble",
      async () => {
        await pass(1_000);
        return (await world.conditions()).ExtractorReady === "False/OperandFailed" ? true : undefined;
      },
      { timeoutMs: 90_000, everyMs: 3_000 },
    );
    const words = new RegExp(
      `^${what}: cannot be read, so nothing is changed: 403 .*User "system:serviceaccount:${namespace}:runtime-insights-operator" cannot get resource "${resource}"`,
    );
    for (const type of ["ExtractorReady", "GathererReady", "Progressing"]) await waitForMessage(type, words);
    await pass(130_000);
    await world.waitForCondition("Degraded", "True/OperandFailed");
    await waitForMessage("Degraded", /To do: give the operator's account the permission that is named/);
    await world.applyConfig({ ...ignored, logLevel: "Debug" });
    await world.waitForObserved();
    assert.equal(await world.present(), before);
    await world.patch(path, { rules });
    await waitFor(
      "the trouble to end",
      async () => {
        await pass(1_000);
        return Object.values(await world.conditions()).some((one) => one.endsWith("/OperandFailed")) ? undefined : true;
      },
      { timeoutMs: 90_000, everyMs: 3_000 },
    );
  });

test("CRDs of an older version: what they lack is told with the command, and applying them is enough", async () => {
  await world.patch(configCrd, [{ op: "remove", path: `${schema}/status/properties/nodes` }], jsonPatch);
  await world.delete(`${crds}/runtimegathers.runtimes.insights.openshift.io`);
  await pass(1_000);
  await waitFor(
    "the older schema",
    async () => {
      await pass(130_000);
      return (await message("Degraded")).includes("status.nodes") ? true : undefined;
    },
    soon,
  );
  await waitForMessage(
    "Degraded",
    /they lack kind RuntimeGather, status\.nodes of InsightsRuntimeExtractor.*To do: .*kubectl apply -k crds\//,
  );
  await kubectl(world.server, ["apply", "-k", join(cloneDir, "crds")]);
  await waitFor(
    "all fields",
    async () => {
      await pass(1_000);
      return (await message("Degraded")).includes("they lack") ? undefined : true;
    },
    soon,
  );
});

test("a CRD that is newer: a field that the operator does not know stays, has no effect, and is named once", async () => {
  const path = `${schema}/spec/properties/telepathy`;
  await world.patch(configCrd, [{ op: "add", path, value: { type: "string" } }], jsonPatch);
  await waitFor(
    "the newer schema",
    async () => {
      await world.applyConfig({ ...ignored, telepathy: "t" });
      return JSON.stringify(await world.get(configPath)).includes('"telepathy":"t"') ? true : undefined;
    },
    soon,
  );
  const sentence = "Ignored, since this version of the operator does not know it: spec.telepathy";
  await waitFor("the event", async () => ((await events("FieldsIgnored")).length > 0 ? true : undefined), soon);
  assert.equal(await events("FieldsIgnored"), [`InsightsRuntimeExtractor/cluster: ${sentence}`]);
  await waitForMessage("Available", new RegExp(`\\. ${sentence}$`));
  await world.applyConfig(ignored);
  await waitForMessage("Available", /^[^.]*$/);
});

test("a CRD without status subresource: an event about the config says so, and applying the CRDs is enough", async () => {
  await world.patch(configCrd, [{ op: "remove", path: "/spec/versions/0/subresources" }], jsonPatch);
  await waitFor(
    "the event",
    async () => {
      await world.applyConfig({ ...ignored, logLevel: Date.now() % 2 === 0 ? "Debug" : "Normal" });
      return (await events("CrdOutdated")).some((text) => /no status subresource: kubectl apply -k crds/.test(text))
        ? true
        : undefined;
    },
    soon,
  );
  await kubectl(world.server, ["apply", "-k", join(cloneDir, "crds")]);
  await world.applyConfig({ ...ignored, logLevel: "Trace" });
  await world.waitForObserved();
});

test.run();
