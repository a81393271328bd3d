/** Says in the config's status, by events and by metrics what a run saw and did. */
import { configKind, configName } from "../api/config.ts";
import type { ConfigStatus } from "../api/config-status.ts";
import { type Conditions, conditionTypes } from "../core/conditions.ts";
import type { Fleet } from "../core/coverage.ts";
import { isSame } from "../core/same.ts";
import { lastSuccessMs, statusOf } from "../core/status.ts";
import { uploadEvents } from "../core/upload.ts";
import { nextGatherMs } from "./judgement.ts";
import { type Observed, type Present, podsOfOurs } from "./observed.ts";
import type { Ownership } from "./ownership.ts";
import type { OperatorWorld, Snapshot } from "./world.ts";

export interface Report {
  readonly observed: Observed;
  readonly config: Present;
  readonly judged: Conditions;
  readonly snapshot: Snapshot;
  readonly fleet: Fleet | undefined;
  readonly isRollingOut: boolean;
}

export class Reporter {
  readonly #world: OperatorWorld;
  readonly #ownership: Ownership;
  /** Fields of the status that the CRD lacks, as far as is known. */
  #undeclared: readonly string[] = [];

  constructor(world: OperatorWorld, ownership: Ownership) {
    this.#world = world;
    this.#ownership = ownership;
  }

  get undeclared(): readonly string[] {
    return this.#undeclared;
  }

  nothing(): void {
    const { metrics } = this.#world;
    for (const type of conditionTypes) metrics.setCondition(type, "Unknown");
    metrics.setGathering({ intervalMs: 0, lastSuccessMs: 0 });
  }

  /** Writes the status when it differs, and events when a condition turned. Throws when the status cannot be written. */
  async report(report: Report): Promise<void> {
    const { metrics } = this.#world;
    const { observed, config, judged, snapshot } = report;
    const { requests, nowMs } = observed;
    for (const { type, status: value } of judged.conditions) metrics.setCondition(type, value);
    metrics.setGathering({
      intervalMs: snapshot.kind === "managed" ? snapshot.settings.gather.interval : 0,
      lastSuccessMs: lastSuccessMs(requests, config.identity, nowMs),
    });
    const status = this.#statusOf(report);
    if (isSame(config.identity.status, status)) this.#undeclared = [];
    else {
      await this.#write(config, status, nowMs);
      await this.#tell(config, judged, status, nowMs);
    }
  }

  #statusOf({ observed, config, judged, snapshot, fleet, isRollingOut }: Report): ConfigStatus {
    const { namespace, version, shared } = this.#world;
    const { gate, requests, namespaceUid, nowMs, live } = observed;
    const isManaged = snapshot.kind === "managed";
    return statusOf({
      ...{ nowMs, ...judged, gate, requests, fleet, isRollingOut, version },
      identity: config.identity,
      gateIgnored: config.kind === "valid" && config.settings.featureGate === "Ignored",
      pods: podsOfOurs(live, "node"),
      onDemand: isManaged && snapshot.settings.lifecycle === "OnDemand" && snapshot.nodes,
      nextGatherMs: isManaged ? nextGatherMs(snapshot, requests, nowMs) : undefined,
      inventory: config.kind !== "valid" || config.settings.inventory === "Enabled",
      lastUpload: shared.upload?.last,
      operator: { namespace, uid: namespaceUid },
    });
  }

  async #write({ identity }: Present, status: ConfigStatus, nowMs: number): Promise<void> {
    const { cluster, metrics, log } = this.#world;
    const written = await cluster.writeConfigStatus(identity.uid, status);
    metrics.writes.inc({ action: "status", result: written.kind });
    if (written.kind === "failed") {
      if (written.message.startsWith("404 ")) await this.#ownership.tellOfStatus(identity, nowMs, true);
      throw new Error(`writing the status of ${configKind} ${configName}: ${written.message}`);
    }
    await this.#ownership.tellOfStatus(identity, nowMs, false);
    this.#undeclared = [...(written.undeclared ?? [])].sort();
    if (written.undeclared !== undefined)
      log.warn({ fields: written.undeclared }, "The CRD lacks fields of the status, apply the CRDs of this release");
  }

  async #tell({ identity }: Present, judged: Conditions, status: ConfigStatus, nowMs: number): Promise<void> {
    const { cluster, log } = this.#world;
    const about = { kind: configKind, name: configName, uid: identity.uid };
    for (const event of [...judged.events, ...uploadEvents(identity.status.lastUpload, status.lastUpload)]) {
      log.info({ reason: event.reason, detail: event.message }, "Status changed");
      const noted = await cluster.writeEvent({ ...event, about, nowMs });
      if (noted.kind === "failed") log.warn({ problem: noted.message }, "Could not write an event");
    }
  }
}
