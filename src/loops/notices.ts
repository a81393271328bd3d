/** What cannot stand in the config's status, since there is none or it is another's: told by an event and in the log, once until it is over. */
import type { Cluster, EventToWrite } from "../adapters/cluster.ts";
import type { Logger } from "../adapters/telemetry.ts";

/** Every reason of such an event; docs/conditions.md says what to do. */
export const noticeReasons = ["CrdMissing", "CrdOutdated", "AnotherOperator"] as const;
export type NoticeReason = (typeof noticeReasons)[number];

export interface Notice {
  readonly reason: NoticeReason;
  readonly message: string;
  /** Each gets an event of its own. */
  readonly about: readonly EventToWrite["about"][];
  readonly nowMs: number;
}

export class Notices {
  readonly #cluster: Pick<Cluster, "writeEvent">;
  readonly #log: Logger;
  readonly #said = new Map<NoticeReason, string>();

  constructor({ cluster, log }: { readonly cluster: Pick<Cluster, "writeEvent">; readonly log: Logger }) {
    this.#cluster = cluster;
    this.#log = log;
  }

  async say({ reason, message, about, nowMs }: Notice): Promise<void> {
    const said = JSON.stringify([message, about.map(({ uid }) => uid)]);
    if (this.#said.get(reason) === said) return;
    this.#said.set(reason, said);
    this.#log.warn({ reason, detail: message }, "Told by an event");
    for (const one of about) {
      const written = await this.#cluster.writeEvent({ type: "Warning", reason, message, about: one, nowMs });
      if (written.kind === "failed") this.#log.warn({ problem: written.message }, "Could not write an event");
    }
  }

  over(reason: NoticeReason): void {
    if (this.#said.delete(reason)) this.#log.info({ reason }, "Is over");
  }
}
