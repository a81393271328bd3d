/** The files of a release that administrators apply or read, as texts. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { load } from "js-yaml";
import { z } from "zod";
import type { Files } from "../bundle/files.ts";
import type { ChannelName } from "../bundle/graph.ts";
import { cloneDir } from "../cache.ts";
import { releaseTag, tagOf } from "./tags.ts";

/** An image of the release. */
export interface ReleasedImage {
  /** `runtime-insights-node`. */
  readonly name: string;
  /** By tag, in the registry of the release. */
  readonly ref: string;
  readonly digest: string;
}

/** By digest, the way the release's own files name it. */
export const pinned = ({ ref, digest }: ReleasedImage): string => `${withoutTag(ref)}@${digest}`;

const withoutTag = (ref: string): string => ref.slice(0, ref.lastIndexOf(":"));
const nameOf = (ref: string): string => withoutTag(ref).slice(ref.lastIndexOf("/") + 1);

export const releasedImage = ({ ref, digest }: { readonly ref: string; readonly digest: string }): ReleasedImage => ({
  ...{ name: nameOf(ref), ref, digest },
});

/** What stands in the place of an image that a manifest of that version names by tag; throws for one that is not released. */
export function pinBy(images: readonly ReleasedImage[], version: string): (ref: string) => string {
  return (ref) => {
    const tag = releaseTag(tagOf(ref), version);
    const image = images.find(({ ref: own }) => nameOf(own) === nameOf(ref) && tagOf(own) === tag);
    if (image === undefined)
      throw new Error(`manifests name ${ref}, which is none of ${images.map((one) => one.ref).join(", ")}`);
    return pinned(image);
  };
}

/** Whole references with tag, where a value begins: in the clone every image is `localhost/NAME:TAG`. */
const reference = /(?<=[\s"'=])localhost\/[a-z0-9-]+:[\w.-]+/g;

/** The texts of the files that the folders' kustomizations name, in apply order, as one; images are replaced. */
export function oneFile(
  title: string,
  folders: readonly string[],
  pin: (ref: string) => string,
  root = cloneDir,
): string {
  const texts = folders.flatMap((folder) => {
    const read = (file: string) => readFileSync(join(root, folder, file), "utf8");
    const { resources } = kustomizationSchema.parse(load(read("kustomization.yaml")));
    return resources.map((file) => read(file).trim());
  });
  return [`# ${title}`, ...texts.map((text) => `---\n${text.replaceAll(reference, pin)}`)].join("\n").concat("\n");
}

const kustomizationSchema = z.looseObject({ resources: z.array(z.string()) });

/** The files for `kubectl apply -f`, by name. */
export function applicable(version: string, pin: (ref: string) => string, root = cloneDir): Files {
  return new Map([
    [
      "runtime-insights.yaml",
      oneFile(`Runtime Insights ${version}: kubectl apply -f runtime-insights.yaml`, ["crds", "manifests"], pin, root),
    ],
    ["crds.yaml", oneFile(`The kinds of Runtime Insights ${version}: kubectl apply -f crds.yaml`, ["crds"], pin, root)],
    [
      "standalone.yaml",
      oneFile(
        `The node side of Runtime Insights ${version} alone: kubectl -n NAMESPACE apply -f standalone.yaml`,
        ["manifests/standalone"],
        pin,
        root,
      ),
    ],
  ]);
}

/** For programs: what was released, by digest. */
export const digestsFile = (version: string, images: readonly ReleasedImage[]): string =>
  `${JSON.stringify(
    {
      version,
      images: Object.fromEntries(
        [...images]
          .sort((one, other) => (one.name < other.name ? -1 : 1))
          .map((image) => [image.name, { ref: image.ref, digest: image.digest, pinned: pinned(image) }]),
      ),
    },
    undefined,
    2,
  )}\n`;

export interface Told {
  readonly version: string;
  readonly date: string;
  readonly channel: ChannelName;
  /** The changelog's section. */
  readonly notes: string;
  readonly images: readonly ReleasedImage[];
  /** Which tests of the sources ran; the release's own files are checked always. */
  readonly tests: "all" | "checks" | "none";
}

const testsTold: Readonly<Record<Told["tests"], string>> = {
  all: "All tests passed on these sources.",
  checks: "Only the checks of the sources ran, not the tests: not for use.",
  none: "No test of the sources ran: not for use.",
};

/** For administrators: what changes, how to install it, which images it brings. */
export function releaseNotes({ version, date, channel, notes, images, tests }: Told): string {
  const catalogue = images.find(({ name }) => name.endsWith("-catalogue"));
  return `# Runtime Insights ${version}

${date}, channel \`${channel}\`. ${testsTold[tests]}

${notes}

## Install or upgrade

With the Operator Lifecycle Manager: a CatalogSource with the image of the catalogue, and a Subscription to package \`runtime-insights\`, channel \`${channel}\`.

    ${catalogue === undefined ? "" : pinned(catalogue)}

Without it, as cluster administrator, also over an older version:

    kubectl apply -f runtime-insights.yaml

\`SHA256SUMS\` is for \`sha256sum --check\`. \`images/\` is an OCI layout of all images; \`skopeo copy oci:images:REF docker://...\` takes one to a mirror, and its digest stays.

## Images

| image | digest |
|---|---|
${[...images]
  .sort((one, other) => (one.name < other.name ? -1 : 1))
  .map(({ ref, digest }) => `| \`${ref}\` | \`${digest}\` |`)
  .join("\n")}
`;
}
