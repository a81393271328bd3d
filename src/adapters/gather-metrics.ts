/** The gatherer's metrics; every series exists from the start. */
import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import { failureReasons, type GatherOutcome, type NodeFailure } from "../api/gather.ts";

export interface GatherMetrics {
  observe(outcome: GatherOutcome, failures: readonly NodeFailure[]): void;
}

/** Registers them. */
export function gatherMetrics(registry: Registry): GatherMetrics {
  const registers = [registry];
  const gathers = new Counter({
    name: "runtime_insights_gatherer_gathers_total",
    help: "Gathers that ended, by result.",
    labelNames: ["result"],
    registers,
  });
  const duration = new Histogram({
    name: "runtime_insights_gatherer_gather_duration_seconds",
    help: "How long gathers took.",
    buckets: [0.1, 0.5, 1, 5, 15, 60, 300, 900],
    registers,
  });
  const failures = new Counter({
    name: "runtime_insights_gatherer_node_failures_total",
    help: "Nodes whose runtimes are missing from a gather, or of whose answer a part was dropped, by reason.",
    labelNames: ["reason"],
    registers,
  });
  const bytes = new Gauge({
    name: "runtime_insights_gatherer_archive_bytes",
    help: "Size of the newest archive.",
    registers,
  });
  const pods = new Gauge({
    name: "runtime_insights_gatherer_pods",
    help: "Pods in the newest gather.",
    registers,
  });
  for (const result of ["succeeded", "failed"]) gathers.inc({ result }, 0);
  for (const reason of failureReasons) failures.inc({ reason }, 0);
  return {
    observe: (outcome, failed) => {
      gathers.inc({ result: outcome.succeeded ? "succeeded" : "failed" });
      duration.observe(outcome.durationsMs.total / 1000);
      for (const { reason } of failed) failures.inc({ reason });
      if (outcome.archive !== null) bytes.set(outcome.archive.bytes);
      pods.set(outcome.counts.pods);
    },
  };
}
