import { test } from "uvu";
import * as assert from "uvu/assert";
import { say } from "../build.ts";
import { and, annotations, crd, csv, good, replaced, without, withValue } from "./broken.fixture.ts";
import { allCheckers, type Checker, type Checkers, prepareCheckers } from "./checkers.ts";
import type { Files } from "./files.ts";

let checkers: Checkers;
test("the field's checkers are there", async () => {
  checkers = await prepareCheckers(say);
});

const annotation = (name: string) => ["metadata", "annotations", name];
const strategy = ["spec", "install", "spec"];
const owned = ["spec", "customresourcedefinitions", "owned"];
const withExamples = (...examples: readonly object[]): Files =>
  withValue(annotation("alm-examples"), JSON.stringify(examples));
const apiVersion = "runtimes.insights.openshift.io/v1alpha1";
const config = (more: object) => ({
  ...{ apiVersion, kind: "InsightsRuntimeExtractor", metadata: { name: "cluster" } },
  ...more,
});
const gather = { apiVersion, kind: "RuntimeGather", metadata: { name: "example" }, spec: {} };

type Says = Partial<Record<Checker, RegExp>>;

/** Which checker finds it, and in which words. Of those not named the validators and our own rules are asked, too, and say nothing. */
const rows: readonly (readonly [defect: string, files: Files, says: Says])[] = [
  [
    "a CRD is missing",
    without(crd),
    {
      validators: /error: Bundle: owned CRD .*RuntimeGather" not found/,
      "olm-bundle-validation": /owned CRD .*RuntimeGather" not found/,
      ours: /no CRD defines RuntimeGather v1alpha1/,
    },
  ],
  [
    "minKubeVersion is no version",
    withValue(["spec", "minKubeVersion"], "1.31"),
    {
      validators: /MinKubeVersion has an invalid value: 1.31/,
      "olm-bundle-validation": /MinKubeVersion has an invalid/,
    },
  ],
  [
    "an example of no kind of ours",
    withExamples(config({ kind: "Other", spec: {} }), gather),
    {
      validators: /error: ClusterServiceVersion: example must have a provided API/,
      "olm-status-descriptors": /Failed to find an owned CRD for CR cluster/,
    },
  ],
  [
    "an example with a field that the CRD has not",
    withExamples(config({ spec: { other: 1 } }), gather),
    {
      "olm-crds-have-validation": /Add CRD validation for spec field `other`/,
      "olm-spec-descriptors": /other does not have a spec descriptor/,
    },
  ],
  [
    "an example without spec",
    withExamples(config({}), gather),
    { "basic-check-spec": /spec missing from \[cluster\]/, "olm-spec-descriptors": /fail/ },
  ],
  [
    "an example with a status that nothing describes",
    new Map([
      ...withExamples(config({ spec: {}, status: { version: "1" } }), gather),
      [
        csv,
        (withExamples(config({ spec: {}, status: { version: "1" } }), gather).get(csv) ?? "").replace(
          "statusDescriptors:",
          "descriptors:",
        ),
      ],
    ]),
    { "olm-status-descriptors": /does not have a status descriptor/, ours: /status.version has no descriptor/ },
  ],
  [
    "the operator's account twice",
    and({ apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "runtime-insights-operator" } }),
    { validators: /error: Bundle: invalid service account found/ },
  ],
  [
    "a budget that forbids every eviction",
    and({
      ...{ apiVersion: "policy/v1", kind: "PodDisruptionBudget", metadata: { name: "a" } },
      spec: { minAvailable: "100%" },
    }),
    { validators: /error: Object: minAvailable field cannot be set to 100%/ },
  ],
  [
    "an API that Kubernetes has removed",
    and({ apiVersion: "policy/v1beta1", kind: "PodDisruptionBudget", metadata: { name: "a" }, spec: {} }),
    { validators: /error: AlphaDeprecatedAPIs: .* removed in v1.25/ },
  ],
  [
    "a capability level that does not exist",
    withValue(annotation("capabilities"), "Deep"),
    { validators: /error: StandardCapabilities: .*"Deep" is not a valid/ },
  ],
  [
    "a category that does not exist",
    withValue(annotation("categories"), "Insight"),
    { validators: /error: StandardCategories: .*"Insight" is not in the set/ },
  ],
  [
    "no provider",
    withValue(["spec", "provider"], {}),
    { validators: /error: OperatorHubV2: .*Provider.Name not specified/ },
  ],
  [
    "a link that is none",
    withValue(["spec", "links"], [{ name: "Documentation", url: "docs" }]),
    { validators: /error: OperatorHubV2: .*Links url docs is invalid/ },
  ],
  [
    "a container that requests nothing",
    replaced(csv, /resources:\n +requests:\n +cpu: 5m\n +memory: 16Mi\n/g, "resources: {}\n"),
    { validators: /warning: GoodPractices: unable to find the resource requests/ },
  ],
  [
    "an operator that may make CRDs",
    withValue([...strategy, "permissions", "0", "rules", "0"], {
      ...{ apiGroups: ["apiextensions.k8s.io"], resources: ["customresourcedefinitions"], verbs: ["create"] },
    }),
    { validators: /warning: GoodPractices: CSV contains permissions to create CRD/ },
  ],
  [
    "a channel of an unusual name",
    replaced(annotations, "stable", "weekly"),
    { validators: /warning: GoodPractices: channel\(s\) \["weekly"\]/ },
  ],
  [
    "a kind without resources",
    withValue([...owned, "1", "resources"], []),
    { "olm-crds-have-resources": /Owned CRDs do not have resources/ },
  ],
  [
    "no annotations.yaml",
    without(annotations),
    {
      "olm-bundle-validation": /metadata not found/,
      ours: /metadata\/annotations.yaml is missing/,
      opm: /annotations/,
    },
  ],
  [
    "a name without version",
    replaced(csv, "name: runtime-insights.v0.1.0", "name: runtime-insights"),
    {
      validators: /warning: GoodPractices: csv.metadata.Name runtime-insights is not following/,
      ours: /runtime-insights is not the name of 0.1.0/,
    },
  ],
  [
    "a version that is none",
    withValue(["spec", "version"], "0.1"),
    { opm: /version/, ours: /version 0.1 is no semantic version/ },
  ],
  [
    "a wrong plural",
    replaced(csv, "- name: runtimegathers.runtimes", "- name: runtimegather.runtimes"),
    { ours: /owned CRD runtimegather.runtimes.insights.openshift.io is called runtimegathers/ },
  ],
  [
    "a mistyped install mode",
    replaced(csv, "type: OwnNamespace", "type: OwnNamespaces"),
    { ours: /install mode OwnNamespaces does not exist/ },
  ],
  [
    "a kind that OLM does not install",
    and({ apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata: { name: "a" } }),
    { ours: /OLM does not install a NetworkPolicy/ },
  ],
];

test("nobody has anything against the bundle", async () => {
  assert.equal(await checkers.findings(good), []);
});

for (const [defect, files, says] of rows)
  test(`a bundle's defect: ${defect}`, async () => {
    const asked = allCheckers.filter((checker) => checker in says || checker === "validators" || checker === "ours");
    const findings = await checkers.findings(files, asked);
    const found = (checker: Checker) => findings.filter((one) => one.checker === checker).map(({ text }) => text);
    for (const checker of asked) {
      const words = says[checker];
      const heard = found(checker);
      if (words === undefined) assert.equal(heard, [], checker);
      else
        assert.ok(
          heard.some((text) => words.test(text)),
          `${checker} says ${JSON.stringify(heard)}`,
        );
    }
  });

test("every checker is proven by a defect", () => {
  assert.equal(
    allCheckers.filter((checker) => !rows.some(([, , says]) => checker in says)),
    [],
  );
});

test("the checkers leave nothing", () => checkers.close());

test.run();
