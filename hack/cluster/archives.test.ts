import { test } from "uvu";
import * as assert from "uvu/assert";
import { changedImages, digestReferences, importedImages, isPresent } from "./archives.ts";

const a = `sha256:${"a".repeat(64)}`;
const b = `sha256:${"b".repeat(64)}`;
const said = `unpacking localhost/one:1 (${a})...done\nunpacking localhost/two:1 (${b})...done\n`;
const list = (one: string) => `REF TYPE DIGEST SIZE PLATFORMS LABELS
localhost/one:1 application/vnd.docker.distribution.manifest.v2+json ${one} 1.3 MiB linux/amd64 io.cri-containerd.image=managed
localhost/two:1 application/vnd.docker.distribution.manifest.v2+json ${b} 1.3 MiB linux/amd64 -
`;

test("the images of an import are read from what it printed", () => {
  assert.is(importedImages(said), `localhost/one:1 ${a}\nlocalhost/two:1 ${b}`);
});
test("all of them listed with their digests: present", () => assert.ok(isPresent(importedImages(said), list(a))));
test("a name that another archive has taken since: not present", () => {
  assert.not(isPresent(importedImages(said), list(b)));
});
test("one was removed: not present", () => {
  assert.not(isPresent(importedImages(said), list(a).replace("localhost/two:1", "localhost/three:1")));
});
test("a containerd whose words are not known: never present, so always imported", () => {
  assert.not(isPresent(importedImages("localhost/one:1 saved\n"), list(a)));
});

test("what an import changed: names that are new or lead elsewhere, and none by digest", () => {
  const later = `${list(b)}localhost/three:1 type ${a} 1 MiB\nlocalhost/three@${a} type ${a} 1 MiB\n${a} type ${a} 1 MiB\n`;
  assert.is(changedImages(list(a), later), `localhost/one:1 ${b}\nlocalhost/three:1 ${a}`);
  assert.is(changedImages(later, later), "");
  assert.equal(digestReferences(changedImages(later, later)), []);
});

for (const [what, name, reference] of [
  ["a tag is left out", "localhost/app:1", `localhost/app@${a}`],
  ["a port is no tag", "localhost:5000/app", `localhost:5000/app@${a}`],
] as const) {
  test(`the name of an image by digest: ${what}`, () => {
    assert.equal(digestReferences(`${name} ${a}`), [[name, reference]]);
  });
}

test.run();
