/** Main's look at the pods of its own workloads, taken only while some of them are missing. */
import { decodeNewestEvent, decodeOwnPods, type OwnPod, type OwnPods } from "../api/own-pod.ts";
import { nameLabel, type Operand } from "../core/operands.ts";
import type { Api } from "./connection.ts";
import { describe } from "./patience.ts";

const pageSize = 100;
/** What is wrong with 2000 nodes is wrong with the others. */
const maxPages = 20;
/** A controller that makes no pod tries and says so at least that often. */
const newsMs = 20 * 60_000;

/** The pods of one workload of ours, and whether there are more. Throws when they cannot be read. */
export async function ownPods(
  api: Api,
  namespace: string,
  { name }: Operand,
): Promise<OwnPods & { readonly isCut: boolean }> {
  const found: OwnPod[] = [];
  let foundMs = 0;
  let token = "";
  for (let page = 0; page < maxPages; page += 1) {
    const answer = await api.call({
      path: `/api/v1/namespaces/${namespace}/pods`,
      query: {
        labelSelector: `${nameLabel}=${name}`,
        limit: pageSize,
        ...(token === "" ? {} : { continue: token }),
      },
    });
    if (answer.status !== 200) throw new Error(`listing our pods: ${describe(answer)}`);
    const { pods, newestMs, continueToken } = decodeOwnPods(answer.body);
    found.push(...pods);
    foundMs = Math.max(foundMs, newestMs);
    token = continueToken;
    if (token === "") break;
  }
  return { pods: found, newestMs: foundMs, isCut: token !== "" };
}

export interface RefusalOf extends Operand {
  readonly uid: string;
  /** When its newest pod was made: what was said before is over. */
  readonly newestMs: number;
  readonly nowMs: number;
}

/** Why the controller could make no pod when it tried last; undefined when it made one since. Throws when that cannot be read. */
export async function newestRefusal(
  api: Api,
  namespace: string,
  { kind, name, uid, newestMs, nowMs }: RefusalOf,
): Promise<string | undefined> {
  const about = `involvedObject.kind=${kind},involvedObject.name=${name}`;
  const answer = await api.call({
    path: `/api/v1/namespaces/${namespace}/events`,
    query: { fieldSelector: `${about},reason=FailedCreate`, limit: pageSize },
  });
  if (answer.status !== 200) throw new Error(`listing events: ${describe(answer)}`);
  return decodeNewestEvent(answer.body, uid, Math.max(newestMs, nowMs - newsMs));
}
