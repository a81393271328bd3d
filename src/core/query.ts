/** Which node is asked about which containers, and what came of it. */
import type { NodeFailure } from "../api/gather.ts";
import {
  decodeDetail,
  decodeRuntimeInfo,
  isRecord,
  type RuntimeDetail,
  type RuntimeInfo,
  saysNothing,
} from "../api/runtime.ts";
import { type Draft, type DraftShape, isAskable, type ShapePod } from "./shapes.ts";

export interface NodeQuery {
  readonly node: string;
  /** Never empty; in the order of the pods. */
  readonly containers: readonly QueriedContainer[];
}

export interface QueriedContainer {
  readonly namespace: string;
  readonly pod: string;
  readonly reference: string;
}

export type FailureReason = NodeFailure["reason"];

/** What one node's exporter led to. */
export type NodeOutcome =
  | {
      readonly kind: "answered";
      readonly query: NodeQuery;
      /** Entries of containers this node was asked about, by `keyOf`. */
      readonly found: ReadonlyMap<string, ContainerAnswer>;
      /** Why entries were dropped, a sentence each. */
      readonly problems: readonly string[];
    }
  | {
      readonly kind: "failed";
      readonly query: NodeQuery;
      readonly reason: FailureReason;
      readonly message: string;
    };

export interface ContainerAnswer {
  /** As it is copied into the archive. */
  readonly info: RuntimeInfo;
  /** Clear text, when it was asked for. */
  readonly detail: RuntimeDetail | undefined;
}

/** Neither namespaces nor names of pods hold a slash. */
export function keyOf({ namespace, pod, reference }: QueriedContainer): string {
  return `${namespace}/${pod}/${reference}`;
}

/** One query for each node that runs the first pod of a shape, sorted by node. */
export function firstQueries(draft: Draft): readonly NodeQuery[] {
  return queries(draft, (shape) => shape.first);
}

/** Replicas of the shapes about which the first pods could say nothing, because they do not run or their nodes failed. */
export function secondQueries(draft: Draft, outcomes: readonly NodeOutcome[]): readonly NodeQuery[] {
  const failed = new Set(outcomes.filter(({ kind }) => kind === "failed").map(({ query }) => query.node));
  return queries(draft, (shape) =>
    isAskable(shape.first) && !failed.has(shape.first.node)
      ? undefined
      : shape.reserve.find(({ node }) => !failed.has(node)),
  );
}

function queries(draft: Draft, choose: (shape: DraftShape) => ShapePod | undefined): readonly NodeQuery[] {
  const byNode = new Map<string, QueriedContainer[]>();
  for (const [namespace, { shapes }] of draft.namespaces) {
    for (const shape of shapes.values()) {
      const pod = choose(shape);
      for (const { reference } of pod?.containers ?? []) {
        if (pod === undefined || reference === "") continue;
        const containers = byNode.get(pod.node) ?? [];
        containers.push({ namespace, pod: pod.name, reference });
        byNode.set(pod.node, containers);
      }
    }
  }
  return [...byNode].sort(([a], [b]) => (a < b ? -1 : 1)).map(([node, containers]) => ({ node, containers }));
}

/** What an exporter's answer (namespace, pod, container reference, entry) says about the containers it was asked for, and nothing else. */
export function readAnswer(query: NodeQuery, body: unknown): NodeOutcome {
  if (!isRecord(body))
    return { kind: "failed", query, reason: "Malformed", message: "the answer is not a JSON object" };
  const found = new Map<string, ContainerAnswer>();
  const problems: string[] = [];
  for (const container of query.containers) {
    const entry = entryOf(body, container);
    if (entry === undefined) continue;
    const info = decodeRuntimeInfo(entry);
    if (!info.ok) {
      problems.push(info.problem);
      continue;
    }
    const detail = decodeDetail(entry);
    if (!detail.ok) problems.push(`detail.${detail.problem}`);
    if (saysNothing(info.value) && !(detail.ok && detail.value !== undefined)) continue;
    found.set(keyOf(container), { info: info.value, detail: detail.ok ? detail.value : undefined });
  }
  return { kind: "answered", query, found, problems };
}

function entryOf(body: Readonly<Record<string, unknown>>, { namespace, pod, reference }: QueriedContainer): unknown {
  const pods = own(body, namespace);
  return own(own(pods, pod), reference);
}

/** Own fields only: names come from the network. */
function own(value: unknown, key: string): unknown {
  return isRecord(value) && Object.hasOwn(value, key) ? value[key] : undefined;
}
