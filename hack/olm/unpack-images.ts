/** The two images that OLM's job for unpacking a bundle image runs beside it; a cluster without a registry has them on its nodes. */
import { join } from "node:path";
import { say } from "../build.ts";
import { ensureBinaries } from "../cluster/binaries.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { copy } from "../images/entries.ts";
import { layerOf } from "../images/layer.ts";
import { writeArchive } from "../images/oci.ts";
import type { OlmOptions } from "./olm.ts";

/** By tags that are not `latest`, so that a kubelet takes what is there. */
const images = { opm: "localhost/olm-opm:1", util: "localhost/olm-util:1" } as const;

/** Brings both into every node; what startOlm has to know of them. */
export async function importUnpackImages(cluster: Cluster): Promise<NonNullable<OlmOptions["unpackImages"]>> {
  const dir = await ensureBinaries(["opm", "cpb"], say);
  const common = { env: ["PATH=/bin"], labels: {} };
  const specs = [
    { ref: images.opm, layers: [await layerOf([copy("bin/opm", join(dir, "opm"), 0o755)])], ...common },
    {
      ref: images.util,
      layers: [await layerOf([copy("bin/cpb", join(dir, "cpb"), 0o755), copy("bin/cp", "/bin/busybox", 0o755)])],
      ...common,
    },
  ];
  const [image] = await writeArchive("olm-unpack", specs);
  if (image === undefined) throw new Error("images for unpacking: nothing was written");
  await cluster.importImage(image.archive);
  return images;
}
