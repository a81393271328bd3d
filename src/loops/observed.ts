/** What a run of the operands' loop sees of the cluster. */
import type { Config } from "../api/config.ts";
import type { Gate } from "../api/gate.ts";
import type { Pods } from "../api/pods.ts";
import type { GatherRequest } from "../api/request.ts";
import type { ServerTls } from "../api/tls-profile.ts";
import { type FailedStep, podsOf } from "../core/health.ts";
import { wantedBy } from "../core/on-demand.ts";
import { keyOf, type OperandKind, operands, optionalKinds, type Side, workloads } from "../core/operands.ts";
import { isOurs, type Live } from "../core/plan.ts";
import type { OperatorWorld } from "./world.ts";

export interface Observed {
  readonly nowMs: number;
  readonly config: Config;
  readonly gate: Gate;
  readonly requests: readonly GatherRequest[];
  readonly live: ReadonlyMap<string, Live>;
  readonly unserved: ReadonlySet<OperandKind>;
  readonly priorityClass: string | undefined;
  readonly tls: ServerTls;
  readonly serviceCa: string | undefined;
  readonly stockExtractor: boolean | undefined;
  /** Of the DaemonSet's pods, which cannot be made without it. */
  readonly missingPriorityClass: string | undefined;
  readonly namespaceUid: string;
}

export type Present = Exclude<Config, { readonly kind: "absent" }>;

export const daemonSetKey = keyOf(workloads.node.workload);

/** All that a run looks at, read anew. Throws when the API server cannot be asked at all. */
export async function observe({ cluster, nowMs }: OperatorWorld): Promise<Observed> {
  const live = new Map<string, Live>();
  const unserved = new Set<OperandKind>();
  const [config, gate, requests, namespaceUid, tls, serviceCa, stockExtractor, priorityClass] = await Promise.all([
    cluster.config(),
    cluster.gate(),
    cluster.requests(),
    cluster.namespaceUid(),
    cluster.serverTls(),
    cluster.serviceCa(),
    cluster.stockExtractor(),
    cluster.priorityClass(),
    ...operands.map(async (operand) => {
      const read = await cluster.operand(operand);
      if (read.kind === "no API" && optionalKinds.has(operand.kind)) unserved.add(operand.kind);
      live.set(keyOf(operand), read.kind === "no API" ? { kind: "absent" } : read);
    }),
  ]);
  const wanted = config.kind === "valid" ? config.settings.extractor.priorityClassName : undefined;
  const isMissing = wanted !== undefined && !(await cluster.mayHavePriorityClass(wanted));
  const seen = { config, gate, requests, live, unserved, tls, serviceCa, priorityClass, stockExtractor };
  return { nowMs: nowMs(), namespaceUid, ...seen, missingPriorityClass: isMissing ? wanted : undefined };
}

/** False between the gathers of lifecycle OnDemand. */
export function isWanted(config: Present, requests: readonly GatherRequest[]): boolean {
  return config.kind !== "valid" || config.settings.lifecycle === "Continuous" || wantedBy(requests) !== undefined;
}

/** The DaemonSet stays as it is rather than lose its pods one by one to a template of which none can be made. */
export function keptBack({ missingPriorityClass }: Observed): readonly FailedStep[] {
  if (missingPriorityClass === undefined) return [];
  const message = `there is no PriorityClass ${missingPriorityClass}, which spec.extractor.priorityClassName names`;
  return [{ operand: workloads.node.workload, message }];
}

/** Undefined while the workload is not there, is not ours or is going away. */
export function podsOfOurs(live: ReadonlyMap<string, Live>, side: Side): Pods | undefined {
  const found = live.get(keyOf(workloads[side].workload));
  const isStaying =
    found?.kind === "present" && isOurs(found.object) && found.object.metadata.deletionTimestamp === undefined;
  return isStaying ? podsOf(found) : undefined;
}
