/** Takes away whatever a cluster left on this machine, however far it had come. */
import { execFile } from "node:child_process";
import { existsSync, rmdirSync, rmSync } from "node:fs";
import { promisify } from "node:util";
import { withLock } from "../lock.ts";
import { addresses, maxClusters } from "./addresses.ts";
import { removeCgroups } from "./cgroups.ts";
import { stopMachines } from "./machine.ts";
import { mountPoints } from "./node.ts";
import { clusterDir, clusterNames, isConnected, readState, sharedLock } from "./state.ts";

const run = promisify(execFile);

/** Removes the cluster's machines, interface, cgroups and files; what was there, in words, empty when there was nothing. The caller holds the cluster's lock. */
export async function sweep(name: string): Promise<readonly string[]> {
  const dir = clusterDir(name);
  const state = readState(name);
  const removed: string[] = [];
  const wasConnected = state !== undefined && isConnected(state.index);
  const machines = await stopMachines(dir);
  if (machines.length > 0) {
    removed.push(`machines ${machines.join(", ")}`);
    if (wasConnected) {
      const { hostInterface } = addresses(state.index);
      // The kernel takes it away by itself, with the namespace of its other end, but only a moment later.
      await run("ip", ["link", "delete", hostInterface]).catch(() => undefined);
      removed.push(`interface ${hostInterface} and its routes`);
    }
  }
  const cgroups = await removeCgroups(name);
  if (cgroups > 0) removed.push(`cgroups of ${cgroups} ${cgroups === 1 ? "node" : "nodes"}`);
  if (existsSync(dir)) {
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
    removed.push(`files below ${dir}`);
  }
  await withLock(sharedLock(), () => undefined, removeMountPoints);
  return removed;
}

/** Empty folders that nodes mount over; removing one under a living node would end its mount. */
async function removeMountPoints(): Promise<void> {
  const others = clusterNames().length > 0 || Array.from({ length: maxClusters }, (_, at) => at).some(isConnected);
  if (others) return;
  for (const path of mountPoints) {
    try {
      rmdirSync(path);
    } catch {
      // Not there, or somebody keeps something in it.
    }
  }
}
