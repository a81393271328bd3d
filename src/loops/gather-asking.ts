/** The second part of a gather: the nodes are asked, then those that run replicas of what stayed unanswered. */
import { askNodes } from "../adapters/exporters.ts";
import { type Extractors, findExtractors, type ProfileAnswer, readTlsProfile } from "../adapters/extractors.ts";
import { explainMissing } from "../adapters/nodes.ts";
import type { GatherOrder } from "../api/gather.ts";
import { firstQueries, fullQueries, type NodeOutcome, type NodeQuery, secondQueries } from "../core/query.ts";
import type { Draft } from "../core/shapes.ts";
import { type GatherWorld, problemOf } from "./gather-world.ts";

/** So many of the nodes without an extractor are asked why. */
const maxExplained = 20;
/** The nodes of replicas are healthy, or they are left: a gather that has waited out a dead node does not wait out another one. */
const secondTimeoutMs = 10_000;

/** Whom to ask and how; a text says why the extractors could not be found. */
export interface Askable {
  readonly extractors: Extractors | string;
  readonly tls: ProfileAnswer;
}

/** Beside the listing of pods. Rejects only when the signal aborts. */
export async function readAskable({ api, exporters }: GatherWorld, signal: AbortSignal): Promise<Askable> {
  const [extractors, tls] = await Promise.all([
    findExtractors(api, exporters, signal).catch((cause: unknown) => problemOf(cause, signal)),
    readTlsProfile(api, signal),
  ]);
  return { extractors, tls };
}

interface AskContext {
  readonly signal: AbortSignal;
  readonly notes: string[];
  readonly unknownOptOuts: string | undefined;
  readonly askable: Promise<Askable>;
}

/** One outcome for each query; empty when there is nothing to ask about. */
export async function ask(
  draft: Draft,
  order: GatherOrder,
  world: GatherWorld,
  { signal, notes, unknownOptOuts, askable }: AskContext,
): Promise<readonly NodeOutcome[]> {
  const queries = order.inventory ? fullQueries(draft) : firstQueries(draft);
  if (queries.length === 0) return [];
  const allFailed = (reason: "Unreachable" | "OptOutsUnknown", message: string): readonly NodeOutcome[] =>
    queries.map((query) => ({ kind: "failed", query, reason, message }));
  if (unknownOptOuts !== undefined)
    return allFailed("OptOutsUnknown", `no node was asked, since who opted out is not known: ${unknownOptOuts}`);
  const { api, exporters, credentials, maxAnswerBytes, exporterPort, connectTimeoutMs, retryAfterMs } = world;
  const { extractors, tls } = await askable;
  if (typeof extractors === "string") return allFailed("Unreachable", extractors);
  const { byNode, placement } = extractors;
  if (tls.kind === "guessed") notes.push(`The Intermediate TLS profile was assumed: ${tls.problem}`);
  const askAll = (all: readonly NodeQuery[], timeoutMs: number) =>
    askNodes(all, byNode, {
      ...{ serverName: exporters.serverName, credentials, signal, tls: tls.profile },
      ...{ detail: order.inventory, timeoutMs, concurrency: order.nodeConcurrency },
      ...(maxAnswerBytes === undefined ? {} : { maxAnswerBytes }),
      ...(exporterPort === undefined ? {} : { port: exporterPort }),
      ...(connectTimeoutMs === undefined ? {} : { connectTimeoutMs }),
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    });
  const first = await askAll(queries, order.nodeTimeoutMs);
  const second = await askAll(secondQueries(draft, first), Math.min(order.nodeTimeoutMs, secondTimeoutMs));
  const outcomes = [...first, ...second];
  if (placement === undefined) return outcomes;
  return explainMissing(api, outcomes, { placement, atMost: maxExplained, signal });
}
