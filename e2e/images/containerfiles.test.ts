/** The images as Docker builds them of their Containerfiles, beside ours. */
import { createHash } from "node:crypto";
import { createReadStream, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer, text } from "node:stream/consumers";
import { extract } from "tar-stream";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { writeContext } from "../../hack/images/containerfile.ts";
import { allImageNames, describeImages } from "../../hack/images/images.ts";
import { type ImageSpec, writeArchive } from "../../hack/images/oci.ts";
import { waitFor } from "../../hack/kubectl.ts";
import { docker } from "./world.ts";

const dir = mkdtempSync(join(tmpdir(), "runtime-insights-containerfiles-"));
test.after(() => rmSync(dir, { recursive: true }));

/** Everything that an image's files can differ in, by path; Docker's own files, which are the same in containers of all images, among them. */
async function filesOf(ref: string): Promise<ReadonlyMap<string, string>> {
  const container = await (await docker()).createContainer({ Image: ref, Cmd: ["none"] });
  try {
    const tar = extract();
    (await container.export()).pipe(tar);
    const files = new Map<string, string>();
    for await (const entry of tar) {
      const { name, type, mode = 0, uid, gid, linkname, pax } = entry.header;
      const content = createHash("sha256")
        .update(await buffer(entry))
        .digest("hex");
      const attributes = Object.entries(pax ?? {}).filter(([key]) => key.includes("xattr"));
      const facts = { type, mode: mode.toString(8), uid, gid, linkname, content, attributes };
      files.set(name, JSON.stringify(facts));
    }
    return files;
  } finally {
    await container.remove();
  }
}

/** Config of an image; what is absent and what is empty mean the same. */
async function configOf(ref: string) {
  const { Config, Architecture, Os } = await (await docker()).getImage(ref).inspect();
  return {
    ...{ architecture: Architecture, os: Os, user: Config.User, workingDir: Config.WorkingDir, env: Config.Env },
    ...{ entrypoint: Config.Entrypoint ?? [], cmd: Config.Cmd ?? [], labels: Config.Labels ?? {} },
    ...{ ports: Config.ExposedPorts ?? {}, volumes: Config.Volumes ?? {}, onBuild: Config.OnBuild ?? [] },
  };
}

async function build(context: string, tag: string): Promise<void> {
  const engine = await docker();
  const source = { context, src: readdirSync(context) };
  const stream = await engine.buildImage(source, { t: tag, dockerfile: "Containerfile" });
  const said = await text(stream);
  if (!said.includes("Successfully tagged")) throw new Error(`building ${context}: ${said}`);
}

const specs = new Map<string, ImageSpec>();

test("all images are described, bundle and catalogue among them", async () => {
  const described = await describeImages({ only: allImageNames, log: () => {} });
  assert.is(described.length, allImageNames.length);
  for (const [at, name] of allImageNames.entries()) if (described[at] !== undefined) specs.set(name, described[at]);
});

/** Ours, loaded into the engine. */
async function loaded(name: string): Promise<ImageSpec> {
  const spec = specs.get(name);
  const [image] = spec === undefined ? [] : await writeArchive(name, [spec]);
  if (spec === undefined || image === undefined) throw new Error(`image ${name} was not built`);
  await text(await (await docker()).loadImage(createReadStream(image.archive)));
  return spec;
}

for (const name of allImageNames) {
  test(`${name}: from its Containerfile the same files with mode, owner and links, and the same configuration`, async () => {
    const spec = await loaded(name);
    const context = join(dir, name);
    writeContext(context, spec);
    const built = `containerfile.example/${name}:1`;
    await build(context, built);
    const [ours, theirs] = [await filesOf(spec.ref), await filesOf(built)];
    assert.ok([...ours.values()].some((facts) => facts.includes('"type":"file"')));
    assert.equal([...theirs].sort(), [...ours].sort());
    assert.equal(await configOf(built), await configOf(spec.ref));
  });
}

test("a pod of the catalogue is healthy to the program in it that OLM's probes start", async () => {
  const container = await (await docker()).createContainer({
    Image: (await loaded("catalogue")).ref,
    HostConfig: { ReadonlyRootfs: true, Tmpfs: { "/tmp": "" }, CapDrop: ["ALL"], SecurityOpt: ["no-new-privileges"] },
  });
  try {
    await container.start();
    const probe = async (address: string) => {
      const exec = await container.exec({ Cmd: ["grpc_health_probe", `-addr=${address}`], AttachStderr: true });
      await text(await exec.start({ Detach: false, hijack: false }));
      // The engine learns of the end a moment after the output has ended.
      return waitFor("the probe's end", async () => (await exec.inspect()).ExitCode ?? undefined, {
        ...{ timeoutMs: 10_000, everyMs: 20 },
      });
    };
    await waitFor("a healthy catalogue", async () => ((await probe(":50051")) === 0 ? true : undefined), {
      ...{ timeoutMs: 30_000, everyMs: 200 },
    });
    assert.is(await probe(":50052"), 1);
  } finally {
    await container.remove({ force: true });
  }
});

test.run();
