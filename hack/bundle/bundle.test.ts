import { load } from "js-yaml";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import { type Grant, grantsOf, readManifests, told } from "../permissions.ts";
import { type BundleOptions, bundleFiles } from "./bundle.ts";
import { fieldsOf } from "./descriptors.ts";
import { suggestedNamespace } from "./names.ts";
import { installedBy } from "./olm.fixture.ts";
import { readSources } from "./sources.ts";

const sources = readSources();
const files = (options: BundleOptions = { version: sources.version }) => bundleFiles(options, sources);
const csvPath = "manifests/runtime-insights.clusterserviceversion.yaml";

const csvSchema = z.looseObject({
  metadata: z.looseObject({ name: z.string(), annotations: z.record(z.string(), z.string()) }),
  spec: z.looseObject({
    version: z.string(),
    replaces: z.string().optional(),
    description: z.string(),
    relatedImages: z.array(z.object({ name: z.string(), image: z.string() })),
    customresourcedefinitions: z.object({
      owned: z.array(z.looseObject({ kind: z.string(), resources: z.array(z.object({ kind: z.string() })) })),
    }),
  }),
});
for (const [version, channels, usual] of [
  ["1.2.3", "stable,candidate", "stable"],
  ["1.2.3-rc.1", "candidate", "candidate"],
] as const)
  test(`${version}: tools that go by the bundle alone put it into ${channels}`, () => {
    const text = files({ version }).get("metadata/annotations.yaml") ?? "";
    assert.match(text, `channels.v1: ${channels}\n`);
    assert.match(text, `channel.default.v1: ${usual}\n`);
  });

const csv = (options?: BundleOptions) => csvSchema.parse(load(files(options).get(csvPath) ?? ""));

/** The same rights after an installation elsewhere; OLM can grant nothing in a namespace other than its own, so events are allowed in all. */
const elsewhere = (grant: Grant, namespace: string): Grant => {
  if (grant.resource === undefined) return grant;
  const places: Readonly<Record<string, string>> = { [suggestedNamespace]: namespace, default: "" };
  return { ...grant, resource: { ...grant.resource, namespace: places[grant.resource.namespace] ?? "" } };
};

for (const namespace of [suggestedNamespace, "elsewhere"])
  test(`installed by OLM into ${namespace}, every account has the rights of the plain manifests and no other`, () => {
    const shipped = grantsOf(readManifests()).map((grant) => told(elsewhere(grant, namespace)));
    assert.equal(grantsOf(installedBy(files(), namespace)).map(told).sort(), shipped.sort());
  });

test("what OLM grants in all namespaces instead of one is the making of events, and nothing else", () => {
  const wider = grantsOf(readManifests()).filter(({ resource }) => resource?.namespace === "default");
  assert.equal(wider.map(told), ["runtime-insights-operator: create events in default"]);
});

test("no right of the bundle depends on the name of the namespace", () => {
  const names = grantsOf(installedBy(files(), "elsewhere")).map(({ resource }) => resource?.name ?? "");
  assert.not(names.includes(suggestedNamespace));
});

test("a version's own images follow it, those of others stay", () => {
  const { metadata, spec } = csv({ version: "0.2.0", replaces: "0.1.0" });
  assert.is(metadata.name, "runtime-insights.v0.2.0");
  assert.is(spec.version, "0.2.0");
  assert.is(spec.replaces, "runtime-insights.v0.1.0");
  assert.equal(spec.relatedImages, [
    { name: "operator", image: "localhost/runtime-insights-operator:0.2.0" },
    { name: "insights-runtime-extractor", image: "localhost/runtime-insights-node:0.2.0" },
    { name: "kube-rbac-proxy", image: "localhost/kube-rbac-proxy:v0.19.1" },
  ]);
});

const digest = `sha256:${"a".repeat(64)}`;
const pinned = (ref: string) => `registry.example/${ref.replace(/^localhost\//, "").replace(/:[^:]*$/, "")}@${digest}`;

test("pinned images leave no tag in the bundle, and only then it can be mirrored", () => {
  const made = files({ version: "0.2.0", image: pinned, registry: "registry.example" });
  for (const [path, text] of made) assert.not.match(text, /localhost\//, path);
  const disconnected = (options: BundleOptions) =>
    csv(options).metadata.annotations["features.operators.openshift.io/disconnected"];
  assert.is(disconnected({ version: "0.2.0", image: pinned }), "true");
  assert.is(disconnected({ version: "0.2.0" }), "false");
  const butOne = (ref: string) => (ref.includes("kube-rbac-proxy") ? ref : pinned(ref));
  assert.is(disconnected({ version: "0.2.0", image: butOne }), "false");
});

test("the same input gives the same bytes", () => {
  assert.equal([...files()], [...bundleFiles({ version: sources.version })]);
});

const kindOf: Readonly<Record<string, string>> = {
  clusterrolebindings: "ClusterRoleBinding",
  configmaps: "ConfigMap",
  daemonsets: "DaemonSet",
  deployments: "Deployment",
  networkpolicies: "NetworkPolicy",
  prometheusrules: "PrometheusRule",
  secrets: "Secret",
  securitycontextconstraints: "SecurityContextConstraints",
  serviceaccounts: "ServiceAccount",
  servicemonitors: "ServiceMonitor",
  services: "Service",
};
/** What the operator makes without the config being its cause. */
const notOfConfig = ["events", "leases", "runtimegathers", "subjectaccessreviews", "tokenreviews"];

test("the resources of the config are what the operator may make, and their pods", () => {
  const made = grantsOf(readManifests())
    .filter(({ account, verb }) => account === "runtime-insights-operator" && verb === "create")
    .flatMap(({ resource }) => (resource === undefined ? [] : [resource.resource]))
    .filter((resource) => !notOfConfig.includes(resource))
    .map((resource) => kindOf[resource] ?? resource);
  const listed = csv().spec.customresourcedefinitions.owned.find(({ kind }) => kind === "InsightsRuntimeExtractor");
  assert.equal(listed?.resources.map(({ kind }) => kind).sort(), [...new Set(made), "Pod"].sort());
});

test("the description has no link that leads nowhere outside the sources", () => {
  const { description } = csv().spec;
  assert.not.match(description, /\]\((?!https?:)/);
  assert.match(description, /What the kernel has mapped/);
  assert.match(description, /## Remove it/);
});

test("the fields that the description names are there", () => {
  const fields = sources.crds.flatMap(({ versions }) =>
    versions.flatMap(({ schema }) => fieldsOf(schema.properties?.spec ?? {}, "spec").map(({ path }) => path)),
  );
  const named = [...csv().spec.description.matchAll(/`spec\.([A-Za-z.]+)/g)].map(([, path = ""]) => path);
  assert.ok(named.length > 3);
  assert.equal(
    named.filter((path) => !fields.includes(path)),
    [],
  );
});

test("the suggested namespace is the one of the manifests, with its Pod Security labels", () => {
  const { annotations } = csv().metadata;
  const template: unknown = JSON.parse(annotations["operatorframework.io/suggested-namespace-template"] ?? "");
  assert.equal(
    template,
    sources.manifests.find(({ kind }) => kind === "Namespace"),
  );
});

test.run();
