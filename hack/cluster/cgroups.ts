/** The cgroup folders of a cluster's nodes: one per node in every hierarchy, of either cgroup version. */
import { existsSync, readdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { waitFor } from "../kubectl.ts";

const mount = "/sys/fs/cgroup";

/** The name of the folder of node `number`. */
export const cgroupOf = (cluster: string, number: number): string => `runtime-insights-${cluster}-${number}`;

/** Removes what the cluster's nodes made, in all hierarchies; a folder may need a moment after its last process died. How many nodes had some. */
export async function removeCgroups(cluster: string): Promise<number> {
  const names = new Set<string>();
  for (const root of hierarchies()) {
    for (const name of readdirSync(root)) {
      const number = Number(/-(\d+)$/.exec(name)?.[1]);
      if (name !== cgroupOf(cluster, number)) continue;
      names.add(name);
      await waitFor(`cgroup ${join(root, name)} to be empty`, async () => removeTree(join(root, name)), {
        timeoutMs: 30_000,
        everyMs: 100,
      });
    }
  }
  return names.size;
}

const hierarchies = (): readonly string[] =>
  existsSync(join(mount, "cgroup.controllers"))
    ? [mount]
    : readdirSync(mount, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map(({ name }) => join(mount, name));

/** Deepest first: a cgroup with children cannot go. */
function removeTree(dir: string): true {
  for (const entry of readdirSync(dir, { withFileTypes: true }))
    if (entry.isDirectory()) removeTree(join(dir, entry.name));
  rmdirSync(dir);
  return true;
}
