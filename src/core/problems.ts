/** What is wrong with what was seen, and what a person does about it. */
import type { Config } from "../api/config.ts";
import type { LastGather } from "../api/config-status.ts";
import { failurePatienceMs, gatherPatienceMs } from "./handover.ts";
import type { Health } from "./health.ts";
import type { Side } from "./operands.ts";
import type { Problem } from "./troubles.ts";

export interface ProblemsInput {
  readonly config: Exclude<Config, { readonly kind: "absent" }>;
  readonly node: Health;
  readonly gatherer: Health;
  /** The last full gather, whatever its end. */
  readonly lastGather: LastGather | undefined;
  /** Since when a gather waits for a gatherer that cannot be reached, and why. */
  readonly unreachable: { readonly sinceMs: number; readonly message: string } | undefined;
  /** What of our kinds the cluster does not serve, as its CRDs are older; empty: nothing. */
  readonly notServed: readonly string[];
}

/** In the order of their weight. */
export function problemsOf(input: ProblemsInput): readonly Problem[] {
  const { config, node, gatherer, lastGather, unreachable } = input;
  const problems: Problem[] = [];
  if (config.kind === "invalid") problems.push({ reason: "ConfigInvalid", message: config.problem });
  for (const reason of ["OperandConflict", "OperandFailed", "NoMatchingNodes"] as const)
    for (const [side, health] of [["node", node] as const, ["gatherer", gatherer] as const])
      if (health.reason === reason) problems.push({ reason, message: health.message, side, ...toDoAbout(health) });
  if (input.notServed.length > 0) {
    const message = `The CRDs on this cluster do not match the operator's version: they lack ${input.notServed.join(", ")}`;
    problems.push({ reason: "CrdOutdated", message });
  }
  if (isWaiting(gatherer)) problems.push(waitingFor("gatherer", gatherer));
  if (isWaiting(node) && !isOnDemand(config)) problems.push(waitingFor("node", node));
  if (unreachable !== undefined)
    problems.push({ reason: "GathererUnreachable", message: unreachable.message, sinceMs: unreachable.sinceMs });
  else if (lastGather?.succeeded === false) problems.push({ reason: "GatherFailed", message: lastGather.message });
  return problems;
}

/** The API server names account, verb and resource. */
function toDoAbout({ message }: Health): Pick<Problem, "toDo"> {
  if (/ is reverted by another controller or an admission policy each time /.test(message))
    return {
      toDo: "find the admission policy or the controller that changes it (metadata.managedFields names a controller), and exempt the operator's namespace from it; it is set again every few minutes",
    };
  if (!/ is forbidden: User "|not currently held/.test(message)) return {};
  return {
    toDo: "give the operator's account the permission that is named: apply its manifests or its release's file once more, or install its ClusterServiceVersion anew",
  };
}

/** A new gatherer whose pods tell of nothing wrong may wait for what the one of before, which still serves, hands it. */
function waitingFor(side: Side, { message, cause, some }: Health): Problem {
  if (side === "node") return { reason: "ExtractorNotReady", message, side, ...toDoOf(cause) };
  const designedMs = some && cause === undefined ? gatherPatienceMs + failurePatienceMs : 0;
  return { reason: "GathererNotReady", message, side, designedMs, ...toDoOf(cause) };
}

function toDoOf(cause: Health["cause"]): Pick<Problem, "toDo"> {
  return cause === undefined ? {} : { toDo: cause.toDo };
}

/** Then a gather waits for the extractors, bounded, and says itself what was missing. */
export function isOnDemand(config: Config): boolean {
  return config.kind === "valid" && config.settings.lifecycle === "OnDemand";
}

/** Nodes that are not ready have others who look after them, as long as there is anybody to ask. */
function isWaiting({ reason, some }: Health): boolean {
  return reason === "PodsNotReady" || reason === "Deploying" || (reason === "NodesNotReady" && !some);
}

/** What a person does about it; docs/conditions.md says more. */
export function adviceOn({ reason, toDo }: Problem, namespace: string, gather = ""): string {
  if (toDo !== undefined) return toDo;
  const pods = (name: string) =>
    `kubectl -n ${namespace} describe pods -l app.kubernetes.io/name=runtime-insights-${name}`;
  switch (reason) {
    case "ConfigInvalid":
      return "correct the field, or apply the CRDs of this version of the operator";
    case "OperandConflict":
      return "delete or rename what is named, if nobody needs it";
    case "OperandFailed":
      return "see what the API server says: permissions, admission, quota";
    case "CrdOutdated":
      return "kubectl apply -k crds/ of the operator's version";
    case "NoMatchingNodes":
      return "check spec.extractor.nodeSelector and tolerations";
    case "GathererNotReady":
      return pods("gatherer");
    case "ExtractorNotReady":
      return pods("extractor");
    case "GatherFailed":
      return `kubectl describe rg ${gather}`;
    case "GathererUnreachable":
      return `kubectl -n ${namespace} logs deploy/runtime-insights-gatherer --all-containers`;
    default:
      return reason;
  }
}
