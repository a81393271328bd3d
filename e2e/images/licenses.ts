/** What is wrong with the licences of an image as it is written, by its layers, labels and bill of materials alone. */
import { createReadStream } from "node:fs";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { createGunzip } from "node:zlib";
import { PackageURL } from "packageurl-js";
import parse from "spdx-expression-parse";
import { extract } from "tar-stream";
import { z } from "zod";
import type { ImageSpec } from "../../hack/images/oci.ts";
import { sbomOfImage } from "../../hack/images/sbom.ts";

/** Contents by path below `licenses/`, with links followed. */
export async function licenseTextsOf({ layers }: ImageSpec): Promise<ReadonlyMap<string, string>> {
  const texts = new Map<string, string>();
  for (const { file } of layers) {
    const tar = extract();
    createReadStream(file).pipe(createGunzip()).pipe(tar);
    for await (const entry of tar) {
      const { name, type, linkname = "" } = entry.header;
      const content = name.startsWith("licenses/") ? (await buffer(entry)).toString("utf8") : "";
      entry.resume();
      if (!name.startsWith("licenses/") || type === "directory") continue;
      texts.set(name, type === "link" ? (texts.get(linkname) ?? "") : content);
    }
  }
  return new Map([...texts].map(([path, content]) => [path.slice("licenses/".length), content]));
}

const licenseSchema = z.union([
  z.object({ license: z.object({ id: z.string() }) }),
  z.object({ expression: z.string() }),
]);
const bomSchema = z.object({
  components: z.array(z.object({ purl: z.string(), licenses: z.array(licenseSchema).default([]) })).default([]),
});

/** Where the texts of a component are to be. */
function placeOf(purl: string): string {
  const { type, namespace, name, version } = PackageURL.fromString(purl);
  return join("third-party", type ?? "", namespace ?? "", `${name}@${version}`);
}

const leaf = ({ license, plus, exception }: parse.LicenseInfo): string =>
  `${license}${plus === true ? "+" : ""}${exception === undefined ? "" : ` WITH ${exception}`}`;
const leaves = (term: parse.Info): readonly string[] =>
  "license" in term ? [leaf(term)] : [...leaves(term.left), ...leaves(term.right)];
/** Whoever keeps all of these licences keeps this one. */
function isKept(term: parse.Info, kept: readonly string[]): boolean {
  if ("license" in term) return kept.includes(leaf(term));
  const sides = [isKept(term.left, kept), isKept(term.right, kept)];
  return term.conjunction === "and" ? sides.every(Boolean) : sides.some(Boolean);
}

/** Empty when every component has a licence and a text, the texts belong to components, and the label says the licences. */
export async function licenseProblems(spec: ImageSpec): Promise<readonly string[]> {
  const texts = await licenseTextsOf(spec);
  const { components } = bomSchema.parse(JSON.parse(sbomOfImage(spec)));
  const label = leaves(parse(spec.labels?.["org.opencontainers.image.licenses"] ?? ""));
  const places = components.map(({ purl }) => placeOf(purl));
  const licenses = components.flatMap((one) =>
    one.licenses.map((said) => parse("expression" in said ? said.expression : said.license.id)),
  );
  const without = components.filter((one) => one.licenses.length !== 1);
  const bare = places.filter((place) => ![...texts.keys()].some((path) => path.startsWith(`${place}/`)));
  const strays = [...texts.keys()].filter(
    (path) => path !== "LICENSE" && !places.some((place) => path.startsWith(`${place}/`)),
  );
  const empty = [...texts].filter(([, content]) => content.trim() === "");
  // Debian's copyright files name licences of a folder that images do not have.
  const named = [...texts].flatMap(([path, content]) =>
    path.endsWith("/copyright")
      ? [...content.matchAll(/\/usr\/share\/common-licenses\/([\w.+-]*\w)/g)].map(([, name]) =>
          join(path, "..", name ?? ""),
        )
      : [],
  );
  const unsaid = licenses.filter((term) => !isKept(term, label)).flatMap(leaves);
  const unfounded = label.filter((one) => one !== "Apache-2.0" && !licenses.flatMap(leaves).includes(one));
  return [
    ...without.map(({ purl }) => `${purl}: no licence in the bill of materials`),
    ...bare.map((place) => `${place}: no text`),
    ...strays.map((path) => `${path}: belongs to no component`),
    ...empty.map(([path]) => `${path}: empty`),
    ...named.filter((path) => !texts.has(path)).map((path) => `${path}: named, and not there`),
    ...unsaid.map((one) => `${one}: not in the label`),
    ...unfounded.map((one) => `${one}: in the label alone`),
  ];
}
