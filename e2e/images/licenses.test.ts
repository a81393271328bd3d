/** The licences of everything in the images: texts, bill of materials and label. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { cloneDir } from "../../hack/cache.ts";
import { allImageNames, describeImages } from "../../hack/images/images.ts";
import type { ImageSpec } from "../../hack/images/oci.ts";
import { licenseProblems, licenseTextsOf } from "./licenses.ts";

const specs = new Map<string, ImageSpec>();
const specOf = (name: string): ImageSpec => {
  const spec = specs.get(name);
  if (spec === undefined) throw new Error(`image ${name} was not described`);
  return spec;
};

test("all images are described, bundle and catalogue among them", async () => {
  const described = await describeImages({ only: allImageNames, log: () => {} });
  for (const [at, name] of allImageNames.entries()) if (described[at] !== undefined) specs.set(name, described[at]);
  assert.is(specs.size, allImageNames.length);
});

for (const name of allImageNames)
  test(`${name}: every component has a licence and a text, no text is of anything else, and the label says them all`, async () => {
    assert.equal(await licenseProblems(specOf(name)), []);
  });

/** What texts have to say, found by no rule of ours. */
const rows = [
  {
    image: "operator",
    path: /^third-party\/deb\/[^/]+\/libgcc-s1@[^/]+\/copyright$/,
    says: "GCC RUNTIME LIBRARY EXCEPTION",
  },
  { image: "operator", path: /^third-party\/deb\/[^/]+\/libc6@[^/]+\/LGPL-2.1$/, says: "GNU LESSER GENERAL PUBLIC" },
  {
    image: "operator",
    path: /^third-party\/generic\/openssl@[^/]+\/LICENSE$/,
    says: "- OpenSSL, located at deps/openssl",
  },
  { image: "operator", path: /^third-party\/npm\/undici@8[^/]+\/lib\/milo\/LICENSE\.md$/, says: "Permission to use" },
  { image: "operator", path: /^third-party\/npm\/data-uri-to-buffer@[^/]+\/README\.md$/, says: "Permission is hereby" },
  {
    image: "node",
    path: /^third-party\/cargo\/std@[^/]+\/COPYRIGHT-library\.html$/,
    says: "The Rust Standard Library",
  },
  {
    image: "node",
    path: /^third-party\/deb\/[^/]+\/libgcc-\d+-dev@[^/]+\/copyright$/,
    says: "GCC RUNTIME LIBRARY EXCEPTION",
  },
  { image: "node", path: /^third-party\/deb\/[^/]+\/libc6-dev@[^/]+\/copyright$/, says: "GNU C Library" },
  { image: "catalogue", path: /^third-party\/golang\/std@[^/]+\/LICENSE$/, says: "The Go Authors" },
] as const;
for (const { image, path, says } of rows)
  test(`${image}: ${path.source} says ${says}`, async () => {
    const found = [...(await licenseTextsOf(specOf(image)))].filter(([name]) => path.test(name));
    assert.is(found.length, 1);
    assert.ok(found[0]?.[1].includes(says));
  });

test("licenses/LICENSE is ours, and in the image of kube-rbac-proxy its module's", async () => {
  const ours = readFileSync(join(cloneDir, "LICENSE"), "utf8");
  for (const name of allImageNames) {
    const texts = await licenseTextsOf(specOf(name));
    const modules = [...texts].filter(([path]) => /\/brancz\/kube-rbac-proxy@[^/]+\/LICENSE$/.test(path));
    const expected = name === "kube-rbac-proxy" ? modules.map(([, content]) => content) : [ours];
    assert.equal(expected, [texts.get("LICENSE")], name);
  }
});

test.run();
