/** How far a DaemonSet or Deployment has come. */
import { z } from "zod";

export interface Pods {
  readonly desired: number;
  readonly ready: number;
  /** That run the newest spec. */
  readonly updated: number;
  readonly generation: number;
  /** The controller has seen the newest spec. */
  readonly seen: boolean;
  /** The newest spec has been seen, and all pods run it. */
  readonly current: boolean;
  /** In the words of the controller: why it can make no pod. */
  readonly refusal?: string;
}

const count = z.number().optional().default(0);
const conditions = z
  .array(
    z.object({
      type: z.string(),
      status: z.string(),
      reason: z.string().optional(),
      message: z.string().optional(),
    }),
  )
  .optional()
  .default([]);
const workloadSchema = z.object({
  kind: z.string(),
  metadata: z.object({ generation: count }),
  spec: z.object({ replicas: z.number().optional() }),
  status: z
    .object({
      observedGeneration: count,
      desiredNumberScheduled: count,
      numberReady: count,
      updatedNumberScheduled: count,
      readyReplicas: count,
      replicas: count,
      updatedReplicas: count,
      conditions,
    })
    .prefault({}),
});

/** An object that cannot be decoded counts as one that its controller has not seen yet. */
export function decodePods(object: unknown): Pods {
  const decoded = workloadSchema.safeParse(object);
  if (!decoded.success) return { desired: 0, ready: 0, updated: 0, generation: 0, seen: false, current: false };
  const { kind, metadata, spec, status } = decoded.data;
  const { generation } = metadata;
  const seen = status.observedGeneration >= generation && generation > 0;
  if (kind === "DaemonSet") {
    const { desiredNumberScheduled: desired, numberReady: ready, updatedNumberScheduled: updated } = status;
    return { desired, ready, updated, generation, seen, current: seen && updated >= desired };
  }
  const desired = spec.replicas ?? 1;
  const updated = status.updatedReplicas;
  // A Deployment remembers that it was rolled out; pods that are made anew later are no roll-out.
  const isDone = status.conditions.some(({ reason }) => reason === "NewReplicaSetAvailable");
  const refused = status.conditions.find(({ type, status }) => type === "ReplicaFailure" && status === "True");
  // Beside the new pod the old one stays until it is ready.
  const isAlone = updated >= desired && status.replicas <= updated;
  return {
    ...{ desired, ready: status.readyReplicas, updated, generation, seen },
    current: seen && (isAlone || isDone),
    ...(refused?.message === undefined ? {} : { refusal: refused.message.slice(0, 300) }),
  };
}
