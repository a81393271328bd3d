/** Since when each trouble lasts, kept in the status: neither a restart of the operator nor a moment without it begins anew. */
import type { ConfigStatus } from "../api/config-status.ts";
import type { Side } from "./operands.ts";
import { timeText } from "./time.ts";

export type TroubleReason =
  | "ConfigInvalid"
  | "OperandConflict"
  | "OperandFailed"
  | "CrdOutdated"
  | "NoMatchingNodes"
  | "GathererNotReady"
  | "ExtractorNotReady"
  | "GathererUnreachable"
  | "GatherFailed";

export interface Problem {
  readonly reason: TroubleReason;
  readonly message: string;
  readonly side?: Side;
  /** What a person does about it; default: what helps with this reason. */
  readonly toDo?: string;
  /** When it began, if that is known better than by having been seen first. */
  readonly sinceMs?: number;
  /** So long it may be as designed; its grace time comes on top. */
  readonly designedMs?: number;
}

export type Troubles = NonNullable<ConfigStatus["troubles"]>;

const minuteMs = 60_000;
/** How long a stumble is not called Degraded; what no waiting can mend has no grace. */
const graceMs: Readonly<Partial<Record<TroubleReason, number>>> = {
  ExtractorNotReady: 5 * minuteMs,
  GathererNotReady: 5 * minuteMs,
  OperandFailed: 2 * minuteMs,
  CrdOutdated: 2 * minuteMs,
  NoMatchingNodes: 2 * minuteMs,
  GathererUnreachable: 2 * minuteMs,
};
/** So long pods must be ready until their trouble is over, lest a container that crashes again and again come and go. */
const holdMs = minuteMs;
const held = ["GathererNotReady", "ExtractorNotReady"] as const;
const over: Readonly<Record<(typeof held)[number], Problem>> = {
  GathererNotReady: {
    ...{ reason: "GathererNotReady", side: "gatherer" },
    message: "The gatherer became ready less than a minute ago",
  },
  ExtractorNotReady: {
    ...{ reason: "ExtractorNotReady", side: "node" },
    message: "The last of the extractor pods became ready less than a minute ago",
  },
};

export interface Weighed {
  /** What outlasted its grace time, in the order given. */
  readonly lasting: readonly Problem[];
  readonly troubles: Troubles;
  /** When the next one outlasts its grace time or is over. */
  readonly afterMs: number | undefined;
}

export interface WeighInput {
  readonly nowMs: number;
  /** In the order of their weight. */
  readonly problems: readonly Problem[];
  readonly known: Troubles;
  /** Why Degraded is True so far. */
  readonly said: string | undefined;
  /** The nodes come closer to what is wanted: their grace time begins anew. */
  readonly isProgress: boolean;
}

export function weigh({ nowMs, problems, known, said, isProgress }: WeighInput): Weighed {
  const lasting: Problem[] = [];
  const troubles: Troubles = [];
  const waits: number[] = [];
  for (const problem of problems) {
    const { reason } = problem;
    const before = known.find((one) => one.reason === reason)?.since;
    const isAnew = isProgress && reason === "ExtractorNotReady";
    const begin = isAnew ? timeText(nowMs) : (before ?? timeText(problem.sinceMs ?? nowMs));
    const since = past(begin, nowMs);
    if (!troubles.some((one) => one.reason === reason)) troubles.push({ reason, since });
    const leftMs = Date.parse(since) + (problem.designedMs ?? 0) + (graceMs[reason] ?? 0) - nowMs;
    if (leftMs <= 0 || said === reason) lasting.push(problem);
    else waits.push(leftMs);
  }
  for (const reason of held) {
    const before = known.find((one) => one.reason === reason);
    if (before === undefined || problems.some((problem) => problem.reason === reason)) continue;
    const until = past(before.until ?? timeText(nowMs), nowMs);
    const leftMs = Date.parse(until) + holdMs - nowMs;
    if (leftMs <= 0) continue;
    waits.push(leftMs);
    troubles.push({ reason, since: before.since, until });
    if (said === reason) lasting.push(over[reason]);
  }
  return { lasting, troubles, afterMs: waits.length === 0 ? undefined : Math.min(...waits) };
}

/** A time that a clock set back made one to come is now. */
function past(time: string, nowMs: number): string {
  return Date.parse(time) <= nowMs ? time : timeText(nowMs);
}
