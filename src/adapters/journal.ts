/** What became of each gather, and the inventory of the newest one, as files beside the archives. */
import { readdir, unlink } from "node:fs/promises";
import { join } from "node:path";
import { type GatherProgress, gatherProgressSchema, type Inventory, inventorySchema } from "../api/gather.ts";
import { readIfPresent, replaceFile, sha256, sweepTemporaries } from "./disk.ts";

const folder = "gathers";
const inventoryFile = "inventory.json";
const maxKept = 20;

/** Keeps the newest 20; the caller is the only writer. */
export class Journal {
  readonly #directory: string;
  readonly #known = new Map<string, GatherProgress>();

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** Reads what an earlier process left; gathers that it did not finish are Interrupted. Files that cannot be read are removed. */
  static async open(directory: string): Promise<Journal> {
    const journal = new Journal(directory);
    await sweepTemporaries(directory);
    await sweepTemporaries(join(directory, folder));
    for (const name of (await readdir(join(directory, folder))).sort()) {
      const path = join(directory, folder, name);
      const progress = gatherProgressSchema.safeParse(parse(await readIfPresent(path)));
      if (!progress.success) await unlink(path);
      else if (progress.data.phase === "Running") await journal.#interrupt(progress.data);
      else journal.#known.set(progress.data.id, progress.data);
    }
    return journal;
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
    await replaceFile(join(this.#directory, folder), fileOf(progress.id), `${JSON.stringify(progress)}\n`);
    this.#known.set(progress.id, progress);
    const oldestFirst = [...this.#known.values()].sort((a, b) => a.startedAtMs - b.startedAtMs);
    for (const { id } of oldestFirst.slice(0, -maxKept)) {
      this.#known.delete(id);
      await unlink(join(this.#directory, folder, fileOf(id)));
    }
  }

  /** Progress within a run; it is not worth a write, since an interrupted run starts again from the beginning. */
  remember(progress: GatherProgress): void {
    this.#known.set(progress.id, progress);
  }

  async writeInventory(inventory: Inventory): Promise<void> {
    await replaceFile(this.#directory, inventoryFile, `${JSON.stringify(inventory)}\n`);
  }

  /** Undefined when no gather made one. */
  async readInventory(): Promise<Inventory | undefined> {
    const inventory = inventorySchema.safeParse(parse(await readIfPresent(join(this.#directory, inventoryFile))));
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
