/** Which namespaces there are, and which of them opted out. */
import { decodeNamespacePage } from "../api/namespace.ts";
import { type Api, metadataOnly } from "./connection.ts";
import { Pages } from "./page.ts";
import { describe } from "./patience.ts";

const maxPages = 1_000;

export interface Namespaces {
  readonly names: ReadonlySet<string>;
  readonly excluded: ReadonlySet<string>;
}

export interface NamespacesOptions {
  readonly signal: AbortSignal;
  /** Waits between tries of a page. */
  readonly delaysMs?: readonly number[];
}

/** Throws when they cannot be read; a listing that expires starts again once. */
export async function readNamespaces(api: Api, options: NamespacesOptions): Promise<Namespaces> {
  return (await listing(api, options)) ?? (await listing(api, options)) ?? expired();
}

function expired(): never {
  throw new Error("listing namespaces: the listing expired twice");
}

/** Undefined when the listing expired. */
async function listing(api: Api, { signal, delaysMs }: NamespacesOptions): Promise<Namespaces | undefined> {
  const names = new Set<string>();
  const excluded = new Set<string>();
  const pages = new Pages();
  let continueToken = "";
  for (let page = 0; page < maxPages; page += 1) {
    const patience = { what: "listing namespaces", signal, ...(delaysMs === undefined ? {} : { delaysMs }) };
    const answer = await pages.ask(api, { path: "/api/v1/namespaces", accept: metadataOnly }, continueToken, patience);
    if (answer.status === 410) return undefined;
    if (answer.status !== 200) throw new Error(`listing namespaces: ${describe(answer)}`);
    const decoded = decodeNamespacePage(answer.body);
    for (const name of decoded.names) names.add(name);
    for (const name of decoded.excluded) excluded.add(name);
    continueToken = decoded.continueToken;
    if (continueToken === "") return { names, excluded };
  }
  throw new Error(`listing namespaces: more than ${maxPages} pages`);
}
