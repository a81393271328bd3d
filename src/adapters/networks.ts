/** Reads what an archive must not tell of the cluster's network. */
import type { z } from "zod";
import { dnsConfigSchema, infrastructureSchema, networkConfigSchema } from "../api/network.ts";
import { problemOf } from "../api/object.ts";
import type { NetworkFacts } from "../core/obfuscation.ts";
import type { Api } from "./connection.ts";
import { askPatiently, describe } from "./patience.ts";

const group = "/apis/config.openshift.io/v1";

export interface NetworksOptions {
  readonly signal: AbortSignal;
  /** Waits between tries. */
  readonly delaysMs?: readonly number[];
}

/** Throws when an object is there and cannot be read: then nobody knows what to hide. */
export async function readNetworks(api: Api, options: NetworksOptions): Promise<NetworkFacts> {
  const [networks, baseDomain, apiHosts] = await Promise.all([
    readOne(api, `${group}/networks/cluster`, networkConfigSchema, options),
    readOne(api, `${group}/dnses/cluster`, dnsConfigSchema, options),
    readOne(api, `${group}/infrastructures/cluster`, infrastructureSchema, options),
  ]);
  return { networks: networks ?? null, baseDomain: baseDomain ?? "", apiHosts: apiHosts ?? [] };
}

async function readOne<T>(
  api: Api,
  path: string,
  schema: z.ZodType<T>,
  { signal, delaysMs }: NetworksOptions,
): Promise<T | undefined> {
  const what = `reading ${path.slice(group.length + 1)}`;
  const patience = { what, signal, ...(delaysMs === undefined ? {} : { delaysMs }) };
  const answer = await askPatiently(api, { path }, patience);
  if (answer.status === 404) return undefined;
  if (answer.status !== 200) throw new Error(`${what}: ${describe(answer)}`);
  const decoded = schema.safeParse(answer.body);
  if (decoded.success) return decoded.data;
  throw new Error(`${what}: ${problemOf(decoded.error)}`);
}
