import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { looseImages, objectsIn, withImages } from "./check.ts";
import { applicable, digestsFile, oneFile, pinBy, pinned, type ReleasedImage, releaseNotes } from "./files.ts";

const digest = (digit: string) => `sha256:${digit.repeat(64)}`;
const image = (name: string, tag: string, digit: string): ReleasedImage => ({
  ...{ name, ref: `registry.invalid:5000/team/${name}:${tag}`, digest: digest(digit) },
});
const images = [
  image("runtime-insights-operator", "1.2.3", "a"),
  image("runtime-insights-node", "1.2.3", "b"),
  image("kube-rbac-proxy", "v0.19.1-1.2.3", "c"),
  image("runtime-insights-catalogue", "1.2.3", "d"),
];
const pin = pinBy(images, "1.2.3");

test("an image is named by digest, in the registry of the release, whose port is no tag", () => {
  assert.is(
    pin("localhost/runtime-insights-node:1.2.3"),
    `registry.invalid:5000/team/runtime-insights-node@${digest("b")}`,
  );
});

test("what another maker's program is named by is its tag with our version", () => {
  assert.is(pin("localhost/kube-rbac-proxy:v0.19.1"), `registry.invalid:5000/team/kube-rbac-proxy@${digest("c")}`);
});

for (const [rule, ref] of [
  ["another tag of another maker's program", "localhost/kube-rbac-proxy:v0.19.2"],
  ["another tag", "localhost/runtime-insights-node:1.2.4"],
  ["another image", "localhost/busybox:1.2.3"],
] as const)
  test(`not released: ${rule}`, () => {
    assert.throws(() => pin(ref), new RegExp(`^manifests name ${ref}, which is none of `));
  });

test("one file holds what the kustomizations name, in that order, with other images and all comments", () => {
  const root = mkdtempSync(join(tmpdir(), "release-files-"));
  try {
    for (const [folder, files] of Object.entries({
      one: { "b.yaml": "# Why.\nkind: B\n", "a.yaml": "kind: A\n---\nkind: A2\n", "unused.yaml": "kind: C\n" },
      two: { "d.yaml": 'image: localhost/x:1\nargs: ["localhost/y:2", --to=localhost/z:3, mylocalhost/w:4]\n' },
    })) {
      mkdirSync(join(root, folder));
      for (const [file, text] of Object.entries(files)) writeFileSync(join(root, folder, file), text);
      const resources = Object.keys(files).filter((file) => file !== "unused.yaml");
      writeFileSync(join(root, folder, "kustomization.yaml"), `resources: ${JSON.stringify(resources)}\n`);
    }
    assert.is(
      oneFile("Title", ["one", "two"], (ref) => ref.toUpperCase(), root),
      "# Title\n---\n# Why.\nkind: B\n---\nkind: A\n---\nkind: A2\n---\n" +
        'image: LOCALHOST/X:1\nargs: ["LOCALHOST/Y:2", --to=LOCALHOST/Z:3, mylocalhost/w:4]\n',
    );
  } finally {
    rmSync(root, { recursive: true });
  }
});

test("every file for kubectl holds objects, and nothing of localhost", () => {
  const anything = (ref: string) => ref.replace("localhost/", "registry.invalid/");
  const files = applicable("1.2.3", anything);
  assert.equal([...files.keys()], ["runtime-insights.yaml", "crds.yaml", "standalone.yaml"]);
  for (const [name, text] of files) {
    assert.ok(objectsIn(text).length >= 2, name);
    assert.not.match(text, "localhost/");
  }
});

const rows: readonly [rule: string, text: string, loose: readonly string[]][] = [
  ["by digest", `image: ${images.slice(0, 1).map(pinned)}`, []],
  [
    "by tag",
    "image: registry.invalid:5000/team/runtime-insights-operator:1.2.3",
    ["registry.invalid:5000/team/runtime-insights-operator:1.2.3"],
  ],
  ["by a digest that is not released", `image: x@${digest("e")}`, [`x@${digest("e")}`]],
  ["a related image", `env: [{ name: RELATED_IMAGE_X, value: "x:1" }, { name: OTHER, value: "y:1" }]`, ["x:1"]],
  ["an annotation", "containerImage: x:1", ["x:1"]],
  ["of localhost, wherever", "args: [--image=localhost/x:1]", ["localhost/x:1"]],
];
for (const [rule, text, loose] of rows)
  test(`images that are not released: ${rule}`, () => {
    assert.equal(looseImages(text, new Set(images.map(pinned))), loose);
  });

test("images are replaced where they are, and nothing else is", () => {
  const value = { image: "a", name: "image", list: [{ image: "b", value: "c" }, "image"], number: 1, none: null };
  assert.equal(
    withImages(value, (ref) => `${ref}!`),
    { image: "a!", name: "image", list: [{ image: "b!", value: "c" }, "image"], number: 1, none: null },
  );
});

test("digests are sorted and whole", () => {
  const text = digestsFile("1.2.3", images);
  assert.is(digestsFile("1.2.3", [...images].reverse()), text);
  assert.equal(JSON.parse(text).images["kube-rbac-proxy"], {
    ref: "registry.invalid:5000/team/kube-rbac-proxy:v0.19.1-1.2.3",
    digest: digest("c"),
    pinned: `registry.invalid:5000/team/kube-rbac-proxy@${digest("c")}`,
  });
});

test("the notes tell what changes, which catalogue to use, and that nothing was tested when nothing was", () => {
  const told = { version: "1.2.3", date: "2026-11-21", channel: "stable", notes: "- News", images } as const;
  const text = releaseNotes({ ...told, tests: "all" });
  for (const part of [
    "# Runtime Insights 1.2.3",
    "- News",
    "channel `stable`",
    `runtime-insights-catalogue@${digest("d")}`,
  ])
    assert.ok(text.includes(part), part);
  assert.not.match(text, "not for use");
  assert.match(releaseNotes({ ...told, tests: "checks" }), "not for use");
  assert.match(releaseNotes({ ...told, tests: "none" }), "not for use");
});

test.run();
