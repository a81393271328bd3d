import { test } from "uvu";
import * as assert from "uvu/assert";
import { decodeGate, type Gate, gateName, type Read } from "./gate.ts";

const found = (object: unknown): Read => ({ kind: "found", object });
const entry = (version: string, enabled: readonly string[], disabled: readonly string[]) => ({
  version,
  enabled: enabled.map((name) => ({ name })),
  disabled: disabled.map((name) => ({ name })),
});
const gates = (...featureGates: object[]) =>
  found({ spec: { featureSet: "TechPreviewNoUpgrade" }, status: { featureGates } });
const version = found({ status: { desired: { version: "4.18.0" }, history: [{ version: "4.17.0" }] } });

const rows: readonly {
  readonly rule: string;
  readonly gate: Read;
  readonly version?: Read;
  readonly expected: Gate;
}[] = [
  {
    rule: "in the enabled list of our version",
    gate: gates(entry("4.17.0", [], [gateName]), entry("4.18.0", ["A", gateName], [])),
    expected: { state: "enabled", version: "4.18.0" },
  },
  {
    rule: "in the disabled list of our version",
    gate: gates(entry("4.18.0", ["A"], [gateName])),
    expected: { state: "disabled", version: "4.18.0" },
  },
  {
    rule: "in neither list of our version",
    gate: gates(entry("4.18.0", ["A"], ["B"])),
    expected: { state: "not listed", version: "4.18.0" },
  },
  {
    rule: "enabled for another version only: unknown",
    gate: gates(entry("4.17.0", [gateName], [])),
    expected: { state: "unknown", why: "FeatureGate cluster has no entry for version 4.18.0 yet" },
  },
  {
    rule: "a version that begins like ours is another: unknown",
    gate: gates(entry("4.18.0-rc.1", [gateName], [])),
    expected: { state: "unknown", why: "FeatureGate cluster has no entry for version 4.18.0 yet" },
  },
  {
    rule: "no status yet, whatever the spec says: unknown",
    gate: found({ spec: { featureSet: "TechPreviewNoUpgrade" } }),
    expected: { state: "unknown", why: "FeatureGate cluster has no entry for version 4.18.0 yet" },
  },
  {
    rule: "lists that are null: not listed",
    gate: gates({ version: "4.18.0", enabled: null, disabled: null }),
    expected: { state: "not listed", version: "4.18.0" },
  },
  {
    rule: "no FeatureGate object: unknown",
    gate: { kind: "absent" },
    expected: { state: "unknown", why: "there is no FeatureGate cluster yet" },
  },
  { rule: "no FeatureGate API", gate: { kind: "no API" }, expected: { state: "no API" } },
  {
    rule: "no FeatureGate API, and the version cannot be read",
    gate: { kind: "no API" },
    version: { kind: "failed", message: "x" },
    expected: { state: "no API" },
  },
  {
    rule: "FeatureGate cannot be read: unknown",
    gate: { kind: "failed", message: "503" },
    expected: { state: "unknown", why: "reading FeatureGate cluster failed: 503" },
  },
  {
    rule: "no ClusterVersion object: unknown",
    gate: gates(entry("4.18.0", [gateName], [])),
    version: { kind: "absent" },
    expected: { state: "unknown", why: "there is no ClusterVersion version yet" },
  },
  {
    rule: "no ClusterVersion API: unknown",
    gate: gates(entry("4.18.0", [gateName], [])),
    version: { kind: "no API" },
    expected: { state: "unknown", why: "the cluster serves no ClusterVersion API" },
  },
  {
    rule: "ClusterVersion cannot be read: unknown",
    gate: gates(entry("4.18.0", [gateName], [])),
    version: { kind: "failed", message: "403" },
    expected: { state: "unknown", why: "reading ClusterVersion version failed: 403" },
  },
  {
    rule: "only the history names a version: unknown",
    gate: gates(entry("4.18.0", [gateName], [])),
    version: found({ status: { history: [{ version: "4.18.0" }] } }),
    expected: { state: "unknown", why: "ClusterVersion version names no desired version yet" },
  },
  {
    rule: "a status of another form: unknown",
    gate: found({ status: { featureGates: "all" } }),
    expected: { state: "unknown", why: "FeatureGate cluster has a status that cannot be read" },
  },
];
for (const row of rows) test(row.rule, () => assert.equal(decodeGate(row.gate, row.version ?? version), row.expected));

test.run();
