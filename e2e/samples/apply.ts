/** Brings the samples onto a cluster. */
import type { Cluster } from "../../hack/cluster/cluster.ts";
import { kubectl, waitFor } from "../../hack/kubectl.ts";
import { refOf } from "./images.ts";
import { loadSamples, type Sample } from "./samples.ts";

export { buildSampleImages } from "./images.ts";

const partOf = "runtime-insights-samples";

/** The namespaces of the samples, sorted. */
export const namespacesOf = (samples: readonly Sample[]): string[] =>
  [...new Set(samples.map(({ namespace }) => namespace))].sort();

/** Creates namespaces and pods and waits until all run; their images are on the nodes already. Does no harm when they are there. */
export async function applySamples(cluster: Cluster, { timeoutMs = 180_000 } = {}): Promise<void> {
  const samples = await loadSamples();
  const namespaces = namespacesOf(samples);
  await apply(cluster, namespaces.map(namespaceObject));
  // A pod is refused until the namespace's default service account is there.
  await waitFor("the samples to be accepted", async () => {
    await apply(
      cluster,
      samples.map((sample) => podOf(sample, cluster.nodes[sample.node % cluster.nodes.length]?.name ?? "")),
    );
    return true;
  });
  const ready = ["wait", "pod", "--all", "--for=condition=Ready", `--timeout=${timeoutMs / 1000}s`];
  await Promise.all(namespaces.map((namespace) => kubectl(cluster, ["-n", namespace, ...ready])));
}

/** Takes the samples' namespaces away and waits until they are gone. */
export async function removeSamples(cluster: Cluster): Promise<void> {
  await kubectl(cluster, ["delete", "namespace", "-l", `app.kubernetes.io/part-of=${partOf}`, "--ignore-not-found"]);
}

const apply = (cluster: Cluster, items: readonly object[]): Promise<string> =>
  kubectl(cluster, ["apply", "-f", "-"], JSON.stringify({ apiVersion: "v1", kind: "List", items }));

const namespaceObject = (name: string): object => ({
  apiVersion: "v1",
  kind: "Namespace",
  metadata: { name, labels: { "app.kubernetes.io/part-of": partOf } },
});

/** A pod that asks for little and ends at once. */
export function podOf(sample: Sample, nodeName: string): object {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: sample.name,
      namespace: sample.namespace,
      labels: { app: sample.name, "app.kubernetes.io/part-of": partOf },
      annotations: { "kubernetes.io/description": sample.about },
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
