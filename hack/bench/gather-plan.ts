/** What the benchmark of the gather measures, and what came of it. */
import type { Size } from "./gather-pods.ts";

/** What can be measured alone: all nodes healthy, one in 100 not, more pods than the limit. */
export const gatherParts = ["healthy", "broken", "limit"] as const;
export type GatherPart = (typeof gatherParts)[number];

/** Ascending; figures are judged at `judged`. */
export const sizes: readonly Size[] = [
  { pods: 1_000, nodes: 100, namespaces: 38 },
  { pods: 4_000, nodes: 500, namespaces: 150 },
  { pods: 8_000, nodes: 1_000, namespaces: 300 },
  { pods: 14_000, nodes: 1_750, namespaces: 525 },
  { pods: 20_000, nodes: 2_500, namespaces: 750 },
];
export const judged = 8_000;
/** As an order has it when the config says nothing. */
export const shippedPodLimit = 8_000;
export const nodeTimeoutMs = 5_000;
export const nodeConcurrency = 50;

/** One turn of floor and gatherer. */
export interface Turn {
  readonly floorListMs: number;
  readonly floorAskMs: number;
  readonly wallMs: number;
  readonly listMs: number;
  readonly askMs: number;
  readonly writeMs: number;
  readonly cpuMs: number;
  readonly peakMiB: number;
}

/** What one fresh gatherer did at one size. */
export interface Measured {
  readonly part: GatherPart;
  readonly size: Size;
  readonly podLimit: number;
  readonly idleMiB: number;
  /** After the last gather. */
  readonly restingMiB: number;
  /** The first gather of the process comes first. */
  readonly turns: readonly Turn[];
  /** Of one gather of this size, by the gatherer and by the floor. */
  readonly counts: {
    readonly pods: number;
    readonly containers: number;
    readonly shapes: number;
    readonly nodesAsked: number;
    readonly nodesFailed: number;
    /** Pages of pods that were asked for, those of the extractors included. */
    readonly podLists: number;
    /** POSTs that reached an exporter. */
    readonly posts: number;
    readonly floorRequests: number;
    readonly listedBytes: number;
    readonly answeredBytes: number;
  };
}
