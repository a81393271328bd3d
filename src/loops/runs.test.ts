import { execFileSync } from "node:child_process";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import type { RequestListener } from "node:http";
import { join } from "node:path";
import { Registry } from "prom-client";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { isArchiveName } from "../adapters/disk.ts";
import { gatherMetrics } from "../adapters/gather-metrics.ts";
import { Journal } from "../adapters/journal.ts";
import { createLogger } from "../adapters/telemetry.ts";
import { gatherProgressSchema } from "../api/gather.ts";
import { makeOrder } from "../core/order.fixture.ts";
import { errorsOf, inWorld, knowing, newest, startMs, unpacked } from "./gather.fixture.ts";
import type { GatherWorld } from "./gather-world.ts";
import { GatherRuns } from "./runs.ts";

const order = makeOrder();

const runsIn = async (world: GatherWorld, registry = new Registry(), holdMs?: number) => {
  const journal = await Journal.open(world.directory);
  const runs = new GatherRuns({
    world,
    journal,
    metrics: gatherMetrics(registry),
    log: createLogger({ name: "test", level: "silent" }),
    ...(holdMs === undefined ? {} : { holdMs }),
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

test("an inventory of before goes with a gather of a config that wants none, and stays with one that asks no node", () =>
  inWorld({ pods: [{}], exporter: knowing, extractors: { "node-1": "127.0.0.1" } }, async (world) => {
    const gather = async (id: string, changes: Partial<typeof order>) => {
      const { runs, journal } = await runsIn(world);
      runs.start({ ...order, id, ...changes });
      await finished(runs, id);
      await runs.stop();
      return (await journal.readInventory())?.gather;
    };
    const journal = await Journal.open(world.directory);
    await journal.writeInventory({ gather: "of before", gatheredAtMs: 5, rows: [] });
    assert.is(await gather("no node", { runtimeInfo: false, inventory: false }), "of before");
    assert.is(await gather("none wanted", { inventory: false }), undefined);
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

/** Milliseconds from the start of the world that its clock shows, one after the other; the last one stays. */
const clock = (...offsetsMs: readonly number[]) => {
  const left = [...offsetsMs];
  return () => startMs + ((left.length > 1 ? left.shift() : left[0]) ?? 0);
};

const jumps: readonly { readonly rule: string; readonly nowMs: () => number }[] = [
  { rule: "back, step by step", nowMs: clock(0, -1_000, -2_000, -3_000, -4_000, -3_600_000) },
  { rule: "back by a year before the process started", nowMs: clock(0, 0, -365 * 24 * 3_600_000) },
  { rule: "ahead by ten years", nowMs: clock(0, 10 * 365 * 24 * 3_600_000) },
];
for (const { rule, nowMs } of jumps)
  test(`the clock is set ${rule} within a gather: the outcome is one that main and the next process can read`, () =>
    inWorld({ pods: [{}] }, async (world) => {
      const { runs } = await runsIn({ ...world, nowMs });
      runs.start({ ...order, runtimeInfo: false });
      await finished(runs, "uid-1");
      await runs.stop();
      const { outcome } = gatherProgressSchema.parse(runs.find("uid-1"));
      assert.is(outcome?.succeeded, true, outcome?.message);
      const next = await runsIn(world);
      assert.equal(next.runs.find("uid-1")?.outcome, outcome);
      const [name = ""] = (await readdir(world.directory)).filter(isArchiveName);
      assert.is(name, outcome?.archive?.name);
      const entries = await unpacked(world, name);
      assert.not.match(entries["insights-operator/gathers.json"] ?? "", /-\d/);
    }));

test("a clock that was ahead: the archive of the next gather stays and its outcome is known", () =>
  inWorld({ pods: [{}] }, async (world) => {
    const yearMs = 365 * 24 * 3_600_000;
    const ahead = await runsIn({ ...world, nowMs: () => startMs + yearMs });
    for (let n = 0; n < 6; n += 1) {
      const one = { ...order, id: `ahead-${n}`, runtimeInfo: false };
      while (ahead.runs.start(one) === "busy") await new Promise((resolve) => setTimeout(resolve, 5));
      await finished(ahead.runs, `ahead-${n}`);
    }
    await ahead.runs.stop();
    const { runs } = await runsIn(world);
    runs.start({ ...order, runtimeInfo: false });
    await finished(runs, "uid-1");
    await runs.stop();
    assert.is(runs.find("uid-1")?.outcome?.archive?.name, newest);
    assert.ok((await readdir(world.directory)).includes(newest));
  }));

test("an inventory that cannot be kept does not cost the outcome", () =>
  inWorld({ pods: [{}], exporter: knowing, extractors: { "node-1": "127.0.0.1" } }, async (world) => {
    const { runs } = await runsIn(world);
    await mkdir(join(world.directory, "inventory.json"));
    runs.start(order);
    await finished(runs, "uid-1");
    await runs.stop();
    assert.is((await runsIn(world)).runs.find("uid-1")?.outcome?.succeeded, true);
  }));

test("the disk is full when the archive is written: no archive, the reason, nothing left over, and the next gather works", () =>
  inWorld({ pods: [{}] }, async (world) => {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", world.directory]);
    const filler = join(world.directory, "filler");
    try {
      const script = world.api;
      let pages = 0;
      const api: GatherWorld["api"] = {
        call: async (call) => {
          if (call.path === "/api/v1/pods" && pages++ === 0)
            await writeFile(filler, Buffer.alloc(64_000)).catch(() => {});
          return script.call(call);
        },
      };
      const { runs } = await runsIn({ ...world, api });
      runs.start({ ...order, runtimeInfo: false });
      await finished(runs, "uid-1");
      const { outcome } = gatherProgressSchema.parse(runs.find("uid-1"));
      assert.equal([outcome?.succeeded, outcome?.reason, outcome?.archive], [false, "ArchiveWriteFailed", null]);
      assert.match(outcome?.message ?? "", /^writing the archive: ENOSPC/);
      assert.equal((await readdir(world.directory)).sort(), ["filler", "gathers"]);
      await rm(filler);
      const next = { ...order, id: "uid-2", runtimeInfo: false };
      while (runs.start(next) === "busy") await new Promise((resolve) => setTimeout(resolve, 5));
      await finished(runs, "uid-2");
      await runs.stop();
      assert.is(runs.find("uid-2")?.outcome?.succeeded, true);
    } finally {
      execFileSync("umount", [world.directory]);
    }
  }));

test("the folder is deleted while a gather runs: it is made again and the archive is written", () =>
  inWorld({ pods: [{}] }, async (world) => {
    const { api } = world;
    const call: typeof api.call = async (one) => {
      if (one.path === "/api/v1/pods") await rm(world.directory, { recursive: true });
      return api.call(one);
    };
    const { runs } = await runsIn({ ...world, api: { call } });
    runs.start({ ...order, runtimeInfo: false });
    await finished(runs, "uid-1");
    await runs.stop();
    assert.is(runs.find("uid-1")?.outcome?.archive?.name, newest);
    assert.is((await runsIn(world)).runs.find("uid-1")?.outcome?.succeeded, true);
  }));

test("orders while a gather runs are busy, however many come, and one archive is written", () =>
  inWorld({ pods: [{}] }, async (world) => {
    const { runs } = await runsIn(world);
    const answers = Array.from({ length: 50 }, (_, n) => runs.start({ ...order, id: `id-${n}`, runtimeInfo: false }));
    assert.equal(answers, ["started", ...answers.slice(1).map(() => "busy")]);
    await finished(runs, "id-0");
    await runs.stop();
    assert.equal((await readdir(world.directory)).filter(isArchiveName), [newest]);
    assert.is((await readdir(join(world.directory, "gathers"))).length, 1);
  }));

const held = { ...order, holdBeforeWriting: true };
const holding = { pods: [{}], exporter: knowing, extractors: { "node-1": "127.0.0.1" } };
const holds = async (runs: GatherRuns): Promise<void> => {
  while (runs.find("uid-1")?.stage !== "AwaitingNodeSide") await new Promise((resolve) => setTimeout(resolve, 5));
};
test("a gather that holds writes nothing until the node side is gone, and then what is wrong with it", () =>
  inWorld(holding, async (world) => {
    const { runs } = await runsIn(world);
    assert.is(runs.release("uid-1", { problems: [] }), "not awaited");
    runs.start(held);
    await holds(runs);
    assert.equal((await readdir(world.directory)).filter(isArchiveName), []);
    assert.is(runs.release("uid-2", { problems: ["of another"] }), "not awaited");
    assert.is(runs.release("uid-1", { problems: ["not gone after 2m"] }), "released");
    assert.is(runs.release("uid-1", { problems: ["said again"] }), "same");
    await finished(runs, "uid-1");
    assert.equal(await errorsOf(world), ["not gone after 2m"]);
    assert.equal(runs.find("uid-1")?.outcome?.notes.slice(0, 1), ["not gone after 2m"]);
    assert.is(runs.release("uid-1", { problems: ["too late"] }), "same");
    await runs.stop();
  }));

test("nobody says that the node side is gone: the gather goes on after a while, with one error", () =>
  inWorld(holding, async (world) => {
    const { runs } = await runsIn(world, new Registry(), 50);
    runs.start(held);
    await finished(runs, "uid-1");
    const errors = ["the operator did not say within 0.05 s that the extractors are gone"];
    assert.equal(await errorsOf(world), errors);
    assert.is(runs.release("uid-1", { problems: [] }), "not awaited");
    await runs.stop();
  }));

test("stopped while it holds: no archive, Interrupted, and it holds again when it is started once more", () =>
  inWorld(holding, async (world) => {
    const { runs } = await runsIn(world);
    runs.start(held);
    await holds(runs);
    await runs.stop();
    assert.equal((await readdir(world.directory)).filter(isArchiveName), []);
    const next = await runsIn(world);
    assert.is(next.runs.find("uid-1")?.phase, "Interrupted");
    assert.is(next.runs.release("uid-1", { problems: [] }), "not awaited");
    assert.is(next.runs.start(held), "started");
    await holds(next.runs);
    assert.is(next.runs.release("uid-1", { problems: [] }), "released");
    await finished(next.runs, "uid-1");
    assert.equal(await errorsOf(world), null);
    await next.runs.stop();
  }));

test.run();
