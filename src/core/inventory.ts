/** The owner's view of a gather, in clear text: a row for each container of each shape. */
import type { InventoryRow, RuntimeCount } from "../api/gather.ts";
import { type Answers, answeringPod } from "./merge.ts";
import { type ContainerAnswer, keyOf, type NodeOutcome } from "./query.ts";
import type { Draft, DraftShape, ShapePod } from "./shapes.ts";

const maxCounts = 20;

/** Rows sorted by namespace, pod and container; what is not known says why in its note. */
export function inventoryRows(
  draft: Draft,
  answers: Answers,
  outcomes: readonly NodeOutcome[],
): readonly InventoryRow[] {
  const failures = new Map(
    outcomes.flatMap((one) => (one.kind === "failed" ? [[one.query.node, one.reason] as const] : [])),
  );
  const rows: InventoryRow[] = [];
  for (const [namespace, { shapes }] of draft.namespaces) {
    for (const shape of shapes.values()) {
      const pod = answeringPod(namespace, shape, answers);
      const agreement = agreementOf(namespace, shape, pod, answers);
      for (const { name, reference } of [...pod.containers, ...pod.sidecars]) {
        const answer = answers.get(keyOf({ namespace, pod: pod.name, reference }));
        const facts = answer?.detail?.runtimeInfo;
        const note = noteOf(pod, reference, answer, failures.get(pod.node));
        rows.push({
          namespace,
          pod: pod.name,
          container: name,
          pods: shape.duplicates + 1,
          os: facts?.os ?? "",
          osVersion: facts?.osVersion ?? "",
          kind: facts?.kind ?? "",
          kindVersion: facts?.kindVersion ?? "",
          kindImplementer: facts?.kindImplementer ?? "",
          runtimes: (facts?.runtimes ?? []).map((one) => `${one.name} ${one.version}`.trim()),
          note: [agreement, note].filter((one) => one !== "").join("; "),
        });
      }
    }
  }
  return rows.sort((a, b) => compare([a.namespace, a.pod, a.container], [b.namespace, b.pod, b.container]));
}

/** Empty when all replicas that were answered say the same of their containers. */
function agreementOf(namespace: string, shape: DraftShape, shown: ShapePod, answers: Answers): string {
  const said = (pod: ShapePod) =>
    pod.containers.map(({ reference }) => answers.get(keyOf({ namespace, pod: pod.name, reference }))?.info);
  const answered = [shape.first, ...shape.reserve]
    .map(said)
    .filter((infos) => infos.some((info) => info !== undefined));
  const expected = JSON.stringify(said(shown));
  const agreeing = answered.filter((infos) => JSON.stringify(infos) === expected).length;
  return agreeing === answered.length ? "" : `consistent ${agreeing} of ${answered.length}`;
}

function noteOf(
  pod: ShapePod,
  reference: string,
  answer: ContainerAnswer | undefined,
  failure: string | undefined,
): string {
  if (answer?.detail !== undefined)
    return answer.detail.notes.map(({ about, reason, message }) => `${about}: ${reason}: ${message}`).join("; ");
  if (answer !== undefined) return "the exporter gave no clear text";
  if (pod.excluded) return "excluded";
  if (pod.phase !== "Running") return `the pod is ${pod.phase}`;
  if (reference === "") return "the container does not run";
  if (failure !== undefined) return `node ${pod.node}: ${failure}`;
  const sandbox = pod.runtimeClass === "" ? "" : `, which has runtime class ${pod.runtimeClass}`;
  return `the node's answer does not have the container${sandbox}`;
}

/** How many containers run each kind, replicas included; the most frequent 20 by count, then kind and version. */
export function topCounts(rows: readonly InventoryRow[]): RuntimeCount[] {
  const counts = new Map<string, RuntimeCount>();
  for (const { kind, kindVersion, pods } of rows) {
    const key = JSON.stringify([kind, kindVersion]);
    const containers = (counts.get(key)?.containers ?? 0) + pods;
    counts.set(key, { kind, version: kindVersion, containers });
  }
  return [...counts.values()]
    .sort((a, b) => b.containers - a.containers || compare([a.kind, a.version], [b.kind, b.version]))
    .slice(0, maxCounts);
}

function compare(left: readonly string[], right: readonly string[]): number {
  for (const [index, a] of left.entries()) {
    const b = right[index] ?? "";
    if (a !== b) return a < b ? -1 : 1;
  }
  return 0;
}
