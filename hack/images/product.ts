/** What is in each of the product's images. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { buildBundles, buildNodePrograms, bundleInputs, bundles, nodePrograms } from "../build.ts";
import { ensureBinaries } from "../cluster/binaries.ts";
import { debianFilesOf, type ImageFiles } from "./debian.ts";
import { copy, type Entry, entriesBelow, folder, text } from "./entries.ts";
import { labels, type Naming, nonRoot } from "./labels.ts";
import { layerOf } from "./layer.ts";
import { licenseEntries, ownLicense } from "./licenses.ts";
import { ownNode } from "./node-program.ts";
import type { ImageSpec } from "./oci.ts";
import { crateParts, debianParts, goParts, nodeParts, npmParts } from "./parts.ts";

export const imageNames = ["node", "operator", "kube-rbac-proxy"] as const;
export type ImageName = (typeof imageNames)[number];

/** The image as it would be written now; builds what goes into it. */
export const productImage = (name: ImageName, naming: Naming): Promise<ImageSpec> => describe[name](naming);

const describe: Readonly<Record<ImageName, (naming: Naming) => Promise<ImageSpec>>> = {
  node: nodeImage,
  operator: operatorImage,
  "kube-rbac-proxy": proxyImage,
};

/** From scratch; its DaemonSet says who runs what, in `/`. */
async function nodeImage(naming: Naming): Promise<ImageSpec> {
  const dir = await buildNodePrograms(naming.log, naming.architecture);
  const parts = await crateParts(naming.architecture);
  return {
    architecture: naming.architecture,
    ref: `${naming.registry}/runtime-insights-node:${naming.version}`,
    layers: [
      await layerOf(nodePrograms.map((name) => copy(name, join(dir, name), 0o755))),
      await layerOf(licenseEntries(ownLicense, parts)),
    ],
    parts,
    entrypoint: ["/extractor_server"],
    labels: labels(
      {
        title: "Runtime Insights node programs",
        description: "Extractor and exporter, which look at the containers of a node",
      },
      naming,
      parts,
    ),
  };
}

async function operatorImage(naming: Naming): Promise<ImageSpec> {
  const { registry, version, architecture, renew, log } = naming;
  const [bundleDir, node] = [await buildBundles(log, version), await ownNode(architecture, log)];
  const packages = ["base-files", "ca-certificates", "libc6", "libgcc-s1", "libstdc++6"];
  const libraries = await debianFilesOf(packages, { architecture, renew: renew === true ? log : undefined });
  const parts = [...npmParts(bundleInputs(bundleDir)), ...nodeParts(node), ...debianParts(libraries, architecture)];
  const program = bundles
    .flatMap((name) => [`${name}.js`, `${name}.js.LEGAL.txt`])
    .filter((file) => existsSync(join(bundleDir, file)))
    .map((file) => copy(`app/${file}`, join(bundleDir, file)));
  return {
    architecture,
    ref: `${registry}/runtime-insights-operator:${version}`,
    parts,
    layers: [
      await layerOf(operatorBase(libraries)),
      await layerOf([copy("usr/local/bin/node", node.file, 0o755)]),
      await layerOf([...program, text("app/package.json", `${JSON.stringify({ type: "module", version })}\n`)]),
      await layerOf(licenseEntries(ownLicense, parts)),
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
    labels: labels(
      {
        title: "Runtime Insights operator and gatherer",
        description: "Installs the node programs and gathers the runtimes they find",
      },
      naming,
      parts,
    ),
  };
}

/** The loader and libraries that Node asks for, and those that glibc loads to look names up. */
export const nodeLibraries =
  /^(usr\/)?lib\d*\/([^/]+\/)?(ld-linux[^/]*|lib(c|m|dl|pthread|rt|resolv|nss_dns|nss_files|gcc_s)\.so\.\d+|libstdc\+\+\.so\.6[.\d]*)$/;

function operatorBase({ root, control }: ImageFiles): Entry[] {
  const files = entriesBelow(root, (path) => nodeLibraries.test(path) || /^(etc|usr\/lib)\/os-release$/.test(path));
  return [
    ...files,
    // Where scanners look for packages in images without dpkg.
    ...Object.entries(control).map(([name, said]) => text(`var/lib/dpkg/status.d/${name}`, said)),
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
const proxyModule = "github.com/brancz/kube-rbac-proxy";

/** The upstream program as it is; its name does not carry our registry's tag scheme but upstream's version. */
async function proxyImage({ registry, architecture, log }: Naming): Promise<ImageSpec> {
  const dir = await ensureBinaries(["kube-rbac-proxy"], log, architecture);
  const parts = await goParts(["kube-rbac-proxy"], dir, architecture);
  const texts = parts.find(({ name }) => name === proxyModule)?.texts ?? [];
  const itsLicense = texts.find(({ path }) => path === "LICENSE");
  if (itsLicense === undefined) throw new Error(`${proxyModule} has no LICENSE for its image`);
  return {
    architecture,
    ref: `${registry}/kube-rbac-proxy:${proxyVersion}`,
    parts,
    layers: [
      await layerOf([copy("kube-rbac-proxy", join(dir, "kube-rbac-proxy"), 0o755)]),
      await layerOf(licenseEntries(itsLicense.file, parts)),
    ],
    entrypoint: ["/kube-rbac-proxy"],
    user: `${nonRoot}:${nonRoot}`,
    labels: labels(
      {
        title: "kube-rbac-proxy",
        description: "The upstream program as it is, from its Go module",
        vendor: "kube-rbac-proxy authors",
      },
      { version: proxyVersion },
      parts,
    ),
  };
}
