/** Every metric is named, labelled and described as Prometheus and Kubernetes ask (what `promtool check metrics` looks at, and closed labels). */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Registry } from "prom-client";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { gatherMetrics } from "./gather-metrics.ts";
import { operatorMetrics } from "./operator-metrics.ts";

interface Series {
  readonly name: string;
  readonly labels: readonly string[];
}
interface Metric extends Series {
  readonly type: string;
  readonly help: string;
  /** Sets of label values that exist from the start. */
  readonly series: readonly string[];
}

/** Base units, and words that say a number has none. */
const units = ["seconds", "bytes", "ratio"];
const otherUnits =
  /_(ms|milliseconds?|millis|microseconds?|nanos\w*|minutes?|hours?|days?|kb|kib|mb|mib|kilobytes|megabytes|percent)(_|$)/;
const typeWords = /_(counter|gauge|histogram|summary|metric)(_|$)/;
/** What a histogram or summary adds by itself. */
const reserved = /_(count|sum|bucket|created|info)$/;
const withoutUnit = ["gate_state", "condition", "leader", "pods"];
/** They name things of the cluster, of which there may be any number. */
const openLabels = [
  "pod",
  "node",
  "container",
  "namespace",
  "name",
  "id",
  "uid",
  "image",
  "host",
  "url",
  "path",
  "message",
];
const maxSeries = 50;

function problemsOfName({ name, labels }: Series): readonly string[] {
  const problems = [
    [!/^runtime_insights_(operator|gatherer|exporter)(_[a-z]+)+$/.test(name), "does not begin with its program"],
    [otherUnits.test(name), "has a unit that is no base unit"],
    [typeWords.test(name), "names its type"],
    [reserved.test(name), "ends as a part of a histogram does"],
    [labels.some((label) => !/^[a-z][a-z_]*$/.test(label)), "has a label in other letters"],
    [labels.some((label) => name.split("_").includes(label) && !/_state$/.test(name)), "repeats a label in its name"],
    [labels.some((label) => openLabels.includes(label)), "has a label that names things of the cluster"],
    [labels.some((label) => ["le", "quantile", "job", "instance"].includes(label)), "has a label that Prometheus sets"],
  ] as const;
  return problems.filter(([isBroken]) => isBroken).map(([, words]) => `${name} ${words}`);
}

function problemsOf(metric: Metric): readonly string[] {
  const { name, type, help, series } = metric;
  const unitless = withoutUnit.some((word) => name.endsWith(`_${word}`));
  const unit = units.some((word) => new RegExp(`_${word}(_total)?$`).test(name));
  const problems = [
    [
      (type === "counter") !== name.endsWith("_total"),
      "ends in _total without being a counter, or is one and does not",
    ],
    [type !== "counter" && !unit && !unitless, "has no unit at its end"],
    [type === "summary", "is a summary, which cannot be added up"],
    [!/^(?:[A-Z]|[01] )[^\n]{9,119}\.$/.test(help), "is not described by one sentence"],
    [series.length === 0, "has no series at the start"],
    [series.length > maxSeries, "has too many series"],
  ] as const;
  return [
    ...problemsOfName(metric),
    ...problems.filter(([isBroken]) => isBroken).map(([, words]) => `${name} ${words}`),
  ];
}

async function metricsOf(register: (registry: Registry) => unknown): Promise<readonly Metric[]> {
  const registry = new Registry();
  register(registry);
  const all = await registry.getMetricsAsJSON();
  return all.map(({ name, type, help, values }) => {
    const sets = values.map(({ labels }) => Object.entries(labels).filter(([label]) => label !== "le"));
    return {
      ...{ name, type: String(type), help },
      labels: [...new Set(sets.flatMap((set) => set.map(([label]) => label)))],
      series: [...new Set(sets.map((set) => JSON.stringify(set)))],
    };
  });
}

for (const [program, register] of [
  ["operator", operatorMetrics],
  ["gatherer", gatherMetrics],
] as const)
  test(`the ${program}'s metrics keep the rules`, async () => {
    const metrics = await metricsOf(register);
    assert.ok(metrics.length > 3);
    assert.equal(metrics.flatMap(problemsOf), []);
  });

test("the documented names and labels of all programs keep the rules, the exporter's among them", () => {
  const text = readFileSync(join(import.meta.dirname, "../../docs/metrics.md"), "utf8");
  const rows = [...text.matchAll(/^\| `(runtime_insights_[a-z_]+)` \| ([^|]*)\|/gm)];
  const series = rows.map(([, name = "", labels = ""]) => ({
    name,
    labels: [...labels.matchAll(/`([a-z_]+)`/g)].map(([, label = ""]) => label),
  }));
  assert.ok(series.some(({ name }) => name.startsWith("runtime_insights_exporter_")));
  assert.equal(series.flatMap(problemsOfName), []);
});

test("one pod that leads is told from one that waits", async () => {
  const registry = new Registry();
  const metrics = operatorMetrics(registry);
  const leader = async () => /^runtime_insights_operator_leader (\d)$/m.exec(await registry.metrics())?.[1];
  assert.is(await leader(), "0");
  metrics.setLeader(true);
  assert.is(await leader(), "1");
  metrics.setLeader(false);
  assert.is(await leader(), "0");
});

const fine: Metric = {
  name: "runtime_insights_operator_wait_seconds",
  type: "histogram",
  help: "How long something waits.",
  labels: ["loop"],
  series: ['[["loop","a"]]'],
};
for (const { rule, metric } of [
  { rule: "a counter without _total", metric: { type: "counter", name: "runtime_insights_operator_writes" } },
  { rule: "a gauge with _total", metric: { type: "gauge", name: "runtime_insights_operator_writes_total" } },
  { rule: "milliseconds", metric: { name: "runtime_insights_operator_wait_milliseconds" } },
  { rule: "a time without a unit", metric: { name: "runtime_insights_operator_wait" } },
  { rule: "a foreign prefix", metric: { name: "operator_wait_seconds" } },
  { rule: "a label of pods", metric: { labels: ["pod"] } },
  { rule: "a label in the name", metric: { name: "runtime_insights_operator_loop_wait_seconds" } },
  { rule: "a help that is no sentence", metric: { help: "wait" } },
  { rule: "no series at the start", metric: { series: [] } },
  { rule: "series without end", metric: { series: Array.from({ length: 60 }, String) } },
])
  test(`the rules refuse ${rule}`, () => {
    assert.equal(problemsOf(fine), []);
    assert.ok(problemsOf({ ...fine, ...metric }).length > 0);
  });

test.run();
