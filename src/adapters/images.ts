/** Reads OpenShift's Image objects beside the listing of pods; nothing here fails a gather. */
import { setTimeout as sleep } from "node:timers/promises";
import { decodeImage } from "../api/image.ts";
import type { ImageInfo } from "../api/workload.ts";
import { imageInfo } from "../core/image.ts";
import type { Api } from "./connection.ts";
import { askPatiently } from "./patience.ts";

const groupPath = "/apis/image.openshift.io/v1";
const concurrency = 8;
const maxCached = 5_000;

/** So long an image that the cluster does not know is not asked for again. */
const missingMs = 24 * 60 * 60 * 1000;

/** Images by digest, over the gathers of one process; what is used longest ago goes first. */
export class ImageCache {
  readonly #images = new Map<string, ImageInfo>();
  /** Digests that no Image object has, with the time at which that was seen. */
  readonly #missing = new Map<string, number>();

  isMissing(id: string, nowMs: number): boolean {
    const sinceMs = this.#missing.get(id);
    return sinceMs !== undefined && nowMs >= sinceMs && nowMs - sinceMs < missingMs;
  }

  addMissing(id: string, nowMs: number): void {
    this.#missing.delete(id);
    this.#missing.set(id, nowMs);
    trim(this.#missing);
  }

  get(id: string): ImageInfo | undefined {
    const image = this.#images.get(id);
    if (image !== undefined) this.add(id, image);
    return image;
  }

  add(id: string, image: ImageInfo): void {
    this.#images.delete(id);
    this.#images.set(id, image);
    trim(this.#images);
  }
}

function trim(oldestFirst: Map<string, unknown>): void {
  for (const oldest of oldestFirst.keys()) {
    if (oldestFirst.size <= maxCached) return;
    oldestFirst.delete(oldest);
  }
}

export type ImageApi = "present" | "absent" | "unknown";

/** Whether this cluster has Image objects. */
export async function findImageApi(api: Api, signal: AbortSignal): Promise<ImageApi> {
  try {
    const { status } = await api.call({ path: groupPath, signal });
    return status === 200 ? "present" : status === 404 ? "absent" : "unknown";
  } catch {
    signal.throwIfAborted();
    return "unknown";
  }
}

export interface ImagesRead {
  readonly found: ReadonlyMap<string, ImageInfo>;
  /** False when time ran out before all were read. */
  readonly complete: boolean;
  /** Images that could not be read, those that do not exist not counted. */
  readonly failed: number;
}

export interface ImageReaderOptions {
  readonly cache: ImageCache;
  readonly signal: AbortSignal;
  readonly nowMs: () => number;
  /** Waits between tries of one image. */
  readonly delaysMs?: readonly number[] | undefined;
}

/** Reads the images it is told about, few at a time, until it is told to finish. */
export class ImageReader {
  readonly #api: Api;
  readonly #cache: ImageCache;
  readonly #nowMs: () => number;
  readonly #delaysMs: readonly number[] | undefined;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #seen = new Set<string>();
  readonly #waiting: string[] = [];
  readonly #found = new Map<string, ImageInfo>();
  readonly #workers = new Set<Promise<void>>();
  #failed = 0;

  constructor(api: Api, { cache, signal, nowMs, delaysMs }: ImageReaderOptions) {
    this.#api = api;
    this.#cache = cache;
    this.#nowMs = nowMs;
    this.#delaysMs = delaysMs;
    this.#signal = AbortSignal.any([signal, this.#stop.signal]);
  }

  /** Never waits; a digest that was wanted before is not read again. */
  want(ids: Iterable<string>): void {
    for (const id of ids) {
      if (this.#seen.has(id)) continue;
      this.#seen.add(id);
      const cached = this.#cache.get(id);
      if (cached !== undefined) this.#found.set(id, cached);
      else if (!this.#cache.isMissing(id, this.#nowMs())) this.#waiting.push(id);
    }
    while (this.#workers.size < Math.min(concurrency, this.#waiting.length)) {
      const worker = this.#work().finally(() => this.#workers.delete(worker));
      this.#workers.add(worker);
    }
  }

  /** What was read, after all is or the time is over; nothing is read after that. */
  async finish(timeoutMs: number): Promise<ImagesRead> {
    const timer = new AbortController();
    const isLate = sleep(timeoutMs, true, { signal: timer.signal }).catch(() => true);
    const late = await Promise.race([Promise.all(this.#workers).then(() => false), isLate]);
    timer.abort();
    this.#stop.abort();
    return { found: this.#found, complete: !late, failed: this.#failed };
  }

  async #work(): Promise<void> {
    for (let id = this.#waiting.shift(); id !== undefined; id = this.#waiting.shift()) {
      if (this.#signal.aborted) return;
      try {
        await this.#read(id);
      } catch {
        this.#failed += 1;
      }
    }
  }

  async #read(id: string): Promise<void> {
    const patience = { what: "reading an image", signal: this.#signal, delaysMs: this.#delaysMs ?? [500, 2_000] };
    const answer = await askPatiently(this.#api, { path: `${groupPath}/images/${id}` }, patience);
    if (answer.status === 404) return this.#cache.addMissing(id, this.#nowMs());
    const image = answer.status === 200 ? decodeImage(answer.body) : undefined;
    if (image === undefined) throw new Error(`reading image ${id}: status ${answer.status}`);
    const info = imageInfo(image);
    if (info === undefined) return this.#cache.addMissing(id, this.#nowMs());
    this.#found.set(id, info);
    this.#cache.add(id, info);
  }
}
