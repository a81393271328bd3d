/** Debian's packages as images hold them: fetched once, and taken anew for what leaves the machine. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ownArchitecture } from "../../hack/images/architecture.ts";
import { debianFilesOf } from "../../hack/images/debian.ts";
import { useOwnCache } from "../../hack/images/own-cache.ts";

useOwnCache(test);

const fetch = (renew?: (line: string) => void) =>
  debianFilesOf(["base-files"], { architecture: ownArchitecture, renew });

test("packages fetched once stay, until newer ones are asked for", async () => {
  const { root, versions, control } = await fetch();
  const version = versions["base-files"] ?? "";
  assert.match(control["base-files"] ?? "", /^Package: base-files\nVersion: /);
  const record = join(root, "../versions.json");
  writeFileSync(record, JSON.stringify({ "base-files": "1" }));
  assert.equal((await fetch()).versions, { "base-files": "1" });
  const said: string[] = [];
  assert.equal((await fetch((line) => said.push(line))).versions, { "base-files": version });
  assert.equal(said, [`Debian has other packages than before: base-files 1 -> ${version}`]);
  assert.match(readFileSync(join(root, "usr/lib/os-release"), "utf8"), /^ID=debian$/m);
  await fetch((line) => said.push(line));
  assert.is(said.length, 1);
});

test("what a run that was ended left is fetched again, once for all that ask at a time", async () => {
  const { root, versions } = await fetch();
  rmSync(join(root, "../versions.json"));
  rmSync(join(root, "usr/lib"), { recursive: true });
  const both = await Promise.all([fetch(), fetch()]);
  assert.equal(
    both.map((one) => one.versions),
    [versions, versions],
  );
  assert.match(readFileSync(join(root, "usr/lib/os-release"), "utf8"), /^ID=debian$/m);
});

test("documents that a package has in another one come along, and that one is not counted among the packages", async () => {
  const { root, versions } = await debianFilesOf(["libgcc-s1"], { architecture: ownArchitecture });
  assert.match(readFileSync(join(root, "usr/share/doc/libgcc-s1/copyright"), "utf8"), /GCC RUNTIME LIBRARY EXCEPTION/);
  assert.equal(Object.keys(versions), ["libgcc-s1"]);
});

test.run();
