/** What of a node, and of the DaemonSet that should run there, decides whether an extractor runs on it. */
import { z } from "zod";

const text = z
  .string()
  .nullish()
  .transform((value) => value ?? "");
const labels = z
  .record(z.string(), z.string())
  .nullish()
  .transform((value) => value ?? {});
const list = <T extends z.ZodType>(of: T) =>
  z
    .array(of)
    .nullish()
    .transform((value) => value ?? []);

export const tolerationsSchema = list(z.object({ key: text, operator: text, value: text, effect: text }));

const nodeSchema = z
  .object({
    metadata: z.object({ labels }),
    spec: z.object({ taints: list(z.object({ key: text, value: text, effect: text })) }).nullish(),
    status: z.object({ conditions: list(z.object({ type: z.string(), status: z.string() })) }).nullish(),
  })
  .transform(({ metadata, spec, status }) => ({
    labels: metadata.labels,
    taints: spec?.taints ?? [],
    ready: status?.conditions.some((one) => one.type === "Ready" && one.status === "True") ?? false,
  }));
export type ClusterNode = z.infer<typeof nodeSchema>;

/** Undefined for a value that is no node. */
export function decodeNode(value: unknown): ClusterNode | undefined {
  return nodeSchema.safeParse(value).data;
}

/** Where the pods of a DaemonSet go. */
export const placementSchema = z
  .object({ nodeSelector: labels, tolerations: tolerationsSchema })
  .nullish()
  .transform((value) => value ?? { nodeSelector: {}, tolerations: [] });
export type Placement = z.infer<typeof placementSchema>;

const cell = (name: string, columns: readonly { readonly name: string }[], cells: readonly unknown[]) =>
  String(cells[columns.findIndex((column) => column.name === name)] ?? "");

const nodeTableSchema = z
  .object({
    metadata: z.object({ continue: text }),
    columnDefinitions: z.array(z.object({ name: z.string() })).nullish(),
    rows: list(z.object({ cells: z.array(z.unknown()) })),
  })
  .transform(({ metadata, columnDefinitions, rows }) => ({
    count: rows.length,
    notReady: rows
      .map(({ cells }) => cells)
      .filter((cells) =>
        cell("Status", columnDefinitions ?? [], cells)
          .split(",")
          .includes("NotReady"),
      )
      .map((cells) => cell("Name", columnDefinitions ?? [], cells)),
    continueToken: metadata.continue,
  }));

/** A page of the table that `kubectl get nodes` prints; the names of those that are not ready. Throws on anything else. */
export const decodeNodeTable = (value: unknown) => nodeTableSchema.parse(value);
