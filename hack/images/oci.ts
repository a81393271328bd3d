/** Images in the OCI layout: as an archive that containerd imports and Docker loads, or as a folder whose content a registry takes. */
import { createHash, randomUUID } from "node:crypto";
import { copyFileSync, createReadStream, createWriteStream, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { pack } from "tar-stream";
import { cacheDir } from "../cache.ts";
import { type Architecture, ownArchitecture } from "./architecture.ts";
import type { Layer } from "./layer.ts";
import type { Part } from "./parts.ts";
import { removeUnused, wasUsed } from "./unused.ts";

export interface ImageSpec {
  /** Name with tag, `localhost/runtime-insights-node:0.1.0`. */
  readonly ref: string;
  /** Of the programs in it; absent: this machine's. */
  readonly architecture?: Architecture;
  /** From the bottom up. */
  readonly layers: readonly Layer[];
  readonly entrypoint?: readonly string[];
  readonly cmd?: readonly string[];
  readonly env?: readonly string[];
  /** Absent: the image does not say, which means root. */
  readonly user?: string;
  readonly workingDir?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** What is in it that others made. */
  readonly parts?: readonly Part[];
}

export interface Image {
  readonly ref: string;
  /** The file to import; images that were written together share it. */
  readonly archive: string;
  /** Of the manifest, or of the index of the manifests for several architectures. */
  readonly digest: string;
  /** Compressed: layers, configs and manifests. */
  readonly bytes: number;
}

interface Blob {
  readonly digest: string;
  readonly size: number;
  readonly content: Buffer | { readonly file: string };
}

interface Layout {
  readonly index: Buffer;
  /** The same for `docker load`, older ones of which know no index. */
  readonly dockerManifest: Buffer;
  readonly blobs: readonly Blob[];
  readonly images: readonly Omit<Image, "archive">[];
}

const manifestType = "application/vnd.oci.image.manifest.v1+json";
const indexType = "application/vnd.oci.image.index.v1+json";
const layoutMark = Buffer.from('{"imageLayoutVersion":"1.0.0"}');
/** What builders of images give those that say nothing. */
export const defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** The manifest, config and layers of one image for one architecture. */
function described(spec: ImageSpec) {
  const platform = { architecture: spec.architecture ?? ownArchitecture, os: "linux" };
  const config = jsonBlob({
    created: "1970-01-01T00:00:00Z",
    ...platform,
    config: {
      ...(spec.user === undefined ? {} : { User: spec.user }),
      Env: spec.env ?? [defaultPath],
      ...(spec.entrypoint === undefined ? {} : { Entrypoint: spec.entrypoint }),
      ...(spec.cmd === undefined ? {} : { Cmd: spec.cmd }),
      WorkingDir: spec.workingDir ?? "/",
      ...(spec.labels === undefined ? {} : { Labels: spec.labels }),
    },
    rootfs: { type: "layers", diff_ids: spec.layers.map(({ diffId }) => diffId) },
  });
  const layers = spec.layers.map(({ digest, bytes, file }): Blob => ({ digest, size: bytes, content: { file } }));
  const manifest = jsonBlob({
    schemaVersion: 2,
    mediaType: manifestType,
    config: descriptor("application/vnd.oci.image.config.v1+json", config),
    layers: layers.map((layer) => descriptor("application/vnd.oci.image.layer.v1.tar+gzip", layer)),
  });
  const entry = { ...descriptor(manifestType, manifest), platform };
  return { spec, manifest, entry, config, layers, blobs: [manifest, config, ...layers] };
}

/** What a name leads to: its image, or where there are several of that name an index of them by architecture. */
function named(ref: string, images: readonly ReturnType<typeof described>[]) {
  const [first] = images;
  const manifests = images.map(({ entry }) => entry);
  const several = jsonBlob({ schemaVersion: 2, mediaType: indexType, manifests });
  const isOne = images.length === 1 && first !== undefined;
  const entry = isOne ? first.entry : descriptor(indexType, several);
  const blobs = [...(isOne ? [] : [several]), ...images.flatMap((image) => image.blobs)];
  return { ref, entry, blobs: new Map(blobs.map((blob) => [blob.digest, blob])) };
}

/** The index, manifests, configs and layers of the images; the same bytes for the same images. */
export function layoutOf(specs: readonly ImageSpec[]): Layout {
  const images = specs.map(described);
  const names = [...Map.groupBy(images, ({ spec }) => spec.ref)].map(([ref, same]) => named(ref, same));
  const index = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: indexType,
      manifests: names.map(({ ref, entry }) => ({
        ...entry,
        // containerd takes the first name, tools for layouts the second.
        annotations: { "io.containerd.image.name": ref, "org.opencontainers.image.ref.name": ref },
      })),
    }),
  );
  const dockerManifest = Buffer.from(
    JSON.stringify(
      images.map(({ spec, config, layers }) => ({
        Config: blobPath(config),
        RepoTags: [spec.ref],
        Layers: layers.map(blobPath),
      })),
    ),
  );
  const blobs = new Map(names.flatMap((name) => [...name.blobs]));
  return {
    index,
    dockerManifest,
    blobs: [...blobs.values()].sort((one, other) => (one.digest < other.digest ? -1 : 1)),
    images: names.map((name) => ({
      ref: name.ref,
      digest: name.entry.digest,
      bytes: [...name.blobs.values()].reduce((sum, blob) => sum + blob.size, 0),
    })),
  };
}

/** One archive in the build cache with all the images, whose common layers are in it once; an old one of the same content is kept. */
export async function writeArchive(name: string, specs: readonly ImageSpec[]): Promise<Image[]> {
  const layout = layoutOf(specs);
  const key = createHash("sha256").update(layout.index).update(layout.dockerManifest).digest("hex").slice(0, 16);
  const archive = join(cacheDir("images"), `${name}-${key}.tar`);
  if (!wasUsed(archive)) {
    const partial = `${archive}.${randomUUID()}`;
    await packLayout(layout, partial);
    renameSync(partial, archive);
    removeUnused(cacheDir("images"), Date.now());
  }
  return layout.images.map((image) => ({ ...image, archive }));
}

async function packLayout({ index, dockerManifest, blobs }: Layout, file: string): Promise<void> {
  const tar = pack();
  const written = pipeline(tar, createWriteStream(file));
  const header = { mode: 0o644, mtime: new Date(0), uid: 0, gid: 0 };
  const add = async (name: string, content: Buffer | { readonly file: string }, size: number) => {
    const source = Buffer.isBuffer(content) ? [content] : createReadStream(content.file);
    await Promise.race([pipeline(source, tar.entry({ ...header, name, size })), written]);
  };
  await add("oci-layout", layoutMark, layoutMark.length);
  await add("index.json", index, index.length);
  await add("manifest.json", dockerManifest, dockerManifest.length);
  for (const blob of blobs) await add(blobPath(blob), blob.content, blob.size);
  tar.finalize();
  await written;
}

/** Writes the images as a layout folder, which `skopeo copy oci:FOLDER:REF docker://...` and the like push. */
export function writeLayoutFolder(dir: string, specs: readonly ImageSpec[]): void {
  const { index, blobs } = layoutOf(specs);
  writeBlobs(dir, blobs, index);
}

export interface Attachment {
  /** Media type. */
  readonly type: string;
  readonly content: string;
  /** What it is about; its manifest is in the same repository. */
  readonly subject: ImageSpec;
}

const emptyConfig = { content: Buffer.from("{}"), type: "application/vnd.oci.empty.v1+json" };

/** A layout folder with one artifact that refers to an image. */
export function writeAttachment(dir: string, { type, content, subject }: Attachment): void {
  const [layer, config] = [blobOf(Buffer.from(content)), blobOf(emptyConfig.content)];
  const manifest = jsonBlob({
    schemaVersion: 2,
    mediaType: manifestType,
    artifactType: type,
    config: descriptor(emptyConfig.type, config),
    layers: [descriptor(type, layer)],
    subject: descriptor(manifestType, described(subject).manifest),
  });
  const index = { schemaVersion: 2, mediaType: indexType, manifests: [descriptor(manifestType, manifest)] };
  writeBlobs(dir, [layer, config, manifest], Buffer.from(JSON.stringify(index)));
}

function writeBlobs(dir: string, blobs: readonly Blob[], index: Buffer): void {
  mkdirSync(join(dir, "blobs", "sha256"), { recursive: true });
  for (const blob of blobs) {
    const file = join(dir, blobPath(blob));
    if (Buffer.isBuffer(blob.content)) writeFileSync(file, blob.content);
    else copyFileSync(blob.content.file, file);
  }
  writeFileSync(join(dir, "oci-layout"), layoutMark);
  writeFileSync(join(dir, "index.json"), index);
}

const blobPath = ({ digest }: Blob): string => `blobs/${digest.replace(":", "/")}`;
const descriptor = (mediaType: string, { digest, size }: Blob) => ({ mediaType, digest, size });

const jsonBlob = (value: object): Blob => blobOf(Buffer.from(JSON.stringify(value)));

const blobOf = (content: Buffer): Blob => ({
  digest: `sha256:${createHash("sha256").update(content).digest("hex")}`,
  size: content.length,
  content,
});
