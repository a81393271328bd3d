/** The product's images, built without Docker from this clone, its npm packages and Debian's libraries. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { megabytes, packageVersion, say, seconds } from "../build.ts";
import type { Log } from "../lock.ts";
import { type Architecture, ownArchitecture } from "./architecture.ts";
import type { Naming } from "./labels.ts";
import { type Image, type ImageSpec, layoutOf, writeArchive, writeLayoutFolder } from "./oci.ts";
import { bundleImage, type Files } from "./olm.ts";
import { ownBundle, ownCatalogue } from "./own-olm.ts";
import { imageNames, productImage } from "./product.ts";
import { nameOf, sbomOfImage } from "./sbom.ts";

export type { Image } from "./oci.ts";
export { imageNames } from "./product.ts";

/** Built only when they are asked for: the OLM bundle and catalogue of this clone's version. */
export const olmImageNames = ["bundle", "catalogue"] as const;
export const allImageNames = [...imageNames, ...olmImageNames] as const;
export type ImageName = (typeof allImageNames)[number];

/** How images are named and labelled. */
export interface NamingOptions {
  /** What the names begin with; default IMAGE_REGISTRY or `localhost`. */
  readonly registry?: string;
  /** Of our own images; default the version of package.json. Another version is another digest. */
  readonly version?: string;
  /** The commit that the images are labelled with; default none, so that a commit which changes nothing in an image keeps its digest. */
  readonly revision?: string;
  /** Debian's packages are taken as they are now, for what leaves this machine; default: as they were fetched once. */
  readonly renew?: boolean;
  readonly log?: Log;
}

export interface DescribeOptions extends NamingOptions {
  /** Default: those of the product. */
  readonly only?: readonly ImageName[];
  /** Default: this machine's. Bundle and catalogue name the product's images for all of them. */
  readonly architectures?: readonly Architecture[];
}

export interface BuildOptions extends DescribeOptions {
  /** Gets an OCI layout with the same images, for a registry. */
  readonly outputDir?: string;
}

/** What the product's images are made of, in the order of architectures and names; builds what goes into them. */
export async function describeImages(options: DescribeOptions = {}): Promise<ImageSpec[]> {
  const specs: ImageSpec[] = [];
  for await (const { spec } of described(options)) specs.push(spec);
  return specs;
}

/** One after the other, as they are made. */
async function* described({
  only = imageNames,
  architectures = [ownArchitecture],
  ...options
}: DescribeOptions): AsyncGenerator<{ readonly name: string; readonly spec: ImageSpec }> {
  const namings = architectures.map((architecture): Naming => ({ ...namingOf(options), architecture }));
  const ofProduct = olmImageNames.some((name) => only.includes(name));
  const product: ImageSpec[] = [];
  for (const naming of namings)
    for (const name of imageNames.filter((one) => ofProduct || only.includes(one))) {
      const spec = await productImage(name, naming);
      product.push(spec);
      if (only.includes(name)) yield { name, spec };
    }
  for (const naming of namings) {
    if (only.includes("bundle")) yield { name: "bundle", spec: await ownBundle(product, naming) };
    if (only.includes("catalogue")) yield { name: "catalogue", spec: await ownCatalogue(product, naming) };
  }
}

/** The product's images as archives in the build cache, one for each architecture; those whose content is unchanged are not written again. */
export async function buildImages({ outputDir, ...options }: BuildOptions = {}): Promise<Image[]> {
  const specs: ImageSpec[] = [];
  const images: Image[] = [];
  let startedMs = Date.now();
  for await (const { name, spec } of described(options)) {
    images.push(await written(name, spec, startedMs, namingOf(options).log));
    specs.push(spec);
    startedMs = Date.now();
  }
  if (outputDir !== undefined) writeFolder(outputDir, specs);
  return images;
}

/** A layout folder where each name leads to an index of the architectures, and the bills of materials beside it. */
export async function writeIndexes(dir: string, options: DescribeOptions): Promise<readonly Omit<Image, "archive">[]> {
  const specs = await describeImages(options);
  writeFolder(dir, specs);
  return layoutOf(specs).images;
}

/** The layout, and beside it in `sbom/` the bill of materials of each image, which names the architecture where there are several. */
function writeFolder(dir: string, specs: readonly ImageSpec[]): void {
  writeLayoutFolder(dir, specs);
  mkdirSync(join(dir, "sbom"), { recursive: true });
  for (const spec of specs) {
    const isOne = specs.every((other) => other === spec || other.ref !== spec.ref);
    const name = `${nameOf(spec.ref)}${isOne ? "" : `.${spec.architecture}`}.cdx.json`;
    writeFileSync(join(dir, "sbom", name), sbomOfImage(spec));
  }
}

/** The image of an OLM bundle with these files, by path from the bundle's folder: `metadata/annotations.yaml`. */
export async function buildBundleImage(files: Files, options: NamingOptions = {}): Promise<Image> {
  const [naming, startedMs] = [namingOf(options), Date.now()];
  return written("bundle", await bundleImage(files, naming), startedMs, naming.log);
}

async function written(name: string, spec: ImageSpec, startedMs: number, log: Log): Promise<Image> {
  const [image] = await writeArchive(name, [spec]);
  if (image === undefined) throw new Error(`image ${spec.ref}: nothing was written`);
  log(`${image.ref}: ${megabytes(image.bytes)} compressed (${seconds(startedMs)})`);
  return image;
}

const namingOf = ({
  registry = process.env.IMAGE_REGISTRY ?? "localhost",
  version = packageVersion,
  revision,
  renew = false,
  log = say,
}: NamingOptions): Naming => ({
  ...{ architecture: ownArchitecture, registry, version, renew, log },
  ...(revision === undefined ? {} : { revision }),
});
