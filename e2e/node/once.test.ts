/** A gather by hand on real nodes that run OpenShift's own layout of the extractor: its names, its proxy's rule, a stand-in for its exporter. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import { packageVersion } from "../../hack/build.ts";
import { cloneDir } from "../../hack/cache.ts";
import { writeProgramImage } from "../../hack/cluster/program-image.ts";
import { kubectl } from "../../hack/kubectl.ts";
import { makeAuthority } from "../../src/adapters/https.fixture.ts";
import { unpack } from "../../src/adapters/plain-files.ts";
import { gatherOutcomeSchema } from "../../src/api/gather.ts";
import { obfuscate } from "../../src/core/hash.ts";
import { testCluster } from "./world.ts";

const cluster = await testCluster();
const namespace = "openshift-insights";
const serverName = "exporter.openshift-insights.svc.cluster.local";
const referenceImage = "localhost/reference-exporter:1";
const nodeImage = `localhost/runtime-insights-node:${packageVersion}`;
const proxyImage = "localhost/kube-rbac-proxy:v0.19.1";
const labels = { "app.kubernetes.io/name": "insights-runtime-extractor" };
const account = "insights-runtime-extractor-sa";
const role = "insights-runtime-extractor-role";
const directory = mkdtempSync(join(tmpdir(), "once-node-test-"));

const unprivileged = { readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } };
const user = { runAsUser: 65532, runAsGroup: 65532, runAsNonRoot: true };
const data = { name: "data-volume", mountPath: "/data" };

const podSpec = {
  serviceAccountName: account,
  hostPID: true,
  nodeSelector: { "kubernetes.io/os": "linux" },
  terminationGracePeriodSeconds: 0,
  // OpenShift's has neither this nor the probe below: the stand-in is not root, and our extractor gives its output to this group.
  securityContext: { fsGroup: 65532 },
  containers: [
    {
      name: "kube-rbac-proxy",
      image: proxyImage,
      args: [
        "--secure-listen-address=:8443",
        "--upstream=http://127.0.0.1:8000",
        "--config-file=/etc/kube-rbac-proxy/config.yaml",
        "--tls-cert-file=/etc/tls/private/tls.crt",
        "--tls-private-key-file=/etc/tls/private/tls.key",
        "--tls-cipher-suites=TLS_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        "--tls-min-version=VersionTLS12",
      ],
      ports: [{ name: "https", containerPort: 8443 }],
      // It is asked as soon as it is ready.
      readinessProbe: { tcpSocket: { port: "https" }, periodSeconds: 1 },
      securityContext: { ...unprivileged, runAsNonRoot: true },
      volumeMounts: [
        { name: "insights-runtime-extractor-tls", mountPath: "/etc/tls/private" },
        { name: "kube-rbac-proxy-cm", mountPath: "/etc/kube-rbac-proxy" },
      ],
    },
    { name: "exporter", image: referenceImage, securityContext: { ...unprivileged, ...user }, volumeMounts: [data] },
    {
      name: "extractor",
      image: nodeImage,
      command: ["/extractor_server"],
      securityContext: { privileged: true, runAsUser: 0, readOnlyRootFilesystem: true },
      volumeMounts: [data, { name: "names", mountPath: "/var/log/containers", readOnly: true }],
    },
  ],
  volumes: [
    { name: "data-volume", emptyDir: {} },
    { name: "names", hostPath: { path: "/var/log/containers", type: "Directory" } },
    { name: "kube-rbac-proxy-cm", configMap: { name: "kube-rbac-proxy" } },
    { name: "insights-runtime-extractor-tls", secret: { secretName: "insights-runtime-extractor-tls" } },
  ],
};

const proxyRule = {
  authorization: {
    static: [
      {
        ...{ path: "/gather_runtime_info", resourceRequest: false },
        user: { name: `system:serviceaccount:${namespace}:operator` },
      },
    ],
  },
};

/** Everything but the DaemonSet's privileges comes from manifests there; the certificate and the bundle from OpenShift's service CA. */
const objects = (ca: string, { cert, key }: { readonly cert: string; readonly key: string }) => [
  { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } },
  { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "operator", namespace } },
  { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: account, namespace } },
  {
    ...{ apiVersion: "rbac.authorization.k8s.io/v1", kind: "ClusterRole", metadata: { name: role } },
    rules: [
      { apiGroups: ["authentication.k8s.io"], resources: ["tokenreviews"], verbs: ["create"] },
      { apiGroups: ["authorization.k8s.io"], resources: ["subjectaccessreviews"], verbs: ["create"] },
    ],
  },
  {
    ...{ apiVersion: "rbac.authorization.k8s.io/v1", kind: "ClusterRoleBinding", metadata: { name: role } },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: role },
    subjects: [{ kind: "ServiceAccount", name: account, namespace }],
  },
  {
    ...{ apiVersion: "v1", kind: "Service", metadata: { name: "exporter", namespace, labels } },
    spec: {
      clusterIP: "None",
      selector: labels,
      ports: [{ name: "https", port: 8000, protocol: "TCP", targetPort: "https" }],
    },
  },
  {
    ...{ apiVersion: "v1", kind: "Secret", metadata: { name: "insights-runtime-extractor-tls", namespace } },
    ...{ type: "kubernetes.io/tls", stringData: { "tls.crt": cert, "tls.key": key } },
  },
  {
    ...{ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "service-ca-bundle", namespace } },
    data: { "service-ca.crt": ca },
  },
  {
    ...{ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "kube-rbac-proxy", namespace } },
    data: { "config.yaml": JSON.stringify(proxyRule) },
  },
  {
    ...{
      apiVersion: "apps/v1",
      kind: "DaemonSet",
      metadata: { name: "insights-runtime-extractor", namespace, labels },
    },
    spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: podSpec } },
  },
  // Its pod carries the label, listens nowhere, and would be the last of its node: whoever asked it would get nothing.
  {
    ...{ apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "zz-impostor", namespace } },
    spec: {
      selector: { matchLabels: { app: "zz-impostor" } },
      template: {
        metadata: { labels: { ...labels, app: "zz-impostor" } },
        spec: { terminationGracePeriodSeconds: 0, containers: [{ name: "app", image: referenceImage }] },
      },
    },
  },
  // A pod of its own shape on each node, so that each has to be asked.
  ...cluster.nodes.map(({ name: node }) => ({
    ...{ apiVersion: "v1", kind: "Pod", metadata: { name: node, namespace } },
    spec: {
      ...{ nodeName: node, terminationGracePeriodSeconds: 0 },
      containers: [{ name: "app", image: referenceImage, args: [node] }],
    },
  })),
];

test("preparation: the layout is there, and so is a pod that only carries its label", async () => {
  const program = join(directory, "reference-exporter");
  await promisify(execFile)("go", ["build", "-buildvcs=false", "-o", program, "."], {
    cwd: join(cloneDir, "extractor/interop/reference"),
    env: { ...process.env, CGO_ENABLED: "0" },
  });
  await writeProgramImage(referenceImage, program, join(directory, "image.tar"));
  await cluster.importImage(join(directory, "image.tar"));
  const authority = await makeAuthority();
  const items = objects(authority.ca, await authority.certificate(serverName));
  await kubectl(cluster, ["apply", "-f", "-"], JSON.stringify({ apiVersion: "v1", kind: "List", items }));
  for (const workload of ["daemonset/insights-runtime-extractor", "deployment/zz-impostor"])
    await kubectl(cluster, ["-n", namespace, "rollout", "status", workload, "--timeout=180s"]);
  const pods = cluster.nodes.map(({ name }) => `pod/${name}`);
  await kubectl(cluster, ["-n", namespace, "wait", "--for=condition=Ready", ...pods, "--timeout=180s"]);
});

test.after(async () => {
  await kubectl(cluster, ["delete", "namespace", namespace, "--timeout=90s"]);
  await kubectl(cluster, ["delete", `clusterrolebinding/${role}`, `clusterrole/${role}`]);
  rmSync(directory, { recursive: true });
});

/** As a user types it. */
async function once(output: string, ...args: readonly string[]) {
  const command = ["run", "-s", "gatherer", "--", "once", "--kubeconfig", cluster.kubeconfig, "--output", output];
  const { stdout } = await promisify(execFile)("npm", [...command, ...args], { cwd: cloneDir, maxBuffer: 1 << 26 });
  const { files, rows, ...outcome } = JSON.parse(stdout);
  assert.equal(files, ["config/workload_info.json", "insights-operator/gathers.json"]);
  return { outcome: gatherOutcomeSchema.parse(outcome), rows };
}

const containerSchema = z.object({
  firstArg: z.string().optional(),
  runtimeInfo: z.record(z.string(), z.unknown()).optional(),
});
const workloadSchema = z.object({
  namespaces: z.record(z.string(), z.object({ shapes: z.array(z.object({ containers: z.array(containerSchema) })) })),
});
const reportSchema = z.object({
  status_reports: z.array(
    z.object({ name: z.string(), errors: z.array(z.string()).nullable(), warnings: z.array(z.string()).nullable() }),
  ),
});

/** The shapes of the namespace, as lists of containers. */
async function shapesOf(output: string): Promise<readonly (readonly z.infer<typeof containerSchema>[])[]> {
  const text = await readFile(join(output, "config/workload_info.json"), "utf8");
  const { namespaces } = workloadSchema.parse(JSON.parse(text));
  return namespaces[obfuscate(namespace)]?.shapes.map(({ containers }) => containers) ?? [];
}

test("with nothing but a kube config and a folder every node answers, and the archive has the runtimes", async () => {
  const output = join(directory, "stock");
  const { outcome, rows } = await once(output);
  assert.equal(outcome.failures, []);
  assert.is(outcome.counts.nodesAnswered, cluster.nodes.length);
  assert.is(outcome.counts.nodesAsked, cluster.nodes.length);
  assert.equal(rows, []);
  const shapes = await shapesOf(output);
  const golang = obfuscate("Golang");
  for (const { name } of cluster.nodes) {
    const [app] = shapes.find(([first]) => first?.firstArg === obfuscate(name)) ?? [];
    assert.is(app?.runtimeInfo?.kind, golang, name);
    assert.match(String(app?.runtimeInfo?.kindVersion), /^[\w-]{12}$/);
  }
  // In the order of their names: exporter, extractor, proxy.
  const own = shapes.find((containers) => containers.length === 3) ?? [];
  assert.equal(
    own.map(({ runtimeInfo }) => runtimeInfo?.kind),
    [golang, obfuscate("Rust"), golang],
  );
  const text = await readFile(join(output, "insights-operator/gathers.json"), "utf8");
  for (const { errors } of reportSchema.parse(JSON.parse(text)).status_reports) assert.is(errors, null);
  const entries = await unpack(await readFile(join(output, outcome.archive?.name ?? "")));
  assert.equal(
    entries.map(({ name }) => name),
    ["config/workload_info.json", "insights-operator/gathers.json"],
  );
  for (const { name, bytes } of entries) assert.ok((await readFile(join(output, name))).equals(bytes), name);
});

test("its proxy admits nobody but the account `operator`: with another token each node refuses, and the archive has shapes", async () => {
  const token = await kubectl(cluster, ["-n", namespace, "create", "token", account]);
  writeFileSync(join(directory, "token"), token, { mode: 0o600 });
  const output = join(directory, "refused");
  const { outcome } = await once(output, "--token-file", join(directory, "token"));
  assert.is(outcome.succeeded, true);
  assert.equal(
    outcome.failures.map(({ node, reason }) => ({ node, reason })),
    cluster.nodes.map(({ name }) => ({ node: name, reason: "Refused" })),
  );
  const containers = (await shapesOf(output)).flat();
  assert.ok(containers.length > cluster.nodes.length);
  assert.ok(containers.every(({ runtimeInfo }) => runtimeInfo === undefined));
});

test.run();
