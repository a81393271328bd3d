/**
 * A watch that never ends and remembers nothing but where to go on: an event only says that something changed, what it is now is
 * read by whoever is woken. Objects come as their metadata alone.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { type Api, type Connection, metadataOnly } from "./connection.ts";

export interface WatchTarget {
  /** Of the collection, e.g. `/apis/apps/v1/namespaces/a/daemonsets`. */
  readonly path: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

export interface WatcherOptions {
  readonly connection: Api & Pick<Connection, "stream">;
  readonly target: WatchTarget;
  /** Called when an object came, changed or went, when that may have happened unseen, and when the kind is not served any more. */
  readonly onChange: () => void;
  /** Also called, once, when the kind is not served. */
  readonly onError: (problem: string, retryAfterMs: number) => void;
  /** Default 1 s, doubled with each error in a row; about a quarter of it is left to chance. */
  readonly minBackoffMs?: number;
  /** Default 30 s; also how long a watch must last to count as healthy. */
  readonly maxBackoffMs?: number;
  /** For a kind that is not served; default 100 s. */
  readonly maxAbsentMs?: number;
  /** A watch without a byte for so long is dead; default 90 s, since the API server sends a bookmark each minute. */
  readonly silenceMs?: number;
}

/** Largest event; etcd holds no larger object. */
const maxLineBytes = 4 * 1024 * 1024;
const accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
const newline = 0x0a;

const listSchema = z.object({ metadata: z.object({ resourceVersion: z.string().min(1) }) });
const eventSchema = z.object({
  type: z.enum(["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]),
  object: z.object({ metadata: z.object({ resourceVersion: z.string().min(1) }) }),
});
const errorSchema = z.object({ type: z.literal("ERROR"), object: z.object({ message: z.string().default("") }) });

/** What went wrong, and whether the watch can go on from where it was. */
class WatchError extends Error {
  readonly status: number | undefined;
  readonly retryAfterMs: number;
  readonly isResumable: boolean;

  constructor(message: string, options: { status?: number; retryAfterMs?: number | undefined; isResumable: boolean }) {
    super(message);
    this.status = options.status;
    this.retryAfterMs = options.retryAfterMs ?? 0;
    this.isResumable = options.isResumable;
  }
}

export class Watcher {
  readonly #options: WatcherOptions;
  readonly #abort = new AbortController();
  #running: Promise<void> = Promise.resolve();
  /** Where the next watch goes on; undefined: a list says it, and what happened before was perhaps not seen. */
  #version: string | undefined;
  #failures = 0;
  #isServed = true;

  constructor(options: WatcherOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#abort.abort(new Error("the watch was stopped"));
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    const { maxBackoffMs = 30_000, onChange, onError } = this.#options;
    while (!signal.aborted) {
      const beganMs = performance.now();
      const problem = await this.#watch().catch((cause: unknown) => cause);
      if (signal.aborted) return;
      const isHealthy = performance.now() - beganMs >= maxBackoffMs;
      if (isHealthy) this.#failures = 0;
      if (isHealthy && problem === undefined) continue;
      if (problem instanceof WatchError && !problem.isResumable) this.#version = undefined;
      const isServed = !(problem instanceof WatchError && problem.status === 404);
      const isNews = this.#isServed || isServed;
      if (this.#isServed && !isServed) onChange();
      this.#isServed = isServed;
      const afterMs = this.#backoffMs(problem);
      if (isNews) onError(problem === undefined ? "it ended early" : describe(problem), afterMs);
      await sleep(afterMs, undefined, { signal }).catch(() => undefined);
    }
  }

  #backoffMs(problem: unknown): number {
    const { minBackoffMs = 1_000, maxBackoffMs = 30_000, maxAbsentMs = 100_000 } = this.#options;
    const mostMs = this.#isServed ? maxBackoffMs : maxAbsentMs;
    const backoffMs = Math.min(minBackoffMs * 2 ** this.#failures, mostMs) * (0.75 + Math.random() / 4);
    this.#failures = Math.min(this.#failures + 1, 30);
    return Math.max(backoffMs, problem instanceof WatchError ? problem.retryAfterMs : 0);
  }

  /** One watch, after a list when one is due. Resolves when the API server ends it in order. */
  async #watch(): Promise<void> {
    const { connection, target, onChange, silenceMs = 90_000 } = this.#options;
    const { path, ...selectors } = target;
    const { signal } = this.#abort;
    if (this.#version === undefined) {
      this.#version = await this.#newest();
      onChange();
    }
    const timeoutSeconds = 300 + Math.floor(Math.random() * 300);
    const query = {
      ...{ watch: true, allowWatchBookmarks: true, timeoutSeconds, resourceVersion: this.#version },
      ...selectors,
    };
    const { status, retryAfterMs, chunks } = await connection.stream({ path, query, accept, silenceMs, signal });
    // A server error says nothing about the version, but 504, which is also said of one that is newer than the server's.
    const isResumable = status === 429 || (status >= 500 && status !== 504);
    if (status !== 200) throw new WatchError(`status ${status}`, { status, retryAfterMs, isResumable });
    for await (const line of linesOf(chunks)) {
      const { type, object } = eventOf(line);
      this.#version = object.metadata.resourceVersion;
      if (type !== "BOOKMARK") onChange();
    }
  }

  /** The version of the collection; its objects are not asked for. */
  async #newest(): Promise<string> {
    const { path, ...selectors } = this.#options.target;
    const { signal } = this.#abort;
    const query = { limit: 1, ...selectors };
    const { status, body } = await this.#options.connection.call({ path, query, accept: metadataOnly, signal });
    if (status !== 200) throw new WatchError(`listing: status ${status}`, { status, isResumable: false });
    return listSchema.parse(body).metadata.resourceVersion;
  }
}

/** The watch cannot go on behind a line that it does not understand. */
function eventOf(line: Buffer): z.infer<typeof eventSchema> {
  let json: unknown;
  try {
    json = JSON.parse(line.toString());
  } catch {
    throw new WatchError("an event that is no JSON", { isResumable: false });
  }
  const event = eventSchema.safeParse(json);
  if (event.success) return event.data;
  const error = errorSchema.safeParse(json);
  throw new WatchError(error.success ? error.data.object.message : "an event of an unknown form", {
    isResumable: false,
  });
}

/** What comes after the last line break is half an event of a broken connection, and left out. */
async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let pieces: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    let from = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, from)) {
      yield Buffer.concat([...pieces, chunk.subarray(from, end)]);
      pieces = [];
      bytes = 0;
      from = end + 1;
    }
    bytes += chunk.length - from;
    if (bytes > maxLineBytes) throw new WatchError("an event that is too large", { isResumable: false });
    if (from < chunk.length) pieces.push(chunk.subarray(from));
  }
}

function describe(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
