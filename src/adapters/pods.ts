/** All pods of the cluster, or of some namespaces, page by page. */
import { z } from "zod";
import { decodePodPage, type Pod } from "../api/pod.ts";
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

async function* listing(api: Api, options: PodPagesOptions): AsyncGenerator<ListingEvent> {
  const { namespaces, signal, pageSize = 500, delaysMs } = options;
  const paths = namespaces?.toSorted().map((name) => `/api/v1/namespaces/${encodeURIComponent(name)}/pods`);
  for (const path of paths ?? ["/api/v1/pods"]) {
    const progress = new Progress();
    let continueToken = "";
    do {
      const query = { limit: pageSize, ...(continueToken === "" ? {} : { continue: continueToken }) };
      const patience = { what: "listing pods", signal, ...(delaysMs === undefined ? {} : { delaysMs }) };
      const answer = await askPatiently(api, { path, query }, patience);
      if (answer.status === 410) {
        continueToken = resumeToken(answer.body);
        yield { kind: "expired", canGoOn: continueToken !== "" };
        progress.check(continueToken, 0);
        continue;
      }
      if (answer.status !== 200) throw new Error(`listing pods: ${describe(answer)}`);
      const page = decodePodPage(answer.body);
      yield { kind: "page", pods: page.pods };
      continueToken = page.continueToken;
      progress.check(continueToken, page.pods.length);
    } while (continueToken !== "");
  }
}

const resumeSchema = z
  .object({ metadata: z.object({ continue: z.string() }) })
  .transform(({ metadata }) => metadata.continue)
  .catch("");

/** What the API server gives with "expired": where to go on, in the state that the cluster has by then; empty when it gives nothing. */
function resumeToken(body: unknown): string {
  return resumeSchema.parse(body);
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
    if (this.#empty > maxEmptyPages)
      throw new Error("listing pods: the API server gives one empty page after the other");
  }
}
