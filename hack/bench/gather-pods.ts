/** The cluster of the gather's benchmark as values: nodes, and pods as the API server of a busy cluster shows them. */
import { createHash } from "node:crypto";

/** How large a cluster is; a larger one holds all of a smaller one. */
export interface Size {
  readonly pods: number;
  readonly nodes: number;
  readonly namespaces: number;
}

/** Of every object that is sent: where, and its status, which a second request sets as a kubelet would. */
export interface NewPod {
  readonly namespace: string;
  readonly name: string;
  readonly body: Readonly<Record<string, unknown>>;
  readonly status: Readonly<Record<string, unknown>>;
  readonly containers: readonly { readonly name: string; readonly id: string }[];
}

export const extractorNamespace = "runtime-insights";
export const extractorName = "runtime-insights-extractor";
export const extractorLabels = { "app.kubernetes.io/name": extractorName };
const startedAt = "2026-11-02T08:15:42Z";

const hex = (...seeds: readonly (string | number)[]) => createHash("sha256").update(seeds.join("/")).digest("hex");
const suffix = (length: number, ...seeds: readonly (string | number)[]) =>
  hex(...seeds)
    .replaceAll(/[01aeiou]/g, "x")
    .slice(0, length);

export const nodeName = (index: number): string => `worker-${String(index).padStart(4, "0")}.bench.example.com`;
/** A loopback address of its own for each node, since the exporters of all of them run on this machine. */
export const nodeAddress = (index: number): string => `127.40.${Math.floor(index / 250)}.${(index % 250) + 1}`;
export const namespaceName = (index: number): string => `team-${String(index).padStart(4, "0")}-${stages[index % 3]}`;
const stages = ["dev", "stage", "prod"];

export function nodeBody(index: number): Readonly<Record<string, unknown>> {
  const name = nodeName(index);
  return {
    metadata: { name, labels: { "kubernetes.io/hostname": name, "kubernetes.io/os": "linux" } },
    spec: { providerID: `aws:///eu-central-1a/i-${hex("instance", index).slice(0, 17)}` },
  };
}

/** The pods that a cluster of the size `to` has and one of the size `from` lacks; they run on the nodes that it lacks. */
export function* podsBetween(from: Size, to: Size, daemonSetUid: string): Generator<NewPod> {
  const nodes = to.nodes - from.nodes;
  for (let node = from.nodes; node < to.nodes; node += 1) yield extractorPod(node, daemonSetUid);
  const pods = to.pods - from.pods - nodes;
  const namespaces = to.namespaces - from.namespaces - (from.namespaces === 0 ? 1 : 0);
  let made = 0;
  let workloads = 0;
  for (let index = 0; index < namespaces; index += 1) {
    const namespace = from.namespaces + index;
    const until = Math.floor((pods * (index + 1)) / namespaces);
    for (let ordinal = 0; made < until; ordinal += 1) {
      const replicas = Math.min(replicaCounts[(namespace + ordinal) % replicaCounts.length] ?? 1, until - made);
      const isJob = ordinal % 9 === 8;
      const workload = {
        namespace: namespaceName(namespace),
        ordinal,
        replicas,
        isJob,
        seed: namespace * 31 + ordinal,
      };
      for (let replica = 0; replica < replicas; replica += 1) {
        const node = from.nodes + ((workloads + replica * 617) % nodes);
        yield workloadPod(workload, replica, node);
        made += 1;
      }
      // Each node has the first pod of some workload, so that all of them are asked.
      if (!isJob) workloads += 1;
    }
  }
}

const replicaCounts = [2, 1, 3, 1, 2, 6, 1, 2, 4, 1, 3, 2];

interface Workload {
  readonly namespace: string;
  readonly ordinal: number;
  readonly replicas: number;
  readonly isJob: boolean;
  readonly seed: number;
}

const programs: readonly Program[] = [
  {
    name: "api",
    image: "registry.example.com/shop/api",
    command: ["java"],
    args: ["-jar", "/deployments/quarkus-run.jar"],
  },
  { name: "web", image: "registry.example.com/shop/web", command: ["node"], args: ["server.js"] },
  { name: "worker", image: "registry.example.com/shop/worker", command: ["/usr/bin/python3"], args: ["-m", "worker"] },
  {
    name: "gateway",
    image: "registry.example.com/platform/gateway",
    command: ["/gateway"],
    args: ["--config=/etc/gateway.yaml"],
  },
  { name: "store", image: "registry.example/example/postgresql", command: [], args: [] },
];
const sidecar = {
  name: "proxy",
  image: "registry.example.com/mesh/proxy",
  command: ["/proxy"],
  args: ["--log-level=info"],
};
const migration = { name: "migrate", image: "registry.example.com/shop/migrate", command: ["/migrate"], args: ["up"] };

interface Program {
  readonly name: string;
  readonly image: string;
  readonly command: readonly string[];
  readonly args: readonly string[];
}

function workloadPod(workload: Workload, replica: number, node: number): NewPod {
  const { namespace, ordinal, replicas, isJob, seed } = workload;
  const program = programs[seed % programs.length] ?? sidecar;
  const app = `${program.name}-${ordinal}`;
  const owner = `${app}-${suffix(10, namespace, app)}`;
  // In the order of the replicas, as a listing shows them.
  const suffixes = Array.from({ length: replicas }, (_, index) => suffix(5, namespace, app, index)).sort();
  const name = `${owner}-${suffixes[replica] ?? replica}`;
  const phase = isJob
    ? "Succeeded"
    : replicas > 2 && replica === replicas - 1 && seed % 4 === 0
      ? "Pending"
      : "Running";
  const version = `v${1 + (seed % 7)}.${seed % 13}`;
  return pod({
    ...{ namespace, name, node, phase, version },
    labels: {
      ...{ app, "app.kubernetes.io/name": program.name, "app.kubernetes.io/instance": `${namespace}-${app}` },
      ...{ "app.kubernetes.io/version": version, "pod-template-hash": suffix(10, namespace, app), team: namespace },
    },
    owner: { apiVersion: isJob ? "batch/v1" : "apps/v1", kind: isJob ? "Job" : "ReplicaSet", name: owner },
    ownerUid: uid(namespace, owner),
    restartPolicy: isJob ? "Never" : "Always",
    containers: [
      program,
      ...(seed % 3 === 0 ? [sidecar] : []),
      ...(seed % 10 === 0 ? [{ ...sidecar, name: "metrics" }] : []),
    ],
    initContainers: seed % 4 === 1 ? [migration] : [],
    address: `10.${128 + (node >> 8)}.${node & 255}.${10 + (seed % 200)}`,
  });
}

function extractorPod(node: number, daemonSetUid: string): NewPod {
  const image = "registry.example.com/runtime-insights/runtime-insights-node";
  const program = (name: string): Program => ({ name, image, command: [`/${name}`], args: [] });
  return pod({
    ...{ namespace: extractorNamespace, name: `${extractorName}-${suffix(5, "extractor", node)}${node}`, node },
    ...{ phase: "Running", version: "v0.1.0", labels: extractorLabels, restartPolicy: "Always" },
    owner: { apiVersion: "apps/v1", kind: "DaemonSet", name: extractorName },
    ownerUid: daemonSetUid,
    containers: ["extractor", "exporter", "kube-rbac-proxy"].map(program),
    initContainers: [],
    address: nodeAddress(node),
  });
}

interface PodFacts {
  readonly namespace: string;
  readonly name: string;
  readonly node: number;
  readonly phase: string;
  readonly version: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly owner: Readonly<Record<string, string>>;
  readonly ownerUid: string;
  readonly restartPolicy: string;
  readonly containers: readonly Program[];
  readonly initContainers: readonly Program[];
  readonly address: string;
}

const uid = (...seeds: readonly string[]) =>
  hex("uid", ...seeds).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, "$1-$2-$3-$4-$5");

function pod(facts: PodFacts): NewPod {
  const { namespace, name, node, phase, version, address } = facts;
  const token = `kube-api-access-${suffix(5, namespace, name, "token")}`;
  const isPending = phase === "Pending";
  const ids = facts.containers.map((container) => ({
    name: container.name,
    id: `containerd://${hex("container", namespace, name, container.name)}`,
  }));
  return {
    ...{ namespace, name },
    containers: phase === "Running" ? ids : [],
    body: {
      metadata: {
        ...{ name, namespace, labels: facts.labels },
        annotations: {
          "k8s.ovn.org/pod-networks": JSON.stringify({
            default: {
              ip_addresses: [`${address}/23`],
              mac_address: "0a:58:0a:80:02:17",
              gateway_ips: ["10.128.2.1"],
              ip_address: `${address}/23`,
              role: "primary",
            },
          }),
          "k8s.v1.cni.cncf.io/network-status": JSON.stringify([
            {
              name: "ovn-kubernetes",
              interface: "eth0",
              ips: [address],
              mac: "0a:58:0a:80:02:17",
              default: true,
              dns: {},
            },
          ]),
          "openshift.io/scc": "restricted-v2",
        },
        ownerReferences: [{ ...facts.owner, uid: facts.ownerUid, controller: true, blockOwnerDeletion: true }],
      },
      spec: {
        nodeName: nodeName(node),
        restartPolicy: facts.restartPolicy,
        automountServiceAccountToken: false,
        securityContext: {
          seLinuxOptions: { level: "s0:c28,c12" },
          runAsNonRoot: true,
          fsGroup: 1000780000,
          seccompProfile: { type: "RuntimeDefault" },
        },
        tolerations: tolerations.map((tolerated) => ({ ...tolerated })),
        volumes: [
          { name: "config", configMap: { name: "app-config", defaultMode: 420 } },
          {
            name: token,
            projected: {
              defaultMode: 420,
              sources: [
                { serviceAccountToken: { expirationSeconds: 3607, path: "token" } },
                { configMap: { name: "kube-root-ca.crt", items: [{ key: "ca.crt", path: "ca.crt" }] } },
                {
                  downwardAPI: {
                    items: [{ path: "namespace", fieldRef: { apiVersion: "v1", fieldPath: "metadata.namespace" } }],
                  },
                },
              ],
            },
          },
        ],
        initContainers: facts.initContainers.map((one) => containerSpec(one, version, token, false)),
        containers: facts.containers.map((one) => containerSpec(one, version, token, programs.includes(one))),
      },
    },
    status: {
      phase,
      conditions: conditionTypes.map((type) => ({
        ...{
          type,
          status:
            phase === "Running" || type === "PodScheduled" || (!isPending && type === "Initialized") ? "True" : "False",
        },
        ...{ lastTransitionTime: startedAt, lastProbeTime: null },
      })),
      ...{ hostIP: `10.0.${node >> 8}.${node & 255}`, startTime: startedAt, qosClass: "Burstable" },
      ...(isPending ? {} : { podIP: address, podIPs: [{ ip: address }] }),
      initContainerStatuses: facts.initContainers.map((one) =>
        containerStatus(
          one,
          version,
          `containerd://${hex("init", namespace, name)}`,
          isPending ? "waiting" : "terminated",
        ),
      ),
      containerStatuses: facts.containers.map((one, index) =>
        containerStatus(
          one,
          version,
          ids[index]?.id ?? "",
          isPending ? "waiting" : phase === "Running" ? "running" : "terminated",
        ),
      ),
    },
  };
}

const tolerations = [
  { key: "node.kubernetes.io/not-ready", operator: "Exists", effect: "NoExecute", tolerationSeconds: 300 },
  { key: "node.kubernetes.io/unreachable", operator: "Exists", effect: "NoExecute", tolerationSeconds: 300 },
  { key: "node.kubernetes.io/memory-pressure", operator: "Exists", effect: "NoSchedule" },
];
const conditionTypes = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"];

/** Sidecars, init containers and the extractor's containers are described in few words, the program at length. */
function containerSpec({ name, image, command, args }: Program, version: string, token: string, isMain: boolean) {
  const probe = { httpGet: { path: "/healthz", port: 8080, scheme: "HTTP" }, periodSeconds: 10, failureThreshold: 3 };
  return {
    ...{ name, image: `${image}:${version}`, command, args, imagePullPolicy: "IfNotPresent" },
    ...(isMain
      ? {
          env: [
            { name: "LOG_LEVEL", value: "info" },
            { name: "DATABASE_URL", valueFrom: { secretKeyRef: { name: "app-credentials", key: "url" } } },
          ],
          ports: [{ name: "http", containerPort: 8080, protocol: "TCP" }],
          readinessProbe: probe,
        }
      : {}),
    resources: { requests: { cpu: "50m", memory: "256Mi" } },
    volumeMounts: [
      ...(isMain ? [{ name: "config", mountPath: "/etc/app", readOnly: true }] : []),
      { name: token, mountPath: "/var/run/secrets/kubernetes.io/serviceaccount", readOnly: true },
    ],
    securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
  };
}

function containerStatus(
  { name, image }: Program,
  version: string,
  id: string,
  state: "running" | "waiting" | "terminated",
) {
  const isWaiting = state === "waiting";
  const states = {
    running: { startedAt },
    waiting: { reason: "ContainerCreating" },
    terminated: { exitCode: 0, reason: "Completed", startedAt, finishedAt: startedAt, containerID: id },
  };
  return {
    ...{
      name,
      image: `${image}:${version}`,
      ready: state === "running",
      started: state === "running",
      restartCount: 0,
    },
    imageID: isWaiting ? "" : `${image}@sha256:${hex("image", image, version)}`,
    ...(isWaiting ? {} : { containerID: id }),
    ...{ state: { [state]: states[state] }, lastState: {} },
  };
}
