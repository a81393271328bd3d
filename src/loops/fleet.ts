/** Counts the nodes of the cluster as seldom as their number can be right: they are not watched. */
import { z } from "zod";
import type { Api } from "../adapters/connection.ts";
import { countNodes } from "../adapters/nodes.ts";
import type { Logger } from "../adapters/telemetry.ts";
import { placementSchema } from "../api/node.ts";
import type { Pods } from "../api/pods.ts";
import type { Fleet } from "../core/coverage.ts";
import type { Live } from "../core/plan.ts";
import { elapsedMs } from "../core/time.ts";

const daemonSetSchema = z.object({ spec: z.object({ template: z.object({ spec: placementSchema }) }) });

const minuteMs = 60_000;
/** As long as nothing tells that the nodes have changed; then with the next run without any cause. */
const quietMs = 4 * minuteMs;
/** While pods are missing, since a node may have gone or come back. */
const missingMs = minuteMs;
/** While nodes come and go. */
const busyMs = 10_000;

interface Look {
  readonly atMs: number;
  /** Of the DaemonSet at that time. */
  readonly desired: number;
  readonly isMissing: boolean;
}

export class FleetCount {
  readonly #api: Api;
  readonly #log: Logger;
  #look: Look | undefined;
  #fleet: Fleet | undefined;

  constructor(api: Api, log: Logger) {
    this.#api = api;
    this.#log = log;
  }

  /** The nodes, as of this look or an earlier one that still holds; undefined without a DaemonSet, or when they cannot be read. */
  async of(
    pods: Pods | undefined,
    daemonSet: Live | undefined,
    nowMs: number,
  ): Promise<{ readonly fleet: Fleet | undefined; readonly afterMs: number | undefined }> {
    if (pods?.seen !== true || daemonSet?.kind !== "present") return { fleet: undefined, afterMs: undefined };
    const { desired } = pods;
    const isMissing = pods.ready < desired;
    const holdsMs = this.#holdsMs(desired, isMissing);
    const leftMs = this.#look === undefined ? 0 : holdsMs - elapsedMs(this.#look.atMs, nowMs, holdsMs);
    if (leftMs <= 0) {
      this.#look = { atMs: nowMs, desired, isMissing };
      try {
        this.#fleet = await countNodes(this.#api, daemonSetSchema.parse(daemonSet.object).spec.template.spec);
      } catch (cause) {
        this.#fleet = undefined;
        this.#log.warn({ err: cause }, "Could not count the nodes");
      }
    }
    return {
      fleet: this.#fleet,
      afterMs: isMissing ? missingMs : leftMs > 0 && holdsMs === busyMs ? leftMs : undefined,
    };
  }

  /** How long the last look holds. */
  #holdsMs(desired: number, isMissing: boolean): number {
    if (this.#look?.desired !== desired || this.#look.isMissing !== isMissing) return busyMs;
    return isMissing || this.#fleet === undefined ? missingMs : quietMs;
  }
}
