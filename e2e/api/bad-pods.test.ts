/** Pods of ours that do not run: why is told at once, Degraded later, and mending what is wrong is enough. Kubelets and controllers are played. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import { waitFor } from "../../hack/kubectl.ts";
import { nameLabel, names } from "../../src/core/operands.ts";
import { GathersWorld } from "./gathers-world.ts";
import { configPath, gathererSide, namespace, nodeSide, type OperatorWorld } from "./operator-world.ts";

let gathers: GathersWorld;
let world: OperatorWorld;

test.after(async () => {
  await world?.stop();
});

const daemonSet = { kind: "DaemonSet", name: names.extractor } as const;
const deployment = { kind: "Deployment", name: names.gatherer } as const;
const podsPath = `/api/v1/namespaces/${namespace}/pods`;
const statusSchema = z.object({
  status: z.object({
    conditions: z.array(z.object({ type: z.string(), message: z.string() })),
    headline: z.object({ reason: z.string() }),
  }),
});

const status = async () => statusSchema.parse(await world.get(configPath)).status;
const message = async (type: string) => (await status()).conditions.find((one) => one.type === type)?.message ?? "";

/** As the controller of DaemonSets counts. */
async function count(ready: number, desired: number): Promise<void> {
  const path = world.pathOf(daemonSet);
  const observedGeneration = (await world.get(path))?.metadata.generation;
  await world.patch(`${path}/status`, {
    status: {
      ...{ observedGeneration, desiredNumberScheduled: desired, currentNumberScheduled: desired },
      ...{ updatedNumberScheduled: desired, numberMisscheduled: 0, numberReady: ready, numberAvailable: ready },
    },
  });
}

/** A pod of the DaemonSet as a kubelet tells of it; its first container is in that state. */
async function pod(node: string, state: object, lastState: object = {}): Promise<void> {
  const image = "registry.example/node:1";
  const name = `${names.extractor}-${node}`;
  const made = await world.create(podsPath, {
    metadata: { name, labels: { [nameLabel]: names.extractor } },
    spec: { nodeName: node, serviceAccountName: names.extractor, containers: [{ name: "extractor", image }] },
  });
  assert.ok(made.status === 201 || made.status === 409, made.text);
  const container = { name: "extractor", image, imageID: "", restartCount: 0, ready: false, state, lastState };
  await world.patch(`${podsPath}/${name}/status`, { status: { phase: "Pending", containerStatuses: [container] } });
}

const pulling = (reason: string) => ({ waiting: { reason, message: "ErrImagePull: 401 Unauthorized" } });

async function eventReasons(): Promise<readonly string[]> {
  const { body } = await world.admin.call({ path: "/api/v1/namespaces/default/events" });
  return z
    .object({ items: z.array(z.object({ reason: z.string() })) })
    .parse(body)
    .items.map(({ reason }) => reason);
}

test("preparation: everything is installed and runs", async () => {
  gathers = await GathersWorld.start();
  world = gathers.world;
  assert.is((await world.applyConfig({ featureGate: "Ignored" })).status, 201);
  await gathers.startOperator();
  await world.waitForPresent([...gathererSide, ...nodeSide]);
  await world.setGathererReady(true);
  await count(3, 3);
  await world.waitForCondition("ExtractorReady", "True/AsExpected");
});

test("an image that cannot be pulled is told within seconds, with its name, how many nodes and why", async () => {
  await count(1, 3);
  await pod("a", pulling("ErrImagePull"));
  await pod("b", pulling("ImagePullBackOff"));
  await world.waitForCondition("ExtractorReady", "False/PodsNotReady");
  await gathers.pass(6_000);
  await world.waitForCondition("ExtractorReady", "False/ImagePullFailed");
  assert.is(
    await message("ExtractorReady"),
    "1 of 3 extractor pods are ready: image registry.example/node:1 (access denied) cannot be pulled on 2 nodes",
  );
  assert.is((await status()).headline.reason, "ImagePullFailed");
  assert.ok((await eventReasons()).includes("ImagePullFailed"));
});

test("the words of kubelets come and go, what is said does not", async () => {
  const before = (await world.get(configPath))?.metadata.resourceVersion;
  await pod("a", pulling("ImagePullBackOff"));
  await pod("b", { waiting: { reason: "ErrImagePull", message: "not understood" } });
  await gathers.pass(11_000);
  await gathers.pass(11_000);
  await world.waitForObserved();
  assert.match(await message("ExtractorReady"), /\(access denied\) cannot be pulled on 2 nodes$/);
  assert.ok(before !== undefined);
});

test("it lasts: Degraded says what to do", async () => {
  await gathers.pass(5 * 60_000);
  await world.waitForCondition("Degraded", "True/ExtractorNotReady");
  assert.match(
    await message("Degraded"),
    /cannot be pulled on 2 nodes.* To do: .*RELATED_IMAGE_.*imagePullSecret; kubectl -n runtime-insights describe pods -l app/,
  );
});

test("a container that ends again and again is named with its exit code", async () => {
  const terminated = { exitCode: 137, reason: "OOMKilled" };
  await pod("a", { waiting: { reason: "CrashLoopBackOff", message: "back-off 5m0s" } }, { terminated });
  await pod("b", { running: {} }, { terminated });
  await gathers.pass(61_000);
  await world.waitForCondition("ExtractorReady", "False/ContainerFailed");
  assert.match(await message("ExtractorReady"), /container extractor ends with exit code 137, OOMKilled on 2 nodes$/);
});

test("all run again: nothing of it is left", async () => {
  await count(3, 3);
  await world.waitForCondition("ExtractorReady", "True/AsExpected");
  await gathers.pass(61_000);
  await waitFor("no trouble with pods", async () =>
    (await world.conditions()).Degraded !== "True/ExtractorNotReady" ? true : undefined,
  );
  for (const node of ["a", "b"]) await world.delete(`${podsPath}/${names.extractor}-${node}`);
});

const violates = 'violates PodSecurity "restricted:latest": host namespaces (hostPID=true)';

test("pods that are refused: the cluster's words without what differs from try to try, and the label to set", async () => {
  await world.patch(`/api/v1/namespaces/${namespace}`, {
    metadata: { labels: { "pod-security.kubernetes.io/enforce": "restricted" } },
  });
  await count(0, 3);
  await world.waitForCondition("ExtractorReady", "False/PodsNotReady");
  await gathers.pass(6_000);
  await world.waitForCondition("ExtractorReady", "False/PodsRefused");
  assert.match(
    await message("ExtractorReady"),
    /no pods are made on 3 nodes: .* enforces Pod Security standard restricted$/,
  );
  const { uid } = (await world.operand(daemonSet))?.metadata ?? {};
  const atMs = gathers.nowMs();
  for (const [secondsAgo, pods] of [
    [20, "xxxxx"],
    [1, "yyyyy"],
  ] as const) {
    const lastTimestamp = new Date(atMs - secondsAgo * 1000).toISOString().replace(/\.\d+Z$/, "Z");
    const made = await world.create(`/api/v1/namespaces/${namespace}/events`, {
      metadata: { generateName: "refused-" },
      involvedObject: { apiVersion: "apps/v1", kind: "DaemonSet", name: names.extractor, namespace, uid },
      ...{ reason: "FailedCreate", type: "Warning", firstTimestamp: lastTimestamp, lastTimestamp },
      message: `Error creating: pods "runtime-insights-extractor-${pods}" is forbidden: ${violates}`,
    });
    assert.is(made.status, 201, made.text);
  }
  await gathers.pass(11_000);
  await waitFor("the cluster's words", async () =>
    (await message("ExtractorReady")).endsWith(violates) ? true : undefined,
  );
  await gathers.pass(5 * 60_000);
  await world.waitForCondition("Degraded", "True/ExtractorNotReady");
  assert.match(
    await message("Degraded"),
    /To do: kubectl label namespace runtime-insights pod-security\.kubernetes\.io\/enforce=privileged --overwrite/,
  );
});

test("the label is set, and the pods are there", async () => {
  await world.patch(`/api/v1/namespaces/${namespace}`, {
    metadata: { labels: { "pod-security.kubernetes.io/enforce": "privileged" } },
  });
  await count(3, 3);
  await world.waitForCondition("ExtractorReady", "True/AsExpected");
});

const templateSchema = z.object({
  spec: z.object({
    template: z.object({
      spec: z.object({ imagePullSecrets: z.array(z.object({ name: z.string() })).default([]) }),
    }),
  }),
});

async function secretsOf(operand: typeof daemonSet | typeof deployment): Promise<string> {
  const { spec } = templateSchema.parse(await world.operand(operand));
  return spec.template.spec.imagePullSecrets.map(({ name }) => name).join();
}

const setSecrets = (account: string, ...secrets: readonly string[]) =>
  world.patch(`/api/v1/namespaces/${namespace}/serviceaccounts/${account}`, {
    imagePullSecrets: secrets.map((name) => ({ name })),
  });

test("the pull secrets of the operator's account are used by all pods, beside those of their own account, which stay", async () => {
  await setSecrets(names.extractor, "of-the-extractor", "runtime-insights-extractor-dockercfg-abcde");
  assert.is(await secretsOf(daemonSet), "");
  await setSecrets(names.operator, "mirror", "runtime-insights-operator-dockercfg-abcde");
  await waitFor("the secrets", async () =>
    (await secretsOf(daemonSet)) === "mirror,of-the-extractor,runtime-insights-extractor-dockercfg-abcde" &&
    (await secretsOf(deployment)) === "mirror"
      ? true
      : undefined,
  );
  const pods = `/api/v1/namespaces/${namespace}/pods`;
  const made = await world.create(pods, {
    metadata: { name: "one-that-runs", labels: { "app.kubernetes.io/name": names.operator } },
    spec: {
      serviceAccountName: names.operator,
      imagePullSecrets: [{ name: "mirror" }],
      containers: [{ name: "operator", image: "o:1" }],
    },
  });
  assert.is(made.status, 201, made.text);
  await world.patch(`${pods}/one-that-runs/status`, { status: { phase: "Running" } });
  await setSecrets(names.operator, "other");
  await waitFor("the secrets of the account, and those that OLM took from it", async () =>
    (await secretsOf(deployment)) === "mirror,other" ? true : undefined,
  );
  await world.delete(`${pods}/one-that-runs`);
  await setSecrets(names.operator);
  await waitFor("no secrets", async () =>
    (await secretsOf(daemonSet)) === "" && (await secretsOf(deployment)) === "" ? true : undefined,
  );
  const account = await world.operand({ kind: "ServiceAccount", name: names.extractor });
  assert.match(JSON.stringify(account), /"imagePullSecrets":\[\{"name":"of-the-extractor"\}/);
});

test.run();
