/** What there is for pages to name, read from this clone. */
import { existsSync, globSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { load } from "js-yaml";
import { z } from "zod";
import { specSchema } from "../../src/api/config.ts";
import { apiVersion } from "../../src/api/object.ts";
import { requestSpecSchema } from "../../src/api/request.ts";
import { audiences, operands } from "../../src/core/operands.ts";
import { cloneDir } from "../cache.ts";
import { imageNames } from "../images/images.ts";
import { crdSchema, fieldsOf } from "./api.ts";
import type { World } from "./drift.ts";
import { type Page, pageOf } from "./markdown.ts";
import { readShipped } from "./shipped.ts";

/** Of kinds that are not ours. */
const foreignFields = ["spec.featureSet", "status.featureGates", "status.desired.version"];

const readText = (path: string): string => readFileSync(join(cloneDir, path), "utf8");

/** The pages that people read, by path. */
export function readPages(): ReadonlyMap<string, Page> {
  const paths = globSync(["*.md", "docs/**/*.md", "extractor/*.md"], { cwd: cloneDir }).sort();
  return new Map(paths.map((path) => [path, pageOf(readText(path))]));
}

/** Fields of our kinds, those of both together. */
function readFields(): ReadonlySet<string> {
  const crds = ["insightsruntimeextractors", "runtimegathers"].map((plural) =>
    crdSchema.parse(load(readText(`crds/${plural}.yaml`))),
  );
  return new Set(
    crds.flatMap(({ spec: { versions } }) =>
      versions.flatMap(({ schema }) => fieldsOf(schema.openAPIV3Schema, "").map(({ path }) => path.slice(1))),
    ),
  );
}

/** Each script with the text of its file and those beside it, where its options are read. */
function readScripts(): ReadonlyMap<string, string> {
  const { scripts } = z
    .object({ scripts: z.record(z.string(), z.string()) })
    .parse(JSON.parse(readText("package.json")));
  return new Map(
    Object.entries(scripts).map(([name, command]) => {
      const file = /[\w./-]+\.ts\b/.exec(command)?.[0];
      const folder = file === undefined ? undefined : dirname(file);
      const files =
        folder === undefined ? [] : readdirSync(join(cloneDir, folder)).filter((one) => one.endsWith(".ts"));
      return [name, [command, ...files.map((one) => readText(join(folder ?? "", one)))].join("\n")];
    }),
  );
}

const namedSchema = z.object({ metadata: z.object({ name: z.string() }) });

function readNames(): ReadonlySet<string> {
  const { manifests, standalone } = readShipped();
  return new Set([
    ...[...manifests, ...standalone].flatMap((object) => namedSchema.safeParse(object).data?.metadata.name ?? []),
    ...operands.map(({ name }) => name),
    ...Object.values(audiences),
    ...[...imageNames, "bundle", "catalogue"].map((name) => `runtime-insights-${name}`),
  ]);
}

const anyObject = z.looseObject({
  apiVersion: z.string().default(apiVersion),
  kind: z.string(),
  spec: z.unknown().optional(),
});
const specs: Readonly<Record<string, z.ZodType>> = {
  InsightsRuntimeExtractor: specSchema,
  RuntimeGather: requestSpecSchema,
};

/** Objects of other groups are not judged. */
function problemOfObject(value: unknown, fields: ReadonlySet<string>): string | undefined {
  const { data } = anyObject.safeParse(value);
  if (data === undefined) return "it is no Kubernetes object";
  if (data.apiVersion !== apiVersion) return undefined;
  const schema = specs[data.kind];
  if (schema === undefined) return `there is no kind ${data.kind}`;
  const unknown = pathsOf(data.spec ?? {}, "spec").find((path) => !fields.has(path));
  if (unknown !== undefined) return `there is no field ${unknown}`;
  const { error } = schema.safeParse(data.spec ?? {});
  return error === undefined ? undefined : z.prettifyError(error);
}

/** The fields that a value sets, lists as `[]`; what is below a map of labels is the reader's. */
function pathsOf(value: unknown, path: string): readonly string[] {
  if (Array.isArray(value)) return value.flatMap((one) => pathsOf(one, `${path}[]`));
  if (typeof value !== "object" || value === null || path.endsWith("nodeSelector")) return [];
  return Object.entries(value).flatMap(([key, one]) => [`${path}.${key}`, ...pathsOf(one, `${path}.${key}`)]);
}

export function readWorld(pages: ReadonlyMap<string, Page>): World {
  const fields = readFields();
  return {
    exists: (path) =>
      path.includes("*")
        ? globSync(path, { cwd: cloneDir }).length > 0
        : existsSync(join(cloneDir, path)) ||
          globSync(
            ["extractor", "extractor/*"].map((crate) => join(crate, path)),
            { cwd: cloneDir },
          ).length > 0,
    anchorsOf: (path) => pages.get(path)?.anchors ?? new Set(),
    scripts: readScripts(),
    fields,
    foreignFields: new Set(foreignFields),
    names: readNames(),
    problemOfObject: (object) => problemOfObject(object, fields),
  };
}
