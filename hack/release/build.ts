/**
 * Builds a release from the clone it lies in, whose version is written already, into a new folder, checks it and pushes it if told so:
 * the half of hack/release/cli.ts that runs in the stage. Needs what images need. Leaves the folder and the build cache.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { z } from "zod";
import { packageVersion, say } from "../build.ts";
import { bundleFiles } from "../bundle/bundle.ts";
import { catalogueFiles, renderBundle } from "../bundle/catalogue.ts";
import { filesBelow, writeFolder } from "../bundle/files.ts";
import { channelNames, channelsOf } from "../bundle/graph.ts";
import { cloneDir } from "../cache.ts";
import { ownArchitecture } from "../images/architecture.ts";
import { type ImageSpec, layoutOf, writeLayoutFolder } from "../images/oci.ts";
import { bundleImage, catalogueImage } from "../images/olm.ts";
import { imageNames, productImage } from "../images/product.ts";
import { pushImages } from "../images/push.ts";
import { takenTags } from "../images/registry.ts";
import { sbomOfImage } from "../images/sbom.ts";
import { checkRelease } from "./check.ts";
import { applicable, digestsFile, pinBy, pinned, type ReleasedImage, releasedImage, releaseNotes } from "./files.ts";
import { previousOf, type Release, withRelease } from "./graph.ts";
import { readRecord, readRendered, writeRecord } from "./record.ts";
import { inRelease, underItsDigest } from "./tags.ts";

/** What the clone's side says. */
export const orderSchema = z.strictObject({
  out: z.string(),
  registry: z.string(),
  channel: z.enum(channelNames),
  date: z.string(),
  notes: z.string(),
  tests: z.enum(["all", "checks", "none"]),
  push: z.boolean(),
});
export type Order = z.infer<typeof orderSchema>;

const version = packageVersion;

async function build(order: Order): Promise<void> {
  const { out, registry, channel, date } = order;
  const naming = { architecture: ownArchitecture, registry, version, renew: order.push, log: say };
  const known = readRecord(cloneDir);
  const earlier = known.filter((one) => one.version !== version);
  const specs: ImageSpec[] = [];
  for (const name of imageNames) specs.push(inRelease(await productImage(name, naming), version));
  const pin = pinBy(imagesOf(specs), version);

  const replaces = previousOf(version, earlier);
  const createdAt = `${date}T00:00:00Z`;
  const bundle = bundleFiles({
    version,
    registry,
    createdAt,
    image: pin,
    ...(replaces === undefined ? {} : { replaces }),
  });
  specs.push(await bundleImage(bundle, naming));
  const inRegistry = imageOf(specs, "runtime-insights-bundle");
  const rendered = await renderBundle({ files: bundle, image: pinned(inRegistry) });
  const release: Release = { version, date, channel, registry, bundle: inRegistry.digest };
  const all = withRelease(earlier, release);
  const before = known.find((one) => one.version === version && one.registry === registry);
  if (before !== undefined && before.bundle !== release.bundle)
    throw new Error(
      `${version} is released with bundle ${before.bundle}, these sources and compilers make ${release.bundle}: choose a newer version`,
    );
  const catalogue = await catalogueFiles({
    bundles: all.map((one) => ({ rendered: one === release ? rendered : readRendered(cloneDir, one.version) })),
    channels: channelsOf(all),
  });
  const catalogueSpec = await catalogueImage(catalogue, naming);
  specs.push(catalogueSpec);
  const images = imagesOf(specs);

  mkdirSync(out, { recursive: true });
  writeLayoutFolder(join(out, "images"), specs);
  writeFolder(join(out, "bundle"), bundle);
  writeFolder(join(out, "catalogue"), catalogue);
  const boms = new Map<string, string>();
  for (const spec of specs)
    boms.set(`${releasedImage({ ref: spec.ref, digest: "" }).name}.cdx.json`, sbomOfImage(spec));
  writeFolder(join(out, "sbom"), boms);
  const texts = [
    ...applicable(version, pin),
    ["digests.json", digestsFile(version, images)],
    ["release-notes.md", releaseNotes({ version, date, channel, notes: order.notes, images, tests: order.tests })],
  ] as const;
  for (const [name, text] of texts) writeFileSync(join(out, name), text);
  writeFileSync(join(out, "SHA256SUMS"), sums(out));
  await checkRelease(out, { version, registry, images }, say);
  if (!order.push) return;
  const kept = [...specs.filter((spec) => spec !== catalogueSpec), underItsDigest(catalogueSpec)];
  const taken = await takenTags(imagesOf(kept), say);
  if (taken.length > 0)
    throw new Error(
      taken
        .map(
          ({ ref, there, digest }) => `the registry has ${ref} as ${there}, this is ${digest}: choose a newer version`,
        )
        .join("\n"),
    );
  // What is pushed last moves: the others have to be there.
  await pushImages([...kept, catalogueSpec], say);
  writeRecord(cloneDir, all, version, rendered);
}

const imagesOf = (specs: readonly ImageSpec[]): readonly ReleasedImage[] => layoutOf(specs).images.map(releasedImage);

function imageOf(specs: readonly ImageSpec[], name: string): ReleasedImage {
  const found = imagesOf(specs).find((image) => image.name === name);
  if (found === undefined) throw new Error(`image ${name} was not built`);
  return found;
}

/** As sha256sum writes them, and reads them with --check. */
function sums(dir: string): string {
  const lines = filesBelow(dir).map((file) => {
    const hash = createHash("sha256").update(readFileSync(join(dir, file)));
    return `${hash.digest("hex")}  ${file}\n`;
  });
  return lines.join("");
}

const { positionals } = parseArgs({ allowPositionals: true, options: {} });
try {
  await build(orderSchema.parse(JSON.parse(positionals[0] ?? "")));
} catch (cause) {
  console.error(cause instanceof Error ? cause.message : String(cause));
  process.exitCode = 1;
}
