/** Sending archives away: how its outcomes are called, and the objects it reads. */
import { z } from "zod";

/** What a try can lead to; docs/archive.md says for each what to do. */
export const uploadReasons = [
  "Uploaded",
  "NotAuthorized",
  "Refused",
  "Redirected",
  "TooLarge",
  "Throttled",
  "ServerFailed",
  "Timeout",
  "NoTrust",
  "Unreachable",
  "ProxyFailed",
  "NoToken",
  "ArchiveUnavailable",
] as const;
export type UploadReason = (typeof uploadReasons)[number];

export const lastUploadSchema = z.object({
  archive: z
    .string()
    .max(253)
    .optional()
    .meta({ description: "What was to be sent; absent when none could be chosen." }),
  time: z.string().meta({ format: "date-time", description: "Of the first of the tries that ended alike." }),
  succeeded: z.boolean().meta({ description: "The archive was received." }),
  reason: z.string().max(128).meta({ description: "How it ended, in a word: docs/archive.md." }),
  message: z.string().max(1024).meta({ description: "How it ended, in a sentence." }),
  requestId: z.string().max(128).optional().meta({ description: "Given by the receiver, for its support." }),
  lastSuccess: z
    .object({
      archive: z.string().max(253).meta({ description: "Its name." }),
      time: z.string().meta({ format: "date-time", description: "When it was received." }),
    })
    .optional()
    .meta({ description: "The newest archive that was received. Only newer ones are sent." }),
});
export type LastUpload = z.infer<typeof lastUploadSchema>;

export type Decoded =
  | { readonly kind: "found"; readonly text: string }
  | { readonly kind: "unusable"; readonly why: string };

const secretSchema = z.object({
  type: z.string().default("Opaque"),
  metadata: z.object({ labels: z.record(z.string(), z.string()).default({}) }),
  data: z.record(z.string(), z.base64()).default({}),
});

/** Secrets that hold the operator's own keys, and tokens that are worth something at the API server. */
const withheldTypes: readonly string[] = ["kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"];

/** The token of a Secret that an administrator made for it: one line of visible characters. `ownLabel` marks the Secrets that are never sent. */
export function decodeToken(secret: unknown, key: string, ownLabel: readonly [key: string, value: string]): Decoded {
  const decoded = secretSchema.safeParse(secret);
  if (!decoded.success) return { kind: "unusable", why: "cannot be understood" };
  const { type, metadata, data } = decoded.data;
  if (metadata.labels[ownLabel[0]] === ownLabel[1]) return { kind: "unusable", why: "is one of the operator's own" };
  if (withheldTypes.includes(type)) return { kind: "unusable", why: `is of type ${type}, which is never sent` };
  const encoded = Object.hasOwn(data, key) ? data[key] : undefined;
  if (encoded === undefined) return { kind: "unusable", why: `has no key ${key}` };
  const text = atob(encoded).trim();
  if (text === "") return { kind: "unusable", why: `has nothing under key ${key}` };
  if (!/^[!-~]{1,16384}$/.test(text)) return { kind: "unusable", why: `holds under key ${key} what can be no token` };
  return { kind: "found", text };
}

const configMapSchema = z.object({ data: z.record(z.string(), z.string()).default({}) });

/** Certificates of a ConfigMap, in PEM. */
export function decodeBundle(configMap: unknown, key: string): Decoded {
  const decoded = configMapSchema.safeParse(configMap);
  if (!decoded.success) return { kind: "unusable", why: "cannot be understood" };
  const text = Object.hasOwn(decoded.data.data, key) ? decoded.data.data[key] : undefined;
  if (text === undefined) return { kind: "unusable", why: `has no key ${key}` };
  if (!text.includes("-----BEGIN CERTIFICATE-----"))
    return { kind: "unusable", why: `holds no certificate under key ${key}` };
  return { kind: "found", text };
}

const clusterVersionSchema = z.object({ spec: z.object({ clusterID: z.string().regex(/^[A-Za-z0-9-]{1,64}$/) }) });

/** The cluster's id from its ClusterVersion; undefined when it has none that can be said in a header. */
export function decodeClusterId(clusterVersion: unknown): string | undefined {
  const decoded = clusterVersionSchema.safeParse(clusterVersion);
  return decoded.success ? decoded.data.spec.clusterID : undefined;
}
