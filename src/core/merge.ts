/** A draft and what the nodes answered become the workload info; shapes are never regrouped. */
import { saysNothing } from "../api/runtime.ts";
import type { ContainerShape, ImageInfo, WorkloadInfo } from "../api/workload.ts";
import { type ContainerAnswer, keyOf, type NodeOutcome } from "./query.ts";
import type { Draft, DraftShape, ShapePod } from "./shapes.ts";

/** Answers by container; an earlier outcome wins over a later one. */
export type Answers = ReadonlyMap<string, ContainerAnswer>;

export function answersOf(outcomes: readonly NodeOutcome[]): Answers {
  const answers = new Map<string, ContainerAnswer>();
  for (const outcome of outcomes) {
    if (outcome.kind === "failed") continue;
    for (const [key, answer] of outcome.found) if (!answers.has(key)) answers.set(key, answer);
  }
  return answers;
}

/** The pod of a shape whose answers count: the first one unless only a replica was answered. */
export function answeringPod(namespace: string, shape: DraftShape, answers: Answers): ShapePod {
  const isAnswered = (pod: ShapePod) =>
    pod.containers.some(({ reference }) => answers.has(keyOf({ namespace, pod: pod.name, reference })));
  return [shape.first, ...shape.reserve].find(isAnswered) ?? shape.first;
}

/** What images are known; `count` is of those seen, whether found or not. */
export interface Images {
  readonly count: number;
  readonly found: ReadonlyMap<string, ImageInfo>;
}

/** The workload info with runtime info on the regular containers that were answered. */
export function merge(draft: Draft, answers: Answers, images: Images): WorkloadInfo {
  const namespaces = [...draft.namespaces].map(([name, namespace]) => {
    const { count, terminalCount, ignoredCount, invalidCount } = namespace;
    const shapes = [...namespace.shapes.values()].map((shape) => {
      const { duplicates, restartAlways, initContainers } = shape;
      return { duplicates, restartAlways, initContainers, containers: withRuntimeInfo(name, shape, answers) };
    });
    return [name, { count, terminalCount, ignoredCount, invalidCount, shapes }] as const;
  });
  return { pods: draft.pods, imageCount: images.count, images: images.found, namespaces: new Map(namespaces) };
}

function withRuntimeInfo(namespace: string, shape: DraftShape, answers: Answers): readonly ContainerShape[] {
  const pod = answeringPod(namespace, shape, answers);
  return shape.containers.map((container, index) => {
    const reference = pod.containers[index]?.reference ?? "";
    const answer = answers.get(keyOf({ namespace, pod: pod.name, reference }));
    return answer === undefined || saysNothing(answer.info) ? container : { ...container, runtimeInfo: answer.info };
  });
}
