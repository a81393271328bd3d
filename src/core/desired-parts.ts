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

export interface ProxyOptions {
  readonly image: string;
  /** Where the container behind it listens, on the pod's loopback address. */
  readonly upstreamPort: number;
  readonly audience: string;
  /** A volume with `config.yaml`, for static authorisation. */
  readonly configVolume?: string;
  readonly tlsVolume: string;
  /** The cluster's TLS profile. */
  readonly tls: ServerTls;
  readonly runAsUser?: number;
}

/** kube-rbac-proxy on 8443; `/healthz` is open and reaches the container behind it, so its probe covers both. */
export function proxyContainer(options: ProxyOptions): Readonly<Record<string, unknown>> {
  const { image, upstreamPort, audience, configVolume, tlsVolume, tls, runAsUser } = options;
  return {
    name: "kube-rbac-proxy",
    image,
    imagePullPolicy: "IfNotPresent",
    args: [
      "--secure-listen-address=:8443",
      `--upstream=http://127.0.0.1:${upstreamPort}/`,
      `--auth-token-audiences=${audience}`,
      "--ignore-paths=/healthz",
      ...(configVolume === undefined ? [] : ["--config-file=/etc/kube-rbac-proxy/config.yaml"]),
      "--tls-cert-file=/etc/tls/private/tls.crt",
      "--tls-private-key-file=/etc/tls/private/tls.key",
      `--tls-min-version=${tls.minVersion}`,
      `--tls-cipher-suites=${tls.cipherSuites.join(",")}`,
      "--http2-disable=true",
    ],
    ports: [{ name: "https", containerPort: 8443, protocol: "TCP" }],
    readinessProbe: {
      httpGet: { path: "/healthz", port: "https", scheme: "HTTPS" },
      periodSeconds: 10,
      timeoutSeconds: 5,
      failureThreshold: 3,
    },
    resources: { requests: { cpu: "10m", memory: "32Mi" } },
    terminationMessagePolicy: "FallbackToLogsOnError",
    securityContext: {
      ...restrictedContainer,
      ...(runAsUser === undefined ? {} : { runAsUser, runAsGroup: runAsUser }),
    },
    volumeMounts: [
      { name: tlsVolume, mountPath: "/etc/tls/private", readOnly: true },
      ...(configVolume === undefined
        ? []
        : [{ name: configVolume, mountPath: "/etc/kube-rbac-proxy", readOnly: true }]),
      apiTokenMount,
    ],
  };
}

/** Lets in TCP 8443 from pods of that name in our namespace only; everything out. */
export function ingressOnlyFrom(name: string, podName: string, fromPodName: string): Draft {
  const podsNamed = (value: string) => ({ matchLabels: { "app.kubernetes.io/name": value } });
  return {
    kind: "NetworkPolicy",
    name,
    body: {
      spec: {
        podSelector: podsNamed(podName),
        policyTypes: ["Ingress"],
        ingress: [{ from: [{ podSelector: podsNamed(fromPodName) }], ports: [{ port: 8443, protocol: "TCP" }] }],
      },
    },
  };
}

/** Keeps the workload partitioning of OpenShift's management cores. */
export const managementAnnotation = {
  "target.workload.openshift.io/management": '{"effect": "PreferredDuringScheduling"}',
} as const;
