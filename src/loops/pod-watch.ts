/** Looks at pods of ours that are missing, as seldom as what they say can be right: they are not watched. */
import type { Api } from "../adapters/connection.ts";
import { newestRefusal, ownPods } from "../adapters/own-pods.ts";
import type { Logger } from "../adapters/telemetry.ts";
import type { Pods } from "../api/pods.ts";
import { keyOf, type Side, workloads } from "../core/operands.ts";
import type { Live } from "../core/plan.ts";
import { type Cause, causeOf, pullWhys } from "../core/pod-causes.ts";
import { elapsedMs } from "../core/time.ts";

/** Pods take that long to start; nothing is wrong with them before. */
const startMs = 5_000;
/** While pods have been missing for less than `newMs`. */
const soonMs = 10_000;
const newMs = 2 * 60_000;
const lateMs = 60_000;

interface Look {
  /** Since when pods are missing. */
  readonly sinceMs: number;
  readonly atMs: number | undefined;
  readonly cause: Cause | undefined;
  readonly whys: ReadonlyMap<string, string>;
}

export interface Seen {
  readonly cause: Cause | undefined;
  readonly afterMs: number | undefined;
}

export interface PodWatchInput {
  readonly pods: Pods | undefined;
  readonly live: ReadonlyMap<string, Live>;
  /** The Pod Security standard that the namespace's label enforces. */
  readonly enforced: string | undefined;
  readonly nowMs: number;
}

export class PodWatch {
  readonly #api: Api;
  readonly #namespace: string;
  readonly #log: Logger;
  readonly #looks = new Map<Side, Look>();

  constructor({ api, namespace, log }: { readonly api: Api; readonly namespace: string; readonly log: Logger }) {
    this.#api = api;
    this.#namespace = namespace;
    this.#log = log;
  }

  /** What keeps the pods of one side from running, as of this look or an earlier one that still holds. */
  async of(side: Side, input: PodWatchInput): Promise<Seen> {
    const { pods, nowMs } = input;
    if (pods?.seen !== true || (pods.current && pods.ready >= pods.desired)) {
      this.#looks.delete(side);
      return { cause: undefined, afterMs: undefined };
    }
    const before = this.#looks.get(side) ?? { sinceMs: nowMs, atMs: undefined, cause: undefined, whys: new Map() };
    const leftMs = leftUntilDue(before, nowMs);
    if (leftMs > 0) {
      this.#looks.set(side, before);
      return { cause: before.cause, afterMs: leftMs };
    }
    const now = { ...before, ...(await this.#look(side, pods, before, input)), atMs: nowMs };
    this.#looks.set(side, now);
    return { cause: now.cause, afterMs: leftUntilDue(now, nowMs) };
  }

  /** What cannot be read is not told; the numbers of pods are. */
  async #look(
    side: Side,
    { desired: wanted, refusal }: Pods,
    { whys }: Look,
    { live, enforced, nowMs }: PodWatchInput,
  ) {
    const { workload } = workloads[side];
    try {
      const { pods, newestMs, isCut } = await ownPods(this.#api, this.#namespace, workload);
      // Of more pods than are looked at nobody knows how many are not there.
      const desired = isCut ? pods.length : wanted;
      const found = live.get(keyOf(workload));
      const uid = found?.kind === "present" ? (found.object.metadata.uid ?? "") : "";
      const isShort = pods.length < desired && refusal === undefined;
      const of = { ...workload, uid, newestMs, nowMs };
      const words = isShort ? await newestRefusal(this.#api, this.#namespace, of) : refusal;
      const input = { side, namespace: this.#namespace, desired, pods, refusal: words, enforced, knownWhys: whys };
      return { cause: causeOf(input), whys: pullWhys(input) };
    } catch (cause) {
      this.#log.warn({ err: cause }, "Could not look at our own pods");
      return { cause: undefined, whys };
    }
  }
}

function leftUntilDue({ sinceMs, atMs }: Look, nowMs: number): number {
  if (atMs === undefined) return startMs - elapsedMs(sinceMs, nowMs, startMs);
  const holdsMs = elapsedMs(sinceMs, nowMs, newMs) < newMs ? soonMs : lateMs;
  return Math.max(0, holdsMs - elapsedMs(atMs, nowMs, holdsMs));
}
