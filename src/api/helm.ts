/** What a gather looks at of the objects that Helm made: their metadata. */
import { z } from "zod";
import { problemOf } from "./object.ts";

const text = z
  .string()
  .nullish()
  .transform((value) => (value ?? "").toWellFormed());

const pageSchema = z
  .object({
    metadata: z.object({ continue: text }).nullish(),
    items: z
      .array(
        z.object({
          metadata: z.object({ namespace: text, labels: z.object({ "helm.sh/chart": text }).nullish() }),
        }),
      )
      .nullish(),
  })
  .transform(({ metadata, items }) => ({
    objects: (items ?? []).map((item) => ({
      namespace: item.metadata.namespace,
      /** `name-version`; empty when the object does not say. */
      chart: item.metadata.labels?.["helm.sh/chart"] ?? "",
    })),
    continueToken: metadata?.continue ?? "",
  }));

/** `continueToken` is empty on the last page. */
export type HelmPage = z.infer<typeof pageSchema>;
export type HelmObject = HelmPage["objects"][number];

/** A page of a list of objects; throws when it is not one. */
export function decodeHelmPage(value: unknown): HelmPage {
  const result = pageSchema.safeParse(value);
  if (result.success) return result.data;
  throw new Error(`reading a page of objects: ${problemOf(result.error)}`);
}
