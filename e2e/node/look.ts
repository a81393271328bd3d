/** The node side alone, as manifests/standalone/ installs it, and what it says of containers. */
import { join } from "node:path";
import { request } from "undici";
import * as assert from "uvu/assert";
import { z } from "zod";
import { cloneDir } from "../../hack/cache.ts";
import type { Cluster } from "../../hack/cluster/cluster.ts";
import { kubectl, portForward } from "../../hack/kubectl.ts";
import { decodeDetail, type RuntimeInfo } from "../../src/api/runtime.ts";
import type { Expected } from "../samples/samples.ts";

export interface Container {
  readonly node: string;
  readonly namespace: string;
  readonly pod: string;
  readonly name: string;
  /** With its prefix, as in the pod's status. */
  readonly id: string;
  readonly restarts: number;
}

/** The answer of one exporter: container references by pod by namespace. */
const answerSchema = z.record(z.string(), z.record(z.string(), z.record(z.string(), z.unknown())));
export type Answer = z.infer<typeof answerSchema>;
/** By node. */
export type Answers = ReadonlyMap<string, Answer>;

const podListSchema = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ name: z.string(), namespace: z.string() }),
      spec: z.object({ nodeName: z.string().default("") }),
      status: z.object({
        containerStatuses: z
          .array(z.object({ name: z.string(), containerID: z.string().default(""), restartCount: z.int() }))
          .default([]),
      }),
    }),
  ),
});

const podsOf = async (cluster: Cluster, args: readonly string[]) =>
  podListSchema.parse(JSON.parse(await kubectl(cluster, ["get", "pods", ...args, "-o", "json"]))).items;

/** The containers of the pods that these arguments of `kubectl get pods` choose. */
export async function containersOf(cluster: Cluster, args: readonly string[]): Promise<readonly Container[]> {
  const pods = await podsOf(cluster, args);
  return pods.flatMap(({ metadata, spec, status }) =>
    status.containerStatuses.map(({ name, containerID, restartCount }) => ({
      node: spec.nodeName,
      namespace: metadata.namespace,
      pod: metadata.name,
      name,
      id: containerID,
      restarts: restartCount,
    })),
  );
}

const selector = "app.kubernetes.io/name=runtime-insights-standalone";

/** Installs the node side in a namespace of its own and waits until all nodes have it. */
export async function installLook(cluster: Cluster, namespace: string): Promise<void> {
  const object = {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name: namespace, labels: { "pod-security.kubernetes.io/enforce": "privileged" } },
  };
  await kubectl(cluster, ["apply", "-f", "-"], JSON.stringify(object));
  await kubectl(cluster, ["-n", namespace, "apply", "-k", join(cloneDir, "manifests/standalone")]);
  const daemonSet = "daemonset/runtime-insights-standalone";
  await kubectl(cluster, ["-n", namespace, "rollout", "status", daemonSet, "--timeout=120s"]);
}

/** The exporter's pod by node. */
export async function exportersOf(cluster: Cluster, namespace: string): Promise<ReadonlyMap<string, string>> {
  const pods = await podsOf(cluster, ["-n", namespace, "-l", selector]);
  return new Map(pods.map(({ metadata, spec }) => [spec.nodeName, metadata.name]));
}

/** Asks the exporters of all nodes, one after the other. */
export async function askAll(
  cluster: Cluster,
  namespace: string,
  query: string,
  body?: (node: string) => object,
): Promise<Answers> {
  const answers = new Map<string, Answer>();
  for (const [node, pod] of await exportersOf(cluster, namespace)) {
    const forward = await portForward(cluster, { namespace, target: `pod/${pod}`, port: 8000 });
    try {
      const response = await request(`http://127.0.0.1:${forward.port}/gather_runtime_info${query}`, {
        method: body === undefined ? "GET" : "POST",
        ...(body === undefined ? {} : { body: JSON.stringify(body(node)) }),
        signal: AbortSignal.timeout(110_000),
      });
      const text = await response.body.text();
      assert.is(response.statusCode, 200, text);
      answers.set(node, answerSchema.parse(JSON.parse(text)));
    } finally {
      forward.close();
    }
  }
  return answers;
}

/** A container that takes longer than it may, as on a machine that stalls for seconds, lacks in one answer; throws what was wrong in the third. */
export async function upToThrice(check: () => Promise<void>): Promise<void> {
  for (let times = 1; ; times += 1) {
    try {
      await check();
      return;
    } catch (cause) {
      if (times === 3) throw cause;
      console.log(`asked again, since ${cause instanceof Error ? cause.message : cause}`);
    }
  }
}

/** A container's own part of the answers; undefined when it is not in them. */
export const entryOf = (answers: Answers, { node, namespace, pod, id }: Container): unknown =>
  answers.get(node)?.[namespace]?.[pod]?.[id];

/** An entry of an answer to `?hash=false`, which reads as a detail's values do. */
export function clearInfo(entry: unknown, about: string): RuntimeInfo {
  const decoded = decodeDetail({ detail: { runtimeInfo: entry } });
  if (!decoded.ok) throw new Error(`answer for ${about}: ${decoded.problem}`);
  assert.ok(decoded.value);
  return decoded.value.runtimeInfo;
}

/** What the answers say of a container; undefined when it is not in them. */
export function said(answers: Answers, container: Container): Expected | undefined {
  const entry = entryOf(answers, container);
  if (entry === undefined) return undefined;
  const { os, osVersion, kind, kindVersion, kindImplementer, runtimes } = clearInfo(
    entry,
    `${container.namespace}/${container.pod}`,
  );
  return {
    os,
    osVersion,
    kind,
    kindVersion,
    kindImplementer,
    runtimes: (runtimes ?? []).map(({ name, version }) => `${name} ${version}`.trim()),
  };
}

/** An answer in three columns: system, platform, what runs on it. */
export const words = ({ os, osVersion, kind, kindVersion, kindImplementer, runtimes }: Expected): string[] => [
  `${os} ${osVersion}`.trim(),
  `${kind} ${kindVersion} ${kindImplementer}`.trim(),
  runtimes.join(", "),
];
