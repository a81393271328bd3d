import { test } from "uvu";
import * as assert from "uvu/assert";
import { type FeatureGateSpec, featureGates } from "./feature-gates.ts";

const shipped = { enabled: [{ name: "B" }], disabled: [{ name: "A" }] };
const rows: readonly [string, FeatureGateSpec, "enabled" | "disabled"][] = [
  ["default set: our gate is disabled", { featureSet: "" }, "disabled"],
  ["tech preview: our gate is enabled", { featureSet: "TechPreviewNoUpgrade" }, "enabled"],
  [
    "custom set that enables it",
    { featureSet: "CustomNoUpgrade", customNoUpgrade: { enabled: ["InsightsRuntimeExtractor"] } },
    "enabled",
  ],
  [
    "custom set that disables it",
    { featureSet: "CustomNoUpgrade", customNoUpgrade: { disabled: ["InsightsRuntimeExtractor"] } },
    "disabled",
  ],
  ["custom set without a word on it", { featureSet: "CustomNoUpgrade", customNoUpgrade: null }, "disabled"],
];
for (const [name, spec, list] of rows) {
  test(name, () => {
    const lists = featureGates(spec, shipped);
    assert.ok(lists[list].some((gate) => gate.name === "InsightsRuntimeExtractor"));
    assert.is(lists.enabled.length + lists.disabled.length, 3);
  });
}

test.run();
