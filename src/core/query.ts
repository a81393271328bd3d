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
import { type Draft, type DraftShape, isAskable, type ShapeContainer, type ShapePod } from "./shapes.ts";

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
      /** Containers it spoke of without having been asked; they are ignored. */
      readonly unasked: number;
      /** Clear text was asked for, and not one of the entries has any. */
      readonly lacksDetail: boolean;
    }
  | {
      readonly kind: "failed";
      readonly query: NodeQuery;
      readonly reason: FailureReason;
      /** For the archive too, so without names of the cluster. */
      readonly message: string;
      /** What the owner may know besides. */
      readonly particulars?: string;
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
  return queries(draft, (shape) => [shape.first], regular);
}

/** As the first queries, and about replicas and sidecars too: what the owner's view shows beside the archive. */
export function fullQueries(draft: Draft): readonly NodeQuery[] {
  return queries(
    draft,
    (shape) => [shape.first, ...shape.reserve],
    ({ containers, sidecars }) => [...containers, ...sidecars],
  );
}

/** Replicas, not asked yet, of the shapes about which nothing was said because their pods do not run or their nodes failed. */
export function secondQueries(draft: Draft, outcomes: readonly NodeOutcome[]): readonly NodeQuery[] {
  const failed = new Set(outcomes.filter(({ kind }) => kind === "failed").map(({ query }) => query.node));
  const asked = new Set(outcomes.flatMap(({ query }) => query.containers.map(keyOf)));
  return queries(
    draft,
    (shape, namespace) => {
      const wasAsked = (pod: ShapePod) =>
        pod.containers.some(({ reference }) => asked.has(keyOf({ namespace, pod: pod.name, reference })));
      const all = [shape.first, ...shape.reserve];
      if (all.some((pod) => isAskable(pod) && wasAsked(pod) && !failed.has(pod.node))) return [];
      return shape.reserve.filter((pod) => !wasAsked(pod) && !failed.has(pod.node)).slice(0, 1);
    },
    regular,
  );
}

const regular = ({ containers }: ShapePod) => containers;

function queries(
  draft: Draft,
  choosePods: (shape: DraftShape, namespace: string) => readonly ShapePod[],
  chooseContainers: (pod: ShapePod) => readonly ShapeContainer[],
): readonly NodeQuery[] {
  const byNode = new Map<string, QueriedContainer[]>();
  for (const [namespace, { shapes }] of draft.namespaces) {
    for (const shape of shapes.values()) {
      for (const pod of choosePods(shape, namespace)) {
        for (const { reference } of chooseContainers(pod)) {
          if (reference === "") continue;
          const containers = byNode.get(pod.node) ?? [];
          containers.push({ namespace, pod: pod.name, reference });
          byNode.set(pod.node, containers);
        }
      }
    }
  }
  return [...byNode].sort(([a], [b]) => (a < b ? -1 : 1)).map(([node, containers]) => ({ node, containers }));
}

/** What an exporter's answer (namespace, pod, container reference, entry) says about the containers it was asked for; the rest is counted. */
export function readAnswer(query: NodeQuery, body: unknown, { detail }: { readonly detail: boolean }): NodeOutcome {
  if (!isRecord(body))
    return { kind: "failed", query, reason: "Malformed", message: "the answer is not a JSON object" };
  const found = new Map<string, ContainerAnswer>();
  const problems: string[] = [];
  const expected = new Set<string>();
  for (const container of query.containers) {
    const entry = entryOf(body, container);
    expected.add(keyOf(container));
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
  const lacksDetail = detail && found.size > 0 && [...found.values()].every((one) => one.detail === undefined);
  const { unasked, problems: misplaced } = walk(body, expected);
  return { kind: "answered", query, found, problems: [...problems, ...misplaced], unasked, lacksDetail };
}

/** Null is absence on every level; what else is no object is a problem, told without its name. */
function walk(body: Readonly<Record<string, unknown>>, expected: ReadonlySet<string>) {
  let unasked = 0;
  const problems: string[] = [];
  for (const [namespace, pods] of Object.entries(body)) {
    if (!isRecord(pods) && pods !== null) problems.push("a namespace: it is not an object");
    for (const [pod, references] of Object.entries(isRecord(pods) ? pods : {})) {
      if (!isRecord(references) && references !== null) problems.push("a pod: it is not an object");
      for (const reference of Object.keys(isRecord(references) ? references : {}))
        if (!expected.has(keyOf({ namespace, pod, reference }))) unasked += 1;
    }
  }
  return { unasked, problems };
}

function entryOf(body: Readonly<Record<string, unknown>>, { namespace, pod, reference }: QueriedContainer): unknown {
  const pods = own(body, namespace);
  return own(own(pods, pod), reference);
}

/** Own fields only: names come from the network. */
function own(value: unknown, key: string): unknown {
  return isRecord(value) && Object.hasOwn(value, key) ? value[key] : undefined;
}
