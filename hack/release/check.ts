/** Looks at the files of a release as those who use them will: the tools of catalogue maintainers, and a real API server. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual, promisify } from "node:util";
import { loadAll } from "js-yaml";
import { z } from "zod";
import { filesBelow } from "../bundle/files.ts";
import { scorecardImage } from "../bundle/scorecard.ts";
import { cloneDir } from "../cache.ts";
import { startApiServer } from "../cluster/apiserver.ts";
import { ensureBinaries } from "../cluster/binaries.ts";
import { type Access, kubectl } from "../kubectl.ts";
import type { Log } from "../lock.ts";
import { pinBy, pinned, type ReleasedImage } from "./files.ts";

const run = promisify(execFile);

export interface Checked {
  readonly version: string;
  readonly registry: string;
  readonly images: readonly ReleasedImage[];
}

/** Throws with one sentence per fault of the folder. */
export async function checkRelease(dir: string, { version, registry, images }: Checked, log: Log): Promise<void> {
  const read = (name: string) => readFileSync(join(dir, name), "utf8");
  const texts = new Map(
    filesBelow(dir)
      .filter((file) => file.endsWith(".yaml") && !file.startsWith("catalogue/"))
      .map((file) => [file, read(file)]),
  );
  // The scorecard's image is its makers' own; no digest of it is known here.
  const known = new Set([...images.map(pinned), scorecardImage(registry)]);
  const faults = [...texts].flatMap(([file, text]) =>
    looseImages(text, known).map((ref) => `${file} names ${ref}, which is not released by digest`),
  );
  const tools = [
    ["opm", ["validate", join(dir, "catalogue")]],
    ["bundle-check", [join(dir, "bundle")]],
  ] as const;
  faults.push(...(await toolFaults(tools, log)));
  const server = await startApiServer();
  try {
    faults.push(...(await applyFaults(server, dir)));
    const folders = await Promise.all(
      ["crds", "manifests"].map((folder) => kubectl(server, ["kustomize", join(cloneDir, folder)])),
    );
    if (
      !isDeepStrictEqual(
        objectsIn(read("runtime-insights.yaml")),
        withImages(objectsIn(folders.join("\n---\n")), pinBy(images, version)),
      )
    )
      faults.push("runtime-insights.yaml holds other objects than `kubectl apply -k crds/` and `-k manifests/` apply");
  } finally {
    await server.stop();
  }
  if (faults.length > 0) throw new Error(faults.join("\n"));
  log("The files of the release are right: opm, the validators of bundles and an API server took them");
}

type Tool = readonly [name: string, args: readonly string[]];

/** What each of these says against what it was given. */
export async function toolFaults(tools: readonly Tool[], log: Log): Promise<readonly string[]> {
  const faults: string[] = [];
  for (const [name, args] of tools) {
    const binary = join(await ensureBinaries([name], log), name);
    await run(binary, args).catch((cause: Error & { readonly stdout?: string; readonly stderr?: string }) => {
      faults.push(`${name}: ${[cause.stdout, cause.stderr].join("\n").trim() || cause.message}`);
    });
  }
  return faults;
}

/** What the API server says against the files; the namespaces are made, since nothing could be in them otherwise, all else is only tried. */
async function applyFaults(access: Access, dir: string): Promise<readonly string[]> {
  const faults: string[] = [];
  for (const namespace of ["runtime-insights", "standalone"]) await kubectl(access, ["create", "namespace", namespace]);
  for (const [file, namespace] of [
    ["runtime-insights.yaml", []],
    ["crds.yaml", []],
    ["standalone.yaml", ["-n", "standalone"]],
  ] as const) {
    const args = [...namespace, "apply", "--dry-run=server", "--validate=strict", "-f", join(dir, file)];
    await kubectl(access, args).catch((cause: Error) => faults.push(`${file}: ${cause.message}`));
  }
  return faults;
}

const objectSchema = z.looseObject({
  kind: z.string(),
  metadata: z.looseObject({ name: z.string(), namespace: z.string().optional() }),
});
type KubeObject = z.infer<typeof objectSchema>;

/** In an order of their own, since kustomize has another than the files. */
export function objectsIn(text: string): readonly KubeObject[] {
  const keyOf = ({ kind, metadata }: KubeObject) => [kind, metadata.namespace, metadata.name].join("/");
  return loadAll(text)
    .filter((document) => document !== null && document !== undefined)
    .map((document) => objectSchema.parse(document))
    .sort((one, other) => (keyOf(one) < keyOf(other) ? -1 : 1));
}

const isImageKey = (key: string): boolean => key === "image" || key === "containerImage";

/** The value with each image in it replaced: fields called so, and environment variables RELATED_IMAGE_... */
export function withImages(value: unknown, image: (ref: string) => string): unknown {
  if (Array.isArray(value)) return value.map((one: unknown) => withImages(one, image));
  if (typeof value !== "object" || value === null) return value;
  const fields = new Map<string, unknown>(Object.entries(value));
  const name = fields.get("name");
  const isVariable = typeof name === "string" && name.startsWith("RELATED_IMAGE_");
  return Object.fromEntries(
    [...fields].map(([key, field]) => [
      key,
      typeof field === "string" && (isImageKey(key) || (isVariable && key === "value"))
        ? image(field)
        : withImages(field, image),
    ]),
  );
}

/** Images in the text that are none of these. */
export function looseImages(text: string, known: ReadonlySet<string>): readonly string[] {
  const found: string[] = [];
  withImages(loadAll(text), (ref) => {
    if (!known.has(ref)) found.push(ref);
    return ref;
  });
  // A place that none of the fields above is.
  return [
    ...found,
    ...[...text.matchAll(/\blocalhost\/[\w./-]+:[\w.-]+/g)]
      .map(([ref]) => ref)
      .filter((ref) => !found.includes(ref) && !known.has(ref)),
  ];
}
