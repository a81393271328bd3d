/** What one side looks like, judged from its workload and from what happened to its objects. */
import { decodePods, type Pods } from "../api/pods.ts";
import type { Decision } from "./decide.ts";
import { keyOf, type Side } from "./operands.ts";
import type { Live, Plan } from "./plan.ts";

export type HealthReason =
  | Decision["reason"]
  | "AsExpected"
  | "OnDemandIdle"
  | "Deploying"
  | "Removing"
  | "PodsNotReady"
  | "NoMatchingNodes"
  | "OperandConflict"
  | "OperandFailed";

/**
 * `off` is as it should be without being there; `moving` is on its way and gets time; `broken` does not mend by waiting.
 * `some` says that at least one pod serves.
 */
export interface Health {
  readonly state: "ready" | "off" | "moving" | "broken";
  readonly reason: HealthReason;
  readonly message: string;
  readonly some: boolean;
}

/** A step that could not be carried out. */
export interface FailedStep {
  readonly operand: { readonly kind: string; readonly name: string; readonly side: Side };
  readonly message: string;
}

/** The pods of a DaemonSet or Deployment; undefined when the object is not there. */
export function podsOf(live: Live | undefined): Pods | undefined {
  return live?.kind === "present" ? decodePods(live.object) : undefined;
}

export interface HealthInput {
  readonly side: Side;
  readonly decision: Decision;
  /** False: its workload is to be away, between the gathers of lifecycle OnDemand. */
  readonly wanted: boolean;
  readonly pods: Pods | undefined;
  readonly plan: Plan;
  readonly failed: readonly FailedStep[];
  /** At least one object of this side that is to go is still there. */
  readonly anyLeft: boolean;
}

export function healthOf(input: HealthInput): Health {
  const { side, decision, wanted, pods, plan, failed, anyLeft } = input;
  const some = (pods?.ready ?? 0) > 0;
  const conflicts = plan.conflicts.filter((operand) => operand.side === side);
  if (conflicts.length > 0) {
    const message = `Not made by this operator and left alone: ${conflicts.map(keyOf).sort().join(", ")}; delete or rename them`;
    return { state: "broken", reason: "OperandConflict", message, some };
  }
  const problems = [...failed, ...plan.unreadable].filter(({ operand }) => operand.side === side);
  if (problems.length > 0) {
    const [first] = problems.map(({ operand, message }) => `${keyOf(operand)}: ${message}`).sort();
    const more = problems.length > 1 ? ` and ${problems.length - 1} more` : "";
    return { state: "moving", reason: "OperandFailed", message: `${first ?? ""}${more}`, some };
  }
  switch (decision.kind) {
    case "remove":
      if (anyLeft) return { state: "moving", reason: "Removing", message: `${decision.message}; removing`, some };
      return { state: "off", reason: decision.reason, message: decision.message, some: false };
    case "wait":
      if (pods === undefined) return { state: "off", reason: decision.reason, message: decision.message, some };
      return judge(side, pods);
    case "install":
      if (!wanted && anyLeft)
        return { state: "moving", reason: "Removing", message: "The extractors are being taken away", some };
      if (!wanted) {
        const message = "The extractors are deployed when a gather begins, and taken away when it has asked them";
        return { state: "ready", reason: "OnDemandIdle", message, some: false };
      }
      if (pods === undefined) return { state: "moving", reason: "Deploying", message: "Being deployed", some };
      return judge(side, pods);
    default:
      return decision.kind;
  }
}

function judge(side: Side, { desired, ready, current }: Pods): Health {
  const what = side === "node" ? "extractor" : "gatherer";
  const some = ready > 0;
  if (!current) return { state: "moving", reason: "Deploying", message: `The ${what} pods are being rolled out`, some };
  if (desired === 0 && side === "node") {
    const message = "No Linux node matches spec.extractor";
    return { state: "broken", reason: "NoMatchingNodes", message, some };
  }
  const message = `${ready} of ${desired} ${what} pods are ready`;
  if (ready < desired) return { state: "moving", reason: "PodsNotReady", message, some };
  return { state: "ready", reason: "AsExpected", message, some };
}
