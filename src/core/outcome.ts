/** What came of the nodes, as counts, as failures for the status and as errors for the archive. */
import type { GatherCounts, NodeFailure } from "../api/gather.ts";
import { type Answers, answeringPod } from "./merge.ts";
import type { NodeOutcome } from "./query.ts";
import { type Draft, isAskable } from "./shapes.ts";

/** One per node, sorted: why it failed, or what is wrong with its answer. */
export function failuresOf(outcomes: readonly NodeOutcome[]): readonly NodeFailure[] {
  const failures = new Map<string, NodeFailure>();
  for (const outcome of outcomes) {
    const failure = failureOf(outcome);
    if (failure !== undefined && !failures.has(failure.node)) failures.set(failure.node, failure);
  }
  return [...failures.values()].sort((a, b) => (a.node < b.node ? -1 : 1));
}

function failureOf(outcome: NodeOutcome): NodeFailure | undefined {
  const { node } = outcome.query;
  if (outcome.kind === "failed") {
    const { reason, message, particulars } = outcome;
    return { node, reason, message: particulars === undefined ? message : `${message}: ${particulars}` };
  }
  const flaws = flawsOf(outcome);
  if (flaws.length > 0) {
    const reason = outcome.problems.length > 0 ? "Malformed" : "UnaskedContainers";
    return { node, reason, message: flaws.join("; ") };
  }
  const message = "the exporter gave no clear text; is it of another version?";
  return outcome.lacksDetail ? { node, reason: "VersionSkew", message } : undefined;
}

/** What is wrong with an answer that the archive's reader should know. */
function flawsOf({ problems, unasked }: Extract<NodeOutcome, { readonly kind: "answered" }>): readonly string[] {
  const [first = ""] = problems;
  const entries = problems.length === 1 ? "entry" : "entries";
  return [
    ...(problems.length === 0
      ? []
      : [`${problems.length} ${entries} of the answer dropped, the first because of ${first}`]),
    ...(unasked === 0
      ? []
      : [
          `the answer speaks of ${unasked} ${unasked === 1 ? "container that was" : "containers that were"} not asked for; ignored`,
        ]),
  ];
}

/** Nodes with containers but without an extractor are skipped, not failed: a config may exclude them. */
export function countsOf(draft: Draft, outcomes: readonly NodeOutcome[]): GatherCounts {
  const nodes = new Map<string, "answered" | "failed" | "skipped">();
  for (const outcome of outcomes) {
    const { node } = outcome.query;
    if (nodes.has(node) && outcome.kind === "answered") continue;
    if (outcome.kind === "answered") nodes.set(node, "answered");
    else nodes.set(node, outcome.reason === "NoExtractorPod" ? "skipped" : "failed");
  }
  const count = (what: string) => [...nodes.values()].filter((is) => is === what).length;
  let shapes = 0;
  for (const namespace of draft.namespaces.values()) shapes += namespace.shapes.size;
  return {
    pods: draft.pods,
    containers: draft.containers,
    shapes,
    nodesAsked: count("answered") + count("failed"),
    nodesAnswered: count("answered"),
    nodesFailed: count("failed"),
    nodesSkipped: count("skipped"),
  };
}

/** The existing gatherer's sentence, wrong word included, since its readers look for it. */
const noExtractors = "no running pods found for the insights-runtime-extractor statefulset";

/** What a report of the node side as a whole has said already. */
const toldAsWhole: readonly NodeFailure["reason"][] = ["NoExtractorPod", "ExtractorNotReady"];

export interface ErrorsOptions {
  /** Null: it was not reached. */
  readonly podLimit: number | null;
  /** What main knew before any node was asked; nodes without a ready extractor are not told again. */
  readonly nodeSideProblems: readonly string[];
}

/** The errors of the report: the node side's; those of the nodes, sorted, equal ones counted, without the nodes' names; the pod limit last. */
export function archiveErrors(outcomes: readonly NodeOutcome[], options: ErrorsOptions): readonly string[] {
  const { podLimit, nodeSideProblems } = options;
  if (nodeSideProblems.length > 0) {
    const isTold = (outcome: NodeOutcome) =>
      outcome.kind === "failed" && toldAsWhole.some((reason) => reason === outcome.reason);
    const rest = outcomes.filter((outcome) => !isTold(outcome));
    return [...nodeSideProblems, ...archiveErrors(rest, { podLimit, nodeSideProblems: [] })];
  }
  const isSkipped = (outcome: NodeOutcome) => outcome.kind === "failed" && outcome.reason === "NoExtractorPod";
  const limit = podLimit === null ? [] : [`the ${podLimit} limit for number of pods gathered was reached`];
  if (outcomes.length > 0 && outcomes.every(isSkipped)) return [noExtractors, ...limit];
  const counts = new Map<string, number>();
  for (const outcome of outcomes) {
    const messages = outcome.kind === "failed" ? [outcome.message] : flawsOf(outcome);
    for (const message of messages) counts.set(message, (counts.get(message) ?? 0) + 1);
  }
  const messages = [...counts].map(([message, count]) => (count === 1 ? message : `${message} (${count} nodes)`));
  return [...messages.sort(), ...limit];
}

/** How many shapes owe their runtimes to a replica, since their first pods do not run or their nodes did not answer. */
export function replicaWarnings(draft: Draft, answers: Answers): readonly string[] {
  const because = { pending: 0, silent: 0 };
  for (const [namespace, { shapes }] of draft.namespaces) {
    for (const shape of shapes.values()) {
      if (answeringPod(namespace, shape, answers) === shape.first) continue;
      because[isAskable(shape.first) ? "silent" : "pending"] += 1;
    }
  }
  const sentence = (count: number, why: string) =>
    count === 0 ? [] : [`${count} ${count === 1 ? "shape was" : "shapes were"} answered by another replica: ${why}`];
  return [
    ...sentence(because.pending, "the first pod cannot be asked about"),
    ...sentence(because.silent, "the node of the first pod did not answer for it"),
  ];
}
