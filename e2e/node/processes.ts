/** Processes of a cluster's containers, as this machine sees them. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** Numbers of the processes of a pod whose executable has this path in their container. */
export function processesOf(podUid: string, executable: string): readonly number[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .filter((pid) => {
      try {
        return (
          readFileSync(`/proc/${pid}/cgroup`, "utf8").includes(`pod${podUid}`) &&
          readlinkSync(`/proc/${pid}/exe`) === executable
        );
      } catch {
        return false;
      }
    })
    .map(Number);
}

/** Stops them until `resume`. A liveness probe may end them before. */
export function freeze(pids: readonly number[]): void {
  for (const pid of pids) process.kill(pid, "SIGSTOP");
}

/** Those that have ended meanwhile are no failure. */
export function resume(pids: readonly number[]): void {
  for (const pid of pids) {
    try {
      process.kill(pid, "SIGCONT");
    } catch (cause) {
      if (!(cause instanceof Error && "code" in cause && cause.code === "ESRCH")) throw cause;
    }
  }
}
