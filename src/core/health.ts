/** What one side looks like, judged from its workload and from what happened to its objects. */
import type { ConfigStatus } from "../api/config-status.ts";
import { decodePods, type Pods } from "../api/pods.ts";
import type { Fleet, ForeignNodes } from "./coverage.ts";
import type { Decision } from "./decide.ts";
import { keyOf, type Side } from "./operands.ts";
import type { Live, Plan } from "./plan.ts";
import { type Cause, causeReasons } from "./pod-causes.ts";

export type HealthReason =
  | Decision["reason"]
  | "AsExpected"
  | "OnDemandIdle"
  | "Deploying"
  | "Removing"
  | "PodsNotReady"
  | "NodesNotReady"
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
  /** What keeps its pods from running; the message has it. */
  readonly cause?: Cause;
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
  /** The Linux nodes, of the node side; undefined while they have not been counted. */
  readonly fleet?: Fleet | undefined;
  /** What keeps pods of this side from running, as far as they tell. */
  readonly cause?: Cause | undefined;
  readonly previous: PreviousHealth;
}

/** What the status says of the side so far. */
export interface PreviousHealth {
  /** Of ExtractorReady or GathererReady. */
  readonly reason?: string | undefined;
  /** Generation of the workload that has been rolled out. */
  readonly rolledOut?: number | undefined;
  /** Degraded says that this side is not ready. */
  readonly isDegraded?: boolean | undefined;
}

export function previousHealth({ conditions = [], nodes }: ConfigStatus, side: Side): PreviousHealth {
  const [ready, notReady] =
    side === "node" ? ["ExtractorReady", "ExtractorNotReady"] : ["GathererReady", "GathererNotReady"];
  return {
    reason: reasonOf(conditions, ready),
    rolledOut: side === "node" ? nodes?.rolledOut : undefined,
    isDegraded: conditions.some(
      ({ type, status, reason }) => type === "Degraded" && status === "True" && reason === notReady,
    ),
  };
}

/** A cause tells nothing about whether a roll-out is on. */
function reasonOf(conditions: NonNullable<ConfigStatus["conditions"]>, type: string): string | undefined {
  const reason = conditions.find((one) => one.type === type)?.reason;
  if (!causeReasons.some((one) => one === reason)) return reason;
  const isDeploying = conditions.some((one) => one.type === "Progressing" && one.reason === "Deploying");
  return isDeploying ? "Deploying" : "PodsNotReady";
}

/** More nodes are to have an extractor, or have the newest one, than the status says. */
export function isProgress(pods: Pods | undefined, before: ConfigStatus["nodes"]): boolean {
  if (pods === undefined || before === undefined) return false;
  return pods.desired > before.desired || pods.updated > (before.updated ?? pods.updated);
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
      return judge(input, pods);
    case "install":
      if (!wanted && anyLeft)
        return { state: "moving", reason: "Removing", message: "The extractors are being taken away", some };
      if (!wanted) {
        const message = "Lifecycle OnDemand: extractors run only during a gather";
        return { state: "ready", reason: "OnDemandIdle", message, some: false };
      }
      if (pods === undefined) return { state: "moving", reason: "Deploying", message: "Being deployed", some };
      return judge(input, pods);
    default:
      return decision.kind;
  }
}

/**
 * A roll-out is one that this operator began and that has not reached every node yet. Pods that are missing later, since a node
 * restarts or is new, are none; those of nodes that are not ready are held against nobody.
 */
function judge({ side, fleet, cause, previous }: HealthInput, pods: Pods): Health {
  const { desired, ready, updated, current, seen, generation, refusal } = pods;
  const what = side === "node" ? "extractor" : "gatherer";
  const some = ready > 0;
  const health = (state: Health["state"], reason: HealthReason, message: string): Health => {
    if (reason !== "Deploying" && reason !== "PodsNotReady") return { state, reason, message, some };
    if (cause !== undefined) return { state, reason, message: `${message}: ${cause.message}`, some, cause };
    return { state, reason, message: `${message}${refusal === undefined ? "" : `: ${refusal}`}`, some };
  };
  const down = side === "node" ? (fleet?.notReady ?? 0) : 0;
  const isOlder = side === "node" && seen && generation === previous.rolledOut && previous.reason !== "Deploying";
  const isLeftToNodes = seen && down > 0 && desired - updated <= down;
  if (!current && !isOlder && !isLeftToNodes)
    return health("moving", "Deploying", `The ${what} pods are being rolled out`);
  const without = side === "node" && fleet !== undefined ? Math.max(0, fleet.linux - desired) : 0;
  const rest = fleet === undefined ? "" : withoutExtractor(without, fleet.foreign);
  if (desired === 0 && side === "node")
    return health(
      "broken",
      "NoMatchingNodes",
      `No Linux node matches spec.extractor${without === 0 ? "" : `, of ${without}`}${fleet === undefined ? "" : foreignNodes(fleet.foreign)}`,
    );
  const message = `${ready} of ${desired} ${what} pods are ready`;
  if (ready >= desired) return health("ready", "AsExpected", `${message}${rest}`);
  if (desired - ready <= down) {
    const lost = `${nodes(down)} that should have one ${down === 1 ? "is" : "are"} not ready`;
    return health("moving", "NodesNotReady", `${message}; ${lost}${rest}`);
  }
  if (previous.reason === "Deploying" && previous.isDegraded !== true)
    return health("moving", "Deploying", `The last ${what} pods that were rolled out are not ready yet`);
  return health("moving", "PodsNotReady", `${message}${rest}`);
}

/** How many nodes have no extractor, and which of them cannot have one. */
function withoutExtractor(without: number, foreign: ForeignNodes): string {
  const others = Math.max(0, without - foreign.count);
  const kept = others === 0 ? "" : `; ${nodes(others)} ${others === 1 ? "has" : "have"} none, by taint or nodeSelector`;
  return kept + (without === 0 ? "" : foreignNodes(foreign));
}

function foreignNodes({ count, shown }: ForeignNodes): string {
  if (count === 0) return "";
  const more = count > shown.length ? ` and ${count - shown.length} more` : "";
  const names = shown.map(({ name, architecture }) => `${name} (${architecture})`).join(", ");
  return `; ${nodes(count)} ${count === 1 ? "has" : "have"} none, since there is no image for their architecture: ${names}${more}`;
}

function nodes(number: number): string {
  return number === 1 ? "1 Linux node" : `${number} Linux nodes`;
}
