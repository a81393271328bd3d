/** Nothing here enforces NetworkPolicies, so they are compared with the connections that our pods really have. */
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { endOf, type Flow, flowsOf, isAllowed, type Network, network, pidOf } from "./flows.ts";
import { applyConfig, gatherAtOnce, installOperator, namespace, testCluster, waitForCondition } from "./world.ts";

const cluster = await testCluster();
const nameLabel = "app.kubernetes.io/name";
const apiServer = "outside";
let world: Network;
let seen: readonly Flow[] = [];

const nameOf = (end: Flow["from"]) => end?.labels[nameLabel] ?? end?.namespace ?? apiServer;
const words = ({ from, to, port }: Flow) => `${nameOf(from)} -> ${nameOf(to)}:${port}`;

test("preparation: the operator is installed, and the nodes can be asked", async () => {
  await installOperator(cluster);
  await applyConfig(cluster, { featureGate: "Ignored" });
  await waitForCondition(cluster, "ExtractorReady", /^True/);
  await waitForCondition(cluster, "GathererReady", /^True/);
});

test("during a gather our pods have the connections that they are there for", async () => {
  world = await network(cluster);
  const ours = world.pods
    .filter(({ metadata }) => metadata.namespace === namespace)
    .map((pod) => ({ pod, pid: pidOf(pod) ?? "" }));
  const found = new Map<string, Flow>();
  const look = () => {
    for (const flow of ours.flatMap(({ pod, pid }) => flowsOf(pod, pid, world))) found.set(words(flow), flow);
  };
  const expected = [
    "runtime-insights-operator -> runtime-insights-gatherer:8443",
    "runtime-insights-gatherer -> runtime-insights-extractor:8443",
    "runtime-insights-operator -> outside:443",
    "runtime-insights-gatherer -> outside:443",
    "runtime-insights-extractor -> outside:443",
  ];
  const missing = () => expected.filter((flow) => !found.has(flow));
  // Some are over in milliseconds, so on a busy machine one gather may not show them all.
  for (let gathers = 0; gathers < 3 && missing().length > 0; gathers += 1) {
    let isOver = false;
    const gathering = gatherAtOnce(cluster).finally(() => (isOver = true));
    while (!isOver) {
      look();
      await sleep(2);
    }
    await gathering;
  }
  seen = [...found.values()];
  assert.equal(missing(), [], [...found.keys()].join(", "));
});

test("the policies allow every one of them", () => {
  assert.equal(seen.filter((flow) => !isAllowed(world, flow)).map(words), []);
});

const pod = (name: string, where = namespace) => ({ namespace: where, labels: { [nameLabel]: name } });
const operator = pod("runtime-insights-operator");
const gatherer = pod("runtime-insights-gatherer");
const extractor = pod("runtime-insights-extractor");
const stranger = pod("web", "default");
const outside = undefined;
const rows: readonly (Flow & { readonly allowed: boolean })[] = [
  { from: gatherer, to: extractor, port: 8443, allowed: true },
  { from: operator, to: gatherer, port: 8443, allowed: true },
  { from: operator, to: extractor, port: 8443, allowed: false },
  { from: extractor, to: gatherer, port: 8443, allowed: false },
  { from: extractor, to: extractor, port: 8443, allowed: false },
  { from: stranger, to: extractor, port: 8443, allowed: false },
  { from: stranger, to: gatherer, port: 8443, allowed: false },
  { from: stranger, to: extractor, port: 9443, allowed: false },
  { from: pod("runtime-insights-gatherer", "default"), to: extractor, port: 8443, allowed: false },
  { from: outside, to: extractor, port: 8443, allowed: false },
  { from: outside, to: operator, port: 8081, allowed: false },
  { from: gatherer, to: extractor, port: 3000, allowed: false },
  { from: extractor, to: outside, port: 80, allowed: false },
  { from: extractor, to: outside, port: 443, allowed: true },
  { from: operator, to: outside, port: 6443, allowed: true },
  { from: stranger, to: outside, port: 80, allowed: true },
];
for (const { allowed, ...flow } of rows)
  test(`the policies ${allowed ? "allow" : "forbid"} ${words(flow)}, from ${flow.from?.namespace ?? "outside"}`, () => {
    assert.is(isAllowed(world, flow), allowed);
  });

test("our policies select our pods only", () => {
  const ours = world.policies.filter(({ metadata }) => metadata.namespace === namespace);
  assert.ok(ours.length >= 3);
  const strangers = world.pods.filter(({ metadata }) => metadata.namespace !== namespace).map(endOf);
  for (const end of strangers) assert.ok(isAllowed(world, { from: end, to: outside, port: 80 }));
});

test.run();
