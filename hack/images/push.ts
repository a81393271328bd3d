/** Sends images to a registry by `crane`, which reads the usual docker config file for its login. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { z } from "zod";
import { ensureBinaries } from "../cluster/binaries.ts";
import type { Log } from "../lock.ts";
import { withScratch } from "../scratch.ts";
import { type ImageSpec, writeAttachment, writeLayoutFolder } from "./oci.ts";
import { sbomOfImage, sbomType } from "./sbom.ts";

/** An image as the registry has it now. */
export interface Pushed {
  /** Name with tag. */
  readonly ref: string;
  readonly digest: string;
  /** Layers, configs and the like that were sent, and those that the registry had. */
  readonly sent: number;
  readonly present: number;
}

/** Why this is not what names of images can begin with, a registry and maybe a path; undefined when it is. */
export function prefixProblem(prefix: string): string | undefined {
  const [host = "", ...path] = prefix.split("/");
  if (prefix.includes("://")) return "a registry is named without https://, as in registry.example/team";
  if (/[:@]/.test(path.join("/"))) return "tag and digest are the images' own";
  if (!/^([a-z0-9.-]+[.:][a-z0-9.:-]+|localhost|\[[0-9a-f:]+\](:\d+)?)$/.test(host))
    return `"${host}" is no registry; the images' names begin with one, as in registry.example/team or registry.example:5000`;
  const bad = path.find((part) => !/^[a-z0-9]+([._-]+[a-z0-9]+)*$/.test(part));
  return bad === undefined
    ? undefined
    : `"${bad}" cannot be part of a name: lower-case letters and digits, with . _ or - between`;
}

/**
 * Pushes the images under their names, those of one name for several architectures as an index; what the registry has already is not sent.
 * Throws with advice at the first that fails.
 */
export async function pushImages(specs: readonly ImageSpec[], log: Log): Promise<Pushed[]> {
  const crane = join(await ensureBinaries(["crane"], log), "crane");
  const pushed: Pushed[] = [];
  for (const [ref, platforms] of Map.groupBy(specs, (spec) => spec.ref))
    await withScratch(async (dir) => {
      writeLayoutFolder(join(dir, "image"), platforms);
      pushed.push(await push(crane, join(dir, "image"), ref, log));
      for (const [at, spec] of platforms.entries()) await pushSbom(crane, join(dir, `sbom-${at}`), spec, log);
    });
  return pushed;
}

/** The bill of materials refers to its image, so that tools find it by the image's digest; a registry that knows no referrers gets a tag for them. */
async function pushSbom(crane: string, dir: string, spec: ImageSpec, log: Log): Promise<void> {
  writeAttachment(dir, { type: sbomType, content: sbomOfImage(spec), subject: spec });
  const repository = spec.ref.replace(/:[^:/]*$/, "");
  const { manifests } = indexSchema.parse(JSON.parse(readFileSync(join(dir, "index.json"), "utf8")));
  for (const manifest of manifests) await push(crane, dir, `${repository}@${manifest.digest}`, log);
}

const indexSchema = z.object({ manifests: z.array(z.object({ digest: z.string() })) });

async function push(crane: string, layout: string, ref: string, log: Log): Promise<Pushed> {
  log(`Pushing ${ref} ...`);
  const child = spawn(crane, ["push", layout, ref], { stdio: ["ignore", "pipe", "pipe"] });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  let [sent, present] = [0, 0];
  const said: string[] = [];
  const reading = (async () => {
    for await (const line of createInterface({ input: child.stderr })) {
      const [, verb, digest = ""] = /(pushed|mounted|existing) blob: sha256:(\w+)/.exec(line) ?? [];
      if (verb === undefined) said.push(line);
      else if (verb === "existing") present += 1;
      else {
        sent += 1;
        log(`  ${digest.slice(0, 12)} sent`);
      }
    }
  })();
  const [out] = await Promise.all([text(child.stdout), reading]);
  if ((await ended) !== 0) throw new Error(`pushing ${ref}: ${explain(ref, said.join("\n"))}`);
  const digest = /@(sha256:[0-9a-f]{64})$/.exec(out.trim())?.[1];
  if (digest === undefined) throw new Error(`pushing ${ref}: crane did not say its digest`);
  log(sent === 0 ? `${ref}: was there already` : `${ref}: ${sent} sent, ${present} were there`);
  return { ref, digest, sent, present };
}

/** What a person can do about a push that failed, from what crane said. */
export function explain(ref: string, said: string): string {
  const registry = ref.split("/")[0] ?? ref;
  const last =
    said
      .trim()
      .split("\n")
      .at(-1)
      ?.replace(/^Error: /, "") ?? "";
  for (const [pattern, advice] of known) if (pattern.test(said)) return `${advice(registry)}\n  ${last}`;
  return last;
}

const known: readonly (readonly [RegExp, (registry: string) => string])[] = [
  [
    /UNAUTHORIZED|401 Unauthorized/,
    (registry) =>
      `${registry} wants another login than it got: \`docker login ${registry}\`, \`podman login\` or \`crane auth login\` write the docker config file that is read here (DOCKER_CONFIG, REGISTRY_AUTH_FILE)`,
  ],
  [
    /DENIED|403 Forbidden/,
    (registry) =>
      `${registry} knows the login, which may not push there: is the path after the registry your own, and does it have to be made first?`,
  ],
  [
    /x509:|tls: /,
    (registry) => `the certificate of ${registry} is not trusted here: SSL_CERT_FILE names a file with its authority`,
  ],
  [
    /connection refused|no such host|i\/o timeout|no route to host|network is unreachable|context deadline exceeded/,
    (registry) => `${registry} cannot be reached: is its name right, and is a proxy needed (HTTPS_PROXY)?`,
  ],
  [
    /NAME_INVALID|NAME_UNKNOWN|404 Not Found/,
    (registry) => `${registry} takes no image of that name: some need the repository or project to be made first`,
  ],
];
