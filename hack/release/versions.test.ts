import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Files } from "../bundle/files.ts";
import { readVersionFiles, versionOf, versionProblems, withVersion } from "./versions.ts";

const files = readVersionFiles();
const replaced = (path: string, from: string | RegExp, to: string): Files => {
  const text = files.get(path) ?? "";
  const changed = text.replace(from, to);
  assert.not.equal(changed, text, `${path} has no ${from}`);
  return new Map([...files, [path, changed]]);
};
const version = versionOf(files);

test("the clone's own files agree", () => {
  assert.equal(versionProblems(files), []);
});

test("another version is written everywhere, and nothing but it", () => {
  const other = "98.7.6-test.5";
  const changed = withVersion(files, other);
  assert.equal([...changed.keys()].sort(), [
    "extractor/Cargo.lock",
    "extractor/Cargo.toml",
    "extractor/fuzz/Cargo.lock",
    "manifests/30-operator.yaml",
    "manifests/standalone/daemonset.yaml",
    "package-lock.json",
    "package.json",
  ]);
  assert.is(versionOf(changed), other);
  for (const [path, text] of changed) {
    const before = (files.get(path) ?? "").split("\n");
    const differing = text.split("\n").flatMap((line, at) => (line === before[at] ? [] : [[before[at], line]]));
    assert.ok(differing.length > 0, path);
    for (const [old = "", now] of differing) assert.is(now, old.replace(version, other), path);
  }
  assert.equal(
    withVersion(new Map([...files, ...changed]), version),
    new Map([...changed.keys()].sort().map((path) => [path, files.get(path)])),
  );
});

const behind = (path: string) => [
  `${path} names another version than package.json, ${version}: run npm run lint -- --fix`,
];
const rows: readonly [rule: string, files: Files, problems: readonly string[]][] = [
  [
    "an image of another version",
    replaced("manifests/30-operator.yaml", `runtime-insights-node:${version}`, "runtime-insights-node:latest"),
    behind("manifests/30-operator.yaml"),
  ],
  ["the Rust programs", replaced("extractor/Cargo.toml", `"${version}"`, '"9.9.9"'), behind("extractor/Cargo.toml")],
  [
    "Cargo's lock",
    replaced("extractor/Cargo.lock", /(name = "exporter"\nversion = ")[^"]*/, "$19.9.9"),
    behind("extractor/Cargo.lock"),
  ],
  [
    "npm's lock",
    replaced("package-lock.json", /("": \{[^}]*?"version": ")[^"]*/, "$19.9.9"),
    behind("package-lock.json"),
  ],
  [
    "another proxy than the one that is built",
    replaced("manifests/30-operator.yaml", "kube-rbac-proxy:v0.19.1", "kube-rbac-proxy:v0.1.0"),
    [
      "manifests/30-operator.yaml names another kube-rbac-proxy than hack/cluster/tools/kube-rbac-proxy/go.mod, v0.19.1",
    ],
  ],
  [
    "no word in the changelog",
    replaced("CHANGELOG.md", `## ${version} (`, "## 9.9.9 ("),
    [`CHANGELOG.md has no section for ${version}, which package.json names`],
  ],
  [
    "a changelog out of form",
    replaced("CHANGELOG.md", "# Changelog\n", "# Changelog\n## Unreleased\n"),
    ['CHANGELOG.md line 2: "## Unreleased" is not "## X.Y.Z (YYYY-MM-DD)" or "## X.Y.Z (not released)"'],
  ],
];
for (const [rule, changed, problems] of rows)
  test(`found: ${rule}`, () => {
    assert.equal(versionProblems(changed), problems);
  });

test.run();
