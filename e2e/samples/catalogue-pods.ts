/** The pods of the catalogue: few, with many containers each, and one of its own for whatever needs that. */
import { catalogueRef } from "./catalogue.ts";
import type { CatalogueEntry } from "./entry.ts";

export const catalogueNamespace = "catalogue";

export interface CataloguePod {
  readonly name: string;
  /** Counted from 0. */
  readonly node: number;
  readonly entries: readonly CatalogueEntry[];
}

/** So many containers start one after the other in a few seconds. */
const maxContainers = 16;

/**
 * Every entry in one pod, spread over the nodes; the same entries make the same pods. Neighbours, which often have layers in
 * common, stay on one node.
 */
export function cataloguePods(entries: readonly CatalogueEntry[], nodes: number): readonly CataloguePod[] {
  const of = (kind: CatalogueEntry["pod"]) => entries.filter(({ pod }) => pod === kind);
  const [common, alone] = [of(undefined), of("alone")];
  const parts = Math.max(nodes, Math.ceil(common.length / maxContainers));
  const spread = (at: number, all: number) => Math.floor((at * nodes) / all);
  const groups = [
    ...Array.from({ length: parts }, (_, part) => ({
      name: `common-${part + 1}`,
      node: spread(part, parts),
      entries: common.filter((_one, at) => Math.floor((at * parts) / common.length) === part),
    })),
    { name: "shared-processes", node: 0, entries: of("shared processes") },
    { name: "host-processes", node: nodes - 1, entries: of("host processes") },
    ...alone.map((entry, at) => ({ name: containerName(entry), node: spread(at, alone.length), entries: [entry] })),
  ];
  return groups.filter((group) => group.entries.length > 0);
}

/** As the API server takes it. */
export function podObject({ name, entries }: CataloguePod, nodeName: string): object {
  const [first] = entries;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: catalogueNamespace },
    spec: {
      nodeSelector: { "kubernetes.io/hostname": nodeName },
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: 0,
      ...(first?.pod === "shared processes" ? { shareProcessNamespace: true } : {}),
      ...(first?.pod === "host processes" ? { hostPID: true } : {}),
      containers: entries.map((entry) => ({
        name: containerName(entry),
        image: catalogueRef(entry),
        imagePullPolicy: "Never",
        command: entry.command,
        env: Object.entries(entry.env ?? {}).map(([key, value]) => ({ name: key, value })),
        resources: { requests: { cpu: "1m", memory: "8Mi" } },
        securityContext: entry.uid === undefined ? {} : { runAsUser: entry.uid, runAsGroup: entry.uid },
      })),
    },
  };
}

/** A container's name has no dots. */
export const containerName = ({ name }: CatalogueEntry): string => name.replaceAll(".", "-");
