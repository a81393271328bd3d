/** Durations by a clock that may be set back or forth between two looks. */

/**
 * Milliseconds since a time on record, never negative. A time that lies ahead by more than the period at stake was written by a
 * clock that was wrong; it counts as long ago, so that nothing waits for it.
 */
export function elapsedMs(sinceMs: number, nowMs: number, periodMs: number): number {
  if (isAhead(sinceMs, nowMs, periodMs)) return Number.POSITIVE_INFINITY;
  return Math.max(0, nowMs - sinceMs);
}

/** True for a time that cannot be one of the last or the next period. An unreadable time is none either. */
export function isAhead(timeMs: number, nowMs: number, periodMs: number): boolean {
  return !(timeMs - nowMs <= periodMs);
}

/** What lies ahead by less was named by a clock that is right: clocks of two nodes that differ so much are nothing unusual. */
export const clockToleranceMs = 3_600_000;

export function timeText(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
}
