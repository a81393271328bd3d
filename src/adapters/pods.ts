/** All pods of the cluster, or of some namespaces, page by page. */
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

/** Ends with undefined when the listing expired. */
async function* listing(api: Api, options: PodPagesOptions): AsyncGenerator<readonly Pod[] | undefined> {
  const { namespaces, signal, pageSize = 500, delaysMs } = options;
  const paths = namespaces?.toSorted().map((name) => `/api/v1/namespaces/${encodeURIComponent(name)}/pods`);
  for (const path of paths ?? ["/api/v1/pods"]) {
    let continueToken = "";
    do {
      const query = { limit: pageSize, ...(continueToken === "" ? {} : { continue: continueToken }) };
      const patience = { what: "listing pods", signal, ...(delaysMs === undefined ? {} : { delaysMs }) };
      const answer = await askPatiently(api, { path, query }, patience);
      if (answer.status === 410) {
        yield undefined;
        return;
      }
      if (answer.status !== 200) throw new Error(`listing pods: ${describe(answer)}`);
      const page = decodePodPage(answer.body);
      yield page.pods;
      continueToken = page.continueToken;
    } while (continueToken !== "");
  }
}
