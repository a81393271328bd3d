/** The feature gate as OpenShift publishes it. */
import { z } from "zod";

export const gateName = "InsightsRuntimeExtractor";

/** What one read of an object led to; `no API` when the cluster does not serve its kind. */
export type Read =
  | { readonly kind: "found"; readonly object: unknown }
  | { readonly kind: "absent" }
  | { readonly kind: "no API" }
  | { readonly kind: "failed"; readonly message: string };

export type Gate =
  | { readonly state: "enabled" | "disabled" | "not listed"; readonly version: string }
  | { readonly state: "unknown"; readonly why: string }
  | { readonly state: "no API" };
export type GateState = Gate["state"];

const named = z.array(z.object({ name: z.string() })).nullish();
const featureGateSchema = z.object({
  status: z
    .object({ featureGates: z.array(z.object({ version: z.string(), enabled: named, disabled: named })).nullish() })
    .nullish(),
});
const clusterVersionSchema = z.object({
  status: z.object({ desired: z.object({ version: z.string().min(1) }) }),
});

/**
 * The gate's state for exactly the version that the cluster is to have; another version's entry and `spec` are never used.
 * Whatever cannot be read or decoded is `unknown`, save that a cluster without the FeatureGate API has `no API`.
 */
export function decodeGate(featureGate: Read, clusterVersion: Read): Gate {
  if (featureGate.kind === "no API") return { state: "no API" };
  if (featureGate.kind === "failed") return unknown(`reading FeatureGate cluster failed: ${featureGate.message}`);
  if (featureGate.kind === "absent") return unknown("there is no FeatureGate cluster yet");
  if (clusterVersion.kind === "no API") return unknown("the cluster serves no ClusterVersion API");
  if (clusterVersion.kind === "failed")
    return unknown(`reading ClusterVersion version failed: ${clusterVersion.message}`);
  if (clusterVersion.kind === "absent") return unknown("there is no ClusterVersion version yet");
  const desired = clusterVersionSchema.safeParse(clusterVersion.object);
  if (!desired.success) return unknown("ClusterVersion version names no desired version yet");
  const gates = featureGateSchema.safeParse(featureGate.object);
  if (!gates.success) return unknown("FeatureGate cluster has a status that cannot be read");
  const { version } = desired.data.status.desired;
  const entry = gates.data.status?.featureGates?.find((one) => one.version === version);
  if (entry === undefined) return unknown(`FeatureGate cluster has no entry for version ${version} yet`);
  const lists = (list: z.infer<typeof named>) => list?.some(({ name }) => name === gateName) ?? false;
  if (lists(entry.enabled)) return { state: "enabled", version };
  if (lists(entry.disabled)) return { state: "disabled", version };
  return { state: "not listed", version };
}

function unknown(why: string): Gate {
  return { state: "unknown", why };
}
