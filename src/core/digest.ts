/** The content address in an image reference. */

const label = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?";
const host = `${label}(?:\\.${label})*(?::[0-9]+)?`;
// The separator is never empty: with an empty one a regular expression takes exponential time.
const component = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const named = new RegExp(`^((?:${host}/)?${component}(?:/${component})*)(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?$`);
const digest = /^(?:sha256:[0-9a-fA-F]{64}|sha384:[0-9a-fA-F]{96}|sha512:[0-9a-fA-F]{128})$/;

const maxNameLength = 255;
/** Name, tag and the longest digest with their separators. */
const maxReferenceLength = maxNameLength + 1 + 128 + 1 + "sha512:".length + 128;

/** The digest of `name[:tag]@digest`, empty for every other text. */
export function digestOf(reference: string): string {
  if (reference.length > maxReferenceLength) return "";
  const at = reference.indexOf("@");
  if (at === -1) return "";
  const name = named.exec(reference.slice(0, at))?.[1];
  const address = reference.slice(at + 1);
  return name !== undefined && name.length <= maxNameLength && digest.test(address) ? address : "";
}

/** The digest of an image as a container's status gives it, which Docker's shim prefixes. */
export function digestOfStatus(imageID: string): string {
  return digestOf(imageID.startsWith(dockerPrefix) ? imageID.slice(dockerPrefix.length) : imageID);
}
const dockerPrefix = "docker-pullable://";
