/** What is known of the clusters on this machine, so that any later run finds and sweeps them. */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { addresses, maxClusters } from "./addresses.ts";

const processSchema = z.strictObject({ pid: z.int(), startTicks: z.string() });
const stateSchema = z.strictObject({
  name: z.string(),
  index: z.int().min(0),
  nodes: z.int().min(1),
  openshift: z.boolean(),
  /** The folder with the programs it was made from. */
  binDir: z.string(),
  /** True once `up` has finished. */
  ready: z.boolean(),
  controlPlane: processSchema.optional(),
  nodeInits: z.array(processSchema),
});
export type ClusterState = z.infer<typeof stateSchema>;

/** The folder of all clusters; not made by looking at it. */
export const stateRoot = (): string =>
  join(process.env.RUNTIME_INSIGHTS_STATE ?? "/var/lib/runtime-insights", "clusters");

function madeRoot(): string {
  const root = stateRoot();
  mkdirSync(root, { recursive: true });
  return root;
}

const namePattern = /^[a-z][a-z0-9-]{0,19}$/;

/** The folder of the cluster; throws when the name could not be one, so that nothing outside the state is ever touched. */
export function clusterDir(name: string): string {
  if (!namePattern.test(name))
    throw new Error(`cluster name "${name}": use up to 20 lower-case letters, digits and -, a letter first`);
  return join(stateRoot(), name);
}

/** What is known of a cluster that K3s made (k3s.ts). */
export const k3sFile = (name: string): string => join(clusterDir(name), "k3s.json");

export const isK3s = (name: string): boolean => existsSync(k3sFile(name));

/** Held by whoever makes or removes that cluster. */
export function clusterLock(name: string): string {
  clusterDir(name);
  return join(madeRoot(), `.${name}.lock`);
}

/** Held while an index is chosen, or what all clusters share is looked at. */
export const sharedLock = (): string => join(madeRoot(), ".lock");

/** Undefined when there is no such cluster, or what is written of it cannot be read: then only a sweep helps. */
export function readState(name: string): ClusterState | undefined {
  const file = join(clusterDir(name), "cluster.json");
  try {
    return stateSchema.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch {
    return undefined;
  }
}

export function writeState(state: ClusterState): void {
  const dir = clusterDir(state.name);
  mkdirSync(dir, { recursive: true });
  const file = join(dir, "cluster.json");
  writeFileSync(`${file}.new`, `${JSON.stringify(state, undefined, 2)}\n`);
  renameSync(`${file}.new`, file);
}

/** Folders of clusters, whole or not. */
export const clusterNames = (): readonly string[] => readdirSync(madeRoot()).filter((name) => namePattern.test(name));

/** Whether the interface that leads to the cluster of that index is there, whoever made it. */
export const isConnected = (index: number): boolean => existsSync(`/sys/class/net/${addresses(index).hostInterface}`);

/** The lowest index that no cluster on this machine has; the caller holds the shared lock. */
export function freeIndex(): number {
  const taken = new Set(clusterNames().map((name) => readState(name)?.index));
  for (let index = 0; index < maxClusters; index += 1) if (!taken.has(index) && !isConnected(index)) return index;
  throw new Error(`${maxClusters} clusters are on this machine already: take one down with npm run cluster:down`);
}
