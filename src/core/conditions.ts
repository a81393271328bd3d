/** What was decided, done and seen -> the config's conditions, and the events that their changes cause. */
import type { Config } from "../api/config.ts";
import type { Gate } from "../api/gate.ts";
import type { Condition } from "../api/object.ts";
import type { Health } from "./health.ts";
import { causeReasons } from "./pod-causes.ts";
import { adviceOn, isOnDemand, type ProblemsInput, problemsOf } from "./problems.ts";
import { type Problem, type Troubles, weigh } from "./troubles.ts";

/** Every reason that a condition of the config can have; docs/conditions.md says for each what to do. */
export const conditionReasons = [
  "AsExpected",
  "OnDemandIdle",
  "Deploying",
  "Removing",
  "PodsNotReady",
  ...causeReasons,
  "NodesNotReady",
  "NoMatchingNodes",
  "OperandConflict",
  "OperandFailed",
  "CrdOutdated",
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

export interface ConditionsInput extends ProblemsInput {
  readonly nowMs: number;
  readonly gate: Gate;
  /** The extractor that OpenShift itself ships runs beside ours; undefined when that could not be read. */
  readonly stockExtractor: boolean | undefined;
  /** More nodes have, or are to have, what is being deployed than at the look before. */
  readonly isProgress: boolean;
  /** Where the operator's pods are, for who reads what to do. */
  readonly namespace: string;
}

export interface ConditionEvent {
  readonly type: "Normal" | "Warning";
  readonly reason: ConditionReason | "StockExtractorPresent" | "FieldsIgnored";
  readonly message: string;
}

export interface Conditions {
  readonly conditions: readonly Condition[];
  readonly events: readonly ConditionEvent[];
  readonly troubles: Troubles;
  readonly headline: Headline;
  /** When a trouble outlasts its grace time, or is forgotten; undefined when nothing waits. */
  readonly afterMs: number | undefined;
}

/** What matters most: of one of the conditions. */
export interface Headline {
  readonly reason: string;
  readonly message: string;
}

/** How long a gatherer that cannot be reached is no failure of the gather. */
const silenceMs = 60_000;

interface Verdict {
  readonly status: Condition["status"];
  readonly reason: ConditionReason;
  readonly message: string;
}

/** The same facts give the same conditions, save for the times of transition. */
export function conditionsOf(input: ConditionsInput): Conditions {
  const { nowMs, config } = input;
  const previous = config.identity.status.conditions ?? [];
  const { lasting, troubles, afterMs } = weigh({
    ...{ nowMs, isProgress: input.isProgress, known: config.identity.status.troubles ?? [] },
    problems: problemsOf(input),
    said: previous.find(({ type, status }) => type === "Degraded" && status === "True")?.reason,
  });
  const verdicts: Readonly<Record<ConditionType, Verdict>> = {
    Available: withIgnored(availableOf(input, lasting), input),
    Progressing: progressingOf(input),
    Degraded: degradedOf(lasting, input),
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
    events: [
      ...eventsOf(conditions, previous, isOnDemand(config)),
      ...stockEvents(conditions, previous),
      ...ignoredEvents(input),
    ],
    troubles,
    headline: headlineOf(verdicts),
    afterMs: waits.length === 0 ? undefined : Math.min(...waits),
  };
}

function isCause(reason: ConditionReason): boolean {
  return causeReasons.some((one) => one === reason);
}

/** Trouble first, then what is being changed, then what is missing; `AsExpected` when there is nothing of the kind. */
function headlineOf(verdicts: Readonly<Record<ConditionType, Verdict>>): Headline {
  const { Available, Progressing, Degraded, FeatureGateEnabled, ExtractorReady, GathererReady, GatherSucceeded } =
    verdicts;
  const candidates = [
    Degraded.status === "True" ? Degraded : undefined,
    Available.status === "True" ? undefined : Available,
    ...[ExtractorReady, GathererReady].map((verdict) => (isCause(verdict.reason) ? verdict : undefined)),
    Progressing.status === "True" || Progressing.reason === "Unmanaged" ? Progressing : undefined,
    FeatureGateEnabled.status === "Unknown" ? FeatureGateEnabled : undefined,
    ...[ExtractorReady, GathererReady].map((verdict) => (verdict.status === "True" ? undefined : verdict)),
    GatherSucceeded.reason === "AsExpected" ? undefined : GatherSucceeded,
  ];
  const { reason, message } = candidates.find((verdict) => verdict !== undefined) ?? Degraded;
  return { reason, message: message.slice(0, 1024) };
}

function readyOf({ state, reason, message, cause }: Health): Verdict {
  return { status: state === "ready" ? "True" : "False", reason: cause?.reason ?? reason, message };
}

const stockSentence =
  "OpenShift's own extractor runs as well and is left alone (DaemonSet openshift-insights/insights-runtime-extractor)";

/** What could not be read now was said before. */
function withStock(verdict: Verdict, { stockExtractor, config }: ConditionsInput): Verdict {
  const isThere = stockExtractor ?? saysStock(config.identity.status.conditions ?? []);
  return isThere ? { ...verdict, message: `${verdict.message}. ${stockSentence}` } : verdict;
}

function saysStock(conditions: readonly Condition[]): boolean {
  return conditions.some(({ message }) => message.includes(stockSentence));
}

/** What a newer schema lets in has no effect, and stays. */
function withIgnored(verdict: Verdict, { config }: ConditionsInput): Verdict {
  const sentence = ignoredSentence(config);
  return sentence === "" ? verdict : { ...verdict, message: `${verdict.message}. ${sentence}` };
}

function ignoredSentence(config: Config): string {
  if (config.kind !== "valid" || config.ignored === undefined) return "";
  const named = config.ignored.slice(0, 5).map((path) => path.slice(0, 100));
  const more = config.ignored.length > named.length ? ` and ${config.ignored.length - named.length} more` : "";
  return `Ignored, since this version of the operator does not know it: ${named.join(", ")}${more}`;
}

function ignoredEvents({ config }: ConditionsInput): readonly ConditionEvent[] {
  const message = ignoredSentence(config);
  const isKnown = config.identity.status.conditions?.some((one) => one.message.includes(message));
  return message === "" || isKnown === true ? [] : [{ type: "Warning", reason: "FieldsIgnored", message }];
}

/** Once, when it is seen first. */
function stockEvents(conditions: readonly Condition[], previous: readonly Condition[]): readonly ConditionEvent[] {
  if (!saysStock(conditions) || saysStock(previous)) return [];
  return [{ type: "Normal", reason: "StockExtractorPresent", message: stockSentence }];
}

function gateOf({ config, gate }: ConditionsInput): Verdict {
  if (config.kind === "valid" && config.settings.featureGate === "Ignored")
    return {
      status: "True",
      reason: "GateIgnored",
      message: "spec.featureGate is Ignored: the feature gate is not checked",
    };
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

/** Once True it outlives a stumble: pods that are away for less than their grace time are no outage. */
function availableOf({ config, node, gatherer }: ConditionsInput, lasting: readonly Problem[]): Verdict {
  const before = config.identity.status.conditions?.find(({ type }) => type === "Available");
  const isAway = (health: Health, side: Problem["side"]) =>
    !health.some &&
    (before?.status !== "True" || health.state === "broken" || lasting.some((problem) => problem.side === side));
  if (gatherer.state === "off" || (gatherer.reason === "Removing" && !gatherer.some))
    return { status: "False", reason: gatherer.reason, message: gatherer.message };
  if (isAway(gatherer, "gatherer")) return { status: "False", reason: "GathererNotReady", message: gatherer.message };
  const isExpected = node.state !== "off" && node.reason !== "Removing" && !isOnDemand(config);
  if (isExpected && isAway(node, "node") && config.kind === "valid")
    return { status: "False", reason: "ExtractorNotReady", message: node.message };
  return { status: "True", reason: "AsExpected", message: "Workloads can be gathered" };
}

/** A pod that is missing once all has been rolled out, since its node restarts or is new, is no progress. */
function progressingOf({ config, node, gatherer }: ConditionsInput): Verdict {
  if (config.kind === "valid" && config.settings.managementState === "Unmanaged")
    return { status: "False", reason: "Unmanaged", message: "spec.managementState is Unmanaged: nothing is changed" };
  const moving = [node, gatherer].filter(
    ({ state, reason }) => state === "moving" && reason !== "PodsNotReady" && reason !== "NodesNotReady",
  );
  const [first] = moving;
  if (first === undefined) return { status: "False", reason: "AsExpected", message: "Nothing is being changed" };
  return {
    status: "True",
    reason: first.reason,
    message: [...new Set(moving.map(({ message }) => message))].join("; "),
  };
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

function degradedOf(lasting: readonly Problem[], { namespace, lastGather }: ConditionsInput): Verdict {
  const [worst] = lasting;
  if (worst === undefined) return { status: "False", reason: "AsExpected", message: "Nothing is wrong" };
  const said = [...new Set(lasting.map(({ message }) => message))].join("; ");
  const advice = [...new Set(lasting.map((problem) => adviceOn(problem, namespace, lastGather?.name)))];
  return { status: "True", reason: worst.reason, message: `${said}. To do: ${advice.join("; ")}` };
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
    if (
      type.endsWith("Ready") &&
      (stumbles.has(known) || (known === "AsExpected" && stumbles.has(before?.reason ?? "")))
    )
      continue;
    events.push({ type: isBad ? "Warning" : "Normal", reason: known, message: `${type}: ${message}` });
  }
  return events;
}

/** Of pods, and of reads and writes; Degraded tells when they last. */
const stumbles: ReadonlySet<string> = new Set([
  "OperandFailed",
  "PodsNotReady",
  "NodesNotReady",
  "ContainerFailed",
  "PodsUnschedulable",
]);

const stepsOfGather: ReadonlySet<ConditionReason> = new Set([
  ...(["OnDemandIdle", "Deploying", "PodsNotReady", "AsExpected", "Removing"] as const),
]);

const warnings: ReadonlySet<ConditionReason> = new Set([
  "PodsRefused",
  "ImagePullFailed",
  "OperandConflict",
  "OperandFailed",
  "NoMatchingNodes",
  "ConfigInvalid",
  "GatherFailed",
  "NodesFailed",
  "NodeSideFailed",
  "GathererUnreachable",
]);
