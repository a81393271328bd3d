/** Several gatherers at a time: who gets what from whom, and which one is asked meanwhile. */
import type { HandoverState } from "../api/handover.ts";
import { elapsedMs } from "./time.ts";

const minuteMs = 60_000;
/** So long a gather that runs in the old one holds a handover up; it is run again in the new one after that. */
export const gatherPatienceMs = 8 * minuteMs;
/** So long one that is there and does not answer is waited for, and so long what fails is tried again. */
export const failurePatienceMs = 2 * minuteMs;
/** So long a new one waits to be handed something before it serves without; longer than all of main's own patience. */
export const lonelyMs = 15 * minuteMs;
/** So long one that is told to end goes on serving for the one that comes after it; the kubelet gives it ten seconds more. */
export const lingerMs = 80_000;
export const graceSeconds = 90;
/** So often it asks meanwhile whether one will come at all. */
export const followMs = 2_000;
/** At least so long, since those who route to it learn late that it leaves. */
export const leaveMs = 3_000;

/** A gatherer as its pod and its own answer show it. */
export interface SeenGatherer {
  readonly uid: string;
  readonly name: string;
  /** Its pod is being deleted. */
  readonly leaving: boolean;
  readonly state: HandoverState | "silent";
  /** By its own clock; of a silent one by ours, since when it has not answered. */
  readonly sinceMs: number;
}

export type HandoverStep =
  | { readonly kind: "none" }
  | { readonly kind: "wait"; readonly message: string }
  /** `to` is new; it gets all that `from` have, and serves. `isLast`: also if not all of it could be had; `silent` do not answer. */
  | {
      readonly kind: "hand over";
      readonly to: SeenGatherer;
      readonly from: readonly SeenGatherer[];
      readonly silent: readonly SeenGatherer[];
      readonly isLast: boolean;
    }
  /** `from` leave; `to`, which serves, gets what it has not got yet, and they may end. */
  | { readonly kind: "pass on"; readonly to: SeenGatherer; readonly from: readonly SeenGatherer[] };

export interface HandoverInput {
  readonly gatherers: readonly SeenGatherer[];
  /** A gather is on in one of them. */
  readonly isGathering: boolean;
  /** Since when a new one of that uid was seen to wait, and since when handing over to it fails. */
  readonly waiting: { readonly uid: string; readonly sinceMs: number; readonly failingSinceMs?: number } | undefined;
  /** Uids of those that were handed what there is, not long ago: when they say that they wait, nothing waits for them. */
  readonly handed: ReadonlySet<string>;
  readonly nowMs: number;
}

export interface HandoverDecision {
  readonly step: HandoverStep;
  /** The one that knows most, to be asked by its own address; undefined while it does not matter. */
  readonly ask: SeenGatherer | undefined;
  /** A gather may begin: the one that would run it stays. */
  readonly mayBegin: boolean;
}

/** The new one that is handed something next; undefined when none waits. */
export function waitingOne({
  gatherers,
  handed,
}: Pick<HandoverInput, "gatherers" | "handed">): SeenGatherer | undefined {
  return gatherers
    .filter(({ state, leaving, uid }) => state === "waiting" && !leaving && !handed.has(uid))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))[0];
}

/** Level based: starts, ends and restarts, of main's too, come in whatever order to one that stays and has everything that could be had. */
export function decideHandover(input: HandoverInput): HandoverDecision {
  const { gatherers, isGathering, waiting, nowMs } = input;
  const holders = gatherers.filter(({ state }) => state === "serving" || state === "relieved").toSorted(byClaim);
  const [ask] = holders;
  const heir = holders.find(({ leaving }) => !leaving);
  const to = waitingOne(input);
  if (to === undefined) {
    const from = holders.filter(({ leaving, state }) => leaving && state === "serving");
    const isOver = heir === undefined || from.length === 0;
    return {
      step: isOver ? { kind: "none" } : { kind: "pass on", to: heir, from },
      ask: gatherers.length > 1 || ask?.leaving === true ? ask : undefined,
      mayBegin: heir !== undefined || holders.length === 0,
    };
  }
  const sinceMs = waiting?.uid === to.uid ? waiting.sinceMs : nowMs;
  const waited = (patienceMs: number) => elapsedMs(sinceMs, nowMs, patienceMs) >= patienceMs;
  const silent = gatherers.filter(({ state }) => state === "silent");
  const wait = (message: string): HandoverDecision => ({ step: { kind: "wait", message }, ask, mayBegin: false });
  if (silent.some((one) => elapsedMs(one.sinceMs, nowMs, failurePatienceMs) < failurePatienceMs))
    return wait("Another gatherer does not answer");
  if (isGathering && heir !== undefined && !waited(gatherPatienceMs))
    return wait("The previous gatherer is still running a gather");
  const failingMs = waiting?.uid === to.uid ? waiting.failingSinceMs : undefined;
  const isLast = failingMs !== undefined && elapsedMs(failingMs, nowMs, failurePatienceMs) >= failurePatienceMs;
  return { step: { kind: "hand over", to, from: holders, silent, isLast }, ask, mayBegin: false };
}

/** So long one that was handed everything so often is not handed it again, whatever it says. */
export function restMs(times: number): number {
  return Math.min(10_000 * 2 ** (times - 1), 5 * minuteMs);
}

/** The one that stays comes first, then the one that took over last. */
function byClaim(a: SeenGatherer, b: SeenGatherer): number {
  if (a.leaving !== b.leaving) return a.leaving ? 1 : -1;
  if (a.state !== b.state) return a.state === "relieved" ? 1 : -1;
  return b.sinceMs - a.sinceMs || (a.name < b.name ? -1 : 1);
}
