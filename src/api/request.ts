/** RuntimeGather: one gather, asked for by a user or made by the schedule. */
import { z } from "zod";
import { archiveInfoSchema, countsSchema, failureSchema, runtimeCountSchema } from "./gather.ts";
import { conditionsSchema, decodeKnown, metadataSchema, problemOf } from "./object.ts";

export const requestKind = "RuntimeGather";

export const requestSpecSchema = z.object({
  trigger: z
    .enum(["Scheduled", "Requested"])
    .default("Requested")
    .meta({ description: "Scheduled: made by the operator when it was due. Requested: asked for by somebody." }),
  runtimeInfo: z
    .enum(["Enabled", "Disabled"])
    .default("Enabled")
    .meta({ description: "Disabled: workloads only, no node is asked." }),
  namespaces: z.array(z.string().min(1).max(63)).min(1).max(100).optional().meta({
    "x-kubernetes-list-type": "atomic",
    description: "Only these namespaces; the result is not a full archive and does not count as the last gather.",
  }),
});

export const requestStatusSchema = z.object({
  conditions: conditionsSchema.optional().meta({ description: "How it goes and how it ended: docs/conditions.md." }),
  startTime: z.string().optional().meta({ format: "date-time", description: "When it began." }),
  finishTime: z.string().optional().meta({ format: "date-time", description: "When it ended." }),
  attempts: z.int().min(0).max(2).optional().meta({ description: "How often the gatherer was asked to run it." }),
  nodeSide: z
    .object({
      deployTime: z
        .string()
        .optional()
        .meta({ format: "date-time", description: "Since when the extractors are deployed for it." }),
      undeployTime: z
        .string()
        .optional()
        .meta({ format: "date-time", description: "Since when it needs them no more." }),
      problem: z.string().max(1024).optional().meta({ description: "Why nodes were asked in part or not at all." }),
      leftover: z.string().max(1024).optional().meta({ description: "Why the extractors outlasted it." }),
    })
    .optional()
    .meta({ description: "Of a gather in lifecycle OnDemand." }),
  counts: countsSchema.optional().meta({ description: "How much was gathered." }),
  archive: archiveInfoSchema.optional().meta({ description: "What was written; absent when nothing was." }),
  failures: z.array(failureSchema).max(20).optional().meta({
    "x-kubernetes-list-type": "atomic",
    description: "Nodes whose runtimes are missing or doubtful, with the reason; the first 20 by name.",
  }),
  moreFailures: z.int().min(0).optional().meta({ description: "How many more such nodes there are." }),
  notes: z.array(z.string().max(1024)).max(20).optional().meta({
    "x-kubernetes-list-type": "atomic",
    description: "What is in the archive otherwise than asked for, or only in part, and what was made good.",
  }),
  durationsMs: z
    .object({
      listPods: z.int().min(0).meta({ description: "Listing pods." }),
      askNodes: z.int().min(0).meta({ description: "Asking the nodes." }),
      write: z.int().min(0).meta({ description: "Merging and writing the archive." }),
      total: z.int().min(0).meta({ description: "All of it." }),
    })
    .optional()
    .meta({ description: "How long each stage took, in milliseconds." }),
  took: z.string().max(32).optional().meta({ description: "Seconds from start to finish, such as 12s." }),
  inventory: z.array(runtimeCountSchema).max(20).optional().meta({
    "x-kubernetes-list-type": "atomic",
    description: "The most frequent runtimes; absent when the config's inventory is Disabled.",
  }),
});
export type RequestStatus = z.infer<typeof requestStatusSchema>;

/** The part above spec and status that the schema of the kind needs. */
export const requestSchema = z.object({
  spec: requestSpecSchema.prefault({}).meta({
    description: "What is to be gathered.",
    "x-kubernetes-validations": [
      { rule: "self == oldSelf", message: "a RuntimeGather cannot be changed: make another" },
    ],
  }),
  status: requestStatusSchema.optional().meta({ description: "What it did; only the operator writes it." }),
});

/** A RuntimeGather as read. */
export interface GatherRequest {
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly createdMs: number;
  readonly spec: z.infer<typeof requestSpecSchema>;
  /** Why the spec says something else, such as what a newer version takes; undefined when it was understood. */
  readonly specProblem?: string;
  readonly status: RequestStatus;
}

const objectSchema = z.object({
  metadata: metadataSchema.extend({ uid: z.string(), resourceVersion: z.string(), creationTimestamp: z.string() }),
  spec: z.unknown().optional(),
  status: z.record(z.string(), z.unknown()).optional().catch(undefined),
});

/** Throws when it is no object of an API server. Of a status that another version wrote, what fits is taken. */
export function decodeRequest(value: unknown): GatherRequest {
  const { metadata, spec, status } = objectSchema.parse(value);
  const decoded = requestSpecSchema.safeParse(spec ?? {});
  return {
    name: metadata.name,
    uid: metadata.uid,
    resourceVersion: metadata.resourceVersion,
    createdMs: Date.parse(metadata.creationTimestamp),
    ...(decoded.success
      ? { spec: decoded.data }
      : { spec: requestSpecSchema.parse({}), specProblem: `spec.${problemOf(decoded.error)}` }),
    status: decodeKnown(requestStatusSchema, status ?? {}),
  };
}
