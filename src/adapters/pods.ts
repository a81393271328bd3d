/** All pods of the cluster, or of some namespaces, page by page. */
import { type Pod, type PodPage, PodPageReader } from "../api/pod.ts";
import type { Api } from "./connection.ts";
import { askPatiently, describe } from "./patience.ts";

export interface PodPagesOptions {
  /** Absent means all. */
  readonly namespaces?: readonly string[] | undefined;
  readonly signal: AbortSignal;
  /** Default 500. */
  readonly pageSize?: number;
  readonly delaysMs?: readonly number[];
}

export type PodEvent =
  | { readonly kind: "page"; readonly pods: readonly Pod[] }
  /** The listing took so long that the API server forgot where it was; all pages so far are void and come again. */
  | { readonly kind: "restart" };

/** Pages in list order. A page that fails is asked for again, a listing that expires starts again once; then it throws. */
export async function* podPages(api: Api, options: PodPagesOptions): AsyncGenerator<PodEvent> {
  let restarted = false;
  for (;;) {
    let expired = false;
    for await (const page of listing(api, options)) {
      expired = page === undefined;
      if (page !== undefined) yield { kind: "page", pods: page };
    }
    if (!expired) return;
    if (restarted) throw new Error("listing pods: the listing expired twice");
    restarted = true;
    yield { kind: "restart" };
  }
}

/** Ends with undefined when the listing expired. The next page is asked for as soon as a page has said where it begins. */
async function* listing(api: Api, options: PodPagesOptions): AsyncGenerator<readonly Pod[] | undefined> {
  const { namespaces } = options;
  const paths = namespaces?.toSorted().map((name) => `/api/v1/namespaces/${encodeURIComponent(name)}/pods`);
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const fetchNext = (path: string, token: string) =>
    token === "" ? undefined : fetchPage(api, path, token, { ...options, signal });
  try {
    for (const path of paths ?? ["/api/v1/pods"]) {
      let fetching: PageFetch | undefined = fetchPage(api, path, "", { ...options, signal });
      while (fetching !== undefined) {
        const early: string = await fetching.continueToken;
        const ahead = fetchNext(path, early);
        const page: PodPage | undefined = await fetching.page;
        yield page?.pods;
        if (page === undefined) return;
        // A page that came at the second try may be of another state of the cluster than the first try was.
        fetching = page.continueToken === early ? ahead : fetchNext(path, page.continueToken);
      }
    }
  } finally {
    stop.abort();
  }
}

/** A page that is on its way. */
interface PageFetch {
  /** Where the next page begins, as the first try said; empty when that is not known before the page is. Never rejects. */
  readonly continueToken: Promise<string>;
  /** Undefined when the listing expired. */
  readonly page: Promise<PodPage | undefined>;
}

function fetchPage(api: Api, path: string, token: string, options: PodPagesOptions): PageFetch {
  const { pageSize = 500, signal, delaysMs } = options;
  const query = { limit: pageSize, ...(token === "" ? {} : { continue: token }) };
  const early = Promise.withResolvers<string>();
  let reader = new PodPageReader();
  const into = () => {
    reader = new PodPageReader();
    return (chunk: Buffer) => {
      reader.push(chunk);
      if (reader.continueToken !== undefined) early.resolve(reader.continueToken);
    };
  };
  const read = async (): Promise<PodPage | undefined> => {
    const patience = { what: "listing pods", signal, ...(delaysMs === undefined ? {} : { delaysMs }) };
    const answer = await askPatiently(api, { path, query, into }, patience);
    if (answer.status === 410) return undefined;
    if (answer.status !== 200) throw new Error(`listing pods: ${describe(answer)}`);
    return reader.finish();
  };
  const page = read().finally(() => early.resolve(""));
  // Who waits for it learns of a failure; a page that was asked for in vain may fail unheard.
  page.catch(() => {});
  return { continueToken: early.promise, page };
}
