/** What became of each gather, and the inventory of the newest one, as files beside the archives. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { type GatherProgress, gatherProgressSchema, type Inventory, inventorySchema } from "../api/gather.ts";
import { readIfPresent, removeIfPossible, replaceFile, sha256, sweepTemporaries } from "./disk.ts";

const folder = "gathers";
const inventoryFile = "inventory.json";
const maxKept = 20;

/** Keeps the newest 20; the caller is the only writer. */
export class Journal {
  readonly #directory: string;
  /** In the order of their writing, which no clock can change. */
  readonly #known = new Map<string, GatherProgress>();
  readonly #problems: string[] = [];

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /**
   * Reads what an earlier process left; gathers that it did not finish are Interrupted. Files that cannot be read are removed.
   * A folder that cannot be used is a problem and not an error: each gather will say so, to those who asked for it.
   */
  static async open(directory: string): Promise<Journal> {
    const journal = new Journal(directory);
    await journal.#attempt("sweeping", () => sweepTemporaries(directory));
    await journal.#attempt("sweeping", () => sweepTemporaries(join(directory, folder)));
    await journal.#attempt("reading the outcomes of earlier gathers", () => journal.#load());
    return journal;
  }

  /** What could not be done when it was opened, a sentence each. */
  get problems(): readonly string[] {
    return this.#problems;
  }

  async #attempt(what: string, action: () => Promise<void>): Promise<void> {
    await action().catch((cause: unknown) => {
      this.#problems.push(`${what}: ${cause instanceof Error ? cause.message : String(cause)}`);
    });
  }

  async #load(): Promise<void> {
    const directory = join(this.#directory, folder);
    const found: GatherProgress[] = [];
    for (const name of (await readdir(directory)).sort()) {
      const bytes = await readIfPresent(directory, name);
      const progress = gatherProgressSchema.safeParse(parse(bytes)).data;
      if (progress !== undefined && name === fileOf(progress.id)) found.push(progress);
      else if (bytes !== undefined) await removeIfPossible(join(directory, name));
    }
    for (const progress of found.sort((a, b) => a.startedAtMs - b.startedAtMs))
      if (progress.phase === "Running") await this.#interrupt(progress);
      else this.remember(progress);
  }

  /** On a full disk the marker stays, which says the same to the next process. */
  async #interrupt(progress: GatherProgress): Promise<void> {
    const interrupted: GatherProgress = { ...progress, phase: "Interrupted" };
    this.remember(interrupted);
    await this.write(interrupted).catch(() => {});
  }

  find(id: string): GatherProgress | undefined {
    return this.#known.get(id);
  }

  /** On disk when it resolves: the start marker before the work, the outcome after it. */
  async write(progress: GatherProgress): Promise<void> {
    await this.#store(progress);
    this.remember(progress);
    for (const id of [...this.#known.keys()].slice(0, -maxKept)) {
      this.#known.delete(id);
      await removeIfPossible(join(this.#directory, folder, fileOf(id)));
    }
  }

  async #store(progress: GatherProgress): Promise<void> {
    await replaceFile(join(this.#directory, folder), fileOf(progress.id), `${JSON.stringify(progress)}\n`);
  }

  /** Progress within a run; it is not worth a write, since an interrupted run starts again from the beginning. */
  remember(progress: GatherProgress): void {
    this.#known.delete(progress.id);
    this.#known.set(progress.id, progress);
  }

  /** Outcomes of another gatherer, which come before those of this one; what is known already stays. */
  async adopt(outcomes: readonly GatherProgress[]): Promise<void> {
    const others = outcomes.filter(({ id, phase }) => phase !== "Running" && !this.#known.has(id));
    const own = [...this.#known.values()];
    const room = maxKept - own.length;
    if (room <= 0) return;
    const kept = others.toSorted((a, b) => a.startedAtMs - b.startedAtMs).slice(-room);
    this.#known.clear();
    for (const progress of [...kept, ...own]) this.remember(progress);
    for (const progress of kept) await this.#store(progress);
  }

  async writeInventory(inventory: Inventory): Promise<void> {
    await replaceFile(this.#directory, inventoryFile, `${JSON.stringify(inventory)}\n`);
  }

  async removeInventory(): Promise<void> {
    await removeIfPossible(join(this.#directory, inventoryFile));
  }

  /** Undefined when no gather made one. */
  async readInventory(): Promise<Inventory | undefined> {
    const inventory = inventorySchema.safeParse(parse(await readIfPresent(this.#directory, inventoryFile)));
    return inventory.success ? inventory.data : undefined;
  }
}

/** Ids come from outside; a hash is a safe name. */
function fileOf(id: string): string {
  return `${sha256(Buffer.from(id)).slice(0, 32)}.json`;
}

function parse(bytes: Buffer | undefined): unknown {
  try {
    return bytes === undefined ? undefined : JSON.parse(bytes.toString("utf8"));
  } catch {
    return undefined;
  }
}
