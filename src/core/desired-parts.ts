/** Pieces that both sides are made of. */
import type { ServerTls } from "../api/tls-profile.ts";
import type { ServingName } from "./certificates.ts";
import type { DesiredInput, Draft, KeyPair } from "./desired-input.ts";
import { secretNameAnnotation } from "./service-ca.ts";

/** A service account whose pods ask for their tokens themselves. */
export function serviceAccount(name: string): Draft {
  return { kind: "ServiceAccount", name, body: { automountServiceAccountToken: false } };
}

/** Binds the shipped ClusterRole of the same name to the service account of the same name. */
export function bindingToShippedRole(name: string, namespace: string): Draft {
  return {
    kind: "ClusterRoleBinding",
    name,
    body: {
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name },
      subjects: [{ kind: "ServiceAccount", name, namespace }],
    },
  };
}

/** Nothing without a pair. */
export function tlsSecret(name: string, pair: KeyPair | undefined): readonly Draft[] {
  if (pair === undefined) return [];
  const data = { "tls.crt": btoa(pair.certificate), "tls.key": btoa(pair.key) };
  return [{ kind: "Secret", name, body: { type: "kubernetes.io/tls", data } }];
}

/** What a Service says so that OpenShift's service CA makes its certificate. */
export function servedBy(
  { servedByServiceCa }: DesiredInput,
  name: ServingName,
  secretName: string,
): Pick<Draft, "annotations"> {
  return servedByServiceCa.has(name) ? { annotations: { [secretNameAnnotation]: secretName } } : {};
}

/** Proves the pod to the API server: what automounting would give, but for the containers that mount it only. */
export const apiTokenVolume = {
  name: "api-token",
  projected: {
    defaultMode: 0o644,
    sources: [
      { serviceAccountToken: { path: "token", expirationSeconds: 3600 } },
      { configMap: { name: "kube-root-ca.crt", items: [{ key: "ca.crt", path: "ca.crt" }] } },
      {
        downwardAPI: {
          items: [{ path: "namespace", fieldRef: { apiVersion: "v1", fieldPath: "metadata.namespace" } }],
        },
      },
    ],
  },
} as const;

export const apiTokenMount = {
  name: apiTokenVolume.name,
  mountPath: "/var/run/secrets/kubernetes.io/serviceaccount",
  readOnly: true,
} as const;

/** A container that needs nothing of its host; meets Pod Security `restricted`. */
export const restrictedContainer = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  runAsNonRoot: true,
  capabilities: { drop: ["ALL"] },
  seccompProfile: { type: "RuntimeDefault" },
} as const;

/** Where kube-rbac-proxy listens in front of what a part does, and in front of its metrics. */
export const ports = {
  https: { name: "https", containerPort: 8443, protocol: "TCP" },
  metrics: { name: "metrics", containerPort: 9443, protocol: "TCP" },
} as const;

export const servicePorts = [
  { name: "https", port: 8443, protocol: "TCP", targetPort: "https" },
  { name: "metrics", port: 9443, protocol: "TCP", targetPort: "metrics" },
] as const;

interface ProxyOptions {
  readonly image: string;
  /** Where the container behind it listens, on the pod's loopback address. */
  readonly upstreamPort: number;
  readonly tlsVolume: string;
  /** The cluster's TLS profile. */
  readonly tls: ServerTls;
  readonly runAsUser?: number;
}

interface ServiceProxyOptions extends ProxyOptions {
  readonly audience: string;
  /** A volume with `config.yaml`, for static authorisation. */
  readonly configVolume?: string;
  /** A page of the pod that answers when this container may be told to end. */
  readonly endsAfter?: { readonly path: string; readonly port: number };
}

/** kube-rbac-proxy on 8443; `/healthz` is open and reaches the container behind it, so its probe covers both. */
export function proxyContainer(options: ServiceProxyOptions): Container {
  const { audience, configVolume, endsAfter } = options;
  return {
    ...proxyBase(options, ports.https, [
      `--auth-token-audiences=${audience}`,
      "--ignore-paths=/healthz",
      ...(configVolume === undefined ? [] : ["--config-file=/etc/kube-rbac-proxy/config.yaml"]),
    ]),
    readinessProbe: {
      httpGet: { path: "/healthz", port: ports.https.name, scheme: "HTTPS" },
      periodSeconds: 10,
      timeoutSeconds: 5,
      failureThreshold: 3,
    },
    ...(endsAfter === undefined ? {} : { lifecycle: { preStop: { httpGet: { ...endsAfter, scheme: "HTTP" } } } }),
    volumeMounts: [
      ...proxyMounts(options),
      ...(configVolume === undefined
        ? []
        : [{ name: configVolume, mountPath: "/etc/kube-rbac-proxy", readOnly: true }]),
    ],
  };
}

/**
 * kube-rbac-proxy on 9443, for whoever the cluster allows `get` of `/metrics`. A second process, since one has one set of audiences,
 * and a token that is good for 8443 must be good for nothing else. No probe: without it nothing but figures is missing.
 */
export function metricsProxyContainer(options: ProxyOptions): Container {
  return {
    ...proxyBase(options, ports.metrics, ["--allow-paths=/metrics"]),
    name: "kube-rbac-proxy-metrics",
    resources: { requests: { cpu: "5m", memory: "16Mi" } },
    volumeMounts: proxyMounts(options),
  };
}

type Container = Readonly<Record<string, unknown>>;

function proxyBase(
  { image, upstreamPort, tls, runAsUser }: ProxyOptions,
  port: (typeof ports)[keyof typeof ports],
  access: readonly string[],
): Container {
  return {
    name: "kube-rbac-proxy",
    image,
    imagePullPolicy: "IfNotPresent",
    args: [
      `--secure-listen-address=:${port.containerPort}`,
      `--upstream=http://127.0.0.1:${upstreamPort}/`,
      ...access,
      "--tls-cert-file=/etc/tls/private/tls.crt",
      "--tls-private-key-file=/etc/tls/private/tls.key",
      `--tls-min-version=${tls.minVersion}`,
      `--tls-cipher-suites=${tls.cipherSuites.join(",")}`,
      "--http2-disable=true",
    ],
    ports: [port],
    resources: { requests: { cpu: "10m", memory: "32Mi" } },
    terminationMessagePolicy: "FallbackToLogsOnError",
    securityContext: {
      ...restrictedContainer,
      ...(runAsUser === undefined ? {} : { runAsUser, runAsGroup: runAsUser }),
    },
  };
}

const proxyMounts = ({ tlsVolume }: ProxyOptions) => [
  { name: tlsVolume, mountPath: "/etc/tls/private", readOnly: true },
  apiTokenMount,
];

/** Of a pod's spec. The API server gives a pod the secrets of its account only when it names none. */
export function pulledBy(secrets: readonly string[]): {
  readonly imagePullSecrets?: readonly { readonly name: string }[];
} {
  return secrets.length === 0 ? {} : { imagePullSecrets: secrets.map((name) => ({ name })) };
}

/** Keeps the workload partitioning of OpenShift's management cores. */
export const managementAnnotation = {
  "target.workload.openshift.io/management": '{"effect": "PreferredDuringScheduling"}',
} as const;
