/** The pods of our own workloads as the operator reads them, and what the cluster's controllers say when they can make none. */
import { z } from "zod";

/** A container that does not run, or that ran before. */
export interface OwnContainer {
  readonly name: string;
  /** As the pod's spec names it. */
  readonly image: string;
  readonly ready: boolean;
  readonly waiting: { readonly reason: string; readonly message: string } | undefined;
  /** Of its last run that ended. */
  readonly exit: { readonly reason: string; readonly code: number } | undefined;
}

export interface OwnPod {
  /** Empty while it has none. */
  readonly node: string;
  /** Why no node takes it, in the scheduler's words. */
  readonly unschedulable: string | undefined;
  readonly containers: readonly OwnContainer[];
}

const text = z.string().optional().default("");
const exitSchema = z.object({ reason: text, exitCode: z.number().optional().default(0) });
const podSchema = z.object({
  metadata: z.object({ deletionTimestamp: z.string().optional(), creationTimestamp: text }),
  spec: z.object({
    nodeName: text,
    containers: z.array(z.object({ name: z.string(), image: text })).default([]),
  }),
  status: z
    .object({
      phase: text,
      conditions: z
        .array(z.object({ type: z.string(), status: z.string(), reason: text, message: text }))
        .optional()
        .default([]),
      containerStatuses: z
        .array(
          z.object({
            name: z.string(),
            ready: z.boolean().optional().default(false),
            state: z
              .object({
                waiting: z.object({ reason: text, message: text }).optional(),
                terminated: exitSchema.optional(),
              })
              .optional()
              .default({}),
            lastState: z.object({ terminated: exitSchema.optional() }).optional().default({}),
          }),
        )
        .optional()
        .default([]),
    })
    .prefault({}),
});
const pageSchema = z.object({
  metadata: z.object({ continue: text }).prefault({}),
  items: z.array(z.unknown()),
});

/** Of pods that stay there until somebody removes them, as evicted ones do, and that are replaced at once. */
const ended: ReadonlySet<string> = new Set(["Failed", "Succeeded"]);

/** Pods of one workload, or of a page of them. */
export interface OwnPods {
  /** Without those that have ended or are going away, and without what is no pod. */
  readonly pods: readonly OwnPod[];
  /** When the newest of all of them was made; 0 when there is none. */
  readonly newestMs: number;
}

/** A page of a list. */
export function decodeOwnPods(page: unknown): OwnPods & { readonly continueToken: string } {
  const { metadata, items } = pageSchema.parse(page);
  const found = items.flatMap((item) => podSchema.safeParse(item).data ?? []);
  const madeMs = found.map((pod) => Date.parse(pod.metadata.creationTimestamp) || 0);
  return {
    pods: found.flatMap(podOf),
    newestMs: madeMs.reduce((newest, one) => Math.max(newest, one), 0),
    continueToken: metadata.continue,
  };
}

function podOf({ metadata, spec, status }: z.infer<typeof podSchema>): readonly OwnPod[] {
  if (metadata.deletionTimestamp !== undefined || ended.has(status.phase)) return [];
  const containers = spec.containers.flatMap(({ name, image }): readonly OwnContainer[] => {
    const found = status.containerStatuses.find((one) => one.name === name);
    if (found === undefined) return [];
    const exit = found.state.terminated ?? found.lastState.terminated;
    return [
      {
        ...{ name, image, ready: found.ready, waiting: found.state.waiting },
        exit: exit === undefined ? undefined : { reason: exit.reason, code: exit.exitCode },
      },
    ];
  });
  const unscheduled = status.conditions.find(
    ({ type, reason }) => type === "PodScheduled" && reason === "Unschedulable",
  );
  return [{ node: spec.nodeName, unschedulable: unscheduled?.message, containers }];
}

const eventsSchema = z.object({
  items: z.array(
    z.object({
      involvedObject: z.object({ uid: text }),
      message: text,
      lastTimestamp: z.string().nullish(),
      eventTime: z.string().nullish(),
    }),
  ),
});

/** What was said last of the object of that uid, unless it was before that time. */
export function decodeNewestEvent(list: unknown, uid: string, sinceMs: number): string | undefined {
  const events = eventsSchema
    .parse(list)
    .items.filter(({ involvedObject }) => involvedObject.uid === uid)
    .map(({ message, lastTimestamp, eventTime }) => ({ message, atMs: Date.parse(lastTimestamp ?? eventTime ?? "") }))
    .filter(({ atMs }) => atMs >= sinceMs)
    .sort((a, b) => b.atMs - a.atMs);
  return events[0]?.message;
}
