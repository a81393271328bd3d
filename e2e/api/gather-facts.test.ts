/**
 * One gather with a broken node, a Pending first replica and a lying exporter: exactly these three facts are in the status and in the
 * archive. Operator, proxy and gatherer are real, with their permissions and certificates; the nodes' exporters are servers of this test.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import type { RequestListener } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { load } from "js-yaml";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import { kubectl, waitFor } from "../../hack/kubectl.ts";
import { type HttpsServer, serveHttps } from "../../src/adapters/https.fixture.ts";
import { unpack } from "../../src/adapters/plain-files.ts";
import { requestStatusSchema } from "../../src/api/request.ts";
import { obfuscate } from "../../src/core/hash.ts";
import { audiences, names } from "../../src/core/operands.ts";
import { GathersWorld } from "./gathers-world.ts";
import { namespace, type OperatorWorld } from "./operator-world.ts";
import { RealGatherer } from "./real-gatherer.ts";

const digest = (seed: string) => `sha256:${seed.repeat(64)}`;
/** A node's exporter answers at its address; nobody listens at the second one. */
const addressOf = (number: number) => `127.0.4.${number}`;

let gathers: GathersWorld;
let world: OperatorWorld;
let gatherer: RealGatherer | undefined;
const exporters: HttpsServer[] = [];

test.before(async () => {
  gathers = await GathersWorld.start();
  world = gathers.world;
});
test.after(async () => {
  gatherer?.stop();
  for (const exporter of exporters) await exporter.close();
  await world.stop();
});

interface PodOptions {
  readonly namespace: string;
  readonly name: string;
  readonly node: string;
  readonly image: string;
  readonly metadata?: object;
  /** Without it the container waits for its image and has no ID. */
  readonly runs?: boolean;
  readonly status?: object;
}

/** A pod with the status that a kubelet would report. */
async function createPod({
  namespace: where,
  name,
  node,
  image,
  metadata = {},
  runs = true,
  status = {},
}: PodOptions): Promise<void> {
  const path = `/api/v1/namespaces/${where}/pods`;
  const reference = `quay.example/app@${digest(image)}`;
  const { status: code, text: said } = await world.create(path, {
    metadata: { name, ...metadata },
    spec: {
      nodeName: node,
      automountServiceAccountToken: false,
      containers: [{ name: "app", image: reference }],
    },
  });
  assert.is(code, 201, said);
  const container = {
    ...{ name: "app", image: reference, restartCount: 0, ready: runs },
    ...(runs
      ? { imageID: reference, containerID: `containerd://${name}`, state: { running: {} } }
      : { imageID: "", state: { waiting: { reason: "ContainerCreating" } } }),
  };
  const phase = runs ? "Running" : "Pending";
  await world.patch(`${path}/${name}/status`, { status: { phase, containerStatuses: [container], ...status } });
}

const nodejs = {
  kind: obfuscate("Node.js"),
  detail: { containerName: "app", runtimeInfo: { kind: "Node.js" }, processes: [], notes: [] },
};
const namespaceOf = (name: string) => (name.startsWith("extractor-") ? namespace : (name.split("-")[0] ?? ""));

/** Answers for what it was asked, as an exporter does, when the token is for exporters; `more` is said besides. */
const answering =
  (more: readonly string[]): RequestListener =>
  async (request, response) => {
    const { containerIds } = z.object({ containerIds: z.array(z.string()) }).parse(JSON.parse(await text(request)));
    const [, claims = ""] = (request.headers.authorization ?? "").split(".");
    const { aud } = JSON.parse(Buffer.from(claims, "base64url").toString());
    if (aud?.[0] !== audiences.exporter) return response.writeHead(401).end();
    const body: Record<string, Record<string, Record<string, unknown>>> = {};
    for (const id of [...containerIds, ...more]) {
      const pod = id.replace("containerd://", "");
      const where = namespaceOf(pod);
      body[where] = { ...body[where], [pod]: { [id]: nodejs } };
    }
    return response.end(JSON.stringify(body));
  };

async function startGatherer(): Promise<void> {
  const files = join(world.server.dir, "exporter-access");
  await mkdir(files);
  const bundle = z
    .object({ data: z.object({ "ca.crt": z.string() }) })
    .parse(await world.operand({ kind: "ConfigMap", name: names.caBundle }));
  await writeFile(join(files, "ca.crt"), bundle.data["ca.crt"]);
  const token = ["-n", namespace, "create", "token", names.gatherer, `--audience=${audiences.exporter}`];
  await writeFile(join(files, "token"), await kubectl(world.server, token));
  gatherer = await RealGatherer.start(gathers, [
    ...["--ca-file", join(files, "ca.crt"), "--token-file", join(files, "token")],
  ]);
}

test("preparation: the product on three nodes, and workloads", async () => {
  assert.is((await world.applyConfig({ featureGate: "Ignored", gather: { images: "Disabled" } })).status, 201);
  await gathers.startOperator();
  const daemonSet = await waitFor("the node side", async () =>
    world.operand({ kind: "DaemonSet", name: names.extractor }),
  );
  await waitFor("the gatherer's Deployment", async () => world.operand({ kind: "Deployment", name: names.gatherer }));
  await world.stopOperator();
  for (const name of [namespace, "bank", "pay", "shop"]) {
    await world.create("/api/v1/namespaces", { metadata: { name } });
    await world.create(`/api/v1/namespaces/${name}/serviceaccounts`, { metadata: { name: "default" } });
  }
  const owner = { apiVersion: "apps/v1", kind: "DaemonSet", name: names.extractor, uid: daemonSet.metadata.uid };
  for (const number of [1, 2, 3]) {
    await createPod({
      ...{ namespace, name: `extractor-${number}`, image: "e", node: `node-${number}` },
      metadata: {
        labels: { "app.kubernetes.io/name": names.extractor },
        ownerReferences: [{ ...owner, controller: true }],
      },
      status: {
        podIP: addressOf(number),
        podIPs: [{ ip: addressOf(number) }],
        conditions: [{ type: "Ready", status: "True" }],
      },
    });
  }
  await createPod({ namespace: "shop", name: "shop-1", node: "node-1", image: "a", runs: false });
  await createPod({ namespace: "shop", name: "shop-2", node: "node-1", image: "a" });
  await createPod({ namespace: "pay", name: "pay-1", node: "node-2", image: "b" });
  await createPod({ namespace: "bank", name: "bank-1", node: "node-3", image: "c" });
  const pair = await gathers.servingPair(names.exporterTls);
  exporters.push(await serveHttps(pair, answering([]), addressOf(1), 8443));
  exporters.push(await serveHttps(pair, answering(["containerd://pay-1", "containerd://shop-2"]), addressOf(3), 8443));
  await startGatherer();
});

const replica = "1 shape was answered by another replica: the first pod cannot be asked about";
const broken = 'Post "https://127.0.4.2:8443/gather_runtime_info": connect ECONNREFUSED 127.0.4.2:8443';
const lie = "the answer speaks of 2 containers that were not asked for; ignored";
let archive = "";

test("kubectl get runtimegather -o yaml shows these three facts and no other", async () => {
  await gathers.startOperator({
    gathererOrigin: gatherer?.origin ?? "",
    gathererToken: async () => (await gatherer?.operatorToken()) ?? "",
  });
  await gathers.make("demo");
  await world.setGathererReady(true);
  // The one that is due may be first; the next comes a minute later.
  await waitFor("the first gather's end", async () => {
    const requests = await gathers.requests();
    return requests.some(({ status }) => status.finishTime !== undefined) || undefined;
  });
  await gathers.pass(61_000);
  await gathers.waitForPhase("demo", "Succeeded");
  const object = load(await kubectl(world.server, ["get", "runtimegather", "demo", "-o", "yaml"]));
  const { status } = z.object({ status: requestStatusSchema.loose() }).parse(object);
  assert.equal(status.failures, [
    { node: "node-2", reason: "Unreachable", message: broken },
    { node: "node-3", reason: "UnaskedContainers", message: lie },
  ]);
  assert.equal(status.notes, [replica]);
  const { pods, nodesAsked, nodesAnswered, nodesFailed, nodesSkipped } = status.counts ?? {};
  assert.equal(
    { pods, nodesAsked, nodesAnswered, nodesFailed, nodesSkipped },
    { pods: 7, nodesAsked: 3, nodesAnswered: 2, nodesFailed: 1, nodesSkipped: 0 },
  );
  archive = status.archive?.name ?? "";
});

test("so does the archive's insights-operator/gathers.json", async () => {
  const entries = await unpack(await readFile(join(gatherer?.directory ?? "", archive)));
  const json = (name: string): unknown =>
    JSON.parse(Buffer.from(entries.find((entry) => entry.name === name)?.bytes ?? []).toString());
  const { status_reports } = z
    .object({ status_reports: z.array(z.looseObject({ name: z.string() })) })
    .parse(json("insights-operator/gathers.json"));
  const said = status_reports.map(({ name, errors, warnings, panic }) => ({ name, errors, warnings, panic }));
  assert.equal(
    said.find(({ name }) => name === "workloads/workload_info"),
    { name: "workloads/workload_info", errors: [broken, lie], warnings: [replica], panic: null },
  );
  for (const { name, errors, warnings } of said) {
    if (name === "workloads/workload_info") continue;
    assert.is(warnings, null, name);
    assert.ok(name === "workloads" || errors === null, name);
  }
  const image = (seed: string) => ({ imageID: digest(seed) });
  const shape = (seed: string, runtimeInfo?: object) => ({
    restartAlways: true,
    containers: [{ ...image(seed), ...(runtimeInfo === undefined ? {} : { runtimeInfo }) }],
  });
  const known = { kind: nodejs.kind };
  assert.equal(json("config/workload_info.json"), {
    ...{ pods: 7, imageCount: 4 },
    namespaces: {
      [obfuscate("bank")]: { count: 1, shapes: [shape("c", known)] },
      [obfuscate("pay")]: { count: 1, shapes: [shape("b")] },
      [obfuscate("shop")]: { count: 2, shapes: [{ duplicates: 1, ...shape("a", known) }] },
      [obfuscate(namespace)]: { count: 3, shapes: [{ duplicates: 2, ...shape("e", known) }] },
    },
  });
});

test.run();
