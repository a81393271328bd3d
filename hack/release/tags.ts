/** Tags of a release. Registries delete what no tag names any more, so each digest gets one that never moves. */
import { type ImageSpec, layoutOf } from "../images/oci.ts";

/**
 * The tag in the release of this version of what manifests name with that tag. The one of another maker's program gets our version, since another
 * compiler makes another image of the same program.
 */
export const releaseTag = (tag: string, version: string): string => (tag === version ? tag : `${tag}-${version}`);

export const tagOf = (ref: string): string => ref.slice(ref.lastIndexOf(":") + 1);

/** The image under its tag in the release. */
export const inRelease = (spec: ImageSpec, version: string): ImageSpec => ({
  ...spec,
  ref: `${spec.ref.slice(0, -tagOf(spec.ref).length)}${releaseTag(tagOf(spec.ref), version)}`,
});

/** The image under a tag that no other one can have: a catalogue's plain tag moves whenever a version changes its channel. */
export const underItsDigest = (spec: ImageSpec): ImageSpec => {
  const [digest = ""] = layoutOf([spec]).images.map((image) => image.digest);
  return { ...spec, ref: `${spec.ref}-${digest.slice("sha256:".length).slice(0, 12)}` };
};
