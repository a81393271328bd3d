/** What a gather needs of the outside, and what its parts have in common. */
import type { Api } from "../adapters/connection.ts";
import type { Retention } from "../adapters/disk.ts";
import type { Credentials } from "../adapters/exporters.ts";
import type { ImageCache } from "../adapters/images.ts";
import type { ExporterPlace } from "../core/exporters.ts";

export interface GatherWorld {
  readonly api: Api;
  readonly exporters: ExporterPlace;
  readonly credentials: Credentials;
  /** Where archives go. */
  readonly directory: string;
  readonly images: ImageCache;
  readonly nowMs: () => number;
  /** When this process started, for the archive's report. */
  readonly processStartedAtMs: number;
  /** Default: the newest 5 archives of each sort. */
  readonly retention?: Retention;
  /** Default 64 MiB. */
  readonly maxAnswerBytes?: number;
  /** Default 8443. */
  readonly exporterPort?: number;
  /** After how long without a connection a node counts as unreachable; default: as long as the node may take. */
  readonly connectTimeoutMs?: number;
  /** Waits between tries of a page. */
  readonly delaysMs?: readonly number[];
  /** How long images may outlast the rest; default 15 seconds and a tenth of a second for each pod. */
  readonly imageWaitMs?: number;
  /** After how long the charts are given up; default 5 minutes. */
  readonly helmTimeoutMs?: number;
  /** After how long a node whose connection failed is asked once more; default 1 second. */
  readonly retryAfterMs?: number;
}

/** How patiently the API server is asked. */
export function patienceOf({ delaysMs }: GatherWorld, signal: AbortSignal) {
  return { signal, ...(delaysMs === undefined ? {} : { delaysMs }) };
}

/** The sentence of an error that is not the end of the whole. */
export function problemOf(cause: unknown, signal: AbortSignal): string {
  signal.throwIfAborted();
  return cause instanceof Error ? cause.message : String(cause);
}

/** Nothing when the clock was set back meanwhile. */
export function between(fromMs: number, toMs: number): number {
  return Math.max(0, toMs - fromMs);
}
