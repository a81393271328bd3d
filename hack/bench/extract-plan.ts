/** What the benchmark of the extractor and its node tell each other. */
import { z } from "zod";
import { kinds } from "./rootfs.ts";

/** What can be measured alone: each kind, again in the same extractor, with a cold page cache, ... */
export const parts = ["kinds", "second", "cold", "calls", "growth", "memory"] as const;
export type Part = (typeof parts)[number];

/** What the node of the benchmark shall do; processes run pinned to `cpu`. */
export const planSchema = z.strictObject({
  /** An empty folder; the node mounts a tmpfs on it. */
  root: z.string(),
  cgroup: z.string(),
  kinds: z.array(z.enum(kinds)),
  roots: z.record(z.enum(kinds), z.string()),
  /** What the extractor must say of each kind. */
  told: z.record(z.enum(kinds), z.string()),
  only: z.array(z.enum(parts)),
  /** How many of them make the mixture; the others are single kinds. */
  mixed: z.int(),
  /** Containers on the node at the end, and processes. */
  most: z.strictObject({ containers: z.int(), processes: z.int() }),
  hostProcesses: z.int(),
  rounds: z.int(),
  cpu: z.int(),
  extractorPort: z.int(),
  exporterPort: z.int(),
  programs: z.record(z.enum(["extractor", "exporter", "floor", "measure", "readonce"]), z.string()),
});
export type Plan = z.infer<typeof planSchema>;

const sampleSchema = z.strictObject({
  /** `none`: an ID that no container has, which leaves start-up and the pass over the process table. */
  group: z.enum(["all", ...kinds, "none"]),
  /** Asked of a fresh extractor, of one that has answered before, of a fresh one with nothing in the page cache. */
  when: z.enum(["fresh", "second", "cold"]),
  containers: z.int(),
  floorMs: z.array(z.number()),
  extractorMs: z.array(z.number()),
});
const growthSchema = z.strictObject({
  asked: z.int(),
  containers: z.int(),
  processes: z.int(),
  floorMs: z.array(z.number()),
  extractorMs: z.array(z.number()),
  /** The same for an ID that no container has. */
  noneMs: z.array(z.number()),
});
export const measuredSchema = z.strictObject({
  processes: z.int(),
  samples: z.array(sampleSchema),
  growth: z.array(growthSchema),
  /** Null when it was not asked for. */
  memory: z
    .strictObject({ idleBytes: z.number(), peakBytes: z.number(), heavyBytes: z.number(), afterBytes: z.number() })
    .nullable(),
  /** That one container of the kind adds; empty without strace. */
  calls: z.partialRecord(z.enum(kinds), z.int()),
});
export type Growth = z.infer<typeof growthSchema>;
export type Sample = z.infer<typeof sampleSchema>;
export type Measured = z.infer<typeof measuredSchema>;
