/** Pods, page by page, folded into a draft: forms of pods counted once per namespace, and whom to ask about each. */
import type { Pod, PodContainers } from "../api/pod.ts";
import type { ContainerShape } from "../api/workload.ts";
import { normalizeArgument } from "./argument.ts";
import { digestOf, digestOfStatus } from "./digest.ts";
import { obfuscate } from "./hash.ts";

/** What is kept of the pods; it grows with their forms and nodes, not with their number. */
export interface Draft {
  pods: number;
  /** Regular containers of the pods that have a shape, duplicates included. */
  containers: number;
  /** Pods that broke the schema; they are counted as invalid. */
  unreadable: number;
  /** There were more pods than the limit; the rest was not looked at. */
  limitReached: boolean;
  readonly namespaces: Map<string, DraftNamespace>;
  /** Digests of all containers, init containers included. */
  readonly images: Set<string>;
}

export interface DraftNamespace {
  count: number;
  terminalCount: number;
  ignoredCount: number;
  invalidCount: number;
  /** By what makes two shapes equal, in the order of their first pods. */
  readonly shapes: Map<string, DraftShape>;
}

export interface DraftShape {
  duplicates: number;
  readonly restartAlways: boolean;
  readonly initContainers: readonly ContainerShape[];
  readonly containers: readonly ContainerShape[];
  /** The first pod of the shape, which is asked. */
  readonly first: ShapePod;
  /** Running replicas on other nodes, asked when the first pod cannot answer. */
  readonly reserve: ShapePod[];
}

export interface ShapePod {
  readonly name: string;
  readonly node: string;
  readonly phase: string;
  /** It, or its namespace, asks that no node is asked about it. */
  readonly excluded: boolean;
  readonly runtimeClass: string;
  /** Regular containers in the order of the shape's. */
  readonly containers: readonly ShapeContainer[];
  /** Init containers that go on running beside them; the archive says nothing of what runs in them. */
  readonly sidecars: readonly ShapeContainer[];
}

export interface ShapeContainer {
  readonly name: string;
  /** Container reference with its engine prefix; empty when there is nothing to ask about. */
  readonly reference: string;
}

const maxReserve = 2;

export function emptyDraft(): Draft {
  return { pods: 0, containers: 0, unreadable: 0, limitReached: false, namespaces: new Map(), images: new Set() };
}

/** What an order says about pods. */
export interface PodRules {
  readonly podLimit: number;
  /** Whether no node is asked about its containers. */
  readonly isExcluded: (namespace: string) => boolean;
}

/** Adds a page of pods, in list order, until the draft holds `podLimit` of them; the pod that exceeds it still opens its namespace. */
export function addPods(draft: Draft, pods: readonly Pod[], { podLimit, isExcluded }: PodRules): void {
  for (const pod of pods) {
    if (draft.limitReached) return;
    const namespace = namespaceOf(draft, pod.namespace);
    if (draft.pods >= podLimit) {
      draft.limitReached = true;
      return;
    }
    draft.pods += 1;
    namespace.count += 1;
    addPod(draft, namespace, isExcluded(pod.namespace) ? { ...pod, excluded: true } : pod);
  }
}

function namespaceOf(draft: Draft, name: string): DraftNamespace {
  const known = draft.namespaces.get(name);
  if (known !== undefined) return known;
  const opened = { count: 0, terminalCount: 0, ignoredCount: 0, invalidCount: 0, shapes: new Map() };
  draft.namespaces.set(name, opened);
  return opened;
}

function addPod(draft: Draft, namespace: DraftNamespace, pod: Pod): void {
  if (pod.unreadable) {
    draft.unreadable += 1;
    namespace.invalidCount += 1;
    return;
  }
  if (pod.phase === "Succeeded" || pod.phase === "Failed") {
    namespace.terminalCount += 1;
    return;
  }
  if (!isSettled(pod)) {
    namespace.ignoredCount += 1;
    return;
  }
  const initContainers = containerShapes(pod.initContainers);
  const containers = containerShapes(pod.containers);
  if (initContainers === undefined || containers === undefined) {
    namespace.invalidCount += 1;
    return;
  }
  draft.containers += containers.length;
  const key = `${initContainers.map(identity).join()};${containers.map(identity).join()}`;
  const shape = namespace.shapes.get(key);
  if (shape !== undefined) {
    shape.duplicates += 1;
    addReserve(shape, pod);
    return;
  }
  for (const { imageID } of [...initContainers, ...containers]) draft.images.add(imageID);
  const restartAlways = pod.restartPolicy === "Always";
  namespace.shapes.set(key, {
    duplicates: 0,
    restartAlways,
    initContainers,
    containers,
    first: shapePod(pod),
    reserve: [],
  });
}

/** Running or about to, and every container has a status. */
function isSettled({ phase, initContainers, containers }: Pod): boolean {
  return (
    (phase === "Running" || phase === "Pending") &&
    initContainers.statuses.length === initContainers.specs.length &&
    containers.statuses.length === containers.specs.length
  );
}

/** One shape per status, in that order; undefined when one has no counterpart in the specification or no digest. */
function containerShapes({ specs, statuses }: PodContainers): readonly ContainerShape[] | undefined {
  const shapes: ContainerShape[] = [];
  let byName: ReadonlyMap<string, PodContainers["specs"][number]> | undefined;
  for (const [index, status] of statuses.entries()) {
    const hinted = specs[index];
    // Of equal names the first one counts; it is the last one that a map keeps.
    byName ??= hinted?.name === status.name ? undefined : new Map(specs.toReversed().map((one) => [one.name, one]));
    const spec = hinted?.name === status.name ? hinted : byName?.get(status.name);
    if (spec === undefined) return undefined;
    const imageID = digestOfStatus(status.imageID) || digestOf(spec.image);
    if (imageID === "") return undefined;
    shapes.push({ imageID, firstCommand: obfuscateFirst(spec.command), firstArg: obfuscateFirst(spec.args) });
  }
  return shapes;
}

function obfuscateFirst([first]: readonly string[]): string {
  return first === undefined ? "" : obfuscate(normalizeArgument(first));
}

/** Neither names nor restart policy nor anything that a node says later is part of it. */
function identity({ imageID, firstCommand, firstArg }: ContainerShape): string {
  return `${imageID} ${firstCommand} ${firstArg}`;
}

function shapePod({ name, node, phase, excluded, runtimeClass, initContainers, containers }: Pod): ShapePod {
  const mayBeAsked = phase === "Running" && node !== "" && !excluded;
  const shapeContainer = (status: PodContainers["statuses"][number]): ShapeContainer => {
    return { name: status.name, reference: mayBeAsked && !status.terminated ? status.containerID : "" };
  };
  const restartable = new Set(initContainers.specs.filter(isRestartable).map(({ name: of }) => of));
  return {
    ...{ name, node, phase, excluded, runtimeClass },
    containers: containers.statuses.map(shapeContainer),
    sidecars: initContainers.statuses.filter(({ name: of }) => restartable.has(of)).map(shapeContainer),
  };
}

function isRestartable({ restartPolicy }: PodContainers["specs"][number]): boolean {
  return restartPolicy === "Always";
}

function addReserve(shape: DraftShape, pod: Pod): void {
  const taken = [...(isAskable(shape.first) ? [shape.first] : []), ...shape.reserve];
  if (shape.reserve.length === maxReserve || taken.some(({ node }) => node === pod.node)) return;
  const replica = shapePod(pod);
  if (isAskable(replica)) shape.reserve.push(replica);
}

/** True when at least one of its containers can be asked about. */
export function isAskable(pod: ShapePod): boolean {
  return pod.containers.some(({ reference }) => reference !== "");
}
