/** What is in the images, as Docker sees them. */
import { extract } from "tar-stream";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Image } from "../../hack/images/images.ts";
import { docker, loadedImages } from "./world.ts";

const megabyte = 1024 ** 2;

interface File {
  readonly name: string;
  readonly type: string;
  readonly mode: number;
  readonly owner: string;
  readonly bytes: number;
  /** `setcap` and the like. */
  readonly attributes: readonly string[];
}

/** Docker's own mount points and files, which are in a container of any image. */
const ofDocker = /^(\.dockerenv|(dev|proc|sys)\/.*|(dev|proc|sys)|etc\/(hostname|hosts|resolv\.conf|mtab))$/;

async function filesOf(ref: string): Promise<readonly File[]> {
  const container = await (await docker()).createContainer({ Image: ref });
  try {
    const tar = extract();
    (await container.export()).pipe(tar);
    const files: File[] = [];
    for await (const entry of tar) {
      const { name, type, mode = 0, uid, gid, size = 0, pax } = entry.header;
      const attributes = Object.keys(pax ?? {}).filter((key) => key.includes("xattr"));
      const owner = `${uid}:${gid}`;
      files.push({ name: name.replace(/\/$/, ""), type: type ?? "", mode, owner, bytes: size, attributes });
      entry.resume();
    }
    return files.filter(({ name }) => !ofDocker.test(name));
  } finally {
    await container.remove();
  }
}

/** By which scanners know Debian's packages. */
const ofPackages = /^var\/lib(\/dpkg(\/status\.d(\/[\w.+-]+)?)?)?$/;

/** Everything that a kernel would start but for libraries and their loader. */
const programsOf = (files: readonly File[]): readonly string[] =>
  files
    .filter(({ type, mode, name }) => type === "file" && (mode & 0o111) !== 0 && !/\.so(\.[\d.]+)?$/.test(name))
    .map(({ name }) => name)
    .sort();

const rows = [
  { image: "node", programs: ["exporter", "extractor_server"], maxMegabytes: 3, user: "" },
  { image: "operator", programs: ["usr/local/bin/node"], maxMegabytes: 60, user: "65532:65532" },
  { image: "kube-rbac-proxy", programs: ["kube-rbac-proxy"], maxMegabytes: 30, user: "65532:65532" },
] as const;

const find = async (name: string): Promise<Image> => {
  const image = (await loadedImages()).find(({ ref }) => ref.includes(`${name}:`));
  if (image === undefined) throw new Error(`there is no image ${name}`);
  return image;
};

test("the operator's image names its packages where scanners look", async () => {
  const names = (await filesOf((await find("operator")).ref)).map(({ name }) => name);
  for (const file of ["libc6", "ca-certificates", "libstdc++6"])
    assert.ok(names.includes(`var/lib/dpkg/status.d/${file}`), file);
});

test("the images are built and Docker loads them", async () => {
  assert.is((await loadedImages()).length, rows.length);
});

for (const { image: name, programs, maxMegabytes, user } of rows) {
  test(`${name}: our programs and no other, so no shell; nothing set-user-ID, with capabilities or for others to write`, async () => {
    const { ref, bytes } = await find(name);
    const files = await filesOf(ref);
    const total = files.reduce((sum, file) => sum + file.bytes, 0);
    console.log(
      `  ${ref}: ${(bytes / megabyte).toFixed(1)} MB compressed, ${(total / megabyte).toFixed(1)} MB unpacked`,
    );
    assert.ok(bytes < maxMegabytes * megabyte, `${(bytes / megabyte).toFixed(1)} MB`);
    assert.equal(programsOf(files), programs);
    const listed = (wanted: (file: File) => boolean) => files.filter(wanted).map((file) => file.name);
    assert.equal(
      listed(({ mode }) => (mode & 0o6000) !== 0),
      [],
    );
    assert.equal(
      listed(({ attributes }) => attributes.length > 0),
      [],
    );
    assert.equal(
      listed(({ owner }) => owner !== "0:0"),
      [],
    );
    assert.equal(
      listed(({ type, mode }) => type !== "symlink" && (mode & 0o022) !== 0),
      name === "operator" ? ["tmp"] : [],
    );
    assert.is((await (await docker()).getImage(ref).inspect()).Config.User, user);
  });

  test(`${name}: no home folder, configuration, key, source or source map came along from where it was built`, async () => {
    const files = await filesOf((await find(name)).ref);
    const strays = files.filter(
      (file) =>
        (/^(root|home|var|run|mnt|opt|srv|work)\//.test(file.name) && !ofPackages.test(file.name)) ||
        /(^|\/)\.[^/]+$/.test(file.name) ||
        /\.(ts|map|key|pem|kubeconfig|ya?ml|env)$/.test(file.name) ||
        /kubeconfig|id_rsa|credentials|npmrc/.test(file.name),
    );
    assert.equal(
      strays.map((file) => file.name),
      [],
    );
  });
}

test.run();
