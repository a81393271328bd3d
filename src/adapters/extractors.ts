/** Where the extractors are, and how the cluster wants TLS to be spoken. */
import { isIP } from "node:net";
import { getCiphers, type SecureVersion } from "node:tls";
import { z } from "zod";
import { type Wanted, wanted } from "../api/json-cursor.ts";
import { ListReader } from "../api/list.ts";
import { type Placement, placementSchema } from "../api/node.ts";
import { problemOf } from "../api/object.ts";
import type { Api } from "./connection.ts";
import { askPatiently, describe } from "./patience.ts";

const pageSize = 500;
const maxPages = 100;

/** Which pods are extractors. */
export interface ExtractorSelection {
  readonly namespace: string;
  /** `LABEL=VALUE` of the pods. */
  readonly selector: string;
  /** Whose pods they have to be; absent means any DaemonSet of the namespace. */
  readonly daemonSetName?: string;
}

export interface Extractor {
  readonly node: string;
  /** IP address of the pod, empty when it has none. */
  readonly address: string;
  /** Running, with all containers ready, and not about to be deleted. */
  readonly ready: boolean;
}

const daemonSetSchema = z.object({
  metadata: z.object({ uid: z.string() }),
  spec: z.object({ template: z.object({ spec: placementSchema }).nullish() }).nullish(),
});

const extractorPodSchema = z.object({
  metadata: z.object({
    deletionTimestamp: z.string().nullish(),
    ownerReferences: z.array(z.object({ uid: z.string(), controller: z.boolean().nullish() })).nullish(),
  }),
  spec: z.object({ nodeName: z.string().nullish() }),
  status: z
    .object({
      phase: z.string().nullish(),
      podIP: z.string().nullish(),
      conditions: z.array(z.object({ type: z.string(), status: z.string() })).nullish(),
    })
    .nullish(),
});
const extractorPodFields = wanted({
  metadata: { deletionTimestamp: true, ownerReferences: { uid: true, controller: true } },
  spec: { nodeName: true },
  status: { phase: true, podIP: true, conditions: { type: true, status: true } },
});
type ExtractorPod = z.infer<typeof extractorPodSchema>;

const pageFields = wanted({ metadata: { continue: true } });
const pageSchema = z.object({
  metadata: z.object({ continue: z.string().nullish() }).nullish(),
  items: z.array(z.unknown()).nullish(),
});

export interface Extractors {
  readonly byNode: ReadonlyMap<string, Extractor>;
  /** Where their DaemonSet wants to run; undefined when there is none. */
  readonly placement: Placement | undefined;
}

const anywhere: Placement = { nodeSelector: {}, tolerations: [], architectures: [] };
const what = "looking for the extractors";

/** The extractor pod of each node: only pods whose controller is such a DaemonSet, whatever labels others carry. */
export async function findExtractors(
  api: Api,
  selection: ExtractorSelection,
  signal: AbortSignal,
): Promise<Extractors> {
  const { namespace, selector } = selection;
  const placements = await placementsOf(api, selection, signal);
  const byNode = new Map<string, Extractor>();
  let placement: Placement | undefined;
  if (placements.size === 0) return { byNode, placement };
  const path = `/api/v1/namespaces/${namespace}/pods`;
  const list = { path, query: { labelSelector: selector }, fields: extractorPodFields, signal };
  for await (const item of listed(api, list)) {
    const { data: pod } = extractorPodSchema.safeParse(item);
    if (pod === undefined) continue;
    const owner = pod.metadata.ownerReferences?.find(({ controller }) => controller === true)?.uid ?? "";
    if (!placements.has(owner)) continue;
    placement ??= placements.get(owner);
    const extractor = extractorOf(pod);
    if (extractor.node !== "" && (extractor.ready || !byNode.has(extractor.node)))
      byNode.set(extractor.node, extractor);
  }
  const [first] = placements.values();
  return { byNode, placement: placement ?? first };
}

/** The DaemonSets in question, by uid, with where they want to run. */
async function placementsOf(
  api: Api,
  { namespace, daemonSetName }: ExtractorSelection,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Placement>> {
  const path = `/apis/apps/v1/namespaces/${namespace}/daemonsets`;
  const placements = new Map<string, Placement>();
  const add = (object: unknown) => {
    const { metadata, spec } = decode(daemonSetSchema, object);
    placements.set(metadata.uid, spec?.template?.spec ?? anywhere);
  };
  if (daemonSetName === undefined) {
    for await (const item of listed(api, { path, query: {}, fields: true, signal })) add(item);
    return placements;
  }
  const answer = await askPatiently(api, { path: `${path}/${daemonSetName}` }, { what, signal });
  if (answer.status === 404) return placements;
  if (answer.status !== 200) throw new Error(`${what}: ${describe(answer)}`);
  add(answer.body);
  return placements;
}

interface ListCall {
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** Of an item. */
  readonly fields: Wanted;
  readonly signal: AbortSignal;
}

async function* listed(api: Api, { path, query, fields, signal }: ListCall): AsyncGenerator<unknown, void> {
  let continueToken = "";
  for (let page = 0; page < maxPages; page += 1) {
    const paged = { ...query, limit: pageSize, ...(continueToken === "" ? {} : { continue: continueToken }) };
    let items: unknown[] = [];
    const onItem = (item: unknown) => items.push(item);
    let reader = new ListReader({ what, fields: pageFields, fieldsOfItem: fields, onItem });
    const into = () => {
      items = [];
      reader = new ListReader({ what, fields: pageFields, fieldsOfItem: fields, onItem });
      return (chunk: Buffer) => reader.push(chunk);
    };
    const answer = await askPatiently(api, { path, query: paged, into }, { what, signal });
    if (answer.status !== 200) throw new Error(`${what}: ${describe(answer)}`);
    const { metadata } = decode(pageSchema, reader.finish());
    yield* items;
    continueToken = metadata?.continue ?? "";
    if (continueToken === "") return;
  }
}

/** Throws one sentence. */
function decode<T>(schema: z.ZodType<T>, value: unknown, doing = what): T {
  const decoded = schema.safeParse(value);
  if (decoded.success) return decoded.data;
  throw new Error(`${doing}: ${problemOf(decoded.error)}`);
}

function extractorOf({ metadata, spec, status }: ExtractorPod): Extractor {
  const address = status?.podIP ?? "";
  const isReady = status?.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True") ?? false;
  const isLeaving = metadata.deletionTimestamp !== undefined && metadata.deletionTimestamp !== null;
  return {
    node: spec.nodeName ?? "",
    address,
    ready: status?.phase === "Running" && isReady && !isLeaving && isIP(address) !== 0,
  };
}

/** What of a TLS profile a client obeys. */
export interface TlsProfile {
  readonly minVersion: SecureVersion;
  /** OpenSSL names joined by colons; absent means Node's own list. */
  readonly ciphers?: string;
}

export const intermediateProfile: TlsProfile = { minVersion: "TLSv1.2" };

const apiServerSchema = z.object({
  spec: z
    .object({
      tlsSecurityProfile: z
        .object({
          type: z.string().nullish(),
          custom: z.object({ minTLSVersion: z.string().nullish(), ciphers: z.array(z.string()).nullish() }).nullish(),
        })
        .nullish(),
    })
    .nullish(),
});

const versions: Readonly<Record<string, SecureVersion>> = {
  VersionTLS10: "TLSv1",
  VersionTLS11: "TLSv1.1",
  VersionTLS12: "TLSv1.2",
  VersionTLS13: "TLSv1.3",
};

export type ProfileAnswer =
  | { readonly kind: "known"; readonly profile: TlsProfile }
  /** It could not be read; the Intermediate profile is a safe guess, and worth a note. */
  | { readonly kind: "guessed"; readonly profile: TlsProfile; readonly problem: string };

const readingProfile = "reading the TLS profile of the cluster";

/** The cluster's TLS profile; Intermediate on a cluster that has no such thing. */
export async function readTlsProfile(api: Api, signal: AbortSignal): Promise<ProfileAnswer> {
  try {
    const path = "/apis/config.openshift.io/v1/apiservers/cluster";
    const answer = await askPatiently(api, { path }, { what: readingProfile, signal, delaysMs: [500] });
    if (answer.status === 404) return { kind: "known", profile: intermediateProfile };
    if (answer.status !== 200) throw new Error(`${readingProfile}: ${describe(answer)}`);
    return { kind: "known", profile: profileOf(answer.body) };
  } catch (cause) {
    signal.throwIfAborted();
    return {
      kind: "guessed",
      profile: intermediateProfile,
      problem: cause instanceof Error ? cause.message : readingProfile,
    };
  }
}

/** Of an APIServer object; whatever it does not say, or says in unknown words, is Intermediate. */
export function profileOf(apiServer: unknown): TlsProfile {
  const { spec } = decode(apiServerSchema, apiServer, readingProfile);
  const profile = spec?.tlsSecurityProfile;
  switch (profile?.type) {
    case "Old":
      return { minVersion: "TLSv1" };
    case "Modern":
      return { minVersion: "TLSv1.3" };
    case "Custom": {
      const known = new Set(getCiphers());
      const ciphers = (profile.custom?.ciphers ?? []).filter((name) => known.has(name.toLowerCase())).join(":");
      const minVersion = versions[profile.custom?.minTLSVersion ?? ""] ?? intermediateProfile.minVersion;
      return { minVersion, ...(ciphers === "" ? {} : { ciphers }) };
    }
    default:
      return intermediateProfile;
  }
}
