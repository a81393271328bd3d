/** All pods of the cluster, or of some namespaces, page by page. */
import { z } from "zod";
import { type Pod, PodPageReader } from "../api/pod.ts";
import type { Api } from "./connection.ts";
import { askPatiently, describe } from "./patience.ts";

export interface PodPagesOptions {
  /** Absent means all. */
  readonly namespaces?: readonly string[] | undefined;
  readonly signal: AbortSignal;
  /** Default 500; fewer for a while after a page that was too large. */
  readonly pageSize?: number;
  /** A page of more bytes is asked for again in smaller pieces, down to single pods; default 32 MiB. */
  readonly maxPageBytes?: number;
  readonly delaysMs?: readonly number[];
}

export type PodEvent =
  | { readonly kind: "page"; readonly pods: readonly Pod[] }
  /** The listing took so long that the API server forgot where it was; all pages so far are void and come again. */
  | { readonly kind: "restart" }
  /** It did so again, and goes on in a later state of the cluster: pods may be missing or come twice. */
  | { readonly kind: "gap" };

/**
 * Pages in list order. A page that fails is asked for again. A listing that expires starts again once, and goes on with a gap from then
 * on if the API server can; if it cannot, and when it leads nowhere, this throws.
 */
export async function* podPages(api: Api, options: PodPagesOptions): AsyncGenerator<PodEvent> {
  for (const isLast of [false, true]) {
    let expired = false;
    for await (const event of listing(api, options)) {
      if (event.kind === "page") yield event;
      else if (!isLast) {
        expired = true;
        break;
      } else if (event.canGoOn) yield { kind: "gap" };
      else throw new Error("listing pods: the listing expired twice");
    }
    if (!expired) return;
    yield { kind: "restart" };
  }
}

type ListingEvent =
  | { readonly kind: "page"; readonly pods: readonly Pod[] }
  /** Whether it goes on in a later state of the cluster, if one lets it. */
  | { readonly kind: "expired"; readonly canGoOn: boolean };

/** The next page is asked for as soon as a page has said where it begins. */
async function* listing(api: Api, options: PodPagesOptions): AsyncGenerator<ListingEvent> {
  const { namespaces } = options;
  const names = namespaces === undefined ? undefined : [...new Set(namespaces)].sort();
  const paths = names?.map((name) => `/api/v1/namespaces/${encodeURIComponent(name)}/pods`);
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const size = new PageSize(options);
  const fetchNext = (path: string, token: string) =>
    token === "" ? undefined : fetchPage(api, path, token, size, { ...options, signal });
  try {
    for (const path of paths ?? ["/api/v1/pods"]) {
      const progress = new Progress();
      let fetching: PageFetch | undefined = fetchPage(api, path, "", size, { ...options, signal });
      while (fetching !== undefined) {
        const early: string = await fetching.continueToken;
        const ahead = fetchNext(path, early);
        const page: Fetched = await fetching.page;
        if (page.kind === "page") yield page;
        else yield { kind: "expired", canGoOn: page.continueToken !== "" };
        progress.check(page.continueToken, page.kind === "page" ? page.pods.length : 0);
        // A page that came at the second try may be of another state of the cluster than the first try was.
        if (page.continueToken !== early) ahead?.cancel();
        fetching = page.continueToken === early ? ahead : fetchNext(path, page.continueToken);
      }
    }
  } finally {
    stop.abort();
  }
}

const defaultPageSize = 500;
const defaultMaxPageBytes = 32 * 1024 * 1024;

/** How many pods are asked for at a time: anybody who may make pods decides how large they are. */
class PageSize {
  readonly maxBytes: number;
  readonly #most: number;
  #now: number;

  constructor({ pageSize = defaultPageSize, maxPageBytes = defaultMaxPageBytes }: PodPagesOptions) {
    this.maxBytes = maxPageBytes;
    this.#most = pageSize;
    this.#now = pageSize;
  }

  get now(): number {
    return this.#now;
  }

  tooLarge(limit: number): void {
    this.#now = Math.max(1, Math.min(this.#now, Math.floor(limit / 8)));
  }

  fits(bytes: number): void {
    if (bytes < this.maxBytes / 8) this.#now = Math.min(this.#most, 2 * this.#now);
  }
}

const maxEmptyPages = 100;

/** A listing has to get on: an API server that is broken could keep us here for ever. */
class Progress {
  readonly #tokens = new Set<string>();
  #empty = 0;

  check(continueToken: string, pods: number): void {
    if (continueToken === "") return;
    if (this.#tokens.has(continueToken)) throw new Error("listing pods: the API server comes back to a page");
    this.#tokens.add(continueToken);
    this.#empty = pods === 0 ? this.#empty + 1 : 0;
    if (this.#empty > maxEmptyPages) throw new Error("listing pods: the API server gives one empty page after another");
  }
}

/** A page, or that the listing expired; the token says where it goes on, and is empty when it does not. */
type Fetched = { readonly continueToken: string } & (
  | { readonly kind: "page"; readonly pods: readonly Pod[] }
  | { readonly kind: "expired" }
);

/** A page that is on its way. */
interface PageFetch {
  /** Where the next page begins, as the first try said; empty when that is not known before the page is. Never rejects. */
  readonly continueToken: Promise<string>;
  readonly page: Promise<Fetched>;
  /** For a page that was asked for in vain. */
  readonly cancel: () => void;
}

class PageTooLarge extends Error {}

function fetchPage(api: Api, path: string, token: string, size: PageSize, options: PodPagesOptions): PageFetch {
  const early = Promise.withResolvers<string>();
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const read = async (): Promise<Fetched> => {
    for (;;) {
      const limit = size.now;
      try {
        return await readPage(limit);
      } catch (cause) {
        if (!(cause instanceof PageTooLarge)) throw cause;
        size.tooLarge(limit);
      }
    }
  };
  const readPage = async (limit: number): Promise<Fetched> => {
    const tooLarge = new AbortController();
    let reader = new PodPageReader();
    let bytes = 0;
    const into = () => {
      reader = new PodPageReader();
      bytes = 0;
      return (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > size.maxBytes && limit > 1) return tooLarge.abort(new PageTooLarge());
        reader.push(chunk);
        if (reader.continueToken !== undefined) early.resolve(reader.continueToken);
      };
    };
    const { delaysMs } = options;
    const patience = { what: "listing pods", signal: AbortSignal.any([signal, tooLarge.signal]) };
    const query = { limit, ...(token === "" ? {} : { continue: token }) };
    const answer = await askPatiently(
      api,
      { path, query, into },
      { ...patience, ...(delaysMs === undefined ? {} : { delaysMs }) },
    );
    tooLarge.signal.throwIfAborted();
    if (answer.status === 410) return { kind: "expired", continueToken: resumeToken(answer.body) };
    if (answer.status !== 200) throw new Error(`listing pods: ${describe(answer)}`);
    const page = reader.finish();
    size.fits(bytes);
    return { kind: "page", ...page };
  };
  const page = read().finally(() => early.resolve(""));
  // Who waits for it learns of a failure; a page that was asked for in vain may fail unheard.
  page.catch(() => {});
  return { continueToken: early.promise, page, cancel: () => stop.abort() };
}

const resumeSchema = z
  .object({ metadata: z.object({ continue: z.string() }) })
  .transform(({ metadata }) => metadata.continue)
  .catch("");

/** What the API server gives with "expired": where to go on, in the state that the cluster has by then. */
function resumeToken(body: unknown): string {
  return resumeSchema.parse(body);
}
