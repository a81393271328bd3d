/** Asks the nodes themselves why they have no extractor. */
import { decodeNode, type Placement } from "../api/node.ts";
import { whyNoExtractor } from "../core/coverage.ts";
import type { NodeOutcome } from "../core/query.ts";
import type { Api } from "./connection.ts";

/** The outcomes, the first `atMost` nodes without an extractor with a reason; a node that cannot be read has none. */
export async function explainMissing(
  api: Api,
  outcomes: readonly NodeOutcome[],
  {
    placement,
    atMost,
    signal,
  }: { readonly placement: Placement; readonly atMost: number; readonly signal: AbortSignal },
): Promise<readonly NodeOutcome[]> {
  const missing = outcomes.filter((one) => one.kind === "failed" && one.reason === "NoExtractorPod");
  const shown = missing.map(({ query }) => query.node).sort();
  const reasons = new Map<string, string>();
  await Promise.all(
    shown.slice(0, atMost).map(async (node) => {
      try {
        const { status, body } = await api.call({ path: `/api/v1/nodes/${encodeURIComponent(node)}`, signal });
        const found = status === 200 ? decodeNode(body) : undefined;
        if (status === 404 || found !== undefined) reasons.set(node, whyNoExtractor(found, placement));
      } catch {
        signal.throwIfAborted();
      }
    }),
  );
  return outcomes.map((outcome) => {
    const particulars = reasons.get(outcome.query.node);
    return outcome.kind === "failed" && outcome.reason === "NoExtractorPod" && particulars !== undefined
      ? { ...outcome, particulars }
      : outcome;
  });
}
