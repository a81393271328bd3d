/** What a gather reads besides pods, from a real API server with OpenShift's real CRDs, as the gatherer's account with the shipped role. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { cloneDir } from "../../hack/cache.ts";
import { type ApiServer, startApiServer } from "../../hack/cluster/apiserver.ts";
import { kubectl, waitFor, waitForKinds } from "../../hack/kubectl.ts";
import { openshiftApiDir } from "../../hack/openshift/objects.ts";
import { Connection } from "../../src/adapters/connection.ts";
import { ImageCache } from "../../src/adapters/images.ts";
import { unpack } from "../../src/adapters/plain-files.ts";
import type { GatherOrder, GatherOutcome } from "../../src/api/gather.ts";
import { ownExporters } from "../../src/core/exporters.ts";
import { makeOrder } from "../../src/core/order.fixture.ts";
import { gather } from "../../src/loops/gather.ts";

const account = "runtime-insights-gatherer";
const namespace = "runtime-insights";
let server: ApiServer;
const directory = await mkdtemp(join(tmpdir(), "gather-reads-"));
let api: Connection | undefined;

const apply = (...objects: readonly object[]) =>
  kubectl(
    server,
    ["apply", "--server-side", "-f", "-"],
    JSON.stringify({ apiVersion: "v1", kind: "List", items: objects }),
  );
const config = (kind: string, fields: object) => ({
  apiVersion: "config.openshift.io/v1",
  kind,
  metadata: { name: "cluster" },
  ...fields,
});
const template = (name: string) => ({
  metadata: { labels: { app: name } },
  spec: { containers: [{ name: "app", image: "app:v1" }] },
});
const chartLabels = { "app.kubernetes.io/managed-by": "Helm", "helm.sh/chart": "web-1.2.3.4" };

async function shippedAccount(): Promise<Connection> {
  await kubectl(server, ["-n", namespace, "create", "serviceaccount", account]);
  await kubectl(server, ["apply", "-f", join(cloneDir, "manifests/10-operand-roles.yaml")]);
  await kubectl(server, [
    "create",
    "clusterrolebinding",
    account,
    `--clusterrole=${account}`,
    `--serviceaccount=${namespace}:${account}`,
  ]);
  const token = (await kubectl(server, ["-n", namespace, "create", "token", account])).trim();
  const path = join(directory, "kubeconfig");
  await writeFile(path, await kubectl(server, ["config", "view", "--raw", "--minify"]));
  const access = { ...server, kubeconfig: path };
  await kubectl(access, ["config", "set-credentials", account, `--token=${token}`]);
  await kubectl(access, ["config", "set-context", "--current", `--user=${account}`]);
  return Connection.load(path);
}

async function gatherAs(
  order: Partial<GatherOrder>,
): Promise<{ outcome: GatherOutcome; entries: Map<string, string> }> {
  assert.ok(api);
  const world = {
    ...{ api, directory, images: new ImageCache(), nowMs: Date.now, processStartedAtMs: Date.now() },
    exporters: ownExporters(namespace),
    credentials: { ca: async () => "", token: async () => "" },
  };
  const { signal } = new AbortController();
  const { outcome } = await gather(makeOrder(order), world, { signal, onStage: () => {} });
  const entries = await unpack(await readFile(join(directory, outcome.archive?.name ?? "none")));
  return { outcome, entries: new Map(entries.map(({ name, bytes }) => [name, Buffer.from(bytes).toString()])) };
}

test("an API server", async () => {
  server = await startApiServer({ openshift: true });
});

test("the API server, the kinds and the account are there", async () => {
  const crds = join(await openshiftApiDir(), "payload-manifests/crds");
  const files = ["networks", "dnses", "infrastructures-Default"].flatMap((kind) => [
    "-f",
    join(crds, `0000_10_config-operator_01_${kind}.crd.yaml`),
  ]);
  await kubectl(server, ["apply", "--server-side", ...files]);
  await waitForKinds(server, files);
  for (const name of [namespace, "shop", "bank"]) await kubectl(server, ["create", "namespace", name]);
  await kubectl(server, ["annotate", "namespace", "bank", "runtimes.insights.openshift.io/exclude=true"]);
  await waitFor("the OpenShift kinds to be served", async () => {
    await apply(
      config("Network", {
        spec: { clusterNetwork: [{ cidr: "10.128.0.0/14", hostPrefix: 23 }], serviceNetwork: ["172.30.0.0/16"] },
      }),
      config("DNS", { spec: { baseDomain: "shop.example" } }),
      config("Infrastructure", { spec: {} }),
    );
    return true;
  });
  const meta = (name: string, labels: object) => ({ metadata: { name, namespace: "shop", labels } });
  const spec = (name: string) => ({ selector: { matchLabels: { app: name } }, template: template(name) });
  await apply(
    { apiVersion: "apps/v1", kind: "Deployment", ...meta("web", chartLabels), spec: spec("web") },
    { apiVersion: "apps/v1", kind: "ReplicaSet", ...meta("web", chartLabels), spec: spec("web") },
    { apiVersion: "apps/v1", kind: "DaemonSet", ...meta("web", chartLabels), spec: spec("web") },
    {
      apiVersion: "apps/v1",
      kind: "StatefulSet",
      ...meta("web", chartLabels),
      spec: { ...spec("web"), serviceName: "web" },
    },
    { apiVersion: "v1", kind: "Service", ...meta("web", chartLabels), spec: { ports: [{ port: 80 }] } },
    { apiVersion: "v1", kind: "Service", ...meta("other", {}), spec: { ports: [{ port: 80 }] } },
    {
      apiVersion: "v1",
      kind: "Node",
      metadata: { name: "node-1" },
      spec: { taints: [{ key: "gpu", effect: "NoSchedule" }] },
    },
    {
      ...{ apiVersion: "apps/v1", kind: "DaemonSet" },
      metadata: { name: "runtime-insights-extractor", namespace },
      spec: spec("extractor"),
    },
  );
  api = await shippedAccount();
});

test("Helm's objects are counted by the shipped role", async () => {
  const { outcome, entries } = await gatherAs({ runtimeInfo: false });
  assert.equal(outcome.failures, []);
  assert.match(
    entries.get("config/helmchart_info.json") ?? "",
    /^\{"[0-9a-f]{64}":\[\{"name":"web","version":"1\.2\.3\.4","resources":\{"daemonsets":1,"deployments":1,"replicasets":1,"services":1,"statefulsets":1\}\}\]\}$/,
  );
  const { status_reports: reports } = JSON.parse(entries.get("insights-operator/gathers.json") ?? "");
  assert.equal(
    reports.map(({ errors }: { errors: unknown }) => errors),
    [null, null, null],
  );
});

test("the networks to hide are read by the shipped role", async () => {
  const { outcome, entries } = await gatherAs({ runtimeInfo: false, obfuscateNetworking: true });
  assert.equal([outcome.reason, outcome.message], ["", ""]);
  assert.match(entries.get("config/helmchart_info.json") ?? "", /"version":"0\.0\.0\.0"/);
  assert.equal(
    outcome.notes.filter((note) => note.includes("networks")),
    [],
  );
});

test("a node without extractor is looked up, an opted-out namespace is not asked about, by the shipped role", async () => {
  const running = async (where: string) => {
    const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "web", namespace: where } };
    const containers = [{ name: "app", image: "app:v1" }];
    await kubectl(server, ["-n", where, "create", "serviceaccount", "default"]);
    await apply({ ...pod, spec: { nodeName: "node-1", automountServiceAccountToken: false, containers } });
    const status = {
      phase: "Running",
      containerStatuses: [
        {
          ...{
            name: "app",
            image: "app:v1",
            imageID: `app@sha256:${"a".repeat(64)}`,
            containerID: `containerd://${where}`,
          },
          ...{ ready: true, restartCount: 0, state: { running: {} } },
        },
      ],
    };
    await kubectl(server, [
      "-n",
      where,
      "patch",
      "pod",
      "web",
      "--subresource=status",
      "-p",
      JSON.stringify({ status }),
    ]);
  };
  await running("bank");
  const only = await gatherAs({});
  assert.equal([only.outcome.counts.shapes, only.outcome.failures], [1, []]);
  await running("shop");
  const { outcome } = await gatherAs({});
  assert.equal(outcome.failures, [
    {
      ...{ node: "node-1", reason: "NoExtractorPod" },
      message:
        "the node has no extractor pod: the node has taint gpu:NoSchedule, which spec.extractor.tolerations does not name",
    },
  ]);
});

test.after(async () => {
  await api?.close();
  await server?.stop();
  await rm(directory, { recursive: true });
});

test.run();
