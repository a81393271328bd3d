/** The config's status from what was seen; the parts that nobody knows anew are kept. */
import type { ConfigIdentity } from "../api/config.ts";
import type { ConfigStatus, LastGather } from "../api/config-status.ts";
import type { Gate } from "../api/gate.ts";
import type { Condition } from "../api/object.ts";
import type { Pods } from "../api/pods.ts";
import type { GatherRequest } from "../api/request.ts";
import type { LastUpload } from "../api/upload.ts";
import type { Headline } from "./conditions.ts";
import type { Fleet } from "./coverage.ts";
import { beginOf, credibleBegin, lastFull } from "./requests.ts";
import { timeText } from "./time.ts";
import type { Troubles } from "./troubles.ts";

export interface StatusInput {
  readonly nowMs: number;
  readonly identity: ConfigIdentity;
  readonly conditions: readonly Condition[];
  readonly headline: Headline;
  readonly troubles: Troubles;
  readonly gate: Gate;
  readonly gateIgnored: boolean;
  /** Of the DaemonSet; undefined when there is none. */
  readonly pods: Pods | undefined;
  /** They are being rolled out. */
  readonly isRollingOut: boolean;
  /** Undefined while the nodes have not been counted. */
  readonly fleet: Fleet | undefined;
  /** It is there during gathers only. */
  readonly onDemand: boolean;
  readonly requests: readonly GatherRequest[];
  readonly nextGatherMs: number | undefined;
  /** False: no clear text is kept. */
  readonly inventory: boolean;
  readonly lastUpload: LastUpload | undefined;
  readonly operator: { readonly namespace: string; readonly uid: string };
  readonly version: string;
}

export function statusOf(input: StatusInput): ConfigStatus {
  const { identity, conditions, headline, troubles, gate, gateIgnored, nextGatherMs, lastUpload, operator, version } =
    input;
  const lastGather = lastGatherOf(input.requests, identity, input.nowMs);
  const inventory = input.inventory ? inventoryOf(input) : undefined;
  return {
    observedGeneration: identity.generation,
    conditions: [...conditions],
    headline,
    ...(troubles.length === 0 ? {} : { troubles }),
    gate: {
      state: gate.state,
      ...("version" in gate ? { version: gate.version } : {}),
      source: gateIgnored ? "Config" : "FeatureGate",
      summary: gateIgnored ? "ignored" : gate.state,
    },
    nodes: nodesOf(input),
    ...(lastGather === undefined ? {} : { lastGather }),
    ...(nextGatherMs === undefined ? {} : { nextGather: timeText(nextGatherMs) }),
    ...(lastUpload === undefined ? {} : { lastUpload }),
    ...(inventory === undefined ? {} : { inventory }),
    storage: "Ephemeral",
    operator,
    version,
  };
}

/** A DaemonSet that its controller has not seen yet says nothing about the nodes. */
function nodesOf({ identity, pods, isRollingOut, fleet, onDemand }: StatusInput): NonNullable<ConfigStatus["nodes"]> {
  if (pods === undefined) return { desired: 0, ready: 0, summary: onDemand ? "OnDemand" : "0/0" };
  const { desired, ready, updated, seen, generation } = pods;
  const before = identity.status.nodes;
  const without = seen && fleet !== undefined ? Math.max(0, fleet.linux - desired) : before?.withoutExtractor;
  const rolledOut = seen && !isRollingOut ? generation : before?.rolledOut;
  return {
    ...{ desired, ready, updated },
    ...(without === undefined ? {} : { withoutExtractor: without }),
    ...(rolledOut === undefined ? {} : { rolledOut }),
    summary: `${ready}/${desired}${without === undefined || without === 0 ? "" : `, ${without} without`}`,
  };
}

/** From the newest full gather that is still on record, else what the status already says. Gathers of an earlier config do not count. */
export function lastGatherOf(
  requests: readonly GatherRequest[],
  identity: ConfigIdentity,
  nowMs: number,
): LastGather | undefined {
  const last = newest(requests, identity, nowMs);
  if (last === undefined) return identity.status.lastGather;
  const { status, name } = last;
  const succeeded = status.conditions?.find(({ type }) => type === "Succeeded");
  return {
    name,
    startTime: status.startTime ?? status.finishTime ?? "",
    finishTime: status.finishTime ?? "",
    succeeded: succeeded?.status === "True",
    reason: succeeded?.reason ?? "",
    message: (succeeded?.message ?? "").slice(0, 4096),
    ...(status.archive === undefined ? {} : { archive: status.archive.name }),
    ...(status.counts === undefined ? {} : { counts: status.counts }),
  };
}

/** When the newest full gather that succeeded ended; 0 when none is known. */
export function lastSuccessMs(requests: readonly GatherRequest[], identity: ConfigIdentity, nowMs: number): number {
  const succeeded = requests.filter(({ status }) =>
    status.conditions?.some(({ type, status: value }) => type === "Succeeded" && value === "True"),
  );
  const last = lastFull(succeeded, nowMs)?.status.finishTime;
  const { lastGather } = identity.status;
  return Math.max(Date.parse(last ?? "") || 0, lastGather?.succeeded === true ? Date.parse(lastGather.finishTime) : 0);
}

function inventoryOf({ requests, identity, nowMs }: StatusInput): ConfigStatus["inventory"] {
  const last = newest(requests, identity, nowMs)?.status.inventory;
  return last !== undefined && last.length > 0 ? last : identity.status.inventory;
}

function newest(
  requests: readonly GatherRequest[],
  identity: ConfigIdentity,
  nowMs: number,
): GatherRequest | undefined {
  const known = credibleBegin(identity.status.lastGather ?? {}, nowMs);
  const last = lastFull(
    requests.filter(({ status }) => Date.parse(beginOf(status)) >= identity.createdMs),
    nowMs,
  );
  return last !== undefined && credibleBegin(last.status, nowMs) >= known ? last : undefined;
}
