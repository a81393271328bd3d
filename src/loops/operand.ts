/** The reconcile: observe, decide, act, judge, report. */

import type { Logger } from "../adapters/telemetry.ts";
import { type ConfigIdentity, configKind } from "../api/config.ts";
import { type Conditions, conditionsOf } from "../core/conditions.ts";
import type { Fleet } from "../core/coverage.ts";
import { decideGathererSide, decideNodeSide } from "../core/decide.ts";
import { settle, type Tries, triesAfter } from "../core/disputes.ts";
import { type FailedStep, isProgress } from "../core/health.ts";
import { type Going, goingOf, overdue } from "../core/on-demand.ts";
import { operands, type Side, sides } from "../core/operands.ts";
import { orphanSteps, type Plan, planSteps } from "../core/plan.ts";
import type { Cause } from "../core/pod-causes.ts";
import { isSame } from "../core/same.ts";
import { lastGatherOf } from "../core/status.ts";
import { elapsedMs } from "../core/time.ts";
import { FleetCount } from "./fleet.ts";
import { type Decisions, type Healths, healthsOf, isMoving, snapshotOf } from "./judgement.ts";
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
import { type OtherOperator, Ownership } from "./ownership.ts";
import { PodWatch } from "./pod-watch.ts";
import { Reporter } from "./reporter.ts";
import { WishMaker } from "./wishes.ts";
import type { OperatorWorld, Snapshot } from "./world.ts";
import { OperandWriter } from "./writer.ts";

/** So long the first gather waits for nodes that are not ready. */
const settleMs = 3 * 60_000;
/** Until what has lost its config and its owner is tried to be deleted again. */
const orphanMs = 30_000;
/** Until another operator's Lease is looked at again. */
const otherMs = 20_000;
/** Until CRDs that are missing, or that have just been found to lack something, are looked for again. */
const crdMs = 10_000;
const undeclaredMs = 1_000;
/** Longest until what could not be written, or could not be read, so that nothing is repaired, is tried again. */
const unwrittenMs = 5 * 60_000;
const unreadMs = 60_000;
/** Until an object that changed while it was to be deleted is looked at again. */
const outdatedMs = 1_000;
/** Until an object that is going away is looked for again. */
const removingMs = 5_000;
const longestMs = 60 * 60_000;

/** When the next run comes without an event, by what each part of this one waits for. */
type Waits = readonly (number | undefined)[];

/** What was planned and what became of it. */
interface Acted {
  readonly decisions: Decisions;
  readonly plan: Plan;
  /** What could not be written or read, what is disputed, and certificates. */
  readonly problems: readonly FailedStep[];
  readonly waits: Waits;
}

/** Of nodes and pods, which are not watched. */
interface Looked {
  readonly fleet: Fleet | undefined;
  readonly causes: Readonly<Record<Side, Cause | undefined>>;
  readonly waits: Waits;
}

export class OperandLoop {
  readonly #world: OperatorWorld;
  readonly #ownership: Ownership;
  readonly #wishes: WishMaker;
  readonly #writer: OperandWriter;
  readonly #fleet: FleetCount;
  readonly #podWatch: PodWatch;
  readonly #reporter: Reporter;
  #runs = 0;
  /** Runs in a row in which a read or write failed. */
  #failures = 0;
  #tries: Tries = new Map();
  #going: Going | undefined;
  #movingSinceMs: number | undefined;

  constructor(world: OperatorWorld) {
    this.#world = world;
    this.#ownership = new Ownership(world);
    this.#wishes = new WishMaker(world);
    this.#writer = new OperandWriter(world);
    this.#fleet = new FleetCount(world.api, world.log);
    this.#podWatch = new PodWatch(world);
    this.#reporter = new Reporter(world, this.#ownership);
  }

  /** One run; throws when it cannot be told whether the config is ours, or the status cannot be written. */
  async run(): Promise<{ readonly afterMs: number | undefined }> {
    this.#runs += 1;
    const log = this.#world.log.child({ run: this.#runs });
    const observed = await observe(this.#world);
    this.#world.metrics.setGate(observed.gate.state);
    const { config } = observed;
    if (config.kind === "absent") return this.#cleanUp(observed, config.isUnserved === true, log);
    const other = await this.#ownership.otherAlive(config.identity, observed);
    if (other !== undefined) return this.#standBack(config.identity, other, observed, log);
    await this.#own(config, observed);

    const acted = await this.#act(config, observed, log);
    const looked = await this.#look(observed);
    const health = healthsOf({
      ...{ observed, config, ...looked, decisions: acted.decisions, plan: acted.plan, problems: acted.problems },
      isWanted: isWanted(config, observed),
    });
    const judged = this.#judge(config, observed, health);
    const snapshot = this.#snapshotOf(config, observed, acted.decisions, health);

    // Before the status: one that cannot be written is no reason not to gather.
    this.#share(snapshot, observed.nowMs);
    const undeclared = this.#reporter.undeclared;
    const isRollingOut = health.node.reason === "Deploying";
    await this.#reporter.report({ observed, config, judged, snapshot, fleet: looked.fleet, isRollingOut });

    const isGoing = snapshot.kind === "managed" && snapshot.nodeSide.daemonSet === "going";
    const waits: Waits = [
      ...[...acted.waits, ...looked.waits, judged.afterMs],
      isGoing || sides.some((side) => health[side].reason === "Removing") ? removingMs : undefined,
      isSame(undeclared, this.#reporter.undeclared) ? undefined : undeclaredMs,
    ];
    return { afterMs: Math.min(...waits.filter((ms) => ms !== undefined), longestMs) };
  }

  async #cleanUp(observed: Observed, isUnserved: boolean, log: Logger) {
    this.#reporter.nothing();
    this.#world.shared.upload = undefined;
    this.#share({ kind: "not managed", why: "There is no config" }, observed.nowMs);
    const failed = await this.#writer.carryOut(orphanSteps(operands, observed.live), log);
    await this.#ownership.tellOfCrd(observed, isUnserved);
    if (isUnserved) return { afterMs: crdMs };
    return { afterMs: failed.length > 0 ? orphanMs : this.#writer.hasOutdated ? outdatedMs : undefined };
  }

  /** The other loops first: nothing more is to be written. */
  async #standBack(identity: ConfigIdentity, other: OtherOperator, observed: Observed, log: Logger) {
    this.#world.shared.upload = undefined;
    this.#share({ kind: "hands off" }, observed.nowMs);
    log.warn({ operator: other }, "Another operator serves this cluster, nothing is written");
    await this.#ownership.tellOfOther(identity, other, observed);
    return { afterMs: otherMs };
  }

  async #own(config: Present, observed: Observed): Promise<void> {
    const { shared, setLogLevel } = this.#world;
    const { identity } = config;
    const { uid, status } = identity;
    await this.#ownership.tellOfCrd(observed, false);
    if (shared.upload?.configUid !== uid) shared.upload = { configUid: uid, last: status.lastUpload };
    await this.#ownership.takeOver(identity, observed);
    if (config.kind === "valid") setLogLevel(config.settings.logLevel);
  }

  /** Decides, plans, and carries out what is not disputed. */
  async #act(config: Present, observed: Observed, log: Logger): Promise<Acted> {
    const { live, nowMs, gate } = observed;
    const decisions = { node: decideNodeSide(config, gate), gatherer: decideGathererSide(config) };
    const isInstalled = (side: Side) => decisions[side].kind === "install";
    const { wishes, certificates, afterMs } = await this.#wishes.of(observed, config, decisions);
    this.#going = goingOf(live, this.#going, nowMs);
    const seen = new Map([...live].filter(([key]) => certificates?.strangers.has(key) !== true));
    const late = isInstalled("gatherer") ? overdue(this.#going, nowMs) : undefined;
    const planned = planSteps(operands, wishes, seen, late);
    const installed = new Set(sides.filter(isInstalled));
    const settled = settle({ ...planned, live: seen, sides: installed, tries: this.#tries, nowMs });
    const refused = await this.#writer.carryOut(settled.steps, log);
    this.#tries = triesAfter(settled, refused);

    const kept = isInstalled("node") && isWanted(config, observed) ? keptBack(observed) : [];
    const unread = unreadOf(observed, decisions);
    const failed = [...refused, ...kept, ...unread];
    this.#failures = failed.length > 0 ? this.#failures + 1 : 0;
    const retryMs = Math.min(1_000 * 2 ** this.#failures, unread.length > 0 ? unreadMs : unwrittenMs);
    return {
      ...{ decisions, plan: { ...planned, steps: settled.steps } },
      problems: [...failed, ...settled.disputed, ...(certificates?.problems ?? [])],
      waits: [
        ...[afterMs, settled.afterMs],
        failed.length > 0 ? retryMs : undefined,
        this.#wishes.heldMs(nowMs) > 0 ? this.#wishes.heldMs(nowMs) : undefined,
        this.#writer.hasOutdated ? outdatedMs : undefined,
      ],
    };
  }

  async #look(observed: Observed): Promise<Looked> {
    const { live, nowMs } = observed;
    const pods = { node: podsOfOurs(live, "node"), gatherer: podsOfOurs(live, "gatherer") };
    const { fleet, afterMs } = await this.#fleet.of(pods.node, live.get(daemonSetKey), nowMs);
    const node = await this.#podWatch.of("node", { pods: pods.node, ...observed });
    const gatherer = await this.#podWatch.of("gatherer", { pods: pods.gatherer, ...observed });
    const causes = { node: node.cause, gatherer: gatherer.cause };
    return { fleet, causes, waits: [afterMs, node.afterMs, gatherer.afterMs] };
  }

  #judge(config: Present, observed: Observed, health: Healths): Conditions {
    const { gate, requests, nowMs, live, stockExtractor, servesRequests } = observed;
    const { shared, namespace } = this.#world;
    return conditionsOf({
      ...{ nowMs, config, gate, ...health, stockExtractor, namespace },
      lastGather: lastGatherOf(requests, config.identity, nowMs),
      unreachable: shared.unreachable,
      notServed: [
        ...(servesRequests ? [] : ["kind RuntimeGather"]),
        ...this.#reporter.undeclared.map((field) => `status.${field} of ${configKind}`),
      ],
      isProgress: isProgress(podsOfOurs(live, "node"), config.identity.status.nodes),
    });
  }

  #snapshotOf(config: Present, observed: Observed, decisions: Decisions, health: Healths): Snapshot {
    const { nowMs } = observed;
    const isManaged = config.kind === "valid" && decisions.gatherer.kind === "install";
    if (isManaged) this.#movingSinceMs = isMoving(health.node) ? (this.#movingSinceMs ?? nowMs) : undefined;
    return snapshotOf({
      ...{ observed, config, decisions, health },
      isTrusted: this.#wishes.heldMs(nowMs) === 0,
      nodesSettled: this.#movingSinceMs === undefined || elapsedMs(this.#movingSinceMs, nowMs, settleMs) >= settleMs,
    });
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
