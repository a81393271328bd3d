import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  addHelmObjects,
  type HelmCharts,
  type HelmPlural,
  helmJson,
  helmResources,
  mergeHelmCharts,
  splitChart,
} from "./helm.ts";

const charts: readonly (readonly [chart: string, name: string, version: string])[] = [
  ["nginx-server-1.2.3", "nginx-server", "1.2.3"],
  ["postgres-2.1.0", "postgres", "2.1.0"],
  ["postgres", "postgres", ""],
  ["postgres-alpine", "postgres-alpine", ""],
  ["postgres-alpine-latest", "postgres-alpine", "latest"],
  ["postgres-beta", "postgres", "beta"],
  ["postgres-alpha", "postgres", "alpha"],
  ["postgres-Latest", "postgres-Latest", ""],
  ["postgres-alpine-chart", "postgres-alpine-chart", ""],
  ["a.b", "a.b", ""],
  ["latest", "latest", ""],
  ["x-", "x-", ""],
  ["-1.0", "", "1.0"],
  ["x-1.2.3-rc.1", "x-1.2.3", "rc.1"],
];
for (const [chart, name, version] of charts)
  test(`chart ${chart} is ${name} ${version}`, () => assert.equal(splitChart(chart), { name, version }));

const jsonOf = (...objects: readonly (readonly [HelmPlural, string, string])[]): string | undefined => {
  const all: HelmCharts = new Map();
  for (const [plural, namespace, chart] of objects) addHelmObjects(all, plural, [{ namespace, chart }]);
  return helmJson(all);
};
// Hashes from another program.
const shop = "8d9001d32c6a703d95921a77115050f33dd823d3f1730bd35215dcbecad6dc20";

test("five kinds of one chart in a namespace are one chart with one each, kinds sorted", () => {
  const objects = helmResources.map(({ plural }) => [plural, "shop", "postgres-9.0.0"] as const);
  assert.is(
    jsonOf(...objects),
    `{"${shop}":[{"name":"postgres","version":"9.0.0","resources":` +
      '{"daemonsets":1,"deployments":1,"replicasets":1,"services":1,"statefulsets":1}}]}',
  );
});

test("charts of a namespace stand in the order in which they were seen, versions apart, counted", () => {
  assert.is(
    jsonOf(
      ...([
        ["services", "shop", "web-1.0"],
        ["services", "shop", "db"],
        ["services", "shop", "web-2.0"],
        ["deployments", "shop", "web-1.0"],
        ["services", "shop", "web-1.0"],
      ] as const),
    ),
    `{"${shop}":[{"name":"web","version":"1.0","resources":{"deployments":1,"services":2}},` +
      '{"name":"db","version":"","resources":{"services":1}},{"name":"web","version":"2.0","resources":{"services":1}}]}',
  );
});

test("objects that name no chart leave nothing behind", () => {
  assert.is(jsonOf(["services", "shop", ""]), undefined);
  assert.is(jsonOf(), undefined);
});

test("lists counted apart and merged in order are the same as counted in one go", () => {
  const object = fc.record({
    namespace: fc.constantFrom("shop", "__proto__"),
    chart: fc.constantFrom("web-1.0", "web", "db-2.0", ""),
  });
  fc.assert(
    fc.property(fc.array(fc.array(object, { maxLength: 6 }), { minLength: 5, maxLength: 5 }), (lists) => {
      const together: HelmCharts = new Map();
      const merged: HelmCharts = new Map();
      for (const [index, { plural }] of helmResources.entries()) {
        addHelmObjects(together, plural, lists[index] ?? []);
        const apart: HelmCharts = new Map();
        addHelmObjects(apart, plural, lists[index] ?? []);
        mergeHelmCharts(merged, apart);
      }
      assert.is(helmJson(merged), helmJson(together));
    }),
  );
});

test("names that objects of JavaScript have are names like others", () => {
  const text = jsonOf(["services", "__proto__", "constructor"], ["services", "constructor", "__proto__-1.0"]) ?? "";
  assert.equal(
    Object.values(JSON.parse(text))
      .flat()
      .map((chart) => JSON.stringify(chart))
      .sort(),
    [
      '{"name":"__proto__","version":"1.0","resources":{"services":1}}',
      '{"name":"constructor","version":"","resources":{"services":1}}',
    ],
  );
});

test.run();
