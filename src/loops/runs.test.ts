import { readdir, rm, writeFile } from "node:fs/promises";
import type { RequestListener } from "node:http";
import { join } from "node:path";
import { Registry } from "prom-client";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { gatherMetrics } from "../adapters/gather-metrics.ts";
import { Journal } from "../adapters/journal.ts";
import { createLogger } from "../adapters/telemetry.ts";
import { makeOrder } from "../core/order.fixture.ts";
import { inWorld, knowing } from "./gather.fixture.ts";
import type { GatherWorld } from "./gather.ts";
import { GatherRuns } from "./runs.ts";

const order = makeOrder();

const runsIn = async (world: GatherWorld, registry = new Registry()) => {
  const journal = await Journal.open(world.directory);
  const runs = new GatherRuns({
    world,
    journal,
    metrics: gatherMetrics(registry),
    log: createLogger({ name: "test", level: "silent" }),
  });
  return { runs, journal, registry };
};
const finished = async (runs: GatherRuns, id: string): Promise<void> => {
  while (runs.find(id)?.phase === "Running") await new Promise((resolve) => setTimeout(resolve, 5));
};

test("a run is known by its id while it runs, when it is done, and after a restart", () =>
  inWorld({ pods: [{}], exporter: knowing, extractors: { "node-1": "127.0.0.1" } }, async (world) => {
    const { runs, registry } = await runsIn(world);
    assert.is(runs.start(order), "started");
    assert.is(runs.find("uid-1")?.phase, "Running");
    assert.is(runs.start(order), "same");
    assert.is(runs.start({ ...order, id: "uid-2" }), "busy");
    await finished(runs, "uid-1");
    assert.is(runs.start(order), "same");
    await runs.stop();
    const metrics = await registry.metrics();
    assert.match(metrics, /^runtime_insights_gatherer_gathers_total\{result="succeeded"\} 1$/m);
    assert.match(metrics, /^runtime_insights_gatherer_node_failures_total\{reason="Timeout"\} 0$/m);
    const next = await runsIn(world);
    assert.is(next.runs.find("uid-1")?.outcome?.succeeded, true);
    assert.is((await next.journal.readInventory())?.gather, "uid-1");
  }));

test("a run that is stopped leaves no archive, is Interrupted after a restart, and can be started once more", () => {
  let hangs = true;
  const exporter: RequestListener = (request, response) => {
    if (!hangs) knowing(request, response);
  };
  return inWorld({ pods: [{}], exporter, extractors: { "node-1": "127.0.0.1" } }, async (world) => {
    const { runs } = await runsIn(world);
    runs.start({ ...order, nodeTimeoutMs: 60_000 });
    while (runs.find("uid-1")?.stage !== "AskingNodes") await new Promise((resolve) => setTimeout(resolve, 5));
    await runs.stop();
    assert.equal(await readdir(world.directory), ["gathers"]);
    hangs = false;
    const next = await runsIn(world);
    assert.is(next.runs.find("uid-1")?.phase, "Interrupted");
    assert.is(next.runs.start(order), "started");
    await finished(next.runs, "uid-1");
    assert.is(next.runs.find("uid-1")?.outcome?.succeeded, true);
    await next.runs.stop();
  });
});

test("a start marker that cannot be written fails the gather before any work", () =>
  inWorld({ pods: [{}] }, async (world, requests) => {
    const { runs } = await runsIn(world);
    await rm(join(world.directory, "gathers"), { recursive: true });
    await writeFile(join(world.directory, "gathers"), "");
    runs.start(order);
    await finished(runs, "uid-1");
    assert.is(runs.find("uid-1")?.outcome?.reason, "ArchiveWriteFailed");
    assert.equal(requests, []);
    await runs.stop();
  }));

test.run();
