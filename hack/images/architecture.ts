/** Which architectures images can be built for. */
import { ownDistribution } from "./distribution.ts";

export const architectures = ["amd64", "arm64"] as const;
/** As images, nodes, Debian and Go call it. */
export type Architecture = (typeof architectures)[number];

/** This machine's. */
export const ownArchitecture: Architecture = process.arch === "arm64" ? "arm64" : "amd64";

/** As Node and its npm packages call it. */
export const nodeArchitectures = { amd64: "x64", arm64: "arm64" } as const;
/** As Rust calls it, for programs with Debian's C library. */
export const rustTargets = { amd64: "x86_64-unknown-linux-gnu", arm64: "aarch64-unknown-linux-gnu" } as const;

/** Where images are built. */
export interface Machine {
  readonly architecture: Architecture;
  /** `debian-12` */
  readonly distribution: string;
}

/** Why images for that architecture cannot be built on this machine; undefined when they can. */
export function architectureProblem(wanted: string, machine = thisMachine()): string | undefined {
  if (wanted === machine.architecture) return undefined;
  if (!architectures.some((known) => known === wanted))
    return `--arch ${wanted}: there are no images for it; what there can be is ${architectures.join(" or ")}`;
  const refused = `--arch ${wanted}: images for ${wanted} are not built on a machine that is ${machine.architecture}`;
  if (machine.architecture !== "amd64")
    return `${refused}.\nThe compilers, which are Debian's, are taken only on amd64 for arm64, not the other way round (docs/images.md).`;
  if (machine.distribution !== "debian-12")
    return `${refused} and runs ${machine.distribution}.\nThe compilers and libraries for ${wanted} are those of Debian 12 and come from the machine's own package sources. A container of debian:12 will do (docs/images.md).`;
  return undefined;
}

const thisMachine = (): Machine => ({ architecture: ownArchitecture, distribution: ownDistribution() });
