/** Brings the samples onto a cluster. */
import { createHash } from "node:crypto";
import { z } from "zod";
import type { Cluster } from "../../hack/cluster/cluster.ts";
import { kubectl, waitFor } from "../../hack/kubectl.ts";
import { buildSampleImages, refOf } from "./images.ts";
import { loadSamples, type Sample } from "./samples.ts";

export { buildSampleImages } from "./images.ts";

const partOf = "runtime-insights-samples";
/** Annotation with the hash of what a pod was made from; a pod of another sample or image is made anew. */
const madeFrom = "runtime-insights-samples/made-from";

/** The namespaces of the samples, sorted. */
export const namespacesOf = (samples: readonly Sample[]): string[] =>
  [...new Set(samples.map(({ namespace }) => namespace))].sort();

export interface ApplyOptions {
  /** Default: all. */
  readonly samples?: readonly Sample[];
  /** Default: three minutes. */
  readonly timeoutMs?: number;
}

/** Creates namespaces and pods and waits until all run; their images are on the nodes already. Does no harm when they are there. */
export async function applySamples(
  cluster: Cluster,
  { samples: chosen, timeoutMs = 180_000 }: ApplyOptions = {},
): Promise<void> {
  const samples = chosen ?? (await loadSamples());
  const digests = new Map((await buildSampleImages()).map(({ ref, digest }) => [ref, digest]));
  const namespaces = namespacesOf(samples);
  const pods = samples.map((sample) => {
    const pod = podOf(sample, cluster.nodes[sample.node % cluster.nodes.length]?.name ?? "");
    const images = pod.spec.containers.map(({ image }) => digests.get(image));
    const hash = createHash("sha256")
      .update(JSON.stringify([pod, images]))
      .digest("hex")
      .slice(0, 16);
    return { ...pod, metadata: { ...pod.metadata, annotations: { [madeFrom]: hash } } };
  });
  await apply(cluster, namespaces.map(namespaceObject));
  await removeStale(cluster, new Set(pods.map(({ metadata }) => metadata.annotations[madeFrom])));
  // A pod is refused until the namespace's default service account is there.
  await waitFor("the samples to be accepted", async () => {
    await apply(cluster, pods);
    return true;
  });
  const ready = ["wait", "pod", "-l", selector, "--for=condition=Ready", `--timeout=${timeoutMs / 1000}s`];
  await Promise.all(namespaces.map((namespace) => kubectl(cluster, ["-n", namespace, ...ready])));
}

const selector = `app.kubernetes.io/part-of=${partOf}`;
const podListSchema = z.object({
  items: z.array(
    z.object({
      metadata: z.object({
        name: z.string(),
        namespace: z.string(),
        annotations: z.record(z.string(), z.string()).default({}),
      }),
    }),
  ),
});

async function removeStale(cluster: Cluster, fresh: ReadonlySet<string | undefined>): Promise<void> {
  const list = await kubectl(cluster, ["get", "pods", "-A", "-l", selector, "-o", "json"]);
  for (const { metadata } of podListSchema.parse(JSON.parse(list)).items) {
    if (fresh.has(metadata.annotations[madeFrom])) continue;
    await kubectl(cluster, ["-n", metadata.namespace, "delete", "pod", metadata.name, "--ignore-not-found"]);
  }
}

/** Takes the samples' namespaces away and waits until they are gone. */
export async function removeSamples(cluster: Cluster): Promise<void> {
  await kubectl(cluster, ["delete", "namespace", "-l", selector, "--ignore-not-found"]);
}

const apply = (cluster: Cluster, items: readonly object[]): Promise<string> =>
  kubectl(cluster, ["apply", "-f", "-"], JSON.stringify({ apiVersion: "v1", kind: "List", items }));

const namespaceObject = (name: string): object => ({
  apiVersion: "v1",
  kind: "Namespace",
  metadata: { name, labels: { "app.kubernetes.io/part-of": partOf } },
});

/** A pod that asks for little and ends at once. */
export function podOf(sample: Sample, nodeName: string) {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: sample.name,
      namespace: sample.namespace,
      labels: { app: sample.name, "app.kubernetes.io/part-of": partOf },
    },
    spec: {
      nodeSelector: { "kubernetes.io/hostname": nodeName },
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: 2,
      containers: sample.containers.map(({ name, image, command, env = {}, uid }) => ({
        name,
        image: refOf(image),
        imagePullPolicy: "Never",
        command,
        env: Object.entries(env).map(([key, value]) => ({ name: key, value })),
        resources: { requests: { cpu: "1m", memory: "16Mi" } },
        securityContext: {
          allowPrivilegeEscalation: false,
          ...(uid === undefined ? {} : { runAsUser: uid, runAsGroup: uid, runAsNonRoot: true }),
        },
      })),
    },
  };
}
