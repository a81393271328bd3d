/** What an entry of the catalogue of real containers is. */
import type { Layer } from "../../hack/images/layer.ts";
import type { Expected } from "./samples.ts";

export interface CatalogueEntry {
  /** Of the container and its image. */
  readonly name: string;
  readonly about: string;
  readonly layers: readonly Layer[];
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Default: root. */
  readonly uid?: number;
  readonly expected: Expected;
  /** What `?detail=true` must list as well for the main process, `name version`. */
  readonly detail?: readonly string[];
  /** Why the answer is not right yet; an entry that says so and is right fails its test. */
  readonly pending?: string;
  /** The pod that it needs. Default: whichever, shared with others. */
  readonly pod?: PodKind;
}

/** A pod with its own network for a server on a common port, or one that sees more processes than its own. */
export type PodKind = "alone" | "shared processes" | "host processes";
