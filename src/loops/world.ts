/** What the operator's loops share: their adapters, and what each of them knows that another needs. */
import type { Cluster } from "../adapters/cluster.ts";
import type { Api } from "../adapters/connection.ts";
import type { Endpoint } from "../adapters/endpoints.ts";
import type { Gatherer } from "../adapters/gatherer.ts";
import type { LoopName, OperatorMetrics } from "../adapters/operator-metrics.ts";
import type { Logger } from "../adapters/telemetry.ts";
import type { Settings } from "../api/config.ts";
import type { LastUpload } from "../api/upload.ts";
import type { Images } from "../core/desired-input.ts";
import type { NodeSideView } from "../core/on-demand.ts";

export interface OperatorWorld {
  readonly api: Api;
  readonly cluster: Cluster;
  readonly gatherer: Gatherer;
  /** All that our Service knows of, ready or not. */
  readonly endpoints: () => Promise<readonly Endpoint[]>;
  readonly images: Images;
  readonly namespace: string;
  readonly version: string;
  readonly log: Logger;
  readonly metrics: OperatorMetrics;
  readonly nowMs: () => number;
  /** Runs another loop soon. */
  readonly wake: (loop: LoopName) => void;
  /** Follows spec.logLevel. */
  readonly setLogLevel: (level: Settings["logLevel"]) => void;
  readonly shared: Shared;
}

/** In memory only: a restart finds it all again. */
export interface Shared {
  /** Of the last run of the operands' loop. */
  snapshot: Snapshot | undefined;
  /** When what the snapshot says was seen. */
  seenMs: number;
  /** Since when the gatherer cannot be reached although a gather waits for it. */
  unreachable: { readonly sinceMs: number; readonly message: string } | undefined;
  /** Serving certificates do not change while a gather runs. */
  isGathering: boolean;
  /** Of the one gatherer to be asked while there are several; undefined: whichever their Service leads to. */
  gathererOrigin: string | undefined;
  /** What the status says, or is about to say, of the last upload; undefined without a config of ours. */
  upload: { readonly configUid: string; readonly last: LastUpload | undefined } | undefined;
}

export type Snapshot =
  /** Another operator serves the cluster: nothing at all is written. */
  | { readonly kind: "hands off" }
  | { readonly kind: "not managed"; readonly why: string }
  | {
      readonly kind: "managed";
      readonly settings: Settings;
      readonly configCreatedMs: number;
      readonly lastGatherMs: number | undefined;
      readonly gathererReady: boolean;
      /** The node side is there and can be asked; in lifecycle OnDemand: it can be deployed for a gather. */
      readonly nodes: boolean;
      /** It is as ready as it will be soon. */
      readonly nodesSettled: boolean;
      readonly nodeSide: NodeSideView;
    };
