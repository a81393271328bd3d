/** Whether the config is this operator's to serve, and what is said where the status cannot say it. */
import type { EventToWrite } from "../adapters/cluster.ts";
import { isAlive } from "../adapters/lease.ts";
import { type ConfigIdentity, configKind, configName } from "../api/config.ts";
import { fieldManager } from "../api/object.ts";
import { managedByLabel } from "../core/operands.ts";
import { Notices } from "./notices.ts";
import type { Observed } from "./observed.ts";
import type { OperatorWorld } from "./world.ts";

type Place = Pick<Observed, "namespaceUid" | "nowMs">;
export type OtherOperator = NonNullable<ConfigIdentity["status"]["operator"]>;

export class Ownership {
  readonly #world: OperatorWorld;
  readonly #notices: Notices;
  /** The uid of the other one's namespace. */
  #takenOverFrom: string | undefined;

  constructor(world: OperatorWorld) {
    this.#world = world;
    this.#notices = new Notices(world);
  }

  /** Another installation that has the config and renews its Lease. */
  async otherAlive({ status }: ConfigIdentity, { namespaceUid, nowMs }: Place): Promise<OtherOperator | undefined> {
    const other = this.#other(status.operator, namespaceUid);
    return other !== undefined && (await isAlive(this.#world.api, other.namespace, nowMs)) ? other : undefined;
  }

  async tellOfOther({ uid }: ConfigIdentity, other: OtherOperator, { namespaceUid, nowMs }: Place): Promise<void> {
    const { namespace } = this.#world;
    const message = `Two operators are installed: the one in namespace ${other.namespace} manages this config, the one in ${namespace} stays idle. Uninstall one of the two`;
    const about = [aboutConfig(uid), this.#aboutNamespace(namespaceUid)];
    await this.#notices.say({ reason: "AnotherOperator", message, about, nowMs });
  }

  /** The status is ours once it is written; what the other one made is out of our reach, so that it is told, once. */
  async takeOver({ uid, status }: ConfigIdentity, { namespaceUid, nowMs }: Place): Promise<void> {
    const { cluster, namespace, log } = this.#world;
    this.#notices.over("AnotherOperator");
    const other = this.#other(status.operator, namespaceUid);
    if (other === undefined || other.uid === this.#takenOverFrom) return;
    this.#takenOverFrom = other.uid;
    log.warn({ operator: other }, "Taking over from an operator that is gone");
    const message = takenOver(other.namespace, namespace);
    await cluster.writeEvent({ type: "Warning", reason: "TookOver", message, about: aboutConfig(uid), nowMs });
  }

  /** Without our kinds there is no status to say it in. */
  async tellOfCrd({ namespaceUid, nowMs }: Place, isMissing: boolean): Promise<void> {
    if (!isMissing) return this.#notices.over("CrdMissing");
    const message = `The CRD of ${configKind} is not installed, and the operator waits for it: kubectl apply -k crds/ of version ${this.#world.version}`;
    await this.#notices.say({ reason: "CrdMissing", message, about: [this.#aboutNamespace(namespaceUid)], nowMs });
  }

  async tellOfStatus({ uid }: ConfigIdentity, nowMs: number, isMissing: boolean): Promise<void> {
    if (!isMissing) return this.#notices.over("CrdOutdated");
    const message = `The CRD of ${configKind} has no status subresource: kubectl apply -k crds/ of version ${this.#world.version}`;
    await this.#notices.say({ reason: "CrdOutdated", message, about: [aboutConfig(uid)], nowMs });
  }

  /** The namespace is made anew with every installation into it. */
  #other(operator: OtherOperator | undefined, namespaceUid: string): OtherOperator | undefined {
    const isUs = operator?.uid === namespaceUid || operator?.namespace === this.#world.namespace;
    return isUs ? undefined : operator;
  }

  #aboutNamespace(uid: string): EventToWrite["about"] {
    return { apiVersion: "v1", kind: "Namespace", name: this.#world.namespace, uid };
  }
}

const aboutConfig = (uid: string): EventToWrite["about"] => ({ kind: configKind, name: configName, uid });

function takenOver(from: string, to: string): string {
  const left = "daemonset,deployment,service,serviceaccount,secret,configmap,networkpolicy";
  return (
    `The operator in namespace ${from} is gone; the one in ${to} takes over. Its extractor and gatherer pods may still run in ${from}, ` +
    `and stay until the config is deleted. To remove them now: kubectl -n ${from} delete ${left} -l ${managedByLabel}=${fieldManager}, ` +
    `or, if nothing else is in it, kubectl delete namespace ${from}`
  );
}
