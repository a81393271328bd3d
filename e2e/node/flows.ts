/** The TCP connections of our pods as the kernel of each pod's network namespace shows them, and what NetworkPolicies say of them. */
import { readdirSync, readFileSync } from "node:fs";
import { z } from "zod";
import type { Cluster } from "../../hack/cluster/cluster.ts";
import { kubectl } from "../../hack/kubectl.ts";

const labelsSchema = z.record(z.string(), z.string()).default({});
const listOf = <T extends z.ZodType>(item: T) => z.object({ items: z.array(item) });

const podSchema = z.object({
  metadata: z.object({ name: z.string(), namespace: z.string(), labels: labelsSchema }),
  status: z.object({
    podIP: z.string().optional(),
    hostIP: z.string().optional(),
    containerStatuses: z.array(z.object({ containerID: z.string().optional() })).default([]),
  }),
});
const namespaceSchema = z.object({ metadata: z.object({ name: z.string(), labels: labelsSchema }) });
const serviceSchema = z.object({
  metadata: z.object({ name: z.string(), namespace: z.string() }),
  spec: z.object({
    clusterIP: z.string().optional(),
    selector: labelsSchema,
    ports: z.array(z.object({ port: z.number() })),
  }),
});
const selectorSchema = z.strictObject({ matchLabels: labelsSchema });
const peersSchema = z.array(
  z.strictObject({ podSelector: selectorSchema.optional(), namespaceSelector: selectorSchema.optional() }),
);
const portsSchema = z.array(z.strictObject({ port: z.number(), protocol: z.enum(["TCP", "UDP"]) }));
/** Strict, so that a part of a policy that is not evaluated here cannot be overlooked. */
const policySchema = z.object({
  metadata: z.object({ name: z.string(), namespace: z.string() }),
  spec: z.strictObject({
    podSelector: selectorSchema,
    policyTypes: z.array(z.enum(["Ingress", "Egress"])),
    ingress: z.array(z.strictObject({ from: peersSchema.optional(), ports: portsSchema.optional() })).default([]),
    egress: z.array(z.strictObject({ to: peersSchema.optional(), ports: portsSchema.optional() })).default([]),
  }),
});
export type Pod = z.infer<typeof podSchema>;
export type Policy = z.infer<typeof policySchema>;

/** Where a connection begins or ends; not a pod: outside, such as the API server or another host. */
export interface End {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
}
export interface Flow {
  readonly from: End | undefined;
  readonly to: End | undefined;
  /** Of TCP, at the pod behind a Service. */
  readonly port: number;
}

export interface Network {
  readonly pods: readonly Pod[];
  readonly policies: readonly Policy[];
  readonly namespaces: ReadonlyMap<string, Readonly<Record<string, string>>>;
  readonly services: readonly z.infer<typeof serviceSchema>[];
}

export async function network(cluster: Cluster): Promise<Network> {
  const all = async <T extends z.ZodType>(kind: string, item: T) =>
    listOf(item).parse(JSON.parse(await kubectl(cluster, ["get", kind, "-A", "-o", "json"]))).items;
  const [pods, policies, namespaces, services] = await Promise.all([
    all("pods", podSchema),
    all("networkpolicies", policySchema),
    all("namespaces", namespaceSchema),
    all("services", serviceSchema),
  ]);
  return {
    ...{ pods, policies, services },
    namespaces: new Map(namespaces.map(({ metadata }) => [metadata.name, metadata.labels])),
  };
}

/** As the policies' rules have it: a pod that no policy selects for a direction is open in it. */
export function isAllowed({ policies, namespaces }: Network, { from, to, port }: Flow): boolean {
  const selects = (labels: Readonly<Record<string, string>>, wanted: Readonly<Record<string, string>>) =>
    Object.entries(wanted).every(([key, value]) => labels[key] === value);
  const selecting = (end: End, type: "Ingress" | "Egress") =>
    policies.filter(
      ({ metadata, spec }) =>
        metadata.namespace === end.namespace &&
        spec.policyTypes.includes(type) &&
        selects(end.labels, spec.podSelector.matchLabels),
    );
  const isPeer = (peers: z.infer<typeof peersSchema> | undefined, end: End | undefined, own: string) =>
    peers === undefined ||
    peers.some(({ podSelector, namespaceSelector }) => {
      if (end === undefined) return false;
      const isThere =
        namespaceSelector === undefined
          ? end.namespace === own
          : selects(namespaces.get(end.namespace) ?? {}, namespaceSelector.matchLabels);
      return isThere && (podSelector === undefined || selects(end.labels, podSelector.matchLabels));
    });
  const isPort = (ports: z.infer<typeof portsSchema> | undefined) =>
    ports === undefined || ports.some((one) => one.protocol === "TCP" && one.port === port);
  const leaves = from === undefined ? [] : selecting(from, "Egress");
  const enters = to === undefined ? [] : selecting(to, "Ingress");
  const mayLeave = leaves.some(({ metadata, spec }) =>
    spec.egress.some((rule) => isPort(rule.ports) && isPeer(rule.to, to, metadata.namespace)),
  );
  const mayEnter = enters.some(({ metadata, spec }) =>
    spec.ingress.some((rule) => isPort(rule.ports) && isPeer(rule.from, from, metadata.namespace)),
  );
  return (leaves.length === 0 || mayLeave) && (enters.length === 0 || mayEnter);
}

export const endOf = ({ metadata: { namespace, labels } }: Pod): End => ({ namespace, labels });

/** Connections of the pod now, also those that have ended within the last minute; what stays inside the pod is left out, and what its node itself asks. */
export function flowsOf(pod: Pod, pid: string, { pods, services }: Network): readonly Flow[] {
  const sockets = ["tcp", "tcp6"].flatMap((table) => socketsOf(textOf(`/proc/${pid}/net/${table}`)));
  const listening = new Set(sockets.filter(({ state }) => state === listenState).map(({ local }) => local.port));
  return sockets.flatMap(({ local, remote, state }): readonly Flow[] => {
    if (state === listenState || remote.port === 0) return [];
    if (remote.address.startsWith("127.") || remote.address === pod.status.podIP) return [];
    const podAt = (address: string) => pods.find(({ status }) => status.podIP === address && status.hostIP !== address);
    if (listening.has(local.port)) {
      const from = podAt(remote.address);
      return from === undefined ? [] : [{ from: endOf(from), to: endOf(pod), port: local.port }];
    }
    const service = services.find(({ spec }) => spec.clusterIP === remote.address);
    const behind =
      service === undefined
        ? podAt(remote.address)
        : pods.find(
            ({ metadata }) =>
              metadata.namespace === service.metadata.namespace &&
              Object.keys(service.spec.selector).length > 0 &&
              Object.entries(service.spec.selector).every(([key, value]) => metadata.labels[key] === value),
          );
    return [{ from: endOf(pod), to: behind === undefined ? undefined : endOf(behind), port: remote.port }];
  });
}

const listenState = "0A";

interface Socket {
  readonly local: { readonly address: string; readonly port: number };
  readonly remote: { readonly address: string; readonly port: number };
  readonly state: string;
}

/** Lines of /proc/net/tcp: addresses are hexadecimal words in the machine's byte order, ports are not turned round. */
function socketsOf(table: string): readonly Socket[] {
  return [...table.matchAll(/^\s*\d+: ([0-9A-F]+):([0-9A-F]{4}) ([0-9A-F]+):([0-9A-F]{4}) ([0-9A-F]{2}) /gm)].map(
    ([, local = "", localPort = "", remote = "", remotePort = "", state = ""]) => ({
      local: { address: address(local), port: Number.parseInt(localPort, 16) },
      remote: { address: address(remote), port: Number.parseInt(remotePort, 16) },
      state,
    }),
  );
}

/** IPv4, also where IPv6 wraps it. */
function address(hex: string): string {
  return [...(hex.slice(-8).match(/../g) ?? [])]
    .reverse()
    .map((byte) => Number.parseInt(byte, 16))
    .join(".");
}

/** Of any process of the pod: the nodes are namespaces of this machine. */
export function pidOf({ status }: Pod): string | undefined {
  const ids = status.containerStatuses.flatMap(({ containerID }) => containerID?.split("://")[1] ?? []);
  return readdirSync("/proc").find((name) => {
    if (!/^[0-9]+$/.test(name)) return false;
    const groups = textOf(`/proc/${name}/cgroup`);
    return ids.some((id) => groups.includes(id));
  });
}

/** Empty when the process has ended meanwhile. */
function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
