/** What of a namespace a gather looks at. */
import { z } from "zod";
import { problemOf } from "./object.ts";
import { excludeAnnotation } from "./pod.ts";

const pageSchema = z.object({
  metadata: z.object({ continue: z.string().nullish() }).nullish(),
  items: z
    .array(
      z.object({
        metadata: z.object({ name: z.string(), annotations: z.record(z.string(), z.string()).nullish() }),
      }),
    )
    .nullish(),
});

export interface NamespacePage {
  readonly names: readonly string[];
  /** Those that ask that no node is asked about them. */
  readonly excluded: readonly string[];
  /** Empty on the last page. */
  readonly continueToken: string;
}

/** Throws when the value is no page of namespaces. */
export function decodeNamespacePage(value: unknown): NamespacePage {
  const result = pageSchema.safeParse(value);
  if (!result.success) throw new Error(`reading a page of namespaces: ${problemOf(result.error)}`);
  const { metadata, items } = result.data;
  const all = (items ?? []).map((one) => one.metadata);
  return {
    names: all.map(({ name }) => name.toWellFormed()),
    excluded: all
      .filter(({ annotations }) => annotations?.[excludeAnnotation] === "true")
      .map(({ name }) => name.toWellFormed()),
    continueToken: metadata?.continue ?? "",
  };
}
