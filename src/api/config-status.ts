/** The config's status: what main writes, and what it reads again after a restart. */
import { z } from "zod";
import { countsSchema, runtimeCountSchema } from "./gather.ts";
import { conditionsSchema, decodeKnown } from "./object.ts";
import { lastUploadSchema } from "./upload.ts";

export const gateStatusSchema = z.object({
  state: z.enum(["enabled", "disabled", "not listed", "unknown", "no API"]).meta({
    description:
      "What the cluster says of the gate for its version. not listed: neither enabled nor disabled. unknown: it cannot be told now, nothing changes. no API: the cluster has no feature gates.",
  }),
  version: z.string().max(128).optional().meta({ description: "The cluster version whose entry was read." }),
  source: z.enum(["FeatureGate", "Config"]).meta({ description: "Config: spec.featureGate is Ignored." }),
  summary: z.string().max(32).optional().meta({ description: "state; ignored when spec.featureGate says so." }),
});

export const lastGatherSchema = z.object({
  name: z.string().max(253).meta({ description: "Its RuntimeGather, which may be gone by now." }),
  startTime: z.string().meta({ format: "date-time", description: "When it began." }),
  finishTime: z.string().meta({ format: "date-time", description: "When it ended." }),
  succeeded: z.boolean().meta({ description: "An archive was written." }),
  reason: z.string().max(128).meta({ description: "How it ended, in a word: docs/conditions.md." }),
  message: z.string().max(4096).meta({ description: "How it ended, in a sentence." }),
  archive: z.string().max(253).optional().meta({ description: "Name of the archive." }),
  counts: countsSchema.optional().meta({ description: "How much was gathered." }),
});
export type LastGather = z.infer<typeof lastGatherSchema>;

/** What main writes; every field has one writer. */
export const statusSchema = z.object({
  observedGeneration: z.int().min(0).optional().meta({ description: "Generation of the spec that this is about." }),
  conditions: conditionsSchema.optional().meta({ description: "What works and what does not: docs/conditions.md." }),
  gate: gateStatusSchema.optional().meta({ description: "Feature gate InsightsRuntimeExtractor as it was read." }),
  headline: z
    .object({
      reason: z.string().max(128).meta({ description: "In a word: docs/conditions.md." }),
      message: z.string().max(1024).meta({ description: "In a sentence." }),
    })
    .optional()
    .meta({ description: "What matters most, of one of the conditions." }),
  troubles: z
    .array(
      z.object({
        reason: z.string().max(128).meta({ description: "What is wrong: docs/conditions.md." }),
        since: z.string().meta({ format: "date-time", description: "When it began." }),
        until: z
          .string()
          .optional()
          .meta({ format: "date-time", description: "It seems to be over; forgotten a minute later." }),
      }),
    )
    .max(16)
    .optional()
    .meta({
      "x-kubernetes-list-type": "atomic",
      description: "What is wrong, and since when; Degraded says what outlasts its grace time.",
    }),
  nodes: z
    .object({
      desired: z.int().min(0).meta({ description: "Nodes that are to have an extractor." }),
      ready: z.int().min(0).meta({ description: "Nodes whose extractor is ready." }),
      updated: z.int().min(0).optional().meta({ description: "Nodes whose extractor is of the newest spec." }),
      withoutExtractor: z.int().min(0).optional().meta({
        description:
          "Linux nodes that get no extractor, by a taint that is not tolerated, by nodeSelector, or since there is no image for their architecture.",
      }),
      rolledOut: z.int().min(0).optional().meta({ description: "Generation of the DaemonSet that reached the nodes." }),
      summary: z.string().max(64).meta({ description: "ready/desired; OnDemand while none are deployed." }),
    })
    .optional()
    .meta({ description: "On how many nodes the extractor is; 0 of 0 where none is deployed." }),
  lastGather: lastGatherSchema.optional().meta({ description: "The last gather of all namespaces." }),
  nextGather: z.string().optional().meta({ format: "date-time", description: "When the next one is due." }),
  lastUpload: lastUploadSchema.optional().meta({ description: "How the last upload ended." }),
  inventory: z
    .array(runtimeCountSchema)
    .max(20)
    .optional()
    .meta({ "x-kubernetes-list-type": "atomic", description: "The most frequent runtimes of the last full gather." }),
  storage: z
    .enum(["Ephemeral"])
    .optional()
    .meta({ description: "Ephemeral: a new gatherer gets the archives of the old one; they are lost with its node." }),
  operator: z
    .object({
      namespace: z.string().max(63).meta({ description: "Its namespace." }),
      uid: z.string().max(128).meta({ description: "That namespace's uid." }),
    })
    .optional()
    .meta({ description: "Which installation this config belongs to; another one writes nothing." }),
  version: z.string().max(64).optional().meta({ description: "The operator's version." }),
});
export type ConfigStatus = z.infer<typeof statusSchema>;

const anyStatusSchema = z.object({ status: z.record(z.string(), z.unknown()).optional().catch(undefined) });

/** Of a config that another version may have written; it still tells whose cluster it is. */
export const decodeStatus = (value: unknown): ConfigStatus =>
  decodeKnown(statusSchema, anyStatusSchema.parse(value).status ?? {});
