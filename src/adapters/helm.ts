/** Reads the objects that Helm made, page by page, beside the rest of a gather; nothing here fails it. */
import { decodeHelmPage } from "../api/helm.ts";
import { addHelmObjects, type HelmCharts, type HelmPlural, helmResources, mergeHelmCharts } from "../core/helm.ts";
import { type Api, metadataOnly } from "./connection.ts";
import { Pages } from "./page.ts";
import { describe } from "./patience.ts";

export interface HelmOptions {
  /** Absent means all namespaces. */
  readonly namespaces?: readonly string[] | undefined;
  readonly signal: AbortSignal;
  /** Waits between tries of a page. */
  readonly delaysMs?: readonly number[];
}

export interface HelmRead {
  /** Null when this cluster lacks one of the kinds: then nothing is said at all. */
  readonly charts: HelmCharts | null;
  /** One per kind that could not be read; its objects are missing. */
  readonly errors: readonly string[];
}

const maxPages = 1_000;

/** Throws only when the signal aborts. */
export async function readHelmCharts(api: Api, options: HelmOptions): Promise<HelmRead> {
  const charts: HelmCharts = new Map();
  const errors: string[] = [];
  for (const { path, plural } of helmResources) {
    let read = await readList(api, { path, plural }, options);
    if (read.kind === "expired") read = await readList(api, { path, plural }, options);
    if (read.kind === "absent") return { charts: null, errors: [] };
    if (read.kind === "read") mergeHelmCharts(charts, read.charts);
    else errors.push(read.kind === "failed" ? read.problem : `listing ${plural}: the listing expired twice`);
  }
  return { charts, errors };
}

type ListRead =
  | { readonly kind: "read"; readonly charts: HelmCharts }
  | { readonly kind: "absent" | "expired" }
  | { readonly kind: "failed"; readonly problem: string };

/** Counts page by page, apart from other lists: one that breaks off counts for nothing. */
async function readList(
  api: Api,
  { path, plural }: { readonly path: string; readonly plural: HelmPlural },
  { namespaces, signal, delaysMs }: HelmOptions,
): Promise<ListRead> {
  const what = `listing ${plural}`;
  const only = namespaces === undefined ? undefined : new Set(namespaces);
  const charts: HelmCharts = new Map();
  const query = { labelSelector: "app.kubernetes.io/managed-by=Helm" };
  const pages = new Pages();
  try {
    let continueToken = "";
    for (let page = 0; page < maxPages; page += 1) {
      const patience = { what, signal, ...(delaysMs === undefined ? {} : { delaysMs }) };
      const answer = await pages.ask(api, { path, query, accept: metadataOnly }, continueToken, patience);
      if (answer.status === 404) return { kind: "absent" };
      if (answer.status === 410) return { kind: "expired" };
      if (answer.status !== 200) return { kind: "failed", problem: `${what}: ${describe(answer)}` };
      const decoded = decodeHelmPage(answer.body);
      const wanted = decoded.objects.filter(({ namespace }) => only === undefined || only.has(namespace));
      addHelmObjects(charts, plural, wanted);
      continueToken = decoded.continueToken;
      if (continueToken === "") return { kind: "read", charts };
    }
    return { kind: "failed", problem: `${what}: more than ${maxPages} pages` };
  } catch (cause) {
    signal.throwIfAborted();
    return { kind: "failed", problem: cause instanceof Error ? cause.message : what };
  }
}
