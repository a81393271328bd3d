/** Which objects main makes: their kinds, names and sides, in the order in which they are applied. */

export const kinds = {
  SecurityContextConstraints: {
    apiVersion: "security.openshift.io/v1",
    plural: "securitycontextconstraints",
    scope: "cluster",
  },
  ServiceMonitor: { apiVersion: "monitoring.coreos.com/v1", plural: "servicemonitors", scope: "namespace" },
  PrometheusRule: { apiVersion: "monitoring.coreos.com/v1", plural: "prometheusrules", scope: "namespace" },
  ServiceAccount: { apiVersion: "v1", plural: "serviceaccounts", scope: "namespace" },
  ClusterRoleBinding: { apiVersion: "rbac.authorization.k8s.io/v1", plural: "clusterrolebindings", scope: "cluster" },
  Secret: { apiVersion: "v1", plural: "secrets", scope: "namespace" },
  ConfigMap: { apiVersion: "v1", plural: "configmaps", scope: "namespace" },
  Service: { apiVersion: "v1", plural: "services", scope: "namespace" },
  NetworkPolicy: { apiVersion: "networking.k8s.io/v1", plural: "networkpolicies", scope: "namespace" },
  DaemonSet: { apiVersion: "apps/v1", plural: "daemonsets", scope: "namespace" },
  Deployment: { apiVersion: "apps/v1", plural: "deployments", scope: "namespace" },
} as const;
export type OperandKind = keyof typeof kinds;

/** Kinds that a cluster may do without; where one is not served its objects are not wanted. */
export const optionalKinds: ReadonlySet<OperandKind> = new Set([
  "SecurityContextConstraints",
  "ServiceMonitor",
  "PrometheusRule",
]);

/** The node side is governed by the gate; the gatherer side is there whenever a valid config is managed. */
export const sides = ["node", "gatherer"] as const;
export type Side = (typeof sides)[number];

export const names = {
  extractor: "runtime-insights-extractor",
  exporter: "runtime-insights-exporter",
  exporterTls: "runtime-insights-exporter-tls",
  exporterProxy: "runtime-insights-exporter-proxy",
  gatherer: "runtime-insights-gatherer",
  gathererTls: "runtime-insights-gatherer-tls",
  reader: "runtime-insights-reader",
  ca: "runtime-insights-ca",
  caBundle: "runtime-insights-ca-bundle",
  /** Made by the manifests. */
  operator: "runtime-insights-operator",
  alerts: "runtime-insights-alerts",
} as const;

export interface Operand {
  readonly kind: OperandKind;
  readonly name: string;
  readonly side: Side;
}

/** In apply order; they are taken away in the opposite one. */
export const operands: readonly Operand[] = [
  { side: "gatherer", kind: "Secret", name: names.ca },
  { side: "gatherer", kind: "ConfigMap", name: names.caBundle },
  { side: "gatherer", kind: "ServiceAccount", name: names.gatherer },
  { side: "gatherer", kind: "ServiceAccount", name: names.reader },
  { side: "gatherer", kind: "ClusterRoleBinding", name: names.gatherer },
  { side: "gatherer", kind: "ClusterRoleBinding", name: names.reader },
  { side: "gatherer", kind: "Secret", name: names.gathererTls },
  { side: "gatherer", kind: "Service", name: names.gatherer },
  { side: "gatherer", kind: "NetworkPolicy", name: names.gatherer },
  { side: "gatherer", kind: "Deployment", name: names.gatherer },
  { side: "gatherer", kind: "ServiceMonitor", name: names.operator },
  { side: "gatherer", kind: "ServiceMonitor", name: names.gatherer },
  { side: "gatherer", kind: "PrometheusRule", name: names.alerts },
  { side: "node", kind: "SecurityContextConstraints", name: names.extractor },
  { side: "node", kind: "ServiceAccount", name: names.extractor },
  { side: "node", kind: "ClusterRoleBinding", name: names.extractor },
  { side: "node", kind: "Secret", name: names.exporterTls },
  { side: "node", kind: "ConfigMap", name: names.exporterProxy },
  { side: "node", kind: "Service", name: names.exporter },
  { side: "node", kind: "NetworkPolicy", name: names.extractor },
  { side: "node", kind: "DaemonSet", name: names.extractor },
  { side: "node", kind: "ServiceMonitor", name: names.exporter },
];

/** What runs each side's pods, and as whom. */
export const workloads: Readonly<Record<Side, { readonly workload: Operand; readonly account: Operand }>> = {
  node: {
    workload: { side: "node", kind: "DaemonSet", name: names.extractor },
    account: { side: "node", kind: "ServiceAccount", name: names.extractor },
  },
  gatherer: {
    workload: { side: "gatherer", kind: "Deployment", name: names.gatherer },
    account: { side: "gatherer", kind: "ServiceAccount", name: names.gatherer },
  },
};

/** One word for one operand, for maps and messages: `DaemonSet/runtime-insights-extractor`. */
export function keyOf({ kind, name }: { readonly kind: string; readonly name: string }): string {
  return `${kind}/${name}`;
}

export const managedByLabel = "app.kubernetes.io/managed-by";
export const partOfLabel = "app.kubernetes.io/part-of";
export const nameLabel = "app.kubernetes.io/name";
/** On pod templates: pods are made anew with their service account. */
export const accountAnnotation = "runtimes.insights.openshift.io/service-account-uid";
export const hashAnnotation = "runtimes.insights.openshift.io/desired-hash";

/** The audiences that the two proxies demand. */
export const audiences = { exporter: "runtime-insights-exporter", gatherer: "runtime-insights-gatherer" } as const;

/** The DNS names that a serving certificate must carry, the one that clients check first. */
export function dnsNames(service: string, namespace: string): readonly string[] {
  return [`${service}.${namespace}.svc`, `${service}.${namespace}.svc.cluster.local`];
}
