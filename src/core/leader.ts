/** Leader election: who may take the Lease, and how long its holder may write. */

export interface ElectionTimes {
  /** A Lease that nobody has renewed for that long is anybody's. */
  readonly leaseMs: number;
  /** A holder that could not renew it for that long writes nothing any more; shorter than `leaseMs`, for clocks that differ. */
  readonly renewMs: number;
  /** Between two tries to take or renew it. */
  readonly retryMs: number;
}

/** OpenShift's numbers: the holder outlives 78 s without the API server, and clocks may differ by 30 s. */
export const defaultTimes: ElectionTimes = { leaseMs: 137_000, renewMs: 107_000, retryMs: 26_000 };

/** Longer than any installation's; a Lease whose duration somebody has edited is not waited for forever. */
const longestLeaseMs = 10 * 60_000;

/** Who held the Lease when it was seen last. */
interface Holding {
  /** Empty: it was given back. */
  readonly holder: string;
  readonly leaseMs: number;
  /** Since when it is so, by this process's own clock. */
  readonly sinceMs: number;
}

/** The Lease as this process saw it last; one that was deleted says nothing of its holder, which may go on writing for a while. */
export type LeaseView =
  | { readonly kind: "absent"; readonly before: Holding | undefined }
  | (Holding & { readonly kind: "present"; readonly resourceVersion: string });

/** What is wrong with the times; undefined when they can be used. */
export function problemOfTimes({ leaseMs, renewMs, retryMs }: ElectionTimes): string | undefined {
  if (retryMs < 500) return "the retry period must be at least half a second";
  if (renewMs < 2 * retryMs) return "the renew deadline must be at least twice the retry period";
  if (leaseMs <= renewMs) return "the lease duration must be longer than the renew deadline";
  if (leaseMs > longestLeaseMs) return `the lease duration must be at most ${longestLeaseMs / 1000} seconds`;
  return undefined;
}

/**
 * True when the Lease may be written: it is ours, nobody's, or has not changed for its whole duration. Times in it are not looked at,
 * since clocks differ.
 */
export function mayHold(view: LeaseView, identity: string, nowMs: number): boolean {
  const holding = view.kind === "present" ? view : view.before;
  if (holding === undefined || holding.holder === "" || holding.holder === identity) return true;
  return nowMs - holding.sinceMs >= Math.min(holding.leaseMs, longestLeaseMs);
}

/** What is known after another look; undefined stands for a Lease that is not there. */
export function seen(
  before: LeaseView | undefined,
  now: Extract<LeaseView, { readonly kind: "present" }> | undefined,
): LeaseView {
  if (now === undefined) return { kind: "absent", before: before?.kind === "absent" ? before.before : before };
  const isSame = before?.kind === "present" && before.resourceVersion === now.resourceVersion;
  return isSame ? { ...now, sinceMs: before.sinceMs } : now;
}
