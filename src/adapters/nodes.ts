/** Asks the nodes themselves why they have no extractor, and counts them. */
import { decodeNode, decodeNodeTable, type Placement } from "../api/node.ts";
import { architectureLabel } from "../core/architectures.ts";
import { type Fleet, isCovered, whyNoExtractor } from "../core/coverage.ts";
import type { NodeOutcome } from "../core/query.ts";
import { type Api, tableOnly } from "./connection.ts";

const nodesPath = "/api/v1/nodes";
const pageSize = 500;
/** Of nodes that are not ready so many are looked at; the others are taken to be meant to have an extractor. */
const lookedAt = 20;
/** Of nodes of another architecture so many are named. */
const namedForeign = 3;
const linuxOnly = "kubernetes.io/os=linux";
type DecodedNodes = ReturnType<typeof decodeNodeTable>["nodes"];

/** Counts the Linux nodes by a line for each. Throws when they cannot be read. */
export async function countNodes(api: Api, placement: Placement): Promise<Fleet> {
  const { architectures } = placement;
  const label = architectureLabel;
  const [linux, foreign] = await Promise.all([
    listNodes(api, linuxOnly),
    architectures.length === 0
      ? []
      : listNodes(api, `${linuxOnly},${label},${label} notin (${architectures.join(",")})`),
  ]);
  const notReady = linux.filter(({ ready }) => !ready);
  const read = async ({ name }: { readonly name: string }) => {
    const { status, body } = await api.call({ path: `${nodesPath}/${encodeURIComponent(name)}` });
    return { name, node: status === 200 ? decodeNode(body) : undefined };
  };
  const covered = (await Promise.all(notReady.slice(0, lookedAt).map(read))).filter(
    ({ node }) => node !== undefined && isCovered(node, placement),
  );
  const shown = await Promise.all(foreign.slice(0, namedForeign).map(read));
  return {
    linux: linux.length,
    notReady: covered.length + Math.max(0, notReady.length - lookedAt),
    foreign: {
      count: foreign.length,
      shown: shown.map(({ name, node }) => ({ name, architecture: node?.labels[label] ?? "unknown" })),
    },
  };
}

async function listNodes(api: Api, labelSelector: string): Promise<DecodedNodes> {
  const nodes: DecodedNodes[number][] = [];
  let continueToken = "";
  do {
    const answer = await api.call({
      path: nodesPath,
      accept: tableOnly,
      query: {
        ...{ labelSelector, includeObject: "None", limit: pageSize },
        ...(continueToken === "" ? {} : { continue: continueToken }),
      },
    });
    if (answer.status !== 200) throw new Error(`listing nodes: ${answer.status}`);
    const page = decodeNodeTable(answer.body);
    nodes.push(...page.nodes);
    ({ continueToken } = page);
  } while (continueToken !== "");
  return nodes;
}

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
        const { status, body } = await api.call({ path: `${nodesPath}/${encodeURIComponent(node)}`, signal });
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
