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

/** Every entry in one pod, spread over the nodes; the same entries make the same pods. */
export function cataloguePods(entries: readonly CatalogueEntry[], nodes: number): readonly CataloguePod[] {
  const of = (kind: CatalogueEntry["pod"]) => entries.filter(({ pod }) => pod === kind);
  const common = of(undefined);
  const parts = Math.max(nodes, Math.ceil(common.length / maxContainers));
  const groups = [
    ...Array.from({ length: parts }, (_, part) => ({
      name: `common-${part + 1}`,
      entries: common.filter((_one, at) => at % parts === part),
    })),
    { name: "shared-processes", entries: of("shared processes") },
    { name: "host-processes", entries: of("host processes") },
    ...of("alone").map((entry) => ({ name: entry.name.replaceAll(".", "-"), entries: [entry] })),
  ];
  return groups.filter((group) => group.entries.length > 0).map((group, at) => ({ ...group, node: at % nodes }));
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
