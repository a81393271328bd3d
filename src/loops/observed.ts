/** What a run of the operands' loop sees of the cluster. */
import type { Unread } from "../adapters/cluster.ts";
import type { Config } from "../api/config.ts";
import type { Gate } from "../api/gate.ts";
import type { Pods } from "../api/pods.ts";
import { type GatherRequest, requestKind } from "../api/request.ts";
import type { ServerTls } from "../api/tls-profile.ts";
import type { Decision } from "../core/decide.ts";
import { type FailedStep, podsOf } from "../core/health.ts";
import { wantedBy } from "../core/on-demand.ts";
import { keyOf, type OperandKind, operands, optionalKinds, type Side, sides, workloads } from "../core/operands.ts";
import { isOurs, type Live } from "../core/plan.ts";
import type { OperatorWorld } from "./world.ts";

export interface Observed {
  readonly nowMs: number;
  readonly config: Config;
  readonly gate: Gate;
  /** None while they cannot be listed. */
  readonly requests: readonly GatherRequest[];
  /** RuntimeGathers are served, although there may be none. */
  readonly servesRequests: boolean;
  readonly live: ReadonlyMap<string, Live>;
  readonly unserved: ReadonlySet<OperandKind>;
  /** What our objects are made of; undefined while a part of all that is read is not known. */
  readonly inputs: Inputs | undefined;
  readonly unread: readonly Unread[];
  readonly stockExtractor: boolean | undefined;
  /** Of the DaemonSet's pods, which cannot be made without it. */
  readonly missingPriorityClass: string | undefined;
  readonly namespaceUid: string;
  /** The Pod Security standard that the namespace's label enforces. */
  readonly enforced: string | undefined;
}

export interface Inputs {
  readonly priorityClass: string | undefined;
  readonly tls: ServerTls;
  readonly serviceCa: string | undefined;
  /** By which the operator's own image is pulled. */
  readonly pullSecrets: readonly string[];
}

export type Present = Exclude<Config, { readonly kind: "absent" }>;

export const daemonSetKey = keyOf(workloads.node.workload);

/** All that a run looks at, read anew. Throws when the config cannot be read, or it is not known yet whose it is. */
export async function observe({ cluster, namespace, nowMs }: OperatorWorld): Promise<Observed> {
  const live = new Map<string, Live>();
  const unserved = new Set<OperandKind>();
  // Alone: while the API server is away nothing else is asked.
  const config = await cluster.config();
  const [gate, requests, own, tls, serviceCa, stockExtractor, priorityClass, pullSecrets] = await Promise.all([
    cluster.gate(),
    cluster.seenRequests(),
    cluster.ownNamespace(),
    cluster.serverTls(),
    cluster.serviceCa(),
    cluster.stockExtractor(),
    cluster.priorityClass(),
    cluster.pullSecrets(),
    ...operands.map(async (operand) => {
      const read = await cluster.operand(operand);
      if (read.kind === "no API" && optionalKinds.has(operand.kind)) unserved.add(operand.kind);
      live.set(keyOf(operand), read.kind === "no API" ? { kind: "absent" } : read);
    }),
  ]);
  const wanted = config.kind === "valid" ? config.settings.extractor.priorityClassName : undefined;
  const isMissing = wanted !== undefined && !(await cluster.mayHavePriorityClass(wanted));
  const unread = [own, requests, tls, serviceCa, priorityClass, pullSecrets].filter((one) => one.kind === "unread");
  const inputs =
    unread.length === 0 &&
    tls.kind === "seen" &&
    serviceCa.kind === "seen" &&
    priorityClass.kind === "seen" &&
    pullSecrets.kind === "seen"
      ? {
          ...{ tls: tls.value, serviceCa: serviceCa.value },
          ...{ priorityClass: priorityClass.value, pullSecrets: pullSecrets.value },
        }
      : undefined;
  return {
    nowMs: nowMs(),
    ...{ config, gate, live, unserved, stockExtractor, inputs, unread },
    requests: (requests.kind === "seen" ? requests.value : undefined) ?? [],
    servesRequests: requests.kind === "unread" || requests.value !== undefined,
    ...(own.kind === "seen"
      ? { namespaceUid: own.value.uid, enforced: own.value.enforced }
      : { namespaceUid: knownUid(config, namespace, own), enforced: undefined }),
    missingPriorityClass: isMissing ? wanted : undefined,
  };
}

/** Who is known to be ours by its namespace goes on; a config that may be another one's is not touched. */
function knownUid(config: Config, namespace: string, { message }: Unread): string {
  const operator = config.kind === "absent" ? undefined : config.identity.status.operator;
  if (operator?.namespace === namespace) return operator.uid;
  throw new Error(`reading Namespace ${namespace}: ${message}`);
}

/** False between the gathers of lifecycle OnDemand. */
export function isWanted(config: Present, { requests, unread }: Observed): boolean {
  const isKnown = !unread.some(({ object }) => object.kind === requestKind);
  return (
    config.kind !== "valid" ||
    config.settings.lifecycle === "Continuous" ||
    !isKnown ||
    wantedBy(requests) !== undefined
  );
}

/** What cannot be read keeps a side that is to be installed as it is. */
export function unreadOf({ unread }: Observed, decisions: Readonly<Record<Side, Decision>>): readonly FailedStep[] {
  const installed = sides.filter((side) => decisions[side].kind === "install");
  return installed.flatMap((side) =>
    unread.map(({ object, message }) => ({
      operand: { ...object, side },
      message: `cannot be read, so nothing is changed: ${message}`,
    })),
  );
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
