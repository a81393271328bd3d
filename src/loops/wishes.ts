/** What is to become of both sides: the decisions, the certificates, and the objects made of them. */
import type { KubeObject } from "../api/object.ts";
import { pullSecretsOf } from "../api/pull-secrets.ts";
import type { GatherRequest } from "../api/request.ts";
import type { Decision } from "../core/decide.ts";
import { desiredGathererSide, desiredNodeSide } from "../core/desired.ts";
import type { DesiredInput } from "../core/desired-input.ts";
import { keyOf, names, operands, type Side, sides, workloads } from "../core/operands.ts";
import { isOurs, type Live, type Wish } from "../core/plan.ts";
import { elapsedMs } from "../core/time.ts";
import { daemonSetKey, type Inputs, isWanted, keptBack, type Observed, type Present } from "./observed.ts";
import { keepCertificates, type Missing, type TlsState } from "./tls.ts";
import type { OperatorWorld } from "./world.ts";

/** Until a service account that was applied is looked for. */
const accountMs = 1_000;

export interface Wishes {
  readonly wishes: Readonly<Record<Side, Wish>>;
  readonly certificates: TlsState | undefined;
  readonly afterMs: number | undefined;
}

export class WishMaker {
  readonly #world: OperatorWorld;
  /** Certificates that OpenShift's service CA owes us. */
  #missing: Missing = {};
  #held = { sinceMs: 0, forMs: 0 };

  constructor(world: OperatorWorld) {
    this.#world = world;
  }

  /** For so long clients and servers may not trust each other yet, so nothing is gathered. */
  heldMs(nowMs: number): number {
    const { sinceMs, forMs } = this.#held;
    return Math.max(0, forMs - elapsedMs(sinceMs, nowMs, forMs));
  }

  /** Issues certificates where they are due, which is remembered. */
  async of(observed: Observed, config: Present, decisions: Readonly<Record<Side, Decision>>): Promise<Wishes> {
    const { namespace, images, shared, log } = this.#world;
    const plain = (decision: Decision): Wish => ({ kind: decision.kind === "remove" ? "remove" : "keep" });
    const drop = new Set(isWanted(config, observed) ? [] : [daemonSetKey]);
    // What is not known says nothing about extractors that were there for a gather only.
    const isUnread = observed.inputs === undefined && decisions.node.kind === "install";
    const keepsOthers = (decisions.node.reason === "GateUnknown" || isUnread) && drop.size > 0;
    const wishes: Readonly<Record<Side, Wish>> = {
      node: keepsOthers ? { kind: "keep", drop } : plain(decisions.node),
      gatherer: plain(decisions.gatherer),
    };
    const { requests, live, nowMs, unserved, inputs } = observed;
    if (config.kind !== "valid" || decisions.gatherer.kind !== "install" || inputs === undefined)
      return { wishes, certificates: undefined, afterMs: undefined };
    const { tls, serviceCa, priorityClass } = inputs;
    const pullSecrets = {
      node: pullSecretsOfPods(inputs, live, "node"),
      gatherer: pullSecretsOfPods(inputs, live, "gatherer"),
    };
    const withNodes = decisions.node.kind === "install";
    const certificates = await keepCertificates({
      live,
      namespace,
      nowMs,
      serviceCa,
      missing: this.#missing,
      wanted: withNodes ? ["exporter", "gatherer"] : ["gatherer"],
      lastGatherMs: shared.isGathering ? nowMs : lastGatherMsOf(requests),
    });
    this.#missing = certificates?.missing ?? {};
    if (certificates !== undefined && certificates.holdMs > 0)
      this.#held = { sinceMs: nowMs, forMs: certificates.holdMs };
    const material = ["Secret", "ConfigMap"] as const;
    const accountUids = { node: accountUid(live, "node"), gatherer: accountUid(live, "gatherer") };
    const unaccounted = sides.filter((side) => accountUids[side] === "");
    const leave = new Set([
      ...(certificates === undefined
        ? operands
            .filter(({ kind, name }) => material.some((one) => one === kind) && name !== names.exporterProxy)
            .map(keyOf)
        : []),
      ...[...unaccounted.map((side) => workloads[side].workload), ...keptBack(observed).map(({ operand }) => operand)]
        .map(keyOf)
        .filter((key) => !drop.has(key)),
    ]);
    if (certificates !== undefined && certificates.issued.length > 0)
      log.info({ issued: certificates.issued }, "Issued certificates");
    const input: DesiredInput = {
      ...{ namespace, images, unserved, tls, priorityClass, accountUids, pullSecrets },
      servedByServiceCa: certificates?.servedByServiceCa ?? new Set(),
      settings: config.settings,
      configUid: config.identity.uid,
    };
    const authority = certificates?.authority ?? { ca: undefined, bundle: undefined };
    const objectsWith = (objects: readonly KubeObject[]): Wish => ({
      kind: "install",
      objects: objects.filter(({ kind, metadata: { name } }) => {
        const key = keyOf({ kind, name });
        return !leave.has(key) && !drop.has(key);
      }),
      leave,
    });
    return {
      wishes: {
        gatherer: objectsWith(desiredGathererSide(input, authority, certificates?.serving.gatherer)),
        node: withNodes ? objectsWith(desiredNodeSide(input, certificates?.serving.exporter)) : wishes.node,
      },
      certificates,
      afterMs: unaccounted.some((side) => decisions[side].kind === "install") ? accountMs : certificates?.afterMs,
    };
  }
}

/** Empty while there is none of ours: then its pods have to wait. */
function accountUid(live: ReadonlyMap<string, Live>, side: Side): string {
  const found = live.get(keyOf(workloads[side].account));
  return found?.kind === "present" && isOurs(found.object) ? (found.object.metadata.uid ?? "") : "";
}

/**
 * Those of the operator's own image, and with them those of the pods' account, which the API server would leave out. Empty when the
 * operator has none: then the pods have those of their account, whoever gave it them.
 */
function pullSecretsOfPods({ pullSecrets }: Inputs, live: Observed["live"], side: Side): readonly string[] {
  if (pullSecrets.length === 0) return [];
  const account = live.get(keyOf(workloads[side].account));
  const own = account?.kind === "present" ? pullSecretsOf(account.object) : [];
  return [...new Set([...pullSecrets, ...own])].sort();
}

function lastGatherMsOf(requests: readonly GatherRequest[]): number | undefined {
  const times = requests
    .flatMap(({ status }) => [status.startTime, status.finishTime])
    .filter((time) => time !== undefined);
  return times.length === 0 ? undefined : Math.max(...times.map(Date.parse));
}
