/** The images of the samples. Those of one runtime share its layers: what differs between them lies on top. */
import { type Image, type ImageSpec, writeArchive } from "../../hack/images/oci.ts";
import { ensureRuntimes, type Layers } from "./runtimes.ts";

/** Images by what is in them; `localhost/sample-NAME:1`. */
export const sampleImages = [
  "decoy",
  "go",
  "go-pie",
  "java",
  "mixed",
  "node",
  "node-rhel",
  "other-node",
  "python",
  "shell",
] as const;
export type SampleImage = (typeof sampleImages)[number];

export const refOf = (image: SampleImage): string => `localhost/sample-${image}:1`;

const layersOf: Readonly<Record<SampleImage, (layers: Layers) => readonly Layers[keyof Layers][]>> = {
  decoy: ({ base, debianRelease, decoys }) => [base, debianRelease, decoys],
  go: ({ go }) => [go],
  "go-pie": ({ base, debianReleaseInUsr, goPie }) => [base, debianReleaseInUsr, goPie],
  java: ({ base, java, debianRelease }) => [base, java, debianRelease],
  mixed: ({ base, node, programs, debianRelease, python }) => [base, node, programs, debianRelease, python],
  node: ({ base, node, programs, debianRelease }) => [base, node, programs, debianRelease],
  "node-rhel": ({ base, node, programs, rhelRelease }) => [base, node, programs, rhelRelease],
  "other-node": ({ base, otherNode, programs, debianRelease }) => [base, otherNode, programs, debianRelease],
  python: ({ base, python, programs, debianRelease }) => [base, python, programs, debianRelease],
  shell: ({ base, debianRelease }) => [base, debianRelease],
};

/** The samples' images, all in one archive, which holds a layer that several have only once. */
export async function buildSampleImages(): Promise<Image[]> {
  const { layers } = await ensureRuntimes();
  const specs = sampleImages.map(
    (image): ImageSpec => ({
      ref: refOf(image),
      layers: layersOf[image](layers),
      labels: { "org.opencontainers.image.title": `Runtime Insights sample: ${image}` },
    }),
  );
  return writeArchive("samples", specs);
}
