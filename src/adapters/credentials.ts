/** The CA of the exporters and a token they accept: from files in a pod, from the API server outside. */
import { readFile } from "node:fs/promises";
import { z } from "zod";
import type { Api } from "./connection.ts";
import type { Credentials } from "./exporters.ts";
import { describe } from "./patience.ts";

const audience = "runtime-insights-exporter";
const serviceAccount = "runtime-insights-gatherer";
const caBundle = "runtime-insights-ca-bundle";
const tokenSeconds = 600;
/** A token is used for half its life at most, since asking a node takes time too. */
const tokenUseMs = (tokenSeconds * 1000) / 2;

/** Reads the files at each use: the kubelet replaces them. */
export function fileCredentials(files: { readonly caFile: string; readonly tokenFile: string }): Credentials {
  return { ca: () => readFile(files.caFile, "utf8"), token: () => readFile(files.tokenFile, "utf8") };
}

const configMapSchema = z.object({ data: z.object({ "ca.crt": z.string() }) });
const tokenSchema = z.object({ status: z.object({ token: z.string() }) });

/** The published CA bundle, and short tokens of the gatherer's account for whoever may request them. */
export function clusterCredentials(api: Api, namespace: string, nowMs: () => number): Credentials {
  const core = `/api/v1/namespaces/${namespace}`;
  let current: { readonly token: Promise<string>; readonly sinceMs: number } | undefined;
  const request = async (): Promise<string> => {
    const path = `${core}/serviceaccounts/${serviceAccount}/token`;
    const body = {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenRequest",
      spec: { audiences: [audience], expirationSeconds: tokenSeconds },
    };
    const answer = await api.call({ method: "POST", path, body });
    if (answer.status !== 201)
      throw new Error(`requesting a token of service account ${namespace}/${serviceAccount}: ${describe(answer)}`);
    return tokenSchema.parse(answer.body).status.token;
  };
  return {
    ca: async () => {
      const answer = await api.call({ path: `${core}/configmaps/${caBundle}` });
      if (answer.status !== 200) throw new Error(`reading ConfigMap ${namespace}/${caBundle}: ${describe(answer)}`);
      return configMapSchema.parse(answer.body).data["ca.crt"];
    },
    token: () => {
      if (current === undefined || nowMs() - current.sinceMs > tokenUseMs)
        current = { token: request(), sinceMs: nowMs() };
      return current.token;
    },
  };
}
