/** docs/metrics.md names the metrics that operator and gatherer have, with their labels, and no others. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Registry } from "prom-client";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { alertNames, alertRules } from "../core/alerts.ts";
import { gatherMetrics } from "./gather-metrics.ts";
import { operatorMetrics } from "./operator-metrics.ts";

const text = readFileSync(join(import.meta.dirname, "../../docs/metrics.md"), "utf8");

/** `name{label,label}` of each row of a section's table. */
function documented(heading: string): readonly string[] {
  const section = text.split(/^## /m).find((part) => part.startsWith(heading)) ?? "";
  return [...section.matchAll(/^\| `([a-z_]+)` \| ([^|]*)\|/gm)]
    .map(
      ([, name, labels]) => `${name}{${[...(labels ?? "").matchAll(/`([a-z]+)`/g)].map(([, label]) => label).join()}}`,
    )
    .sort();
}

async function coded(register: (registry: Registry) => unknown): Promise<readonly string[]> {
  const registry = new Registry();
  register(registry);
  const metrics = await registry.getMetricsAsJSON();
  const names: string[] = [];
  for (const { name, values } of metrics) {
    const labels = new Set(values.flatMap((value) => Object.keys(value.labels)));
    labels.delete("le");
    names.push(`${name}{${[...labels].join()}}`);
  }
  return names.sort();
}

test("the operator's metrics are documented", async () => {
  assert.equal(documented("Operator"), await coded(operatorMetrics));
});

test("the gatherer's metrics are documented", async () => {
  assert.equal(documented("Gatherer"), await coded(gatherMetrics));
});

test("the operator's counters are there from the start", async () => {
  const registry = new Registry();
  operatorMetrics(registry).setGate("disabled");
  const said = await registry.metrics();
  assert.match(said, /operator_writes_total\{action="delete",result="failed"\} 0/);
  assert.match(said, /operator_uploads_total\{result="Uploaded"\} 0/);
  assert.match(said, /operator_uploads_total\{result="NotAuthorized"\} 0/);
  assert.match(said, /operator_upload_duration_seconds_count 0/);
  assert.match(said, /operator_last_upload_timestamp_seconds 0/);
  assert.match(said, /operator_gate_state\{state="disabled"\} 1/);
  assert.match(said, /operator_gate_state\{state="enabled"\} 0/);
  assert.match(said, /operator_condition\{type="Degraded"\} -1/);
});

const rules = alertRules("ns");

test("alerts speak of metrics that there are, in this namespace, with labels that they have", async () => {
  const known = new Map(
    [...(await coded(operatorMetrics)), ...(await coded(gatherMetrics))].map((text) => {
      const [, name = "", labels = ""] = /^([a-z_]+)\{(.*)\}$/.exec(text) ?? [];
      return [name, labels.split(",")];
    }),
  );
  for (const { alert, expr } of rules) {
    const used = [...expr.matchAll(/(runtime_insights_[a-z_]+)(\{[^}]*\})?/g)];
    assert.ok(used.length > 0, alert);
    for (const [, name = "", matchers = ""] of used) {
      const labels = known.get(name);
      assert.ok(labels, `${alert}: ${name}`);
      assert.match(matchers, /^\{namespace="ns"/, alert);
      for (const [, label = ""] of matchers.matchAll(/([a-z_]+)!?=/g))
        assert.ok(label === "namespace" || labels.includes(label), `${alert}: ${name} has no label ${label}`);
    }
  }
});

test("every alert has its heading in docs/conditions.md, to which it links, and no other has", () => {
  const page = readFileSync(join(import.meta.dirname, "../../docs/conditions.md"), "utf8");
  assert.equal(
    [...page.matchAll(/^### (\w+)$/gm)].map(([, name]) => name),
    [...alertNames],
  );
  for (const { alert, annotations } of rules)
    assert.ok(annotations.runbook_url.endsWith(`/docs/conditions.md#${alert.toLowerCase()}`), alert);
});

test("metrics are in base units: counters end in _total, durations and times in _seconds", async () => {
  const registry = new Registry();
  operatorMetrics(registry);
  gatherMetrics(registry);
  for (const { name, type } of await registry.getMetricsAsJSON()) {
    assert.is(name.endsWith("_total"), String(type) === "counter", name);
    assert.not.match(name, /_(ms|milliseconds|minutes|hours|kb|mb|percent)(_|$)/, name);
  }
});

test.run();
