/** What the benchmark of the operator measures, and what came of it. */

/** What can be measured alone: resident memory, a gate that flips, an hour in which nothing happens. */
export const operatorParts = ["memory", "flips", "steady"] as const;
export type OperatorPart = (typeof operatorParts)[number];

/** The large cluster. */
export const large = {
  nodes: 1_000,
  gathers: 50,
  /** Entries of the FeatureGate, each of another version. */
  gateVersions: 5,
  gatesPerVersion: 100,
  /** Of each of a few kinds, in the operator's namespace and not its own. */
  strangers: 300,
} as const;
/** So often every loop runs whatever the watches say; a sample of that length holds each run once. */
export const resyncMs = 5 * 60_000;
/** So long a process rests before its memory is read. */
export const restMs = 15_000;

/** One state of the operator. */
export interface Memory {
  readonly what: string;
  /** After it has rested. */
  readonly residentMiB: number;
  /** The largest so far. */
  readonly peakMiB: number;
  readonly heapMiB: number;
}

/** From the start of the process. */
export interface Started {
  readonly leadingMs: number;
  /** All loops have run once. */
  readonly firstRunMs: number;
}

export interface MemoryFound {
  readonly part: "memory";
  /** Node.js that does nothing at all. */
  readonly bareMiB: number;
  /** Node.js with client-node and one open watch. */
  readonly floorMiB: number;
  readonly floorStartMs: number;
  readonly starts: readonly Started[];
  readonly idle: Memory;
  readonly configured: Memory;
  readonly large: Memory;
  /** After each watched object was changed many times. */
  readonly churned: Memory;
}

/** From the write of the FeatureGate to the DaemonSet, and the same writes by a program that knows what to do. */
export interface Flip {
  readonly to: "on" | "off";
  readonly ms: number;
  readonly floorMs: number;
}

export interface FlipsFound {
  readonly part: "flips";
  readonly flips: readonly Flip[];
  /** Of the floor: to apply and to delete. */
  readonly objects: number;
}

/** Requests by what they are for. */
export interface Requests {
  readonly reads: number;
  readonly watches: number;
  readonly leaseWrites: number;
  readonly otherWrites: readonly string[];
}

export interface SteadyFound {
  readonly part: "steady";
  readonly sampleMs: number;
  readonly sample: Requests;
  /** From the start of the process to its first run. */
  readonly start: Requests;
  /** Of one run of the operands' loop that finds nothing to do. */
  readonly run: Requests;
  readonly openWatches: number;
  readonly memory: Memory;
}

export type Found = MemoryFound | FlipsFound | SteadyFound;
