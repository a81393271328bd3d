/** How far a DaemonSet or Deployment has come. */
import { z } from "zod";

export interface Pods {
  readonly desired: number;
  readonly ready: number;
  /** False while the controller has not seen the newest spec, or pods of an older one still run. */
  readonly current: boolean;
}

const count = z.number().optional().default(0);
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
      updatedReplicas: count,
    })
    .prefault({}),
});

/** An object that cannot be decoded counts as one that its controller has not seen yet. */
export function decodePods(object: unknown): Pods {
  const decoded = workloadSchema.safeParse(object);
  if (!decoded.success) return { desired: 0, ready: 0, current: false };
  const { kind, metadata, spec, status } = decoded.data;
  const seen = status.observedGeneration >= metadata.generation && metadata.generation > 0;
  if (kind === "DaemonSet") {
    const desired = status.desiredNumberScheduled;
    return { desired, ready: status.numberReady, current: seen && status.updatedNumberScheduled >= desired };
  }
  const desired = spec.replicas ?? 1;
  return { desired, ready: status.readyReplicas, current: seen && status.updatedReplicas >= desired };
}
