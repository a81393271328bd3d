/** Charts and the hiding of the network, read from a real API server with the rights that the gatherer ships with. */
import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { cloneDir } from "../../hack/cache.ts";
import { type ApiServer, startApiServer } from "../../hack/cluster/apiserver.ts";
import { kubectl, waitForKinds } from "../../hack/kubectl.ts";
import { openshiftApiDir } from "../../hack/openshift/objects.ts";
import { Connection } from "../../src/adapters/connection.ts";
import { ImageCache } from "../../src/adapters/images.ts";
import { ownExporters } from "../../src/core/exporters.ts";
import { newest, run, startMs, unpacked } from "../../src/loops/gather.fixture.ts";
import type { GatherWorld } from "../../src/loops/gather-world.ts";

const own = "runtime-insights";
const account = "runtime-insights-gatherer";
const shop = createHash("sha256").update("shop").digest("hex");
/** More than one page. */
const services = 501;

let server: ApiServer;
const directory = await mkdtemp(join(tmpdir(), "gatherer-records-"));
const connections: Connection[] = [];

const apply = (...objects: readonly object[]) =>
  kubectl(
    server,
    ["apply", "--server-side", "-f", "-"],
    JSON.stringify({ apiVersion: "v1", kind: "List", items: objects }),
  );

async function worldOf(name: string): Promise<GatherWorld> {
  const token = (await kubectl(server, ["-n", own, "create", "token", name])).trim();
  const admin = Connection.load(server.kubeconfig).getCurrentCluster();
  const path = join(directory, `${name}.kubeconfig`);
  const config = {
    clusters: [{ name: "a", cluster: { server: admin?.server, "certificate-authority-data": admin?.caData } }],
    users: [{ name: "a", user: { token } }],
    contexts: [{ name: "a", context: { cluster: "a", user: "a" } }],
    "current-context": "a",
  };
  await writeFile(path, JSON.stringify(config));
  const api = Connection.load(path);
  connections.push(api);
  return {
    ...{ api, exporters: ownExporters(own), directory: await mkdtemp(join(directory, "archives-")), delaysMs: [1] },
    credentials: { ca: async () => "", token: async () => "" },
    ...{ images: new ImageCache(), nowMs: () => startMs, processStartedAtMs: startMs },
  };
}

const role = (name: string, rules: readonly object[]) => ({
  ...{ apiVersion: "rbac.authorization.k8s.io/v1", kind: "ClusterRole", metadata: { name }, rules },
});
const binding = (name: string) => ({
  ...{ apiVersion: "rbac.authorization.k8s.io/v1", kind: "ClusterRoleBinding", metadata: { name } },
  roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name },
  subjects: [{ kind: "ServiceAccount", name, namespace: own }],
});
const helmLabels = (chart: string) => ({ "app.kubernetes.io/managed-by": "Helm", "helm.sh/chart": chart });
const service = (name: string, labels: Readonly<Record<string, string>>) => ({
  ...{ apiVersion: "v1", kind: "Service", metadata: { name, namespace: "shop", labels } },
  spec: { clusterIP: "None", ports: [{ port: 80 }] },
});
const workload = (kind: string, name: string, labels: Readonly<Record<string, string>>) => ({
  ...{ apiVersion: "apps/v1", kind, metadata: { name, namespace: "shop", labels } },
  spec: {
    ...(kind === "StatefulSet" ? { serviceName: "x" } : {}),
    selector: { matchLabels: { app: "x" } },
    template: { metadata: { labels: { app: "x" } }, spec: { containers: [{ name: "x", image: "x" }] } },
  },
});

test("an API server", async () => {
  server = await startApiServer();
});

test("the rights that are shipped, and what Helm left in the cluster", async () => {
  const accounts = [account, "lister"].map((name) => ({
    ...{ apiVersion: "v1", kind: "ServiceAccount", metadata: { name, namespace: own } },
  }));
  const namespaces = [own, "shop"].map((name) => ({ apiVersion: "v1", kind: "Namespace", metadata: { name } }));
  await apply(...namespaces);
  await apply(...accounts, binding(account), binding("lister"));
  await apply(role("lister", [{ apiGroups: [""], resources: ["pods", "namespaces"], verbs: ["list"] }]));
  await kubectl(server, ["apply", "-f", join(cloneDir, "manifests/10-operand-roles.yaml")]);
  const kinds = ["ReplicaSet", "DaemonSet", "StatefulSet", "Deployment"];
  await apply(
    ...kinds.map((kind) => workload(kind, "db", helmLabels("postgres-9.0.0"))),
    workload("Deployment", "by-hand", { "helm.sh/chart": "postgres-9.0.0" }),
    workload("Deployment", "of-no-chart", { "app.kubernetes.io/managed-by": "Helm" }),
    ...Array.from({ length: services }, (_, index) => service(`web-${index}`, helmLabels("web-10.129.3.4"))),
  );
});

const chartsWith = (version: string): string =>
  `{"${shop}":[{"name":"postgres","version":"9.0.0","resources":{"daemonsets":1,"deployments":1,"replicasets":1,"statefulsets":1}},` +
  `{"name":"web","version":"${version}","resources":{"services":${services}}}]}`;

test("charts of all five kinds, over pages, exact bytes", async () => {
  const world = await worldOf(account);
  const { outcome } = await run(world, { runtimeInfo: false });
  assert.equal([outcome.succeeded, outcome.archive?.name], [true, newest]);
  assert.is((await unpacked(world))["config/helmchart_info.json"], chartsWith("10.129.3.4"));
});

test("hiding on a cluster that does not name its networks: every address is replaced, and that is noted", async () => {
  const world = await worldOf(account);
  const { outcome } = await run(world, { runtimeInfo: false, obfuscateNetworking: true });
  assert.ok(outcome.notes.some((note) => note.startsWith("The cluster does not name its networks")));
  assert.is((await unpacked(world))["config/helmchart_info.json"], chartsWith("0.0.0.0"));
});

test("hiding with OpenShift's own kinds: networks, domain and hosts", async () => {
  const crds = `${await openshiftApiDir()}/payload-manifests/crds/0000_10_config-operator_01_`;
  const files = ["networks", "dnses", "infrastructures-Default"].flatMap((kind) => ["-f", `${crds}${kind}.crd.yaml`]);
  await kubectl(server, ["apply", "--server-side", ...files]);
  await waitForKinds(server, files);
  const config = (kind: string, spec: object) => ({
    ...{ apiVersion: "config.openshift.io/v1", kind, metadata: { name: "cluster" }, spec },
  });
  const clusterNetwork = [{ cidr: "10.128.0.0/14", hostPrefix: 23 }];
  await apply(
    config("Network", { clusterNetwork, serviceNetwork: ["172.30.0.0/16"], networkType: "OVNKubernetes" }),
    config("DNS", { baseDomain: "shop.example" }),
    config("Infrastructure", {}),
  );
  const patch = JSON.stringify({ status: { apiServerURL: "https://api.shop.example:6443" } });
  await kubectl(server, [
    ...["patch", "infrastructures.config.openshift.io", "cluster", "--subresource=status", "--type=merge", "-p", patch],
  ]);
  const world = await worldOf(account);
  const nodeSideProblems = ["api.shop.example says that x.shop.example at 10.131.0.9 and 172.30.0.9 is gone"];
  const { outcome } = await run(world, { runtimeInfo: false, obfuscateNetworking: true, nodeSideProblems });
  assert.equal([outcome.succeeded, outcome.notes[0]], [true, nodeSideProblems[0]]);
  const entries = await unpacked(world);
  assert.is(entries["config/helmchart_info.json"], chartsWith("10.128.0.1"));
  const report = JSON.parse(entries["insights-operator/gathers.json"] ?? "");
  assert.is(report.is_global_obfuscation_enabled, true);
  assert.equal(report.status_reports[2].errors, [
    "<CLUSTER_DOMAIN_HOST> says that x.<CLUSTER_BASE_DOMAIN> at 10.128.0.2 and 172.30.0.1 is gone",
  ]);
});

test("an account that may list pods only: the archive lacks the charts, and says so for each kind", async () => {
  const world = await worldOf("lister");
  const { outcome } = await run(world, { runtimeInfo: false });
  assert.is(outcome.succeeded, true);
  const entries = await unpacked(world);
  assert.not.ok(entries["config/helmchart_info.json"]);
  const { errors } = JSON.parse(entries["insights-operator/gathers.json"] ?? "").status_reports[1];
  const kinds = ["replicasets", "daemonsets", "statefulsets", "services", "deployments"];
  assert.equal(
    errors.map((error: string) => /^listing (\w+): status 403: /.exec(error)?.[1]),
    kinds,
  );
});

test("an account that may not read the networks: nothing is written in clear", async () => {
  const { outcome } = await run(await worldOf("lister"), { runtimeInfo: false, obfuscateNetworking: true });
  assert.equal([outcome.succeeded, outcome.reason, outcome.archive], [false, "ObfuscationFailed", null]);
  assert.match(outcome.message, /^reading \w+\/cluster: status 403: /);
});

test.after(async () => {
  for (const connection of connections) await connection.close();
  await server?.stop();
  await rm(directory, { recursive: true });
});

test.run();
