/** The annotations of the ClusterServiceVersion; docs/adr/0025-olm-bundle.md gives the reasons of each claim. */
import type { RelatedImage } from "./images.ts";
import type { Crd, FieldSchema, KubeObject, Sources } from "./sources.ts";

/** What OpenShift's catalogue filters by. True only where the whole product is meant, its own pods included. */
const features = {
  "fips-compliant": false,
  "proxy-aware": false,
  "tls-profiles": false,
  "token-auth-aws": false,
  "token-auth-azure": false,
  "token-auth-gcp": false,
  cnf: false,
  cni: false,
  csi: false,
} as const;

const uninstallMessage = [
  "The DaemonSet on the nodes and the gatherer stay until InsightsRuntimeExtractor `cluster` is deleted;",
  "delete it before the operator: kubectl delete insightsruntimeextractor cluster.",
  "OLM keeps the two CRDs and their objects; the last gathers go with them:",
  "kubectl delete crd insightsruntimeextractors.runtimes.insights.openshift.io runtimegathers.runtimes.insights.openshift.io",
].join(" ");

/** What takes the place of the defaults that a form would not show: every switch of the spec's first level. */
function switches({ properties = {} }: FieldSchema): Record<string, unknown> {
  const entries = Object.entries(properties).filter(
    ([, field]) => field.enum !== undefined && field.default !== undefined,
  );
  return Object.fromEntries(entries.map(([name, field]) => [name, field.default]));
}

/** An object that the console offers to make: the example of the docs with every switch as it is by default. */
const withSwitches = (example: KubeObject, { versions }: Crd): object => ({
  ...example,
  spec: switches(versions[0]?.schema.properties?.spec ?? {}),
});

export interface AnnotationInput {
  readonly sources: Sources;
  readonly description: string;
  readonly skipRange: string;
  readonly images: readonly RelatedImage[];
  /** Of the release; absent: not known. */
  readonly createdAt: string | undefined;
}

export function annotations({ sources, ...input }: AnnotationInput): Readonly<Record<string, string>> {
  const json = (value: object) => JSON.stringify(value, undefined, 2);
  const examples = sources.crds.flatMap((crd) => {
    const example = sources.examples.find(({ kind }) => kind === crd.kind);
    return example === undefined ? [] : [withSwitches(example, crd)];
  });
  const namespace = sources.manifests.find(({ kind }) => kind === "Namespace");
  return {
    "alm-examples": json(examples),
    capabilities: "Seamless Upgrades",
    categories: "Monitoring,Observability",
    certified: "false",
    containerImage: input.images[0]?.image ?? "",
    ...(input.createdAt === undefined ? {} : { createdAt: input.createdAt }),
    description: input.description,
    "olm.skipRange": input.skipRange,
    "operator.openshift.io/uninstall-message": uninstallMessage,
    // With it the console labels the namespace and lets the platform Prometheus read it, which our ServiceMonitors need.
    "operatorframework.io/cluster-monitoring": "true",
    "operatorframework.io/initialization-resource": json(examples[0] ?? {}),
    "operatorframework.io/suggested-namespace": namespace?.metadata.name ?? "",
    "operatorframework.io/suggested-namespace-template": json(namespace ?? {}),

    support: "Runtime Insights maintainers",
    // A mirror finds what is named by digest only.
    "features.operators.openshift.io/disconnected": `${input.images.every(({ image }) => image.includes("@sha256:"))}`,
    ...Object.fromEntries(
      Object.entries(features).map(([name, is]) => [`features.operators.openshift.io/${name}`, `${is}`]),
    ),
  };
}
