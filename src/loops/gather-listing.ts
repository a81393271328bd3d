/** The first part of a gather: pods, and beside them images, Helm's objects and what must not be told. */
import { readHelmCharts } from "../adapters/helm.ts";
import { findImageApi, ImageReader } from "../adapters/images.ts";
import { type Namespaces, readNamespaces } from "../adapters/namespaces.ts";
import { readNetworks } from "../adapters/networks.ts";
import { podPages } from "../adapters/pods.ts";
import type { GatherOrder } from "../api/gather.ts";
import type { HelmFacts } from "../core/archive.ts";
import type { Images } from "../core/merge.ts";
import { makeObfuscation } from "../core/obfuscation.ts";
import { addPods, type Draft, emptyDraft } from "../core/shapes.ts";
import { between, type GatherWorld, patienceOf, problemOf } from "./gather-world.ts";

/** How long the reading of images may outlast the rest, as upstream grants it. */
const upstreamsWaitMs = (pods: number) => pods * 100 + 15_000;

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

export async function listPods(
  order: GatherOrder,
  world: GatherWorld,
  signal: AbortSignal,
  notes: string[],
): Promise<Listed> {
  const { api, images, nowMs } = world;
  const patience = patienceOf(world, signal);
  const [namespaces, imageApi] = await Promise.all([
    order.runtimeInfo || order.namespaces !== undefined
      ? readNamespaces(api, patience).catch((cause: unknown) => problemOf(cause, signal))
      : undefined,
    order.images ? findImageApi(api, signal) : "unwanted",
  ]);
  const rules = { podLimit: order.podLimit, isExcluded: exclusionOf(order, namespaces) };
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
  return { kind: "listed", draft, unknownOptOuts, images: (all) => readImages(all, reader, world, notes) };
}

/** A text says why they could not be read; undefined when nobody needs them. */
type NamespacesRead = Namespaces | string | undefined;

/** A namespace that came after they were read may have opted out: it counts as one that did. */
function exclusionOf({ excludedNamespaces }: GatherOrder, namespaces: NamespacesRead): (name: string) => boolean {
  const excluded = new Set(excludedNamespaces);
  if (typeof namespaces !== "object") return (name) => excluded.has(name);
  return (name) => excluded.has(name) || namespaces.excluded.has(name) || !namespaces.names.has(name);
}

/** Names that a user wrote and that no namespace has. */
function namespaceNotes({ namespaces: only = [] }: GatherOrder, namespaces: NamespacesRead): readonly string[] {
  if (typeof namespaces !== "object") return [];
  return [...new Set(only)]
    .filter((name) => !namespaces.names.has(name))
    .map((name) => `There is no namespace ${name}`);
}

async function readImages(
  draft: Draft,
  reader: ImageReader | undefined,
  { imageWaitMs = upstreamsWaitMs(draft.pods) }: GatherWorld,
  notes: string[],
): Promise<Images> {
  const ids = draft.images;
  if (reader === undefined) return { count: ids.size, found: new Map() };
  const { found, complete, failed } = await reader.finish(imageWaitMs);
  if (failed > 0) notes.push(`${failed} images could not be read`);
  if (complete) return { count: ids.size, found: new Map([...found].filter(([id]) => ids.has(id))) };
  notes.push("The images could not be read in time and are left out");
  return { count: 0, found: new Map() };
}

type Hiding =
  | { readonly kind: "ready"; readonly obfuscate: ((text: string) => string) | undefined }
  | { readonly kind: "failed"; readonly message: string };

/** Nothing leaves in clear text that was to be hidden: when nobody knows what to hide, nothing is gathered. */
export async function readObfuscation(
  { obfuscateNetworking }: GatherOrder,
  world: GatherWorld,
  signal: AbortSignal,
  notes: string[],
): Promise<Hiding> {
  if (!obfuscateNetworking) return { kind: "ready", obfuscate: undefined };
  try {
    const networks = await readNetworks(world.api, patienceOf(world, signal));
    if (networks.networks === null)
      notes.push("The cluster does not name its networks; all addresses are replaced by 0.0.0.0");
    return { kind: "ready", obfuscate: makeObfuscation(networks) };
  } catch (cause) {
    return { kind: "failed", message: problemOf(cause, signal) };
  }
}

/** Beside the rest, and not for ever; an abort ends it with an answer that nobody looks at. */
export async function readHelm(
  order: GatherOrder,
  world: GatherWorld,
  signal: AbortSignal,
): Promise<HelmFacts | undefined> {
  if (!order.helm) return undefined;
  const { api, nowMs, helmTimeoutMs = 300_000 } = world;
  const startedAtMs = nowMs();
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(helmTimeoutMs)]);
  const options = { namespaces: order.namespaces, ...patienceOf(world, deadline) };
  const late = `listing the objects that Helm made: not done within ${helmTimeoutMs / 1000} s`;
  const read = await readHelmCharts(api, options).catch(() => ({ charts: null, errors: [late] }));
  return signal.aborted ? undefined : { ...read, durationMs: between(startedAtMs, nowMs()) };
}
