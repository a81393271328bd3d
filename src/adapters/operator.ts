/**
 * The one file that extends @dot-i/k8s-operator. Its life cycle stays; watches and the queue behind them are our own, since the
 * published ones end the process on every error (docs/adr/0002-dot-i.md).
 */

import dotI from "@dot-i/k8s-operator";
import type { Connection } from "./connection.ts";
import { KeyedQueue } from "./queue.ts";
import { Watcher, type WatchTarget } from "./watcher.ts";

const { default: Operator } = dotI;

/** Events come in bursts; a run answers for all that came in that time. */
const settleMs = 100;

/** A watch that lost an event costs no more than that. */
export const defaultResyncMs = 100_000;

/** What is watched, and which key a change of it wakes. */
export interface WatchRule extends WatchTarget {
  readonly key: string;
  /** How long to wait at most before a kind that is not served is asked for again; default as the Watcher's. */
  readonly maxAbsentMs?: number;
}

export interface OperatorOptions {
  readonly connection: Connection;
  readonly rules: readonly WatchRule[];
  /** Keys that run once at the start. */
  readonly keys: readonly string[];
  /** One run of a key; see KeyedQueue. */
  readonly run: (key: string, signal: AbortSignal) => Promise<{ readonly afterMs: number | undefined }>;
  readonly onRunError: (key: string, cause: unknown, retryAfterMs: number) => void;
  readonly onWatchError: (target: WatchTarget, problem: string, retryAfterMs: number) => void;
  /** Every key runs at least that often, whatever the watches say; default 100 s. */
  readonly resyncMs?: number;
}

export class InsightsOperator extends Operator {
  readonly #options: OperatorOptions;
  readonly #queue: KeyedQueue;
  readonly #watchers: Watcher[] = [];
  #resync: NodeJS.Timeout | undefined;

  constructor(options: OperatorOptions) {
    super();
    this.#options = options;
    this.kubeConfig = options.connection;
    this.#queue = new KeyedQueue({ run: options.run, onError: options.onRunError });
  }

  /** Called by `start` of the base class. */
  protected override async init(): Promise<void> {
    const { rules, keys, resyncMs = defaultResyncMs } = this.#options;
    for (const rule of rules) this.#watch(rule);
    for (const key of keys) this.#queue.add(key);
    this.#resync = setInterval(() => {
      for (const key of keys) this.#queue.add(key);
    }, resyncMs);
  }

  /** Wakes a key from outside the watches. */
  wake(key: string): void {
    this.#queue.addAfter(key, settleMs);
  }

  /** Of the runs of all keys; see KeyedQueue. */
  longestRunMs(): number {
    return this.#queue.longestRunMs();
  }

  /** Ends watches and runs; unlike the base class it never ends the process. */
  override stop(): void {
    void this.stopped();
  }

  /** As `stop`, and resolves when nothing of it runs any more. */
  async stopped(): Promise<void> {
    clearInterval(this.#resync);
    await Promise.all([...this.#watchers.map((watcher) => watcher.stop()), this.#queue.stop()]);
  }

  /** The base class's way to watch; a namespace narrows it as there. */
  override async watchResource(
    group: string,
    version: string,
    plural: string,
    onEvent: Parameters<InstanceType<typeof Operator>["watchResource"]>[3],
    namespace?: string,
  ): Promise<void> {
    void onEvent;
    const root = group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
    const path = namespace === undefined ? `${root}/${plural}` : `${root}/namespaces/${namespace}/${plural}`;
    throw new Error(`watching ${path}: watches are given as rules, which wake keys`);
  }

  /** CRDs are applied by an administrator; this process must not be able to change them. */
  override async registerCustomResourceDefinition(file: string): Promise<never> {
    throw new Error(`registering ${file}: apply crds/ instead`);
  }

  #watch({ key, maxAbsentMs, ...target }: WatchRule): void {
    const { connection, onWatchError } = this.#options;
    const watcher = new Watcher({
      ...{ connection, target },
      ...(maxAbsentMs === undefined ? {} : { maxAbsentMs }),
      onChange: () => this.wake(key),
      onError: (problem, retryAfterMs) => onWatchError(target, problem, retryAfterMs),
    });
    this.#watchers.push(watcher);
    watcher.start();
  }
}
