import { execFile } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { buildBundles, bundles, linkedLibraries, sourceKey } from "./build.ts";

const run = promisify(execFile);
const dir = mkdtempSync(join(tmpdir(), "build-test-"));
test.after(() => rmSync(dir, { recursive: true }));

test("each bundle runs alone in a folder, without the packages it was made from", async () => {
  const dist = await buildBundles(() => {});
  writeFileSync(join(dir, "package.json"), '{"type":"module"}');
  for (const name of bundles) {
    copyFileSync(join(dist, `${name}.js`), join(dir, `${name}.js`));
    const { stdout } = await run(process.execPath, [`${name}.js`, "--help"], { cwd: dir });
    assert.match(stdout, new RegExp(`^usage: ${name}`, "m"));
  }
});

test("a bundle that is fresh is left alone", async () => {
  const dist = await buildBundles(() => {});
  const before = bundles.map((name) => statSync(join(dist, `${name}.js`)).mtimeMs);
  const said: string[] = [];
  await buildBundles((line) => said.push(line));
  assert.equal(
    bundles.map((name) => statSync(join(dist, `${name}.js`)).mtimeMs),
    before,
  );
  assert.match(said.join("\n"), /^Bundles are fresh: main\.js [\d.]+ MB, gatherer\.js/);
});

test("node programs are built again when one of the libraries linked in has changed", async () => {
  const compiler = join(dir, "compiler");
  writeFileSync(compiler, `#!/bin/sh\necho "${dir}/\${1#*=}"\n`, { mode: 0o755 });
  const key = () => sourceKey({ rustc: compiler, linker: compiler, args: [] });
  for (const name of linkedLibraries) writeFileSync(join(dir, name), "one");
  const keys = [await key()];
  assert.is(await key(), keys[0]);
  for (const name of linkedLibraries) {
    writeFileSync(join(dir, name), "another");
    keys.push(await key());
  }
  assert.is(new Set(keys).size, 1 + linkedLibraries.length);
});

test.run();
