/** client-node's informer, kept alive: it starts again after every error, and no error of a callback leaves it. */
import {
  type KubeConfig,
  type KubernetesListObject,
  type KubernetesObject,
  ListWatch,
  Watch,
} from "@kubernetes/client-node";
import { z } from "zod";
import type { Api } from "./connection.ts";

export interface WatchTarget {
  /** Of the collection, e.g. `/apis/apps/v1/namespaces/a/daemonsets`. */
  readonly path: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

export interface WatcherOptions {
  readonly connection: Api & KubeConfig;
  readonly target: WatchTarget;
  /** Called with each object that came, changed or went. */
  readonly onChange: (object: KubernetesObject) => void;
  /** `isFirst` tells the end of a healthy watch from one more failure to begin anew. */
  readonly onError: (problem: string, retryAfterMs: number, isFirst: boolean) => void;
  /** Default 1 s, doubled with each error in a row. */
  readonly minBackoffMs?: number;
  /** Default 30 s. */
  readonly maxBackoffMs?: number;
}

const listSchema = z.object({
  apiVersion: z.string().optional(),
  kind: z.string().optional(),
  metadata: z.object({ resourceVersion: z.string().optional() }).optional(),
  items: z.array(z.looseObject({ metadata: z.looseObject({ name: z.string() }) })),
});

export class Watcher {
  readonly #options: WatcherOptions;
  readonly #informer: ListWatch<KubernetesObject>;
  #isStopped = false;
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: WatcherOptions) {
    this.#options = options;
    const { connection, target } = options;
    const watch = new CarefulWatch(connection);
    const { path, labelSelector, fieldSelector } = target;
    this.#informer = new ListWatch(path, watch, () => this.#list(), false, labelSelector, fieldSelector);
    const changed = (object: KubernetesObject) => {
      this.#failures = 0;
      options.onChange(object);
    };
    this.#informer.on("add", changed);
    this.#informer.on("update", changed);
    this.#informer.on("delete", changed);
    this.#informer.on("error", (cause: unknown) => this.#restart(cause));
  }

  start(): void {
    this.#informer.start().catch((cause: unknown) => this.#restart(cause));
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    await this.#informer.stop();
  }

  /** A kind that is not served yet is an error like any other: it is asked for again until it is. */
  #restart(cause: unknown): void {
    if (this.#isStopped || this.#timer !== undefined) return;
    const { minBackoffMs = 1_000, maxBackoffMs = 30_000, onError } = this.#options;
    const afterMs = Math.min(minBackoffMs * 2 ** this.#failures, maxBackoffMs);
    const isFirst = this.#failures === 0;
    this.#failures = Math.min(this.#failures + 1, 30);
    onError(cause instanceof Error ? cause.message : String(cause), afterMs, isFirst);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (!this.#isStopped) this.start();
    }, afterMs);
  }

  async #list(): Promise<KubernetesListObject<KubernetesObject>> {
    const { connection, target } = this.#options;
    const { path, labelSelector, fieldSelector } = target;
    const query = {
      ...(labelSelector === undefined ? {} : { labelSelector }),
      ...(fieldSelector === undefined ? {} : { fieldSelector }),
    };
    const { status, body } = await connection.call({ path, query });
    if (status !== 200) throw new Error(`listing ${path}: status ${status}`);
    this.#failures = 0;
    const { apiVersion = "", kind = "", metadata, items } = listSchema.parse(body);
    const resourceVersion = metadata?.resourceVersion;
    return {
      apiVersion,
      kind,
      metadata: resourceVersion === undefined ? {} : { resourceVersion },
      items: items.map((item) => ({ metadata: { ...item.metadata } })),
    };
  }
}

/** A token or certificate that cannot be read at the moment ends in `done` like every other failure, not in a lost rejection. */
class CarefulWatch extends Watch {
  override async watch(...[path, query, callback, done]: Parameters<Watch["watch"]>): Promise<AbortController> {
    try {
      return await super.watch(path, query, callback, done);
    } catch (cause) {
      done(cause);
      return new AbortController();
    }
  }
}
