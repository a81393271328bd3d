/** What the extractors of a cluster went through, by two watches that miss nothing. */
import { type ChildProcess, spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster } from "../../hack/cluster/cluster.ts";
import { waitFor } from "../../hack/kubectl.ts";
import { namespace } from "../node/world.ts";

export interface ExtractorsSeen {
  /** Uids that the DaemonSet had; one when it was never made anew. */
  readonly uids: readonly string[];
  readonly wasDeleted: boolean;
  /** The fewest pods that were ready at once, by the DaemonSet's own count. */
  readonly leastReady: number;
  /** How many pods each node had, one after the other. */
  readonly podsByNode: Readonly<Record<string, number>>;
}

export interface ExtractorsWatch {
  /** Everything since the start. */
  stop(): Promise<ExtractorsSeen>;
}

const watching: ChildProcess[] = [];

/** Ends what a failed test did not, which would keep its process from ending. */
export function endWatches(): void {
  for (const child of watching.splice(0)) child.kill();
}

/** Starts to watch; the DaemonSet is there. */
export async function watchExtractors(cluster: Cluster): Promise<ExtractorsWatch> {
  const daemonSet = follow(
    cluster,
    ["daemonset", "runtime-insights-extractor"],
    [".metadata.uid", ".status.numberReady"],
  );
  const selector = "app.kubernetes.io/name=runtime-insights-extractor";
  const pods = follow(cluster, ["pods", "-l", selector], [".metadata.name", ".spec.nodeName"]);
  await waitFor(
    "the watches to begin",
    async () => (daemonSet.lines().length > 0 && pods.lines().length > 0) || undefined,
    { everyMs: 50 },
  );
  return {
    stop: async () => {
      // What happened last is still on its way.
      await sleep(500);
      endWatches();
      const sets = daemonSet.lines();
      const byNode = Map.groupBy(
        pods.lines().filter(([, , node = ""]) => node !== ""),
        ([, , node = ""]) => node,
      );
      return {
        uids: [...new Set(sets.map(([, uid = ""]) => uid))],
        wasDeleted: sets.some(([type]) => type === "DELETED"),
        leastReady: Math.min(...sets.map(([, , ready]) => Number(ready))),
        podsByNode: Object.fromEntries(
          [...byNode].sort().map(([node, lines]) => [node, new Set(lines.map(([, name]) => name)).size]),
        ),
      };
    },
  };
}

interface Followed {
  /** The kind of event and the asked fields of each so far. */
  lines(): readonly (readonly string[])[];
}

function follow(cluster: Cluster, what: readonly string[], fields: readonly string[]): Followed {
  const format = [".type", ...fields.map((field) => `.object${field}`)].map((path) => `{${path}}`).join(" ");
  const child = spawn(
    cluster.kubectl,
    [
      ...["--kubeconfig", cluster.kubeconfig, "-n", namespace, "get", ...what],
      ...["--watch", "--output-watch-events", "-o", `jsonpath=${format}{"\\n"}`],
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  watching.push(child);
  let said = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    said += chunk.toString("utf8");
  });
  return {
    lines: () =>
      said
        .split("\n")
        .slice(0, -1)
        .map((line) => line.split(" ")),
  };
}
