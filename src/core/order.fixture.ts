import type { GatherOrder } from "../api/gather.ts";

/** An order as a default config leads to, with one's own fields. */
export function makeOrder(fields: Partial<GatherOrder> = {}): GatherOrder {
  return {
    ...{ id: "uid-1", runtimeInfo: true, inventory: true, podLimit: 8_000, nodeTimeoutMs: 2_000, nodeConcurrency: 50 },
    ...{ images: true, helm: true, obfuscateNetworking: false, excludedNamespaces: [] },
    ...{ nodeSideProblems: [], holdBeforeWriting: false },
    ...fields,
  };
}
