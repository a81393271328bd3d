/** When the next scheduled gather is due. Due times are durable: a scheduled RuntimeGather is named after its own. */
import type { GatherRequest } from "../api/request.ts";
import { isAhead } from "./time.ts";

export const scheduledPrefix = "scheduled-";

export interface ScheduleInput {
  readonly nowMs: number;
  readonly intervalMs: number;
  /** When the config was made: its first gather is due then. */
  readonly configCreatedMs: number;
  readonly requests: readonly GatherRequest[];
  /** Start of the last full gather that the status knows, for when its object is gone. */
  readonly lastGatherMs: number | undefined;
  /** The gatherer answers, and the node side is ready, not wanted, or has had its time. */
  readonly canGather: boolean;
  /** A gather runs, waits, or ended so recently that the next must not start yet. */
  readonly isBusy: boolean;
}

export interface Schedule {
  readonly dueMs: number;
  /** Name of the RuntimeGather to make now; undefined when none is due or it has to wait. */
  readonly create: string | undefined;
}

/** So long a due gather lets requests of users go first. */
const patienceMs = 10 * 60_000;

/** A time that was missed is made up once, however often it was missed. */
export function schedule(input: ScheduleInput): Schedule {
  const { nowMs, intervalMs, canGather, isBusy } = input;
  const firstDueMs = nextDueMs(input);
  const missed = Math.max(0, Math.floor((nowMs - firstDueMs) / intervalMs));
  const dueMs = firstDueMs + missed * intervalMs;
  const isDue = nowMs >= dueMs && canGather && (!isBusy || nowMs - dueMs >= patienceMs);
  return { dueMs, create: isDue ? `${scheduledPrefix}${Math.floor(dueMs / 1000)}` : undefined };
}

/**
 * Objects from before the config was made belong to an earlier one. A time to come that is less than an interval away was written
 * before the clock was set back, and still holds; what lies further ahead was written by a clock that was wrong, or by somebody else.
 */
function nextDueMs({ nowMs, requests, intervalMs, configCreatedMs, lastGatherMs }: ScheduleInput): number {
  const createdMs = isAhead(configCreatedMs, nowMs, intervalMs) ? 0 : configCreatedMs;
  const holds = (timeMs: number | undefined): timeMs is number =>
    timeMs !== undefined && timeMs >= createdMs && !isAhead(timeMs, nowMs, intervalMs);
  const dueTimes = requests.map(({ name }) => dueMsOf(name)).filter(holds);
  if (dueTimes.length > 0) return Math.max(...dueTimes) + intervalMs;
  if (holds(lastGatherMs)) return lastGatherMs + intervalMs;
  return createdMs;
}

/** The due time that a scheduled RuntimeGather is named after. */
export function dueMsOf(name: string): number | undefined {
  const match = /^scheduled-([0-9]{1,12})$/.exec(name);
  return match === null ? undefined : Number(match[1]) * 1000;
}
