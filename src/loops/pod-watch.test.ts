import { test } from "uvu";
import * as assert from "uvu/assert";
import type { ApiCall } from "../adapters/connection.ts";
import { createLogger } from "../adapters/telemetry.ts";
import type { Pods } from "../api/pods.ts";
import { keyOf, names, type Side, workloads } from "../core/operands.ts";
import type { Live } from "../core/plan.ts";
import { PodWatch } from "./pod-watch.ts";

const nowMs = Date.UTC(2026, 0, 2);
const minutesAgo = (minutes: number) => new Date(nowMs - minutes * 60_000).toISOString();
const short: Pods = { desired: 2, ready: 1, updated: 1, generation: 1, seen: true, current: false };
const pod = (minutes: number, metadata: object = {}) => ({
  metadata: { creationTimestamp: minutesAgo(minutes), ...metadata },
  spec: { nodeName: "a", containers: [{ name: "c", image: "i" }] },
});

interface Row {
  readonly rule: string;
  readonly side?: Side;
  readonly pods: Pods;
  readonly items: readonly object[];
  /** There is always another page. */
  readonly isEndless?: boolean;
  /** How many minutes ago the controller said that it could make none. */
  readonly refusedAgo?: number;
  readonly cause: string | undefined;
}
const rows: readonly Row[] = [
  { rule: "none was refused", pods: short, items: [pod(60)], cause: undefined },
  { rule: "one was refused since the newest was made", pods: short, items: [pod(60)], refusedAgo: 19, cause: "no" },
  { rule: "none was made yet", pods: short, items: [], refusedAgo: 19, cause: "no" },
  { rule: "it was refused long ago", pods: short, items: [pod(60)], refusedAgo: 21, cause: undefined },
  {
    rule: "one was made since",
    pods: { ...short, desired: 3 },
    items: [pod(60), pod(18)],
    refusedAgo: 19,
    cause: undefined,
  },
  {
    rule: "one was made since, which is going away",
    ...{ pods: short, items: [pod(60), pod(18, { deletionTimestamp: minutesAgo(0) })], refusedAgo: 19 },
    cause: undefined,
  },
  {
    rule: "some were made in the second in which another was refused",
    pods: short,
    items: [pod(1)],
    refusedAgo: 1,
    cause: "no",
  },
  {
    rule: "there are more than are looked at, and which are missing cannot be told",
    ...{ pods: { ...short, desired: 3_000 }, items: [pod(60)], isEndless: true, refusedAgo: 19 },
    cause: undefined,
  },
  {
    rule: "a gatherer is refused while the one of before serves",
    ...{ side: "gatherer", pods: { ...short, desired: 1, updated: 0, refusal: "no" }, items: [pod(60)] },
    cause: "no",
  },
];
for (const { rule, side = "node", pods, items, isEndless = false, refusedAgo, cause } of rows)
  test(`pods are missing: ${rule}`, async () => {
    const { workload } = workloads[side];
    const events =
      refusedAgo === undefined
        ? []
        : [{ involvedObject: { uid: "u" }, message: "no", lastTimestamp: minutesAgo(refusedAgo) }];
    const watch = new PodWatch({
      api: {
        call: async ({ path }: ApiCall) => ({
          status: 200,
          body: { items: path.endsWith("/events") ? events : items, metadata: isEndless ? { continue: "more" } : {} },
        }),
      },
      namespace: "ns",
      log: createLogger({ name: "test", level: "silent" }),
    });
    const object = { apiVersion: "apps/v1", kind: workload.kind, metadata: { name: names.extractor, uid: "u" } };
    const live = new Map<string, Live>([[keyOf(workload), { kind: "present", object }]]);
    const input = { pods, live, enforced: undefined };
    const first = await watch.of(side, { ...input, nowMs: nowMs - 6_000 });
    assert.equal(first, { cause: undefined, afterMs: 5_000 });
    const seen = await watch.of(side, { ...input, nowMs });
    assert.is(seen.cause?.message.split(": ")[1], cause);
  });

test.run();
