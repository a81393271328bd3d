/** What is known of the clusters on this machine, so that any later run finds and sweeps them. */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { type Addresses, addresses, maxClusters } from "./addresses.ts";

const processSchema = z.strictObject({ pid: z.int(), startTicks: z.string() });
const stateSchema = z.strictObject({
  name: z.string(),
  index: z.int().min(0),
  nodes: z.int().min(1),
  openshift: z.boolean(),
  /** True once `up` has finished. */
  ready: z.boolean(),
  controlPlane: processSchema.optional(),
  nodeInits: z.array(processSchema),
});
export type ClusterState = z.infer<typeof stateSchema>;

const root = () => join(process.env.RUNTIME_INSIGHTS_STATE ?? "/var/lib/runtime-insights", "clusters");

export const clusterDir = (name: string): string => join(root(), name);
export const stateLock = (): string => {
  mkdirSync(root(), { recursive: true });
  return join(root(), ".lock");
};
export const addressesOf = ({ index }: ClusterState): Addresses => addresses(index);

export function readState(name: string): ClusterState | undefined {
  const file = join(clusterDir(name), "cluster.json");
  return existsSync(file) ? stateSchema.parse(JSON.parse(readFileSync(file, "utf8"))) : undefined;
}

export function writeState(state: ClusterState): void {
  const dir = clusterDir(state.name);
  mkdirSync(dir, { recursive: true });
  const file = join(dir, "cluster.json");
  writeFileSync(`${file}.new`, `${JSON.stringify(state, undefined, 2)}\n`);
  renameSync(`${file}.new`, file);
}

/** The lowest index that no cluster on this machine has; the caller holds the lock. */
export function freeIndex(): number {
  const names = existsSync(root()) ? readdirSync(root()).filter((name) => !name.startsWith(".")) : [];
  const taken = new Set(names.map((name) => readState(name)?.index));
  for (let index = 0; index < maxClusters; index += 1) if (!taken.has(index)) return index;
  throw new Error(`${maxClusters} clusters are on this machine already: take one down with npm run cluster:down`);
}
