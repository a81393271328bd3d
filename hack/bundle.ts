/**
 * Writes bundle/ (an OLM bundle) from crds/, manifests/ and docs/examples/; with --check it only says whether it is stale (exit code 1).
 * Needs nothing; leaves nothing else.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { dump, load, loadAll } from "js-yaml";
import { z } from "zod";
import { cloneDir } from "./cache.ts";

const header =
  "# Generated from crds/ and manifests/ by hack/bundle.ts; do not edit. `npm run lint -- --fix` makes it anew.\n";
const operator = "runtime-insights-operator";
const suggestedNamespace = "runtime-insights";
const bundleDir = join(cloneDir, "bundle");

const objectSchema = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({ name: z.string(), namespace: z.string().optional() }),
});
type KubeObject = z.infer<typeof objectSchema>;

const bindingSchema = objectSchema.extend({
  roleRef: z.object({ kind: z.string(), name: z.string() }),
  subjects: z.array(z.looseObject({ kind: z.string(), name: z.string() })),
});
const roleSchema = objectSchema.extend({ rules: z.array(z.record(z.string(), z.unknown())) });
const deploymentSchema = objectSchema.extend({
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
const crdSchema = objectSchema.extend({
  spec: z.looseObject({
    names: z.looseObject({ kind: z.string(), plural: z.string() }),
    versions: z.array(
      z.looseObject({
        name: z.string(),
        schema: z.looseObject({ openAPIV3Schema: z.looseObject({ description: z.string() }) }),
      }),
    ),
  }),
});
type Crd = z.infer<typeof crdSchema>;

/** The objects that a folder's kustomization names, in apply order. */
function readFolder(folder: string): KubeObject[] {
  const dir = join(cloneDir, folder);
  const { resources } = z
    .looseObject({ resources: z.array(z.string()) })
    .parse(load(readFileSync(join(dir, "kustomization.yaml"), "utf8")));
  return resources.flatMap((file) =>
    loadAll(readFileSync(join(dir, file), "utf8")).map((document) => objectSchema.parse(document)),
  );
}

/** An example as OLM's console offers it: it wants a fixed name. */
function readExample(file: string, name: string): object {
  const text = readFileSync(join(cloneDir, "docs/examples", file), "utf8");
  return { ...z.looseObject({}).parse(load(text)), metadata: { name } };
}

interface Grant {
  readonly binding: KubeObject;
  readonly role: z.infer<typeof roleSchema>;
}

/** The roles bound to the operator's account; OLM makes role, binding and account from the rules in the ClusterServiceVersion. */
function operatorGrants(objects: readonly KubeObject[]): readonly Grant[] {
  return objects
    .filter(({ kind }) => kind === "RoleBinding" || kind === "ClusterRoleBinding")
    .map((object) => bindingSchema.parse(object))
    .filter(({ subjects }) => subjects.some(({ name }) => name === operator))
    .map((binding) => {
      const { kind, name } = binding.roleRef;
      const role = objects.find(
        (object) =>
          object.kind === kind &&
          object.metadata.name === name &&
          (kind === "ClusterRole" || object.metadata.namespace === binding.metadata.namespace),
      );
      if (role === undefined) throw new Error(`manifests/ bind ${kind} ${name} but do not hold it`);
      return { binding, role: roleSchema.parse(role) };
    });
}

/** OLM grants namespaced rules in the install namespace only; those for another namespace become cluster-wide. */
function permissions(objects: readonly KubeObject[], scope: "namespace" | "cluster"): object[] {
  return operatorGrants(objects)
    .filter(({ role }) => (role.metadata.namespace === suggestedNamespace) === (scope === "namespace"))
    .map(({ role }) => ({ serviceAccountName: operator, rules: role.rules }));
}

/** What OLM does not make itself, e.g. the roles that the operator binds to its operands. */
function plainObjects(objects: readonly KubeObject[]): readonly KubeObject[] {
  const granted = operatorGrants(objects).flatMap(({ binding, role }) => [keyOf(binding), keyOf(role)]);
  const made = new Set([...granted, `ServiceAccount/${suggestedNamespace}/${operator}`]);
  return objects.filter(
    (object) => object.kind !== "Namespace" && object.kind !== "Deployment" && !made.has(keyOf(object)),
  );
}

const keyOf = ({ kind, metadata }: KubeObject): string => `${kind}/${metadata.namespace ?? ""}/${metadata.name}`;

function serviceVersion(objects: readonly KubeObject[], crds: readonly Crd[], version: string): object {
  const deployment = deploymentSchema.parse(
    objects.find(({ kind, metadata }) => kind === "Deployment" && metadata.name === operator),
  );
  const images = deployment.spec.template.spec.containers.flatMap(({ name, image, env = [] }) => [
    { name, image },
    ...env
      .filter((variable) => variable.name.startsWith("RELATED_IMAGE_"))
      .map((variable) => ({
        name: variable.name.slice("RELATED_IMAGE_".length).toLowerCase().replaceAll("_", "-"),
        image: variable.value ?? "",
      })),
  ]);
  const config = readExample("config.yaml", "cluster");
  return {
    apiVersion: "operators.coreos.com/v1alpha1",
    kind: "ClusterServiceVersion",
    metadata: {
      name: `runtime-insights.v${version}`,
      annotations: {
        "alm-examples": JSON.stringify([config, readExample("gather.yaml", "example")], undefined, 2),
        "operatorframework.io/initialization-resource": JSON.stringify(config, undefined, 2),
        "operatorframework.io/suggested-namespace": suggestedNamespace,
        capabilities: "Basic Install",
        categories: "Monitoring",
        containerImage: deployment.spec.template.spec.containers[0]?.image ?? "",
        description:
          "Finds out which operating systems, language runtimes and frameworks really run in every container",
        support: "Runtime Insights maintainers",
        "features.operators.openshift.io/disconnected": "true",
        "features.operators.openshift.io/fips-compliant": "false",
        "features.operators.openshift.io/proxy-aware": "false",
        "features.operators.openshift.io/token-auth-aws": "false",
        "features.operators.openshift.io/token-auth-azure": "false",
        "features.operators.openshift.io/token-auth-gcp": "false",
      },
      labels: { "operatorframework.io/arch.amd64": "supported", "operatorframework.io/os.linux": "supported" },
    },
    spec: {
      displayName: "Runtime Insights",
      description: description(),
      version,
      maturity: "alpha",
      minKubeVersion: "1.31.0",
      provider: { name: "Runtime Insights" },
      maintainers: [{ name: "Runtime Insights maintainers", email: "maintainers@runtime-insights.invalid" }],
      keywords: ["runtimes", "inventory", "insights", "java", "nodejs"],
      links: [{ name: "Documentation", url: "https://runtime-insights.invalid" }],
      icon: [
        { base64data: readFileSync(join(cloneDir, "docs/icon.svg")).toString("base64"), mediatype: "image/svg+xml" },
      ],
      installModes: [
        { type: "OwnNamespace", supported: true },
        { type: "SingleNamespace", supported: false },
        { type: "MultiNamespace", supported: false },
        { type: "AllNamespaces", supported: false },
      ],
      customresourcedefinitions: { owned: crds.flatMap(ownedKinds) },
      relatedImages: images.filter(({ image }, at) => images.findIndex((one) => one.image === image) === at),
      install: {
        strategy: "deployment",
        spec: {
          clusterPermissions: permissions(objects, "cluster"),
          permissions: permissions(objects, "namespace"),
          deployments: [{ name: operator, spec: deployment.spec }],
        },
      },
    },
  };
}

const ownedKinds = ({ metadata, spec }: Crd): object[] =>
  spec.versions.map((version) => ({
    name: metadata.name,
    kind: spec.names.kind,
    version: version.name,
    displayName: spec.names.kind,
    description: version.schema.openAPIV3Schema.description,
  }));

/** The README's opening, up to its first section. */
function description(): string {
  const readme = readFileSync(join(cloneDir, "README.md"), "utf8");
  const start = readme.indexOf("\n") + 1;
  return readme.slice(start, readme.indexOf("\n## ")).trim();
}

const annotations = {
  annotations: {
    "operators.operatorframework.io.bundle.mediatype.v1": "registry+v1",
    "operators.operatorframework.io.bundle.manifests.v1": "manifests/",
    "operators.operatorframework.io.bundle.metadata.v1": "metadata/",
    "operators.operatorframework.io.bundle.package.v1": "runtime-insights",
    "operators.operatorframework.io.bundle.channels.v1": "candidate",
    "operators.operatorframework.io.bundle.channel.default.v1": "candidate",
  },
};

/** Every file of the bundle with its text. */
function bundle(): ReadonlyMap<string, string> {
  const { version } = z
    .looseObject({ version: z.string() })
    .parse(JSON.parse(readFileSync(join(cloneDir, "package.json"), "utf8")));
  const objects = readFolder("manifests");
  const crds = readFolder("crds").map((object) => crdSchema.parse(object));
  const yaml = (value: object) => header + dump(value, { lineWidth: -1, noRefs: true });
  const withoutNamespace = ({ metadata: { namespace: _, ...metadata }, ...rest }: KubeObject) => ({
    ...rest,
    metadata,
  });
  return new Map([
    ["metadata/annotations.yaml", yaml(annotations)],
    ["manifests/runtime-insights.clusterserviceversion.yaml", yaml(serviceVersion(objects, crds, version))],
    ...crds.map((crd): [string, string] => [`manifests/${crd.metadata.name}.crd.yaml`, yaml(crd)]),
    ...plainObjects(objects).map((object): [string, string] => [
      `manifests/${object.metadata.name}.${object.kind.toLowerCase()}.yaml`,
      yaml(withoutNamespace(object)),
    ]),
  ]);
}

function filesBelow(dir: string): string[] {
  if (!existsSync(dir)) return [];
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

const { values } = parseArgs({ options: { check: { type: "boolean", default: false } } });
const wanted = new Map([...bundle()].map(([file, text]) => [join(bundleDir, file), text]));
const stale = [...wanted]
  .filter(([file, text]) => !existsSync(file) || readFileSync(file, "utf8") !== text)
  .map(([file]) => file);
const extra = filesBelow(bundleDir).filter((file) => !wanted.has(file));
if (values.check) {
  for (const file of [...stale, ...extra])
    console.error(`${file.slice(cloneDir.length + 1)} is stale: run npm run lint -- --fix`);
  process.exitCode = stale.length + extra.length === 0 ? 0 : 1;
} else {
  for (const file of extra) rmSync(file);
  for (const [file, text] of wanted) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
}
