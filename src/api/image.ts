/** The part of OpenShift's Image object that a gather looks at. */
import { z } from "zod";

const text = z
  .string()
  .nullish()
  .transform((value) => (value ?? "").toWellFormed());
const texts = z
  .array(z.string())
  .nullish()
  .transform((value) => value ?? []);

/** The configuration the image was built from, not the one it runs with; metadata of another form says nothing. */
const metadataSchema = z
  .object({ ContainerConfig: z.object({ Entrypoint: texts, Cmd: texts }).nullish() })
  .nullish()
  .catch(null);

const imageSchema = z
  .object({
    dockerImageReference: text,
    dockerImageLayers: z.array(z.object({ name: text })).nullish(),
    dockerImageMetadata: metadataSchema,
  })
  .transform(({ dockerImageReference, dockerImageLayers, dockerImageMetadata }) => ({
    reference: dockerImageReference,
    layers: (dockerImageLayers ?? []).map(({ name }) => name),
    entrypoint: dockerImageMetadata?.ContainerConfig?.Entrypoint ?? [],
    command: dockerImageMetadata?.ContainerConfig?.Cmd ?? [],
  }));
export type ClusterImage = z.infer<typeof imageSchema>;

/** Undefined for a value that is no Image. */
export function decodeImage(value: unknown): ClusterImage | undefined {
  return imageSchema.safeParse(value).data;
}
