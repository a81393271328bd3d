/** Which distribution a machine, or an unpacked root, is of. */
import { readFileSync } from "node:fs";

/** `debian-12`, as an os-release says it. */
export function distributionOf(release: string): string {
  const field = (name: string) => new RegExp(`^${name}="?([^"\n]*)"?$`, "m").exec(release)?.[1];
  return `${field("ID") ?? "linux"}-${field("VERSION_ID") ?? "unknown"}`;
}

/** This machine's; `linux-unknown` where nothing says it. */
export function ownDistribution(): string {
  try {
    return distributionOf(readFileSync("/etc/os-release", "utf8"));
  } catch {
    return distributionOf("");
  }
}
