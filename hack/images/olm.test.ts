import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { extract } from "tar-stream";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { bundleImage } from "./olm.ts";
import { useOwnCache } from "./own-cache.ts";

useOwnCache(test);

const naming = { architecture: "arm64", registry: "registry.example/team", version: "1.2.3", log: () => {} } as const;
const annotations = "annotations:\n  operators.operatorframework.io.bundle.package.v1: runtime-insights\n";
const files = new Map([
  ["manifests/one.yaml", "kind: One\n"],
  ["metadata/annotations.yaml", annotations],
  ["tests/scorecard/config.yaml", "kind: Configuration\n"],
]);

test("a bundle image has the bundle's files in its root and its annotations as labels", async () => {
  const image = await bundleImage(files, naming);
  assert.is(image.ref, "registry.example/team/runtime-insights-bundle:1.2.3");
  assert.is(image.architecture, "arm64");
  assert.is(image.labels?.["operators.operatorframework.io.bundle.package.v1"], "runtime-insights");
  assert.is(image.labels?.["org.opencontainers.image.version"], "1.2.3");
  const tar = extract();
  tar.end(gunzipSync(readFileSync(image.layers[0]?.file ?? "")));
  const names: string[] = [];
  for await (const entry of tar) {
    if (entry.header.type === "file") names.push(entry.header.name);
    entry.resume();
  }
  assert.equal(names, [...files.keys()]);
});

test("a bundle without annotations is refused", async () => {
  const failed = await bundleImage(new Map([["manifests/one.yaml", "kind: One\n"]]), naming).then(
    () => "",
    (cause: Error) => cause.message,
  );
  assert.is(failed, "bundle image: there is no metadata/annotations.yaml");
});

test.run();
