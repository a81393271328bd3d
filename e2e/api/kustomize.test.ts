/** The shipped kustomizations and the examples that build on them, as kubectl renders them. */
import { join } from "node:path";
import { loadAll } from "js-yaml";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import { cloneDir } from "../../hack/cache.ts";
import { ensureBinaries } from "../../hack/cluster/binaries.ts";
import { kubectl } from "../../hack/kubectl.ts";

const objectSchema = z.looseObject({
  kind: z.string(),
  metadata: z.looseObject({ name: z.string(), namespace: z.string().optional() }),
  subjects: z.array(z.looseObject({ namespace: z.string().optional() })).optional(),
});
type KubeObject = z.infer<typeof objectSchema>;

async function rendered(folder: string): Promise<readonly KubeObject[]> {
  const binDir = await ensureBinaries(["kubectl"], (line) => console.error(`  ${line}`));
  const text = await kubectl({ kubectl: join(binDir, "kubectl"), kubeconfig: "/dev/null" }, [
    "kustomize",
    join(cloneDir, folder),
  ]);
  return loadAll(text).map((object) => objectSchema.parse(object));
}

/** Every image that a pod has or the operator is told of, with how often it stands there. */
function imagesIn(value: unknown): readonly string[] {
  if (typeof value !== "object" || value === null) return [];
  const own = Object.entries(value).flatMap(([key, inside]) =>
    key === "image" || (key === "value" && isRelated(value)) ? [String(inside)] : imagesIn(inside),
  );
  return own;
}
const isRelated = (value: object): boolean => "name" in value && String(value.name).startsWith("RELATED_IMAGE_");

const placesOf = (objects: readonly KubeObject[]) => [
  ...new Set(
    objects.flatMap(({ kind, metadata, subjects = [] }) => [
      ...(kind === "Namespace" ? [metadata.name] : []),
      ...(metadata.namespace === undefined ? [] : [metadata.namespace]),
      ...subjects.map(({ namespace = "none" }) => namespace),
    ]),
  ),
];
const keyOf = ({ kind, metadata }: KubeObject) => `${kind}/${metadata.name}`;

test("as shipped: one namespace, and the one where Kubernetes keeps events about what is in none", async () => {
  assert.equal(placesOf(await rendered("manifests")).sort(), ["default", "runtime-insights"]);
});

test("an overlay's images reach every container, and every image that the operator deploys", async () => {
  const before = imagesIn(await rendered("manifests"));
  assert.is(before.length, 6);
  assert.equal(
    imagesIn(await rendered("docs/examples/own-registry")),
    before.map((image) => image.replace(/^localhost\//, "registry.example.com/team/")),
  );
});

test("an overlay's namespace reaches everything but the leave to write events", async () => {
  const [before, after] = [await rendered("manifests"), await rendered("docs/examples/other-namespace")];
  assert.equal(placesOf(after).sort(), ["default", "insights-elsewhere"]);
  const inDefault = (objects: readonly KubeObject[]) =>
    objects.filter(({ metadata }) => metadata.namespace === "default").map(keyOf);
  assert.equal(inDefault(after).sort(), inDefault(before).sort());
  assert.is(after.length, before.length);
});

test.run();
