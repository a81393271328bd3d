/** What one gatherer has and another has not got yet, carried from the one to the other. */
import type { Gatherer } from "../adapters/gatherer.ts";
import type { GatherProgress, Inventory } from "../api/gather.ts";
import type { GatherRequest } from "../api/request.ts";
import { cut, oneLine } from "../core/line.ts";

/** A gatherer as a handover needs it. */
export type Peer = Pick<
  Gatherer,
  "handover" | "archives" | "archive" | "inventory" | "progress" | "putArchive" | "takeOver" | "relieve"
>;

export interface Load {
  /** Of these the outcomes are carried. */
  readonly requests: readonly GatherRequest[];
  readonly withInventory: boolean;
  /** Archives that failed the last time, which come last; what fails now is noted here. */
  readonly stuck: Set<string>;
  /** For all that is carried. */
  readonly budgetMs: number;
}

export interface Carried {
  readonly problems: readonly string[];
  /** So many were put. */
  readonly archives: number;
  /** For `endHandover`. */
  readonly outcomes: readonly GatherProgress[];
  readonly inventory: Inventory | null;
}

/** What was carried and what could not be; only an abort of the caller throws. What is small comes first, then the newest archive. */
export async function carry(from: Peer, to: Peer, load: Load, outer: AbortSignal): Promise<Carried> {
  const { requests, withInventory, stuck, budgetMs } = load;
  const signal = AbortSignal.any([outer, AbortSignal.timeout(budgetMs)]);
  const problems: string[] = [];
  const outcomes: GatherProgress[] = [];
  let inventory: Inventory | null = null;
  let archives = 0;
  try {
    for (const { uid } of requests) {
      const answer = await from.progress(uid, signal);
      if (answer.kind === "progress" && answer.progress.phase !== "Running") outcomes.push(answer.progress);
      if (answer.kind !== "unreachable") continue;
      problems.push(`the outcomes: ${answer.message}`);
      break;
    }
    if (withInventory) {
      const answer = await from.inventory(signal);
      if (answer.kind === "inventory") inventory = answer.inventory;
      else problems.push(`the inventory: ${answer.message}`);
    }
    const [has, gets] = [await from.archives(signal), await to.archives(signal)];
    if (has.kind === "unreachable") problems.push(has.message);
    else if (gets.kind === "unreachable") problems.push(gets.message);
    else {
      const missing = has.archives.filter(({ name }) => !gets.archives.some((known) => known.name === name));
      for (const archive of missing.toSorted((a, b) => Number(stuck.has(a.name)) - Number(stuck.has(b.name)))) {
        stuck.add(archive.name);
        const fetched = await from.archive(archive, signal);
        const put = fetched.kind === "archive" ? await to.putArchive(archive.name, fetched.bytes, signal) : fetched;
        if (put.kind === "done") archives += 1;
        if (put.kind === "done" || put.kind === "gone") stuck.delete(archive.name);
        else problems.push(`${archive.name}: ${put.message}`);
      }
    }
  } catch (cause) {
    outer.throwIfAborted();
    if (!signal.aborted) throw cause;
    problems.push(`not all of it could be carried within ${budgetMs / 1000} s`);
  }
  return { problems: told(problems), archives, outcomes, inventory };
}

const maxOutcomes = 20;
const maxProblems = 10;

/** What is wrong with what `to` kept of all that was carried to it; throws when it does not answer. */
export async function endHandover(
  to: Peer,
  carried: readonly Carried[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  const outcomes = new Map(carried.flatMap((one) => one.outcomes).map((one) => [one.id, one]));
  const inventory = carried
    .map((one) => one.inventory)
    .reduce((newest, one) => ((one?.gatheredAtMs ?? -1) > (newest?.gatheredAtMs ?? -1) ? one : newest), null);
  const answer = await to.takeOver({ outcomes: [...outcomes.values()].slice(-maxOutcomes), inventory }, signal);
  if (answer.kind === "done") return told(answer.problems);
  throw new Error(answer.message);
}

/** Names and sentences are those of a gatherer. */
function told(problems: readonly string[]): readonly string[] {
  return problems.slice(0, maxProblems).map((problem) => cut(oneLine(problem), 300));
}
