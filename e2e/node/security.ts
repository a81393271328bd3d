/** The node side alone, as one of the folders of manifests/ installs it, and what its extractor may do on a node. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { cloneDir } from "../../hack/cache.ts";
import type { Cluster } from "../../hack/cluster/cluster.ts";
import { kubectl } from "../../hack/kubectl.ts";

const daemonSet = "runtime-insights-standalone";

/** Makes the namespace, applies the folder in it and waits for all nodes. */
export async function installNodeSide(cluster: Cluster, name: string, folder: string): Promise<void> {
  const metadata = { name, labels: { "pod-security.kubernetes.io/enforce": "privileged" } };
  await kubectl(cluster, ["apply", "-f", "-"], JSON.stringify({ apiVersion: "v1", kind: "Namespace", metadata }));
  await kubectl(cluster, ["-n", name, "apply", "-k", join(cloneDir, "manifests", folder)]);
  await kubectl(cluster, ["-n", name, "rollout", "status", `daemonset/${daemonSet}`, "--timeout=120s"]);
}

/** As the kernel writes them in `/proc/<pid>/status`. */
export interface Rights {
  readonly capabilities: string;
  readonly noNewPrivileges: string;
  /** 2: a filter of system calls. */
  readonly seccomp: string;
}

/** What manifests/standalone-least-privilege gives: the eight capabilities as bits, and the runtime's default filter. */
export const leastRights: Rights = { capabilities: "00000000002c01e4", noNewPrivileges: "1", seccomp: "2" };

/** What the extractor of that namespace on that node may do; undefined when it does not run. The nodes are namespaces of this machine. */
export async function extractorRights(cluster: Cluster, namespace: string, node: string): Promise<Rights | undefined> {
  const path = '{.items[*].status.containerStatuses[?(@.name=="extractor")].containerID}';
  const selector = [`--selector=app.kubernetes.io/name=${daemonSet}`, `--field-selector=spec.nodeName=${node}`];
  const reference = await kubectl(cluster, ["-n", namespace, "get", "pods", ...selector, "-o", `jsonpath=${path}`]);
  const id = reference.split("://")[1];
  if (id === undefined) return undefined;
  const pid = readdirSync("/proc").find((name) => /^[0-9]+$/.test(name) && textOf(`/proc/${name}/cgroup`).includes(id));
  if (pid === undefined) return undefined;
  const status = textOf(`/proc/${pid}/status`);
  const field = (name: string) => new RegExp(`^${name}:\\s*(\\S+)$`, "m").exec(status)?.[1] ?? "";
  return { capabilities: field("CapEff"), noNewPrivileges: field("NoNewPrivs"), seccomp: field("Seccomp") };
}

/** Empty when the process has ended meanwhile. */
function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
