/** docs/metrics.md names the metrics that operator and gatherer have, with their labels, and no others. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Registry } from "prom-client";
import { test } from "uvu";
import * as assert from "uvu/assert";
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

test.run();
