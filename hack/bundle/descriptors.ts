/** What OpenShift's console says beside each field of a custom resource, made from the CRD's schema. */
import type { FieldSchema } from "./sources.ts";

export interface Descriptor {
  readonly path: string;
  readonly displayName: string;
  readonly description?: string;
  readonly "x-descriptors": readonly string[];
}

type Part = "spec" | "status";

const ui = (capability: string): string => `urn:alm:descriptor:com.tectonic.ui:${capability}`;
const statusText = "urn:alm:descriptor:text";

interface Field {
  readonly path: string;
  readonly name: string;
  readonly schema: FieldSchema;
  /** The paths of the objects around it, outermost first. */
  readonly around: readonly string[];
  /** The array whose items have this field. */
  readonly array?: string;
}

/** Every field below the schema. Items of an array have `[0]` in their path; those of a status are shown as a whole, and not entered. */
export function fieldsOf(schema: FieldSchema, part: Part): readonly Field[] {
  return below({ path: "", name: "", schema, around: [] }, part);
}

function below(parent: Field, part: Part): readonly Field[] {
  const { properties = {}, items } = parent.schema;
  const around = parent.path === "" ? [] : [...parent.around, parent.path];
  const own = Object.entries(properties).flatMap(([name, schema]) => {
    const path = parent.path === "" ? name : `${parent.path}.${name}`;
    const field: Field = { path, name, schema, around, ...(parent.array === undefined ? {} : { array: parent.array }) };
    return [field, ...below(field, part)];
  });
  if (items === undefined || part === "status") return own;
  const { path, name } = parent;
  return [...own, ...below({ path: `${path}[0]`, name, schema: items, around: parent.around, array: name }, part)];
}

/** One descriptor for every field, in the schema's order. */
export const descriptorsOf = (schema: FieldSchema, part: Part): readonly Descriptor[] =>
  fieldsOf(schema, part).map((field) => ({
    path: field.path,
    displayName: displayName(field.name),
    ...(field.schema.description === undefined ? {} : { description: field.schema.description }),
    "x-descriptors": part === "spec" ? specCapabilities(field) : statusCapabilities(field),
  }));

/** Fields of a form that only few change; the console folds them away. */
const advanced = [
  "extractor",
  "gather.nodeConcurrency",
  "gather.nodeTimeout",
  "gather.podLimit",
  "images",
  "lifecycle",
  "logLevel",
  "storage",
  "upload.caConfigMapRef",
  "upload.interval",
  "upload.proxy",
];

const isAdvanced = (path: string) => advanced.some((one) => path === one || path.startsWith(`${one}.`));

function specCapabilities({ path, schema, around, array }: Field): readonly string[] {
  const outer = around.at(-1);
  return [
    ...inputs(path, schema),
    ...(array !== undefined
      ? [ui(`arrayFieldGroup:${array}`)]
      : outer === undefined
        ? []
        : [ui(`fieldGroup:${outer}`)]),
    ...(isAdvanced(path) ? [ui("advanced")] : []),
  ];
}

/** A Secret or ConfigMap is typed, not chosen: the console would offer those of all namespaces, and only the operator's counts. */
function inputs(path: string, schema: FieldSchema): readonly string[] {
  if (path.endsWith("resources")) return [ui("resourceRequirements")];
  if (schema.enum !== undefined) return schema.enum.map((value) => ui(`select:${value}`));
  switch (schema.type) {
    case "integer":
      return [ui("number")];
    case "boolean":
      return [ui("booleanSwitch")];
    case "object":
    case "array":
      return [];
    default:
      return [ui("text")];
  }
}

function statusCapabilities({ name, schema }: Field): readonly string[] {
  if (name === "conditions") return ["urn:alm:descriptor:io.kubernetes.conditions"];
  return schema.type === "object" || schema.type === "array" ? [] : [statusText];
}

const written: Readonly<Record<string, string>> = {
  caConfigMapRef: "CA ConfigMap",
  durationsMs: "Durations in milliseconds",
  emptyDir: "EmptyDir",
  requestId: "Request ID",
  sha256: "SHA-256",
  tokenSecretRef: "Token Secret",
};
const acronyms = /^(cpu|uid|url|id)$/;

/** A field's name as words: `nodeTimeout` is `Node timeout`. */
export function displayName(name: string): string {
  const known = written[name];
  if (known !== undefined) return known;
  const words = name.replaceAll(/([a-z0-9])([A-Z])/g, "$1 $2").toLowerCase();
  if (acronyms.test(words)) return words.toUpperCase();
  return words.slice(0, 1).toUpperCase() + words.slice(1);
}
