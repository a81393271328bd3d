/** Runs the RuntimeGathers, one after the other, and makes the scheduled ones. */
import type { PostAnswer } from "../adapters/gatherer.ts";
import type { GatherProgress } from "../api/gather.ts";
import type { GatherRequest, RequestStatus } from "../api/request.ts";
import { deploymentOf, isOutOfPatience, undeploymentOf, wantedBy } from "../core/on-demand.ts";
import {
  deployingStatus,
  distanceMs,
  endedStatus,
  finishedStatus,
  orderOf,
  overlong,
  phaseOf,
  type Queue,
  queueOf,
  runningStatus,
  silenceMs,
  type WaitingPhase,
  waitingStatus,
} from "../core/requests.ts";
import { isSame } from "../core/same.ts";
import { schedule } from "../core/schedule.ts";
import { elapsedMs, timeText } from "../core/time.ts";
import { HandoverLoop } from "./handover.ts";
import type { OperatorWorld, Snapshot } from "./world.ts";

type Managed = Extract<Snapshot, { readonly kind: "managed" }>;
type Ours = Exclude<Snapshot, { readonly kind: "hands off" }>;
type Next = { readonly afterMs: number | undefined };

/** While one runs, and while one waits for a gatherer that cannot be reached. */
const pollMs = 1_000;
const retryMs = 2_000;
/** A due gather that cannot start yet is looked at again that often. */
const dueRetryMs = 10_000;
const maxAttempts = 2;
/** So old the last look at the extractors may be while a gather waits for them. */
const freshMs = 5_000;

export class RequestLoop {
  readonly #world: OperatorWorld;
  readonly #handover: HandoverLoop;
  /** False while one gatherer takes over from another. */
  #mayBegin = true;

  constructor(world: OperatorWorld) {
    this.#world = world;
    this.#handover = new HandoverLoop(world);
  }

  /** One look at all RuntimeGathers and gatherers, at most one step of a handover and one of a gather. */
  async run(signal: AbortSignal): Promise<Next> {
    const { cluster, nowMs, shared, metrics, wake } = this.#world;
    const { snapshot } = shared;
    if (snapshot === undefined) return { afterMs: pollMs };
    if (snapshot.kind === "hands off") return { afterMs: undefined };
    const requests = (await cluster.requests()) ?? [];
    const queue = queueOf(requests, nowMs());
    if (isOnDemand(snapshot) && wantedBy(requests) !== snapshot.nodeSide.wantedBy) wake("operands");
    for (const request of queue.refuse)
      await this.#end(request, "Refused", `This operator does not know what it asks for: ${request.specProblem}`);
    for (const request of queue.supersede) {
      const message = "Another RuntimeGather is already waiting; at most one runs and one waits";
      await this.#write(request, endedStatus(request, "Superseded", "Superseded", message, nowMs()));
      metrics.gathers.inc({ result: "superseded" });
    }
    for (const request of queue.forget) await cluster.forget(request);
    shared.isGathering = queue.running !== undefined;
    const isOn = queue.running !== undefined && phaseOf(queue.running) === "Running";
    const handed = await this.#handover.run(requests, isOn, signal);
    this.#mayBegin = handed.mayBegin;
    const { afterMs } = await this.#step(requests, queue, snapshot, signal);
    const waits = [afterMs, handed.afterMs].filter((ms) => ms !== undefined);
    return { afterMs: waits.length === 0 ? undefined : Math.min(...waits) };
  }

  async #step(requests: readonly GatherRequest[], queue: Queue, snapshot: Ours, signal: AbortSignal): Promise<Next> {
    const { nowMs } = this.#world;
    const tooLong = queue.running === undefined ? undefined : overlong(queue.running, nowMs());
    if (queue.running !== undefined && tooLong !== undefined) return this.#end(queue.running, "TookTooLong", tooLong);
    if (queue.running !== undefined && phaseOf(queue.running) === "Deploying")
      return this.#deploy(queue.running, snapshot, signal);
    if (queue.running !== undefined) return this.#follow(queue.running, snapshot, signal);
    if (queue.waiting?.spec.trigger === "Requested" && snapshot.kind === "managed")
      await this.#plan(requests, Number.POSITIVE_INFINITY, snapshot);
    if (queue.waiting !== undefined) return this.#begin(queue.waiting, queue.startableAtMs, snapshot, signal);
    this.#reached();
    return snapshot.kind === "managed" ? this.#plan(requests, queue.startableAtMs, snapshot) : { afterMs: undefined };
  }

  /** Makes the RuntimeGather that is due; its coming wakes the next run. */
  async #plan(requests: readonly GatherRequest[], startableAtMs: number, snapshot: Managed): Promise<Next> {
    const { cluster, log, nowMs } = this.#world;
    const now = nowMs();
    const { dueMs, create } = schedule({
      nowMs: now,
      intervalMs: snapshot.settings.gather.interval,
      configCreatedMs: snapshot.configCreatedMs,
      lastGatherMs: snapshot.lastGatherMs,
      requests,
      canGather: snapshot.gathererReady && snapshot.nodesSettled,
      isBusy: now < startableAtMs,
    });
    if (create === undefined) return { afterMs: dueMs > now ? dueMs - now : dueRetryMs };
    const written = await cluster.createScheduled(create);
    if (written.kind === "failed") throw new Error(`creating RuntimeGather ${create}: ${written.message}`);
    log.info({ object: { kind: "RuntimeGather", name: create } }, "Scheduled a gather");
    return { afterMs: 100 };
  }

  async #begin(request: GatherRequest, startableAtMs: number, snapshot: Ours, signal: AbortSignal): Promise<Next> {
    const { gatherer, nowMs, log } = this.#world;
    if (snapshot.kind === "not managed") return this.#wait(request, "NotManaged", snapshot.why, undefined);
    if (!snapshot.gathererReady)
      return this.#wait(request, "GathererNotReady", "The gatherer is not ready", dueRetryMs);
    if (!this.#mayBegin)
      return this.#wait(request, "GathererNotReady", "A new gatherer takes over from an older one", pollMs);
    const leftMs = startableAtMs - nowMs();
    if (leftMs > 0)
      return this.#wait(request, "Pending", `Gathers begin at least ${distanceMs / 1000} s apart`, leftMs);
    if (mustDeploy(request, snapshot)) return this.#beginDeploying(request, signal);
    const answer = await gatherer.post(orderOf(request, snapshot.settings, snapshot), signal);
    if (answer.kind === "accepted")
      log.info({ object: { kind: "RuntimeGather", name: request.name } }, "Gather started");
    return this.#posted(request, answer, 1);
  }

  /** Nothing is deployed for a gatherer that does not answer. */
  async #beginDeploying(request: GatherRequest, signal: AbortSignal): Promise<Next> {
    const { gatherer, nowMs, log } = this.#world;
    const known = await gatherer.progress(request.uid, signal);
    if (known.kind === "unreachable") return this.#posted(request, known, 1);
    if (known.kind === "progress") return this.#posted(request, { kind: "accepted" }, 1);
    this.#reached();
    await this.#write(request, deployingStatus(request, nowMs()));
    log.info({ object: { kind: "RuntimeGather", name: request.name } }, "Deploying the extractors for a gather");
    return { afterMs: pollMs };
  }

  /** Orders the gather once the extractors are ready, or will not be. */
  async #deploy(request: GatherRequest, snapshot: Ours, signal: AbortSignal): Promise<Next> {
    const { gatherer, nowMs, log, shared } = this.#world;
    const { attempts: before = 0, nodeSide } = request.status;
    if (snapshot.kind === "not managed") {
      if (before > 0) return this.#end(request, "NotManaged", snapshot.why);
      return this.#wait(request, "NotManaged", snapshot.why, undefined);
    }
    const { settings, nodes, nodeSide: view } = snapshot;
    const { lifecycle, extractor } = settings;
    const readyTimeoutMs = extractor.readyTimeout;
    // An operands' loop that sees nothing any more does not hold the gather for ever.
    const seenMs = isOutOfPatience(request, readyTimeoutMs, nowMs()) ? nowMs() : shared.seenMs;
    const deployment = deploymentOf({ ...{ request, nodes, view, readyTimeoutMs }, nowMs: seenMs });
    if (deployment.kind === "wait" || !this.#mayBegin) return this.#lookAgain();
    const { nodes: asks, problem } = deployment;
    const answer = await gatherer.post(
      orderOf(request, settings, { nodes: asks, problem, goes: lifecycle === "OnDemand" }),
      signal,
    );
    switch (answer.kind) {
      case "accepted": {
        this.#reached();
        shared.isGathering = true;
        const known = {
          ...nodeSide,
          ...(problem === undefined ? {} : { problem }),
          ...(asks ? {} : { undeployTime: timeText(nowMs()) }),
        };
        await this.#write(request, runningStatus(request, before + 1, "Started", nowMs(), known));
        log.info({ object: { kind: "RuntimeGather", name: request.name }, problem }, "Gather started");
        return { afterMs: pollMs };
      }
      case "refused":
        return this.#end(request, "Refused", answer.message);
      case "busy":
      case "unreachable": {
        const isLost = answer.kind === "unreachable";
        const message = isLost ? answer.message : "The gatherer is still busy with an earlier gather";
        if (isLost) this.#lost(message);
        else this.#reached();
        if (!isOutOfPatience(request, readyTimeoutMs, nowMs())) return { afterMs: retryMs };
        if (before > 0) return this.#end(request, "GathererUnreachable", message);
        return this.#wait(request, isLost ? "GathererUnreachable" : "GathererBusy", message, retryMs);
      }
      default:
        return answer;
    }
  }

  /** What is judged is what the operands' loop saw, which must not be long ago. */
  #lookAgain(): Next {
    const { shared, nowMs, wake } = this.#world;
    if (nowMs() - shared.seenMs >= freshMs) wake("operands");
    return { afterMs: pollMs };
  }

  /** The gatherer has asked the nodes: the extractors go, and then it may write. */
  async #undeploy(request: GatherRequest, snapshot: Ours, signal: AbortSignal): Promise<Next> {
    const { gatherer, nowMs, log, shared } = this.#world;
    const isManaged = snapshot.kind === "managed";
    const { attempts = 1, nodeSide } = request.status;
    const write = (known: RequestStatus["nodeSide"]) =>
      this.#write(request, runningStatus(request, attempts, stages.AwaitingNodeSide, nowMs(), known));
    const undeployment = undeploymentOf({
      request,
      kept: isManaged ? undefined : snapshot.why,
      isOnDemand: isOnDemand(snapshot),
      view: isManaged ? snapshot.nodeSide : undefined,
      nowMs: shared.seenMs,
    });
    switch (undeployment.kind) {
      case "begin":
        await write({ ...nodeSide, undeployTime: timeText(nowMs()) });
        return { afterMs: pollMs };
      case "wait":
        return this.#lookAgain();
      case "release": {
        const { leftover } = undeployment;
        const { leftover: _, ...rest } = nodeSide ?? {};
        await write({ ...rest, ...(leftover === undefined ? {} : { leftover }) });
        const problems = leftover === undefined ? [] : [leftover];
        const answer = await gatherer.release(request.uid, { problems }, signal);
        if (answer.kind === "told") return { afterMs: pollMs };
        log.warn({ problem: answer.message }, "Could not tell the gatherer that the extractors are gone");
        return { afterMs: retryMs };
      }
      default:
        return undeployment;
    }
  }

  /** What an answer to an order means; the order can be repeated, since its id makes it the same run. */
  async #posted(request: GatherRequest, answer: PostAnswer, attempts: number): Promise<Next> {
    const { nowMs, shared } = this.#world;
    if (answer.kind !== "unreachable") this.#reached();
    switch (answer.kind) {
      case "accepted":
        shared.isGathering = true;
        await this.#write(request, runningStatus(request, attempts, "Started", nowMs()));
        return { afterMs: pollMs };
      case "busy":
        if (attempts > 1) return { afterMs: retryMs };
        return this.#wait(request, "GathererBusy", "The gatherer is still busy with an earlier gather", retryMs);
      case "refused":
        return this.#end(request, "Refused", answer.message);
      case "unreachable":
        this.#lost(answer.message);
        if (attempts > 1) return { afterMs: retryMs };
        return this.#wait(request, "GathererUnreachable", answer.message, retryMs);
      default:
        return answer;
    }
  }

  async #follow(request: GatherRequest, snapshot: Ours, signal: AbortSignal): Promise<Next> {
    const { gatherer, nowMs } = this.#world;
    const answer = await gatherer.progress(request.uid, signal);
    switch (answer.kind) {
      case "progress":
        this.#reached();
        return this.#advance(request, answer.progress, snapshot, signal);
      case "unknown id":
        this.#reached();
        return this.#repeat(request, snapshot, signal);
      case "unreachable": {
        if (snapshot.kind === "not managed") return this.#end(request, "NotManaged", snapshot.why);
        const startMs = Date.parse(request.status.startTime ?? "");
        if (elapsedMs(startMs, nowMs(), silenceMs) >= silenceMs)
          return this.#end(request, "GathererUnreachable", answer.message);
        this.#lost(answer.message);
        await this.#write(request, runningStatus(request, request.status.attempts ?? 1, answer.message, nowMs()));
        return { afterMs: retryMs };
      }
      default:
        return answer;
    }
  }

  async #advance(request: GatherRequest, progress: GatherProgress, snapshot: Ours, signal: AbortSignal): Promise<Next> {
    const { nowMs, metrics, log, wake, shared } = this.#world;
    const { outcome } = progress;
    if (progress.phase === "Interrupted") return this.#repeat(request, snapshot, signal);
    if (progress.phase === "Running" && progress.stage === "AwaitingNodeSide")
      return this.#undeploy(request, snapshot, signal);
    if (progress.phase === "Running" || outcome === null) {
      await this.#write(request, runningStatus(request, request.status.attempts ?? 1, stages[progress.stage], nowMs()));
      return { afterMs: pollMs };
    }
    await this.#write(request, finishedStatus(request, progress, outcome, nowMs()));
    shared.isGathering = false;
    metrics.gathers.inc({ result: outcome.succeeded ? "succeeded" : "failed" });
    const { counts, durationsMs } = outcome;
    log.info(
      { object: { kind: "RuntimeGather", name: request.name }, succeeded: outcome.succeeded, counts, durationsMs },
      "Gather finished",
    );
    wake("operands");
    return { afterMs: 0 };
  }

  /** The gatherer lost the run: it is ordered once more, and given up after that. */
  async #repeat(request: GatherRequest, snapshot: Ours, signal: AbortSignal): Promise<Next> {
    const attempts = request.status.attempts ?? 1;
    if (attempts >= maxAttempts)
      return this.#end(request, "Interrupted", "The gatherer was restarted during the gather, twice");
    if (snapshot.kind === "not managed") return this.#end(request, "NotManaged", snapshot.why);
    if (!this.#mayBegin) return { afterMs: pollMs };
    if (mustDeploy(request, snapshot)) {
      await this.#write(request, deployingStatus(request, this.#world.nowMs()));
      return { afterMs: pollMs };
    }
    const order = orderOf(request, snapshot.settings, snapshot);
    return this.#posted(request, await this.#world.gatherer.post(order, signal), attempts + 1);
  }

  async #wait(
    request: GatherRequest,
    phase: WaitingPhase,
    message: string,
    afterMs: number | undefined,
  ): Promise<Next> {
    await this.#write(request, waitingStatus(request, phase, message, this.#world.nowMs()));
    return { afterMs };
  }

  async #end(
    request: GatherRequest,
    reason: "Refused" | "Interrupted" | "NotManaged" | "GathererUnreachable" | "TookTooLong",
    message: string,
  ): Promise<Next> {
    const { nowMs, metrics, log, wake, shared } = this.#world;
    await this.#write(request, endedStatus(request, "Failed", reason, message, nowMs()));
    shared.isGathering = false;
    metrics.gathers.inc({ result: "failed" });
    log.warn({ object: { kind: "RuntimeGather", name: request.name }, reason, problem: message }, "Gather failed");
    wake("operands");
    return { afterMs: 0 };
  }

  async #write(request: GatherRequest, status: RequestStatus): Promise<void> {
    if (isSame(request.status, status)) return;
    const written = await this.#world.cluster.writeRequestStatus(request, status);
    if (written.kind === "failed")
      throw new Error(`writing the status of RuntimeGather ${request.name}: ${written.message}`);
  }

  #lost(message: string): void {
    const { shared, nowMs, wake } = this.#world;
    if (shared.unreachable?.message === message) return;
    shared.unreachable = { sinceMs: shared.unreachable?.sinceMs ?? nowMs(), message };
    wake("operands");
  }

  #reached(): void {
    const { shared, wake } = this.#world;
    if (shared.unreachable === undefined) return;
    shared.unreachable = undefined;
    wake("operands");
  }
}

function isOnDemand(snapshot: Ours): snapshot is Managed {
  return snapshot.kind === "managed" && snapshot.settings.lifecycle === "OnDemand";
}

/** The extractors are to be there for this gather, and are not there without it. */
function mustDeploy({ spec }: GatherRequest, snapshot: Managed): boolean {
  return isOnDemand(snapshot) && snapshot.nodes && spec.runtimeInfo === "Enabled";
}

const stages: Readonly<Record<GatherProgress["stage"], string>> = {
  ListingPods: "Listing the pods",
  AskingNodes: "Asking the nodes",
  AwaitingNodeSide: "Waiting until the node side is gone",
  Writing: "Writing the archive",
  Done: "Done",
};
