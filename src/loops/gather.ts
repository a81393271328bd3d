/** One gather: list pods, ask nodes, merge, write. A node that fails costs its runtimes, never the archive. */
import type { GatherOrder, GatherOutcome, GatherProgress, Inventory, NodeFailure } from "../api/gather.ts";
import { inventoryRows, topCounts } from "../core/inventory.ts";
import { answersOf } from "../core/merge.ts";
import { archiveErrors, countsOf, failuresOf, replicaWarnings } from "../core/outcome.ts";
import { ask, readAskable } from "./gather-asking.ts";
import { listPods, readHelm, readObfuscation } from "./gather-listing.ts";
import { between, type GatherWorld } from "./gather-world.ts";
import { contentOf, write } from "./gather-writing.ts";

export type Stage = GatherProgress["stage"];

export interface GatherResult {
  readonly outcome: GatherOutcome;
  /** Null when none was asked for, when nothing was gathered, or for a filtered gather, which speaks for itself only. */
  readonly inventory: Inventory | null;
  /** All of them, sorted by node; the outcome holds the first ones. */
  readonly failures: readonly NodeFailure[];
}

const maxFailures = 20;

export interface GatherOptions {
  readonly signal: AbortSignal;
  readonly onStage: (stage: Stage) => void;
  /** Waits until the node side is gone, when the order says so; its sentences become errors of the archive. */
  readonly hold?: () => Promise<readonly string[]>;
}

/** Resolves with the outcome, also when it failed; throws only when the signal aborts or the code is wrong. */
export async function gather(
  order: GatherOrder,
  world: GatherWorld,
  { signal, onStage, hold }: GatherOptions,
): Promise<GatherResult> {
  const { nowMs } = world;
  const startedAtMs = nowMs();
  const notes: string[] = [];
  const warnings: string[] = [];
  onStage("ListingPods");
  const hiding = await readObfuscation(order, world, signal, notes);
  if (hiding.kind === "failed") return failedResult("ObfuscationFailed", hiding.message);
  const failure = new AbortController();
  const helm = readHelm(order, world, AbortSignal.any([signal, failure.signal]));
  const askable = order.runtimeInfo ? readAskable(world, signal) : undefined;
  askable?.catch(() => {});
  const listed = await listPods(order, world, signal, notes);
  const listedAtMs = nowMs();
  if (listed.kind === "failed") {
    failure.abort();
    const tookMs = between(startedAtMs, listedAtMs);
    const durationsMs = { listPods: tookMs, askNodes: 0, write: 0, total: tookMs };
    const { outcome, ...rest } = failedResult("PodListFailed", listed.message);
    return { outcome: { ...outcome, notes, durationsMs }, ...rest };
  }
  const { draft, unknownOptOuts } = listed;
  onStage("AskingNodes");
  const outcomes =
    askable === undefined ? [] : await ask(draft, order, world, { signal, notes, unknownOptOuts, askable });
  const images = await listed.images(draft);
  const askedAtMs = nowMs();
  const mustHold = order.holdBeforeWriting && hold !== undefined;
  if (mustHold) onStage("AwaitingNodeSide");
  const heldProblems = mustHold ? await hold() : [];

  onStage("Writing");
  const answers = answersOf(outcomes);
  warnings.push(...replicaWarnings(draft, answers));
  const rows = order.runtimeInfo && order.inventory ? inventoryRows(draft, answers, outcomes) : [];
  if (draft.unreadable > 0) notes.push(`${draft.unreadable} pods could not be read and are counted as invalid`);
  if (draft.limitReached)
    notes.push(`The limit of ${order.podLimit} pods was reached; the pods after it were not looked at`);
  const prefix = order.namespaces === undefined ? "insights" : "filtered-insights";
  const facts = {
    errors: [
      ...archiveErrors(outcomes, {
        podLimit: draft.limitReached ? order.podLimit : null,
        nodeSideProblems: order.nodeSideProblems,
      }),
      ...heldProblems,
    ],
    warnings,
    durationMs: between(startedAtMs, askedAtMs),
    helm: await helm,
    obfuscate: hiding.obfuscate,
    uptimeMs: between(world.processStartedAtMs, askedAtMs),
  };
  const content = contentOf(facts, { draft, answers, images }, notes);
  const written = await write(world, { prefix, content }, notes);
  signal.throwIfAborted();
  const finishedAtMs = nowMs();
  const failures = failuresOf(outcomes);
  const outcome: GatherOutcome = {
    ...written,
    counts: countsOf(draft, outcomes),
    failures: failures.slice(0, maxFailures),
    moreFailures: Math.max(0, failures.length - maxFailures),
    notes: [...order.nodeSideProblems, ...heldProblems, ...warnings, ...notes],
    durationsMs: {
      listPods: between(startedAtMs, listedAtMs),
      askNodes: between(listedAtMs, askedAtMs),
      write: between(askedAtMs, finishedAtMs),
      total: between(startedAtMs, finishedAtMs),
    },
    inventory: topCounts(rows),
  };
  const isOwners = order.runtimeInfo && order.inventory && order.namespaces === undefined;
  const inventory = isOwners ? { gather: order.id, gatheredAtMs: finishedAtMs, rows: [...rows] } : null;
  return { outcome, inventory, failures };
}

const nothing: GatherOutcome = {
  succeeded: false,
  reason: "",
  message: "",
  counts: { pods: 0, containers: 0, shapes: 0, nodesAsked: 0, nodesAnswered: 0, nodesFailed: 0, nodesSkipped: 0 },
  archive: null,
  failures: [],
  moreFailures: 0,
  notes: [],
  durationsMs: { listPods: 0, askNodes: 0, write: 0, total: 0 },
  inventory: [],
};

/** The result of a gather of which nothing but its failure is known. */
export function failedResult(reason: string, message: string): GatherResult {
  return { outcome: { ...nothing, reason, message }, inventory: null, failures: [] };
}
