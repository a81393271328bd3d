/** Carries archives, outcomes and inventory from the gatherers that end to the one that comes after them. */
import type { Cluster } from "../adapters/cluster.ts";
import type { Endpoint } from "../adapters/endpoints.ts";
import type { OperatorMetrics } from "../adapters/operator-metrics.ts";
import { configKind, configName } from "../api/config.ts";
import type { GatherRequest } from "../api/request.ts";
import { decideHandover, type HandoverDecision, restMs, type SeenGatherer, waitingOne } from "../core/handover.ts";
import { cut } from "../core/line.ts";
import { newestArchive } from "../core/requests.ts";
import { elapsedMs } from "../core/time.ts";
import { type Carried, carry, endHandover, type Load, type Peer } from "./carrying.ts";
import type { OperatorWorld, Shared } from "./world.ts";

export interface HandoverWorld extends Pick<OperatorWorld, "endpoints" | "log" | "nowMs"> {
  readonly gatherer: { at(origin: string): Peer };
  readonly cluster: Pick<Cluster, "writeEvent">;
  readonly metrics: Pick<OperatorMetrics, "handovers">;
  readonly shared: Pick<Shared, "gathererOrigin" | "snapshot" | "upload">;
}

export interface Handed {
  /** A gather may begin. */
  readonly mayBegin: boolean;
  /** Until the next look; undefined when a change of the endpoints is awaited. */
  readonly afterMs: number | undefined;
}

/** While something is to be handed over. */
const pollMs = 1_000;
/** For all that one run carries. */
const defaultBudgetMs = 2 * 60_000;
/** Between two looks for endpoints that cannot be seen. */
const mostBlindMs = 20_000;

type Waiting = NonNullable<Parameters<typeof decideHandover>[0]["waiting"]>;
type HandOver = Extract<HandoverDecision["step"], { readonly kind: "hand over" }>;

export class HandoverLoop {
  readonly #world: HandoverWorld;
  readonly #budgetMs: number;
  /** Pods that need not be asked again while they are ready: what serves does not wait any more. */
  #serving = new Set<string>();
  /** Since when each pod has not answered. */
  #silentSinceMs = new Map<string, number>();
  /** So often in a row the endpoints could not be seen. */
  #blind = 0;
  /** Those that were handed everything: how often, and when last. */
  #handed = new Map<string, { readonly times: number; readonly atMs: number }>();
  #waiting: Waiting | undefined;
  #problem = "";
  /** Archives that could not be carried. */
  readonly #stuck = new Set<string>();

  constructor(world: HandoverWorld, budgetMs = defaultBudgetMs) {
    this.#world = world;
    this.#budgetMs = budgetMs;
  }

  /** One look at our gatherers, and one step of a handover. When they cannot be seen, all is as if there were one. */
  async run(requests: readonly GatherRequest[], isGathering: boolean, signal: AbortSignal): Promise<Handed> {
    const { shared, nowMs } = this.#world;
    let endpoints: readonly Endpoint[];
    try {
      endpoints = await this.#world.endpoints();
      this.#blind = 0;
    } catch (cause) {
      this.#say(cause instanceof Error ? cause.message : String(cause));
      shared.gathererOrigin = undefined;
      this.#blind += 1;
      return { mayBegin: true, afterMs: Math.min(pollMs * 2 ** this.#blind, mostBlindMs) };
    }
    const gatherers = await this.#look(endpoints, signal);
    const handed = this.#handedOf(gatherers);
    const to = waitingOne({ gatherers, handed });
    if (to?.uid !== this.#waiting?.uid)
      this.#waiting = to === undefined ? undefined : { uid: to.uid, sinceMs: nowMs() };
    const known = { gatherers, isGathering, waiting: this.#waiting, handed, nowMs: nowMs() };
    const { step, ask, mayBegin } = decideHandover(known);
    const originOf = (uid: string) => endpoints.find((one) => one.uid === uid)?.origin;
    shared.gathererOrigin = ask === undefined ? undefined : originOf(ask.uid);
    const at = ({ uid }: SeenGatherer) => this.#world.gatherer.at(originOf(uid) ?? "");
    try {
      switch (step.kind) {
        case "none":
          this.#stuck.clear();
          return { mayBegin, afterMs: lookAgainMs(gatherers) };
        case "wait":
          this.#say(step.message);
          break;
        case "hand over":
          await this.#handOver(step, at, requests, signal);
          break;
        case "pass on":
          for (const from of step.from)
            await this.#passOn(at(from), at(step.to), this.#load(requests, step.from.length), signal);
          break;
        default:
          return step;
      }
    } catch (cause) {
      signal.throwIfAborted();
      this.#failed(cause instanceof Error ? cause.message : String(cause));
    }
    return { mayBegin, afterMs: pollMs };
  }

  async #look(endpoints: readonly Endpoint[], signal: AbortSignal): Promise<readonly SeenGatherer[]> {
    const isAlone = endpoints.length === 1;
    const seen = await Promise.all(
      endpoints.map(async ({ uid, name, origin, leaving, ready }): Promise<SeenGatherer> => {
        const common = { uid, name, leaving };
        if (isAlone && ready && !leaving && this.#serving.has(uid)) return { ...common, state: "serving", sinceMs: 0 };
        const answer = await this.#world.gatherer.at(origin).handover(signal);
        const sinceMs = this.#silentSinceMs.get(uid) ?? this.#world.nowMs();
        if (answer.kind === "unreachable") return { ...common, state: "silent", sinceMs };
        return { ...common, state: answer.state, sinceMs: answer.sinceMs };
      }),
    );
    this.#serving = new Set(seen.filter(({ state }) => state === "serving").map(({ uid }) => uid));
    const silent = seen.filter(({ state }) => state === "silent");
    this.#silentSinceMs = new Map(silent.map(({ uid, sinceMs }) => [uid, sinceMs]));
    return seen;
  }

  /** Those that were handed everything a while ago only; one that is gone is forgotten. */
  #handedOf(gatherers: readonly SeenGatherer[]): ReadonlySet<string> {
    this.#handed = new Map([...this.#handed].filter(([uid]) => gatherers.some((one) => one.uid === uid)));
    const isResting = ({ times, atMs }: { readonly times: number; readonly atMs: number }) =>
      elapsedMs(atMs, this.#world.nowMs(), restMs(times)) < restMs(times);
    return new Set([...this.#handed].filter(([, one]) => isResting(one)).map(([uid]) => uid));
  }

  async #handOver(
    { to, from, silent, isLast }: HandOver,
    at: (gatherer: SeenGatherer) => Peer,
    requests: readonly GatherRequest[],
    signal: AbortSignal,
  ): Promise<void> {
    const { log, metrics, nowMs } = this.#world;
    const carried: Carried[] = [];
    const load = this.#load(requests, from.length);
    for (const one of from) carried.push(await carry(at(one), at(to), load, signal));
    const problems = carried.flatMap((one) => one.problems);
    if (problems.length > 0 && !isLast) return this.#failed(problems.join("; "));
    problems.push(...silent.map(({ name }) => `${name} does not answer`));
    problems.push(...(await endHandover(at(to), carried, signal)));
    const times = this.#handed.get(to.uid)?.times ?? 0;
    this.#handed.set(to.uid, { times: times + 1, atMs: nowMs() });
    this.#waiting = undefined;
    this.#problem = "";
    this.#stuck.clear();
    const lost = await this.#lost(at(to), requests, signal);
    const archives = carried.reduce((sum, one) => sum + one.archives, 0);
    log.info({ to: to.name, from: from.map(({ name }) => name), archives, problems, lost }, "Handed over");
    if (times > 0) return this.#say(`${to.name} waited again although it had been handed everything`);
    const isComplete = problems.length === 0 && lost === undefined;
    metrics.handovers.inc({ result: !isComplete ? "incomplete" : from.length === 0 ? "fresh" : "complete" });
    if (isComplete) return;
    const gone = lost === undefined ? [] : [`archive ${lost} is gone`];
    const why = problems.length > 0 ? problems : ["no older gatherer was there to hand it over"];
    await this.#tell(
      `Gatherer ${to.name} begins without all that was gathered before: ${[...gone, ...why].join("; ")}`,
    );
  }

  /** What came later than the handover; then `from` may end. */
  async #passOn(from: Peer, to: Peer, load: Load, signal: AbortSignal): Promise<void> {
    const carried = await carry(from, to, load, signal);
    const problems = carried.problems.length > 0 ? carried.problems : await endHandover(to, [carried], signal);
    if (problems.length > 0) this.#failed(problems.join("; "));
    else await from.relieve(signal);
  }

  /** An inventory is clear text: it stays behind unless the config wants one. */
  #load(requests: readonly GatherRequest[], parts: number): Load {
    const { snapshot } = this.#world.shared;
    const withInventory = snapshot?.kind === "managed" && snapshot.settings.inventory === "Enabled";
    return { requests, withInventory, stuck: this.#stuck, budgetMs: this.#budgetMs / parts };
  }

  /** The name of the newest archive that a gather of this config made, if the new gatherer lacks it. */
  async #lost(to: Peer, requests: readonly GatherRequest[], signal: AbortSignal): Promise<string | undefined> {
    const { shared, nowMs } = this.#world;
    if (shared.snapshot?.kind !== "managed") return undefined;
    const name = newestArchive(requests, shared.snapshot.configCreatedMs, nowMs());
    const answer = name === undefined ? undefined : await to.archives(signal);
    if (answer?.kind !== "archives") return undefined;
    return answer.archives.some((archive) => archive.name === name) ? undefined : name;
  }

  #failed(problem: string): void {
    this.#say(problem);
    if (this.#waiting !== undefined) this.#waiting = { failingSinceMs: this.#world.nowMs(), ...this.#waiting };
  }

  async #tell(message: string): Promise<void> {
    const { cluster, shared, nowMs, log } = this.#world;
    log.warn({ problem: message }, "A handover was not complete");
    const uid = shared.upload?.configUid;
    if (uid === undefined) return;
    const about = { kind: configKind, name: configName, uid };
    const event = {
      type: "Warning",
      reason: "ArchivesLost",
      message: cut(message, 1_000),
      about,
      nowMs: nowMs(),
    } as const;
    const written = await cluster.writeEvent(event);
    if (written.kind === "failed") log.warn({ problem: written.message }, "Could not write an event");
  }

  /** Once, not at each look. */
  #say(problem: string): void {
    if (problem !== this.#problem) this.#world.log.warn({ problem }, "A handover between gatherers waits");
    this.#problem = problem;
  }
}

/** A new pod does not tell when it begins to answer; of all else a change of the endpoints tells. */
function lookAgainMs(gatherers: readonly SeenGatherer[]): number | undefined {
  if (gatherers.some(({ state }) => state === "silent")) return 2 * pollMs;
  return gatherers.length > 1 || gatherers.some(({ state }) => state === "waiting") ? 5 * pollMs : undefined;
}
