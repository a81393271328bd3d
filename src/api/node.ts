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

const affinitySchema = z.object({
  nodeAffinity: z.object({
    requiredDuringSchedulingIgnoredDuringExecution: z.object({
      nodeSelectorTerms: list(
        z.object({ matchExpressions: list(z.object({ key: text, operator: text, values: list(z.string()) })) }),
      ),
    }),
  }),
});

/** Where the pods of a DaemonSet go; of its affinity only the architectures that it names. */
export const placementSchema = z
  .object({ nodeSelector: labels, tolerations: tolerationsSchema, affinity: z.unknown().optional() })
  .nullish()
  .transform((value) => ({
    nodeSelector: value?.nodeSelector ?? {},
    tolerations: value?.tolerations ?? [],
    architectures: architecturesOf(value?.affinity),
  }));
export type Placement = z.infer<typeof placementSchema>;

/** Empty: it names none, and all will do. */
function architecturesOf(affinity: unknown): readonly string[] {
  const { data } = affinitySchema.safeParse(affinity);
  return (data?.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms ?? [])
    .flatMap(({ matchExpressions }) => matchExpressions)
    .filter(({ key, operator }) => key === "kubernetes.io/arch" && operator === "In")
    .flatMap(({ values }) => values);
}

/** Empty: there is no such column, or no text in it. */
function cell(name: string, columns: readonly { readonly name: string }[], cells: readonly unknown[]): string {
  const found = cells[columns.findIndex((column) => column.name === name)];
  return typeof found === "string" ? found : "";
}

const nodeTableSchema = z
  .object({
    metadata: z.object({ continue: text }),
    columnDefinitions: z.array(z.object({ name: z.string() })).nullish(),
    rows: list(z.object({ cells: z.array(z.unknown()) })),
  })
  .transform(({ metadata, columnDefinitions, rows }) => ({
    nodes: rows.map(({ cells }) => ({
      name: cell("Name", columnDefinitions ?? [], cells),
      ready: !cell("Status", columnDefinitions ?? [], cells)
        .split(",")
        .includes("NotReady"),
    })),
    continueToken: metadata.continue,
  }));

/** A page of the table that `kubectl get nodes` prints. Throws on anything else. */
export const decodeNodeTable = (value: unknown) => nodeTableSchema.parse(value);
