/** What images say about themselves, and who runs them. */
import type { Log } from "../lock.ts";
import type { Architecture } from "./architecture.ts";
import { expressionOf, type Licensed } from "./licenses.ts";

/** What every description of an image starts from. */
export interface Naming {
  readonly architecture: Architecture;
  readonly registry: string;
  readonly version: string;
  readonly revision?: string;
  /** Debian's packages are taken as they are now, not as they were fetched once. */
  readonly renew?: boolean;
  readonly log: Log;
}

/** The user of the images that do not run as root: what distroless images call nonroot. */
export const nonRoot = "65532";

interface About {
  readonly title: string;
  readonly description: string;
  readonly vendor?: string;
}

/** OCI's labels, with the licences of the parts beside ours; none of them tells when or where an image was built. */
export const labels = (
  { title, description, vendor = "Runtime Insights" }: About,
  { version, revision }: Pick<Naming, "version" | "revision">,
  parts: readonly Pick<Licensed, "license">[],
): Readonly<Record<string, string>> => ({
  "org.opencontainers.image.title": title,
  "org.opencontainers.image.description": description,
  "org.opencontainers.image.vendor": vendor,
  "org.opencontainers.image.version": version,
  ...(revision === undefined ? {} : { "org.opencontainers.image.revision": revision }),
  "org.opencontainers.image.licenses": expressionOf(["Apache-2.0", ...parts.map(({ license }) => license)]),
});
