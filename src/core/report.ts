/** The outcome of a gather by hand, for a program or for a person at a terminal. */
import type { GatherOutcome, InventoryRow } from "../api/gather.ts";
import { table } from "./table.ts";

/** What a gather by hand led to. */
export interface ByHand {
  readonly outcome: GatherOutcome;
  /** What was found, in clear text; empty when none was asked for. */
  readonly rows: readonly InventoryRow[];
  /** The plain files that were written beside the archive. */
  readonly files: readonly string[];
}

/** One JSON object on one line: the fields of the outcome, and `files` and `rows`. */
export function outcomeJson({ outcome, rows, files }: ByHand): string {
  return JSON.stringify({ ...outcome, files, rows });
}

/** What was found, what failed and what was left out, ending with one sentence that says how it went. */
export function outcomeReport({ outcome, rows, files }: ByHand): string {
  const { succeeded, reason, message, counts, archive, failures, moreFailures, notes, durationsMs } = outcome;
  const parts: string[] = [];
  if (rows.length > 0)
    parts.push(
      table(["NAMESPACE", "POD", "CONTAINER", "PODS", "OS", "RUNTIME", "FRAMEWORKS", "NOTE"], rows.map(cells)),
    );
  if (failures.length > 0) {
    parts.push(
      table(
        ["NODE", "REASON", "MESSAGE"],
        failures.map((one) => [one.node, one.reason, one.message]),
      ),
    );
    if (moreFailures > 0) parts.push(`and ${moreFailures} more nodes`);
  }
  parts.push(...notes);
  const { pods, containers, shapes, nodesAnswered, nodesAsked, nodesSkipped } = counts;
  const skipped = nodesSkipped === 0 ? "" : `, ${nodesSkipped} without an extractor`;
  parts.push(
    `${pods} pods, ${containers} containers, ${shapes} shapes; ${nodesAnswered} of ${nodesAsked} nodes answered${skipped}`,
  );
  if (archive !== null) parts.push(`Archive ${archive.name}, ${archive.bytes} bytes, SHA-256 ${archive.sha256}`);
  if (files.length > 0) parts.push(`Files ${files.join(", ")}`);
  const seconds = (durationsMs.total / 1000).toFixed(1);
  parts.push(
    succeeded ? `The gather succeeded in ${seconds} s` : `The gather failed after ${seconds} s: ${reason}: ${message}`,
  );
  return parts.join("\n\n");
}

function cells(row: InventoryRow): readonly string[] {
  const { namespace, pod, container, pods, os, osVersion, kind, kindVersion, kindImplementer, runtimes, note } = row;
  const words = (...all: readonly string[]) => all.filter((one) => one !== "").join(" ");
  return [
    ...[namespace, pod, container, String(pods), words(os, osVersion)],
    ...[words(kind, kindVersion, kindImplementer), runtimes.join(", "), note],
  ];
}
