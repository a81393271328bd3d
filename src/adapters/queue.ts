/** A queue of keys: each key runs one at a time, a key that is asked for twice runs once, one that fails is tried again later. */

export interface QueueOptions {
  /** Does the work of a key; may say when to run it again at the latest. Throwing means: try again, later each time. */
  readonly run: (key: string, signal: AbortSignal) => Promise<{ readonly afterMs: number | undefined }>;
  readonly onError: (key: string, cause: unknown, retryAfterMs: number) => void;
  /** Default 1 s, doubled with each failure in a row. */
  readonly minBackoffMs?: number;
  /** Default 60 s. */
  readonly maxBackoffMs?: number;
}

interface Entry {
  isRunning: boolean;
  isAskedAgain: boolean;
  failures: number;
  timer: NodeJS.Timeout | undefined;
  timerAtMs: number;
  startedMs: number;
}

/** A timer of more than 24 days would fire at once. */
const longestMs = 24 * 60 * 60_000;

export class KeyedQueue {
  readonly #options: QueueOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #abort = new AbortController();
  readonly #running = new Set<Promise<void>>();

  constructor(options: QueueOptions) {
    this.#options = options;
  }

  /** Runs the key as soon as it is free. */
  add(key: string): void {
    this.addAfter(key, 0);
  }

  /** Runs the key at the latest after that time, and after a day in any case; an earlier appointment stays. */
  addAfter(key: string, wantedMs: number): void {
    if (this.#abort.signal.aborted) return;
    const afterMs = Math.min(wantedMs, longestMs);
    const entry = this.#entry(key);
    if (entry.isRunning && afterMs <= 0) {
      entry.isAskedAgain = true;
      return;
    }
    // As timers count: a clock that is set does not move them.
    const atMs = performance.now() + afterMs;
    if (entry.timer !== undefined && entry.timerAtMs <= atMs) return;
    clearTimeout(entry.timer);
    entry.timerAtMs = atMs;
    entry.timer = setTimeout(() => this.#start(key, entry), Math.max(0, afterMs));
  }

  /** Starts nothing any more, aborts what runs, and resolves when it has ended. */
  async stop(): Promise<void> {
    this.#abort.abort(new Error("the queue was stopped"));
    for (const entry of this.#entries.values()) clearTimeout(entry.timer);
    await Promise.all(this.#running);
  }

  /** How long the run that began first and has not ended has lasted; 0 when none runs. */
  longestRunMs(): number {
    const running = [...this.#entries.values()].filter(({ isRunning }) => isRunning);
    return Math.max(0, ...running.map(({ startedMs }) => performance.now() - startedMs));
  }

  #entry(key: string): Entry {
    const known = this.#entries.get(key);
    if (known !== undefined) return known;
    const entry: Entry = {
      isRunning: false,
      isAskedAgain: false,
      failures: 0,
      timer: undefined,
      timerAtMs: 0,
      startedMs: 0,
    };
    this.#entries.set(key, entry);
    return entry;
  }

  #start(key: string, entry: Entry): void {
    entry.timer = undefined;
    if (this.#abort.signal.aborted) return;
    if (entry.isRunning) {
      entry.isAskedAgain = true;
      return;
    }
    entry.isRunning = true;
    entry.startedMs = performance.now();
    const running = this.#work(key, entry).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  async #work(key: string, entry: Entry): Promise<void> {
    const { run, onError, minBackoffMs = 1_000, maxBackoffMs = 60_000 } = this.#options;
    let afterMs: number | undefined;
    try {
      ({ afterMs } = await run(key, this.#abort.signal));
      entry.failures = 0;
    } catch (cause) {
      afterMs = Math.min(minBackoffMs * 2 ** entry.failures, maxBackoffMs);
      entry.failures = Math.min(entry.failures + 1, 30);
      if (!this.#abort.signal.aborted) onError(key, cause, afterMs);
    }
    entry.isRunning = false;
    const isAskedAgain = entry.isAskedAgain;
    entry.isAskedAgain = false;
    if (isAskedAgain) this.addAfter(key, entry.failures > 0 ? (afterMs ?? 0) : 0);
    else if (afterMs !== undefined) this.addAfter(key, afterMs);
  }
}
