/** The tools of this folder do what they say, with the operator as their user. */
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { waitFor } from "../../hack/kubectl.ts";
import { names } from "../../src/core/operands.ts";
import { configPath, gathererSide, nodeSide } from "../api/operator-world.ts";
import { ApiProxy } from "./api-proxy.ts";
import { type RobustWorld, startRobustWorld } from "./robust-world.ts";

let world: RobustWorld;
const soon = { timeoutMs: 60_000, everyMs: 50 };
const isLease = ({ path }: { readonly path: string }) => path.includes("/leases/");

test("an API server, a proxy and an operator come up", async () => {
  world = await startRobustWorld({ controllers: false });
  world.operator.start();
  await world.operator.waitUntilRun();
});
test.after(async () => {
  await world?.stop();
});

test("every request is written down: the operator installs through the proxy, and only through it", async () => {
  const { api, proxy } = world;
  await api.applyConfig({});
  await api.setGate("enabled");
  await api.waitForPresent([...gathererSide, ...nodeSide]);
  const applied = proxy.writes().find(({ path }) => path.endsWith(`/daemonsets/${names.extractor}`));
  assert.is(applied?.method, "PATCH");
  assert.is(applied?.status, 201);
  assert.match(applied?.body ?? "", /"kind":"DaemonSet"/);
  assert.ok(
    proxy.requests.some(({ isWatch, path, status }) => isWatch && path.endsWith("/daemonsets") && status === 200),
  );
  await proxy.cutOff("refused");
  assert.match(await problemOf(fetch(proxy.origin)), /fetch failed/);
  await proxy.restore();
});

test("an answer can be given in the API server's place, and another can be replaced", async () => {
  const { api, proxy } = world;
  const daemonSet = { kind: "DaemonSet", name: names.extractor } as const;
  const isPatch = ({ path, isWrite }: { readonly path: string; readonly isWrite: boolean }) =>
    isWrite && path === api.pathOf(daemonSet);
  let tries = 0;
  const undoRequest = proxy.onRequest((request) => {
    if (!isPatch(request) || tries++ > 0) return "pass";
    return { status: 429, headers: { "retry-after": "1" }, body: "{}" };
  });
  const undoAnswer = proxy.onAnswer((request, answer) => (isPatch(request) && tries === 2 ? "cut" : answer));
  await api.delete(api.pathOf(daemonSet));
  await waitFor("the second try", async () => (tries >= 2 ? true : undefined), soon);
  await waitFor("the DaemonSet", () => api.operand(daemonSet), soon);
  undoRequest();
  undoAnswer();
  const statuses = proxy.writes().filter(isPatch).slice(-2);
  assert.is(statuses[0]?.status, 429);
});

test("a watch line can be dropped, and a watch can be ended: the operator sees it at the next list", async () => {
  const { api, proxy, operator } = world;
  await operator.waitUntilRun();
  await quiet();
  let dropped = 0;
  const undo = proxy.onWatchLine(({ path }, { type }) => {
    if (!path.endsWith("/services") || type !== "DELETED") return "pass";
    dropped += 1;
    return "drop";
  });
  const service = api.pathOf({ kind: "Service", name: names.exporter });
  await api.delete(service);
  await waitFor("the event", async () => (dropped > 0 ? true : undefined), soon);
  await sleep(1_000);
  assert.is(await api.get(service), undefined);
  undo();
  const watch = proxy.watches().find(({ request }) => request.path.endsWith("/services"));
  watch?.send({ type: "ERROR", object: { kind: "Status", code: 410, message: "too old" } });
  watch?.end();
  await waitFor("the Service", () => api.get(service), soon);
});

test("reads can be answered as they were: a deleted object seems to be there", async () => {
  const { api, proxy } = world;
  await quiet();
  const memory = proxy.remembered();
  const undo = proxy.onRequest(ApiProxy.serving(memory));
  const policy = api.pathOf({ kind: "NetworkPolicy", name: names.extractor });
  await api.delete(policy);
  await sleep(1_500);
  assert.is(await api.get(policy), undefined);
  undo();
  await api.applyConfig({ logLevel: "Debug" });
  await waitFor("the policy", () => api.get(policy), soon);
});

test("silent: a request is accepted and never answered, and an old connection stays mute afterwards", async () => {
  const { proxy } = world;
  const ask = (timeoutMs: number) => fetch(`${proxy.origin}/readyz`, { signal: AbortSignal.timeout(timeoutMs) });
  assert.is((await ask(20_000)).status, 200);
  await proxy.cutOff("silent");
  assert.match(await problemOf(ask(700)), /timeout/);
  await proxy.restore();
  const answered = await waitFor("a new connection", () => ask(2_000).catch(() => undefined), soon);
  assert.is(answered.status, 200);
});

test("a killed operator is started again and runs", async () => {
  const { operator, api } = world;
  const before = operator.pid;
  await operator.kill();
  assert.not.ok(operator.isRunning);
  await api.applyConfig({ managementState: "Removed" });
  operator.start();
  await operator.waitUntilRun();
  assert.is.not(operator.pid, before);
  await api.waitForPresent([]);
  await api.waitForCondition("Available", "False/Removed", configPath);
});

test("a frozen operator does nothing until it is thawed", async () => {
  const { operator, api } = world;
  operator.freeze();
  await api.applyConfig({});
  await sleep(1_000);
  assert.equal(await api.present(), []);
  operator.thaw();
  await api.waitForPresent([...gathererSide, ...nodeSide]);
});

test("told to end it ends with 0, and nothing has ended by itself", async () => {
  const { operator } = world;
  assert.is(await operator.terminate(), 0);
  assert.not.ok(operator.isRunning);
  assert.equal(operator.exits, []);
});

const problemOf = (asked: Promise<unknown>) => asked.then(() => "none", String);

/** Nothing but a Lease has been written for a second. */
async function quiet(): Promise<void> {
  const count = () => world.proxy.writes().filter((write) => !isLease(write)).length;
  for (let before = -1; before !== count(); ) {
    before = count();
    await sleep(1_000);
  }
}

test.run();
