/** Who may speak to our pods, and they to whom. Nothing else comes in or goes out, where the cluster's network enforces policies. */
import type { Draft } from "./desired-input.ts";
import { nameLabel } from "./operands.ts";

const tcp = (port: number) => ({ port, protocol: "TCP" });
const podsNamed = (name: string) => ({ podSelector: { matchLabels: { [nameLabel]: name } } });

/** OpenShift labels its monitoring namespaces so; `monitoring` is where prometheus-operator's own manifests go. */
const monitoring = [
  { namespaceSelector: { matchLabels: { "network.openshift.io/policy-group": "monitoring" } } },
  { namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "monitoring" } } },
];

/** Anywhere: where DNS and API server are differs by cluster. 5353 is where OpenShift's DNS pods listen, behind port 53 of their Service. */
const always = [
  { ports: [tcp(53), tcp(5353), { port: 53, protocol: "UDP" }, { port: 5353, protocol: "UDP" }] },
  { ports: [tcp(443), tcp(6443)] },
];

export interface Reach {
  /** Pods that may ask on 8443. */
  readonly from: string;
  /** Pods that are asked on theirs. */
  readonly to?: string;
}

/** The policy of the pods of that name; DNS, the API server and being scraped are always allowed. */
export function networkPolicy(name: string, { from, to }: Reach): Draft {
  return {
    kind: "NetworkPolicy",
    name,
    body: {
      spec: {
        podSelector: { matchLabels: { [nameLabel]: name } },
        policyTypes: ["Ingress", "Egress"],
        ingress: [
          { from: [podsNamed(from)], ports: [tcp(8443)] },
          { from: monitoring, ports: [tcp(9443)] },
        ],
        egress: [...always, ...(to === undefined ? [] : [{ to: [podsNamed(to)], ports: [tcp(8443)] }])],
      },
    },
  };
}
