/** The ClusterServiceVersion: what OLM and OpenShift's console know of this operator. */
import { annotations } from "./annotations.ts";
import { description } from "./description.ts";
import { descriptorsOf } from "./descriptors.ts";
import { skipRange } from "./graph.ts";
import { relatedImages } from "./images.ts";
import { packageDescription, serviceVersionName, suggestedNamespace } from "./names.ts";
import { operatorPermissions } from "./permissions.ts";
import { type Crd, type Deployment, type FieldSchema, operatorName, type Sources } from "./sources.ts";

export interface Release {
  readonly version: string;
  /** The version before, which this one takes the place of. */
  readonly replaces: string | undefined;
  readonly createdAt: string | undefined;
  readonly architectures: readonly string[];
  readonly operator: Deployment;
}

/** No public home yet: these names resolve nowhere, and whoever publishes the operator puts his own here. */
const home = { site: "https://runtime-insights.invalid", mail: "maintainers@runtime-insights.invalid" };

export function serviceVersion(sources: Sources, release: Release): object {
  const { version, replaces, operator } = release;
  const images = relatedImages(operator);
  return {
    apiVersion: "operators.coreos.com/v1alpha1",
    kind: "ClusterServiceVersion",
    metadata: {
      name: serviceVersionName(version),
      annotations: annotations({
        sources,
        description: packageDescription,
        skipRange: skipRange(version),
        images,
        createdAt: release.createdAt,
      }),
      labels: {
        ...Object.fromEntries(release.architectures.map((name) => [`operatorframework.io/arch.${name}`, "supported"])),
        "operatorframework.io/os.linux": "supported",
      },
    },
    spec: {
      displayName: "Runtime Insights",
      description: description(sources.readme, sources.description),
      version,
      ...(replaces === undefined ? {} : { replaces: serviceVersionName(replaces) }),
      maturity: "alpha",
      minKubeVersion: "1.31.0",
      provider: { name: "Runtime Insights", url: home.site },
      maintainers: [{ name: "Runtime Insights maintainers", email: home.mail }],
      keywords: ["runtimes", "inventory", "insights", "containers", "java", "nodejs", "python", "golang"],
      links: [{ name: "Documentation", url: home.site }],
      icon: [{ base64data: sources.icon.toString("base64"), mediatype: "image/svg+xml" }],
      // Its API is cluster-scoped, so there is nothing to watch in a namespace; the namespaced rules must stay in its own.
      installModes: [
        { type: "OwnNamespace", supported: true },
        { type: "SingleNamespace", supported: false },
        { type: "MultiNamespace", supported: false },
        { type: "AllNamespaces", supported: false },
      ],
      customresourcedefinitions: { owned: sources.crds.flatMap(ownedKinds) },
      relatedImages: images,
      install: {
        strategy: "deployment",
        spec: {
          ...operatorPermissions(sources.manifests, suggestedNamespace),
          deployments: [{ name: operatorName, label: operator.metadata.labels ?? {}, spec: operator.spec }],
        },
      },
    },
  };
}

const reference = (kind: string, version = "v1") => ({ kind, name: "", version });

/** What the console lists as made by an object of that kind. */
const resources: Readonly<Record<string, readonly object[]>> = {
  InsightsRuntimeExtractor: [
    ...["ClusterRoleBinding", "ConfigMap", "DaemonSet", "Deployment", "NetworkPolicy"].map((kind) => reference(kind)),
    reference("Pod"),
    ...["PrometheusRule", "Secret", "SecurityContextConstraints", "Service"].map((kind) => reference(kind)),
    reference("ServiceAccount"),
    reference("ServiceMonitor"),
  ],
  // In lifecycle OnDemand; else it asks what is there.
  RuntimeGather: [reference("DaemonSet")],
};

const displayNames: Readonly<Record<string, string>> = {
  InsightsRuntimeExtractor: "Runtime extractor",
  RuntimeGather: "Runtime gather",
};

const ownedKinds = ({ name, kind, versions }: Crd): object[] =>
  versions.map((version) => ({
    name,
    kind,
    version: version.name,
    displayName: displayNames[kind] ?? kind,
    description: version.schema.description,
    resources: resources[kind] ?? [],
    specDescriptors: descriptorsOf(part(version.schema, "spec"), "spec"),
    statusDescriptors: descriptorsOf(part(version.schema, "status"), "status"),
  }));

const part = ({ properties = {} }: FieldSchema, name: "spec" | "status"): FieldSchema => properties[name] ?? {};
