/** The RuntimeGathers that exist -> which one to run, which to give up, which to forget; and what their statuses say. */

import type { Settings } from "../api/config.ts";
import type { GatherOrder, GatherOutcome, GatherProgress, NodeFailure } from "../api/gather.ts";
import type { Condition } from "../api/object.ts";
import type { GatherRequest, RequestStatus } from "../api/request.ts";
import { dueMsOf } from "./schedule.ts";
import { elapsedMs, isAhead, timeText } from "./time.ts";

/** Reasons of condition Progressing, shown as the phase; docs/conditions.md says more. */
export const phases = [
  "Pending",
  "NotManaged",
  "GathererNotReady",
  "GathererUnreachable",
  "GathererBusy",
  "Deploying",
  "Running",
  "Succeeded",
  "Failed",
  "Superseded",
] as const;
export type Phase = (typeof phases)[number];
export type WaitingPhase = "Pending" | "NotManaged" | "GathererNotReady" | "GathererUnreachable" | "GathererBusy";

/** Reasons of condition Succeeded that main itself gives; a failed gather has the gatherer's own. */
export const endReasons = [
  "AsExpected",
  "NodesFailed",
  "NodeSideFailed",
  "Superseded",
  "Interrupted",
  "Refused",
  "NotManaged",
  "GathererUnreachable",
  "TookTooLong",
] as const;

export const minuteMs = 60_000;
/** From one start to the next. */
export const distanceMs = minuteMs;
/** A gather whose gatherer is silent for that long is given up. */
export const silenceMs = 60 * minuteMs;
export const keptFinished = 10;

export function phaseOf({ status }: GatherRequest): Phase | "New" {
  const reason = status.conditions?.find(({ type }) => type === "Progressing")?.reason;
  return phases.find((phase) => phase === reason) ?? "New";
}

export function isFinished(request: GatherRequest): boolean {
  const phase = phaseOf(request);
  // Another version may have a word for an end that this one does not know.
  if (phase === "New") return request.status.finishTime !== undefined;
  return phase === "Succeeded" || phase === "Failed" || phase === "Superseded";
}

function isOn(request: GatherRequest): boolean {
  const phase = phaseOf(request);
  return phase === "Running" || phase === "Deploying";
}

/** A gather of all namespaces: it makes the archive, and counts as the last gather. */
export function isFull({ spec, specProblem }: GatherRequest): boolean {
  return spec.namespaces === undefined && specProblem === undefined;
}

export interface Queue {
  readonly running: GatherRequest | undefined;
  /** The one that runs next. */
  readonly waiting: GatherRequest | undefined;
  /** Nobody knows what they ask for. */
  readonly refuse: readonly GatherRequest[];
  /** More of them wait than may. */
  readonly supersede: readonly GatherRequest[];
  /** Finished long ago. */
  readonly forget: readonly GatherRequest[];
  /** When the waiting one may start. */
  readonly startableAtMs: number;
}

/**
 * One runs, one waits. Of several that wait the schedule's own goes first, since it makes the full archive; else the newest.
 * The newest finished scheduled one is never forgotten: the next due time comes from it. A start ahead of now, before the clock was set
 * back, holds nothing up.
 */
export function queueOf(requests: readonly GatherRequest[], nowMs: number): Queue {
  const ordered = [...requests].sort((a, b) => a.createdMs - b.createdMs || (a.name < b.name ? -1 : 1));
  const running = ordered.find(isOn);
  const idle = ordered.filter((request) => !isFinished(request) && !isOn(request));
  const open = idle.filter(({ specProblem }) => specProblem === undefined);
  const waiting = open.find(({ spec }) => spec.trigger === "Scheduled") ?? open.at(-1);
  const finished = ordered.filter(isFinished).reverse();
  const scheduled = finished
    .filter(({ name }) => dueMsOf(name) !== undefined)
    .sort((a, b) => (dueMsOf(b.name) ?? 0) - (dueMsOf(a.name) ?? 0));
  const kept = [scheduled[0], scheduled.find(({ name }) => (dueMsOf(name) ?? 0) <= nowMs)];
  const starts = ordered
    .map(({ status }) => (status.startTime === undefined ? 0 : Date.parse(status.startTime)))
    .filter((startMs) => startMs <= nowMs);
  return {
    running,
    waiting,
    refuse: idle.filter(({ specProblem }) => specProblem !== undefined),
    supersede: open.filter((request) => request !== waiting),
    forget: finished.slice(keptFinished).filter((request) => !kept.includes(request)),
    startableAtMs: Math.max(0, ...starts) + distanceMs,
  };
}

/** When it began by main's own clock; the gatherer's may be another. */
export function beginOf({
  startTime,
  finishTime,
}: {
  startTime?: string | undefined;
  finishTime?: string | undefined;
}) {
  return startTime ?? finishTime ?? "";
}

/** The finished gather of all namespaces that began last; superseded ones never ran. A begin a day ahead was written by a wrong clock and comes first. */
export function lastFull(requests: readonly GatherRequest[], nowMs: number): GatherRequest | undefined {
  return requests
    .filter((request) => isFull(request) && isFinished(request) && phaseOf(request) !== "Superseded")
    .sort((a, b) => credibleBegin(a.status, nowMs).localeCompare(credibleBegin(b.status, nowMs)))
    .at(-1);
}

/** The archive of the newest gather of all namespaces that made one, since then; undefined when there is none. */
export function newestArchive(requests: readonly GatherRequest[], sinceMs: number, nowMs: number): string | undefined {
  const made = requests.filter(({ status }) => status.archive !== undefined && Date.parse(beginOf(status)) >= sinceMs);
  return lastFull(made, nowMs)?.status.archive?.name;
}

const dayMs = 24 * 60 * minuteMs;

/** Empty for a begin that cannot be true. */
export function credibleBegin(times: Parameters<typeof beginOf>[0], nowMs: number): string {
  const begin = beginOf(times);
  return isAhead(Date.parse(begin), nowMs, dayMs) ? "" : begin;
}

/** A gather that has been on for so long will not end: no cluster takes longer, and the next one has to have its turn. */
export const longestMs = 4 * 60 * minuteMs;

/** Why a gather that is on is given up; undefined while it may go on. */
export function overlong({ status }: GatherRequest, nowMs: number): string | undefined {
  if (status.startTime === undefined || elapsedMs(Date.parse(status.startTime), nowMs, longestMs) < longestMs)
    return undefined;
  const stage = status.conditions?.find(({ type }) => type === "Progressing")?.message ?? "";
  return `Not finished after ${longestMs / 60 / minuteMs} hours, last at: ${stage}`.slice(0, 1024);
}

export interface NodeSideTerms {
  /** False while the node side is not there. */
  readonly nodes: boolean;
  /** Of the node side as a whole, as a sentence. */
  readonly problem?: string | undefined;
  /** The node side goes before the archive is written. */
  readonly goes?: boolean;
}

export function orderOf({ uid, spec }: GatherRequest, settings: Settings, terms: NodeSideTerms): GatherOrder {
  const { nodes, problem, goes = false } = terms;
  const runtimeInfo = nodes && spec.runtimeInfo === "Enabled";
  return {
    id: uid,
    runtimeInfo,
    inventory: runtimeInfo && settings.inventory === "Enabled",
    podLimit: settings.gather.podLimit,
    nodeTimeoutMs: settings.gather.nodeTimeout,
    nodeConcurrency: settings.gather.nodeConcurrency,
    images: settings.gather.images === "Enabled",
    helm: settings.gather.helm === "Enabled",
    obfuscateNetworking: settings.gather.obfuscation?.includes("Networking") ?? false,
    excludedNamespaces: [...(settings.extractor.excludedNamespaces ?? [])],
    nodeSideProblems: problem === undefined ? [] : [problem],
    holdBeforeWriting: runtimeInfo && goes,
    ...(spec.namespaces === undefined ? {} : { namespaces: [...spec.namespaces] }),
  };
}

export function waitingStatus(request: GatherRequest, phase: WaitingPhase, message: string, nowMs: number) {
  return withConditions(request, {}, progressing("False", phase, message), unknownYet, nowMs);
}

/** The extractors are deployed for it from now on; after an interruption anew. */
export function deployingStatus(request: GatherRequest, nowMs: number) {
  const { startTime = timeText(nowMs), attempts } = request.status;
  const fields = {
    startTime,
    ...(attempts === undefined ? {} : { attempts }),
    nodeSide: { deployTime: timeText(nowMs) },
  };
  const message = "Waiting until the extractors are ready";
  return withConditions(request, fields, progressing("True", "Deploying", message), unknownYet, nowMs);
}

export function runningStatus(
  request: GatherRequest,
  attempts: number,
  message: string,
  nowMs: number,
  nodeSide = request.status.nodeSide,
) {
  const startTime = request.status.startTime ?? timeText(nowMs);
  const fields = { startTime, attempts, ...(nodeSide === undefined ? {} : { nodeSide }) };
  return withConditions(request, fields, progressing("True", "Running", message), unknownYet, nowMs);
}

/** Ended without an outcome of the gatherer. */
export function endedStatus(
  request: GatherRequest,
  phase: "Failed" | "Superseded",
  reason: (typeof endReasons)[number],
  message: string,
  nowMs: number,
): RequestStatus {
  const { startTime, attempts, nodeSide } = request.status;
  const fields = {
    ...(startTime === undefined ? {} : { startTime }),
    ...(attempts === undefined ? {} : { attempts }),
    ...(nodeSide === undefined ? {} : { nodeSide }),
    finishTime: timeText(nowMs),
  };
  return withConditions(
    request,
    fields,
    progressing("False", phase, message),
    { status: "False", reason, message },
    nowMs,
  );
}

/** The gatherer's outcome, as it stays on record. */
export function finishedStatus(
  request: GatherRequest,
  progress: GatherProgress,
  outcome: GatherOutcome,
  nowMs: number,
) {
  const { nodeSide } = request.status;
  const problems = [nodeSide?.problem, nodeSide?.leftover].filter((problem) => problem !== undefined);
  const message = [sentence(outcome), ...problems].join("; ");
  const finishedMs = progress.finishedAtMs ?? nowMs;
  const { archive, counts, failures, moreFailures, notes, durationsMs, inventory } = outcome;
  const fields: RequestStatus = {
    startTime: request.status.startTime ?? timeText(progress.startedAtMs),
    finishTime: timeText(finishedMs),
    ...(request.status.attempts === undefined ? {} : { attempts: request.status.attempts }),
    ...(nodeSide === undefined ? {} : { nodeSide }),
    counts,
    ...(archive === null ? {} : { archive }),
    failures: failures.slice(0, 20),
    moreFailures,
    notes: someOf(notes).map((note) => note.slice(0, 1024)),
    durationsMs,
    took: `${Math.round(durationsMs.total / 1000)}s`,
    inventory: inventory.slice(0, 20),
  };
  const reason = outcome.succeeded
    ? problems.length > 0
      ? "NodeSideFailed"
      : counts.nodesFailed > 0
        ? "NodesFailed"
        : "AsExpected"
    : conditionWord(outcome.reason);
  return withConditions(
    request,
    fields,
    progressing("False", outcome.succeeded ? "Succeeded" : "Failed", message),
    { status: outcome.succeeded ? "True" : "False", reason, message },
    nowMs,
  );
}

const maxNotes = 20;

function someOf(notes: readonly string[]): readonly string[] {
  if (notes.length <= maxNotes) return notes;
  const shown = notes.slice(0, maxNotes - 1);
  return [...shown, `and ${notes.length - shown.length} more notes`];
}

/** Of nodes that answered all that they were asked. */
const answeredAll: readonly NodeFailure["reason"][] = ["UnaskedContainers", "VersionSkew"];

/** One line about an outcome; names nodes, never workloads. */
function sentence({ succeeded, reason, message, counts, failures, moreFailures }: GatherOutcome): string {
  if (!succeeded) return `${reason}: ${message}`.slice(0, 1024);
  const nodes = failures
    .filter(({ reason }) => !answeredAll.some((one) => one === reason))
    .map(({ node }) => node)
    .sort();
  const shown = nodes.slice(0, 5).join(", ");
  const more = nodes.length - 5 + moreFailures;
  const failed = counts.nodesFailed === 0 ? "" : `; no runtimes from ${shown}${more > 0 ? ` and ${more} more` : ""}`;
  const asked =
    counts.nodesAsked === 0 ? "no node was asked" : `${counts.nodesAnswered} of ${counts.nodesAsked} nodes answered`;
  return `${counts.pods} pods gathered, ${asked}${failed}`;
}

/** Reasons are words; an outcome's text is not trusted to be one. */
function conditionWord(reason: string): string {
  return /^[A-Za-z]([A-Za-z0-9_]{0,60})$/.test(reason) ? reason : "GatherFailed";
}

interface Verdict {
  readonly status: Condition["status"];
  readonly reason: string;
  readonly message: string;
}

const unknownYet: Verdict = { status: "Unknown", reason: "NotFinished", message: "Not finished yet" };

function progressing(status: Condition["status"], reason: Phase, message: string): Verdict {
  return { status, reason, message };
}

function withConditions(
  request: GatherRequest,
  fields: RequestStatus,
  progress: Verdict,
  succeeded: Verdict,
  nowMs: number,
): RequestStatus {
  const condition = (type: string, verdict: Verdict): Condition => {
    const before = request.status.conditions?.find((one) => one.type === type);
    return {
      type,
      ...verdict,
      lastTransitionTime: before?.status === verdict.status ? before.lastTransitionTime : timeText(nowMs),
    };
  };
  return { ...fields, conditions: [condition("Progressing", progress), condition("Succeeded", succeeded)] };
}
