/** How conditions tell what keeps pods from running. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { defaultSettings } from "../api/config.ts";
import type { ConfigStatus } from "../api/config-status.ts";
import { type ConditionsInput, conditionsOf } from "./conditions.ts";
import { type Health, previousHealth } from "./health.ts";
import type { CauseReason } from "./pod-causes.ts";

const nowMs = Date.UTC(2026, 0, 2);
const ready: Health = { state: "ready", reason: "AsExpected", message: "ready", some: true };
const failing = (reason: CauseReason, of: "Deploying" | "PodsNotReady" = "PodsNotReady"): Health => ({
  ...{ state: "moving", reason: of, message: `0 of 1: ${reason}`, some: false },
  cause: { reason, message: "", toDo: "mend it" },
});
const input = (changes: Partial<ConditionsInput>, status: ConfigStatus = {}): ConditionsInput => ({
  nowMs,
  config: { kind: "valid", identity: { uid: "u", generation: 4, createdMs: 0, status }, settings: defaultSettings },
  gate: { state: "enabled", version: "4.18.0" },
  ...{ node: ready, gatherer: ready, lastGather: undefined, unreachable: undefined, stockExtractor: false },
  ...{ isProgress: false, notServed: [], namespace: "ns" },
  ...changes,
});
const find = (given: ConditionsInput, type: string) => {
  const found = conditionsOf(given).conditions.find((one) => one.type === type);
  return `${found?.status}/${found?.reason}: ${found?.message}`;
};

test("the side whose pods do not run has the cause as its reason, and so has the headline, before the roll-out", () => {
  const given = input({ gatherer: failing("ImagePullFailed", "Deploying") });
  assert.is(find(given, "GathererReady"), "False/ImagePullFailed: 0 of 1: ImagePullFailed");
  assert.is(find(given, "Progressing"), "True/Deploying: 0 of 1: ImagePullFailed");
  const available: ConfigStatus = {
    conditions: [
      {
        type: "Available",
        status: "True",
        reason: "AsExpected",
        message: "",
        lastTransitionTime: "2026-01-01T00:00:00Z",
      },
    ],
  };
  const was = input({ gatherer: failing("ImagePullFailed", "Deploying") }, available);
  assert.is(conditionsOf(was).headline.reason, "ImagePullFailed");
});

test("Degraded says what to do about the cause", () => {
  const since = new Date(nowMs - 5 * 60_000).toISOString();
  const given = input({ node: failing("PodsRefused") }, { troubles: [{ reason: "ExtractorNotReady", since }] });
  assert.is(find(given, "Degraded"), "True/ExtractorNotReady: 0 of 1: PodsRefused. To do: mend it");
});

const rolling = (some: boolean): Health => ({ state: "moving", reason: "Deploying", message: "m", some });
const rollOuts: readonly (readonly [rule: string, gatherer: Health, minutes: number, status: "True" | "False"])[] = [
  ["a gatherer waits for a handover while another serves: no trouble", rolling(true), 14, "False"],
  ["nor is it one for ever", rolling(true), 15, "True"],
  ["nobody serves: Degraded as ever", rolling(false), 5, "True"],
  ["pods that tell what is wrong do not wait", { ...failing("ContainerFailed", "Deploying"), some: true }, 5, "True"],
];
for (const [rule, gatherer, minutes, status] of rollOuts)
  test(`roll-out of the gatherer: ${rule}`, () => {
    const since = new Date(nowMs - minutes * 60_000).toISOString();
    const given = input({ gatherer }, { troubles: [{ reason: "GathererNotReady", since }] });
    assert.match(find(given, "Degraded"), status === "True" ? /^True\/GathererNotReady/ : /^False\/AsExpected/);
  });

const events: readonly (readonly [reason: CauseReason, events: readonly string[]])[] = [
  ["ImagePullFailed", ["Warning/ImagePullFailed"]],
  ["PodsRefused", ["Warning/PodsRefused"]],
  // They come and go with each try.
  ["ContainerFailed", []],
  ["PodsUnschedulable", []],
];
for (const [reason, expected] of events)
  test(`events when ${reason} begins, lasts and ends`, () => {
    const of = (given: ConditionsInput) =>
      conditionsOf(given)
        .events.filter(({ message }) => message.startsWith("ExtractorReady"))
        .map((event) => `${event.type}/${event.reason}`);
    const waiting: Health = { state: "moving", reason: "PodsNotReady", message: "0 of 1", some: false };
    const began = input(
      { node: failing(reason) },
      { conditions: [...conditionsOf(input({ node: waiting })).conditions] },
    );
    assert.equal(of(began), expected);
    const conditions = [...conditionsOf(began).conditions];
    assert.equal(of(input({ node: failing(reason) }, { conditions })), []);
    assert.equal(of(input({}, { conditions })), expected.length === 0 ? [] : ["Normal/AsExpected"]);
  });

test("a roll-out goes on while a cause is told of it, and what was none becomes none", () => {
  const saying = (of: "Deploying" | "PodsNotReady") =>
    previousHealth(
      { conditions: [...conditionsOf(input({ node: failing("ImagePullFailed", of) })).conditions] },
      "node",
    );
  assert.is(saying("Deploying").reason, "Deploying");
  assert.is(saying("PodsNotReady").reason, "PodsNotReady");
});

test.run();
