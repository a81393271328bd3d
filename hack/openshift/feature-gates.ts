/** What OpenShift's config operator writes into `status.featureGates` for a `spec.featureSet`. */
import { z } from "zod";

export const gateLists = z.object({
  enabled: z.array(z.object({ name: z.string() })).default([]),
  disabled: z.array(z.object({ name: z.string() })).default([]),
});
export type GateLists = z.infer<typeof gateLists>;

export const specSchema = z.object({
  featureSet: z.string().default(""),
  customNoUpgrade: z
    .object({ enabled: z.array(z.string()).nullish(), disabled: z.array(z.string()).nullish() })
    .nullish(),
});
export type FeatureGateSpec = z.infer<typeof specSchema>;

/** Our gate is no longer in the pinned lists; 4.18 had it in TechPreviewNoUpgrade and DevPreviewNoUpgrade only. */
const ourGate = "InsightsRuntimeExtractor";
const preview = new Set(["TechPreviewNoUpgrade", "DevPreviewNoUpgrade"]);

/** `shipped` are the lists of the named feature set; CustomNoUpgrade starts from those of Default. */
export function featureGates(spec: FeatureGateSpec, shipped: GateLists): GateLists {
  const state = new Map<string, boolean>();
  for (const { name } of shipped.disabled) state.set(name, false);
  for (const { name } of shipped.enabled) state.set(name, true);
  state.set(ourGate, preview.has(spec.featureSet));
  if (spec.featureSet === "CustomNoUpgrade") {
    for (const name of spec.customNoUpgrade?.disabled ?? []) state.set(name, false);
    for (const name of spec.customNoUpgrade?.enabled ?? []) state.set(name, true);
  }
  const named = (wanted: boolean) =>
    [...state]
      .filter(([, on]) => on === wanted)
      .map(([name]) => ({ name }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  return { enabled: named(true), disabled: named(false) };
}
