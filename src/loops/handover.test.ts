/** The operator's part of a handover, with gatherers that are well and ones that are not. */
import { setTimeout as sleep } from "node:timers/promises";
import { Counter } from "prom-client";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { EventToWrite } from "../adapters/cluster.ts";
import type { Endpoint } from "../adapters/endpoints.ts";
import { createLogger } from "../adapters/telemetry.ts";
import { defaultSettings, type Settings } from "../api/config.ts";
import type { GatherProgress, Inventory, StoredArchive } from "../api/gather.ts";
import type { HandoverState, Takeover } from "../api/handover.ts";
import { failurePatienceMs } from "../core/handover.ts";
import { makeRequest } from "../core/requests.fixture.ts";
import type { Peer } from "./carrying.ts";
import { HandoverLoop, type HandoverWorld } from "./handover.ts";

const minuteMs = 60_000;
const signal = new AbortController().signal;
const away = { kind: "unreachable", message: "the gatherer does not answer" } as const;
const done = { kind: "done", problems: [] } as const;

class FakeGatherer implements Peer {
  state: HandoverState = "waiting";
  answers = true;
  ready = true;
  leaving = false;
  stored: readonly StoredArchive[] = [];
  /** Archives that are never sent whole. */
  hangs: readonly string[] = [];
  readonly takenOver: Takeover[] = [];

  handover: Peer["handover"] = async () =>
    this.answers ? { kind: "status", state: this.state, sinceMs: 1_000 } : away;
  archives: Peer["archives"] = async () => (this.answers ? { kind: "archives", archives: this.stored } : away);
  archive: Peer["archive"] = async ({ name }, until) => {
    if (this.hangs.includes(name)) await sleep(60_000, undefined, { signal: until });
    return this.answers ? { kind: "archive", bytes: Buffer.from(name) } : away;
  };
  inventory: Peer["inventory"] = async () => (this.answers ? { kind: "inventory", inventory } : away);
  progress: Peer["progress"] = async (id) => (this.answers ? { kind: "progress", progress: finished(id) } : away);
  putArchive: Peer["putArchive"] = async (name, { length }) => {
    this.stored = [...this.stored, stored(name, length)];
    return done;
  };
  takeOver: Peer["takeOver"] = async (takeover, until) => {
    until.throwIfAborted();
    this.takenOver.push(takeover);
    this.state = "serving";
    return done;
  };
  relieve: Peer["relieve"] = async () => {
    this.state = "relieved";
    return done;
  };
}

const inventory: Inventory = { gather: "uid-a", gatheredAtMs: 5, rows: [] };
const finished = (id: string): GatherProgress => ({
  ...{ id, phase: "Finished", stage: "Done", startedAtMs: 1, finishedAtMs: 2, outcome: null },
});
const stored = (name: string, bytes = 1): StoredArchive => ({ name, bytes, sha256: "", modified: 0 });

/** An operator and the gatherers that the Service knows of, by name. */
class World {
  readonly gatherers = new Map<string, FakeGatherer>();
  readonly events: EventToWrite[] = [];
  nowMs = 1_800_000_000_000;
  isBlind = false;
  readonly world: HandoverWorld = {
    endpoints: async () => {
      if (this.isBlind) throw new Error("looking for the gatherer's endpoints: status 500");
      return [...this.gatherers].map(
        ([name, { leaving, ready }]): Endpoint => ({ uid: `uid-${name}`, name, origin: name, leaving, ready }),
      );
    },
    gatherer: { at: (origin) => this.gatherers.get(origin) ?? new FakeGatherer() },
    cluster: {
      writeEvent: async (event) => {
        this.events.push(event);
        return { kind: "done" };
      },
    },
    log: createLogger({ name: "test", level: "silent" }),
    metrics: { handovers: new Counter({ name: "h", help: "h", labelNames: ["result"], registers: [] }) },
    nowMs: () => this.nowMs,
    shared: { gathererOrigin: undefined, snapshot: undefined, upload: { configUid: "u", last: undefined } },
  };
  readonly loop = new HandoverLoop(this.world, 30);

  add(name: string, over: Partial<Pick<FakeGatherer, "state" | "ready" | "leaving" | "stored">> = {}): FakeGatherer {
    const gatherer = Object.assign(new FakeGatherer(), over);
    this.gatherers.set(name, gatherer);
    return gatherer;
  }

  run(isGathering = false) {
    return this.loop.run([makeRequest({ name: "a" })], isGathering, signal);
  }

  configure(changes: Partial<Settings>): void {
    this.world.shared.snapshot = {
      ...{ kind: "managed", settings: { ...defaultSettings, ...changes }, configCreatedMs: 0, lastGatherMs: undefined },
      ...{ gathererReady: true, nodes: true, nodesSettled: true },
      nodeSide: { wantedBy: undefined, daemonSet: "absent", pods: undefined, isForeign: false, problem: undefined },
    };
  }
}

test("endpoints that cannot be seen are looked for again, soon at first: an old gatherer does not stay for long", async () => {
  const world = new World();
  const old = world.add("a", { state: "serving", leaving: true, stored: [stored("one")] });
  const fresh = world.add("b");
  world.isBlind = true;
  assert.equal(await world.run(), { mayBegin: true, afterMs: 2_000 });
  assert.is((await world.run()).afterMs, 4_000);
  for (let times = 0; times < 20; times += 1) assert.ok(((await world.run()).afterMs ?? 0) <= 20_000);
  world.isBlind = false;
  await world.run();
  assert.equal([fresh.state, fresh.stored.map(({ name }) => name)], ["serving", ["one"]]);
  assert.is(old.state, "serving");
  world.isBlind = true;
  assert.is((await world.run()).afterMs, 2_000);
});

test("an old gatherer that misses one answer in the middle of its gather loses nothing", async () => {
  const world = new World();
  const old = world.add("a", { state: "serving", stored: [stored("one")] });
  const fresh = world.add("b");
  for (const answers of [true, true, true, false, true]) {
    old.answers = answers;
    assert.equal([(await world.run(true)).mayBegin, fresh.state], [false, "waiting"]);
    world.nowMs += minuteMs;
  }
  await world.run(false);
  assert.equal([fresh.state, fresh.stored.length, world.events.length], ["serving", 1, 0]);
});

test("an old gatherer that goes on missing its answers is given up, and that is told", async () => {
  const world = new World();
  const old = world.add("a", { state: "serving" });
  const fresh = world.add("b");
  old.answers = false;
  await world.run();
  world.nowMs += failurePatienceMs - 1;
  await world.run();
  assert.is(fresh.state, "waiting");
  world.nowMs += 1;
  await world.run();
  assert.is(fresh.state, "serving");
  assert.match(world.events.map(({ message }) => message).join(), /a does not answer/);
});

test("a gatherer that could not keep that it serves is asked again once it is not ready, and gets what it waits for", async () => {
  const world = new World();
  const only = world.add("a");
  await world.run();
  await world.run();
  assert.is(only.takenOver.length, 1);
  Object.assign(only, { state: "waiting", ready: false });
  world.nowMs += minuteMs;
  await world.run();
  assert.equal([only.state, only.takenOver.length], ["serving", 2]);
});

test("archives that hang cost themselves: what is small, and the archives that do not hang, are carried all the same", async () => {
  const world = new World();
  world.configure({});
  const names = ["newest", "newer", "old"];
  const from = world.add("a", { state: "serving", stored: names.map((name) => stored(name)) });
  const to = world.add("b");
  from.hangs = ["newest", "newer"];
  for (let times = 0; times < 3; times += 1) await world.run();
  assert.equal([to.state, to.stored.map(({ name }) => name)], ["waiting", ["old"]]);
  world.nowMs += failurePatienceMs;
  await world.run();
  assert.equal(to.takenOver, [{ outcomes: [finished("uid-a")], inventory }]);
  assert.match(world.events.map(({ message }) => message).join(), /not all of it could be carried/);
});

test("a gatherer that waits for ever is handed everything ever more rarely, told of once, and holds up no gather", async () => {
  const world = new World();
  const only = world.add("a", { ready: false });
  only.takeOver = async (takeover) => {
    only.takenOver.push(takeover);
    return { kind: "done", problems: ["\u001b[31mno\nroom\u202e", "x".repeat(5_000)] };
  };
  const endMs = world.nowMs + 60 * minuteMs;
  let heldUp = 0;
  while (world.nowMs < endMs) {
    const { mayBegin, afterMs } = await world.run();
    heldUp += mayBegin ? 0 : 1;
    world.nowMs += afterMs ?? Number.POSITIVE_INFINITY;
  }
  assert.ok(only.takenOver.length > 5 && only.takenOver.length < 20, String(only.takenOver.length));
  assert.is(heldUp, only.takenOver.length);
  assert.is(world.events.length, 1);
  assert.match(world.events[0]?.message ?? "", /^Gatherer a begins [ -:<-~]+: \[31mno room; x{300}…$/);
});

test("an abort of the operator is no problem of a gatherer", async () => {
  const world = new World();
  const from = world.add("a", { state: "serving", stored: [stored("one")] });
  world.add("b");
  from.hangs = ["one"];
  const ended = await world.loop.run([], false, AbortSignal.timeout(5)).catch((cause: unknown) => cause);
  assert.instance(ended, DOMException);
});

for (const [rule, changes, expected] of [
  ["wants one: it is carried", { inventory: "Enabled" }, inventory],
  ["wants none: it stays behind", { inventory: "Disabled" }, null],
] as const)
  test(`an inventory when the config ${rule}`, async () => {
    const world = new World();
    world.configure(changes);
    const old = world.add("a", { state: "serving" });
    const fresh = world.add("b");
    await world.run();
    old.leaving = true;
    await world.run();
    assert.is(old.state, "relieved");
    assert.equal(
      fresh.takenOver.map((one) => one.inventory),
      [expected, expected],
    );
  });

test.run();
