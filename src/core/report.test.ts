import { test } from "uvu";
import * as assert from "uvu/assert";
import type { GatherOutcome, InventoryRow } from "../api/gather.ts";
import { outcomeJson, outcomeReport } from "./report.ts";

const outcome: GatherOutcome = {
  ...{ succeeded: true, reason: "", message: "", moreFailures: 0, notes: [], inventory: [], failures: [] },
  counts: { pods: 3, containers: 4, shapes: 2, nodesAsked: 2, nodesAnswered: 1, nodesFailed: 1, nodesSkipped: 0 },
  archive: { name: "insights-2026-01-02-030405.tar.gz", bytes: 7, sha256: "abc" },
  durationsMs: { listPods: 1, askNodes: 2, write: 3, total: 1_260 },
};
const row: InventoryRow = {
  ...{ namespace: "shop", pod: "web-1", container: "app", pods: 2, os: "debian", osVersion: "12" },
  ...{ kind: "Java", kindVersion: "17", kindImplementer: "", runtimes: ["Quarkus 3", "Netty"], note: "" },
};

test("rows, failures, notes, counts, archive and how it went, in this order", () => {
  const failures = [{ node: "node-2", reason: "Timeout" as const, message: "late" }];
  assert.is(
    outcomeReport({
      outcome: { ...outcome, failures, moreFailures: 3, notes: ["A note"] },
      ...{ rows: [row], files: ["config/workload_info.json", "insights-operator/gathers.json"] },
    }),
    [
      "NAMESPACE   POD     CONTAINER   PODS   OS          RUNTIME   FRAMEWORKS         NOTE\n" +
        "shop        web-1   app         2      debian 12   Java 17   Quarkus 3, Netty",
      "NODE     REASON    MESSAGE\nnode-2   Timeout   late",
      "and 3 more nodes",
      "A note",
      "3 pods, 4 containers, 2 shapes; 1 of 2 nodes answered",
      "Archive insights-2026-01-02-030405.tar.gz, 7 bytes, SHA-256 abc",
      "Files config/workload_info.json, insights-operator/gathers.json",
      "The gather succeeded in 1.3 s",
    ].join("\n\n"),
  );
});

test("a failed gather ends with its reason", () => {
  const failed = { ...outcome, succeeded: false, reason: "PodListFailed", message: "forbidden", archive: null };
  assert.match(
    outcomeReport({ outcome: failed, rows: [], files: [] }),
    /\n\nThe gather failed after 1\.3 s: PodListFailed: forbidden$/,
  );
});

test("as JSON: one line, the outcome's fields with the files and rows", () => {
  const json = outcomeJson({ outcome, rows: [row], files: ["a"] });
  assert.not.match(json, /\n/);
  assert.equal(JSON.parse(json), { ...outcome, rows: [row], files: ["a"] });
});

test.run();
