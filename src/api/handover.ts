/** What main and the gatherers say to each other when one gatherer takes over from another (docs/adr/0022-handover.md). */
import { z } from "zod";
import { gatherProgressSchema, inventorySchema } from "./gather.ts";

/**
 * `waiting`: it has begun with nothing and does not know yet whether an older one has something for it. `serving`: it has what there
 * was. `relieved`: another one has all of its own, and it may end.
 */
export const handoverStates = ["waiting", "serving", "relieved"] as const;
export type HandoverState = (typeof handoverStates)[number];

/** Loose, so that a newer gatherer may say more. */
export const handoverSchema = z.object({
  state: z.enum(handoverStates),
  /** Since when, by its own clock: milliseconds since the epoch. */
  sinceMs: z.int().min(0),
});
export type HandoverStatus = z.infer<typeof handoverSchema>;

/** The end of a handover, beside the archives, which were put one by one. */
export const takeoverSchema = z.strictObject({
  outcomes: z.array(gatherProgressSchema).max(100),
  inventory: inventorySchema.nullable(),
});
export type Takeover = z.infer<typeof takeoverSchema>;

/** What the new one could not keep, a sentence each. */
export const takenOverSchema = z.object({ problems: z.array(z.string()) });
export type TakenOver = z.infer<typeof takenOverSchema>;
