/** The config's status from what was seen; the parts that nobody knows anew are kept. */
import type { ConfigIdentity, ConfigStatus, LastGather } from "../api/config.ts";
import type { Gate } from "../api/gate.ts";
import type { Condition } from "../api/object.ts";
import type { Pods } from "../api/pods.ts";
import type { GatherRequest } from "../api/request.ts";
import type { LastUpload } from "../api/upload.ts";
import { beginOf, lastFull, timeText } from "./requests.ts";

export interface StatusInput {
  readonly identity: ConfigIdentity;
  readonly conditions: readonly Condition[];
  readonly gate: Gate;
  readonly gateIgnored: boolean;
  /** Of the DaemonSet; undefined when there is none. */
  readonly pods: Pods | undefined;
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
  const { identity, conditions, gate, gateIgnored, pods, nextGatherMs, lastUpload, operator, version } = input;
  const lastGather = lastGatherOf(input.requests, identity);
  const inventory = input.inventory ? inventoryOf(input.requests, identity) : undefined;
  const desired = pods?.desired ?? 0;
  const ready = pods?.ready ?? 0;
  return {
    observedGeneration: identity.generation,
    conditions: [...conditions],
    gate: {
      state: gate.state,
      ...("version" in gate ? { version: gate.version } : {}),
      source: gateIgnored ? "Config" : "FeatureGate",
    },
    nodes: { desired, ready, summary: input.onDemand && pods === undefined ? "OnDemand" : `${ready}/${desired}` },
    ...(lastGather === undefined ? {} : { lastGather }),
    ...(nextGatherMs === undefined ? {} : { nextGather: timeText(nextGatherMs) }),
    ...(lastUpload === undefined ? {} : { lastUpload }),
    ...(inventory === undefined ? {} : { inventory }),
    storage: "Ephemeral",
    operator,
    version,
  };
}

/** From the newest full gather that is still on record, else what the status already says. Gathers of an earlier config do not count. */
export function lastGatherOf(requests: readonly GatherRequest[], identity: ConfigIdentity): LastGather | undefined {
  const last = newest(requests, identity);
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
export function lastSuccessMs(requests: readonly GatherRequest[], identity: ConfigIdentity): number {
  const succeeded = requests.filter(({ status }) =>
    status.conditions?.some(({ type, status: value }) => type === "Succeeded" && value === "True"),
  );
  const last = lastFull(succeeded)?.status.finishTime;
  const { lastGather } = identity.status;
  return Math.max(Date.parse(last ?? "") || 0, lastGather?.succeeded === true ? Date.parse(lastGather.finishTime) : 0);
}

function inventoryOf(requests: readonly GatherRequest[], identity: ConfigIdentity): ConfigStatus["inventory"] {
  const last = newest(requests, identity)?.status.inventory;
  return last !== undefined && last.length > 0 ? last : identity.status.inventory;
}

function newest(requests: readonly GatherRequest[], identity: ConfigIdentity): GatherRequest | undefined {
  const known = beginOf(identity.status.lastGather ?? {});
  const last = lastFull(requests.filter(({ status }) => Date.parse(beginOf(status)) >= identity.createdMs));
  return last !== undefined && beginOf(last.status) >= known ? last : undefined;
}
