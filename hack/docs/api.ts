/** The page docs/api.md: every field of our kinds, from their CRDs. */
import { z } from "zod";

const ruleSchema = z.object({ rule: z.string(), message: z.string() });
const nodeSchema = z.object({
  type: z.string().optional(),
  format: z.string().optional(),
  description: z.string().optional(),
  default: z.unknown().optional(),
  enum: z.array(z.string()).optional(),
  pattern: z.string().optional(),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
  minLength: z.number().optional(),
  maxLength: z.number().optional(),
  minItems: z.number().optional(),
  maxItems: z.number().optional(),
  maxProperties: z.number().optional(),
  required: z.array(z.string()).default([]),
  "x-kubernetes-int-or-string": z.boolean().default(false),
  "x-kubernetes-list-type": z.string().optional(),
  "x-kubernetes-validations": z.array(ruleSchema).default([]),
  get properties() {
    return z.record(z.string(), nodeSchema).optional();
  },
  get items() {
    return nodeSchema.optional();
  },
  get additionalProperties() {
    return nodeSchema.optional();
  },
});
type Node = z.infer<typeof nodeSchema>;

const columnSchema = z.object({
  name: z.string(),
  jsonPath: z.string(),
  priority: z.number().default(0),
});
export const crdSchema = z.object({
  spec: z.object({
    group: z.string(),
    scope: z.string(),
    names: z.object({ kind: z.string(), plural: z.string(), shortNames: z.array(z.string()) }),
    versions: z.array(
      z.object({
        name: z.string(),
        additionalPrinterColumns: z.array(columnSchema),
        schema: z.object({ openAPIV3Schema: nodeSchema }),
      }),
    ),
  }),
});
export type Crd = z.infer<typeof crdSchema>;

/** One field; `path` has `[]` after a list and `.KEY` for the values of a map. */
export interface Field {
  readonly path: string;
  readonly node: Node;
  readonly isRequired: boolean;
}

/** The fields below a node, each before its own, in the schema's order. */
export function fieldsOf(node: Node, path: string): readonly Field[] {
  const { properties = {}, required, items, additionalProperties } = node;
  return [
    ...Object.entries(properties).flatMap(([name, child]) => {
      const childPath = `${path}.${name}`;
      return [{ path: childPath, node: child, isRequired: required.includes(name) }, ...fieldsOf(child, childPath)];
    }),
    ...(items === undefined ? [] : fieldsOf(items, `${path}[]`)),
    ...(additionalProperties === undefined ? [] : fieldsOf(additionalProperties, `${path}.KEY`)),
  ];
}

const isDuration = (node: Node): boolean =>
  node["x-kubernetes-validations"].some(({ rule }) => rule.startsWith("duration(self)"));

function typeOf(node: Node): string {
  if (isDuration(node)) return "duration";
  if (node["x-kubernetes-int-or-string"]) return "quantity";
  if (node.format === "date-time") return "time";
  if (node.items !== undefined) return `list of ${typeOf(node.items)}`;
  if (node.additionalProperties !== undefined) return `map to ${typeOf(node.additionalProperties)}`;
  return node.type ?? "any";
}

const range = (min: number | undefined, max: number | undefined, what: string): readonly string[] => {
  if (min !== undefined && max !== undefined) return [`${min} to ${max}${what}`];
  if (max !== undefined) return [`at most ${max}${what}`];
  return min === undefined ? [] : [`at least ${min}${what}`];
};

/** What the API server refuses otherwise; that of a list's values behind that of the list. */
function limitsOf(node: Node): readonly string[] {
  const inner = node.items ?? node.additionalProperties;
  const messages = node["x-kubernetes-validations"].map(({ message }) => message);
  // The form of these is Kubernetes' and told once for all.
  if (isDuration(node) || node["x-kubernetes-int-or-string"]) return messages;
  return [
    ...(node.enum === undefined ? [] : [node.enum.map(code).join(", ")]),
    ...range(node.minimum, node.maximum, ""),
    ...range(node.minLength, node.maxLength, " characters"),
    ...range(node.minItems, node.maxItems, " items"),
    ...range(undefined, node.maxProperties, " keys"),
    ...(node["x-kubernetes-list-type"] === "set" ? ["no value twice"] : []),
    ...(node.pattern === undefined ? [] : [code(node.pattern)]),
    ...messages,
    ...(inner === undefined ? [] : limitsOf(inner).map((limit) => `each: ${limit}`)),
  ];
}

const code = (text: string): string => `\`${text}\``;
const cell = (text: string): string => text.replaceAll("|", "\\|");
const row = (cells: readonly string[]): string => `| ${cells.map(cell).join(" | ")} |`;
const tableOf = (titles: readonly string[], rows: readonly (readonly string[])[]): string =>
  [row(titles), row(titles.map(() => "---")), ...rows.map(row)].join("\n");

function defaultOf({ default: value }: Node): string {
  if (value === undefined || (typeof value === "object" && value !== null)) return "";
  return code(String(value));
}

function section(title: string, node: Node | undefined, path: string): string {
  const rows = (node === undefined ? [] : fieldsOf(node, path)).map(({ path: at, node: field, isRequired }) => [
    code(at),
    typeOf(field),
    isRequired ? "required" : defaultOf(field),
    limitsOf(field).join("; "),
    field.description ?? "",
  ]);
  const own = node?.["x-kubernetes-validations"].map(({ message }) => `The API server holds it to: ${message}.`) ?? [];
  return [`### ${title}`, ...own, tableOf(["field", "type", "default", "limits", "meaning"], rows)].join("\n\n");
}

function kindPart({ spec: { group, scope, names, versions } }: Crd): string {
  return versions
    .flatMap(({ name, additionalPrinterColumns: columns, schema: { openAPIV3Schema: root } }) => {
      const rules = root["x-kubernetes-validations"].map(({ message }) => `The API server holds it to: ${message}.`);
      const printed = columns.map((column) => [
        column.name,
        code(column.jsonPath),
        column.priority === 0 ? "" : "with `-o wide`",
      ]);
      return [
        `## ${names.kind}`,
        [
          root.description ?? "",
          `\`${group}/${name}\`, ${scope === "Cluster" ? "cluster-scoped" : "namespaced"}; \`kubectl get ${names.shortNames[0] ?? names.plural}\`.`,
          ...rules,
        ].join(" "),
        section("spec", root.properties?.spec, "spec"),
        section("status", root.properties?.status, "status"),
        "### Columns",
        tableOf(["column", "of", ""], printed),
      ];
    })
    .join("\n\n");
}

const opening = `<!-- Written by hack/docs/write.ts from crds/, which are written from src/api; \`npm run lint -- --fix\` makes both anew. -->
# API reference

Every field of our two kinds, as \`kubectl explain ire.spec\` shows them too. A list's values are \`[]\`, a map's are \`KEY\`. Durations are numbers with \`h\`, \`m\`, \`s\`, such as \`1h30m\`; times are RFC 3339; quantities are Kubernetes', such as
\`250m\` or \`64Mi\`. What a condition says, and what to do: [conditions](conditions.md). What leaves the cluster: [archive](archive.md).`;

/** The whole page. */
export function apiPage(crds: readonly Crd[]): string {
  return `${[opening, ...crds.map(kindPart)].join("\n\n")}\n`;
}

/** Fields that nobody has described, a sentence each. */
export function undescribed(crds: readonly Crd[]): readonly string[] {
  return crds.flatMap(({ spec: { names, versions } }) =>
    versions.flatMap(({ schema: { openAPIV3Schema: root } }) =>
      fieldsOf(root, names.kind)
        .filter(({ node }) => node.description === undefined)
        .map(({ path }) => `${path} has no description: give it one in src/api`),
    ),
  );
}
