/** Reads that show the past, and objects that come and go faster than anybody looks: nothing right is touched, and the end is the same. */
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { kubectl, waitFor } from "../../hack/kubectl.ts";
import { applyOpenshift } from "../../hack/openshift/objects.ts";
import { keyOf, names } from "../../src/core/operands.ts";
import { configPath, featureGatePath, gathererSide, namespace, nodeSide } from "../api/operator-world.ts";
import { ApiProxy, type Memory, type RequestHook, type Verdict } from "./api-proxy.ts";
import { quiet } from "./kills.ts";
import { type RobustWorld, startRobustWorld } from "./robust-world.ts";
import { certificateProblems, differences, type State, stateOf } from "./world-state.ts";

let world: RobustWorld;
/** Where an install ends that nothing disturbs. */
let installed: State;
const soon = { timeoutMs: 90_000, everyMs: 100 };
const all = [...gathererSide, ...nodeSide];

test("an undisturbed install", async () => {
  world = await startRobustWorld({ controllers: "cleaning" });
  const { api, operator } = world;
  operator.start();
  await operator.waitUntilRun();
  await api.setGate("enabled");
  await api.applyConfig({});
  await api.waitForPresent(all);
  await quiet(world, 2_000);
  installed = await stateOf(api);
});
test.after(async () => {
  await world?.stop();
});

async function becomes(expected: State, timeoutMs = 90_000): Promise<void> {
  let found: readonly string[] = [];
  await waitFor(
    "the end state",
    async () => {
      found = differences(expected, await stateOf(world.api));
      return found.length === 0 ? true : undefined;
    },
    { timeoutMs, everyMs: 100 },
  ).catch(() => {
    throw new Error(found.join("\n"));
  });
  await quiet(world, 1_500);
  assert.equal(differences(expected, await stateOf(world.api)), []);
  assert.equal(await certificateProblems(world.api), []);
  assert.equal(world.operator.exits, []);
}

/** Starts the operator with that past, and compares what is there before and after it has looked. */
async function untouchedBy(memory: Memory): Promise<void> {
  const { api, proxy, operator } = world;
  const before = await api.versions();
  proxy.forget();
  // Without the Lease, which a process that sees the past cannot take: it would not even begin.
  const withoutLease = new Map([...memory].filter(([key]) => !key.includes("/leases/")));
  const undo = proxy.onRequest(ApiProxy.serving(withoutLease));
  operator.start();
  await operator.waitUntilRun().finally(() => setTimeout(undo, 2_500));
  await sleep(2_000);
  const { [keyOf({ kind: "InsightsRuntimeExtractor", name: "cluster" })]: config, ...operands } = await api.versions();
  void config;
  const kept = Object.fromEntries(Object.entries(before).filter(([key]) => key in operands));
  assert.equal(operands, kept);
  assert.is(Object.keys(operands).length, all.length);
  await sleep(1_000);
}

async function remakeConfig(): Promise<void> {
  const { api } = world;
  await api.delete(configPath);
  await api.waitForPresent([]);
  await api.applyConfig({});
  await api.waitForPresent(all);
  await quiet(world, 1_500);
}

/** The memory with the config as it was then, but on its way out. */
function withConfigGoing(memory: Memory): Memory {
  return new Map(
    [...memory].map(([key, answer]) => {
      if (!key.includes(configPath) || answer.status !== 200) return [key, answer];
      const body = answer.body.replace('"metadata":{', '"metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z",');
      return [key, { ...answer, body }];
    }),
  );
}

test("after a restart the reads show an earlier config of the same name, alone or on its way out: nothing is touched", async () => {
  const { proxy, operator } = world;
  const past = proxy.remembered();
  await remakeConfig();
  await operator.kill();
  await untouchedBy(past);
  await becomes(installed);
  await operator.kill();
  await untouchedBy(withConfigGoing(past));
  await becomes(installed);
  assert.ok([...withConfigGoing(past).values()].some(({ body }) => body.includes("2026-01-01T00:00:00Z")));
});

test("only the config is from the past and on its way out: nothing is touched", async () => {
  const { proxy, operator } = world;
  const past = new Map([...withConfigGoing(proxy.remembered())].filter(([key]) => key.includes(configPath)));
  assert.ok(past.size > 0);
  await remakeConfig();
  await operator.kill();
  await untouchedBy(past);
  await becomes(installed);
});

test("after a restart the reads show the gate off and the objects of then: deletes name uid and version, and none comes through", async () => {
  const { api, proxy, operator } = world;
  const reached = Promise.withResolvers<Memory>();
  const undo = proxy.onRequest(({ method }) => {
    if (method !== "DELETE") return "pass";
    reached.resolve(proxy.remembered());
    return "cut";
  });
  await api.setGate("disabled");
  const past = await reached.promise;
  undo();
  await api.waitForPresent(gathererSide);
  await api.setGate("enabled");
  await api.waitForPresent(all);
  await quiet(world, 1_500);
  await operator.kill();
  await untouchedBy(past);
  await becomes(installed);
  const deletes = proxy.writes().filter(({ method }) => method === "DELETE");
  assert.ok(deletes.length > 0);
  for (const { path, body, status } of deletes) {
    assert.match(body, /"preconditions":\{"uid":"[^"]+","resourceVersion":"\d+"\}/);
    assert.is(status, 409, path);
  }
});

test("config made, deleted and made again before the operator has looked once", async () => {
  const { api, operator } = world;
  await api.delete(configPath);
  await api.waitForPresent([]);
  await quiet(world);
  operator.freeze();
  await api.applyConfig({});
  await api.delete(configPath);
  await api.applyConfig({});
  operator.thaw();
  await becomes(installed);
});

test("config deleted and made again while everything is there: taken over or made anew, and not lost with the old one", async () => {
  const { api } = world;
  await api.delete(configPath);
  await api.applyConfig({});
  await becomes(installed);
});

const moments = [
  { what: "at its first write", ends: `/secrets/${names.ca}` },
  { what: "half way", ends: `/deployments/${names.gatherer}` },
  { what: "at its last object", ends: `/daemonsets/${names.extractor}` },
];
for (const { what, ends } of moments) {
  test(`config deleted while it is installed, ${what}: nothing of it stays; made again then: the same install`, async () => {
    const { api, proxy } = world;
    for (const again of [false, true]) {
      await api.delete(configPath);
      await api.waitForPresent([]);
      await quiet(world);
      let deleted = false;
      const hook: RequestHook = async ({ isWrite, path }): Promise<Verdict> => {
        if (!isWrite || !path.endsWith(ends) || deleted) return "pass";
        deleted = true;
        await api.delete(configPath);
        if (again) await api.applyConfig({});
        return "pass";
      };
      const undo = proxy.onRequest(hook);
      await api.applyConfig({});
      await waitFor("the write", async () => (deleted ? true : undefined), soon);
      undo();
      if (again) await becomes(installed);
      else {
        // Nothing may have been made yet, and the garbage collector is slow.
        await quiet(world, 1_500);
        await api.waitForPresent([]);
        await quiet(world, 1_500);
        assert.equal(await api.present(), []);
      }
    }
  });
}

test("the gate's kind comes later, and then its object: followed without a restart", async () => {
  const { api } = world;
  await api.delete("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/featuregates.config.openshift.io");
  await api.waitForCondition("FeatureGateEnabled", "False/GateApiMissing");
  await api.waitForPresent(gathererSide);
  await applyOpenshift(api.server);
  assert.ok((await api.get(featureGatePath)) !== undefined);
  await api.setGate("enabled");
  // A kind that is not served is asked for less and less often.
  await becomes(installed, 150_000);
});

test("the namespace is deleted under it: no exit, no storm; with namespace and account back it is as before", async () => {
  const { api, proxy, operator } = world;
  proxy.forget();
  await kubectl(api.server, ["delete", "namespace", namespace, "--timeout=90s"]);
  const afterMs = Date.now();
  await sleep(10_000);
  const asked = proxy.requests.filter(({ atMs }) => atMs >= afterMs).length;
  assert.ok(asked < 400, `${asked} requests in ten seconds`);
  assert.ok(operator.isRunning);
  assert.equal(operator.exits, []);
  await operator.terminate();
  await kubectl(api.server, ["apply", "-k", "manifests"]);
  await world.renewToken();
  operator.start();
  await operator.waitUntilRun();
  await becomes(installed);
});

test.run();
