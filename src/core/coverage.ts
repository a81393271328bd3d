/** Why a node has no extractor, as far as the node itself tells. */
import type { ClusterNode, Placement } from "../api/node.ts";

type Taint = ClusterNode["taints"][number];
type Toleration = Placement["tolerations"][number];

/** One sentence for the cluster's owner; the first of several reasons. */
export function whyNoExtractor(node: ClusterNode | undefined, { nodeSelector, tolerations }: Placement): string {
  if (node === undefined) return "the node is not there any more";
  const unlike = Object.entries(nodeSelector).find(([key, value]) => node.labels[key] !== value);
  if (unlike !== undefined) return `the node lacks label ${unlike[0]}=${unlike[1]}`;
  const taint = node.taints
    .filter(({ effect }) => effect !== "PreferNoSchedule")
    .find((one) => !isTheDaemonSetControllers(one) && !tolerations.some((toleration) => tolerates(toleration, one)));
  if (taint !== undefined) {
    const { key, value, effect } = taint;
    return `the node has taint ${key}${value === "" ? "" : `=${value}`}:${effect}, which spec.extractor.tolerations does not name`;
  }
  if (!node.ready) return "the node is not ready";
  return "the DaemonSet has not made one yet";
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
