/** The gatherer side: the process that reads the cluster's pods and asks the nodes, and who may talk to it. */
import { onOurArchitectures } from "./architectures.ts";
import type { Authority, DesiredInput, Draft, KeyPair } from "./desired-input.ts";
import { alerts, operatorMonitor, serviceMonitor } from "./desired-monitoring.ts";
import { networkPolicy } from "./desired-network.ts";
import {
  apiTokenMount,
  apiTokenVolume,
  bindingToShippedRole,
  managementAnnotation,
  metricsProxyContainer,
  proxyContainer,
  pulledBy,
  restrictedContainer,
  servedBy,
  serviceAccount,
  servicePorts,
  tlsSecret,
} from "./desired-parts.ts";
import { graceSeconds } from "./handover.ts";
import { accountAnnotation, audiences, nameLabel, names } from "./operands.ts";

const labels = { [nameLabel]: names.gatherer };
/**
 * In the image's folder; the benchmark of gathers runs it so too. Node makes its heap as large as the machine allows, since that spares work:
 * with these a gather of 8000 pods takes half the memory and a tenth more processor time (docs/benchmarks.md).
 */
export const gathererCommand: readonly string[] = [
  "node",
  "--max-semi-space-size=16",
  "--heap-growing-percent=60",
  "gatherer.js",
];
/** A thousand TLS connections scatter over the C library's arenas what one of them would hold. */
export const gathererMemoryEnv = { name: "MALLOC_ARENA_MAX", value: "1" } as const;

export function gathererSide(
  input: DesiredInput,
  { ca, bundle }: Authority,
  serving: KeyPair | undefined,
): readonly Draft[] {
  const { namespace } = input;
  return [
    ...tlsSecret(names.ca, ca),
    ...(bundle === undefined
      ? []
      : [{ kind: "ConfigMap", name: names.caBundle, body: { data: { "ca.crt": bundle } } } as const]),
    serviceAccount(names.gatherer),
    serviceAccount(names.reader),
    bindingToShippedRole(names.gatherer, namespace),
    bindingToShippedRole(names.reader, namespace),
    ...tlsSecret(names.gathererTls, serving),
    { ...service, ...servedBy(input, "gatherer", names.gathererTls) },
    networkPolicy(names.gatherer, { from: names.operator, to: names.extractor }),
    deployment(input),
    operatorMonitor(),
    serviceMonitor({ name: names.gatherer, service: names.gatherer, serverName: names.gatherer, namespace }),
    alerts(namespace),
  ];
}

const service: Draft = {
  kind: "Service",
  name: names.gatherer,
  labels,
  body: {
    spec: {
      type: "ClusterIP",
      selector: labels,
      ports: servicePorts,
    },
  },
};

/** Of the gatherer itself: a proxy that is late is no reason to end a gather. */
const healthPort = { name: "health", containerPort: 8081, protocol: "TCP" } as const;

/** It is asked until the end for what it holds. */
const endsAfter = { path: "/ended", port: healthPort.containerPort } as const;

function deployment({
  images,
  settings,
  namespace,
  accountUids,
  tls,
  priorityClass,
  pullSecrets,
}: DesiredInput): Draft {
  const { emptyDir, retention } = settings.storage;
  const proxy = { image: images.proxy, tlsVolume: "tls", tls };
  return {
    kind: "Deployment",
    name: names.gatherer,
    labels,
    body: {
      spec: {
        replicas: 1,
        // Both numbers are ours, not defaults: an older operator, which wants Recreate, takes away with them what must not stand beside it.
        strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
        selector: { matchLabels: labels },
        template: {
          metadata: {
            labels,
            annotations: {
              "openshift.io/required-scc": "restricted-v2",
              "kubectl.kubernetes.io/default-container": "gatherer",
              [accountAnnotation]: accountUids.gatherer,
              ...managementAnnotation,
            },
          },
          spec: {
            serviceAccountName: names.gatherer,
            ...pulledBy(pullSecrets.gatherer),
            terminationGracePeriodSeconds: graceSeconds,
            automountServiceAccountToken: false,
            nodeSelector: { "kubernetes.io/os": "linux" },
            ...onOurArchitectures,
            ...(priorityClass === undefined ? {} : { priorityClassName: priorityClass }),
            securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
            containers: [
              {
                name: "gatherer",
                image: images.gatherer,
                imagePullPolicy: "IfNotPresent",
                command: gathererCommand,
                env: [
                  gathererMemoryEnv,
                  { name: "POD_NAMESPACE", value: namespace },
                  { name: "LOG_LEVEL", value: logLevels[settings.logLevel] },
                  { name: "RETAIN_ARCHIVES", value: String(retention.archives) },
                  ...(retention.age === undefined
                    ? []
                    : [{ name: "RETAIN_SECONDS", value: String(Math.ceil(retention.age / 1000)) }]),
                ],
                ports: [healthPort],
                livenessProbe: {
                  httpGet: { path: "/healthz", port: healthPort.name },
                  periodSeconds: 20,
                  timeoutSeconds: 5,
                  failureThreshold: 6,
                },
                // Not before it has what the gatherer before it had (docs/adr/0022-handover.md).
                readinessProbe: {
                  httpGet: { path: "/readyz", port: healthPort.name },
                  periodSeconds: 2,
                  timeoutSeconds: 5,
                  failureThreshold: 3,
                },
                resources: { requests: { cpu: "10m", memory: "100Mi" } },
                terminationMessagePolicy: "FallbackToLogsOnError",
                securityContext: restrictedContainer,
                volumeMounts: [
                  { name: "archives", mountPath: "/var/lib/insights-operator" },
                  { name: "exporter-token", mountPath: "/var/run/secrets/runtime-insights/exporter", readOnly: true },
                  { name: "ca-bundle", mountPath: "/etc/runtime-insights/ca", readOnly: true },
                  apiTokenMount,
                ],
              },
              proxyContainer({ ...proxy, upstreamPort: 8080, audience: audiences.gatherer, endsAfter }),
              metricsProxyContainer({ ...proxy, upstreamPort: 9090 }),
            ],
            volumes: [
              { name: "archives", emptyDir: { sizeLimit: emptyDir.sizeLimit } },
              {
                name: "exporter-token",
                projected: {
                  defaultMode: 0o644,
                  sources: [
                    { serviceAccountToken: { path: "token", audience: audiences.exporter, expirationSeconds: 600 } },
                  ],
                },
              },
              { name: "ca-bundle", configMap: { name: names.caBundle } },
              { name: "tls", secret: { secretName: names.gathererTls } },
              apiTokenVolume,
            ],
          },
        },
      },
    },
  };
}

const logLevels = { Normal: "info", Debug: "debug", Trace: "trace" } as const;
