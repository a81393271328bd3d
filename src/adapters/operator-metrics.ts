/** The operator's metrics; every series exists from the start. */
import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { GateState } from "../api/gate.ts";
import { type UploadReason, uploadReasons } from "../api/upload.ts";
import { conditionTypes } from "../core/conditions.ts";

const gateStates = ["enabled", "disabled", "not listed", "unknown", "no API"] as const satisfies readonly GateState[];

export const loopNames = ["operands", "gathers", "uploads"] as const;
export type LoopName = (typeof loopNames)[number];

export interface Gathering {
  /** 0: none are due. */
  readonly intervalMs: number;
  /** Of gathers of all namespaces; 0: none is known. */
  readonly lastSuccessMs: number;
}

export interface OperatorMetrics {
  readonly runs: Counter<"loop" | "result">;
  readonly runSeconds: Histogram<"loop">;
  readonly writes: Counter<"action" | "result">;
  readonly watchRestarts: Counter;
  readonly gathers: Counter<"result">;
  readonly handovers: Counter<"result">;
  readonly uploadSeconds: Histogram;
  countUpload(result: UploadReason): void;
  /** Undefined: none is known. */
  setLastUpload(timeMs: number | undefined): void;
  setGathering(gathering: Gathering): void;
  setGate(state: GateState): void;
  setCondition(type: string, status: string): void;
  /** Not leading: nothing is known of gate and conditions, which the leader tells. */
  setLeader(isLeader: boolean): void;
}

export function operatorMetrics(registry: Registry): OperatorMetrics {
  const registers = [registry];
  const runs = new Counter({
    name: "runtime_insights_operator_runs_total",
    help: "Runs of the operator's loops.",
    labelNames: ["loop", "result"],
    registers,
  });
  const runSeconds = new Histogram({
    name: "runtime_insights_operator_run_duration_seconds",
    help: "How long a run of a loop takes.",
    labelNames: ["loop"],
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers,
  });
  const writes = new Counter({
    name: "runtime_insights_operator_writes_total",
    help: "Objects that the operator applied, deleted or whose status it wrote.",
    labelNames: ["action", "result"],
    registers,
  });
  const watchRestarts = new Counter({
    name: "runtime_insights_operator_watch_restarts_total",
    help: "Watches that ended with an error and were begun anew.",
    registers,
  });
  const gathers = new Counter({
    name: "runtime_insights_operator_gathers_total",
    help: "RuntimeGathers that ended.",
    labelNames: ["result"],
    registers,
  });
  const handovers = new Counter({
    name: "runtime_insights_operator_handovers_total",
    help: "New gatherers that were handed what older ones had.",
    labelNames: ["result"],
    registers,
  });
  const interval = new Gauge({
    name: "runtime_insights_operator_gather_interval_seconds",
    help: "How often all namespaces are to be gathered; 0 when they are not.",
    registers,
  });
  const lastSuccess = new Gauge({
    name: "runtime_insights_operator_last_successful_gather_timestamp_seconds",
    help: "When the newest gather of all namespaces that wrote its archive ended; 0 when none is known.",
    registers,
  });
  const uploads = new Counter({
    name: "runtime_insights_operator_uploads_total",
    help: "Tries to send an archive away.",
    labelNames: ["result"],
    registers,
  });
  const uploadSeconds = new Histogram({
    name: "runtime_insights_operator_upload_duration_seconds",
    help: "How long the endpoint takes to receive an archive, or to fail.",
    buckets: [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
    registers,
  });
  const lastUpload = new Gauge({
    name: "runtime_insights_operator_last_upload_timestamp_seconds",
    help: "When the newest archive was received; 0 when none was.",
    registers,
  });
  const gate = new Gauge({
    name: "runtime_insights_operator_gate_state",
    help: "1 for the state that the feature gate is in.",
    labelNames: ["state"],
    registers,
  });
  const condition = new Gauge({
    name: "runtime_insights_operator_condition",
    help: "Conditions of the config: 1 True, 0 False, -1 unknown or no config.",
    labelNames: ["type"],
    registers,
  });
  const leader = new Gauge({
    name: "runtime_insights_operator_leader",
    help: "1 in the process that holds the Lease, 0 in those that wait for it.",
    registers,
  });
  for (const loop of loopNames) runSeconds.zero({ loop });
  for (const loop of loopNames) for (const result of ["done", "failed"]) runs.inc({ loop, result }, 0);
  for (const action of ["apply", "delete", "status"])
    for (const result of ["done", "failed"]) writes.inc({ action, result }, 0);
  for (const result of ["succeeded", "failed", "superseded"]) gathers.inc({ result }, 0);
  for (const result of ["complete", "incomplete", "fresh"]) handovers.inc({ result }, 0);
  for (const result of uploadReasons) uploads.inc({ result }, 0);
  for (const state of gateStates) gate.set({ state }, 0);
  for (const type of conditionTypes) condition.set({ type }, -1);
  const setGathering = ({ intervalMs, lastSuccessMs }: Gathering) => {
    interval.set(intervalMs / 1000);
    lastSuccess.set(lastSuccessMs / 1000);
  };
  return {
    runs,
    runSeconds,
    writes,
    watchRestarts,
    gathers,
    handovers,
    uploadSeconds,
    countUpload: (result) => uploads.inc({ result }),
    setLastUpload: (timeMs) => lastUpload.set((timeMs ?? 0) / 1000),
    setGathering,
    setGate: (now) => {
      for (const state of gateStates) gate.set({ state }, state === now ? 1 : 0);
    },
    setLeader: (isLeader) => {
      leader.set(isLeader ? 1 : 0);
      if (isLeader) return;
      for (const state of gateStates) gate.set({ state }, 0);
      for (const type of conditionTypes) condition.set({ type }, -1);
      setGathering({ intervalMs: 0, lastSuccessMs: 0 });
    },
    setCondition: (type, status) => condition.set({ type }, status === "True" ? 1 : status === "False" ? 0 : -1),
  };
}
