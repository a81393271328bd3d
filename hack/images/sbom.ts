/** Bills of materials in CycloneDX: what is in an image, the same bytes for the same parts. */
import { Enums, Models, Serialize, SPDX, Spec } from "@cyclonedx/cyclonedx-library";
import type { ImageSpec } from "./oci.ts";
import type { Part } from "./parts.ts";

/** The image itself. */
export interface Subject {
  readonly name: string;
  readonly version: string;
  readonly description: string;
}

export const sbomType = "application/vnd.cyclonedx+json";

/** CycloneDX 1.6 as JSON; without time and serial number, which would differ from build to build. */
export function sbomOf({ name, version, description }: Subject, parts: readonly Part[]): string {
  const root = new Models.Component(Enums.ComponentType.Container, name, {
    version,
    bomRef: "image",
    description,
  });
  const byPurl = new Map(parts.map((part) => [part.purl, part]));
  const components = [...byPurl.values()].sort((one, other) => (one.purl < other.purl ? -1 : 1)).map(componentOf);
  for (const { bomRef } of components) root.dependencies.add(bomRef);
  const bom = new Models.Bom({
    metadata: new Models.Metadata({ component: root }),
    components: new Models.ComponentRepository(components),
  });
  const serializer = new Serialize.JsonSerializer(new Serialize.JSON.Normalize.Factory(Spec.Spec1dot6));
  return `${serializer.serialize(bom, { sortLists: true, space: 2 })}\n`;
}

/** Of an image as it is described. */
export function sbomOfImage({ ref, labels = {}, parts = [] }: ImageSpec): string {
  const name = nameOf(ref);
  const [version = "", description = ""] = ["version", "description"].map(
    (key) => labels[`org.opencontainers.image.${key}`],
  );
  return sbomOf({ name, version, description }, parts);
}

/** The image's name without registry and tag. */
export const nameOf = (ref: string): string => (ref.split("/").at(-1) ?? ref).replace(/:.*$/, "");

function componentOf({ name, version, purl, cpe, license, hash }: Part): Models.Component {
  return new Models.Component(Enums.ComponentType.Library, name, {
    version,
    purl,
    bomRef: purl,
    ...(cpe === undefined ? {} : { cpe }),
    licenses: new Models.LicenseRepository([licenseOf(license)]),
    ...(hash === undefined ? {} : { hashes: new Models.HashDictionary([[algorithms[hash.algorithm], hash.hex]]) }),
  });
}

const algorithms = { "SHA-256": Enums.HashAlgorithm["SHA-256"], "SHA-512": Enums.HashAlgorithm["SHA-512"] } as const;

function licenseOf(said: string): Models.License {
  const id = SPDX.fixupSpdxId(said);
  return id === undefined ? new Models.LicenseExpression(said) : new Models.SpdxLicense(id);
}
