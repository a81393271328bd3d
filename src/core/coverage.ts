/** Which nodes are to have an extractor, and why one has none, as far as the node itself tells. */
import type { ClusterNode, Placement } from "../api/node.ts";
import { architectureLabel } from "./architectures.ts";

type Taint = ClusterNode["taints"][number];
type Toleration = Placement["tolerations"][number];

/** The Linux nodes of the cluster, as main counts them. */
export interface Fleet {
  readonly linux: number;
  /** Of those that are to have an extractor. */
  readonly notReady: number;
  /** Those that no pod of ours can start on. */
  readonly foreign: ForeignNodes;
}

export interface ForeignNodes {
  readonly count: number;
  /** The first ones by name. */
  readonly shown: readonly { readonly name: string; readonly architecture: string }[];
}

/** One sentence for the cluster's owner; the first of several reasons. */
export function whyNoExtractor(
  node: ClusterNode | undefined,
  { nodeSelector, tolerations, architectures }: Placement,
): string {
  if (node === undefined) return "the node is not there any more";
  const architecture = foreignArchitecture(node, architectures);
  if (architecture !== undefined)
    return `the node's architecture is ${architecture}, and the images are for ${architectures.join(" and ")} only`;
  const unlike = missingLabel(node, nodeSelector);
  if (unlike !== undefined) return `the node lacks label ${unlike[0]}=${unlike[1]}`;
  const taint = repellingTaint(node, tolerations);
  if (taint !== undefined) {
    const { key, value, effect } = taint;
    return `the node has taint ${key}${value === "" ? "" : `=${value}`}:${effect}, which spec.extractor.tolerations does not name`;
  }
  if (!node.ready) return "the node is not ready";
  return "the DaemonSet has not made one yet";
}

/** Whether the DaemonSet makes a pod for the node, ready or not. */
export function isCovered(node: ClusterNode, { nodeSelector, tolerations, architectures }: Placement): boolean {
  return (
    foreignArchitecture(node, architectures) === undefined &&
    missingLabel(node, nodeSelector) === undefined &&
    repellingTaint(node, tolerations) === undefined
  );
}

/** What keeps the images from running there; undefined when nothing does. Every kubelet says what it is. */
function foreignArchitecture({ labels }: ClusterNode, architectures: readonly string[]): string | undefined {
  const architecture = labels[architectureLabel];
  return architecture === undefined || architectures.length === 0 || architectures.includes(architecture)
    ? undefined
    : architecture;
}

function missingLabel({ labels }: ClusterNode, nodeSelector: Placement["nodeSelector"]) {
  return Object.entries(nodeSelector).find(([key, value]) => labels[key] !== value);
}

function repellingTaint({ taints }: ClusterNode, tolerations: readonly Toleration[]): Taint | undefined {
  return taints
    .filter(({ effect }) => effect !== "PreferNoSchedule")
    .find((one) => !isTheDaemonSetControllers(one) && !tolerations.some((toleration) => tolerates(toleration, one)));
}

/** Pods of every DaemonSet tolerate these. */
function isTheDaemonSetControllers({ key }: Taint): boolean {
  return /^node\.kubernetes\.io\/(?:not-ready|unreachable|disk-pressure|memory-pressure|pid-pressure|unschedulable)$/.test(
    key,
  );
}

function tolerates({ key, operator, value, effect }: Toleration, taint: Taint): boolean {
  if (effect !== "" && effect !== taint.effect) return false;
  if (operator === "Exists") return key === "" || key === taint.key;
  return key === taint.key && value === taint.value;
}
