/** The time and memory of whole gathers on clusters of several sizes, beside the least that they could take. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, release, tmpdir } from "node:os";
import { join } from "node:path";
import { gathererCommand } from "../../src/core/desired-gatherer.ts";
import { cloneDir } from "../cache.ts";
import { startCluster } from "./gather-cluster.ts";
import { curve } from "./gather-curve.ts";
import { measure, writeFiles } from "./gather-measure.ts";
import { type GatherPart, judged, type Measured, nodeTimeoutMs, sizes } from "./gather-plan.ts";
import type { Size } from "./gather-pods.ts";
import { buildPrograms } from "./gather-process.ts";
import { gatherTables } from "./gather-rows.ts";
import type { Result } from "./report.ts";

export interface GatherOptions {
  readonly rounds: number;
  readonly only: readonly GatherPart[];
}

/** Below docs/. */
const curveFile = "gather-growth.svg";

/** Grows one cluster from size to size and measures at each; the curve is drawn when all sizes were measured. */
export async function gather({ rounds, only }: GatherOptions, log: (line: string) => void): Promise<Result> {
  const programs = await buildPrograms(log);
  const dir = mkdtempSync(join(tmpdir(), "runtime-insights-gather-"));
  log("Starting the API server ...");
  const cluster = await startCluster();
  const measured: Measured[] = [];
  try {
    const files = await writeFiles(dir, cluster);
    const last = sizes.findLastIndex((size) => only.some((part) => isPartOf(part, size)));
    for (const size of sizes.slice(0, last + 1)) {
      log(`Creating pods, up to ${size.pods} on ${size.nodes} nodes ...`);
      await cluster.grow(size);
      const place = { programs, files, cluster, size, log };
      for (const part of only.filter((one) => isPartOf(one, size))) {
        // What takes long is asked less often.
        const turns = size.pods > judged || part === "broken" ? Math.ceil(rounds / 2) : rounds;
        measured.push(await measure(part, place, turns));
      }
    }
  } finally {
    await cluster.stop();
    rmSync(dir, { recursive: true, force: true });
  }
  if (only.includes("healthy"))
    writeFileSync(join(cloneDir, "docs", curveFile), curve(measured.filter(({ part }) => part === "healthy")));
  return { tables: gatherTables(measured), method: method(rounds) };
}

/** Broken nodes where the figures are judged; the limit where there is most beyond it. */
function isPartOf(part: GatherPart, { pods }: Size): boolean {
  switch (part) {
    case "healthy":
      return true;
    case "broken":
      return pods === judged;
    case "limit":
      return pods === sizes.at(-1)?.pods;
  }
}

function method(rounds: number): string[] {
  const load = (loadavg()[0] ?? 0).toFixed(1);
  const machine = `${availableParallelism()} x ${cpus()[0]?.model ?? "unknown processor"}, Linux ${release()}, load average ${load}`;
  return [
    `${new Date().toISOString().slice(0, 10)} on ${machine}.`,
    `The gatherer is the bundle of the image, run as \`${gathererCommand.join(" ")}\` on Node.js ${process.versions.node}, a fresh process for each size; it is ordered over its REST interface, and its time is from the order to the outcome. Floor and gatherer take turns; medians of ${rounds} rounds (half as many beyond ${judged} pods and with broken nodes) after a first one, which is given by itself.`,
    `A broken node is one in 100: in turn it refuses connections, answers with status 500, answers with half a body, or is silent for longer than the timeout of ${nodeTimeoutMs / 1000} s.`,
  ];
}
