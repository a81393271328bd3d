import { test } from "uvu";
import * as assert from "uvu/assert";
import { and, annotations, crd, csv, good, replaced, without, withValue } from "./broken.fixture.ts";
import type { Files } from "./files.ts";
import { bundleFaults } from "./lint.ts";

const bundlePrefix = "operators.operatorframework.io.bundle.";
const rows: readonly (readonly [rule: string, files: Files, faults: readonly string[]])[] = [
  ["as it is made", good, []],
  ["no annotations.yaml", without(annotations), ["metadata/annotations.yaml is missing"]],
  [
    "another media type",
    replaced(annotations, "registry+v1", "registry+v2"),
    [`${annotations}: ${bundlePrefix}mediatype.v1 is not registry+v1`],
  ],
  [
    "no package",
    replaced(annotations, `${bundlePrefix}package.v1`, "package"),
    [`${annotations}: ${bundlePrefix}package.v1 is missing`],
  ],
  [
    "a default channel that is none",
    replaced(annotations, "default.v1: stable", "default.v1: fast"),
    [`${annotations}: the default channel is none of the channels`],
  ],
  ["no ClusterServiceVersion", without(csv), ["there are 0 ClusterServiceVersions, not one"]],
  [
    "a name of another version",
    replaced(csv, "name: runtime-insights.v0.1.0", "name: runtime-insights.v0.1.1"),
    ["runtime-insights.v0.1.1 is not the name of 0.1.0"],
  ],
  [
    "no semantic version",
    withValue(["spec", "version"], "0.1.0.0"),
    ["version 0.1.0.0 is no semantic version", "runtime-insights.v0.1.0 is not the name of 0.1.0.0"],
  ],
  [
    "a name too long for a label",
    replaced(csv, "name: runtime-insights.v0.1.0", `name: ${"a".repeat(60)}.v0.1.0`),
    [`${"a".repeat(60)}.v0.1.0 has more than 63 characters`],
  ],
  [
    "a mistyped install mode",
    replaced(csv, "type: OwnNamespace", "type: OwnNamespaces"),
    ["install mode OwnNamespaces does not exist", "install mode OwnNamespace is not mentioned"],
  ],
  [
    "images that nobody lists",
    withValue(["spec", "relatedImages"], []),
    ["operator", "node"]
      .map((name) => `image localhost/runtime-insights-${name}:0.1.0 is not in relatedImages`)
      .concat("image localhost/kube-rbac-proxy:v0.19.1 is not in relatedImages")
      .sort(),
  ],
  [
    "a claim of neither kind",
    replaced(csv, "proxy-aware: 'false'", "proxy-aware: 'no'"),
    ['annotation features.operators.openshift.io/proxy-aware is neither "true" nor "false"'],
  ],
  [
    "a claim nobody knows",
    replaced(csv, "features.operators.openshift.io/csi: 'false'", "features.operators.openshift.io/cdi: 'false'"),
    [
      'annotation features.operators.openshift.io/csi is neither "true" nor "false"',
      "annotation features.operators.openshift.io/cdi does not exist",
    ],
  ],
  [
    "no architecture",
    replaced(csv, "operatorframework.io/arch.amd64: supported", "arch: amd64"),
    ["no label operatorframework.io/arch.*"],
  ],
  [
    "a kind that OLM does not install",
    and({ apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata: { name: "a" } }),
    ["manifests/more.yaml: OLM does not install a NetworkPolicy"],
  ],
  [
    "a namespace in an object",
    and({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a", namespace: "b" } }),
    ["manifests/more.yaml: OLM chooses the namespace, not the bundle"],
  ],
  [
    "a wrong plural in the ClusterServiceVersion",
    replaced(csv, "- name: runtimegathers.runtimes", "- name: runtimegather.runtimes"),
    ["owned CRD runtimegather.runtimes.insights.openshift.io is called runtimegathers.runtimes.insights.openshift.io"],
  ],
  [
    "a version that no CRD has",
    replaced(crd, "- name: v1alpha1", "- name: v1alpha2"),
    ["no CRD defines RuntimeGather v1alpha1"],
  ],
  [
    "a descriptor of another field",
    replaced(csv, "path: gather.podLimit", "path: gather.limit"),
    [
      "InsightsRuntimeExtractor: a descriptor is about spec.gather.limit, which does not exist",
      "InsightsRuntimeExtractor: spec.gather.podLimit has no descriptor",
    ],
  ],
  [
    "two descriptors of a field",
    replaced(csv, "path: gather.podLimit", "path: gather.interval"),
    [
      "InsightsRuntimeExtractor: spec.gather.podLimit has no descriptor",
      "InsightsRuntimeExtractor: spec.gather.interval has two descriptors",
    ],
  ],
  [
    "a field that the CRD lost",
    replaced(crd, "                took:\n", "                taken:\n"),
    [
      "RuntimeGather: a descriptor is about status.took, which does not exist",
      "RuntimeGather: status.taken has no descriptor",
    ],
  ],
];
for (const [rule, files, faults] of rows)
  test(`a bundle's faults: ${rule}`, () => {
    assert.equal([...bundleFaults(files)].sort(), [...faults].sort());
  });

test.run();
