/** What a run saw and did -> how both sides are, and what the other loops are to know. */
import type { GatherRequest } from "../api/request.ts";
import type { Fleet } from "../core/coverage.ts";
import type { Decision } from "../core/decide.ts";
import { type FailedStep, type Health, healthOf, previousHealth } from "../core/health.ts";
import { nodeSideView } from "../core/on-demand.ts";
import { keyOf, type Operand, operands, type Side, workloads } from "../core/operands.ts";
import { isOurs, type Plan } from "../core/plan.ts";
import type { Cause } from "../core/pod-causes.ts";
import { schedule } from "../core/schedule.ts";
import { lastGatherOf } from "../core/status.ts";
import { type Observed, type Present, podsOfOurs } from "./observed.ts";
import type { Snapshot } from "./world.ts";

export type Decisions = Readonly<Record<Side, Decision>>;
export type Healths = Readonly<Record<Side, Health>>;

export interface JudgementInput {
  readonly observed: Observed;
  readonly config: Present;
  readonly decisions: Decisions;
  readonly plan: Plan;
  /** What could not be written or read, what is disputed, and certificates. */
  readonly problems: readonly FailedStep[];
  /** The extractors are to be there. */
  readonly isWanted: boolean;
  readonly fleet: Fleet | undefined;
  readonly causes: Readonly<Record<Side, Cause | undefined>>;
}

export function healthsOf(input: JudgementInput): Healths {
  const of = (side: Side): Health => {
    const { observed, config, decisions, plan, problems, fleet, causes } = input;
    const decision = decisions[side];
    const wanted = side === "gatherer" || input.isWanted;
    const isLeft = (operand: Operand) => {
      const found = observed.live.get(keyOf(operand));
      return found?.kind === "present" && isOurs(found.object);
    };
    const toGo = wanted || decision.kind === "remove" ? operands : [workloads[side].workload];
    return healthOf({
      ...{ side, decision, wanted, plan, failed: problems, fleet },
      cause: causes[side],
      previous: previousHealth(config.identity.status, side),
      pods: podsOfOurs(observed.live, side),
      anyLeft: toGo.some((operand) => operand.side === side && isLeft(operand)),
    });
  };
  return { node: of("node"), gatherer: of("gatherer") };
}

/** The node side changes, so that a gather would miss extractors that are there soon. */
export const isMoving = ({ state, reason }: Health): boolean => state === "moving" || reason === "GateUnknown";

export interface SnapshotInput extends Pick<JudgementInput, "observed" | "config" | "decisions"> {
  readonly health: Healths;
  /** Clients and servers trust each other's certificates. */
  readonly isTrusted: boolean;
  readonly nodesSettled: boolean;
}

export function snapshotOf({ observed, config, decisions, health, isTrusted, nodesSettled }: SnapshotInput): Snapshot {
  if (config.kind !== "valid" || decisions.gatherer.kind !== "install")
    return { kind: "not managed", why: decisions.gatherer.message };
  const { nowMs, requests, live } = observed;
  const { node, gatherer } = health;
  const last = lastGatherOf(requests, config.identity, nowMs);
  const isFailing = node.reason === "OperandConflict" || node.reason === "OperandFailed";
  const problem = isFailing ? node.message : undefined;
  return {
    kind: "managed",
    nodeSide: nodeSideView(requests, live, { pods: podsOfOurs(live, "node"), problem }),
    settings: config.settings,
    configCreatedMs: config.identity.createdMs,
    lastGatherMs: last === undefined ? undefined : Date.parse(last.startTime),
    gathererReady: isServing(gatherer) && isTrusted,
    nodes: decisions.node.kind === "install" || (decisions.node.kind === "wait" && node.state !== "off"),
    nodesSettled,
  };
}

/** A monitor or policy that cannot be written is told, and no reason not to gather. */
function isServing({ state, reason, some }: Health): boolean {
  return state === "ready" || ((reason === "OperandFailed" || reason === "Deploying") && some);
}

export function nextGatherMs(
  snapshot: Extract<Snapshot, { readonly kind: "managed" }>,
  requests: readonly GatherRequest[],
  nowMs: number,
): number {
  const { settings, configCreatedMs, lastGatherMs } = snapshot;
  const intervalMs = settings.gather.interval;
  return schedule({ nowMs, intervalMs, configCreatedMs, lastGatherMs, requests, canGather: false, isBusy: false })
    .dueMs;
}
