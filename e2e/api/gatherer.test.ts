/** The gatherer as a process against a real API server: pods without a kubelet, and an exporter of this test in place of a node's. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import type { RequestListener } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { gunzipSync } from "node:zlib";
import tar from "tar-stream";
import { request } from "undici";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { cloneDir } from "../../hack/cache.ts";
import { type ApiServer, startApiServer } from "../../hack/cluster/apiserver.ts";
import { kubectl, waitFor } from "../../hack/kubectl.ts";
import { Connection } from "../../src/adapters/connection.ts";
import { type HttpsServer, makeAuthority, serveHttps } from "../../src/adapters/https.fixture.ts";
import { unpack } from "../../src/adapters/plain-files.ts";
import { gatherOutcomeSchema, gatherProgressSchema, storedArchiveSchema } from "../../src/api/gather.ts";
import { obfuscate } from "../../src/core/hash.ts";
import { makeOrder } from "../../src/core/order.fixture.ts";

const namespace = "runtime-insights";
const address = "127.0.0.9";
const digest = (seed: string) => `sha256:${seed.repeat(64)}`;

let server: ApiServer;
let api: Connection;
const authority = await makeAuthority();
const directory = await mkdtemp(join(tmpdir(), "gatherer-test-"));
let exporter: HttpsServer | undefined;
const asked: { readonly audience: unknown; readonly account: unknown; readonly body: unknown }[] = [];

async function create(path: string, body: object): Promise<Record<string, unknown>> {
  const answer = await api.call({ method: "POST", path, body });
  assert.is(answer.status, 201, JSON.stringify(answer.body));
  return answer.body as Record<string, unknown>;
}

interface PodOptions {
  readonly namespace: string;
  readonly name: string;
  readonly phase?: string;
  readonly image?: string;
  readonly command?: readonly string[];
  readonly metadata?: object;
  readonly status?: object;
}

/** A kube config of the gatherer's service account with the shipped role, as in its Deployment. */
async function shippedKubeconfig(): Promise<string> {
  const account = "runtime-insights-gatherer";
  await kubectl(server, ["apply", "-f", join(cloneDir, "manifests/10-operand-roles.yaml")]);
  await create("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", {
    metadata: { name: account },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: account },
    subjects: [{ kind: "ServiceAccount", name: account, namespace }],
  });
  return kubeconfigOf(namespace, account);
}

async function kubeconfigOf(where: string, account: string): Promise<string> {
  const token = (await kubectl(server, ["-n", where, "create", "token", account])).trim();
  const cluster = api.getCurrentCluster();
  const path = join(directory, `${account}.kubeconfig`);
  const config = {
    clusters: [{ name: "a", cluster: { server: cluster?.server, "certificate-authority-data": cluster?.caData } }],
    users: [{ name: "a", user: { token } }],
    contexts: [{ name: "a", context: { cluster: "a", user: "a" } }],
    "current-context": "a",
  };
  await writeFile(path, JSON.stringify(config));
  return path;
}

/** A pod as the API server stores it, then its status as a kubelet would report it. */
async function createPod(options: PodOptions): Promise<void> {
  const { namespace: where, name, phase = "Running", image = "app:v1", command, metadata = {}, status = {} } = options;
  const path = `/api/v1/namespaces/${where}/pods`;
  await create(path, {
    metadata: { name, ...metadata },
    spec: {
      nodeName: "node-1",
      automountServiceAccountToken: false,
      containers: [{ name: "app", image, ...(command === undefined ? {} : { command }) }],
    },
  });
  const containerStatus = {
    ...{ name: "app", image, imageID: `quay.example/app@${digest("a")}`, containerID: `containerd://${where}-${name}` },
    ...{ ready: true, restartCount: 0, state: { running: {} } },
  };
  const patched = await api.call({
    method: "PATCH",
    path: `${path}/${name}/status`,
    contentType: "application/merge-patch+json",
    body: { status: { phase, containerStatuses: [containerStatus], ...status } },
  });
  assert.is(patched.status, 200, JSON.stringify(patched.body));
}

test("an API server with pods, and an exporter", async () => {
  server = await startApiServer();
  api = Connection.load(server.kubeconfig);
  for (const name of [namespace, "bank", "shop"]) {
    await create("/api/v1/namespaces", { metadata: { name } });
    await create(`/api/v1/namespaces/${name}/serviceaccounts`, { metadata: { name: "default" } });
  }
  await create(`/api/v1/namespaces/${namespace}/serviceaccounts`, { metadata: { name: "runtime-insights-gatherer" } });
  const selector = { "app.kubernetes.io/name": "runtime-insights-extractor" };
  const daemonSet = await create(`/apis/apps/v1/namespaces/${namespace}/daemonsets`, {
    metadata: { name: "runtime-insights-extractor" },
    spec: {
      selector: { matchLabels: selector },
      template: { metadata: { labels: selector }, spec: { containers: [{ name: "x", image: "x" }] } },
    },
  });
  const { uid } = daemonSet.metadata as { uid: string };
  const owner = { apiVersion: "apps/v1", kind: "DaemonSet", name: "runtime-insights-extractor", uid, controller: true };
  const reachable = { podIP: address, podIPs: [{ ip: address }], conditions: [{ type: "Ready", status: "True" }] };
  await createPod({ namespace: "bank", name: "batch", phase: "Succeeded" });
  await createPod({ namespace: "bank", name: "ledger", phase: "Pending" });
  await createPod({ namespace: "shop", name: "web-1", command: ["/usr/bin/node", "server.js"] });
  await createPod({ namespace: "shop", name: "web-2", command: ["node"] });
  await createPod({
    ...{ namespace, name: "extractor-1", status: reachable, metadata: { labels: selector, ownerReferences: [owner] } },
  });
  await create(`/api/v1/namespaces/${namespace}/configmaps`, {
    metadata: { name: "runtime-insights-ca-bundle" },
    data: { "ca.crt": authority.ca },
  });
  exporter = await serveHttps(
    await authority.certificate(`runtime-insights-exporter.${namespace}.svc`),
    answer,
    address,
    8443,
  );
});

test.after(async () => {
  await exporter?.close();
  await api?.close();
  await server?.stop();
  await rm(directory, { recursive: true });
});

const answer: RequestListener = async (incoming, response) => {
  const body = JSON.parse(await text(incoming));
  const [, claims = ""] = (incoming.headers.authorization ?? "").split(".");
  const { aud, sub } = JSON.parse(Buffer.from(claims, "base64url").toString());
  asked.push({ audience: aud, account: sub, body });
  const detail = {
    containerName: "app",
    runtimeInfo: { kind: "Node.js", kindVersion: "v24" },
    processes: [],
    notes: [],
  };
  response.end(
    JSON.stringify({ shop: { "web-1": { "containerd://shop-web-1": { kind: obfuscate("Node.js"), detail } } } }),
  );
};

function start(args: readonly string[]): ChildProcess & { readonly printed: Promise<string> } {
  const child = spawn(process.execPath, ["src/bin/gatherer.ts", ...args], {
    cwd: cloneDir,
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, LOG_LEVEL: "warn", POD_NAMESPACE: namespace },
  });
  return Object.assign(child, { printed: text(child.stdout) });
}
const ended = (child: ChildProcess): Promise<number | null> =>
  child.exitCode === null ? new Promise((resolve) => child.once("exit", resolve)) : Promise.resolve(child.exitCode);

async function workload(archive: Buffer): Promise<string> {
  const extract = tar.extract();
  extract.end(gunzipSync(archive));
  for await (const entry of extract) {
    const content = await text(entry);
    if (entry.header.name === "config/workload_info.json") return content;
  }
  return "";
}

const image = `"imageID":"${digest("a")}"`;
const node = `"firstCommand":"${obfuscate("node")}"`;
const document = (shop: string, own: string) => {
  const namespaces: readonly (readonly [string, string])[] = [
    ["bank", `{"count":2,"terminalCount":1,"shapes":[{"restartAlways":true,"containers":[{${image}}]}]}`],
    ["shop", `{"count":2,"shapes":[{"duplicates":1,"restartAlways":true,"containers":[{${image},${node}${shop}}]}]}`],
    [namespace, `{"count":1,"shapes":[{"restartAlways":true,"containers":[{${image}${own}}]}]}`],
  ];
  const sorted = namespaces.map(([name, value]) => `"${obfuscate(name)}":${value}`).sort();
  return `{"pods":5,"imageCount":1,"namespaces":{${sorted.join(",")}}}`;
};

const byHand = (output: string, ...args: readonly string[]) =>
  start(["once", "--kubeconfig", server.kubeconfig, "--output", output, ...args]);

/** The archive's entries lie beside it, with the same bytes. */
async function assertPlainFiles(output: string, archive: string, names: readonly string[]): Promise<void> {
  const entries = await unpack(await readFile(join(output, archive)));
  assert.equal(
    entries.map(({ name }) => name),
    names,
  );
  for (const { name, bytes } of entries) assert.ok((await readFile(join(output, name))).equals(bytes), name);
  const found = await readdir(output, { recursive: true, withFileTypes: true });
  assert.is(found.filter((one) => one.isFile()).length, names.length + 1);
}
const plainFiles = ["config/workload_info.json", "insights-operator/gathers.json"];

test("by hand, without runtime info: one JSON object, the archive's bytes, and plain files that equal its entries", async () => {
  const output = join(directory, "shapes");
  const child = byHand(output, "--no-runtime-info");
  assert.is(await ended(child), 0);
  const { files, rows, ...outcome } = JSON.parse(await child.printed);
  assert.is(gatherOutcomeSchema.parse(outcome).succeeded, true);
  assert.equal({ files, rows }, { files: plainFiles, rows: [] });
  assert.is(await workload(await readFile(join(output, outcome.archive.name))), document("", ""));
  await assertPlainFiles(output, outcome.archive.name, plainFiles);
  assert.is(asked.length, 0);
});

test("by hand, with runtime info: the node is asked with a token for its audience only", async () => {
  const output = join(directory, "runtimes");
  const child = byHand(output, "--namespace", namespace, "--format", "table");
  assert.is(await ended(child), 0);
  assert.match(await child.printed, /shop +web-1 +app +2 +Node\.js v24/);
  assert.equal(asked, [
    {
      audience: ["runtime-insights-exporter"],
      account: `system:serviceaccount:${namespace}:runtime-insights-gatherer`,
      body: { containerIds: [`containerd://${namespace}-extractor-1`, "containerd://shop-web-1"] },
    },
  ]);
  assert.is(
    await readFile(join(output, "config/workload_info.json"), "utf8"),
    document(`,"runtimeInfo":{"kind":"${obfuscate("Node.js")}"}`, ""),
  );
});

test("by hand, for exporters that are not there: the archive is written, and the outcome says that nobody answered", async () => {
  const output = join(directory, "nobody");
  const child = byHand(output);
  assert.is(await ended(child), 0);
  const { archive, failures, counts } = JSON.parse(await child.printed);
  assert.equal(
    failures.map(({ node: where, reason }: Record<string, unknown>) => [where, reason]),
    [["node-1", "NoExtractorPod"]],
  );
  assert.is(counts.nodesSkipped, 1);
  assert.is(await workload(await readFile(join(output, archive.name))), document("", ""));
});

test("a user who may list pods only: exit code 0, and a failure that says what is missing and which option can help", async () => {
  await create("/apis/rbac.authorization.k8s.io/v1/clusterroles", {
    metadata: { name: "lister" },
    rules: [
      { apiGroups: ["", "apps"], resources: ["pods", "nodes", "namespaces", "daemonsets"], verbs: ["get", "list"] },
    ],
  });
  await create(`/api/v1/namespaces/shop/serviceaccounts`, { metadata: { name: "lister" } });
  await create("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", {
    metadata: { name: "lister" },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "lister" },
    subjects: [{ kind: "ServiceAccount", name: "lister", namespace: "shop" }],
  });
  const kubeconfig = await kubeconfigOf("shop", "lister");
  await writeFile(join(directory, "ca.crt"), authority.ca);
  const rows = [
    { args: [], says: /may not get ConfigMap runtime-insights\/runtime-insights-ca-bundle; --exporter-ca can/ },
    {
      args: ["--exporter-ca", join(directory, "ca.crt")],
      says: /may not create a token of service account runtime-insights\/runtime-insights-gatherer; --token-file can/,
    },
  ];
  for (const { args, says } of rows) {
    const output = join(directory, "lister");
    const child = start(["once", "--kubeconfig", kubeconfig, "--output", output, "--namespace", namespace, ...args]);
    assert.is(await ended(child), 0);
    const { failures } = JSON.parse(await child.printed);
    assert.is(failures.length, 1);
    assert.match(failures[0].message, says);
  }
  const token = (await kubectl(server, ["-n", "shop", "create", "token", "default", "--audience", "x"])).trim();
  await writeFile(join(directory, "token"), token);
  const files = ["--exporter-ca", join(directory, "ca.crt"), "--token-file", join(directory, "token")];
  const child = start([
    ...["once", "--kubeconfig", kubeconfig, "--output", join(directory, "given"), "--namespace", namespace, ...files],
  ]);
  assert.is(await ended(child), 0);
  assert.equal(JSON.parse(await child.printed).failures, []);
  assert.equal(asked.at(-1)?.account, "system:serviceaccount:shop:default");
});

test("as a server under the shipped permissions: a gather ordered, its archive read, SIGTERM ends it, and a restart knows the outcome", async () => {
  const order = makeOrder({ nodeConcurrency: 10 });
  const port = 20_000 + (process.pid % 10_000);
  const url = `http://127.0.0.1:${port}`;
  const args = [
    "--kubeconfig",
    await shippedKubeconfig(),
    "--directory",
    join(directory, "served"),
    "--port",
    String(port),
  ];
  const serving = () =>
    start([...args, "--metrics-port", String(port + 1), "--health-port", "0", "--token-file", "/nonexistent"]);
  const progress = async () => {
    const answer = await request(`${url}/v1/gathers/uid-1`);
    return gatherProgressSchema.parse(await answer.body.json());
  };
  const listening = () =>
    waitFor("the gatherer", async () => (await request(`${url}/healthz`)).statusCode, { everyMs: 50 });
  let child = serving();
  try {
    await listening();
    const started = await request(`${url}/v1/gathers`, { method: "POST", body: JSON.stringify(order) });
    assert.is(started.statusCode, 202);
    await started.body.dump();
    const finished = await waitFor("the outcome", async () => {
      const now = await progress();
      return now.phase === "Finished" ? now : undefined;
    });
    assert.equal(
      finished.outcome?.failures.map(({ reason }) => reason),
      ["NoTrust"],
    );
    const archives = await request(`${url}/v1/archives`);
    const [archive] = storedArchiveSchema.array().parse(await archives.body.json());
    assert.is(archive?.name, finished.outcome?.archive?.name);
    const read = await request(`${url}/v1/archives/${archive?.name}`);
    assert.is(await workload(Buffer.from(await read.body.arrayBuffer())), document("", ""));
    const metrics = await request(`http://127.0.0.1:${port + 1}/metrics`);
    assert.match(await metrics.body.text(), /^runtime_insights_gatherer_gathers_total\{result="succeeded"\} 1$/m);
    child.kill("SIGTERM");
    assert.is(await ended(child), 0);
    child = serving();
    await listening();
    assert.equal(await progress(), finished);
  } finally {
    child.kill("SIGTERM");
    await ended(child);
  }
});

test("hack/extract.sh asks the DaemonSet's pods and fails when one does not answer", async () => {
  const labels = { "app.kubernetes.io/name": "runtime-insights-extractor" };
  await createPod({ namespace, name: "impostor", metadata: { labels } });
  const env = { ...process.env, KUBECTL: server.kubectl, KUBECONFIG: server.kubeconfig };
  const child = spawn("sh", ["hack/extract.sh", "--namespace", namespace], { cwd: cloneDir, env });
  const [printed, complaints] = await Promise.all([text(child.stdout), text(child.stderr)]);
  assert.is(await ended(child), 1);
  assert.is(printed, "== node-1\n");
  assert.match(complaints, /node node-1: the extractor did not answer/);
});

test.run();
