/** Where our gatherers are: the endpoints of their Service, also those that are not ready or are about to end. */
import { isIP } from "node:net";
import { z } from "zod";
import { problemOf } from "../api/object.ts";
import { names } from "../core/operands.ts";
import type { Api } from "./connection.ts";

export interface Endpoint {
  /** Of the pod. */
  readonly uid: string;
  readonly name: string;
  /** E.g. `https://10.0.0.1:8443`. */
  readonly origin: string;
  /** Its pod is being deleted. */
  readonly leaving: boolean;
  /** Its own answer to the kubelet's probe; false also when nobody knows. */
  readonly ready: boolean;
}

/** The label by which the controller names a slice's Service. */
export const gathererSlices = `kubernetes.io/service-name=${names.gatherer}`;

export function endpointSlicePath(namespace: string): string {
  return `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`;
}

const sliceSchema = z.object({
  addressType: z.string(),
  endpoints: z
    .array(
      z.object({
        addresses: z.array(z.string()),
        conditions: z.object({ ready: z.boolean().nullish(), terminating: z.boolean().nullish() }).nullish(),
        targetRef: z.object({ kind: z.string().nullish(), name: z.string(), uid: z.string() }).nullish(),
      }),
    )
    .nullish(),
  ports: z.array(z.object({ name: z.string().nullish(), port: z.int().nullish() })).nullish(),
});
const slicesSchema = z.object({ items: z.array(sliceSchema).max(100) });

/** The origin of what listens at an IP address. */
export type OriginOf = (address: string, port: number) => string;

export const httpsOrigin: OriginOf = (address, port) =>
  `https://${isIP(address) === 6 ? `[${address}]` : address}:${port}`;

/** Each once, by name; throws one sentence when they cannot be had. */
export async function gathererEndpoints(
  api: Api,
  namespace: string,
  originOf = httpsOrigin,
): Promise<readonly Endpoint[]> {
  const answer = await api.call({
    path: endpointSlicePath(namespace),
    query: { labelSelector: gathererSlices, limit: 100 },
    timeoutMs: 10_000,
  });
  const what = "looking for the gatherer's endpoints";
  if (answer.status !== 200) throw new Error(`${what}: status ${answer.status}`);
  const decoded = slicesSchema.safeParse(answer.body);
  if (!decoded.success) throw new Error(`${what}: ${problemOf(decoded.error)}`);
  const byUid = new Map<string, Endpoint>();
  // A pod of two address families is in two slices; IPv4 comes first.
  for (const slice of decoded.data.items.toSorted((a, b) => (a.addressType < b.addressType ? -1 : 1))) {
    const port = slice.ports?.find(({ name }) => name === "https")?.port;
    if (port === undefined || port === null) continue;
    for (const { addresses, conditions, targetRef } of slice.endpoints ?? []) {
      const [address = ""] = addresses;
      if (targetRef?.kind !== "Pod" || isIP(address) === 0 || byUid.has(targetRef.uid)) continue;
      const { uid, name } = targetRef;
      const [leaving, ready] = [conditions?.terminating === true, conditions?.ready === true];
      byUid.set(uid, { uid, name, origin: originOf(address, port), leaving, ready });
    }
  }
  return [...byUid.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

const listSchema = z.object({
  items: z.array(z.object({ metadata: z.object({ deletionTimestamp: z.string().nullish() }) })),
});

/**
 * Whether our Deployment makes another gatherer in place of one that ends. False in an uninstall: when the Deployment or our role is
 * gone or going, or the namespace is, of which the API server deletes all pods first; true when the API server does not answer.
 */
export async function isFollowed(api: Api, namespace: string): Promise<boolean> {
  const stays = async (path: string, name: string) => {
    const answer = await api.call({ path, query: { fieldSelector: `metadata.name=${name}` }, timeoutMs: 5_000 });
    if (answer.status >= 500 || answer.status === 429) return true;
    const { data } = listSchema.safeParse(answer.body);
    return data?.items.some(({ metadata }) => (metadata.deletionTimestamp ?? undefined) === undefined) ?? false;
  };
  try {
    if (!(await stays("/api/v1/namespaces", namespace))) return false;
    return await stays(`/apis/apps/v1/namespaces/${namespace}/deployments`, names.gatherer);
  } catch {
    return true;
  }
}
