/** Runs the RuntimeGathers, one after the other, and makes the scheduled ones. */
import type { PostAnswer } from "../adapters/gatherer.ts";
import type { GatherProgress } from "../api/gather.ts";
import type { GatherRequest, RequestStatus } from "../api/request.ts";
import {
  distanceMs,
  endedStatus,
  finishedStatus,
  orderOf,
  queueOf,
  runningStatus,
  silenceMs,
  type WaitingPhase,
  waitingStatus,
} from "../core/requests.ts";
import { isSame } from "../core/same.ts";
import { schedule } from "../core/schedule.ts";
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

export class RequestLoop {
  readonly #world: OperatorWorld;

  constructor(world: OperatorWorld) {
    this.#world = world;
  }

  /** One look at all RuntimeGathers, and at most one step of one of them. */
  async run(signal: AbortSignal): Promise<Next> {
    const { cluster, nowMs, shared, metrics } = this.#world;
    const { snapshot } = shared;
    if (snapshot === undefined) return { afterMs: pollMs };
    if (snapshot.kind === "hands off") return { afterMs: undefined };
    const requests = await cluster.requests();
    const queue = queueOf(requests);
    for (const request of queue.supersede) {
      const message = "Another one waits already; one runs, one waits";
      await this.#write(request, endedStatus(request, "Superseded", "Superseded", message, nowMs()));
      metrics.gathers.inc({ result: "superseded" });
    }
    for (const request of queue.forget) await cluster.forget(request);
    shared.isGathering = queue.running !== undefined;
    if (queue.running !== undefined) return this.#follow(queue.running, snapshot, signal);
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
    const leftMs = startableAtMs - nowMs();
    if (leftMs > 0)
      return this.#wait(request, "Pending", `Gathers begin at least ${distanceMs / 1000} s apart`, leftMs);
    const answer = await gatherer.post(orderOf(request, snapshot.settings, snapshot.nodes), signal);
    if (answer.kind === "accepted")
      log.info({ object: { kind: "RuntimeGather", name: request.name } }, "Gather started");
    return this.#posted(request, answer, 1);
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
        return this.#wait(request, "GathererBusy", "The gatherer is busy with a gather of before", retryMs);
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
        if (!(nowMs() - startMs < silenceMs)) return this.#end(request, "GathererUnreachable", answer.message);
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
    const order = orderOf(request, snapshot.settings, snapshot.nodes);
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
    reason: "Refused" | "Interrupted" | "NotManaged" | "GathererUnreachable",
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

const stages: Readonly<Record<GatherProgress["stage"], string>> = {
  ListingPods: "Listing the pods",
  AskingNodes: "Asking the nodes",
  AwaitingNodeSide: "Waiting until the node side is gone",
  Writing: "Writing the archive",
  Done: "Done",
};
