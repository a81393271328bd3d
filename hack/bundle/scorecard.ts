/** What operator-sdk's scorecard is to run on the bundle. */

/** The tests of its own image, each with the suite that its documentation puts it in. */
export const scorecardTests = [
  { suite: "basic", test: "basic-check-spec-test", entrypoint: "basic-check-spec" },
  { suite: "olm", test: "olm-bundle-validation-test", entrypoint: "olm-bundle-validation" },
  { suite: "olm", test: "olm-crds-have-validation-test", entrypoint: "olm-crds-have-validation" },
  { suite: "olm", test: "olm-crds-have-resources-test", entrypoint: "olm-crds-have-resources" },
  { suite: "olm", test: "olm-spec-descriptors-test", entrypoint: "olm-spec-descriptors" },
  { suite: "olm", test: "olm-status-descriptors-test", entrypoint: "olm-status-descriptors" },
] as const;

/** operator-sdk's image of these tests, of the version in hack/cluster/tools/scorecard; it is expected beside ours (docs/images.md). */
export const scorecardImage = (registry: string): string => `${registry}/scorecard-test:v1.33.0`;

/** The configuration with that image for every test. */
export const scorecardConfig = (image: string) => ({
  apiVersion: "scorecard.operatorframework.io/v1alpha3",
  kind: "Configuration",
  metadata: { name: "config" },
  stages: [
    {
      parallel: true,
      tests: scorecardTests.map(({ suite, test, entrypoint }) => ({
        image,
        entrypoint: ["scorecard-test", entrypoint],
        labels: { suite, test },
      })),
    },
  ],
});
