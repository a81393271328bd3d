/** What one gatherer holds for the cluster: whether it has been handed what there was, and when it may end. */
import { setTimeout as sleep } from "node:timers/promises";
import { listArchives, readIfPresent, replaceFile } from "../adapters/disk.ts";
import type { Journal } from "../adapters/journal.ts";
import type { Logger } from "../adapters/telemetry.ts";
import { type HandoverStatus, handoverSchema, type TakenOver, type Takeover } from "../api/handover.ts";
import { followMs, leaveMs, lingerMs, lonelyMs } from "../core/handover.ts";

export interface HoldingOptions {
  readonly directory: string;
  readonly journal: Journal;
  readonly nowMs: () => number;
  readonly log: Logger;
  /** Default: those of core. */
  readonly times?: Partial<Times>;
}

const ourTimes = { followMs, leaveMs, lingerMs, lonelyMs };
type Times = Readonly<typeof ourTimes>;

const markerFile = "handover.json";

export class Holding {
  readonly #options: HoldingOptions;
  readonly #times: Times;
  readonly #relieved = Promise.withResolvers<void>();
  readonly #startedMs = performance.now();
  #status: HandoverStatus;
  #isLonely = false;

  private constructor(options: HoldingOptions, status: HandoverStatus) {
    this.#options = options;
    this.#times = { ...ourTimes, ...options.times };
    this.#status = status;
  }

  /** Serving when an earlier process of the same pod was handed everything: the volume outlasts a container. */
  static async open(options: HoldingOptions): Promise<Holding> {
    const marker = await readMarker(options.directory).catch(() => undefined);
    return new Holding(options, marker ?? { state: "waiting", sinceMs: options.nowMs() });
  }

  status(): HandoverStatus {
    return this.#status;
  }

  /** True once everything was handed over, or when for a long time nobody came to do so. */
  isReady(): boolean {
    if (this.#status.state !== "waiting") return true;
    if (performance.now() - this.#startedMs < this.#times.lonelyMs) return false;
    if (!this.#isLonely)
      this.#options.log.error("Nobody has handed over what an older gatherer may have, serving without");
    this.#isLonely = true;
    return true;
  }

  /** Serves from now on, also on a disk that keeps nothing; a second time it takes what it has not got yet. */
  async takeOver({ outcomes, inventory }: Takeover): Promise<TakenOver> {
    const { directory, journal, nowMs, log } = this.#options;
    const problems: string[] = [];
    const attempt = async (what: string, action: () => Promise<void>) => {
      await action().catch((cause: unknown) => {
        log.error({ err: cause, what }, "A part of what was handed over could not be kept");
        problems.push(`${what} could not be kept: ${cause instanceof Error ? cause.message : String(cause)}`);
      });
    };
    await attempt("the outcomes", () => journal.adopt(outcomes));
    await attempt("the inventory", async () => {
      const own = await journal.readInventory();
      const isNewer = inventory !== null && inventory.gatheredAtMs > (own?.gatheredAtMs ?? -1);
      if (isNewer) await journal.writeInventory(inventory);
    });
    if (this.#status.state === "waiting") {
      this.#status = { state: "serving", sinceMs: nowMs() };
      log.info({ outcomes: outcomes.length, inventory: inventory !== null, problems }, "Took over");
    }
    const text = `${JSON.stringify(this.#status)}\n`;
    await attempt("the note of it", () => replaceFile(directory, markerFile, text));
    return { problems };
  }

  relieve(): void {
    if (this.#status.state === "serving") this.#status = { ...this.#status, state: "relieved" };
    this.#relieved.resolve();
  }

  /**
   * Resolves when a gatherer that was told to end may do so: when nothing comes after it, as may turn out later, or it holds nothing;
   * else once it has been relieved, and not before those who route to it know that it leaves.
   */
  async linger(isFollowed: () => Promise<boolean>): Promise<void> {
    const { directory, journal, log } = this.#options;
    if (this.#status.state === "waiting" || !(await isFollowed())) return;
    const timers = new AbortController();
    const after = (ms: number) => sleep(ms, undefined, { signal: timers.signal }).catch(() => undefined);
    const abandoned = async () => {
      do await after(this.#times.followMs);
      while (!timers.signal.aborted && (await isFollowed()));
      return "abandoned" as const;
    };
    const left = after(this.#times.leaveMs);
    const archives = await listArchives(directory).catch(() => []);
    const isEmpty = archives.length === 0 && (await journal.readInventory().catch(() => undefined)) === undefined;
    if (!isEmpty) {
      log.info({ archives: archives.length }, "Serving until another gatherer has what this one has");
      const end = await Promise.race([this.#relieved.promise, after(this.#times.lingerMs), abandoned()]);
      if (end !== "abandoned" && this.#status.state !== "relieved")
        log.warn("Ending although no other gatherer has what this one has");
    }
    await left;
    timers.abort();
  }
}

async function readMarker(directory: string): Promise<HandoverStatus | undefined> {
  const bytes = await readIfPresent(directory, markerFile);
  return bytes === undefined ? undefined : handoverSchema.safeParse(JSON.parse(bytes.toString("utf8"))).data;
}
