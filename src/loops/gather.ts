/** One gather: list pods, ask nodes, merge, write. A node that fails costs its runtimes, never the archive. */

import type { Api } from "../adapters/connection.ts";
import { defaultRetention, pack, pruneArchives, type Retention, writeArchive } from "../adapters/disk.ts";
import { askNodes, type Credentials } from "../adapters/exporters.ts";
import { type Extractors, findExtractors, readTlsProfile } from "../adapters/extractors.ts";
import { readHelmCharts } from "../adapters/helm.ts";
import { findImageApi, type ImageCache, ImageReader } from "../adapters/images.ts";
import { type Namespaces, readNamespaces } from "../adapters/namespaces.ts";
import { readNetworks } from "../adapters/networks.ts";
import { explainMissing } from "../adapters/nodes.ts";
import { podPages } from "../adapters/pods.ts";
import type { GatherOrder, GatherOutcome, GatherProgress, Inventory, NodeFailure } from "../api/gather.ts";
import { archiveContent, archiveName, type HelmFacts } from "../core/archive.ts";
import type { ExporterPlace } from "../core/exporters.ts";

import { inventoryRows, topCounts } from "../core/inventory.ts";
import { answersOf, type Images, merge } from "../core/merge.ts";
import { makeObfuscation } from "../core/obfuscation.ts";
import { archiveErrors, countsOf, failuresOf, replicaWarnings } from "../core/outcome.ts";
import { firstQueries, fullQueries, type NodeOutcome, type NodeQuery, secondQueries } from "../core/query.ts";
import { addPods, type Draft, emptyDraft } from "../core/shapes.ts";

export interface GatherWorld {
  readonly api: Api;
  readonly exporters: ExporterPlace;
  readonly credentials: Credentials;
  /** Where archives go. */
  readonly directory: string;
  readonly images: ImageCache;
  readonly nowMs: () => number;
  /** When this process started, for the archive's report. */
  readonly processStartedAtMs: number;
  /** Default: the newest 5 archives of each sort. */
  readonly retention?: Retention;
  /** Default 64 MiB. */
  readonly maxAnswerBytes?: number;
  /** Default 8443. */
  readonly exporterPort?: number;
  /** After how long without a connection a node counts as unreachable; default: as long as the node may take. */
  readonly connectTimeoutMs?: number;
  /** Waits between tries of a page. */
  readonly delaysMs?: readonly number[];
  /** After how long a node whose connection failed is asked once more; default 1 second. */
  readonly retryAfterMs?: number;
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
  const hiding = await readObfuscation(order, world, signal, notes);
  if (hiding.kind === "failed") return failedResult("ObfuscationFailed", hiding.message);
  const helm = readHelm(order, world, signal);
  const listed = await listPods(order, world, signal, notes);
  const listedAtMs = nowMs();
  if (listed.kind === "failed") {
    const tookMs = between(startedAtMs, listedAtMs);
    const durationsMs = { listPods: tookMs, askNodes: 0, write: 0, total: tookMs };
    const { outcome, ...rest } = failedResult("PodListFailed", listed.message);
    return { outcome: { ...outcome, notes, durationsMs }, ...rest };
  }
  const { draft, unknownOptOuts } = listed;
  onStage("AskingNodes");
  const outcomes = order.runtimeInfo ? await ask(draft, order, world, { signal, notes, unknownOptOuts }) : [];
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
  const whole = archiveContent({ ...facts, workload: merge(draft, answers, images) });
  const isTooMuch = whole.dropped !== null && answers.size > 0;
  // What nodes say may cost their runtimes, never the shapes.
  const bare = { ...facts, workload: merge(draft, new Map(), images), errors: [tooMuchSaid, ...facts.errors] };
  const content = isTooMuch ? archiveContent(bare) : whole;
  if (isTooMuch) notes.push(tooMuchSaid);
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

type Hiding =
  | { readonly kind: "ready"; readonly obfuscate: ((text: string) => string) | undefined }
  | { readonly kind: "failed"; readonly message: string };

/** Nothing leaves in clear text that was to be hidden: when nobody knows what to hide, nothing is gathered. */
async function readObfuscation(
  { obfuscateNetworking }: GatherOrder,
  { api, delaysMs }: GatherWorld,
  signal: AbortSignal,
  notes: string[],
): Promise<Hiding> {
  if (!obfuscateNetworking) return { kind: "ready", obfuscate: undefined };
  try {
    const networks = await readNetworks(api, { signal, ...(delaysMs === undefined ? {} : { delaysMs }) });
    if (!networks.known) notes.push("The cluster does not name its networks; all addresses are replaced by 0.0.0.0");
    return { kind: "ready", obfuscate: makeObfuscation(networks) };
  } catch (cause) {
    return { kind: "failed", message: problemOf(cause, signal) };
  }
}

/** Beside the rest; an abort ends it with an answer that nobody looks at. */
async function readHelm(order: GatherOrder, world: GatherWorld, signal: AbortSignal): Promise<HelmFacts | undefined> {
  if (!order.helm) return undefined;
  const { api, nowMs, delaysMs } = world;
  const startedAtMs = nowMs();
  const patience = { signal, ...(delaysMs === undefined ? {} : { delaysMs }) };
  const read = await readHelmCharts(api, { namespaces: order.namespaces, ...patience }).catch(() => undefined);
  return read === undefined ? undefined : { ...read, durationMs: between(startedAtMs, nowMs()) };
}

const tooMuchSaid = "the runtime infos are left out: with them the record would exceed the archive size limit";

/** Nothing when the clock was set back meanwhile. */
function between(fromMs: number, toMs: number): number {
  return Math.max(0, toMs - fromMs);
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

const gapNote =
  "The listing of pods expired again and went on in a later state of the cluster: pods may be missing or counted twice";

type Listed =
  | { readonly kind: "failed"; readonly message: string }
  | {
      readonly kind: "listed";
      readonly draft: Draft;
      /** Why it is not known which namespaces opted out, when it is not. */
      readonly unknownOptOuts: string | undefined;
      readonly images: (draft: Draft) => Promise<Images>;
    };

async function listPods(order: GatherOrder, world: GatherWorld, signal: AbortSignal, notes: string[]): Promise<Listed> {
  const { api, images, nowMs, delaysMs } = world;
  const patience = { signal, ...(delaysMs === undefined ? {} : { delaysMs }) };
  const [namespaces, imageApi] = await Promise.all([
    order.runtimeInfo || order.namespaces !== undefined
      ? readNamespaces(api, patience).catch((cause: unknown) => problemOf(cause, signal))
      : undefined,
    order.images ? findImageApi(api, signal) : "unwanted",
  ]);
  const rules = { podLimit: order.podLimit, excludedNamespaces: excludedOf(order, namespaces) };
  notes.push(...namespaceNotes(order, namespaces));
  const reader = imageApi === "present" ? new ImageReader(api, { cache: images, nowMs, ...patience }) : undefined;
  if (imageApi === "absent") notes.push("The cluster has no OpenShift image API; images are counted, not described");
  if (imageApi === "unknown")
    notes.push("The OpenShift image API could not be asked; images are counted, not described");
  let draft = emptyDraft();
  try {
    for await (const event of podPages(api, { namespaces: order.namespaces, ...patience })) {
      if (event.kind === "restart") {
        notes.push("The listing of pods expired and was started again");
        draft = emptyDraft();
        continue;
      }
      if (event.kind === "gap") {
        if (!notes.includes(gapNote)) notes.push(gapNote);
        continue;
      }
      addPods(draft, event.pods, rules);
      reader?.want(draft.images);
      if (draft.limitReached) break;
    }
  } catch (cause) {
    await reader?.finish(0);
    return { kind: "failed", message: problemOf(cause, signal) };
  }
  const unknownOptOuts = typeof namespaces === "string" ? namespaces : undefined;
  return { kind: "listed", draft, unknownOptOuts, images: (all) => readImages(all, reader, notes) };
}

/** The sentence of an error that is not the end of the whole. */
function problemOf(cause: unknown, signal: AbortSignal): string {
  signal.throwIfAborted();
  return cause instanceof Error ? cause.message : String(cause);
}

/** A text says why they could not be read; undefined when nobody needs them. */
type NamespacesRead = Namespaces | string | undefined;

function excludedOf({ excludedNamespaces }: GatherOrder, namespaces: NamespacesRead): ReadonlySet<string> {
  return new Set([...excludedNamespaces, ...(typeof namespaces === "object" ? namespaces.excluded : [])]);
}

/** Names that a user wrote and that no namespace has. */
function namespaceNotes({ namespaces: only = [] }: GatherOrder, namespaces: NamespacesRead): readonly string[] {
  if (typeof namespaces !== "object") return [];
  return only.filter((name) => !namespaces.names.has(name)).map((name) => `There is no namespace ${name}`);
}

async function readImages(draft: Draft, reader: ImageReader | undefined, notes: string[]): Promise<Images> {
  const ids = draft.images;
  if (reader === undefined) return { count: ids.size, found: new Map() };
  const { found, complete, failed } = await reader.finish(imageWaitMs(draft.pods));
  if (failed > 0) notes.push(`${failed} images could not be read`);
  if (complete) return { count: ids.size, found: new Map([...found].filter(([id]) => ids.has(id))) };
  notes.push("The images could not be read in time and are left out");
  return { count: 0, found: new Map() };
}

interface AskContext {
  readonly signal: AbortSignal;
  readonly notes: string[];
  readonly unknownOptOuts: string | undefined;
}

async function ask(
  draft: Draft,
  order: GatherOrder,
  world: GatherWorld,
  { signal, notes, unknownOptOuts }: AskContext,
): Promise<readonly NodeOutcome[]> {
  const queries = order.inventory ? fullQueries(draft) : firstQueries(draft);
  if (queries.length === 0) return [];
  const allFailed = (reason: "Unreachable" | "OptOutsUnknown", message: string): readonly NodeOutcome[] =>
    queries.map((query) => ({ kind: "failed", query, reason, message }));
  if (unknownOptOuts !== undefined)
    return allFailed("OptOutsUnknown", `no node was asked, since who opted out is not known: ${unknownOptOuts}`);
  const { api, exporters, credentials, maxAnswerBytes, exporterPort, connectTimeoutMs, retryAfterMs } = world;
  let extractors: Extractors;
  try {
    extractors = await findExtractors(api, exporters, signal);
  } catch (cause) {
    return allFailed("Unreachable", problemOf(cause, signal));
  }
  const { byNode, placement } = extractors;
  const tls = await readTlsProfile(api, signal);
  if (tls.kind === "guessed") notes.push(`The Intermediate TLS profile was assumed: ${tls.problem}`);
  const askAll = (all: readonly NodeQuery[]) =>
    askNodes(all, byNode, {
      ...{ serverName: exporters.serverName, credentials, signal, tls: tls.profile },
      ...{ detail: order.inventory, timeoutMs: order.nodeTimeoutMs, concurrency: order.nodeConcurrency },
      ...(maxAnswerBytes === undefined ? {} : { maxAnswerBytes }),
      ...(exporterPort === undefined ? {} : { port: exporterPort }),
      ...(connectTimeoutMs === undefined ? {} : { connectTimeoutMs }),
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    });
  const first = await askAll(queries);
  const outcomes = [...first, ...(await askAll(secondQueries(draft, first)))];
  if (placement === undefined) return outcomes;
  return explainMissing(api, outcomes, { placement, atMost: maxFailures, signal });
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
      await pruneArchives(directory, retention, atMs).catch((cause: Error) =>
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
