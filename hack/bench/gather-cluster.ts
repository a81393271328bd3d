/** The cluster of the gather's benchmark: a real API server with objects as kubelets and controllers would leave them. */

import { Connection } from "../../src/adapters/connection.ts";
import { startApiServer } from "../cluster/apiserver.ts";
import {
  extractorLabels,
  extractorNamespace,
  type NewPod,
  namespaceName,
  nodeBody,
  podsBetween,
  type Size,
} from "./gather-pods.ts";

const concurrency = 24;

export interface BenchCluster {
  readonly kubeconfig: string;
  readonly api: Connection;
  /** All containers that run, by now. */
  readonly running: readonly RunningContainer[];
  /** Adds what a cluster of this size has more than the present one. */
  grow(to: Size): Promise<void>;
  stop(): Promise<void>;
}

export interface RunningContainer {
  readonly id: string;
  readonly namespace: string;
  readonly pod: string;
  readonly name: string;
}

export async function startCluster(): Promise<BenchCluster> {
  const server = await startApiServer();
  const api = Connection.load(server.kubeconfig);
  const running: RunningContainer[] = [];
  let size: Size = { pods: 0, nodes: 0, namespaces: 0 };
  let daemonSetUid = "";
  const send = async (method: "POST" | "PUT", path: string, body: object): Promise<unknown> => {
    const answer = await api.call({ method, path, body, timeoutMs: 120_000 });
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  const addNamespace = async (name: string) => {
    await send("POST", "/api/v1/namespaces", { metadata: { name } });
    await send("POST", `/api/v1/namespaces/${name}/serviceaccounts`, { metadata: { name: "default" } });
  };
  const addPod = async ({ namespace, name, body, status, containers }: NewPod) => {
    const path = `/api/v1/namespaces/${namespace}/pods`;
    await send("POST", `${path}?fieldManager=kube-controller-manager`, body);
    await send("PUT", `${path}/${name}/status?fieldManager=kubelet`, { ...body, status });
    for (const one of containers) running.push({ id: one.id, namespace, pod: name, name: one.name });
  };
  const grow = async (to: Size) => {
    if (daemonSetUid === "") {
      await addNamespace(extractorNamespace);
      daemonSetUid = uidOf(await send("POST", `/apis/apps/v1/namespaces/${extractorNamespace}/daemonsets`, daemonSet));
    }
    const namespaces = range(size.namespaces, to.namespaces - (size.namespaces === 0 ? 1 : 0)).map(namespaceName);
    await inParallel(namespaces, addNamespace);
    await inParallel(range(size.nodes, to.nodes), (index) => send("POST", "/api/v1/nodes", nodeBody(index)));
    await inParallel(podsBetween(size, to, daemonSetUid), addPod);
    size = to;
  };
  const stop = async () => {
    await api.close();
    await server.stop();
  };
  return { kubeconfig: server.kubeconfig, api, running, grow, stop };
}

const daemonSet = {
  metadata: { name: "runtime-insights-extractor" },
  spec: {
    selector: { matchLabels: extractorLabels },
    template: { metadata: { labels: extractorLabels }, spec: { containers: [{ name: "extractor", image: "node" }] } },
  },
};

function uidOf(body: unknown): string {
  const metadata = typeof body === "object" && body !== null && "metadata" in body ? body.metadata : undefined;
  if (typeof metadata === "object" && metadata !== null && "uid" in metadata) return String(metadata.uid);
  throw new Error("the API server gave an object without a uid");
}

const range = (from: number, to: number) => Array.from({ length: Math.max(0, to - from) }, (_, index) => from + index);

async function inParallel<T>(items: Iterable<T>, work: (item: T) => Promise<unknown>): Promise<void> {
  const next = items[Symbol.iterator]();
  const worker = async () => {
    for (let item = next.next(); item.done !== true; item = next.next()) await work(item.value);
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
}
