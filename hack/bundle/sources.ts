/** What the bundle is made from: crds/, manifests/, docs/ and package.json of this clone. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { load, loadAll } from "js-yaml";
import { z } from "zod";
import { cloneDir } from "../cache.ts";

const objectSchema = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({ name: z.string(), namespace: z.string().optional() }),
});
/** An object of the cluster as its manifest has it. */
export type KubeObject = z.infer<typeof objectSchema>;

const deploymentSchema = objectSchema.extend({
  metadata: z.looseObject({ name: z.string(), labels: z.record(z.string(), z.string()).optional() }),
  spec: z.looseObject({
    template: z.looseObject({
      spec: z.looseObject({
        containers: z.array(
          z.looseObject({
            name: z.string(),
            image: z.string(),
            env: z.array(z.looseObject({ name: z.string(), value: z.string().optional() })).optional(),
          }),
        ),
      }),
    }),
  }),
});
export type Deployment = z.infer<typeof deploymentSchema>;

/** A JSON schema as far as the bundle looks into it. */
export interface FieldSchema {
  readonly type?: string | undefined;
  readonly description?: string | undefined;
  readonly default?: unknown;
  readonly enum?: readonly string[] | undefined;
  readonly properties?: Readonly<Record<string, FieldSchema>> | undefined;
  readonly items?: FieldSchema | undefined;
}
export const fieldSchema: z.ZodType<FieldSchema> = z.lazy(() =>
  z.looseObject({
    type: z.string().optional(),
    description: z.string().optional(),
    default: z.unknown().optional(),
    enum: z.array(z.string()).optional(),
    properties: z.record(z.string(), fieldSchema).optional(),
    items: fieldSchema.optional(),
  }),
);

const crdSchema = z.object({
  metadata: z.object({ name: z.string() }),
  spec: z.object({
    names: z.object({ kind: z.string(), plural: z.string() }),
    versions: z.array(z.object({ name: z.string(), schema: z.object({ openAPIV3Schema: fieldSchema }) })),
  }),
});
export interface Crd {
  /** As the manifest has it. */
  readonly object: KubeObject;
  readonly name: string;
  readonly kind: string;
  readonly versions: readonly { readonly name: string; readonly schema: FieldSchema }[];
}

function crdOf(object: KubeObject): Crd {
  const { metadata, spec } = crdSchema.parse(object);
  const versions = spec.versions.map(({ name, schema }) => ({ name, schema: schema.openAPIV3Schema }));
  return { object, name: metadata.name, kind: spec.names.kind, versions };
}

export interface Sources {
  /** Version of package.json; our own images in manifests/ are tagged with it. */
  readonly version: string;
  readonly crds: readonly Crd[];
  readonly manifests: readonly KubeObject[];
  readonly operator: Deployment;
  readonly readme: string;
  /** What a catalogue says beside the README's opening. */
  readonly description: string;
  readonly icon: Buffer;
  /** Of each kind one; the config comes first. */
  readonly examples: readonly KubeObject[];
}

export const operatorName = "runtime-insights-operator";

const read = (...path: readonly string[]): string => readFileSync(join(cloneDir, ...path), "utf8");

/** The objects that a folder's kustomization names, in apply order. */
function readFolder(folder: string): readonly KubeObject[] {
  const { resources } = z
    .looseObject({ resources: z.array(z.string()) })
    .parse(load(read(folder, "kustomization.yaml")));
  return resources.flatMap((file) => loadAll(read(folder, file)).map((document) => objectSchema.parse(document)));
}

/** An example as OLM's console offers it: it wants a fixed name. */
function readExample(file: string, name: string): KubeObject {
  return objectSchema.parse({ ...z.looseObject({}).parse(load(read("docs/examples", file))), metadata: { name } });
}

export function readSources(): Sources {
  const manifests = readFolder("manifests");
  const operator = manifests.find(({ kind, metadata }) => kind === "Deployment" && metadata.name === operatorName);
  return {
    version: z.looseObject({ version: z.string() }).parse(JSON.parse(read("package.json"))).version,
    crds: readFolder("crds").map(crdOf),
    manifests,
    operator: deploymentSchema.parse(operator),
    readme: read("README.md"),
    description: read("hack/bundle/description.md"),
    icon: readFileSync(join(cloneDir, "docs/icon.svg")),
    examples: [readExample("config.yaml", "cluster"), readExample("gather.yaml", "example")],
  };
}
