/** What was decided, done and seen -> the config's conditions, and the events that their changes cause. */
import type { Config, LastGather } from "../api/config.ts";
import type { Gate } from "../api/gate.ts";
import type { Condition } from "../api/object.ts";
import type { Health } from "./health.ts";

/** Every reason that a condition of the config can have; docs/conditions.md says for each what to do. */
export const conditionReasons = [
  "AsExpected",
  "OnDemandIdle",
  "Deploying",
  "Removing",
  "PodsNotReady",
  "NoMatchingNodes",
  "OperandConflict",
  "OperandFailed",
  "GateEnabled",
  "GateIgnored",
  "GateDisabled",
  "GateNotListed",
  "GateApiMissing",
  "GateUnknown",
  "RuntimeInfoDisabled",
  "Managed",
  "Unmanaged",
  "Removed",
  "ConfigInvalid",
  "ConfigAbsent",
  "ExtractorNotReady",
  "GathererNotReady",
  "NoGatherYet",
  "NodesFailed",
  "NodeSideFailed",
  "GatherFailed",
  "GathererUnreachable",
] as const;
export type ConditionReason = (typeof conditionReasons)[number];

/** In the order in which they are written. */
export const conditionTypes = [
  "Available",
  "Progressing",
  "Degraded",
  "FeatureGateEnabled",
  "ExtractorReady",
  "GathererReady",
  "GatherSucceeded",
] as const;
export type ConditionType = (typeof conditionTypes)[number];

export interface ConditionsInput {
  readonly nowMs: number;
  readonly config: Exclude<Config, { readonly kind: "absent" }>;
  readonly gate: Gate;
  readonly node: Health;
  readonly gatherer: Health;
  /** The last full gather, whatever its end. */
  readonly lastGather: LastGather | undefined;
  /** Since when a gather waits for a gatherer that cannot be reached, and why. */
  readonly unreachable: { readonly sinceMs: number; readonly message: string } | undefined;
  /** The extractor that OpenShift itself ships runs beside ours. */
  readonly stockExtractor: boolean;
  /** Since when each trouble lasts, as the previous run returned it. */
  readonly trouble: Trouble;
}

/** Begin of each lasting trouble, by its reason. A restart of the process begins anew, unless Degraded was already said. */
export type Trouble = Readonly<Partial<Record<ConditionReason, number>>>;

export interface ConditionEvent {
  readonly type: "Normal" | "Warning";
  readonly reason: ConditionReason | "StockExtractorPresent";
  readonly message: string;
}

export interface Conditions {
  readonly conditions: readonly Condition[];
  readonly events: readonly ConditionEvent[];
  readonly trouble: Trouble;
  /** When a trouble outlasts its grace time; undefined when nothing waits. */
  readonly afterMs: number | undefined;
}

const minuteMs = 60_000;
/** How long a gatherer that cannot be reached is no failure of the gather. */
const silenceMs = minuteMs;
/** How long a stumble is not called Degraded; what no waiting can mend has no grace. */
const graceMs: Readonly<Partial<Record<ConditionReason, number>>> = {
  ExtractorNotReady: 5 * minuteMs,
  GathererNotReady: 5 * minuteMs,
  OperandFailed: 2 * minuteMs,
  NoMatchingNodes: 2 * minuteMs,
  GathererUnreachable: 2 * minuteMs,
};

interface Verdict {
  readonly status: Condition["status"];
  readonly reason: ConditionReason;
  readonly message: string;
}

/** The same facts give the same conditions, save for the times of transition. */
export function conditionsOf(input: ConditionsInput): Conditions {
  const { nowMs, config } = input;
  const previous = config.identity.status.conditions ?? [];
  const problems = problemsOf(input);
  const { degraded, trouble, afterMs } = degradedOf(problems, input, previous);
  const verdicts: Readonly<Record<ConditionType, Verdict>> = {
    Available: availableOf(input),
    Progressing: progressingOf(input),
    Degraded: degraded,
    FeatureGateEnabled: gateOf(input),
    ExtractorReady: withStock(readyOf(input.node), input),
    GathererReady: readyOf(input.gatherer),
    GatherSucceeded: gatheredOf(input),
  };
  const now = new Date(nowMs).toISOString().replace(/\.\d+Z$/, "Z");
  const conditions = conditionTypes.map((type): Condition => {
    const verdict = verdicts[type];
    const before = previous.find((condition) => condition.type === type);
    const lastTransitionTime = before?.status === verdict.status ? before.lastTransitionTime : now;
    return { type, ...verdict, lastTransitionTime, observedGeneration: config.identity.generation };
  });
  const silenceLeftMs = input.unreachable === undefined ? 0 : input.unreachable.sinceMs + silenceMs - nowMs;
  const waits = [afterMs, silenceLeftMs > 0 ? silenceLeftMs : undefined].filter((ms) => ms !== undefined);
  return {
    conditions,
    events: [...eventsOf(conditions, previous, isOnDemand(config)), ...stockEvents(conditions, previous)],
    trouble,
    afterMs: waits.length === 0 ? undefined : Math.min(...waits),
  };
}

function readyOf({ state, reason, message }: Health): Verdict {
  return { status: state === "ready" ? "True" : "False", reason, message };
}

const stockSentence =
  "OpenShift's own extractor runs as well and is left alone (DaemonSet openshift-insights/insights-runtime-extractor)";

function withStock(verdict: Verdict, { stockExtractor }: ConditionsInput): Verdict {
  return stockExtractor ? { ...verdict, message: `${verdict.message}. ${stockSentence}` } : verdict;
}

/** Once, when it is seen first. */
function stockEvents(conditions: readonly Condition[], previous: readonly Condition[]): readonly ConditionEvent[] {
  const says = (list: readonly Condition[]) => list.some(({ message }) => message.includes(stockSentence));
  if (!says(conditions) || says(previous)) return [];
  return [{ type: "Normal", reason: "StockExtractorPresent", message: stockSentence }];
}

function gateOf({ config, gate }: ConditionsInput): Verdict {
  if (config.kind === "valid" && config.settings.featureGate === "Ignored")
    return { status: "True", reason: "GateIgnored", message: "spec.featureGate is Ignored: the gate is not asked" };
  switch (gate.state) {
    case "enabled":
      return { status: "True", reason: "GateEnabled", message: `Enabled for version ${gate.version}` };
    case "disabled":
      return { status: "False", reason: "GateDisabled", message: `Disabled for version ${gate.version}` };
    case "not listed": {
      const message = `Version ${gate.version} does not list the gate; set spec.featureGate to Ignored to go on without it`;
      return { status: "False", reason: "GateNotListed", message };
    }
    case "no API": {
      const message = "This cluster has no FeatureGate API; set spec.featureGate to Ignored to go on without it";
      return { status: "False", reason: "GateApiMissing", message };
    }
    case "unknown":
      return { status: "Unknown", reason: "GateUnknown", message: `Not known: ${gate.why}` };
    default:
      return gate;
  }
}

function availableOf({ config, node, gatherer }: ConditionsInput): Verdict {
  if (gatherer.state === "off") return { status: "False", reason: gatherer.reason, message: gatherer.message };
  if (!gatherer.some) return { status: "False", reason: "GathererNotReady", message: gatherer.message };
  const isExpected = node.state !== "off" && node.reason !== "Removing" && !isOnDemand(config);
  if (isExpected && !node.some && config.kind === "valid")
    return { status: "False", reason: "ExtractorNotReady", message: node.message };
  return { status: "True", reason: "AsExpected", message: "Workloads can be gathered" };
}

/** A pod that is missing once all has been rolled out, since its node restarts or is new, is no progress. */
function progressingOf({ config, node, gatherer }: ConditionsInput): Verdict {
  if (config.kind === "valid" && config.settings.managementState === "Unmanaged")
    return { status: "False", reason: "Unmanaged", message: "spec.managementState is Unmanaged: nothing is changed" };
  const previous = config.identity.status.conditions?.find(({ type }) => type === "Progressing");
  const isRollingOut = previous?.status === "True";
  const moving = [node, gatherer].filter(
    ({ state, reason }) => state === "moving" && (reason !== "PodsNotReady" || isRollingOut),
  );
  const [first] = moving;
  if (first === undefined) return { status: "False", reason: "AsExpected", message: "Nothing is being changed" };
  return { status: "True", reason: first.reason, message: moving.map(({ message }) => message).join("; ") };
}

function gatheredOf({ nowMs, lastGather, unreachable }: ConditionsInput): Verdict {
  if (unreachable !== undefined && nowMs - unreachable.sinceMs >= silenceMs)
    return { status: "False", reason: "GathererUnreachable", message: unreachable.message };
  if (lastGather === undefined)
    return { status: "Unknown", reason: "NoGatherYet", message: "Nothing has been gathered yet" };
  const { succeeded, reason, message, counts } = lastGather;
  if (!succeeded) return { status: "False", reason: "GatherFailed", message };
  if (reason === "NodeSideFailed") return { status: "True", reason, message };
  if (counts !== undefined && counts.nodesFailed > 0) return { status: "True", reason: "NodesFailed", message };
  return { status: "True", reason: "AsExpected", message };
}

/** In the order of their weight. */
function problemsOf(input: ConditionsInput): readonly Omit<Verdict, "status">[] {
  const { config, node, gatherer, lastGather, unreachable } = input;
  const problems: Omit<Verdict, "status">[] = [];
  if (config.kind === "invalid") problems.push({ reason: "ConfigInvalid", message: config.problem });
  for (const reason of ["OperandConflict", "OperandFailed", "NoMatchingNodes"] as const)
    for (const health of [node, gatherer])
      if (health.reason === reason) problems.push({ reason, message: health.message });
  if (isWaiting(gatherer)) problems.push({ reason: "GathererNotReady", message: gatherer.message });
  if (isWaiting(node) && !isOnDemand(config)) problems.push({ reason: "ExtractorNotReady", message: node.message });
  if (unreachable !== undefined) problems.push({ reason: "GathererUnreachable", message: unreachable.message });
  else if (lastGather?.succeeded === false) problems.push({ reason: "GatherFailed", message: lastGather.message });
  return problems;
}

/** Then a gather waits for the extractors, bounded, and says itself what was missing. */
function isOnDemand(config: Config): boolean {
  return config.kind === "valid" && config.settings.lifecycle === "OnDemand";
}

function isWaiting({ reason }: Health): boolean {
  return reason === "PodsNotReady" || reason === "Deploying";
}

function degradedOf(
  problems: readonly Omit<Verdict, "status">[],
  { nowMs, trouble, unreachable }: ConditionsInput,
  previous: readonly Condition[],
): { degraded: Verdict; trouble: Trouble; afterMs: number | undefined } {
  const said = previous.find(({ type, status }) => type === "Degraded" && status === "True")?.reason;
  const since: Partial<Record<ConditionReason, number>> = {};
  const lasting: Omit<Verdict, "status">[] = [];
  let afterMs: number | undefined;
  for (const problem of problems) {
    const begin =
      trouble[problem.reason] ?? (problem.reason === "GathererUnreachable" ? unreachable?.sinceMs : undefined);
    since[problem.reason] = begin ?? nowMs;
    const leftMs = (begin ?? nowMs) + (graceMs[problem.reason] ?? 0) - nowMs;
    if (leftMs <= 0 || said === problem.reason) lasting.push(problem);
    else afterMs = Math.min(afterMs ?? leftMs, leftMs);
  }
  const [worst] = lasting;
  if (worst === undefined)
    return {
      degraded: { status: "False", reason: "AsExpected", message: "Nothing is wrong" },
      trouble: since,
      afterMs,
    };
  const message = lasting.map((problem) => problem.message).join("; ");
  return { degraded: { status: "True", reason: worst.reason, message }, trouble: since, afterMs };
}

/**
 * Of what a person cares about: a status that turned, a gate that says something else, a new trouble. Available and Progressing
 * follow from the others, and the steps of a roll-out are no news, nor that a gather deploys extractors and takes them away.
 */
function eventsOf(
  conditions: readonly Condition[],
  previous: readonly Condition[],
  onDemand: boolean,
): readonly ConditionEvent[] {
  const events: ConditionEvent[] = [];
  for (const { type, status, reason, message } of conditions) {
    if (type === "Available" || type === "Progressing") continue;
    const before = previous.find((condition) => condition.type === type);
    if (before?.status === status && before.reason === reason) continue;
    if (before === undefined && (type === "Degraded" ? status === "False" : reason === "NoGatherYet")) continue;
    const known = conditionReasons.find((one) => one === reason);
    if (known === undefined) continue;
    const isBad = type === "Degraded" ? status === "True" : warnings.has(known);
    if (before?.status === status && !isBad && type !== "FeatureGateEnabled") continue;
    if (onDemand && type === "ExtractorReady" && stepsOfGather.has(known)) continue;
    events.push({ type: isBad ? "Warning" : "Normal", reason: known, message: `${type}: ${message}` });
  }
  return events;
}

const stepsOfGather: ReadonlySet<ConditionReason> = new Set([
  ...(["OnDemandIdle", "Deploying", "PodsNotReady", "AsExpected", "Removing"] as const),
]);

const warnings: ReadonlySet<ConditionReason> = new Set([
  "OperandConflict",
  "OperandFailed",
  "NoMatchingNodes",
  "ConfigInvalid",
  "GatherFailed",
  "NodesFailed",
  "NodeSideFailed",
  "GathererUnreachable",
]);
