/**
 * Builds the product's images and, when asked to, writes them into a folder or sends them to a registry: `npm run images`.
 * Needs cargo, Go and apt-get. Leaves archives in the build cache.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Architecture, architectureProblem, architectures, ownArchitecture } from "./architecture.ts";
import { writeContext } from "./containerfile.ts";
import { allImageNames, buildImages, describeImages, type ImageName, imageNames, writeIndexes } from "./images.ts";
import { kustomizeImages, publish } from "./publish.ts";
import { prefixProblem } from "./push.ts";
import { nameOf } from "./sbom.ts";

const usage = `usage: npm run images [-- [--output DIR | --context DIR | --push PREFIX] [--only NAME]... [--arch ARCH]... [--revision COMMIT]]

  --output DIR       also write the images as an OCI layout, for skopeo, oras, podman and the like
  --context DIR      only write what docker build or podman build makes them of: DIR/NAME with a Containerfile
  --push PREFIX      send them to a registry as PREFIX/NAME:VERSION, and print the digests to pull them by; the login is
                     the one in the docker config file, as docker, podman or crane leave it
  --overwrite        with --push: move a tag that names another image there; without it the push stops
  --only NAME        ${allImageNames.join(", ")}; may be given several times; default: ${imageNames.join(", ")}
  --arch ARCH        amd64 or arm64, default: this machine's; arm64 can be built on an amd64 machine that runs Debian 12. Given
                     twice, --push and --output write one index for each name, which leads to both
  --revision COMMIT  label the images with the commit they were built from, which makes other digests of them

IMAGE_REGISTRY in the environment is what names begin with where nothing is pushed; else it is localhost.
Printed: NAME:VERSION@DIGEST of each image, or of its index, with the path of its archive or folder where nothing was pushed.`;

class UsageError extends Error {}

interface Options {
  readonly only: readonly ImageName[];
  readonly architectures: readonly Architecture[];
  readonly output?: string;
  readonly context?: string;
  readonly push?: string;
  readonly overwrite: boolean;
  readonly revision?: string;
}

/** Undefined when the help was asked for; throws on options that there are not. */
function optionsOf(args: readonly string[]): Options | undefined {
  const { values } = parsed(args);
  if (values.help === true) return undefined;
  const { output, context, push, revision } = values;
  const wanted: readonly string[] = values.only ?? imageNames;
  const only = allImageNames.filter((name) => wanted.includes(name));
  const unknown = wanted.filter((name) => !allImageNames.some((known) => known === name));
  if (unknown.length > 0) throw new UsageError(`there is no image ${unknown.join(", ")}`);
  if ([output, context, push].filter((one) => one !== undefined).length > 1)
    throw new UsageError("--output, --context and --push exclude each other");
  const archs: readonly string[] = values.arch ?? [ownArchitecture];
  if (context !== undefined && new Set(archs).size > 1) throw new UsageError("--context is for one --arch at a time");
  const problem = archs.map((arch) => architectureProblem(arch)).find((one) => one !== undefined);
  if (problem !== undefined) throw new Error(problem);
  return {
    only,
    architectures: architectures.filter((arch) => archs.includes(arch)),
    ...(output === undefined ? {} : { output }),
    ...(context === undefined ? {} : { context }),
    ...(push === undefined ? {} : { push: prefixOf(push) }),
    ...(revision === undefined ? {} : { revision }),
    overwrite: values.overwrite,
  };
}

function prefixOf(push: string): string {
  const wrong = prefixProblem(push);
  if (wrong !== undefined) throw new UsageError(`--push ${push}: ${wrong}`);
  return push;
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        help: { type: "boolean", short: "h" },
        output: { type: "string" },
        context: { type: "string" },
        arch: { type: "string", multiple: true },
        push: { type: "string" },
        overwrite: { type: "boolean", default: false },
        only: { type: "string", multiple: true },
        revision: { type: "string" },
      },
    });
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

async function main(args: readonly string[]): Promise<void> {
  const options = optionsOf(args);
  if (options === undefined) return console.log(usage);
  const { only, architectures: chosen, output, context, push, revision } = options;
  const common = { only, architectures: chosen, ...(revision === undefined ? {} : { revision }) };
  if (push !== undefined) {
    const pushed = await publish({ ...common, registry: push, overwrite: options.overwrite }, (line) =>
      console.error(`  ${line}`),
    );
    for (const { ref, digest } of pushed) console.log(`${ref}@${digest}`);
    const images = kustomizeImages(pushed);
    if (images !== "") console.error(`\nIn a kustomization over manifests/:\n\n${images}`);
    return;
  }
  if (context !== undefined) {
    for (const spec of await describeImages(common)) {
      const dir = join(context, nameOf(spec.ref).replace(/^runtime-insights-/, ""));
      writeContext(dir, spec);
      console.log(`${spec.ref} ${dir}`);
    }
    return;
  }
  if (output !== undefined && chosen.length > 1) {
    for (const { ref, digest } of await writeIndexes(output, common)) console.log(`${ref}@${digest} ${output}`);
    return;
  }
  const images = await buildImages({ ...common, ...(output === undefined ? {} : { outputDir: output }) });
  for (const { ref, digest, archive } of images) console.log(`${ref}@${digest} ${archive}`);
}

try {
  await main(process.argv.slice(2));
} catch (cause) {
  console.error(cause instanceof Error ? cause.message : String(cause));
  if (cause instanceof UsageError) console.error(usage);
  process.exitCode = cause instanceof UsageError ? 2 : 1;
}
