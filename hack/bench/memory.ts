/** Resident memory of a process as the kernel counts it. */
import { readFileSync, writeFileSync } from "node:fs";

/** `VmRSS` is the resident size now, `VmHWM` the largest since the process began or `forgetPeak` was called. */
export function residentMiB(pid: number, field: "VmRSS" | "VmHWM"): number {
  const line = new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(line?.[1] ?? Number.NaN) / 1024;
}

/** Since when the peak counts. */
export function forgetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
}
