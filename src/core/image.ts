/** What the archive says about an image, from OpenShift's Image object. */

import type { ClusterImage } from "../api/image.ts";
import type { ImageInfo } from "../api/workload.ts";
import { normalizeArgument } from "./argument.ts";
import { obfuscate } from "./hash.ts";

/** Hashes but for the layers; undefined when the object names no layer, since nothing is then known of the image. */
export function imageInfo({ layers, reference, entrypoint, command }: ClusterImage): ImageInfo | undefined {
  if (layers.length === 0) return undefined;
  const isOwn = reference === "" || reference.includes("redhat");
  return {
    layerIDs: layers,
    firstCommand: obfuscateFirst(entrypoint),
    firstArg: obfuscateFirst(command),
    repository: isOwn ? "" : obfuscate(reference),
  };
}

function obfuscateFirst([first]: readonly string[]): string {
  return first === undefined ? "" : obfuscate(normalizeArgument(first));
}
