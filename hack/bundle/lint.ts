/**
 * What is wrong with a bundle that the validators of operator-framework/api let pass, and that would show only when OLM, a catalogue or
 * OpenShift's console reads it.
 */
import { load } from "js-yaml";
import { parse } from "semver";
import { z } from "zod";
import { fieldsOf } from "./descriptors.ts";
import type { Files } from "./files.ts";
import { kindsOfOlm } from "./permissions.ts";
import { type FieldSchema, fieldSchema } from "./sources.ts";

const descriptorSchema = z.looseObject({ path: z.string() });
type Descriptor = z.infer<typeof descriptorSchema>;
const ownedSchema = z.looseObject({
  name: z.string(),
  kind: z.string(),
  version: z.string(),
  specDescriptors: z.array(descriptorSchema).default([]),
  statusDescriptors: z.array(descriptorSchema).default([]),
});
const csvSchema = z.looseObject({
  metadata: z.looseObject({
    name: z.string(),
    annotations: z.record(z.string(), z.string()).default({}),
    labels: z.record(z.string(), z.string()).default({}),
  }),
  spec: z.looseObject({
    version: z.string(),
    installModes: z.array(z.looseObject({ type: z.string(), supported: z.boolean() })).default([]),
    relatedImages: z.array(z.looseObject({ name: z.string(), image: z.string() })).default([]),
    customresourcedefinitions: z.looseObject({ owned: z.array(ownedSchema).default([]) }),
    install: z.looseObject({
      spec: z.looseObject({
        deployments: z.array(
          z.looseObject({
            spec: z.looseObject({
              template: z.looseObject({
                spec: z.looseObject({
                  containers: z.array(
                    z.looseObject({
                      image: z.string(),
                      env: z.array(z.looseObject({ name: z.string(), value: z.string().optional() })).default([]),
                    }),
                  ),
                }),
              }),
            }),
          }),
        ),
      }),
    }),
  }),
});
type ServiceVersion = z.infer<typeof csvSchema>;
const crdSchema = z.looseObject({
  metadata: z.looseObject({ name: z.string() }),
  spec: z.looseObject({
    group: z.string(),
    names: z.looseObject({ plural: z.string(), kind: z.string() }),
    versions: z.array(z.looseObject({ name: z.string(), schema: z.looseObject({ openAPIV3Schema: fieldSchema }) })),
  }),
});
type Crd = z.infer<typeof crdSchema>;
const objectSchema = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({ name: z.string(), namespace: z.string().optional() }),
});

/** One sentence for each fault, in a fixed order; none for a bundle that is as it should be. */
export function bundleFaults(files: Files): readonly string[] {
  const objects = [...files]
    .filter(([path]) => path.startsWith("manifests/"))
    .map(([path, text]) => ({ path, object: load(text) }));
  const ofKind = (kind: string) =>
    objects.filter(({ object }) => objectSchema.safeParse(object).data?.kind === kind).map(({ object }) => object);
  const csvs = ofKind("ClusterServiceVersion");
  if (csvs.length !== 1) return [`there are ${csvs.length} ClusterServiceVersions, not one`];
  const read = csvSchema.safeParse(csvs[0]);
  if (!read.success) return [`the ClusterServiceVersion cannot be read: ${z.prettifyError(read.error)}`];
  const crds = ofKind("CustomResourceDefinition").map((object) => crdSchema.parse(object));
  return [
    ...annotationFaults(files.get("metadata/annotations.yaml")),
    ...nameFaults(read.data),
    ...installModeFaults(read.data),
    ...imageFaults(read.data),
    ...featureFaults(read.data),
    ...objects.flatMap(({ path, object }) => objectFaults(path, object)),
    ...read.data.spec.customresourcedefinitions.owned.flatMap((owned) => ownedFaults(owned, crds)),
  ];
}

const prefix = "operators.operatorframework.io.bundle.";
const annotationsSchema = z.looseObject({ annotations: z.record(z.string(), z.string()) });

function annotationFaults(text: string | undefined): readonly string[] {
  const file = "metadata/annotations.yaml";
  if (text === undefined) return [`${file} is missing`];
  const read = annotationsSchema.safeParse(load(text));
  if (!read.success) return [`${file} cannot be read: ${z.prettifyError(read.error)}`];
  const value = (name: string) => read.data.annotations[`${prefix}${name}.v1`] ?? "";
  const fixed = { mediatype: "registry+v1", manifests: "manifests/", metadata: "metadata/" };
  const wrong = Object.entries(fixed)
    .filter(([name, expected]) => value(name) !== expected)
    .map(([name, expected]) => `${file}: ${prefix}${name}.v1 is not ${expected}`);
  const missing = ["package", "channels", "channel.default"]
    .filter((name) => value(name) === "")
    .map((name) => `${file}: ${prefix}${name}.v1 is missing`);
  const channels = value("channels").split(",");
  const isListed = missing.length > 0 || channels.includes(value("channel.default"));
  return [...wrong, ...missing, ...(isListed ? [] : [`${file}: the default channel is none of the channels`])];
}

function nameFaults({ metadata, spec }: ServiceVersion): readonly string[] {
  const faults = [];
  if (parse(spec.version)?.version !== spec.version) faults.push(`version ${spec.version} is no semantic version`);
  if (!metadata.name.endsWith(`.v${spec.version}`)) faults.push(`${metadata.name} is not the name of ${spec.version}`);
  if (metadata.name.length > 63) faults.push(`${metadata.name} has more than 63 characters`);
  return faults;
}

const installModes = ["OwnNamespace", "SingleNamespace", "MultiNamespace", "AllNamespaces"];

function installModeFaults({ spec }: ServiceVersion): readonly string[] {
  const types = spec.installModes.map(({ type }) => type);
  return [
    ...types.filter((type) => !installModes.includes(type)).map((type) => `install mode ${type} does not exist`),
    ...installModes.filter((type) => !types.includes(type)).map((type) => `install mode ${type} is not mentioned`),
  ];
}

function imageFaults({ spec }: ServiceVersion): readonly string[] {
  const related = spec.relatedImages.map(({ image }) => image);
  const used = spec.install.spec.deployments
    .flatMap((deployment) => deployment.spec.template.spec.containers)
    .flatMap(({ image, env }) => [
      image,
      ...env.filter(({ name }) => name.startsWith("RELATED_IMAGE_")).map(({ value = "" }) => value),
    ]);
  return [
    ...[...new Set(used)]
      .filter((image) => !related.includes(image))
      .map((image) => `image ${image} is not in relatedImages`),
    ...related.filter((image) => !used.includes(image)).map((image) => `related image ${image} is used nowhere`),
  ];
}

const features = [
  ..."cnf cni csi disconnected fips-compliant proxy-aware tls-profiles".split(" "),
  ..."token-auth-aws token-auth-azure token-auth-gcp".split(" "),
];

function featureFaults({ metadata: { annotations, labels } }: ServiceVersion): readonly string[] {
  const group = "features.operators.openshift.io/";
  const wrong = features
    .filter((name) => !["true", "false"].includes(annotations[`${group}${name}`] ?? ""))
    .map((name) => `annotation ${group}${name} is neither "true" nor "false"`);
  const unknown = Object.keys(annotations)
    .filter((name) => name.startsWith(group) && !features.includes(name.slice(group.length)))
    .map((name) => `annotation ${name} does not exist`);
  const platform = ["arch", "os"]
    .filter((part) => !Object.keys(labels).some((name) => name.startsWith(`operatorframework.io/${part}.`)))
    .map((part) => `no label operatorframework.io/${part}.*`);
  return [...wrong, ...unknown, ...platform];
}

const ownKinds = ["ClusterServiceVersion", "CustomResourceDefinition"];

function objectFaults(path: string, object: unknown): readonly string[] {
  const read = objectSchema.safeParse(object);
  if (!read.success) return [`${path} is no object`];
  const { kind, metadata } = read.data;
  if (!ownKinds.includes(kind) && !kindsOfOlm.has(kind)) return [`${path}: OLM does not install a ${kind}`];
  return metadata.namespace === undefined ? [] : [`${path}: OLM chooses the namespace, not the bundle`];
}

function ownedFaults(owned: z.infer<typeof ownedSchema>, crds: readonly Crd[]): readonly string[] {
  const crd = crds.find(({ spec }) => spec.names.kind === owned.kind);
  const version = crd?.spec.versions.find(({ name }) => name === owned.version);
  if (crd === undefined || version === undefined) return [`no CRD defines ${owned.kind} ${owned.version}`];
  const name = `${crd.spec.names.plural}.${crd.spec.group}`;
  const schema = version.schema.openAPIV3Schema;
  return [
    ...(owned.name === name ? [] : [`owned CRD ${owned.name} is called ${name}`]),
    ...(crd.metadata.name === name ? [] : [`CRD ${crd.metadata.name} is not called ${name}`]),
    ...descriptorFaults(owned.kind, "spec", owned.specDescriptors, schema),
    ...descriptorFaults(owned.kind, "status", owned.statusDescriptors, schema),
  ];
}

function descriptorFaults(
  kind: string,
  part: "spec" | "status",
  descriptors: readonly Descriptor[],
  schema: FieldSchema,
): readonly string[] {
  const fields = fieldsOf(schema.properties?.[part] ?? {}, part).map(({ path }) => path);
  const described = descriptors.map(({ path }) => path);
  return [
    ...described
      .filter((path) => !fields.includes(path))
      .map((path) => `${kind}: a descriptor is about ${part}.${path}, which does not exist`),
    ...fields.filter((path) => !described.includes(path)).map((path) => `${kind}: ${part}.${path} has no descriptor`),
    ...described
      .filter((path, at) => described.indexOf(path) !== at)
      .map((path) => `${kind}: ${part}.${path} has two descriptors`),
  ];
}
