/** The reconcile: observe, decide, act, report. */
import { isAlive } from "../adapters/lease.ts";
import { type ConfigIdentity, configKind, configName } from "../api/config.ts";
import { fieldManager } from "../api/object.ts";
import type { GatherRequest } from "../api/request.ts";
import { type Conditions, conditionsOf, conditionTypes } from "../core/conditions.ts";
import type { Fleet } from "../core/coverage.ts";
import { type Decision, decideGathererSide, decideNodeSide } from "../core/decide.ts";
import { settle, type Tries, triesAfter } from "../core/disputes.ts";
import {
  type FailedStep,
  type Health,
  type HealthInput,
  healthOf,
  isProgress,
  previousHealth,
} from "../core/health.ts";
import { type Going, goingOf, nodeSideView, overdue } from "../core/on-demand.ts";
import { keyOf, managedByLabel, names, type Operand, operands, type Side, workloads } from "../core/operands.ts";
import { isOurs, orphanSteps, type Plan, planSteps } from "../core/plan.ts";
import { isSame } from "../core/same.ts";
import { schedule } from "../core/schedule.ts";
import { lastGatherOf, lastSuccessMs, statusOf } from "../core/status.ts";
import { uploadEvents } from "../core/upload.ts";
import { FleetCount } from "./fleet.ts";
import { Notices } from "./notices.ts";
import {
  daemonSetKey,
  isWanted,
  keptBack,
  type Observed,
  observe,
  type Present,
  podsOfOurs,
  unreadOf,
} from "./observed.ts";
import { PodWatch } from "./pod-watch.ts";
import { WishMaker } from "./wishes.ts";
import type { OperatorWorld, Snapshot } from "./world.ts";

/** So long the first gather waits for nodes that are not ready. */
const settleMs = 3 * 60_000;
/** Until what has lost its config and its owner is tried to be deleted again. */
const orphanMs = 30_000;
/** Until another operator's Lease is looked at again. */
const otherMs = 20_000;
/** Until CRDs that are missing, or that have just been found to lack something, are looked for again. */
const crdMs = 10_000;
const undeclaredMs = 1_000;
/** Longest until what could not be read, so that nothing is repaired, is read again. */
const unreadMs = 60_000;
/** Until an object that changed while it was to be deleted is looked at again. */
const outdatedMs = 1_000;
/** Until an object that is going away is looked for again. */
const removingMs = 5_000;

const sideNames = ["node", "gatherer"] as const;

export class OperandLoop {
  readonly #world: OperatorWorld;
  readonly #fleet: FleetCount;
  readonly #podWatch: PodWatch;
  readonly #notices: Notices;
  #going: Going | undefined;
  readonly #wishes: WishMaker;
  #movingSinceMs: number | undefined;
  #runs = 0;
  /** Fields of the status that the CRD lacks, as far as is known. */
  #undeclared: readonly string[] = [];
  /** Runs in a row in which a read or write failed. */
  #failures = 0;
  #tries: Tries = new Map();
  /** Keys of what had changed when the last run was to delete it. */
  #outdated: ReadonlySet<string> = new Set();

  constructor(world: OperatorWorld) {
    this.#world = world;
    this.#fleet = new FleetCount(world.api, world.log);
    this.#podWatch = new PodWatch(world);
    this.#notices = new Notices(world);
    this.#wishes = new WishMaker(world);
  }

  /** One run; throws when it cannot be told whether the config is ours. */
  async run(): Promise<{ readonly afterMs: number | undefined }> {
    const { shared, metrics } = this.#world;
    this.#runs += 1;
    const log = this.#world.log.child({ run: this.#runs });
    const observed = await observe(this.#world);
    metrics.setGate(observed.gate.state);
    const { config, nowMs } = observed;
    if (config.kind === "absent") {
      for (const type of conditionTypes) metrics.setCondition(type, "Unknown");
      metrics.setGathering({ intervalMs: 0, lastSuccessMs: 0 });
      shared.upload = undefined;
      this.#share({ kind: "not managed", why: "There is no config" }, nowMs);
      const failed = await this.#carryOut(orphanSteps(operands, observed.live));
      await this.#tellOfCrd(observed, config.isUnserved === true);
      const retryMs = failed.length > 0 ? orphanMs : this.#outdated.size > 0 ? outdatedMs : undefined;
      return { afterMs: config.isUnserved === true ? crdMs : retryMs };
    }
    if (await this.#otherIsAlive(config.identity, observed)) {
      shared.upload = undefined;
      this.#share({ kind: "hands off" }, nowMs);
      const { operator } = config.identity.status;
      log.warn({ operator }, "Another operator serves this cluster, nothing is written");
      await this.#tellOfOther(config.identity, observed);
      return { afterMs: otherMs };
    }
    this.#notices.over("AnotherOperator");
    this.#notices.over("CrdMissing");
    const { uid } = config.identity;
    if (shared.upload?.configUid !== uid) shared.upload = { configUid: uid, last: config.identity.status.lastUpload };
    await this.#takeOver(config.identity, observed);
    if (config.kind === "valid") this.#world.setLogLevel(config.settings.logLevel);

    const decisions = { node: decideNodeSide(config, observed.gate), gatherer: decideGathererSide(config) };
    const { wishes, certificates, afterMs: tlsAfterMs } = await this.#wishes.of(observed, config, decisions);
    const isManaged = decisions.gatherer.kind === "install";
    this.#going = goingOf(observed.live, this.#going, nowMs);
    const seen = new Map([...observed.live].filter(([key]) => certificates?.strangers.has(key) !== true));
    const planned = planSteps(operands, wishes, seen, isManaged ? overdue(this.#going, nowMs) : undefined);
    const sides = new Set(sideNames.filter((side) => decisions[side].kind === "install"));
    const settled = settle({ ...planned, live: seen, sides, tries: this.#tries, nowMs });
    const plan = { ...planned, steps: settled.steps };
    const wanted = isWanted(config, observed);
    const kept = wanted && decisions.node.kind === "install" ? keptBack(observed) : [];
    const unread = unreadOf(observed, decisions);
    const refused = await this.#carryOut(plan.steps);
    this.#tries = triesAfter(settled, refused);
    const failed = [...refused, ...kept, ...unread];
    const problems = [...failed, ...settled.disputed, ...(certificates?.problems ?? [])];
    const pods = podsOfOurs(observed.live, "node");
    const { fleet, afterMs: countMs } = await this.#fleet.of(pods, observed.live.get(daemonSetKey), nowMs);
    const { status } = config.identity;
    const common = { plan, failed: problems, fleet };
    const seenPods = {
      node: await this.#podWatch.of("node", { pods, ...observed }),
      gatherer: await this.#podWatch.of("gatherer", { pods: podsOfOurs(observed.live, "gatherer"), ...observed }),
    };
    const health = {
      node: this.#health("node", observed, decisions.node, {
        ...{ ...common, wanted, cause: seenPods.node.cause },
        previous: previousHealth(status, "node"),
      }),
      gatherer: this.#health("gatherer", observed, decisions.gatherer, {
        ...{ ...common, wanted: true, cause: seenPods.gatherer.cause },
        previous: previousHealth(status, "gatherer"),
      }),
    };
    const judged = conditionsOf({
      nowMs,
      config,
      gate: observed.gate,
      ...health,
      lastGather: lastGatherOf(observed.requests, config.identity, nowMs),
      unreachable: shared.unreachable,
      stockExtractor: observed.stockExtractor,
      notServed: [
        ...(observed.servesRequests ? [] : ["kind RuntimeGather"]),
        ...this.#undeclared.map((field) => `status.${field} of ${configKind}`),
      ],
      isProgress: isProgress(pods, status.nodes),
      namespace: this.#world.namespace,
    });
    const snapshot = this.#snapshotOf(observed, config, decisions, health);
    const isGoing = snapshot.kind === "managed" && snapshot.nodeSide.daemonSet === "going";
    const known = this.#undeclared;
    await this.#report(observed, config, judged, snapshot, {
      fleet,
      isRollingOut: health.node.reason === "Deploying",
    });
    this.#share(snapshot, nowMs);
    const removing = isGoing || [health.node, health.gatherer].some(({ reason }) => reason === "Removing");
    this.#failures = failed.length > 0 ? this.#failures + 1 : 0;
    const longestMs = unread.length > 0 ? unreadMs : 5 * 60_000;
    const retryMs = failed.length > 0 ? Math.min(1_000 * 2 ** this.#failures, longestMs) : undefined;
    const heldMs = nowMs < this.#wishes.heldUntilMs ? this.#wishes.heldUntilMs - nowMs : undefined;
    const { node, gatherer } = seenPods;
    const waits = [
      ...[heldMs, tlsAfterMs, countMs, settled.afterMs, node.afterMs, gatherer.afterMs, judged.afterMs, retryMs],
      removing ? removingMs : undefined,
      isSame(known, this.#undeclared) ? undefined : undeclaredMs,
      this.#outdated.size > 0 ? outdatedMs : undefined,
    ];
    return { afterMs: Math.min(...waits.filter((ms) => ms !== undefined), 60 * 60_000) };
  }

  /** The status is ours from the end of this run on; what the other one made is out of our reach, so that it is told. */
  async #takeOver({ uid, status }: ConfigIdentity, { namespaceUid, nowMs }: Observed): Promise<void> {
    const { cluster, namespace, log } = this.#world;
    const { operator } = status;
    if (operator === undefined || operator.uid === namespaceUid || operator.namespace === namespace) return;
    log.warn({ operator }, "Taking over from an operator that is gone");
    const message = takenOver(operator.namespace, namespace);
    const about = { kind: configKind, name: configName, uid };
    await cluster.writeEvent({ type: "Warning", reason: "TookOver", message, about, nowMs });
  }

  /** Without our kinds there is no status to say it in. */
  async #tellOfCrd({ namespaceUid, nowMs }: Observed, isMissing: boolean): Promise<void> {
    if (!isMissing) return this.#notices.over("CrdMissing");
    const message = `The CRD of ${configKind} is not there: kubectl apply -k crds/ of version ${this.#world.version}; the operator waits for it`;
    await this.#notices.say({ reason: "CrdMissing", message, about: [this.#ownNamespace(namespaceUid)], nowMs });
  }

  /** The status is the other one's. */
  async #tellOfOther({ uid, status }: ConfigIdentity, { namespaceUid, nowMs }: Observed): Promise<void> {
    const other = status.operator?.namespace ?? "";
    const { namespace } = this.#world;
    const message = `The operator in namespace ${other} has this config; the one in ${namespace} does nothing until that one is gone. Remove one of the two`;
    const about = [{ kind: configKind, name: configName, uid }, this.#ownNamespace(namespaceUid)];
    await this.#notices.say({ reason: "AnotherOperator", message, about, nowMs });
  }

  async #tellOfStatus({ uid }: ConfigIdentity, nowMs: number): Promise<void> {
    const message = `The CRD of ${configKind} has no status subresource: kubectl apply -k crds/ of version ${this.#world.version}`;
    const about = [{ kind: configKind, name: configName, uid }];
    await this.#notices.say({ reason: "CrdOutdated", message, about, nowMs });
  }

  #ownNamespace(uid: string) {
    return { apiVersion: "v1", kind: "Namespace", name: this.#world.namespace, uid };
  }

  /** Another installation has the config and renews its Lease; a dead one's place is taken. */
  async #otherIsAlive({ status }: ConfigIdentity, { namespaceUid, nowMs }: Observed): Promise<boolean> {
    const { operator } = status;
    const { api, namespace } = this.#world;
    if (operator === undefined || operator.uid === namespaceUid || operator.namespace === namespace) return false;
    return isAlive(api, operator.namespace, nowMs);
  }

  /** One after the other; certificates wait for the CA that signed them to be stored. Only what changes each time it is to go has failed. */
  async #carryOut(steps: Plan["steps"]): Promise<readonly FailedStep[]> {
    const { cluster, log, metrics } = this.#world;
    const failed: FailedStep[] = [];
    const outdated = new Set<string>();
    const caKey = keyOf({ kind: "Secret", name: names.ca });
    const needCa = new Set([names.caBundle, names.exporterTls, names.gathererTls].map(String));
    for (const step of steps) {
      const { operand, action } = step;
      const object = { kind: operand.kind, name: operand.name };
      if (needCa.has(operand.name) && failed.some((one) => keyOf(one.operand) === caKey)) {
        failed.push({ operand, message: `waits for ${caKey}` });
        continue;
      }
      const written = await cluster.carryOut(step);
      metrics.writes.inc({ action, result: written.kind === "done" ? "done" : "failed" });
      if (written.kind === "outdated") outdated.add(keyOf(operand));
      if (written.kind === "done") log.info({ object }, action === "apply" ? "Applied" : "Deleted");
      else if (written.kind === "outdated" && !this.#outdated.has(keyOf(operand))) {
        log.info({ object, action }, "Changed since it was read, looking again");
      } else {
        failed.push({ operand, message: written.message });
        log.warn({ object, action, problem: written.message }, "Could not write an object");
      }
    }
    this.#outdated = outdated;
    return failed;
  }

  #health(
    side: Side,
    { live }: Observed,
    decision: Decision,
    seen: Pick<HealthInput, "plan" | "failed" | "wanted" | "fleet" | "cause" | "previous">,
  ): Health {
    const isLeft = (operand: Operand) => {
      const found = live.get(keyOf(operand));
      return found?.kind === "present" && isOurs(found.object);
    };
    const { workload } = workloads[side];
    return healthOf({
      ...{ side, decision, ...seen },
      pods: podsOfOurs(live, side),
      anyLeft: (seen.wanted || decision.kind === "remove" ? operands : [workload]).some(
        (operand) => operand.side === side && isLeft(operand),
      ),
    });
  }

  #snapshotOf(
    { nowMs, requests, live }: Observed,
    config: Present,
    decisions: Readonly<Record<Side, Decision>>,
    health: Readonly<Record<Side, Health>>,
  ): Snapshot {
    if (config.kind !== "valid" || decisions.gatherer.kind !== "install")
      return { kind: "not managed", why: decisions.gatherer.message };
    const { node, gatherer } = health;
    const isMoving = node.state === "moving" || node.reason === "GateUnknown";
    this.#movingSinceMs = isMoving ? (this.#movingSinceMs ?? nowMs) : undefined;
    const last = lastGatherOf(requests, config.identity, nowMs);
    const isFailing = node.reason === "OperandConflict" || node.reason === "OperandFailed";
    const problem = isFailing ? node.message : undefined;
    return {
      kind: "managed",
      nodeSide: nodeSideView(requests, live, { pods: podsOfOurs(live, "node"), problem }),
      settings: config.settings,
      configCreatedMs: config.identity.createdMs,
      lastGatherMs: last === undefined ? undefined : Date.parse(last.startTime),
      gathererReady: isServing(gatherer) && nowMs >= this.#wishes.heldUntilMs,
      nodes: decisions.node.kind === "install" || (decisions.node.kind === "wait" && node.state !== "off"),
      nodesSettled: this.#movingSinceMs === undefined || nowMs - this.#movingSinceMs >= settleMs,
    };
  }

  /** Writes the status when it differs, and events when a condition turned. */
  async #report(
    observed: Observed,
    config: Present,
    judged: Conditions,
    snapshot: Snapshot,
    nodes: { readonly fleet: Fleet | undefined; readonly isRollingOut: boolean },
  ): Promise<void> {
    const { cluster, namespace, version, metrics, log } = this.#world;
    const { gate, requests, namespaceUid, nowMs, live } = observed;
    const isManaged = snapshot.kind === "managed";
    const status = statusOf({
      nowMs,
      identity: config.identity,
      ...judged,
      ...nodes,
      gate,
      gateIgnored: config.kind === "valid" && config.settings.featureGate === "Ignored",
      pods: podsOfOurs(live, "node"),
      onDemand: isManaged && snapshot.settings.lifecycle === "OnDemand" && snapshot.nodes,
      requests,
      nextGatherMs: isManaged ? nextGatherMs(snapshot, requests, nowMs) : undefined,
      inventory: config.kind !== "valid" || config.settings.inventory === "Enabled",
      lastUpload: this.#world.shared.upload?.last,
      operator: { namespace, uid: namespaceUid },
      version,
    });
    for (const { type, status: value } of judged.conditions) metrics.setCondition(type, value);
    metrics.setGathering({
      intervalMs: isManaged ? snapshot.settings.gather.interval : 0,
      lastSuccessMs: lastSuccessMs(requests, config.identity, nowMs),
    });
    if (isSame(config.identity.status, status)) {
      this.#undeclared = [];
      return;
    }
    const written = await cluster.writeConfigStatus(config.identity.uid, status);
    metrics.writes.inc({ action: "status", result: written.kind });
    if (written.kind === "failed") {
      const message = `writing the status of ${configKind} ${configName}: ${written.message}`;
      if (written.message.startsWith("404 ")) await this.#tellOfStatus(config.identity, nowMs);
      throw new Error(message);
    }
    this.#notices.over("CrdOutdated");
    this.#undeclared = [...(written.undeclared ?? [])].sort();
    if (written.undeclared !== undefined)
      log.warn({ fields: written.undeclared }, "The CRD lacks fields of the status, apply the CRDs of this release");
    const about = { kind: configKind, name: configName, uid: config.identity.uid };
    for (const event of [...judged.events, ...uploadEvents(config.identity.status.lastUpload, status.lastUpload)]) {
      log.info({ reason: event.reason, detail: event.message }, "Status changed");
      const noted = await cluster.writeEvent({ ...event, about, nowMs });
      if (noted.kind === "failed") log.warn({ problem: noted.message }, "Could not write an event");
    }
  }

  #share(snapshot: Snapshot, seenMs: number): void {
    const { shared, wake } = this.#world;
    shared.seenMs = seenMs;
    const changed = JSON.stringify(shared.snapshot) !== JSON.stringify(snapshot);
    shared.snapshot = snapshot;
    if (!changed) return;
    wake("gathers");
    wake("uploads");
  }
}

function takenOver(from: string, to: string): string {
  const left = "daemonset,deployment,service,serviceaccount,secret,configmap,networkpolicy";
  return (
    `The operator in namespace ${from} is gone; the one in ${to} takes over. Extractors and gatherer of the first may still run in ${from}, ` +
    `and stay until the config goes; take them away: kubectl -n ${from} delete ${left} -l ${managedByLabel}=${fieldManager}, ` +
    `or, if nothing else is in it, kubectl delete namespace ${from}`
  );
}

/** A monitor or policy that cannot be written is told, and no reason not to gather. */
function isServing({ state, reason, some }: Health): boolean {
  return state === "ready" || ((reason === "OperandFailed" || reason === "Deploying") && some);
}

function nextGatherMs(
  snapshot: Extract<Snapshot, { readonly kind: "managed" }>,
  requests: readonly GatherRequest[],
  nowMs: number,
): number {
  const { settings, configCreatedMs, lastGatherMs } = snapshot;
  const intervalMs = settings.gather.interval;
  return schedule({ nowMs, intervalMs, configCreatedMs, lastGatherMs, requests, canGather: false, isBusy: false })
    .dueMs;
}
