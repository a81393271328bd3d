/** The product's images, built without Docker from this clone, its npm packages and Debian's libraries. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { buildBundles, buildNodePrograms, bundles, megabytes, nodePrograms, say, seconds } from "../build.ts";
import { cloneDir } from "../cache.ts";
import { ensureBinaries } from "../cluster/binaries.ts";
import type { Log } from "../lock.ts";
import { type DebianFiles, debianFiles } from "./debian.ts";
import { copy, type Entry, entriesBelow, folder, text } from "./entries.ts";
import { layerOf } from "./layer.ts";
import { ownNode } from "./node-program.ts";
import { type Image, type ImageSpec, writeArchive, writeLayoutFolder } from "./oci.ts";

export type { Image } from "./oci.ts";

const { version } = z
  .object({ version: z.string() })
  .parse(JSON.parse(readFileSync(join(cloneDir, "package.json"), "utf8")));

/** The user of the images that do not run as root: what distroless images call nonroot. */
const nonRoot = "65532";

export const imageNames = ["node", "operator", "kube-rbac-proxy"] as const;
export type ImageName = (typeof imageNames)[number];

export interface BuildOptions {
  /** Default: all. */
  readonly only?: readonly ImageName[];
  /** Gets an OCI layout with the same images, for a registry. */
  readonly outputDir?: string;
  /** What the names begin with; default IMAGE_REGISTRY or `localhost`. */
  readonly registry?: string;
  readonly log?: Log;
}

/** The product's images as archives in the build cache; those whose content is unchanged are not written again. */
export async function buildImages({
  only = imageNames,
  outputDir,
  registry = process.env.IMAGE_REGISTRY ?? "localhost",
  log = say,
}: BuildOptions = {}): Promise<Image[]> {
  const specs: ImageSpec[] = [];
  const images: Image[] = [];
  for (const name of imageNames.filter((one) => only.includes(one))) {
    const startedMs = Date.now();
    const spec = await describe[name](registry, log);
    const [image] = await writeArchive(name, [spec]);
    if (image === undefined) throw new Error(`image ${spec.ref}: nothing was written`);
    log(`${image.ref}: ${megabytes(image.bytes)} compressed (${seconds(startedMs)})`);
    specs.push(spec);
    images.push(image);
  }
  if (outputDir !== undefined) writeLayoutFolder(outputDir, specs);
  return images;
}

const describe: Readonly<Record<ImageName, (registry: string, log: Log) => Promise<ImageSpec>>> = {
  node: nodeImage,
  operator: operatorImage,
  "kube-rbac-proxy": proxyImage,
};

/** From scratch; its DaemonSet says who runs what, in `/`. */
async function nodeImage(registry: string, log: Log): Promise<ImageSpec> {
  const dir = await buildNodePrograms(log);
  return {
    ref: `${registry}/runtime-insights-node:${version}`,
    layers: [await layerOf(nodePrograms.map((name) => copy(name, join(dir, name), 0o755)))],
    entrypoint: ["/extractor_server"],
    env: [],
    labels: labels("Runtime Insights node programs", version),
  };
}

async function operatorImage(registry: string, log: Log): Promise<ImageSpec> {
  const [bundleDir, node] = [await buildBundles(log), await ownNode()];
  const libraries = await debianFiles(["base-files", "ca-certificates", "libc6", "libgcc-s1", "libstdc++6"]);
  const program = bundles
    .flatMap((name) => [`${name}.js`, `${name}.js.LEGAL.txt`])
    .filter((file) => existsSync(join(bundleDir, file)))
    .map((file) => copy(`app/${file}`, join(bundleDir, file)));
  return {
    ref: `${registry}/runtime-insights-operator:${version}`,
    layers: [
      await layerOf(operatorBase(libraries)),
      await layerOf([copy("usr/local/bin/node", node.file, 0o755)]),
      await layerOf([...program, text("app/package.json", `${JSON.stringify({ type: "module", version })}\n`)]),
    ],
    entrypoint: ["node"],
    cmd: ["/app/main.js"],
    workingDir: "/app",
    user: `${nonRoot}:${nonRoot}`,
    env: [
      "PATH=/usr/local/bin:/usr/bin:/bin",
      "NODE_ENV=production",
      // The bundle below, which an administrator may replace, instead of the list built into Node.
      "NODE_OPTIONS=--use-openssl-ca",
      "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt",
    ],
    labels: labels("Runtime Insights operator and gatherer", version),
  };
}

/** The loader and libraries that Node asks for, and those that glibc loads to look names up. */
export const nodeLibraries =
  /^(usr\/)?lib\d*\/([^/]+\/)?(ld-linux[^/]*|lib(c|m|dl|pthread|rt|resolv|nss_dns|nss_files|gcc_s)\.so\.\d+|libstdc\+\+\.so\.6[.\d]*)$/;

function operatorBase({ root }: DebianFiles): Entry[] {
  const files = entriesBelow(root, (path) => nodeLibraries.test(path) || /^(etc|usr\/lib)\/os-release$/.test(path));
  return [
    ...files,
    text("etc/ssl/certs/ca-certificates.crt", certificatesOf(root)),
    text("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"),
    text(
      "etc/passwd",
      `root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:${nonRoot}:${nonRoot}:nonroot:/tmp:/sbin/nologin\n`,
    ),
    text("etc/group", `root:x:0:\nnonroot:x:${nonRoot}:\n`),
    folder("tmp", 0o1777),
  ];
}

/** Mozilla's certificate authorities in one file, as Debian would put them together. */
function certificatesOf(root: string): string {
  const found = entriesBelow(join(root, "usr/share/ca-certificates/mozilla"), (path) => path.endsWith(".crt"));
  return found
    .map(({ path }) => readFileSync(join(root, "usr/share/ca-certificates/mozilla", path), "utf8").trimEnd())
    .sort()
    .map((certificate) => `${certificate}\n`)
    .join("");
}

const proxyVersion = "v0.19.1";

/** The upstream program as it is; its name does not carry our registry's tag scheme but upstream's version. */
async function proxyImage(registry: string, log: Log): Promise<ImageSpec> {
  const dir = await ensureBinaries(["kube-rbac-proxy"], log);
  return {
    ref: `${registry}/kube-rbac-proxy:${proxyVersion}`,
    layers: [await layerOf([copy("kube-rbac-proxy", join(dir, "kube-rbac-proxy"), 0o755)])],
    entrypoint: ["/kube-rbac-proxy"],
    user: `${nonRoot}:${nonRoot}`,
    env: [],
    labels: labels("kube-rbac-proxy", proxyVersion),
  };
}

const labels = (title: string, imageVersion: string): Readonly<Record<string, string>> => ({
  "org.opencontainers.image.title": title,
  "org.opencontainers.image.version": imageVersion,
  "org.opencontainers.image.licenses": "Apache-2.0",
});
