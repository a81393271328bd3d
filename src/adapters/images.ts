/** Reads OpenShift's Image objects beside the listing of pods; nothing here fails a gather. */
import { setTimeout as sleep } from "node:timers/promises";
import { decodeImage } from "../api/image.ts";
import type { ImageInfo } from "../api/workload.ts";
import { imageInfo } from "../core/image.ts";
import type { Api } from "./connection.ts";

const groupPath = "/apis/image.openshift.io/v1";
const concurrency = 8;
const maxCached = 5_000;

/** Images by digest, over the gathers of one process; what is used longest ago goes first. */
export class ImageCache {
  readonly #images = new Map<string, ImageInfo>();

  get(id: string): ImageInfo | undefined {
    const image = this.#images.get(id);
    if (image !== undefined) this.add(id, image);
    return image;
  }

  add(id: string, image: ImageInfo): void {
    this.#images.delete(id);
    this.#images.set(id, image);
    for (const oldest of this.#images.keys()) {
      if (this.#images.size <= maxCached) break;
      this.#images.delete(oldest);
    }
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

/** Reads the images it is told about, few at a time, until it is told to finish. */
export class ImageReader {
  readonly #api: Api;
  readonly #cache: ImageCache;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #seen = new Set<string>();
  readonly #waiting: string[] = [];
  readonly #found = new Map<string, ImageInfo>();
  readonly #workers = new Set<Promise<void>>();
  #failed = 0;

  constructor(api: Api, cache: ImageCache, signal: AbortSignal) {
    this.#api = api;
    this.#cache = cache;
    this.#signal = AbortSignal.any([signal, this.#stop.signal]);
  }

  /** Never waits; a digest that was wanted before is not read again. */
  want(ids: Iterable<string>): void {
    for (const id of ids) {
      if (this.#seen.has(id)) continue;
      this.#seen.add(id);
      const cached = this.#cache.get(id);
      if (cached === undefined) this.#waiting.push(id);
      else this.#found.set(id, cached);
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
    const answer = await this.#api.call({ path: `${groupPath}/images/${id}`, signal: this.#signal });
    if (answer.status === 404) return;
    const image = answer.status === 200 ? decodeImage(answer.body) : undefined;
    if (image === undefined) throw new Error(`reading image ${id}: status ${answer.status}`);
    const info = imageInfo(image);
    if (info === undefined) return;
    this.#found.set(id, info);
    this.#cache.add(id, info);
  }
}
