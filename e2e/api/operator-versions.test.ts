/** Operators of two versions: handing over in an upgrade and back, in two installations, beside CRDs of another version. */
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import { cloneDir } from "../../hack/cache.ts";
import { kubectl, waitFor } from "../../hack/kubectl.ts";
import manifest from "../../package.json" with { type: "json" };
import type { KubeObject } from "../../src/api/object.ts";
import { names } from "../../src/core/operands.ts";
import { ApiProxy } from "../robust/api-proxy.ts";
import { OperatorProcess } from "../robust/operator-process.ts";
import { configPath, gathererSide, namespace, nodeSide, OperatorWorld } from "./operator-world.ts";

const newerVersion = "99.0.0";
const otherNamespace = "second";
const leasePath = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/runtime-insights-operator`;
const leaseSchema = z.looseObject({ spec: z.object({ renewTime: z.string(), leaseDurationSeconds: z.number() }) });
const soon = { timeoutMs: 90_000, everyMs: 100 };
const daemonSet = { kind: "DaemonSet", name: names.extractor } as const;
const crdPath =
  "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/insightsruntimeextractors.runtimes.insights.openshift.io";
const jsonPatch = "application/json-patch+json";
const schema = "/spec/versions/0/schema/openAPIV3Schema/properties";

/** An operator with a proxy of its own, so that it is known which of them wrote what. */
interface Actor {
  readonly process: OperatorProcess;
  readonly proxy: ApiProxy;
}

let world: OperatorWorld;
let older: Actor;
let newer: Actor;
let elsewhere: Actor;

/** What it wrote since the proxy last forgot, its Lease and events left out. */
function writesOf(actor: Actor): readonly string[] {
  return ownWrites(actor).map(({ method, path, status }) => `${method} ${path} ${status}`);
}

function ownWrites({ proxy }: Actor) {
  return proxy.writes().filter(({ path }) => !path.includes("/leases/") && !path.endsWith("/events"));
}

async function actor(kubeconfigOf: { readonly namespace: string; readonly podName: string }, root = cloneDir) {
  const { namespace: where, podName } = kubeconfigOf;
  const proxy = await ApiProxy.start(world.server);
  const kubeconfig = join(world.server.dir, `${podName}.kubeconfig`);
  const token = await kubectl(world.server, ["-n", where, "create", "token", "runtime-insights-operator"]);
  proxy.writeKubeconfig(kubeconfig, token.trim());
  const isNewer = root !== cloneDir;
  const process = new OperatorProcess({
    ...{ kubeconfig, podName, podUid: podName, root },
    env: { POD_NAMESPACE: where, ...(isNewer ? { RELATED_IMAGE_INSIGHTS_RUNTIME_EXTRACTOR: "e:2" } : {}) },
  });
  return { process, proxy };
}

/** The sources as a later release might have them: another version, another word in the status. */
function newerSources(): string {
  const root = join(world.server.dir, "newer");
  mkdirSync(root);
  cpSync(join(cloneDir, "src"), join(root, "src"), { recursive: true });
  cpSync(join(cloneDir, "package.json"), join(root, "package.json"));
  symlinkSync(join(cloneDir, "node_modules"), join(root, "node_modules"));
  for (const [file, from, to] of [
    ["package.json", `"version": "${manifest.version}"`, `"version": "${newerVersion}"`],
    ["src/api/config-status.ts", '.enum(["Ephemeral"])', '.enum(["Lasting"])'],
    ["src/core/status.ts", 'storage: "Ephemeral"', 'storage: "Lasting"'],
  ] as const) {
    const text = readFileSync(join(root, file), "utf8");
    assert.ok(text.includes(from), `${file} has no ${from}`);
    writeFileSync(join(root, file), text.replace(from, to));
  }
  return root;
}

async function configText(): Promise<string> {
  return JSON.stringify(await world.get(configPath));
}

async function waitForVersion(version: string): Promise<void> {
  await waitFor(
    `the status of version ${version}`,
    async () => ((await configText()).includes(`"version":"${version}"`) ? true : undefined),
    soon,
  );
}

/** The DaemonSet once its image is that one. */
async function rolledTo(image: string): Promise<KubeObject> {
  return waitFor(
    `image ${image}`,
    async () => {
      const found = await world.operand(daemonSet);
      return JSON.stringify(found).includes(`"image":"${image}"`) ? found : undefined;
    },
    soon,
  );
}

/** What we want of it: without what the API server counts. */
function wanted({ metadata: { labels, annotations = {} }, spec }: KubeObject & { readonly spec?: unknown }) {
  const { "deprecated.daemonset.template.generation": _, ...kept } = annotations;
  return { labels, annotations: kept, spec };
}

const says = (line: object, word: string) => JSON.stringify(line).includes(word);

async function quiet(...actors: readonly Actor[]): Promise<void> {
  const count = () => actors.reduce((sum, one) => sum + writesOf(one).length, 0);
  for (let before = -1; before !== count(); ) {
    before = count();
    await sleep(1_500);
  }
}

let firstSeen: KubeObject;

test("CRDs of a later release, and an operator that is older than they are", async () => {
  world = await OperatorWorld.start({ controllers: false });
  await world.applyCrds();
  const added = [
    { op: "add", path: `${schema}/spec/properties/gather/properties/novelty`, value: { type: "string" } },
    { op: "add", path: `${schema}/spec/properties/telepathy`, value: { type: "string" } },
    { op: "replace", path: `${schema}/status/properties/storage/enum`, value: ["Ephemeral", "Lasting"] },
  ];
  await world.patch(crdPath, added, jsonPatch);
  const root = newerSources();
  await kubectl(world.server, ["create", "namespace", otherNamespace]);
  await kubectl(world.server, ["-n", otherNamespace, "create", "serviceaccount", "runtime-insights-operator"]);
  // The shipped bindings are for one namespace.
  await kubectl(world.server, [
    ...["create", "clusterrolebinding", "second-operator", "--clusterrole=cluster-admin"],
    `--serviceaccount=${otherNamespace}:runtime-insights-operator`,
  ]);
  older = await actor({ namespace, podName: "older" });
  newer = await actor({ namespace, podName: "newer" }, root);
  elsewhere = await actor({ namespace: otherNamespace, podName: "elsewhere" }, root);
});
test.after(async () => {
  const actors = [older, newer, elsewhere].filter((one) => one !== undefined);
  await Promise.all(actors.map(({ process }) => process.kill()));
  await Promise.all(actors.map(({ proxy }) => proxy.stop()));
  await world?.stop();
});

test("fields of the config that the operator does not know are ignored, and stay", async () => {
  const spec = { gather: { novelty: "n", interval: "11h" }, telepathy: "t" };
  await waitFor(
    "the newer schema",
    async () => {
      assert.ok((await world.applyConfig(spec)).status < 300);
      return (await configText()).includes("telepathy") ? true : undefined;
    },
    soon,
  );
  await world.setGate("enabled");
  older.process.start();
  await world.waitForPresent([...gathererSide, ...nodeSide]);
  await world.waitForObserved();
  assert.is((await world.conditions()).Degraded, "False/AsExpected");
  const config = await configText();
  for (const field of ['"novelty":"n"', '"interval":"11h"', '"telepathy":"t"'])
    assert.ok(config.includes(field), field);
  await waitForVersion(manifest.version);
  firstSeen = await rolledTo("e:1");
});

test("upgrade: the new version waits for the Lease and writes nothing", async () => {
  await quiet(older);
  newer.process.start();
  await waitFor("the Lease to be looked at", async () => newer.proxy.requests[1], soon);
  await sleep(4_000);
  assert.equal(
    newer.proxy.writes().map(({ method, path }) => `${method} ${path}`),
    [],
  );
});

test("the old version ends: the new one leads at once and rolls the extractors out once", async () => {
  older.proxy.forget();
  newer.proxy.forget();
  assert.is(await older.process.terminate(), 0);
  // The old one gave it back, so that nobody waits for its end.
  assert.not.match(JSON.stringify(await world.get(leasePath)), /"holderIdentity":"older/);
  await rolledTo("e:2");
  await waitForVersion(newerVersion);
  await quiet(newer);
  assert.is((await world.operand(daemonSet))?.metadata.generation, (firstSeen.metadata.generation ?? 0) + 1);
  const last = Math.max(0, ...older.proxy.writes().map(({ atMs }) => atMs));
  const first = Math.min(...newer.proxy.writes().map(({ atMs }) => atMs));
  assert.ok(last <= first, "the old version wrote after the new one");
  assert.match(await configText(), /"storage":"Lasting"/);
});

test("nothing is written any more by the new version on what the old one made", async () => {
  newer.proxy.forget();
  await sleep(6_000);
  assert.equal(writesOf(newer), []);
});

test("downgrade: the old version rolls back once, to the same object, and the newer fields of the config are still there", async () => {
  assert.is(await newer.process.terminate(), 0);
  older.proxy.forget();
  older.process.start();
  const back = await rolledTo("e:1");
  await waitForVersion(manifest.version);
  await quiet(older);
  assert.is((await world.operand(daemonSet))?.metadata.generation, (firstSeen.metadata.generation ?? 0) + 2);
  assert.equal(wanted(back), wanted(firstSeen));
  assert.match(await configText(), /"telepathy":"t"/);
  assert.match(await configText(), /"novelty":"n"/);
  assert.match(await configText(), /"storage":"Ephemeral"/);
});

test("an operator of another version in another namespace writes nothing but its own Lease, and says why", async () => {
  elsewhere.process.start();
  await elsewhere.process.waitUntilRun();
  await sleep(3_000);
  assert.equal(writesOf(elsewhere), []);
  assert.ok(elsewhere.process.log.some(({ msg }) => /^Another operator serves this cluster/.test(msg)));
  assert.match(await configText(), new RegExp(`"operator":{"namespace":"${namespace}"`));
  const told = elsewhere.proxy.writes().filter(({ path }) => path.endsWith("/events"));
  assert.is(told.length, 2, "one event about the config, one about its own namespace");
  const { body } = await world.admin.call({ path: "/api/v1/namespaces/default/events" });
  assert.match(
    JSON.stringify(body),
    new RegExp(
      `"reason":"AnotherOperator","message":"Two operators are installed: the one in namespace ${namespace} manages`,
    ),
  );
});

test("the first one is gone without a word: the other one takes over when its Lease has run out, with an event", async () => {
  await older.process.kill();
  const { spec } = leaseSchema.parse(await world.get(leasePath));
  const wake = () => world.patch(configPath, { metadata: { annotations: { "example.com/wake": String(Date.now()) } } });
  const path = `/apis/apps/v1/namespaces/${otherNamespace}/daemonsets/${names.extractor}`;
  await waitFor(
    "the other one's DaemonSet",
    async () => {
      await wake();
      return world.get(path);
    },
    { ...soon, everyMs: 1_000 },
  );
  const first = Math.min(...ownWrites(elsewhere).map(({ atMs }) => atMs));
  assert.ok(first >= Date.parse(spec.renewTime) + spec.leaseDurationSeconds * 1_000, "the Lease had not run out");
  await waitForVersion(newerVersion);
  assert.match(await configText(), new RegExp(`"operator":{"namespace":"${otherNamespace}"`));
  const events = await world.admin.call({ path: "/api/v1/namespaces/default/events" });
  assert.match(JSON.stringify(events.body), /"reason":"TookOver"/);
});

test("the first one comes back and leaves the cluster to the other one, whose status it understands only in part", async () => {
  await quiet(elsewhere);
  assert.match(await configText(), /"storage":"Lasting"/);
  older.proxy.forget();
  older.process.start();
  await older.process.waitUntilRun();
  await sleep(3_000);
  assert.equal(writesOf(older), []);
  assert.ok(older.process.log.slice(-5).some(({ msg }) => /^Another operator serves this cluster/.test(msg)));
});

test("CRDs older than the operator: a field that they lack is refused by name, and nothing is written again and again", async () => {
  await older.process.kill();
  const removed = [
    { op: "remove", path: `${schema}/spec/properties/gather/properties/podLimit` },
    { op: "remove", path: `${schema}/status/properties/nodes` },
    { op: "remove", path: `${schema}/status/properties/lastUpload` },
  ];
  await world.patch(crdPath, removed, jsonPatch);
  const config = JSON.stringify({
    apiVersion: "runtimes.insights.openshift.io/v1alpha1",
    kind: "InsightsRuntimeExtractor",
    metadata: { name: "cluster" },
    spec: { gather: { podLimit: 5 } },
  });
  await waitFor(
    "the older schema",
    async () => {
      const said = await kubectl(
        world.server,
        ["apply", "--server-side", "--force-conflicts", "-f", "-"],
        config,
      ).catch(String);
      return /podLimit/.test(said) ? true : undefined;
    },
    soon,
  );
  await world.applyConfig({ logLevel: "Debug" });
  await world.waitForObserved();
  await elsewhere.process.waitUntilSaid("The CRD lacks fields of the status, apply the CRDs of this release");
  assert.ok(
    elsewhere.process.log.some((line) => /^The CRD lacks fields of the status/.test(line.msg) && says(line, "nodes")),
    elsewhere.process.lastWords(),
  );
  assert.not.match((await world.conditions()).Degraded ?? "", /Crd/);
  await quiet(elsewhere);
  elsewhere.proxy.forget();
  await sleep(6_000);
  assert.equal(writesOf(elsewhere), []);
});

test.run();
