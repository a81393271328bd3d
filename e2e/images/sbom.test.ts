/** The bills of materials beside the images: valid, the same each time, and naming all that is found in what the images hold. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Spec, Validation } from "@cyclonedx/cyclonedx-library";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import { buildBundles, buildNodePrograms, bundles, nodePrograms } from "../../hack/build.ts";
import { buildImages } from "../../hack/images/images.ts";

const dir = mkdtempSync(join(tmpdir(), "runtime-insights-sbom-"));
const quiet = () => {};
test.after(() => rmSync(dir, { recursive: true }));

const bomSchema = z.object({
  metadata: z.object({ component: z.object({ name: z.string() }) }),
  components: z.array(z.object({ purl: z.string(), cpe: z.string().optional() })),
});
const read = (name: string): string => readFileSync(join(dir, "one/sbom", `${name}.cdx.json`), "utf8");
const purls = (name: string): readonly string[] =>
  bomSchema.parse(JSON.parse(read(name))).components.map(({ purl }) => decodeURIComponent(purl));

test("one lies beside the layout for each image, the same when written again", async () => {
  for (const folder of ["one", "two"]) await buildImages({ outputDir: join(dir, folder), log: quiet });
  const names = readdirSync(join(dir, "one/sbom")).sort();
  assert.equal(names, [
    "kube-rbac-proxy.cdx.json",
    "runtime-insights-node.cdx.json",
    "runtime-insights-operator.cdx.json",
  ]);
  for (const name of names)
    assert.is(readFileSync(join(dir, "one/sbom", name), "utf8"), readFileSync(join(dir, "two/sbom", name), "utf8"));
});

test("each is valid by the schema of CycloneDX and says neither when nor by chance who it is", async () => {
  const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot6);
  for (const name of ["kube-rbac-proxy", "runtime-insights-node", "runtime-insights-operator"]) {
    assert.is(await validator.validate(read(name)), null, name);
    assert.not.match(read(name), /"(timestamp|serialNumber)"/);
  }
});

test("every npm package that the source maps of the bundles name is in the operator's", async () => {
  const dist = await buildBundles(quiet);
  const sources = bundles.flatMap(
    (name) =>
      z.object({ sources: z.array(z.string()) }).parse(JSON.parse(readFileSync(join(dist, `${name}.js.map`), "utf8")))
        .sources,
  );
  const packages = new Set(sources.flatMap((path) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? []));
  assert.ok(packages.size > 5);
  const known = purls("runtime-insights-operator");
  const missing = [...packages].filter((name) => !known.some((purl) => purl.startsWith(`pkg:npm/${name}@`)));
  assert.equal(missing, []);
});

test("every crate whose sources the node programs name is in theirs, and the C library and the compiler's that are linked in", async () => {
  const programs = await buildNodePrograms(quiet);
  const found = nodePrograms.flatMap((name) =>
    [
      ...readFileSync(join(programs, name), "latin1").matchAll(/\/crates\/[^/]+\/([a-z][\w-]*)-(\d+\.\d+\.\d+)\/src/g),
    ].map(([, crate, version]) => `pkg:cargo/${crate}@${version}`),
  );
  assert.ok(found.length > 5);
  const known = purls("runtime-insights-node");
  assert.equal(
    [...new Set(found)].filter((purl) => !known.includes(purl)),
    [],
  );
  assert.ok(known.some((purl) => purl.startsWith("pkg:deb/debian/libc6-dev@")));
  const compilers = nodePrograms.flatMap((name) => [
    ...readFileSync(join(programs, name), "latin1").matchAll(/GCC: \((\w+) ([^)]+)\) (\d+)/g),
  ]);
  assert.ok(compilers.length > 0);
  for (const [, vendor = "", version, major] of compilers)
    assert.ok(
      known.some((purl) => purl.startsWith(`pkg:deb/${vendor.toLowerCase()}/libgcc-${major}-dev@${version}?`)),
      version,
    );
});

test("the base system, Node and what is compiled into it, and Go's modules are named", () => {
  const [operator, proxy] = [purls("runtime-insights-operator"), purls("kube-rbac-proxy")];
  assert.ok(operator.some((purl) => /^pkg:deb\/debian\/libc6@.*distro=debian-\d+/.test(purl)));
  const { components } = bomSchema.parse(JSON.parse(read("runtime-insights-operator")));
  assert.equal(
    operator.filter((purl) => /@(\?|$)/.test(purl)),
    [],
  );
  const filedUnder = components.flatMap(({ cpe }) => cpe ?? []).sort();
  assert.is(filedUnder[0], `cpe:2.3:a:nodejs:node.js:${process.versions.node}:*:*:*:*:*:*:*`);
  assert.match(filedUnder[1] ?? "", /^cpe:2\.3:a:openssl:openssl:\d+\.\d+\.\d+:/);
  for (const part of [
    "deb/debian/libc6",
    "deb/debian/ca-certificates",
    "npm/node-linux-",
    "generic/openssl",
    "generic/ada",
  ])
    assert.ok(
      operator.some((purl) => purl.startsWith(`pkg:${part}`)),
      part,
    );
  for (const part of ["golang/std", "golang/github.com/brancz/kube-rbac-proxy", "golang/k8s.io/apiserver"])
    assert.ok(
      proxy.some((purl) => purl.startsWith(`pkg:${part}@`)),
      part,
    );
});

test.run();
