/** Where exporters are found and how the two sides prove themselves: this product's own, and those of OpenShift's extractor. */
import { names } from "./operands.ts";

/** Which pods are exporters, and the name their certificates carry. */
export interface ExporterPlace {
  readonly namespace: string;
  /** `LABEL=VALUE` of the pods. */
  readonly selector: string;
  /** Whose pods they have to be; absent means any DaemonSet of the namespace. */
  readonly daemonSetName?: string;
  readonly serverName: string;
}

/** What somebody outside of the cluster needs besides, to ask them. */
export interface ExporterAccess extends ExporterPlace {
  /** The ConfigMap of that namespace that holds the CA of the certificates. */
  readonly caBundle: { readonly name: string; readonly key: string };
  /** The service account of that namespace that may ask. */
  readonly serviceAccount: string;
  /** For whom a token has to be made; absent means the API server, as the proxy demands nothing else. */
  readonly audience?: string;
  /** True when they can be asked for clear text as well. */
  readonly givesDetail: boolean;
}

const nameLabel = "app.kubernetes.io/name";

/** Those that this product installs. */
export function ownExporters(namespace: string): ExporterAccess {
  return {
    namespace,
    selector: `${nameLabel}=${names.extractor}`,
    daemonSetName: names.extractor,
    serverName: `${names.exporter}.${namespace}.svc`,
    caBundle: { name: names.caBundle, key: "ca.crt" },
    serviceAccount: names.gatherer,
    audience: names.exporter,
    givesDetail: true,
  };
}

/** Those that OpenShift ships. */
export function stockExporters(namespace: string): ExporterAccess {
  return {
    namespace,
    selector: `${nameLabel}=insights-runtime-extractor`,
    serverName: `exporter.${namespace}.svc.cluster.local`,
    caBundle: { name: "service-ca-bundle", key: "service-ca.crt" },
    serviceAccount: "operator",
    givesDetail: false,
  };
}

export interface ExporterChoice {
  readonly namespace?: string;
  readonly selector?: string;
  readonly serverName?: string;
}

const ownNamespace = "runtime-insights";
export const stockNamespace = "openshift-insights";

/**
 * What is chosen by hand, completed: this product's exporters when the selector is theirs or, without one, the namespace is; else those
 * of OpenShift. Any DaemonSet of the namespace will do.
 */
export function chosenExporters({ namespace, selector, serverName }: ExporterChoice): ExporterAccess {
  const areOurs =
    selector === undefined || !isKnown(selector)
      ? namespace === ownNamespace
      : selector === ownExporters(ownNamespace).selector;
  const { daemonSetName: _, ...known } = areOurs
    ? ownExporters(namespace ?? ownNamespace)
    : stockExporters(namespace ?? stockNamespace);
  return {
    ...known,
    ...(selector === undefined ? {} : { selector }),
    ...(serverName === undefined ? {} : { serverName }),
  };
}

function isKnown(selector: string): boolean {
  return [ownExporters(ownNamespace), stockExporters(stockNamespace)].some((known) => known.selector === selector);
}
