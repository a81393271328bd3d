/** The node side: the DaemonSet that looks into containers, and what lets it run and be asked. */
import { defaultSettings } from "../api/config.ts";
import { onOurArchitectures } from "./architectures.ts";
import type { DesiredInput, Draft, KeyPair } from "./desired-input.ts";
import { serviceMonitor } from "./desired-monitoring.ts";
import { networkPolicy } from "./desired-network.ts";
import {
  apiTokenVolume,
  bindingToShippedRole,
  managementAnnotation,
  metricsProxyContainer,
  ports,
  proxyContainer,
  pulledBy,
  restrictedContainer,
  servedBy,
  serviceAccount,
  servicePorts,
  tlsSecret,
} from "./desired-parts.ts";
import { extractorSecurity, securityContextConstraints } from "./desired-security.ts";
import { accountAnnotation, audiences, nameLabel, names } from "./operands.ts";
import { quantity } from "./quantity.ts";

/**
 * User and group of exporter and proxy; the group owns /data, where the extractor writes and the exporter reads. Nobody else's: these
 * containers see the host's processes, and the kernel lets a user look into its own. Beyond what images and OpenShift's ranges use.
 */
const unprivilegedId = 2_000_065_532;
const labels = { [nameLabel]: names.extractor };

export function nodeSide(input: DesiredInput, serving: KeyPair | undefined): readonly Draft[] {
  const { namespace, settings } = input;
  return [
    securityContextConstraints(settings.extractor.securityProfile),
    serviceAccount(names.extractor),
    bindingToShippedRole(names.extractor, namespace),
    ...tlsSecret(names.exporterTls, serving),
    proxyConfig(namespace),
    { ...service, ...servedBy(input, "exporter", names.exporterTls) },
    networkPolicy(names.extractor, { from: names.gatherer }),
    daemonSet(input),
    serviceMonitor({ name: names.exporter, service: names.extractor, serverName: names.exporter, namespace }),
  ];
}

/** Only the gatherer may ask for runtimes without further review; everyone else needs the cluster's leave for the URL. */
function proxyConfig(namespace: string): Draft {
  const user = `system:serviceaccount:${namespace}:${names.gatherer}`;
  const config = [
    "authorization:",
    "  static:",
    "    - path: /gather_runtime_info",
    "      resourceRequest: false",
    "      user:",
    `        name: ${user}`,
    "",
  ].join("\n");
  return { kind: "ConfigMap", name: names.exporterProxy, body: { data: { "config.yaml": config } } };
}

const service: Draft = {
  kind: "Service",
  name: names.exporter,
  labels,
  body: {
    spec: {
      clusterIP: "None",
      selector: labels,
      ports: servicePorts,
    },
  },
};

function daemonSet(input: DesiredInput): Draft {
  const { nodeSelector, tolerations, priorityClassName = input.priorityClass } = input.settings.extractor;
  return {
    kind: "DaemonSet",
    name: names.extractor,
    labels,
    body: {
      spec: {
        selector: { matchLabels: labels },
        updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 0, maxUnavailable: "33%" } },
        template: {
          metadata: {
            labels,
            annotations: {
              "openshift.io/required-scc": names.extractor,
              "kubectl.kubernetes.io/default-container": "extractor",
              [accountAnnotation]: input.accountUids.node,
              ...managementAnnotation,
            },
          },
          spec: {
            serviceAccountName: names.extractor,
            ...pulledBy(input.pullSecrets.node),
            automountServiceAccountToken: false,
            hostPID: true,
            nodeSelector: { ...nodeSelector, "kubernetes.io/os": "linux" },
            ...onOurArchitectures,
            ...(tolerations === undefined ? {} : { tolerations }),
            ...(priorityClassName === undefined ? {} : { priorityClassName }),
            securityContext: { fsGroup: unprivilegedId },
            containers: [...proxies(input), exporter(input), extractor(input)],
            volumes: [
              // In memory: the kernel itself holds it to its size, and answers live for a second.
              { name: "data", emptyDir: { medium: "Memory", sizeLimit: "128Mi" } },
              { name: "container-names", hostPath: { path: "/var/log/containers", type: "Directory" } },
              { name: "tls", secret: { secretName: names.exporterTls, defaultMode: 0o440 } },
              { name: "proxy-config", configMap: { name: names.exporterProxy } },
              apiTokenVolume,
            ],
          },
        },
      },
    },
  };
}

function proxies({ images, tls }: DesiredInput): readonly Readonly<Record<string, unknown>>[] {
  const behind = { image: images.proxy, upstreamPort: 8000, tlsVolume: "tls", tls, runAsUser: unprivilegedId };
  return [
    proxyContainer({ ...behind, audience: audiences.exporter, configVolume: "proxy-config" }),
    metricsProxyContainer(behind),
  ];
}

function exporter({ images }: DesiredInput): Readonly<Record<string, unknown>> {
  return {
    name: "exporter",
    image: images.exporter,
    imagePullPolicy: "IfNotPresent",
    command: ["/exporter"],
    // It listens on the loopback address only, so the kubelet asks through the proxy, whose /healthz is open and asks nobody.
    livenessProbe: {
      httpGet: { path: "/healthz", port: ports.https.containerPort, scheme: "HTTPS" },
      periodSeconds: 30,
      timeoutSeconds: 10,
      failureThreshold: 6,
    },
    resources: { requests: { cpu: "10m", memory: "16Mi" } },
    terminationMessagePolicy: "FallbackToLogsOnError",
    securityContext: { ...restrictedContainer, runAsUser: unprivilegedId, runAsGroup: unprivilegedId },
    volumeMounts: [{ name: "data", mountPath: "/data" }],
  };
}

/** Of /var/log/containers it reads link names only, whose targets are not mounted. */
function extractor({ images, settings }: DesiredInput): Readonly<Record<string, unknown>> {
  const { resources, containerTimeout } = settings.extractor;
  const { requests, limits } = resources ?? {};
  return {
    name: "extractor",
    image: images.extractor,
    imagePullPolicy: "IfNotPresent",
    command: ["/extractor_server"],
    // Its own default is not said, so that an extractor that does not know the option starts as well.
    ...(containerTimeout === defaultSettings.extractor.containerTimeout
      ? {}
      : { args: [`--container-timeout=${containerTimeout / 1000}s`] }),
    resources: {
      requests: { ...defaultRequests(limits), ...defined(requests) },
      ...(limits === undefined ? {} : { limits: defined(limits) }),
    },
    terminationMessagePolicy: "FallbackToLogsOnError",
    securityContext: extractorSecurity(settings.extractor.securityProfile),
    volumeMounts: [
      { name: "data", mountPath: "/data" },
      { name: "container-names", mountPath: "/var/log/containers", readOnly: true },
    ],
  };
}

const usualRequests = { cpu: "10m", memory: "32Mi" };

/** A limit below the usual request would make the API server refuse the DaemonSet; it becomes the request. */
function defaultRequests(
  limits: { readonly cpu?: string | undefined; readonly memory?: string | undefined } | undefined,
): Readonly<Record<string, string>> {
  const smaller = (limit: string | undefined, usual: string) =>
    limit !== undefined && Number(quantity(limit)) < Number(quantity(usual)) ? limit : usual;
  return {
    cpu: smaller(limits?.cpu, usualRequests.cpu),
    memory: smaller(limits?.memory, usualRequests.memory),
  };
}

function defined(quantities: object | undefined): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(quantities ?? {}).filter(([, value]) => value !== undefined));
}
