/** The CA of the exporters and a token they accept: from files in a pod, from the API server outside. */
import { readFile } from "node:fs/promises";
import { z } from "zod";
import type { ExporterAccess } from "../core/exporters.ts";
import type { Api } from "./connection.ts";
import type { Credentials } from "./exporters.ts";
import { describe } from "./patience.ts";

const tokenSeconds = 600;
/** A token is used for half its life at most, since asking a node takes time too. */
const tokenUseMs = (tokenSeconds * 1000) / 2;

/** Reads the files at each use: the kubelet replaces them. */
export function fileCredentials(files: { readonly caFile: string; readonly tokenFile: string }): Credentials {
  return { ca: () => readFile(files.caFile, "utf8"), token: () => readFile(files.tokenFile, "utf8") };
}

const configMapSchema = z.object({ data: z.record(z.string(), z.string()).nullish() });
const tokenSchema = z.object({ status: z.object({ token: z.string() }) });

/** The published CA bundle, and short tokens of the account that may ask for whoever may request them. */
export function clusterCredentials(api: Api, access: ExporterAccess, nowMs: () => number): Credentials {
  let current: { readonly token: Promise<string>; readonly sinceMs: number } | undefined;
  return {
    ca: () => readBundle(api, access),
    token: () => {
      if (current === undefined || nowMs() - current.sinceMs > tokenUseMs)
        current = { token: requestToken(api, access), sinceMs: nowMs() };
      return current.token;
    },
  };
}

async function readBundle(api: Api, { namespace, caBundle: { name, key } }: ExporterAccess): Promise<string> {
  const bundle = `ConfigMap ${namespace}/${name}`;
  const answer = await api.call({ path: `/api/v1/namespaces/${namespace}/configmaps/${name}` });
  if (answer.status === 403) throw new Error(`this user may not get ${bundle}`);
  if (answer.status === 404) throw new Error(`there is no ${bundle}`);
  if (answer.status !== 200) throw new Error(`${bundle}: ${describe(answer)}`);
  const text = configMapSchema.parse(answer.body).data?.[key];
  if (text === undefined) throw new Error(`${bundle} has no ${key}`);
  return text;
}

async function requestToken(api: Api, { namespace, serviceAccount, audience }: ExporterAccess): Promise<string> {
  const account = `service account ${namespace}/${serviceAccount}`;
  const answer = await api.call({
    method: "POST",
    path: `/api/v1/namespaces/${namespace}/serviceaccounts/${serviceAccount}/token`,
    body: {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenRequest",
      spec: { ...(audience === undefined ? {} : { audiences: [audience] }), expirationSeconds: tokenSeconds },
    },
  });
  if (answer.status === 403) throw new Error(`this user may not create a token of ${account}`);
  if (answer.status === 404) throw new Error(`there is no ${account}`);
  if (answer.status !== 201) throw new Error(`requesting a token of ${account}: ${describe(answer)}`);
  return tokenSchema.parse(answer.body).status.token;
}
