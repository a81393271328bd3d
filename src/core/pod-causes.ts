/** Pods of ours that do not run -> what keeps them from it, and what a person does about it. */
import type { OwnContainer, OwnPod } from "../api/own-pod.ts";
import { cut, oneLine } from "./line.ts";
import { names, type Side, workloads } from "./operands.ts";

/** In the order in which they are looked for. */
export const causeReasons = ["PodsRefused", "ImagePullFailed", "ContainerFailed", "PodsUnschedulable"] as const;
export type CauseReason = (typeof causeReasons)[number];

export interface Cause {
  readonly reason: CauseReason;
  /** One line; the same as long as nothing changes that a person cares about. */
  readonly message: string;
  readonly toDo: string;
}

export interface CauseInput {
  readonly side: Side;
  readonly namespace: string;
  /** How many pods there are to be. */
  readonly desired: number;
  readonly pods: readonly OwnPod[];
  /** Why the controller can make no pod, in its words. */
  readonly refusal: string | undefined;
  /** The Pod Security standard that the namespace's label enforces. */
  readonly enforced: string | undefined;
  /** Of images that could not be pulled; kubelets before 1.31 do not say it while they wait to try again. */
  readonly knownWhys: ReadonlyMap<string, string>;
}

/** The most fundamental of what is wrong; undefined when the pods do not tell. */
export function causeOf(input: CauseInput): Cause | undefined {
  return refusedCause(input) ?? pullCause(input) ?? containerCause(input) ?? unschedulableCause(input);
}

/** Why each image could not be pulled, as far as it was said now or before. */
export function pullWhys({ pods, knownWhys }: Pick<CauseInput, "pods" | "knownWhys">): ReadonlyMap<string, string> {
  const whys = new Map<string, string>();
  for (const { image, waiting } of pods.flatMap(({ containers }) => containers)) {
    if (waiting === undefined || !pullReasons.has(waiting.reason)) continue;
    const why = whyOf(waiting) ?? whys.get(image) ?? knownWhys.get(image);
    if (why !== undefined) whys.set(image, why);
  }
  return whys;
}

function refusedCause({ side, namespace, desired, pods, refusal, enforced }: CauseInput): Cause | undefined {
  const missing = desired - pods.length;
  // The gatherer of before is there beside the one that is refused.
  if (missing <= 0 && (side === "node" || refusal === undefined)) return undefined;
  const { kind, name } = workloads[side].workload;
  const of = side === "node" ? `on ${counted(missing, "node")}` : "of the gatherer";
  if (refusal !== undefined) {
    const words = refusalWords(refusal);
    const message = `the cluster refuses to make the pods ${of}: ${words}`;
    return { reason: "PodsRefused", message, toDo: adviceOnRefusal(words, namespace, { kind, name }) };
  }
  if (side !== "node" || (enforced !== "restricted" && enforced !== "baseline")) return undefined;
  const message = `no pods are made ${of}: namespace ${namespace} enforces Pod Security standard ${enforced}`;
  return { reason: "PodsRefused", message, toDo: adviceOnPodSecurity(namespace) };
}

function adviceOnRefusal(words: string, namespace: string, { kind, name }: { kind: string; name: string }): string {
  if (/violates PodSecurity/.test(words)) return adviceOnPodSecurity(namespace);
  if (/security context constraint/.test(words))
    return `kubectl get scc ${names.extractor}, and apply the ClusterRole ${name} of this version again`;
  if (/failed quota/.test(words))
    return `the quota of namespace ${namespace} asks every container for limits, which these have not: give the namespace a LimitRange with defaults, or no such quota`;
  if (/exceeded quota/.test(words)) return `raise the quota of namespace ${namespace}`;
  if (/denied the request/.test(words))
    return `let the policy that is named allow these pods in namespace ${namespace}`;
  return `kubectl -n ${namespace} describe ${kind.toLowerCase()} ${name}`;
}

function adviceOnPodSecurity(namespace: string): string {
  return `kubectl label namespace ${namespace} pod-security.kubernetes.io/enforce=privileged --overwrite`;
}

/** Without what differs from try to try. */
function refusalWords(text: string): string {
  const words = oneLine(text)
    .replace(/^\(combined from similar events\): /, "")
    .replace(/^Error creating: /, "")
    .replace(/^pods "[^"]*" is forbidden: /, "");
  return cut(words, 300);
}

const pullReasons: ReadonlySet<string> = new Set([
  ...["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"],
  ...["RegistryUnavailable", "SignatureValidationFailed"],
]);

function pullCause({ side, namespace, pods, knownWhys }: CauseInput): Cause | undefined {
  const failing = pods.filter(({ containers }) => containers.some(isPullFailing));
  if (failing.length === 0) return undefined;
  const whys = pullWhys({ pods, knownWhys });
  const images = [
    ...new Set(failing.flatMap(({ containers }) => containers.filter(isPullFailing).map(imageOf))),
  ].sort();
  const named = images
    .slice(0, 3)
    .map((image) => `${cut(oneLine(image), 200)} (${whys.get(image) ?? "its pods say why"})`);
  const more = images.length > named.length ? ` and ${images.length - named.length} more` : "";
  const message = `${images.length === 1 ? "image" : "images"} ${named.join(", ")}${more} cannot be pulled on ${nodesOf(failing)}`;
  const { name } = workloads[side].workload;
  const toDo = `set the image where the operator's Deployment names it (RELATED_IMAGE_...), or give service account ${names.operator} an imagePullSecret; kubectl -n ${namespace} describe pods -l app.kubernetes.io/name=${name}`;
  return { reason: "ImagePullFailed", message, toDo };
}

const imageOf = ({ image }: OwnContainer) => image;

function isPullFailing({ waiting }: OwnContainer): boolean {
  return waiting !== undefined && pullReasons.has(waiting.reason);
}

/** The first that fits; what a registry or a proxy answers is not repeated, since it is anybody's text and differs from try to try. */
const whys: readonly (readonly [RegExp, string])[] = [
  [/toomanyrequests|too many requests|rate limit/i, "the registry lets nobody pull that often"],
  [
    /unauthorized|authentication required|access denied|access forbidden|denied|basic auth|\b40[13]\b/i,
    "access denied",
  ],
  [
    /no match for platform|no image found in (?:image index|manifest list)|exec format/i,
    "not built for the node's architecture",
  ],
  [/manifest unknown|name unknown|not ?found|\b404\b/i, "not found"],
  [/no space left/i, "no space left on the node"],
  [/x509|certificate|server gave HTTP response to HTTPS client|tls: /i, "the registry's certificate is not trusted"],
  [/no such host|lookup |server misbehaving/i, "the registry's name is not known"],
  [
    /timeout|deadline exceeded|connection re|no route to host|network is unreachable|\bEOF\b|\b50[0-4]\b/i,
    "the registry does not answer",
  ],
  [/signature/i, "its signature is not accepted"],
];

function whyOf({ reason, message }: { readonly reason: string; readonly message: string }): string | undefined {
  switch (reason) {
    case "InvalidImageName":
      return "no valid name of an image";
    case "ErrImageNeverPull":
      return "not on the node";
    case "SignatureValidationFailed":
      return "its signature is not accepted";
    case "RegistryUnavailable":
      return "the registry does not answer";
    default:
      // The image's own name may hold any of the words.
      return whys.find(([pattern]) => pattern.test(message.replaceAll(/"[^"]*"/g, "")))?.[1];
  }
}

function containerCause({ side, namespace, pods }: CauseInput): Cause | undefined {
  const failures = new Map<string, OwnPod[]>();
  for (const pod of pods)
    for (const container of pod.containers) {
      const failure = failureOf(container);
      if (failure !== undefined) failures.set(failure, [...(failures.get(failure) ?? []), pod]);
    }
  if (failures.size === 0) return undefined;
  const said = [...failures].sort(([a], [b]) => (a < b ? -1 : 1));
  const named = said.slice(0, 3).map(([failure, failing]) => `${failure} on ${nodesOf(failing)}`);
  const more = said.length > named.length ? `, and ${said.length - named.length} more` : "";
  const { name } = workloads[side].workload;
  const first = /^container (\S+)/.exec(said[0]?.[0] ?? "")?.[1] ?? "";
  const toDo = `kubectl -n ${namespace} logs -l app.kubernetes.io/name=${name} -c ${first} --previous; kubectl -n ${namespace} describe pods -l app.kubernetes.io/name=${name}`;
  return { reason: "ContainerFailed", message: `${named.join(", ")}${more}`, toDo };
}

function failureOf({ name, ready, waiting, exit }: OwnContainer): string | undefined {
  if (ready) return undefined;
  if (waiting?.reason === "CreateContainerConfigError")
    return `container ${name} cannot be made (${cut(oneLine(waiting.message), 150)})`;
  if (waiting !== undefined && /Error$/.test(waiting.reason) && !pullReasons.has(waiting.reason))
    return `container ${name} cannot be made (${oneWord(waiting.reason)})`;
  if (exit === undefined) return undefined;
  const reason = exit.reason === "" || exit.reason === "Error" ? "" : `, ${oneWord(exit.reason)}`;
  return `container ${name} ends with exit code ${exit.code}${reason}`;
}

function unschedulableCause({ side, namespace, pods }: CauseInput): Cause | undefined {
  const waiting = pods.filter(({ unschedulable }) => unschedulable !== undefined);
  const [first] = waiting.map(({ unschedulable = "" }) => cut(oneLine(unschedulable), 300)).sort();
  if (first === undefined) return undefined;
  const { name } = workloads[side].workload;
  return {
    reason: "PodsUnschedulable",
    message: `${counted(waiting.length, "pod")} cannot be scheduled: ${first}`,
    toDo: `kubectl -n ${namespace} describe pods -l app.kubernetes.io/name=${name}`,
  };
}

function nodesOf(pods: readonly OwnPod[]): string {
  return counted(new Set(pods.map(({ node }) => node)).size, "node");
}

function counted(number: number, word: string): string {
  return `${number} ${word}${number === 1 ? "" : "s"}`;
}

/** Reasons are words; anything else is somebody's text. */
function oneWord(text: string): string {
  return /^[A-Za-z][A-Za-z0-9]{0,63}$/.test(text) ? text : "Error";
}
