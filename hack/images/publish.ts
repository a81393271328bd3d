/** Sends the product's images to a registry, unless what is there stands against it. */
import type { Log } from "../lock.ts";
import { ownArchitecture } from "./architecture.ts";
import { allImageNames, type DescribeOptions, describeImages, type ImageName, imageNames } from "./images.ts";
import { layoutOf } from "./oci.ts";
import { type Pushed, pushImages } from "./push.ts";
import { absentImages, byDigest, type Named, takenTags } from "./registry.ts";
import { nameOf } from "./sbom.ts";

export interface Publication extends DescribeOptions {
  readonly registry: string;
  readonly only: readonly ImageName[];
  /** Tags that mean another image there are moved. */
  readonly overwrite: boolean;
}

/** The images as the registry has them then. Throws, with nothing sent, when a tag would move or an image that a bundle names is not there. */
export async function publish({ overwrite, ...wanted }: Publication, log: Log): Promise<readonly Pushed[]> {
  const { only } = wanted;
  const specs = await describeImages({ ...wanted, only: withNamed(only), renew: true, log });
  const isPushed = ({ ref }: { readonly ref: string }) => only.some((name) => name === imageNameOf(ref));
  const images = layoutOf(specs).images;

  const named = images.filter((image) => !isPushed(image));
  const absent = await absentImages(named, log);
  if (absent.length > 0) throw new Error(lacking(absent, wanted));
  const taken = overwrite ? [] : await takenTags(images.filter(isPushed), log);
  if (taken.length > 0) throw new Error(wouldMove(taken));
  return pushImages(specs.filter(isPushed), log);
}

/** Those that a bundle or a catalogue among them names, too. */
function withNamed(only: readonly ImageName[]): readonly ImageName[] {
  const wanted = new Set(only);
  if (wanted.has("catalogue")) wanted.add("bundle");
  if (wanted.has("bundle")) for (const name of imageNames) wanted.add(name);
  return allImageNames.filter((name) => wanted.has(name));
}

const imageNameOf = (ref: string): string => nameOf(ref).replace(/^runtime-insights-/, "");

function lacking(
  absent: readonly Named[],
  { only, registry, architectures = [ownArchitecture], revision }: Omit<Publication, "overwrite">,
): string {
  const names = absent.map(({ ref }) => `--only ${imageNameOf(ref)}`);
  const isDefault = architectures.every((architecture) => architecture === ownArchitecture);
  const archs = isDefault ? [] : architectures.map((architecture) => `--arch ${architecture}`);
  const options = [...names, ...archs, ...(revision === undefined ? [] : [`--revision ${revision}`])].join(" ");
  return [
    `${only.join(", ")} would name what ${registry} does not have:`,
    ...absent.map((image) => `  ${byDigest(image)}`),
    "Give the options (--revision, --arch) that those there were pushed with, or push these first:",
    `  npm run images -- --push ${registry} ${options}`,
  ].join("\n");
}

const wouldMove = (taken: readonly (Named & { readonly there: string })[]): string =>
  [
    ...taken.map(({ ref, there, digest }) => `${ref} is ${there} in the registry, and would be ${digest}`),
    "Nodes keep what they pulled by that tag, so who installed it would not get the new one. --overwrite moves the tag; then name the image by its digest.",
  ].join("\n");

/** What a kustomization over `manifests/` says to run these very images; empty when no pod of the manifests has one of them. */
export function kustomizeImages(pushed: readonly Named[]): string {
  const inManifests = pushed.filter(({ ref }) => imageNames.some((name) => name === imageNameOf(ref)));
  if (inManifests.length === 0) return "";
  const entries = inManifests.map(({ ref, digest }) => {
    const [newName] = byDigest({ ref, digest }).split("@");
    return `  - name: localhost/${nameOf(ref)}\n    newName: ${newName}\n    digest: ${digest}\n`;
  });
  return `images:\n${entries.join("")}`;
}
