/** Objects that Helm made, counted by chart: the entry `config/helmchart_info.json`, whose chart names are clear text. */
import { createHash } from "node:crypto";
import type { HelmObject } from "../api/helm.ts";
import { goJson } from "./json.ts";

/** The lists that are read, in this order, which is that of the charts of a namespace. */
export const helmResources = [
  { path: "/apis/apps/v1/replicasets", plural: "replicasets" },
  { path: "/apis/apps/v1/daemonsets", plural: "daemonsets" },
  { path: "/apis/apps/v1/statefulsets", plural: "statefulsets" },
  { path: "/api/v1/services", plural: "services" },
  { path: "/apis/apps/v1/deployments", plural: "deployments" },
] as const;
export type HelmPlural = (typeof helmResources)[number]["plural"];

interface Chart {
  readonly name: string;
  readonly version: string;
  readonly resources: Map<HelmPlural, number>;
}

/** By namespace in clear, then by chart in the order in which they were seen. */
export type HelmCharts = Map<string, Map<string, Chart>>;

/** Adds objects of one kind; those that name no chart are left out. */
export function addHelmObjects(charts: HelmCharts, plural: HelmPlural, objects: readonly HelmObject[]): void {
  for (const { namespace, chart } of objects) {
    if (chart === "") continue;
    const ofNamespace = charts.get(namespace) ?? new Map<string, Chart>();
    charts.set(namespace, ofNamespace);
    const { name, version } = splitChart(chart);
    const key = `${name} ${version}`;
    const known = ofNamespace.get(key) ?? { name, version, resources: new Map() };
    ofNamespace.set(key, known);
    known.resources.set(plural, (known.resources.get(plural) ?? 0) + 1);
  }
}

/** Adds what was counted of another list, behind what is there. */
export function mergeHelmCharts(charts: HelmCharts, more: HelmCharts): void {
  for (const [namespace, moreOfNamespace] of more) {
    const ofNamespace = charts.get(namespace) ?? new Map<string, Chart>();
    charts.set(namespace, ofNamespace);
    for (const [key, { name, version, resources }] of moreOfNamespace) {
      const known = ofNamespace.get(key) ?? { name, version, resources: new Map() };
      ofNamespace.set(key, known);
      for (const [plural, count] of resources) known.resources.set(plural, (known.resources.get(plural) ?? 0) + count);
    }
  }
}

/** What comes after the last hyphen is a version when it has a dot, or is one of three words. */
export function splitChart(chart: string): { readonly name: string; readonly version: string } {
  const cut = chart.lastIndexOf("-");
  const last = chart.slice(cut + 1);
  const isVersion = cut !== -1 && (last.includes(".") || last === "latest" || last === "beta" || last === "alpha");
  return isVersion ? { name: chart.slice(0, cut), version: last } : { name: chart, version: "" };
}

/** Undefined when there is no chart at all: then the archive has no such entry. */
export function helmJson(charts: HelmCharts): string | undefined {
  if (charts.size === 0) return undefined;
  const namespaces = [...charts].map(([namespace, ofNamespace]) => {
    const list = [...ofNamespace.values()].map(({ name, version, resources }) => ({ name, version, resources }));
    return [createHash("sha256").update(namespace).digest("hex"), list] as const;
  });
  return goJson(new Map(namespaces));
}
