import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Config, defaultSettings, type Settings } from "../api/config.ts";
import type { Gate } from "../api/gate.ts";
import { decideGathererSide, decideNodeSide } from "./decide.ts";

const identity = { uid: "u", generation: 1, createdMs: 0, status: {} };
const valid = (changes: Partial<Settings> = {}): Config => ({
  kind: "valid",
  identity,
  settings: { ...defaultSettings, ...changes },
});
const on: Gate = { state: "enabled", version: "4.18.0" };
const off: Gate = { state: "disabled", version: "4.18.0" };
const unknown: Gate = { state: "unknown", why: "no entry" };

const rows: readonly {
  readonly rule: string;
  readonly config: Config;
  readonly gate: Gate;
  readonly node: string;
  readonly gatherer: string;
}[] = [
  {
    rule: "no config: nothing is touched",
    config: { kind: "absent" },
    gate: on,
    node: "wait ConfigAbsent",
    gatherer: "wait ConfigAbsent",
  },
  {
    rule: "invalid config: nothing is touched",
    config: { kind: "invalid", identity, problem: "x" },
    gate: on,
    node: "wait ConfigInvalid",
    gatherer: "wait ConfigInvalid",
  },
  {
    rule: "gate enabled: both sides",
    config: valid(),
    gate: on,
    node: "install GateEnabled",
    gatherer: "install Managed",
  },
  {
    rule: "gate disabled: the node side goes",
    config: valid(),
    gate: off,
    node: "remove GateDisabled",
    gatherer: "install Managed",
  },
  {
    rule: "gate not listed: the node side goes",
    config: valid(),
    gate: { state: "not listed", version: "4.19.0" },
    node: "remove GateNotListed",
    gatherer: "install Managed",
  },
  {
    rule: "no gate API: the node side goes",
    config: valid(),
    gate: { state: "no API" },
    node: "remove GateApiMissing",
    gatherer: "install Managed",
  },
  {
    rule: "gate unknown: the node side stays as it is",
    config: valid(),
    gate: unknown,
    node: "wait GateUnknown",
    gatherer: "install Managed",
  },
  {
    rule: "gate ignored: both sides, whatever the gate",
    config: valid({ featureGate: "Ignored" }),
    gate: unknown,
    node: "install GateIgnored",
    gatherer: "install Managed",
  },
  {
    rule: "opted out: the node side goes although the gate is ignored",
    config: valid({ featureGate: "Ignored", runtimeInfo: "Disabled" }),
    gate: on,
    node: "remove RuntimeInfoDisabled",
    gatherer: "install Managed",
  },
  {
    rule: "Removed: both go, whatever the gate",
    config: valid({ managementState: "Removed" }),
    gate: unknown,
    node: "remove Removed",
    gatherer: "remove Removed",
  },
  {
    rule: "Unmanaged: nothing is touched",
    config: valid({ managementState: "Unmanaged" }),
    gate: off,
    node: "wait Unmanaged",
    gatherer: "wait Unmanaged",
  },
];
for (const { rule, config, gate, node, gatherer } of rows) {
  test(rule, () => {
    const word = ({ kind, reason }: { kind: string; reason: string }) => `${kind} ${reason}`;
    assert.equal(
      { node: word(decideNodeSide(config, gate)), gatherer: word(decideGathererSide(config)) },
      { node, gatherer },
    );
  });
}

test("a gate that keeps the node side away names the way around it", () => {
  for (const gate of [{ state: "not listed", version: "4.19.0" }, { state: "no API" }] as const)
    assert.match(decideNodeSide(valid(), gate).message, /spec\.featureGate to Ignored/);
});

test.run();
