/**
 * What main and the gatherer say to each other over the gatherer's REST interface (docs/wire.md). They may be of two versions: an order
 * that asks for what the gatherer does not know is refused, since that may be to leave something out; an answer may tell more than is known.
 */
import { z } from "zod";

const nonNegative = z.int().min(0);
const namespaceName = z.string().min(1).max(63);

/** One gather, as main orders it; `id` is the uid of the RuntimeGather. */
export const gatherOrderSchema = z.strictObject({
  id: z.string().min(1).max(128),
  /** False: shapes only, no node is asked. */
  runtimeInfo: z.boolean(),
  /** True: nodes are asked for clear text as well, and an inventory is kept. */
  inventory: z.boolean(),
  podLimit: z.int().min(1).max(1_000_000),
  nodeTimeoutMs: z.int().min(1_000).max(3_600_000),
  nodeConcurrency: z.int().min(1).max(1_000),
  /** False: images are counted, not described. */
  images: z.boolean(),
  /** False: Helm's charts are not counted. */
  helm: z.boolean(),
  /** True: addresses and domains of the cluster are replaced in every entry. */
  obfuscateNetworking: z.boolean(),
  /** No node is asked about the containers of these; their shapes are counted all the same. */
  excludedNamespaces: z.array(namespaceName).max(1_000),
  /** Only these namespaces; absent means all. */
  namespaces: z.array(namespaceName).max(1_000).optional(),
  /** What main knows to be wrong with the node side, a sentence each; errors of the archive. */
  nodeSideProblems: z.array(z.string().min(1).max(1_024)).max(20),
  /** True: once the nodes were asked, the gatherer waits until main has taken the node side away. */
  holdBeforeWriting: z.boolean(),
});
export type GatherOrder = z.infer<typeof gatherOrderSchema>;

/** What main says to a gather that waits for the node side to be gone. */
export const nodeSideReportSchema = z.strictObject({ problems: gatherOrderSchema.shape.nodeSideProblems });
export type NodeSideReport = z.infer<typeof nodeSideReportSchema>;

/** Why a node's runtimes are missing, or why one stage of a gather failed. */
export const failureReasons = [
  "NoExtractorPod",
  "ExtractorNotReady",
  "Unreachable",
  "Timeout",
  "Refused",
  "Malformed",
  "NoToken",
  "NoTrust",
  /** It spoke of containers that it was not asked about; they are ignored. */
  "UnaskedContainers",
  /** It gave no clear text although asked; the archive lacks nothing. */
  "VersionSkew",
  /** No node was asked, since nobody knows which namespaces opted out. */
  "OptOutsUnknown",
] as const;
export const failureSchema = z.object({
  node: z.string().meta({ description: "Name of the node." }),
  reason: z.enum(failureReasons).meta({ description: "Why, in a word: docs/archive.md." }),
  message: z.string().meta({ description: "Why, in a sentence." }),
});
export type NodeFailure = z.infer<typeof failureSchema>;

export const countsSchema = z.object({
  pods: nonNegative.meta({ description: "Pods that were listed." }),
  containers: nonNegative.meta({ description: "Their containers." }),
  shapes: nonNegative.meta({ description: "Shapes: pods of a namespace that run the same count as one." }),
  nodesAsked: nonNegative.meta({ description: "Nodes that were asked." }),
  nodesAnswered: nonNegative.meta({ description: "Nodes that answered." }),
  nodesFailed: nonNegative.meta({ description: "Nodes whose answer is missing or could not be used." }),
  nodesSkipped: nonNegative.meta({ description: "Nodes with containers and without an extractor." }),
});
export type GatherCounts = z.infer<typeof countsSchema>;

export const archiveInfoSchema = z.object({
  name: z.string().meta({ description: "Its file name." }),
  bytes: nonNegative.meta({ description: "Its size." }),
  sha256: z.string().meta({ description: "SHA-256 of its bytes, in lower-case hex." }),
});
export type ArchiveInfo = z.infer<typeof archiveInfoSchema>;

/** An archive in the gatherer's folder; `modified` is milliseconds since the epoch. */
export const storedArchiveSchema = archiveInfoSchema.extend({ modified: nonNegative });
export type StoredArchive = z.infer<typeof storedArchiveSchema>;

/** How many containers of one kind were found; the empty string means not known. */
export const runtimeCountSchema = z.object({
  kind: z.string().meta({ description: "Language platform, such as Java; empty: not known." }),
  version: z.string().meta({ description: "Its version; empty: not known." }),
  containers: nonNegative.meta({ description: "How many containers run it." }),
});
export type RuntimeCount = z.infer<typeof runtimeCountSchema>;

export const gatherOutcomeSchema = z.object({
  succeeded: z.boolean(),
  /** Set when not succeeded, e.g. PodListFailed, ArchiveWriteFailed, Interrupted. */
  reason: z.string(),
  message: z.string(),
  counts: countsSchema,
  archive: archiveInfoSchema.nullable(),
  /** Sorted by node, at most 20; `moreFailures` counts the rest. */
  failures: z.array(failureSchema),
  moreFailures: nonNegative,
  /** What was left out and why, e.g. that the cluster has no image API. */
  notes: z.array(z.string()),
  durationsMs: z.object({ listPods: nonNegative, askNodes: nonNegative, write: nonNegative, total: nonNegative }),
  /** The most frequent runtimes, at most 20, by count and then name; empty without inventory. */
  inventory: z.array(runtimeCountSchema),
});
export type GatherOutcome = z.infer<typeof gatherOutcomeSchema>;

/** Times are milliseconds since the epoch. */
export const gatherProgressSchema = z.object({
  id: z.string(),
  phase: z.enum(["Running", "Finished", "Interrupted"]),
  stage: z.enum(["ListingPods", "AskingNodes", "AwaitingNodeSide", "Writing", "Done"]),
  startedAtMs: nonNegative,
  finishedAtMs: nonNegative.nullable(),
  outcome: gatherOutcomeSchema.nullable(),
});
export type GatherProgress = z.infer<typeof gatherProgressSchema>;

export const inventoryRowSchema = z.object({
  namespace: z.string(),
  /** The pod whose containers were asked. */
  pod: z.string(),
  container: z.string(),
  /** Pods of this shape in the namespace. */
  pods: nonNegative,
  os: z.string(),
  osVersion: z.string(),
  kind: z.string(),
  kindVersion: z.string(),
  kindImplementer: z.string(),
  /** `name version` of each framework. */
  runtimes: z.array(z.string()),
  /** Why something is not known, empty when all is. */
  note: z.string(),
});
export type InventoryRow = z.infer<typeof inventoryRowSchema>;

/** Clear text for the cluster's owner; never part of the archive. Rows sorted by namespace, pod, container. */
export const inventorySchema = z.object({
  gather: z.string(),
  gatheredAtMs: nonNegative,
  rows: z.array(inventoryRowSchema),
});
export type Inventory = z.infer<typeof inventorySchema>;
