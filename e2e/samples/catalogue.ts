/** A catalogue of real runtimes in containers, besides the samples that the demo shows. */
import { type Image, type ImageSpec, writeArchive } from "../../hack/images/oci.ts";
import { compiledEntries } from "./catalogue/compiled.ts";
import { dotnetEntries } from "./catalogue/dotnet.ts";
import { ground } from "./catalogue/ground.ts";
import { nodeEntries } from "./catalogue/node.ts";
import { pythonEntries } from "./catalogue/python.ts";
import { scriptingEntries } from "./catalogue/scripting.ts";
import { serverEntries } from "./catalogue/servers.ts";
import { variantEntries } from "./catalogue/variants.ts";
import type { CatalogueEntry } from "./entry.ts";
import { javaEntries } from "./java/java.ts";

export type { CatalogueEntry } from "./entry.ts";

/** All entries; what they are made of is fetched and built when it is not in the cache. */
export async function loadCatalogue(): Promise<readonly CatalogueEntry[]> {
  const common = await ground();
  const entries: CatalogueEntry[] = [];
  // One after the other: apt and Maven want to be alone, and an error then names its list.
  for (const list of [
    nodeEntries,
    pythonEntries,
    compiledEntries,
    dotnetEntries,
    scriptingEntries,
    serverEntries,
    variantEntries,
  ])
    entries.push(...(await list(common)));
  // Their servers listen on the ports that people leave them.
  entries.push(...(await javaEntries()).map((entry): CatalogueEntry => ({ pod: "alone", ...entry })));
  return entries;
}

export const catalogueRef = ({ name }: CatalogueEntry): string => `localhost/catalogue-${name}:1`;

/** The images of entries in one archive of that name, which holds a layer that several have only once. */
export async function buildCatalogueImages(name: string, entries: readonly CatalogueEntry[]): Promise<Image[]> {
  const specs = entries.map(
    (entry): ImageSpec => ({
      ref: catalogueRef(entry),
      layers: entry.layers,
      labels: { "org.opencontainers.image.title": `Runtime Insights catalogue: ${entry.name}` },
    }),
  );
  return writeArchive(name, specs);
}
