/** Lifecycle OnDemand: which gather has the extractors deployed, and when it goes on without what is missing. */
import type { Pods } from "../api/pods.ts";
import type { GatherRequest } from "../api/request.ts";
import { keyOf, workloads } from "./operands.ts";
import { isOurs, type Live } from "./plan.ts";
import { phaseOf } from "./requests.ts";

const minuteMs = 60_000;
/** So long the extractors may take to go; less than the gatherer holds its archive back for them. */
export const undeployMs = 2 * minuteMs;
/** So long extractors that are deployed wait for a gatherer that does not take the order. */
const patienceMs = 10 * minuteMs;

/** What a gather looks at. */
type PodCounts = Pick<Pods, "desired" | "ready" | "current">;

/** The extractors as a gather sees them; as old as the last run of the operands' loop. */
export interface NodeSideView {
  /** Uid of the gather that wanted them when this was seen. */
  readonly wantedBy: string | undefined;
  /** `going`: deleted, and some of its pods are left. */
  readonly daemonSet: "absent" | "going" | "present";
  /** Of a DaemonSet that is present and wanted. */
  readonly pods: PodCounts | undefined;
  /** A DaemonSet of our name was made by somebody else, so waiting is in vain. */
  readonly isForeign: boolean;
  /** What is wrong with the objects of the node side. */
  readonly problem: string | undefined;
}

/** Uid of the gather that the extractors are there for, from its begin until the nodes were asked. */
export function wantedBy(requests: readonly GatherRequest[]): string | undefined {
  return requests.find((request) => {
    const phase = phaseOf(request);
    const isOn = phase === "Deploying" || phase === "Running";
    return isOn && request.spec.runtimeInfo === "Enabled" && request.status.nodeSide?.undeployTime === undefined;
  })?.uid;
}

const daemonSetKey = keyOf(workloads.node.workload);

export function nodeSideView(
  requests: readonly GatherRequest[],
  live: ReadonlyMap<string, Live>,
  { pods, problem }: { readonly pods: PodCounts | undefined; readonly problem: string | undefined },
): NodeSideView {
  const found = live.get(daemonSetKey);
  const wanted = wantedBy(requests);
  const isThere = found?.kind === "present" && isOurs(found.object);
  return {
    wantedBy: wanted,
    daemonSet: !isThere ? "absent" : found.object.metadata.deletionTimestamp === undefined ? "present" : "going",
    pods:
      wanted === undefined || pods === undefined
        ? undefined
        : { desired: pods.desired, ready: pods.ready, current: pods.current },
    isForeign: found?.kind === "present" && !isThere,
    problem,
  };
}

/** A DaemonSet that is going away, and since when by the clock of who looks, which need not be that of the API server. */
export interface Going {
  readonly uid: string;
  readonly sinceMs: number;
}

/** The DaemonSet of ours that is going away; `before` is what the look before saw. */
export function goingOf(live: ReadonlyMap<string, Live>, before: Going | undefined, nowMs: number): Going | undefined {
  const found = live.get(daemonSetKey);
  if (found?.kind !== "present" || !isOurs(found.object)) return undefined;
  const { uid = "", deletionTimestamp, finalizers = [] } = found.object.metadata;
  const waitsForPods = finalizers.length === 0 || finalizers.includes("foregroundDeletion");
  if (deletionTimestamp === undefined || !waitsForPods) return undefined;
  return before?.uid === uid ? before : { uid, sinceMs: nowMs };
}

/** Keys of what has been waiting for the end of its pods for too long. */
export function overdue(going: Going | undefined, nowMs: number): ReadonlySet<string> {
  return new Set(going !== undefined && nowMs - going.sinceMs >= undeployMs ? [daemonSetKey] : []);
}

/** `nodes` says whether nodes are asked; a problem is a sentence for the archive. */
export type Deployment =
  | { readonly kind: "wait" }
  | { readonly kind: "order"; readonly nodes: boolean; readonly problem: string | undefined };

export interface DeploymentInput {
  readonly request: GatherRequest;
  /** False: by now the config or the gate wants no node side. */
  readonly nodes: boolean;
  readonly view: NodeSideView;
  readonly readyTimeoutMs: number;
  /** When the view was seen. */
  readonly nowMs: number;
}

/** Whether a gather in phase Deploying can be ordered, and what is wrong then. */
export function deploymentOf({ request, nodes, view, readyTimeoutMs, nowMs }: DeploymentInput): Deployment {
  const order = (asks: boolean, problem?: string): Deployment => ({ kind: "order", nodes: asks, problem });
  const failed = (why: string) => order(false, sentence(`the extractors could not be deployed: ${why}`));
  if (!nodes) return order(false);
  const leftMs = since(request.status.nodeSide?.deployTime, nowMs) + readyTimeoutMs - nowMs;
  const { daemonSet, pods, isForeign, problem } = view;
  const isSeen = view.wantedBy === request.uid;
  if (isSeen && daemonSet === "present" && pods?.current === true) {
    if (pods.desired === 0) return failed("no Linux node matches spec.extractor");
    if (pods.ready >= pods.desired) return order(true);
  }
  if (isSeen && isForeign) return failed(problem ?? `${daemonSetKey} is not ours`);
  if (leftMs > 0) return { kind: "wait" };
  const after = durationText(readyTimeoutMs);
  if (!isSeen || daemonSet === "absent") return failed(problem ?? `${daemonSetKey} is not there after ${after}`);
  if (daemonSet === "going") return failed(`the one before is not gone after ${after}`);
  const { ready = 0, desired = 0 } = pods ?? {};
  const count = desired === 0 ? "no extractor was" : `${ready} of ${desired} extractors were`;
  return order(true, sentence(`${count} ready after ${after}${problem === undefined ? "" : `: ${problem}`}`));
}

/** A gather whose order is not taken goes back to those that wait, so that the extractors do not stay. */
export function isOutOfPatience({ status }: GatherRequest, readyTimeoutMs: number, nowMs: number): boolean {
  return nowMs - since(status.nodeSide?.deployTime, nowMs) >= readyTimeoutMs + patienceMs;
}

export type Undeployment =
  /** From now on nobody wants them. */
  | { readonly kind: "begin" }
  | { readonly kind: "wait" }
  /** The archive can be written; a leftover is a sentence for it. */
  | { readonly kind: "release"; readonly leftover: string | undefined };

export interface UndeploymentInput {
  readonly request: GatherRequest;
  /** Why nothing is taken away; undefined when it is. */
  readonly kept: string | undefined;
  readonly isOnDemand: boolean;
  readonly view: NodeSideView | undefined;
  /** When the view was seen. */
  readonly nowMs: number;
}

/** What a gather does whose gatherer waits until the extractors are gone. */
export function undeploymentOf({ request, kept, isOnDemand, view, nowMs }: UndeploymentInput): Undeployment {
  const release = (leftover?: string): Undeployment => ({ kind: "release", leftover });
  if (kept !== undefined) return release(sentence(`the extractors were left where they are: ${kept}`));
  if (!isOnDemand) return release();
  const undeployTime = request.status.nodeSide?.undeployTime;
  if (undeployTime === undefined) return { kind: "begin" };
  const isSeen = view !== undefined && view.wantedBy !== request.uid;
  if (isSeen && view.daemonSet === "absent") return release();
  if (nowMs - since(undeployTime, nowMs) < undeployMs) return { kind: "wait" };
  const why =
    view?.daemonSet === "going" ? "some of their pods are left" : (view?.problem ?? `${daemonSetKey} is there`);
  return release(
    sentence(`the extractors were not gone ${durationText(undeployMs)} after the nodes were asked: ${why}`),
  );
}

/** A time that is missing or unreadable is now. */
function since(time: string | undefined, nowMs: number): number {
  const ms = Date.parse(time ?? "");
  return Number.isNaN(ms) ? nowMs : ms;
}

/** As long as an order may carry it, on one line. */
function sentence(text: string): string {
  return text.replaceAll(/\s+/g, " ").slice(0, 1024);
}

function durationText(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return seconds % 60 === 0 ? `${seconds / 60}m` : `${seconds}s`;
}
