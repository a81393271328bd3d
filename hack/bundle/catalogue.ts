/** A file-based catalogue, as `opm serve` and a catalogue image take it. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { dump, loadAll } from "js-yaml";
import { prerelease } from "semver";
import { z } from "zod";
import { say } from "../build.ts";
import { ensureBinaries } from "../cluster/binaries.ts";
import { withScratch } from "../scratch.ts";
import { type Files, writeFolder } from "./files.ts";
import { type Channel, channelsOf, type Placed } from "./graph.ts";
import { packageDescription, packageName } from "./names.ts";
import { readSources } from "./sources.ts";

const run = promisify(execFile);

/** A bundle of the catalogue: its files or the folder that holds them, or what `opm render` made of it at its release. */
export type CatalogueBundle =
  | {
      readonly files: Files;
      /** The bundle's image by digest, which the cluster unpacks; default: none, then the catalogue itself carries the manifests. */
      readonly image?: string;
    }
  | { readonly dir: string; readonly image?: string }
  | { readonly rendered: string };

export interface CatalogueOptions {
  readonly bundles: readonly CatalogueBundle[];
  /** Default: `candidate` with all versions and `stable` with those without a prerelease part, each replacing the one before. The first one is the default channel. */
  readonly channels?: readonly Channel[];
}

const renderedSchema = z.looseObject({
  schema: z.literal("olm.bundle"),
  properties: z.array(z.looseObject({ type: z.string(), value: z.unknown() })),
});

/** The version that the rendered bundle gives itself. */
function versionOf(rendered: string): string {
  const bundle = loadAll(rendered).map((document) => renderedSchema.parse(document))[0];
  const found = bundle?.properties.find(({ type }) => type === "olm.package");
  return z.looseObject({ version: z.string() }).parse(found?.value).version;
}

function placed(rendered: string): Placed {
  const version = versionOf(rendered);
  return { version, channel: prerelease(version) === null ? "stable" : "candidate" };
}

/** One bundle as an entry of the catalogue, rendered by opm; keep it to have the version in later catalogues. */
export async function renderBundle(bundle: CatalogueBundle): Promise<string> {
  if ("rendered" in bundle) return bundle.rendered;
  if ("dir" in bundle) return render(bundle.dir, bundle.image);
  return withScratch((dir) => {
    writeFolder(dir, bundle.files);
    return render(dir, bundle.image);
  });
}

async function render(dir: string, image: string | undefined): Promise<string> {
  const byImage =
    image === undefined ? [] : ["--migrate-level=bundle-object-to-csv-metadata", `--alpha-image-ref-template=${image}`];
  const opm = join(await ensureBinaries(["opm"], say), "opm");
  const { stdout } = await run(opm, ["render", dir, "-o", "yaml", ...byImage], { maxBuffer: 64 * 1024 * 1024 });
  return stdout;
}

/** The files of the catalogue, one folder per package below its root. */
export async function catalogueFiles(options: CatalogueOptions): Promise<Files> {
  const rendered: string[] = [];
  for (const bundle of options.bundles) rendered.push(await renderBundle(bundle));
  const channels = options.channels ?? channelsOf(rendered.map(placed));
  const [first] = channels;
  if (first === undefined) throw new Error("a catalogue needs a channel");
  const objects = [
    {
      schema: "olm.package",
      name: packageName,
      defaultChannel: first.name,
      description: packageDescription,
      icon: { base64data: readSources().icon.toString("base64"), mediatype: "image/svg+xml" },
    },
    ...channels.map(({ name, entries }) => ({ schema: "olm.channel", package: packageName, name, entries })),
  ];
  const documents = [...objects.map((object) => dump(object, { lineWidth: -1, noRefs: true })), ...rendered];
  const text = documents.map((document) => `---\n${document.replace(/^---\n/, "")}`).join("");
  return new Map([[`${packageName}/catalog.yaml`, text]]);
}

/** Makes the folder a catalogue for `opm serve`, and has opm check it. */
export async function writeCatalogue(dir: string, options: CatalogueOptions): Promise<void> {
  writeFolder(dir, await catalogueFiles(options));
  const opm = join(await ensureBinaries(["opm"], say), "opm");
  await run(opm, ["validate", dir]);
}
