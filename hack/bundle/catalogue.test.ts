import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadAll } from "js-yaml";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import { bundleFiles } from "./bundle.ts";
import { catalogueFiles, renderBundle, writeCatalogue } from "./catalogue.ts";
import type { Entry } from "./graph.ts";

const image = `registry.example/runtime-insights-bundle@sha256:${"b".repeat(64)}`;
const objectSchema = z.looseObject({
  schema: z.string(),
  name: z.string(),
  image: z.string().optional(),
  defaultChannel: z.string().optional(),
  entries: z.array(z.looseObject({ name: z.string(), replaces: z.string().optional() })).optional(),
  properties: z.array(z.looseObject({ type: z.string() })).default([]),
});
const objectsOf = (text: string | undefined) => loadAll(text ?? "").map((document) => objectSchema.parse(document));

let kept = "";
test("a released version is kept as opm rendered it, with its image and without its manifests", async () => {
  kept = await renderBundle({ files: bundleFiles({ version: "0.1.0" }), image });
  const [bundle] = objectsOf(kept);
  assert.is(bundle?.image, image);
  assert.not(bundle?.properties.some(({ type }) => type === "olm.bundle.object"));
});

test("a catalogue has every version, the upgrades between them, and whole those that have no image", async () => {
  const files = await catalogueFiles({
    bundles: [
      { files: bundleFiles({ version: "0.3.0-rc.1", replaces: "0.2.0" }) },
      { rendered: kept },
      { files: bundleFiles({ version: "0.2.0", replaces: "0.1.0" }) },
    ],
  });
  assert.equal([...files.keys()], ["runtime-insights/catalog.yaml"]);
  const objects = objectsOf(files.get("runtime-insights/catalog.yaml"));
  assert.equal(
    objects.map(({ schema, name, defaultChannel, entries = [] }) => [
      schema,
      name,
      ...(defaultChannel === undefined ? [] : [defaultChannel]),
      ...entries.map((entry) => `${entry.name} <- ${entry.replaces ?? "nothing"}`),
    ]),
    [
      ["olm.package", "runtime-insights", "stable"],
      [
        "olm.channel",
        "stable",
        "runtime-insights.v0.1.0 <- nothing",
        "runtime-insights.v0.2.0 <- runtime-insights.v0.1.0",
      ],
      [
        "olm.channel",
        "candidate",
        "runtime-insights.v0.1.0 <- nothing",
        "runtime-insights.v0.2.0 <- runtime-insights.v0.1.0",
        "runtime-insights.v0.3.0-rc.1 <- runtime-insights.v0.2.0",
      ],
      ["olm.bundle", "runtime-insights.v0.3.0-rc.1"],
      ["olm.bundle", "runtime-insights.v0.1.0"],
      ["olm.bundle", "runtime-insights.v0.2.0"],
    ],
  );
  const whole = objects.filter(({ properties }) => properties.some(({ type }) => type === "olm.bundle.object"));
  assert.equal(
    whole.map(({ name }) => name),
    ["runtime-insights.v0.3.0-rc.1", "runtime-insights.v0.2.0"],
  );
});

const graphs: readonly (readonly [rule: string, entries: readonly Entry[], refusal: RegExp | undefined])[] = [
  [
    "one line of upgrades",
    [{ name: "runtime-insights.v0.1.0" }, { name: "runtime-insights.v0.2.0", replaces: "runtime-insights.v0.1.0" }],
    undefined,
  ],
  [
    "two newest versions",
    [{ name: "runtime-insights.v0.1.0" }, { name: "runtime-insights.v0.2.0" }],
    /multiple channel heads/,
  ],
  [
    "a version without bundle",
    [
      { name: "runtime-insights.v0.1.0" },
      { name: "runtime-insights.v0.2.0", replaces: "runtime-insights.v0.1.0" },
      { name: "runtime-insights.v0.9.0", replaces: "runtime-insights.v0.2.0" },
    ],
    /no olm.bundle blobs found .*v0.9.0/,
  ],
  ["a bundle in no channel", [{ name: "runtime-insights.v0.1.0" }], /v0.2.0.* not found in any channel entries/],
];
for (const [rule, entries, refusal] of graphs)
  test(`opm judges the upgrade graph: ${rule}`, async () => {
    const dir = mkdtempSync(join(tmpdir(), "runtime-insights-catalogue-"));
    const bundles = [{ rendered: kept }, { rendered: kept.replaceAll("0.1.0", "0.2.0") }];
    const channels = [{ name: "stable", entries }];
    try {
      const heard = await writeCatalogue(dir, { bundles, channels }).then(
        () => undefined,
        (cause: Error) => cause.message,
      );
      if (refusal === undefined) assert.is(heard, undefined);
      else assert.match(heard ?? "accepted", refusal);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });

test.run();
