/** Image archives into the containerd of the nodes, once. */
import { createHash } from "node:crypto";
import { createReadStream, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { waitFor } from "../kubectl.ts";
import { inMachine, type ProcessId } from "./machine.ts";
import { containerdSocket } from "./node.ts";

export interface NodeStore {
  readonly init: ProcessId;
  /** The node's folder, where it is noted what was imported. */
  readonly dir: string;
}

/** Brings an OCI or docker archive into every node, unless its very images are there already. */
export async function importArchive(nodes: readonly NodeStore[], archive: string): Promise<void> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(archive), hash);
  const digest = hash.digest("hex");
  await Promise.all(nodes.map((node) => importInto(node, archive, digest)));
}

async function importInto({ init, dir }: NodeStore, archive: string, digest: string): Promise<void> {
  const ctr = (args: readonly string[], inputFile?: string) =>
    inMachine(init, ["ctr", "-a", containerdSocket, "-n", "k8s.io", "images", ...args], inputFile);
  const present = await waitFor(`containerd of ${dir}`, () => ctr(["list"]));
  const mark = join(dir, "imported", digest);
  if (existsSync(mark) && isPresent(readFileSync(mark, "utf8"), present)) return;
  const images = importedImages(await ctr(["import", "-"], archive));
  for (const [name, reference] of digestReferences(images)) await ctr(["tag", "--force", name, reference]);
  mkdirSync(join(dir, "imported"), { recursive: true });
  writeFileSync(mark, images);
}

/** Each image's name and its name by digest: what a pull would have left, and what pods then say they run. */
export const digestReferences = (images: string): readonly (readonly [string, string])[] =>
  images
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [name = "", digest = ""] = line.split(" ");
      return [name, `${name.replace(/:[^:/]+$/, "")}@${digest}`] as const;
    });

/** `name digest` lines from what an import printed; empty when it cannot be told, and then nothing is skipped later. */
export const importedImages = (said: string): string =>
  [...said.matchAll(/^unpacking (\S+) \((sha256:[0-9a-f]{64})\)/gm)]
    .map(([, name, digest]) => `${name} ${digest}`)
    .join("\n");

/** Whether every one of the `name digest` lines is in the node's list; another archive may have taken a name since. */
export function isPresent(images: string, list: string): boolean {
  const pairs = new Set(
    list.split("\n").map((line) => {
      const [name, , digest] = line.split(/\s+/);
      return `${name} ${digest}`;
    }),
  );
  return images !== "" && images.split("\n").every((image) => pairs.has(image));
}

/** `name digest` lines of what a later list has and an earlier one has not, but for names by digest and without a name. */
export function changedImages(before: string, after: string): string {
  const pairs = (list: string) =>
    list
      .split("\n")
      .slice(1)
      .map((line) => line.split(/\s+/))
      .filter(([name = ""]) => name.includes(":") && !name.includes("@") && !name.startsWith("sha256:"))
      .map(([name, , digest]) => `${name} ${digest}`);
  const known = new Set(pairs(before));
  return pairs(after)
    .filter((pair) => !known.has(pair))
    .join("\n");
}
