/**
 * Conditions, status and the line of `kubectl get ire` in every situation of a fleet. Nodes and workloads have the states that kubelets
 * and controllers would write; nothing else writes them here.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import { kubectl, waitFor } from "../../hack/kubectl.ts";
import { type HttpsServer, serveHttps } from "../../src/adapters/https.fixture.ts";
import { statusSchema } from "../../src/api/config-status.ts";
import type { GatherProgress } from "../../src/api/gather.ts";
import { names } from "../../src/core/operands.ts";
import { GathersWorld } from "./gathers-world.ts";
import { configPath, type OperatorWorld } from "./operator-world.ts";

const minuteMs = 60_000;
let gathers: GathersWorld;
let world: OperatorWorld;

test.before(async () => {
  gathers = await GathersWorld.start();
  world = gathers.world;
  await world.setGate("enabled");
});
test.after(async () => {
  await scripted?.close();
  await world.stop();
});

/** A gatherer whose every gather is well. */
let scripted: HttpsServer | undefined;
async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  await text(request);
  const progress: GatherProgress = {
    ...{ id: (request.url ?? "").split("/").at(-1) ?? "", phase: "Finished", stage: "Done" },
    ...{ startedAtMs: gathers.nowMs(), finishedAtMs: gathers.nowMs() },
    outcome: {
      ...{ succeeded: true, reason: "", message: "", archive: null },
      ...{ failures: [], moreFailures: 0, notes: [], inventory: [] },
      counts: { pods: 3, containers: 4, shapes: 2, nodesAsked: 2, nodesAnswered: 2, nodesFailed: 0, nodesSkipped: 0 },
      durationsMs: { listPods: 1, askNodes: 2, write: 3, total: 6 },
    },
  };
  const [code, body] = request.method === "POST" ? [202, {}] : [200, progress];
  response.writeHead(code, { "content-type": "application/json" }).end(JSON.stringify(body));
}

const startOperator = () =>
  gathers.startOperator({ gathererOrigin: `https://127.0.0.1:${scripted?.port}`, gathererToken: async () => "x" });

const deployment = { kind: "Deployment", name: names.gatherer } as const;
const daemonSet = { kind: "DaemonSet", name: names.extractor } as const;

interface NodeOptions {
  readonly os?: "linux" | "windows";
  readonly ready?: boolean;
  readonly tainted?: boolean;
  readonly cordoned?: boolean;
}

/** As a kubelet registers itself, or as it is from now on. */
async function setNode(name: string, { os = "linux", ready = true, tainted, cordoned }: NodeOptions = {}) {
  const taints = tainted === true ? [{ key: "node-role.kubernetes.io/control-plane", effect: "NoSchedule" }] : [];
  const node = {
    ...{ apiVersion: "v1", kind: "Node" },
    metadata: { name, labels: { "kubernetes.io/os": os } },
    spec: { taints, unschedulable: cordoned === true },
  };
  const { status } = await world.create("/api/v1/nodes", node);
  if (status === 409) await world.patch(`/api/v1/nodes/${name}`, { spec: node.spec });
  const conditions = [{ type: "Ready", status: ready ? "True" : "False", reason: "x", message: "" }];
  await world.patch(`/api/v1/nodes/${name}/status`, { status: { conditions } });
}

/** As the controller of DaemonSets counts; by default it has seen the newest spec, and all pods run it. */
async function setPods(ready: number, desired: number, changes: { updated?: number; seen?: boolean } = {}) {
  const path = world.pathOf(daemonSet);
  const generation = (await world.get(path))?.metadata.generation ?? 1;
  const { updated = desired, seen = true } = changes;
  await world.patch(`${path}/status`, {
    status: {
      ...{ observedGeneration: seen ? generation : generation - 1, desiredNumberScheduled: desired },
      ...{ currentNumberScheduled: updated, updatedNumberScheduled: updated, numberMisscheduled: 0 },
      ...{ numberReady: ready, numberAvailable: ready, numberUnavailable: desired - ready },
    },
  });
}

const status = async () =>
  statusSchema.parse(z.object({ status: z.unknown() }).parse(await world.get(configPath)).status);

/** The columns that tell what is wrong, as kubectl prints them. */
async function line(): Promise<string> {
  const [header = "", row = ""] = (await kubectl(world.server, ["get", "ire"])).trimEnd().split("\n");
  const begin = header.indexOf("GATE");
  const end = header.indexOf("LAST GATHER");
  assert.ok(begin > 0 && end > begin, header);
  return row.slice(begin, end).trim().replaceAll(/ {2,}/g, " | ");
}

async function waitForLine(expected: string): Promise<void> {
  let last = "";
  await waitFor(
    `kubectl get ire to say ${expected}`,
    async () => {
      last = await line();
      return last === expected ? true : undefined;
    },
    { timeoutMs: 60_000, everyMs: 200 },
  ).catch(() => assert.is(last, expected));
}

/** All conditions but the gate's, which stays enabled, as `status/reason`. */
async function all(): Promise<string> {
  const { FeatureGateEnabled, ...others } = await world.conditions();
  assert.is(FeatureGateEnabled, "True/GateEnabled");
  return Object.entries(others)
    .map(([type, value]) => `${type}=${value}`)
    .join(" ");
}

/** Time passes, and the operator counts the nodes and judges anew. */
const later = (ms: number) => gathers.pass(ms);
const conditions = (changes: Readonly<Record<string, string>> = {}) =>
  Object.entries({
    ...{ Available: "True/AsExpected", Progressing: "False/AsExpected", Degraded: "False/AsExpected" },
    ...{ ExtractorReady: "True/AsExpected", GathererReady: "True/AsExpected" },
    ...{ GatherSucceeded: "True/AsExpected", ...changes },
  })
    .map(([type, value]) => `${type}=${value}`)
    .join(" ");

/** A situation: what the cluster does, how long ago, and what is then to be seen. */
interface Case {
  readonly rule: string;
  readonly does: () => Promise<unknown>;
  /** Passes after it. */
  readonly ms?: number;
  readonly line: string;
  readonly conditions: string;
  readonly message?: readonly [type: string, message: RegExp];
}

const node = (letter: string) => `worker-${letter}`;
const cases: readonly Case[] = [
  {
    rule: "a cluster of one node, which is everything",
    does: async () => {
      await setNode(node("a"));
      await setPods(1, 1);
      await world.setGathererReady(true);
    },
    line: "enabled | True | False | False | AsExpected | 1/1",
    conditions: conditions(),
  },
  {
    rule: "the only node restarts: no outage, no trouble, no change of ours",
    does: async () => {
      await setNode(node("a"), { ready: false });
      await setPods(0, 1);
      await world.setGathererReady(false);
    },
    ms: 3 * minuteMs,
    line: "enabled | True | False | False | NodesNotReady | 0/1",
    conditions: conditions({ ExtractorReady: "False/NodesNotReady", GathererReady: "False/PodsNotReady" }),
  },
  {
    rule: "it stays away: nobody is left to ask",
    does: async () => {},
    ms: 3 * minuteMs,
    line: "enabled | False | False | True | GathererNotReady | 0/1",
    conditions: conditions({
      ...{ Available: "False/GathererNotReady", Degraded: "True/GathererNotReady" },
      ...{ ExtractorReady: "False/NodesNotReady", GathererReady: "False/PodsNotReady" },
    }),
    message: ["Degraded", /; 0 of 1 extractor pods .* To do: kubectl -n runtime-insights describe pods -l app/],
  },
  {
    rule: "it is back: Available at once, Degraded after a minute of peace",
    does: async () => {
      await setNode(node("a"));
      await setPods(1, 1);
      await world.setGathererReady(true);
    },
    line: "enabled | True | False | True | GathererNotReady | 1/1",
    conditions: conditions({ Degraded: "True/GathererNotReady" }),
    message: ["Degraded", /^The gatherer became ready less than a minute ago/],
  },
  {
    rule: "after the minute all is well",
    does: async () => {},
    ms: 61_000,
    line: "enabled | True | False | False | AsExpected | 1/1",
    conditions: conditions(),
  },
  {
    rule: "two nodes join, before their pods are made: no roll-out",
    does: async () => {
      for (const letter of ["b", "c"]) await setNode(node(letter), { ready: false });
      await setPods(1, 3, { updated: 1 });
    },
    ms: 11_000,
    line: "enabled | True | False | False | NodesNotReady | 1/3",
    conditions: conditions({ ExtractorReady: "False/NodesNotReady" }),
    message: ["ExtractorReady", /^1 of 3 extractor pods are ready; 2 Linux nodes that should have one are not ready$/],
  },
  {
    rule: "they have joined, and no node of the three has the control plane",
    does: async () => {
      for (const letter of ["b", "c"]) await setNode(node(letter));
      await setPods(3, 3);
    },
    line: "enabled | True | False | False | AsExpected | 3/3",
    conditions: conditions(),
  },
  {
    rule: "three tainted nodes have no extractor: counted, and nothing is wrong",
    does: async () => {
      for (const number of [1, 2, 3]) await setNode(`control-plane-${number}`, { tainted: true });
    },
    ms: 5 * minuteMs,
    line: "enabled | True | False | False | AsExpected | 3/3, 3 without",
    conditions: conditions(),
    message: ["ExtractorReady", /^3 of 3 extractor pods are ready; 3 Linux nodes have none, by taint or nodeSelector$/],
  },
  {
    rule: "a tainted node restarts: not ours",
    does: () => setNode("control-plane-1", { tainted: true, ready: false }),
    ms: 5 * minuteMs,
    line: "enabled | True | False | False | AsExpected | 3/3, 3 without",
    conditions: conditions(),
  },
  {
    rule: "two Windows nodes are not counted",
    does: async () => {
      for (const number of [1, 2]) await setNode(`windows-${number}`, { os: "windows" });
    },
    ms: 5 * minuteMs,
    line: "enabled | True | False | False | AsExpected | 3/3, 3 without",
    conditions: conditions(),
  },
  {
    rule: "a node is cordoned: its extractor stays",
    does: () => setNode(node("c"), { cordoned: true }),
    ms: 5 * minuteMs,
    line: "enabled | True | False | False | AsExpected | 3/3, 3 without",
    conditions: conditions(),
  },
  {
    rule: "an extractor crashes: in its grace time, though another node without extractor is not ready",
    does: () => setPods(2, 3),
    line: "enabled | True | False | False | PodsNotReady | 2/3, 3 without",
    conditions: conditions({ ExtractorReady: "False/PodsNotReady" }),
  },
  {
    rule: "it crashes again and again: ready for a moment at the end of its grace time",
    does: async () => {
      await later(4 * minuteMs);
      await setPods(3, 3);
      await waitForLine("enabled | True | False | False | AsExpected | 3/3, 3 without");
      await later(30_000);
      await setPods(2, 3);
      await waitForLine("enabled | True | False | False | PodsNotReady | 2/3, 3 without");
    },
    ms: 31_000,
    line: "enabled | True | False | True | ExtractorNotReady | 2/3, 3 without",
    conditions: conditions({ ExtractorReady: "False/PodsNotReady", Degraded: "True/ExtractorNotReady" }),
    message: ["Degraded", /^2 of 3 extractor pods .* To do: kubectl -n runtime-insights describe pods -l app/],
  },
  {
    rule: "a moment of peace does not take Degraded back",
    does: () => setPods(3, 3),
    ms: 30_000,
    line: "enabled | True | False | True | ExtractorNotReady | 3/3, 3 without",
    conditions: conditions({ Degraded: "True/ExtractorNotReady" }),
  },
  {
    rule: "another operator process, a new leader for one, neither",
    does: async () => {
      await setPods(2, 3);
      await startOperator();
    },
    line: "enabled | True | False | True | ExtractorNotReady | 2/3, 3 without",
    conditions: conditions({ ExtractorReady: "False/PodsNotReady", Degraded: "True/ExtractorNotReady" }),
  },
  {
    rule: "it runs, and a minute later it is over",
    does: () =>
      setPods(3, 3)
        .then(() => later(1_000))
        .then(() => waitForLine("enabled | True | False | True | ExtractorNotReady | 3/3, 3 without")),
    ms: 61_000,
    line: "enabled | True | False | False | AsExpected | 3/3, 3 without",
    conditions: conditions(),
  },
  {
    rule: "one of three nodes dies: told, and never Degraded",
    does: async () => {
      await setNode(node("b"), { ready: false });
      await setPods(2, 3);
      await later(11_000);
      await waitForLine("enabled | True | False | False | NodesNotReady | 2/3, 3 without");
    },
    ms: 60 * minuteMs,
    line: "enabled | True | False | False | NodesNotReady | 2/3, 3 without",
    conditions: conditions({ ExtractorReady: "False/NodesNotReady" }),
    message: ["ExtractorReady", /; 1 Linux node that should have one is not ready; 3 Linux nodes have none/],
  },
  {
    rule: "it is removed",
    does: async () => {
      await world.delete(`/api/v1/nodes/${node("b")}`);
      await setPods(2, 2);
    },
    ms: 11_000,
    line: "enabled | True | False | False | AsExpected | 2/2, 3 without",
    conditions: conditions(),
  },
  {
    rule: "a change of ours: Progressing from the first moment, although nobody has seen it yet",
    does: async () => {
      await world.applyConfig({ extractor: { containerTimeout: "7s" } });
      await waitFor("the new spec", async () =>
        JSON.stringify((await world.operand(daemonSet)) ?? {}).includes("7s") ? true : undefined,
      );
    },
    line: "enabled | True | True | False | Deploying | 2/2, 3 without",
    conditions: conditions({ Progressing: "True/Deploying", ExtractorReady: "False/Deploying" }),
  },
  {
    rule: "the new image cannot be pulled: the roll-out stops at the first node",
    does: () => setPods(1, 2, { updated: 1 }),
    ms: 4 * minuteMs,
    line: "enabled | True | True | False | Deploying | 1/2, 3 without",
    conditions: conditions({ Progressing: "True/Deploying", ExtractorReady: "False/Deploying" }),
  },
  {
    rule: "for five minutes: Degraded, and the old extractor goes on",
    does: async () => {},
    ms: 2 * minuteMs,
    line: "enabled | True | True | True | ExtractorNotReady | 1/2, 3 without",
    conditions: conditions({
      ...{ Progressing: "True/Deploying", ExtractorReady: "False/Deploying", Degraded: "True/ExtractorNotReady" },
    }),
  },
  {
    rule: "the image is there: the roll-out ends",
    does: () => setPods(2, 2),
    line: "enabled | True | False | True | ExtractorNotReady | 2/2, 3 without",
    conditions: conditions({ Degraded: "True/ExtractorNotReady" }),
  },
  {
    rule: "and a minute later its trouble",
    does: async () => {},
    ms: 61_000,
    line: "enabled | True | False | False | AsExpected | 2/2, 3 without",
    conditions: conditions(),
  },
  {
    rule: "a roll-out of half an hour that goes on",
    does: async () => {
      await setPods(100, 100);
      await waitForLine("enabled | True | False | False | AsExpected | 100/100");
      await world.applyConfig({ extractor: { containerTimeout: "8s" } });
      await waitForLine("enabled | True | True | False | Deploying | 100/100");
      for (const updated of [10, 20, 30, 40, 50, 60, 70, 80]) {
        await setPods(90, 100, { updated });
        await waitFor("the count", async () => ((await status()).nodes?.updated === updated ? true : undefined));
        await later(4 * minuteMs);
        assert.is((await world.conditions()).Degraded, "False/AsExpected", `${updated} of 100`);
      }
    },
    line: "enabled | True | True | False | Deploying | 90/100",
    conditions: conditions({ Progressing: "True/Deploying", ExtractorReady: "False/Deploying" }),
  },
  {
    rule: "its last pods",
    does: () => setPods(99, 100),
    line: "enabled | True | True | False | Deploying | 99/100",
    conditions: conditions({ Progressing: "True/Deploying", ExtractorReady: "False/Deploying" }),
  },
  {
    rule: "250 nodes more in half an hour: neither Progressing nor Degraded",
    does: async () => {
      await setPods(100, 100);
      await waitForLine("enabled | True | False | False | AsExpected | 100/100");
      for (let desired = 150; desired <= 350; desired += 50) {
        await setPods(desired - 20, desired, { updated: desired - 10 });
        await waitFor("the count", async () => ((await status()).nodes?.desired === desired ? true : undefined));
        await later(4 * minuteMs);
        const { Degraded, Progressing, Available } = await world.conditions();
        assert.equal([Degraded, Progressing, Available], ["False/AsExpected", "False/AsExpected", "True/AsExpected"]);
      }
      await setPods(350, 350);
    },
    line: "enabled | True | False | False | AsExpected | 350/350",
    conditions: conditions(),
  },
  {
    rule: "no extractor runs: Available outlives its grace time only",
    does: () => setPods(0, 350),
    line: "enabled | True | False | False | PodsNotReady | 0/350",
    conditions: conditions({ ExtractorReady: "False/PodsNotReady" }),
  },
  {
    rule: "after it neither",
    does: async () => {},
    ms: 6 * minuteMs,
    line: "enabled | False | False | True | ExtractorNotReady | 0/350",
    conditions: conditions({
      ...{ Available: "False/ExtractorNotReady", Degraded: "True/ExtractorNotReady" },
      ExtractorReady: "False/PodsNotReady",
    }),
  },
];
test("a config is made, and nothing runs yet", async () => {
  assert.is((await world.applyConfig({})).status, 201);
  await gathers.startOperator();
  await waitFor("the workloads", async () =>
    (await world.operand(daemonSet)) !== undefined && (await world.operand(deployment)) !== undefined
      ? true
      : undefined,
  );
  await waitForLine("enabled | False | True | False | GathererNotReady | 0/0");
  assert.is(
    await all(),
    conditions({
      ...{ Available: "False/GathererNotReady", Progressing: "True/Deploying" },
      ...{ ExtractorReady: "False/Deploying", GathererReady: "False/Deploying" },
      GatherSucceeded: "Unknown/NoGatherYet",
    }),
  );
  scripted = await serveHttps(await gathers.servingPair(), (request, response) => void answer(request, response));
  await startOperator();
});

for (const one of cases)
  test(one.rule, async () => {
    await one.does();
    if (one.ms !== undefined) {
      // Else what begins now is taken to begin after that time.
      await world.waitForReconcile();
      await later(one.ms);
    }
    await waitForLine(one.line);
    await waitFor("the conditions", async () => ((await all()) === one.conditions ? true : undefined), {
      ...{ timeoutMs: 30_000, everyMs: 100 },
    }).catch(async () => assert.is(await all(), one.conditions));
    const told = (await status()).conditions ?? [];
    if (one.message !== undefined) {
      const [type, expected] = one.message;
      assert.match(told.find((condition) => condition.type === type)?.message ?? "", expected);
    }
    const generation = (await world.get(configPath))?.metadata.generation;
    assert.ok(told.every(({ observedGeneration }) => observedGeneration === generation));
  });

test("a long time of peace: nothing is written", async () => {
  await setPods(350, 350);
  await waitForLine("enabled | True | False | True | ExtractorNotReady | 350/350");
  await later(2 * minuteMs);
  await waitForLine("enabled | True | False | False | AsExpected | 350/350");
  await later(2 * minuteMs);
  await sleep(1_000);
  const before = await status();
  for (let minute = 0; minute < 10; minute += 1) await later(minuteMs);
  await sleep(1_000);
  assert.equal(await status(), before);
});

test.run();
