/** Somebody changes back what we set: told after a few tries, and set less and less often from then on. */
import type { KubeObject } from "../api/object.ts";
import { difference } from "./covers.ts";
import type { FailedStep } from "./health.ts";
import { keyOf, type Operand, type Side } from "./operands.ts";
import type { Live, Step } from "./plan.ts";
import { isSame } from "./same.ts";
import { elapsedMs } from "./time.ts";

/** That we set a field of an object that was there. */
export interface Try {
  readonly operand: Operand;
  readonly wanted: KubeObject;
  readonly field: string;
  /** In a row, of the same field to the same value. */
  readonly times: number;
  readonly lastMs: number;
  /** Longest that it was seen to stay as we set it. */
  readonly stayedMs: number;
  /** It has been seen to differ since. */
  readonly isUndone: boolean;
}

/** By the object's key. */
export type Tries = ReadonlyMap<string, Try>;

export interface DisputesInput {
  readonly steps: readonly Step[];
  readonly live: ReadonlyMap<string, Live>;
  /** Sides that are to be installed; of others nothing is remembered. */
  readonly sides: ReadonlySet<Side>;
  readonly tries: Tries;
  readonly nowMs: number;
}

export interface Disputes {
  /** Without what has been tried in vain and is to wait. */
  readonly steps: readonly Step[];
  readonly disputed: readonly FailedStep[];
  /** What is known when none of the steps is carried out. */
  readonly tries: Tries;
  /** What is known besides of an object that is applied. */
  readonly begun: Tries;
  readonly afterMs: number | undefined;
}

const minuteMs = 60_000;
/** By hand something may be changed a few times. */
const patience = 3;
const firstWaitMs = minuteMs / 2;
const longestWaitMs = 10 * minuteMs;
/** Until what was set is looked at: admission changes it at once. */
const lookMs = 2_000;
/** So long a try is remembered that held; longer than other controllers' usual period. */
const memoryMs = 15 * minuteMs;
/** A dispute is over when what we set has stayed for twice as long as ever before, within these bounds. */
const calmMs = { least: minuteMs, most: 30 * minuteMs } as const;

/** An object that is not there is made at once, however often it goes. */
export function settle({ steps, live, sides, tries, nowMs }: DisputesInput): Disputes {
  const kept: Step[] = [];
  const disputed: FailedStep[] = [];
  const known = new Map<string, Try>();
  const begun = new Map<string, Try>();
  const waits: number[] = [];
  const tell = ({ operand, field }: Try) =>
    disputed.push({
      operand,
      message: `${field} is reverted by another controller or an admission policy each time the operator sets it`,
    });
  for (const step of steps) {
    const { operand } = step;
    const key = keyOf(operand);
    const found = live.get(key);
    if (step.action !== "apply" || found?.kind !== "present") {
      kept.push(step);
      continue;
    }
    const wanted = step.object;
    const field = difference(found.object, wanted) ?? "";
    const before = tries.get(key);
    if (before === undefined || before.field !== field || !isSame(before.wanted, wanted)) {
      kept.push(step);
      begun.set(key, { operand, wanted, field, times: 1, lastMs: nowMs, stayedMs: 0, isUndone: false });
      waits.push(lookMs);
      continue;
    }
    const sinceMs = elapsedMs(before.lastMs, nowMs, longestWaitMs);
    const stayedMs = before.isUndone ? before.stayedMs : Math.max(before.stayedMs, nowMs - before.lastMs);
    const now = { ...before, stayedMs, isUndone: true };
    known.set(key, now);
    if (now.times >= patience) tell(now);
    const leftMs = waitMs(now.times) - sinceMs;
    if (leftMs > 0) waits.push(leftMs);
    else {
      kept.push(step);
      begun.set(key, { ...now, times: now.times + 1, lastMs: nowMs, isUndone: false });
      waits.push(lookMs);
    }
  }
  for (const [key, before] of tries) {
    const isGone = live.get(key)?.kind === "absent" || !sides.has(before.operand.side);
    if (isGone || steps.some(({ operand }) => keyOf(operand) === key)) continue;
    const leftMs = calmOf(before) - elapsedMs(before.lastMs, nowMs, calmMs.most);
    if (leftMs <= 0) continue;
    known.set(key, before);
    if (before.times < patience) continue;
    tell(before);
    waits.push(leftMs);
  }
  return { steps: kept, disputed, tries: known, begun, afterMs: waits.length === 0 ? undefined : Math.min(...waits) };
}

/** What is known after the writes, of which some failed: they tell nothing about anybody else. */
export function triesAfter({ tries, begun }: Disputes, failed: readonly FailedStep[]): Tries {
  const keys = new Set(failed.map(({ operand }) => keyOf(operand)));
  return new Map([...tries, ...[...begun].filter(([key]) => !keys.has(key))]);
}

function waitMs(times: number): number {
  return times < patience ? 0 : Math.min(firstWaitMs * 2 ** (times - patience), longestWaitMs);
}

function calmOf({ times, stayedMs }: Try): number {
  if (times < patience) return memoryMs;
  return Math.min(Math.max(calmMs.least, 2 * stayedMs), calmMs.most);
}
