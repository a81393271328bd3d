/** One gather: list pods, ask nodes, merge, write. A node that fails costs its runtimes, never the archive. */

import type { Api } from "../adapters/connection.ts";
import { defaultRetention, pack, pruneArchives, writeArchive } from "../adapters/disk.ts";
import { askNodes, type Credentials } from "../adapters/exporters.ts";
import { findExtractors, readTlsProfile } from "../adapters/extractors.ts";
import { findImageApi, type ImageCache, ImageReader } from "../adapters/images.ts";
import { podPages } from "../adapters/pods.ts";
import type {
  GatherCounts,
  GatherOrder,
  GatherOutcome,
  GatherProgress,
  Inventory,
  NodeFailure,
} from "../api/gather.ts";
import { archiveContent, archiveErrors, archiveName, problemsMessage } from "../core/archive.ts";
import { inventoryRows, topCounts } from "../core/inventory.ts";
import { answersOf, type Images, imagesOf, merge } from "../core/merge.ts";
import { firstQueries, type NodeOutcome, type NodeQuery, secondQueries } from "../core/query.ts";
import { addPods, type Draft, emptyDraft } from "../core/shapes.ts";

export interface GatherWorld {
  readonly api: Api;
  /** Of the extractors. */
  readonly namespace: string;
  readonly credentials: Credentials;
  /** Where archives go. */
  readonly directory: string;
  readonly images: ImageCache;
  readonly nowMs: () => number;
  /** When this process started, for the archive's report. */
  readonly processStartedAtMs: number;
  /** Archives of each sort that are kept; default 5. */
  readonly retention?: number;
  /** Default 64 MiB. */
  readonly maxAnswerBytes?: number;
  /** Default 8443. */
  readonly exporterPort?: number;
  /** Waits between tries of a page. */
  readonly delaysMs?: readonly number[];
}

export type Stage = GatherProgress["stage"];

export interface GatherResult {
  readonly outcome: GatherOutcome;
  /** Null when none was asked for, when nothing was gathered, or for a filtered gather, which speaks for itself only. */
  readonly inventory: Inventory | null;
  /** All of them, sorted by node; the outcome holds the first ones. */
  readonly failures: readonly NodeFailure[];
}

const maxFailures = 20;
const maxSameSecond = 5;
/** How long the reading of images may outlast the rest, as upstream grants it. */
const imageWaitMs = (pods: number) => pods * 100 + 15_000;

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
  const listed = await listPods(order, world, signal, notes);
  const listedAtMs = nowMs();
  if (listed.kind === "failed") {
    const durationsMs = { listPods: listedAtMs - startedAtMs, askNodes: 0, write: 0, total: listedAtMs - startedAtMs };
    const { outcome, ...rest } = failedResult("PodListFailed", listed.message);
    return { outcome: { ...outcome, notes, durationsMs }, ...rest };
  }
  const { draft } = listed;
  onStage("AskingNodes");
  const outcomes = order.runtimeInfo ? await ask(draft, order, world, signal, notes) : [];
  const images = await listed.images(draft);
  const askedAtMs = nowMs();
  const nodeSideProblems = [...order.nodeSideProblems];
  if (order.holdBeforeWriting && hold !== undefined) {
    onStage("AwaitingNodeSide");
    nodeSideProblems.push(...(await hold()));
  }

  onStage("Writing");
  const answers = answersOf(outcomes);
  const rows = order.runtimeInfo && order.inventory ? inventoryRows(draft, answers, outcomes) : [];
  if (draft.limitReached)
    notes.push(`The limit of ${order.podLimit} pods was reached; the pods after it were not looked at`);
  const prefix = order.namespaces === undefined ? "insights" : "filtered-insights";
  const content = archiveContent({
    workload: merge(draft, answers, images),
    errors: [...nodeSideProblems, ...archiveErrors(outcomes, draft.limitReached ? order.podLimit : null)],
    warnings,
    durationMs: askedAtMs - startedAtMs,
    uptimeMs: askedAtMs - world.processStartedAtMs,
  });
  const written = await write(world, { prefix, content }, notes);
  signal.throwIfAborted();
  const finishedAtMs = nowMs();
  const failures = failuresOf(outcomes);
  const outcome: GatherOutcome = {
    ...written,
    counts: countsOf(draft, outcomes),
    failures: failures.slice(0, maxFailures),
    moreFailures: Math.max(0, failures.length - maxFailures),
    notes: [...nodeSideProblems, ...warnings, ...notes],
    durationsMs: {
      listPods: listedAtMs - startedAtMs,
      askNodes: askedAtMs - listedAtMs,
      write: finishedAtMs - askedAtMs,
      total: finishedAtMs - startedAtMs,
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

type Listed =
  | { readonly kind: "failed"; readonly message: string }
  | { readonly kind: "listed"; readonly draft: Draft; readonly images: (draft: Draft) => Promise<Images> };

async function listPods(order: GatherOrder, world: GatherWorld, signal: AbortSignal, notes: string[]): Promise<Listed> {
  const { api, delaysMs } = world;
  const imageApi = order.images ? await findImageApi(api, signal) : "unwanted";
  const reader = imageApi === "present" ? new ImageReader(api, world.images, signal) : undefined;
  if (imageApi === "absent") notes.push("The cluster has no OpenShift image API; images are counted, not described");
  if (imageApi === "unknown")
    notes.push("The OpenShift image API could not be asked; images are counted, not described");
  let draft = emptyDraft();
  try {
    const { namespaces } = order;
    for await (const event of podPages(api, { namespaces, signal, ...(delaysMs === undefined ? {} : { delaysMs }) })) {
      if (event.kind === "restart") {
        notes.push("The listing of pods expired and was started again");
        draft = emptyDraft();
        continue;
      }
      addPods(draft, event.pods, order.podLimit);
      reader?.want(imagesOf(draft));
      if (draft.limitReached) break;
    }
  } catch (cause) {
    await reader?.finish(0);
    signal.throwIfAborted();
    return { kind: "failed", message: cause instanceof Error ? cause.message : String(cause) };
  }
  return { kind: "listed", draft, images: (all) => readImages(all, reader, notes) };
}

async function readImages(draft: Draft, reader: ImageReader | undefined, notes: string[]): Promise<Images> {
  const ids = imagesOf(draft);
  if (reader === undefined) return { count: ids.size, found: new Map() };
  const { found, complete, failed } = await reader.finish(imageWaitMs(draft.pods));
  if (failed > 0) notes.push(`${failed} images could not be read`);
  if (complete) return { count: ids.size, found: new Map([...found].filter(([id]) => ids.has(id))) };
  notes.push("The images could not be read in time and are left out");
  return { count: 0, found: new Map() };
}

async function ask(
  draft: Draft,
  order: GatherOrder,
  world: GatherWorld,
  signal: AbortSignal,
  notes: string[],
): Promise<readonly NodeOutcome[]> {
  const queries = firstQueries(draft);
  if (queries.length === 0) return [];
  const { api, namespace, credentials, maxAnswerBytes, exporterPort } = world;
  let extractors: Awaited<ReturnType<typeof findExtractors>>;
  try {
    extractors = await findExtractors(api, namespace, signal);
  } catch (cause) {
    signal.throwIfAborted();
    const message = cause instanceof Error ? cause.message : String(cause);
    return queries.map((query) => ({ kind: "failed", query, reason: "Unreachable", message }));
  }
  const tls = await readTlsProfile(api, signal);
  if (tls.kind === "guessed") notes.push(`The Intermediate TLS profile was assumed: ${tls.problem}`);
  const askAll = (all: readonly NodeQuery[]) =>
    askNodes(all, extractors, {
      ...{ namespace, credentials, signal, tls: tls.profile },
      ...{ detail: order.inventory, timeoutMs: order.nodeTimeoutMs, concurrency: order.nodeConcurrency },
      ...(maxAnswerBytes === undefined ? {} : { maxAnswerBytes }),
      ...(exporterPort === undefined ? {} : { port: exporterPort }),
    });
  const first = await askAll(queries);
  return [...first, ...(await askAll(secondQueries(draft, first)))];
}

type WriteResult = Pick<GatherOutcome, "succeeded" | "reason" | "message" | "archive">;

async function write(
  { directory, nowMs, retention = defaultRetention }: GatherWorld,
  { prefix, content }: { readonly prefix: string; readonly content: ReturnType<typeof archiveContent> },
  notes: string[],
): Promise<WriteResult> {
  const failed = (reason: string, message: string): WriteResult => ({
    succeeded: false,
    reason,
    message,
    archive: null,
  });
  try {
    for (let attempt = 0; attempt < maxSameSecond; attempt += 1) {
      const atMs = nowMs() + attempt * 1000;
      const written = await writeArchive(directory, archiveName(atMs, prefix), await pack(content.entries, atMs));
      if (written.kind === "present") continue;
      await pruneArchives(directory, retention).catch((cause: Error) =>
        notes.push(`Old archives could not be removed: ${cause.message}`),
      );
      const { archive } = written;
      if (content.dropped !== null) return { ...failed("WorkloadInfoTooLarge", content.dropped), archive };
      return { succeeded: true, reason: "", message: "", archive };
    }
    return failed("ArchiveWriteFailed", "writing the archive: there are archives of this second and the next ones");
  } catch (cause) {
    return failed(
      "ArchiveWriteFailed",
      `writing the archive: ${cause instanceof Error ? cause.message : String(cause)}`,
    );
  }
}

/** One per node, sorted: why it failed, or that part of its answer was dropped. */
function failuresOf(outcomes: readonly NodeOutcome[]): readonly NodeFailure[] {
  const failures = new Map<string, NodeFailure>();
  for (const outcome of outcomes) {
    const { node } = outcome.query;
    if (failures.has(node)) continue;
    if (outcome.kind === "failed") failures.set(node, { node, reason: outcome.reason, message: outcome.message });
    else if (outcome.problems.length > 0)
      failures.set(node, { node, reason: "Malformed", message: problemsMessage(outcome.problems) });
  }
  return [...failures.values()].sort((a, b) => (a.node < b.node ? -1 : 1));
}

/** Nodes with containers but without an extractor are skipped, not failed: a config may exclude them. */
function countsOf(draft: Draft, outcomes: readonly NodeOutcome[]): GatherCounts {
  const nodes = new Map<string, "answered" | "failed" | "skipped">();
  for (const outcome of outcomes) {
    const { node } = outcome.query;
    if (nodes.has(node) && outcome.kind === "answered") continue;
    if (outcome.kind === "answered") nodes.set(node, "answered");
    else nodes.set(node, outcome.reason === "NoExtractorPod" ? "skipped" : "failed");
  }
  const count = (what: string) => [...nodes.values()].filter((is) => is === what).length;
  let shapes = 0;
  for (const namespace of draft.namespaces.values()) shapes += namespace.shapes.size;
  return {
    pods: draft.pods,
    containers: draft.containers,
    shapes,
    nodesAsked: count("answered") + count("failed"),
    nodesAnswered: count("answered"),
    nodesFailed: count("failed"),
    nodesSkipped: count("skipped"),
  };
}
