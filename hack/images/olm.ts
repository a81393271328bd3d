/** The two images that the Operator Lifecycle Manager reads: a bundle and a catalogue, from files by path. */
import { load } from "js-yaml";
import { z } from "zod";
import { ensureBinaries } from "../cluster/binaries.ts";
import { copy, type Entry, folder, text } from "./entries.ts";
import { labels, type Naming, nonRoot } from "./labels.ts";
import { layerOf } from "./layer.ts";
import { licenseEntries, ownLicense } from "./licenses.ts";
import type { ImageSpec } from "./oci.ts";
import { goParts } from "./parts.ts";

/** Texts by their path below the folder that they would lie in. */
export type Files = ReadonlyMap<string, string>;

const annotationsSchema = z.object({ annotations: z.record(z.string(), z.string()) });

/** Nothing but the bundle's files and our licence; its labels say what `metadata/annotations.yaml` says, as tools for bundles expect. */
export async function bundleImage(files: Files, naming: Naming): Promise<ImageSpec> {
  const annotations = files.get("metadata/annotations.yaml");
  if (annotations === undefined) throw new Error("bundle image: there is no metadata/annotations.yaml");
  return {
    architecture: naming.architecture,
    ref: `${naming.registry}/runtime-insights-bundle:${naming.version}`,
    layers: [await layerOf(textsOf(files)), await layerOf(licenseEntries(ownLicense, []))],
    user: `${nonRoot}:${nonRoot}`,
    labels: {
      ...labels(
        { title: "Runtime Insights bundle", description: "What the Operator Lifecycle Manager installs" },
        naming,
        [],
      ),
      ...annotationsSchema.parse(load(annotations)).annotations,
    },
  };
}

/** `opm serve` over the catalogue, and the program that OLM's probes start in its pod to ask for its health. */
export async function catalogueImage(files: Files, naming: Naming): Promise<ImageSpec> {
  const dir = await ensureBinaries(cataloguePrograms, naming.log, naming.architecture);
  const parts = await goParts(cataloguePrograms, dir, naming.architecture);
  const programs = cataloguePrograms.map((name) => copy(`bin/${name}`, `${dir}/${name}`, 0o755));
  return {
    architecture: naming.architecture,
    ref: `${naming.registry}/runtime-insights-catalogue:${naming.version}`,
    parts,
    layers: [
      await layerOf([...programs, folder("tmp", 0o1777)]),
      await layerOf(textsOf(files, "configs/")),
      await layerOf(licenseEntries(ownLicense, parts)),
    ],
    entrypoint: ["/bin/opm"],
    // No cache folder: opm makes one below /tmp and so needs no step that fills it when the image is built.
    cmd: ["serve", "/configs", "--pprof-addr="],
    env: ["PATH=/bin"],
    user: `${nonRoot}:${nonRoot}`,
    labels: {
      ...labels(
        { title: "Runtime Insights catalogue", description: "File-based catalogue of our bundles" },
        naming,
        parts,
      ),
      "operators.operatorframework.io.index.configs.v1": "/configs",
    },
  };
}

/** OLM looks for the second one by this name in the PATH. */
const cataloguePrograms = ["opm", "grpc_health_probe"] as const;

function textsOf(files: Files, below = ""): Entry[] {
  if (files.size === 0) throw new Error("image of files: there is none");
  return [...files].map(([path, content]) => text(`${below}${path}`, content));
}
