/** Bundle and catalogue of this clone's version. They name the images that the same sources make, by digest. */
import { bundleFiles } from "../bundle/bundle.ts";
import { catalogueFiles } from "../bundle/catalogue.ts";
import { ownArchitecture } from "./architecture.ts";
import type { Naming } from "./labels.ts";
import { type ImageSpec, layoutOf } from "./oci.ts";
import { bundleImage, catalogueImage, type Files } from "./olm.ts";

/** The image of the bundle of those images. */
export const ownBundle = (product: readonly ImageSpec[], naming: Naming): Promise<ImageSpec> =>
  bundleImage(ownFiles(product, naming), naming);

/** The image of a catalogue with this version alone in both channels; a release adds the ones before it. */
export async function ownCatalogue(product: readonly ImageSpec[], naming: Naming): Promise<ImageSpec> {
  const files = ownFiles(product, naming);
  const architectures = [...new Set(product.map(({ architecture }) => architecture ?? ownArchitecture))];
  const bundles = architectures.map((architecture) => bundleImage(files, { ...naming, architecture }));
  const image = byDigest(await Promise.all(bundles));
  return catalogueImage(await catalogueFiles({ bundles: [{ files, image }] }), naming);
}

const ownFiles = (product: readonly ImageSpec[], { registry, version }: Naming): Files =>
  bundleFiles({ version, registry, image: (ref) => pinned(ref, product) });

function pinned(ref: string, specs: readonly ImageSpec[]): string {
  const ours = specs.filter((one) => nameWithTag(one.ref) === nameWithTag(ref));
  if (ours.length === 0) throw new Error(`the bundle names ${ref}, which is no image of ours`);
  return byDigest(ours);
}

const nameWithTag = (ref: string): string => ref.slice(ref.lastIndexOf("/") + 1);

/** Of one image for each architecture. */
const byDigest = (platforms: readonly ImageSpec[]): string =>
  layoutOf(platforms)
    .images.map(({ ref, digest }) => `${ref.slice(0, ref.lastIndexOf(":"))}@${digest}`)
    .join();
