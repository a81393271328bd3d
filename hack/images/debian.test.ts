import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { missingDocuments } from "./debian.ts";
import { debianTexts, rustTexts } from "./parts.ts";

const dir = mkdtempSync(join(tmpdir(), "debian-test-"));
test.after(() => rmSync(dir, { recursive: true }));

/** A root with these files, all of the content that is given, and links, by path from the root. */
function rootWith(name: string, files: Readonly<Record<string, string>>, links: Readonly<Record<string, string>> = {}) {
  const root = join(dir, name);
  const placeOf = (path: string) => {
    mkdirSync(join(root, path, ".."), { recursive: true });
    return join(root, path);
  };
  mkdirSync(root);
  for (const [path, content] of Object.entries(files)) writeFileSync(placeOf(path), content);
  for (const [path, target] of Object.entries(links)) symlinkSync(target, placeOf(path));
  return root;
}

const document = (name: string) => `usr/share/doc/${name}`;
const documents: readonly [string, Readonly<Record<string, string>>, readonly string[]][] = [
  ["two links to one that is not there: it once", { [document("a1")]: "base", [document("b1")]: "base" }, ["base"]],
  ["a link to a link: where that one leads", { [document("a1")]: "b1", [document("b1")]: "base" }, ["base"]],
  ["a link to what is there: nothing", { [document("a1")]: "there" }, []],
  [
    "links that name no package: nothing",
    { [document("a1")]: "../a", [document("b1")]: "/etc", [document("c1")]: "-o" },
    [],
  ],
];
for (const [name, links, missing] of documents)
  test(`documents in other packages, ${name}`, () =>
    assert.equal(
      missingDocuments(rootWith(name.replaceAll(" ", "-"), { [document("there/copyright")]: "" }, links)),
      missing,
    ));

test("documents in other packages, no documents at all: nothing", () =>
  assert.equal(missingDocuments(rootWith("bare", {})), []));

const common = "usr/share/common-licenses";
const copyright = `See /${common}/GPL-3, and /${common}/Artistic.`;

test("a copyright file comes with the licences it refers to, and is refused without one of them", () => {
  const files = { [document("perl/copyright")]: copyright, [`${common}/Artistic`]: "theirs" };
  const whole = rootWith("whole", { ...files, [`${common}/GPL-3`]: "theirs" });
  assert.equal(
    debianTexts(whole, "perl").map(({ path }) => path),
    ["copyright", "Artistic", "GPL-3"],
  );
  assert.throws(
    () => debianTexts(rootWith("torn", files), "perl"),
    /^Debian package perl refers to licences that are not in .*: GPL-3$/,
  );
});

test("Rust's library: the text that rustup brings, else that of Debian's package, else what to install", () => {
  const rustup = rootWith("rustup", { "share/doc/rust/COPYRIGHT-library.html": "theirs" });
  assert.equal(
    rustTexts(rustup).map(({ path }) => path),
    ["COPYRIGHT-library.html"],
  );
  const debian = rootWith("debian", { [document("libstd-rust-dev/copyright")]: "theirs" });
  assert.equal(
    rustTexts(join(debian, "usr"), debian).map(({ path }) => path),
    ["copyright"],
  );
  assert.throws(() => rustTexts(join(dir, "nowhere")), /has no licence text of its library.*: install Rust by rustup/);
});

test.run();
