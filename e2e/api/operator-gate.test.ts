/** The gate in every order of events: what is not known changes nothing on the nodes, what is known is done at once. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { waitFor } from "../../hack/kubectl.ts";
import { applyFeatureGate, openshiftVersion } from "../../hack/openshift/objects.ts";
import { names } from "../../src/core/operands.ts";
import { featureGatePath, gathererSide, nodeSide, OperatorWorld } from "./operator-world.ts";

const versionPath = "/apis/config.openshift.io/v1/clusterversions/version";
const nextVersion = "4.99.0";
const everything = [...gathererSide, ...nodeSide];
let world: OperatorWorld;

/** As the cluster-version operator says that an upgrade has begun. */
const moveTo = (version: string) =>
  world.patch(
    `${versionPath}/status`,
    [{ op: "replace", path: "/status/desired/version", value: version }],
    "application/json-patch+json",
  );

/** The operator has looked again and judged so, and the operands are as before. */
async function judges(expected: string, present: readonly string[]): Promise<void> {
  await world.waitForCondition("FeatureGateEnabled", expected);
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  assert.equal(await world.present(), present);
}

test("no FeatureGate object: unknown, nothing on the nodes, the gatherer is there", async () => {
  world = await OperatorWorld.start({ controllers: false });
  await world.applyCrds();
  await world.delete(featureGatePath);
  await world.applyConfig({});
  await world.startOperator();
  await world.waitForPresent(gathererSide);
  await judges("Unknown/GateUnknown", gathererSide);
});

test("it comes, without an entry yet: unknown; the entry comes, enabled: installed", async () => {
  await applyFeatureGate(world.server);
  await judges("Unknown/GateUnknown", gathererSide);
  await world.setGate("enabled");
  await world.waitForPresent(everything);
});

test("the FeatureGate object is deleted: what is on the nodes stays, also over a restart of the operator", async () => {
  await world.delete(featureGatePath);
  await judges("Unknown/GateUnknown", everything);
  await world.stopOperator();
  await world.startOperator();
  await judges("Unknown/GateUnknown", everything);
  await applyFeatureGate(world.server);
  await world.setGate("enabled");
  await judges("True/GateEnabled", everything);
});

test("an upgrade begins before the new version is listed: unknown, what is on the nodes stays", async () => {
  await moveTo(nextVersion);
  await judges("Unknown/GateUnknown", everything);
});

test("the new version lists it as disabled: removed, whatever the entry of the old version says", async () => {
  const name = "InsightsRuntimeExtractor";
  const featureGates = [
    { version: openshiftVersion, enabled: [{ name }], disabled: [] },
    { version: nextVersion, enabled: [], disabled: [{ name }] },
  ];
  await world.patch(`${featureGatePath}/status`, { status: { featureGates } });
  await world.waitForPresent(gathererSide);
  await judges("False/GateDisabled", gathererSide);
});

test("the upgrade is taken back: the entry of the old version counts again", async () => {
  await moveTo(openshiftVersion);
  await world.waitForPresent(everything);
  await judges("True/GateEnabled", everything);
});

test("no ClusterVersion: unknown, what is on the nodes stays", async () => {
  const found = await world.get(versionPath);
  assert.ok(found);
  await world.delete(versionPath);
  await judges("Unknown/GateUnknown", everything);
});

test("featureGate Ignored needs neither: the gate is not asked", async () => {
  await world.delete(featureGatePath);
  await world.applyConfig({ featureGate: "Ignored" });
  await judges("True/GateIgnored", everything);
});

test("flipped in the middle of an install, again and again: the last word counts", async () => {
  const version = {
    ...{ apiVersion: "config.openshift.io/v1", kind: "ClusterVersion" },
    ...{ metadata: { name: "version" }, spec: { clusterID: "00000000-0000-4000-8000-000000000000" } },
  };
  await world.create(versionPath.replace(/\/version$/, ""), version);
  const status = {
    desired: { version: openshiftVersion, image: "" },
    ...{ observedGeneration: 1, versionHash: "", availableUpdates: null },
  };
  await world.patch(
    `${versionPath}/status`,
    [{ op: "add", path: "/status", value: status }],
    "application/json-patch+json",
  );
  await applyFeatureGate(world.server);
  await world.setGate("disabled");
  await world.applyConfig({});
  await world.waitForPresent(gathererSide);
  for (const last of ["enabled", "disabled", "enabled"] as const) {
    await world.setGate(last === "enabled" ? "disabled" : "enabled");
    await world.setGate(last);
    if (last === "enabled")
      await waitFor("the install to begin", () => world.operand({ kind: "ServiceAccount", name: names.extractor }), {
        everyMs: 10,
      });
    await world.setGate(last === "enabled" ? "disabled" : "enabled");
    await world.setGate(last);
    await world.waitForPresent(last === "enabled" ? everything : gathererSide);
    await judges(
      last === "enabled" ? "True/GateEnabled" : "False/GateDisabled",
      last === "enabled" ? everything : gathererSide,
    );
  }
});

test.after(async () => {
  await world?.stop();
});

test.run();
