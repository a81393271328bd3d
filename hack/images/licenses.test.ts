import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { copy, hardlink } from "./entries.ts";
import { expressionOf, folderOf, type LicenseText, licenseEntries, licenseIn, textsAbove } from "./licenses.ts";
import { npmTexts } from "./parts.ts";

const dir = mkdtempSync(join(tmpdir(), "licenses-test-"));
test.after(() => rmSync(dir, { recursive: true }));

/** A text of a part, written below the folder of the tests. */
function textOf(part: string, path: string, content: string): LicenseText {
  const file = join(dir, part, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
  return { path, file };
}

const part = (purl: string, texts: readonly LicenseText[], license = "MIT") => ({ purl, license, texts });
const own = textOf("own", "LICENSE", "ours").file;

test("equal texts are one file with several names, in the order of paths", () => {
  const [one, other] = [textOf("one", "LICENSE", "theirs"), textOf("other", "COPYING", "theirs")];
  const upstream = textOf("upstream", "LICENSE", "ours");
  const parts = [part("pkg:npm/z@1", [one]), part("pkg:npm/a@1", [other]), part("pkg:npm/b@1", [upstream])];
  assert.equal(licenseEntries(own, parts), [
    copy("licenses/LICENSE", own),
    copy("licenses/third-party/npm/a@1/COPYING", other.file),
    hardlink("licenses/third-party/npm/b@1/LICENSE", "licenses/LICENSE"),
    hardlink("licenses/third-party/npm/z@1/LICENSE", "licenses/third-party/npm/a@1/COPYING"),
  ]);
});

const text = textOf("known", "LICENSE", "known");
const refused = [
  { name: "no text", bad: part("pkg:npm/bare@1", []), says: "pkg:npm/bare@1: no licence text was found" },
  {
    name: "an empty text",
    bad: part("pkg:npm/empty@1", [textOf("empty", "LICENSE", "")]),
    says: "pkg:npm/empty@1: no licence text was found",
  },
  {
    name: "a licence in other words",
    bad: part("pkg:npm/free@1", [text], "do what you want"),
    says: 'pkg:npm/free@1: its licence, "do what you want", is no SPDX expression',
  },
  {
    name: "no licence",
    bad: part("pkg:npm/mute@1", [text], ""),
    says: 'pkg:npm/mute@1: its licence, "", is no SPDX expression',
  },
];
for (const { name, bad, says } of refused)
  test(`refused, with its name and where to mend it: a part with ${name}`, () => {
    const parts = [part("pkg:npm/good@1", [text]), bad];
    assert.throws(
      () => licenseEntries(own, parts),
      ({ message }: Error) =>
        message.includes(`\n${says}\n`) && message.includes("hack/images/parts.ts") && !message.includes("good"),
    );
  });

const folders = [
  ["pkg:npm/zod@4.6.7", "npm/zod@4.6.7"],
  ["pkg:npm/%40peculiar/x509@2.2.0", "npm/@peculiar/x509@2.2.0"],
  ["pkg:golang/sigs.k8s.io/yaml@v1.4.0", "golang/sigs.k8s.io/yaml@v1.4.0"],
  ["pkg:deb/debian/libc6@2.36-9%2Bdeb12u14?arch=amd64&distro=debian-12", "deb/debian/libc6@2.36-9+deb12u14"],
] as const;
for (const [purl, folder] of folders)
  test(`texts of ${purl}: in a folder that is named so`, () =>
    assert.is(folderOf(purl), `licenses/third-party/${folder}`));

test("texts are those of the folders in use and of those above, up to the part's own", () => {
  for (const path of ["LICENSE", "used/NOTICE", "used/deep/license.md", "unused/LICENSE", "used/license.go"])
    textOf("parent/nested", path, "text");
  textOf("parent", "LICENSE", "somebody else's");
  const root = join(dir, "parent/nested");
  const found = textsAbove([join(root, "used/deep"), join(root, "used")], root);
  assert.equal(
    found,
    ["LICENSE", "used/NOTICE", "used/deep/license.md"].map((path) => ({ path, file: join(root, path) })),
  );
});

const expressions = [
  [["MIT", "Apache-2.0", "MIT"], "Apache-2.0 AND MIT"],
  [["MIT OR Apache-2.0", "Apache-2.0"], "Apache-2.0"],
  [["Zlib OR 0BSD", "0BSD OR Zlib"], "(0BSD OR Zlib)"],
  [["(MIT OR Apache-2.0) AND Unicode-3.0", "MIT"], "MIT AND Unicode-3.0"],
  [["(ISC AND Zlib) OR 0BSD", "ISC"], "((ISC AND Zlib) OR 0BSD) AND ISC"],
  [["(ISC AND Zlib) OR 0BSD", "ISC", "Zlib"], "ISC AND Zlib"],
  [["GPL-3.0-or-later WITH GCC-exception-3.1", "LGPL-2.1+"], "GPL-3.0-or-later WITH GCC-exception-3.1 AND LGPL-2.1+"],
] as const;
for (const [licenses, together] of expressions)
  test(`${licenses.join(" | ")}: together ${together}`, () => assert.is(expressionOf(licenses), together));

const apache = "                    Apache License\n              Version 2.0, January 2004\n";
const bsd = "Redistribution and use in source and\n  binary forms, with or without modification";
const wordings = [
  { name: "Apache's title on two lines", texts: { LICENSE: apache }, license: "Apache-2.0" },
  { name: "BSD without names", texts: { LICENSE: bsd }, license: "BSD-2-Clause" },
  { name: "BSD with names", texts: { LICENSE: `${bsd} used to endorse or promote` }, license: "BSD-3-Clause" },
  { name: "two texts", texts: { LICENSE: apache, "yaml/LICENSE": bsd }, license: "Apache-2.0 AND BSD-2-Clause" },
  { name: "a notice is no licence", texts: { LICENSE: apache, NOTICE: bsd }, license: "Apache-2.0" },
  { name: "one text of two is not known", texts: { LICENSE: apache, COPYING: "as you like" }, license: "" },
  { name: "no text", texts: {}, license: "" },
];
for (const { name, texts, license } of wordings)
  test(`what Go's modules say by their texts: ${name}`, () => {
    const written = Object.entries(texts).map(([path, content]) => textOf(name, path, content));
    assert.is(licenseIn(written), license);
  });

test("an npm package whose text is elsewhere: taken from there, until it has a licence file", () => {
  const elsewhere = { odd: "README.md" };
  const readme = textOf("odd", "README.md", "MIT");
  const root = join(dir, "odd");
  assert.equal(npmTexts("odd", root, [], elsewhere), [readme]);
  assert.throws(() => npmTexts("odd", root, [text], elsewhere), /npm package odd has a licence file now/);
  assert.equal(npmTexts("gone", root, [], { gone: "LEGAL" }), []);
});

test.run();
