/** What an entry of the catalogue of real containers is. */
import type { Layer } from "../../../hack/images/layer.ts";
import type { Expected } from "../samples.ts";

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
  /** Why the answer is not right yet. */
  readonly pending?: string;
}
