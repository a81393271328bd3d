/** The gathers of a gatherer: one at a time, each known by its id, also after a restart. */
import type { GatherMetrics } from "../adapters/gather-metrics.ts";
import type { Journal } from "../adapters/journal.ts";
import type { Logger } from "../adapters/telemetry.ts";
import type { GatherOrder, GatherProgress, NodeSideReport } from "../api/gather.ts";
import { failedResult, type GatherResult, gather, type Stage } from "./gather.ts";
import type { GatherWorld } from "./gather-world.ts";

export type Started = "started" | "same" | "busy";

export interface RunsOptions {
  readonly world: GatherWorld;
  readonly journal: Journal;
  readonly metrics: GatherMetrics;
  readonly log: Logger;
  /** How long a gather waits until the node side is gone; default 5 minutes. */
  readonly holdMs?: number;
}

const defaultHoldMs = 5 * 60_000;

/** A gather that waits for the node side, or did so last. */
interface Held {
  readonly id: string;
  state: "waiting" | "released" | "given up";
  release(report: NodeSideReport): void;
}

export class GatherRuns {
  readonly #options: RunsOptions;
  readonly #stop = new AbortController();
  #running: { readonly id: string; readonly done: Promise<void> } | undefined;
  /** A report that comes twice is none of a stranger's. */
  #held: Held | undefined;

  constructor(options: RunsOptions) {
    this.#options = options;
  }

  /** Starts a gather unless its id is known already, another one runs or this process ends; an interrupted one is started again. */
  start(order: GatherOrder): Started {
    if (this.#running?.id === order.id) return "same";
    const known = this.#options.journal.find(order.id);
    if (known !== undefined && known.phase !== "Interrupted") return "same";
    if (this.#running !== undefined || this.#stop.signal.aborted) return "busy";
    this.#running = { id: order.id, done: this.#run(order) };
    return "started";
  }

  /** Undefined for an id that was never started or is long past. */
  find(id: string): GatherProgress | undefined {
    return this.#options.journal.find(id);
  }

  /** Lets the gather go on that waits until the node side is gone. */
  release(id: string, report: NodeSideReport): "released" | "same" | "not awaited" {
    const held = this.#held;
    if (held?.id !== id || held.state === "given up") return "not awaited";
    if (held.state === "released") return "same";
    held.state = "released";
    held.release(report);
    return "released";
  }

  /**
   * Ends the running gather and begins none any more. It stays without outcome, so that the next process calls it Interrupted, and so
   * does this one for as long as it is asked.
   */
  async stop(): Promise<void> {
    this.#stop.abort();
    const { id, done } = this.#running ?? {};
    await done;
    const known = id === undefined ? undefined : this.#options.journal.find(id);
    if (known?.phase === "Running") this.#options.journal.remember({ ...known, phase: "Interrupted" });
  }

  async #run(order: GatherOrder): Promise<void> {
    const { journal, metrics, world } = this.#options;
    const log = this.#options.log.child({ gather: order.id });
    const { signal } = this.#stop;
    const { id } = order;
    const startedAtMs = world.nowMs();
    const running = (stage: Stage): GatherProgress => {
      return { id, phase: "Running", stage, startedAtMs, finishedAtMs: null, outcome: null };
    };
    journal.remember(running("ListingPods"));
    log.info({ runtimeInfo: order.runtimeInfo, filtered: order.namespaces !== undefined }, "Gathering");
    try {
      const result = await this.#gather(order, running);
      const { outcome, inventory, failures } = result;
      const finished: GatherProgress = { ...running("Done"), phase: "Finished", finishedAtMs: world.nowMs(), outcome };
      journal.remember(finished);
      metrics.observe(outcome, failures);
      const { succeeded, reason, message, counts, durationsMs } = outcome;
      log[succeeded ? "info" : "error"]({ succeeded, reason, message, counts, durationsMs }, "Gathered");
      for (const { node, reason: why, message: how } of outcome.failures)
        log.warn({ node, reason: why, message: how }, "A node's runtimes are missing");
      if (inventory !== null)
        await journal.writeInventory(inventory).catch((cause: unknown) => {
          log.error({ err: cause }, "The inventory of a gather could not be kept");
        });
      // The config wants none; a gather that asks no node says nothing of that.
      else if (order.runtimeInfo && !order.inventory) await journal.removeInventory();
      await journal.write(finished);
    } catch (cause) {
      if (signal.aborted) log.info("Gather interrupted");
      else log.error({ err: cause }, "The outcome of a gather could not be kept");
    } finally {
      this.#running = undefined;
    }
  }

  /** The start marker is on disk before any work: a gather that cannot leave one fails. */
  async #gather(order: GatherOrder, running: (stage: Stage) => GatherProgress): Promise<GatherResult> {
    const { journal, world, log } = this.#options;
    const { signal } = this.#stop;
    try {
      await journal.write(running("ListingPods"));
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      return failedResult("ArchiveWriteFailed", `writing the start marker: ${why}`);
    }
    try {
      return await gather(order, world, {
        signal,
        onStage: (stage) => journal.remember(running(stage)),
        hold: () => this.#hold(order.id),
      });
    } catch (cause) {
      signal.throwIfAborted();
      log.error({ err: cause }, "A gather broke off");
      const why = cause instanceof Error ? cause.message : String(cause);
      return failedResult("InternalError", why);
    }
  }

  /** What main says is wrong with the node side once it is gone; one sentence when main says nothing in time. */
  async #hold(id: string): Promise<readonly string[]> {
    const { holdMs = defaultHoldMs } = this.#options;
    const { signal } = this.#stop;
    signal.throwIfAborted();
    const { promise, resolve } = Promise.withResolvers<readonly string[] | undefined>();
    const held: Held = { id, state: "waiting", release: ({ problems }) => resolve(problems) };
    this.#held = held;
    const wake = () => resolve(undefined);
    const timer = setTimeout(wake, holdMs);
    signal.addEventListener("abort", wake, { once: true });
    const problems = await promise;
    clearTimeout(timer);
    signal.removeEventListener("abort", wake);
    signal.throwIfAborted();
    if (problems !== undefined) return problems;
    held.state = "given up";
    return [`the operator did not say within ${holdMs / 1000} s that the extractors are gone`];
  }
}
