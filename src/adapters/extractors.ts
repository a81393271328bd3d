/** Where the extractors are, and how the cluster wants TLS to be spoken. */
import { getCiphers, type SecureVersion } from "node:tls";
import { z } from "zod";
import { type Placement, placementSchema } from "../api/node.ts";
import type { Api } from "./connection.ts";
import { askPatiently, describe } from "./patience.ts";

const daemonSetName = "runtime-insights-extractor";
const maxPages = 100;

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

const extractorPodsSchema = z.object({
  metadata: z.object({ continue: z.string().nullish() }).nullish(),
  items: z
    .array(
      z.object({
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
      }),
    )
    .nullish(),
});
type ExtractorPod = NonNullable<z.infer<typeof extractorPodsSchema>["items"]>[number];

export interface Extractors {
  readonly byNode: ReadonlyMap<string, Extractor>;
  /** Where their DaemonSet wants to run. */
  readonly placement: Placement;
}

/** The extractor pod of each node: only pods whose controller is our DaemonSet, whatever labels others carry. */
export async function findExtractors(api: Api, namespace: string, signal: AbortSignal): Promise<Extractors> {
  const what = "looking for the extractors";
  const daemonSets = `/apis/apps/v1/namespaces/${namespace}/daemonsets`;
  const daemonSet = await askPatiently(api, { path: `${daemonSets}/${daemonSetName}` }, { what, signal });
  if (daemonSet.status === 404) return { byNode: new Map(), placement: { nodeSelector: {}, tolerations: [] } };
  if (daemonSet.status !== 200) throw new Error(`${what}: ${describe(daemonSet)}`);
  const { metadata, spec } = daemonSetSchema.parse(daemonSet.body);
  const { uid } = metadata;
  const found = new Map<string, Extractor>();
  let continueToken = "";
  for (let page = 0; page < maxPages; page += 1) {
    const query = {
      labelSelector: `app.kubernetes.io/name=${daemonSetName}`,
      limit: 500,
      ...(continueToken === "" ? {} : { continue: continueToken }),
    };
    const answer = await askPatiently(api, { path: `/api/v1/namespaces/${namespace}/pods`, query }, { what, signal });
    if (answer.status !== 200) throw new Error(`${what}: ${describe(answer)}`);
    const list = extractorPodsSchema.parse(answer.body);
    for (const pod of list.items ?? []) {
      if (!pod.metadata.ownerReferences?.some((owner) => owner.controller === true && owner.uid === uid)) continue;
      const extractor = extractorOf(pod);
      if (extractor.node !== "" && (extractor.ready || !found.has(extractor.node)))
        found.set(extractor.node, extractor);
    }
    continueToken = list.metadata?.continue ?? "";
    if (continueToken === "") break;
  }
  return { byNode: found, placement: spec?.template?.spec ?? { nodeSelector: {}, tolerations: [] } };
}

function extractorOf({ metadata, spec, status }: ExtractorPod): Extractor {
  const address = status?.podIP ?? "";
  const isReady = status?.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True") ?? false;
  const isLeaving = metadata.deletionTimestamp !== undefined && metadata.deletionTimestamp !== null;
  return {
    node: spec.nodeName ?? "",
    address,
    ready: status?.phase === "Running" && isReady && !isLeaving && address !== "",
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

/** The cluster's TLS profile; Intermediate on a cluster that has no such thing. */
export async function readTlsProfile(api: Api, signal: AbortSignal): Promise<ProfileAnswer> {
  const what = "reading the TLS profile of the cluster";
  try {
    const path = "/apis/config.openshift.io/v1/apiservers/cluster";
    const answer = await askPatiently(api, { path }, { what, signal, delaysMs: [500] });
    if (answer.status === 404) return { kind: "known", profile: intermediateProfile };
    if (answer.status !== 200) throw new Error(`${what}: ${describe(answer)}`);
    return { kind: "known", profile: profileOf(answer.body) };
  } catch (cause) {
    signal.throwIfAborted();
    return { kind: "guessed", profile: intermediateProfile, problem: cause instanceof Error ? cause.message : what };
  }
}

/** Of an APIServer object; whatever it does not say, or says in unknown words, is Intermediate. */
export function profileOf(apiServer: unknown): TlsProfile {
  const { spec } = apiServerSchema.parse(apiServer);
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
