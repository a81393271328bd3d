import { createHash } from "node:crypto";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { extract } from "tar-stream";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { text } from "./entries.ts";
import { type Layer, layerOf } from "./layer.ts";
import { type ImageSpec, layoutOf, writeArchive, writeLayoutFolder } from "./oci.ts";
import { useOwnCache } from "./own-cache.ts";

const dir = useOwnCache(test);

async function filesOf(archive: string): Promise<Map<string, Buffer>> {
  const tar = extract();
  tar.end(readFileSync(archive));
  const files = new Map<string, Buffer>();
  for await (const entry of tar) {
    files.set(entry.header.name, await buffer(entry));
  }
  return files;
}

const hex = (content: Buffer) => createHash("sha256").update(content).digest("hex");
const json = (content: Buffer | undefined) => JSON.parse((content ?? Buffer.from("null")).toString("utf8"));

let base: Layer;
let specs: readonly ImageSpec[];
test.before(async () => {
  base = await layerOf([text("base", "shared")]);
  specs = [
    { ref: "localhost/one:1", layers: [base, await layerOf([text("one", "1")])], entrypoint: ["/one"] },
    {
      ref: "localhost/two:1",
      layers: [base],
      entrypoint: ["/two"],
      cmd: ["serve"],
      env: ["A=b"],
      user: "65532:65532",
      workingDir: "/app",
      labels: { title: "two" },
    },
  ];
});

test("every blob lies under its own digest, common layers once, and the archive is the same when written again", async () => {
  const [first] = await writeArchive("pair", specs);
  const files = await filesOf(first?.archive ?? "");
  const blobs = [...files].filter(([name]) => name.startsWith("blobs/"));
  assert.is(blobs.length, 2 + 2 + 2);
  for (const [name, content] of blobs) assert.is(name, `blobs/sha256/${hex(content)}`);
  const bytes = readFileSync(first?.archive ?? "");
  rmSync(join(dir, "cache", "images"), { recursive: true });
  const [again] = await writeArchive("pair", specs);
  assert.ok(readFileSync(again?.archive ?? "").equals(bytes));
});

test("what Docker reads leads to the same configs and layers as the index", async () => {
  const files = await filesOf((await writeArchive("pair", specs))[0]?.archive ?? "");
  const loaded = json(files.get("manifest.json"));
  assert.equal(
    loaded.map((one: { RepoTags: string[]; Layers: string[] }) => [one.RepoTags, one.Layers.length]),
    [
      [["localhost/one:1"], 2],
      [["localhost/two:1"], 1],
    ],
  );
  assert.equal(loaded[1].Layers, [`blobs/${base.digest.replace(":", "/")}`]);
  assert.equal(json(files.get(loaded[1].Config)).config.Entrypoint, ["/two"]);
});

test("the index names each image for containerd and leads to its config by manifest", async () => {
  const images = await writeArchive("pair", specs);
  const files = await filesOf(images[1]?.archive ?? "");
  const { manifests } = json(files.get("index.json"));
  assert.equal(
    manifests.map((one: { annotations: Record<string, string> }) => one.annotations["io.containerd.image.name"]),
    ["localhost/one:1", "localhost/two:1"],
  );
  assert.is(manifests[1].digest, images[1]?.digest);
  const manifest = json(files.get(`blobs/sha256/${manifests[1].digest.slice(7)}`));
  const config = files.get(`blobs/sha256/${manifest.config.digest.slice(7)}`);
  assert.is(manifest.config.size, config?.length);
  assert.equal(json(config).config, {
    User: "65532:65532",
    Env: ["A=b"],
    Entrypoint: ["/two"],
    Cmd: ["serve"],
    WorkingDir: "/app",
    Labels: { title: "two" },
  });
  assert.equal(json(config).rootfs.diff_ids, [base.diffId]);
  assert.equal(manifest.layers, [
    { mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", digest: base.digest, size: base.bytes },
  ]);
});

test("an image without a user does not say one, and its size counts all that a registry holds", async () => {
  const files = await filesOf((await writeArchive("pair", specs))[0]?.archive ?? "");
  const { manifests } = json(files.get("index.json"));
  const manifestFile = files.get(`blobs/sha256/${manifests[0].digest.slice(7)}`);
  const manifest = json(manifestFile);
  const config = files.get(`blobs/sha256/${manifest.config.digest.slice(7)}`);
  assert.not("User" in json(config).config);
  const parts = [manifest.config, ...manifest.layers].reduce((sum: number, one: { size: number }) => sum + one.size, 0);
  assert.is((await writeArchive("pair", specs))[0]?.bytes, parts + (manifestFile?.length ?? 0));
});

test("the folder for a registry holds what the archive holds but for Docker's own list", async () => {
  const files = await filesOf((await writeArchive("pair", specs))[0]?.archive ?? "");
  files.delete("manifest.json");
  const out = join(dir, "layout");
  writeLayoutFolder(out, specs);
  for (const [name, content] of files) assert.ok(readFileSync(join(out, name)).equals(content), name);
  assert.is(readdirSync(join(out, "blobs/sha256")).length, files.size - 2);
});

const forArm = (spec: ImageSpec): ImageSpec => ({ ...spec, architecture: "arm64" });

test("another architecture is another image, and its config says so", async () => {
  const of = async (spec: ImageSpec) => {
    const [image] = await writeArchive("one", [spec]);
    const files = await filesOf(image?.archive ?? "");
    const [entry] = json(files.get("index.json")).manifests;
    const manifest = json(files.get(`blobs/sha256/${entry.digest.slice(7)}`));
    return [
      entry.platform.architecture,
      json(files.get(`blobs/sha256/${manifest.config.digest.slice(7)}`)).architecture,
    ];
  };
  for (const spec of specs) {
    assert.equal(await of({ ...spec, architecture: "amd64" }), ["amd64", "amd64"]);
    assert.equal(await of(forArm(spec)), ["arm64", "arm64"]);
  }
});

test("images of one name for two architectures: the name leads to an index of both, whose digest is the name's", () => {
  const [one, two] = specs.map((spec): ImageSpec => ({ ...spec, architecture: "amd64" }));
  if (one === undefined || two === undefined) throw new Error("there are two images");
  const alone = [one, forArm(one)].map((spec) => layoutOf([spec]).images[0]?.digest);
  const { index, blobs, images } = layoutOf([one, two, forArm(one)]);
  const { manifests } = json(index);
  assert.equal(
    manifests.map(({ mediaType }: { mediaType: string }) => mediaType.replace(/^.*image\./, "")),
    ["index.v1+json", "manifest.v1+json"],
  );
  assert.is(manifests[0].annotations["org.opencontainers.image.ref.name"], one.ref);
  assert.is(manifests[0].digest, images[0]?.digest);
  assert.is(manifests[1].digest, layoutOf([two]).images[0]?.digest);
  const content = blobs.find(({ digest }) => digest === manifests[0].digest)?.content;
  assert.ok(Buffer.isBuffer(content));
  assert.equal(
    json(content).manifests.map((entry: { digest: string; platform: object }) => [entry.digest, entry.platform]),
    [
      [alone[0], { architecture: "amd64", os: "linux" }],
      [alone[1], { architecture: "arm64", os: "linux" }],
    ],
  );
});

test.run();
