/** RuntimeGather: one gather, asked for by a user or made by the schedule. */
import { z } from "zod";
import { archiveInfoSchema, countsSchema, failureSchema, runtimeCountSchema } from "./gather.ts";
import { conditionsSchema, metadataSchema } from "./object.ts";

export const requestKind = "RuntimeGather";

export const requestSpecSchema = z.object({
  trigger: z.enum(["Scheduled", "Requested"]).default("Requested"),
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
  conditions: conditionsSchema.optional(),
  startTime: z.string().optional().meta({ format: "date-time" }),
  finishTime: z.string().optional().meta({ format: "date-time" }),
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
  counts: countsSchema.optional(),
  archive: archiveInfoSchema.optional(),
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
    .object({ listPods: z.int().min(0), askNodes: z.int().min(0), write: z.int().min(0), total: z.int().min(0) })
    .optional(),
  took: z.string().max(32).optional().meta({ description: "Seconds from start to finish, such as 12s." }),
  inventory: z.array(runtimeCountSchema).max(20).optional().meta({ "x-kubernetes-list-type": "atomic" }),
});
export type RequestStatus = z.infer<typeof requestStatusSchema>;

/** The part above spec and status that the schema of the kind needs. */
export const requestSchema = z.object({
  spec: requestSpecSchema.prefault({}).meta({
    "x-kubernetes-validations": [
      { rule: "self == oldSelf", message: "a RuntimeGather cannot be changed: make another" },
    ],
  }),
  status: requestStatusSchema.optional(),
});

/** A RuntimeGather as read. */
export interface GatherRequest {
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly createdMs: number;
  readonly spec: z.infer<typeof requestSpecSchema>;
  readonly status: RequestStatus;
}

const objectSchema = z.object({
  metadata: metadataSchema.extend({ uid: z.string(), resourceVersion: z.string(), creationTimestamp: z.string() }),
  spec: requestSpecSchema.prefault({}),
  status: requestStatusSchema.optional().catch(undefined),
});

/** Throws when the object breaks the schema that the API server holds it to. */
export function decodeRequest(value: unknown): GatherRequest {
  const { metadata, spec, status } = objectSchema.parse(value);
  return {
    name: metadata.name,
    uid: metadata.uid,
    resourceVersion: metadata.resourceVersion,
    createdMs: Date.parse(metadata.creationTimestamp),
    spec,
    status: status ?? {},
  };
}
