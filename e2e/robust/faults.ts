/** Breaks the way to the API server for a while, has the world drift meanwhile, and tells how the operator came through. */
import { setTimeout as sleep } from "node:timers/promises";
import { waitFor } from "../../hack/kubectl.ts";
import { names } from "../../src/core/operands.ts";
import { gathererSide, nodeSide, type OperatorWorld } from "../api/operator-world.ts";
import type { ApiProxy, Recorded, Seen } from "./api-proxy.ts";
import type { OperatorProcess } from "./operator-process.ts";
import { differences, type State, stateOf } from "./world-state.ts";

export interface Fault {
  readonly name: string;
  /** Returns what ends it. */
  readonly begin: (proxy: ApiProxy) => (() => void | Promise<void>) | Promise<() => void>;
  readonly forMs: number;
  /** From its begin until all is quiet again, but for the Lease; a run costs about 25, and there are 18 watches. */
  readonly maxRequests: number;
}

export interface Course {
  readonly name: string;
  /** From the fault's end until the world was as before. */
  readonly recoveryMs: number;
  readonly requests: number;
  readonly writes: readonly string[];
}

/** Longest that a fault may be felt after its end. */
const recoveryMs = 120_000;

export const isOfLease = ({ path }: Pick<Seen, "path">) => path.includes("/leases/");
export const others = (requests: readonly Recorded[]) => requests.filter((request) => !isOfLease(request));
export const describeWrite = ({ method, path }: Recorded) => `${method} ${path}`;

export async function install(api: OperatorWorld): Promise<void> {
  await api.setGate("enabled");
  await api.applyConfig({});
  await api.waitForPresent([...gathererSide, ...nodeSide]);
  await api.waitForObserved();
}

/** Two objects go behind the operator's back. */
export async function drift(api: OperatorWorld): Promise<void> {
  await api.delete(api.pathOf({ kind: "Service", name: names.exporter }));
  await api.delete(api.pathOf({ kind: "ClusterRoleBinding", name: names.gatherer }));
}

/** Waits until the world is as it was; throws with what differs after two minutes. Returns how long it took. */
export async function recovered(api: OperatorWorld, reference: State): Promise<number> {
  const beganMs = performance.now();
  let found: readonly string[] = ["the state cannot be read"];
  await waitFor(
    "the world to be as before",
    async () => {
      found = await stateOf(api).then(
        (state) => differences(reference, state),
        (cause: unknown) => [String(cause)],
      );
      return found.length === 0 ? true : undefined;
    },
    { timeoutMs: recoveryMs, everyMs: 200 },
  ).catch((cause: unknown) => {
    throw new Error(`${String(cause)}: ${found.join("; ")}`);
  });
  return performance.now() - beganMs;
}

export async function comeThrough(
  { api, proxy }: { readonly api: OperatorWorld; readonly proxy: ApiProxy },
  reference: State,
  { name, begin, forMs }: Fault,
): Promise<Course> {
  proxy.forget();
  const end = await begin(proxy);
  const endsMs = performance.now() + forMs;
  await drift(api);
  await sleep(Math.max(0, endsMs - performance.now()));
  await end();
  const tookMs = await recovered(api, reference);
  await quiet(proxy);
  const requests = others(proxy.requests);
  return {
    ...{ name, recoveryMs: Math.round(tookMs), requests: requests.length },
    writes: requests.filter(({ isWrite }) => isWrite).map(describeWrite),
  };
}

/** Nothing but watches has been asked for a while. */
export async function quiet(proxy: ApiProxy, forMs = 1_500): Promise<void> {
  const count = () => others(proxy.requests).filter(({ isWatch }) => !isWatch).length;
  await waitFor(
    "the operator to be quiet",
    async () => {
      const before = count();
      await sleep(forMs);
      return count() === before ? true : undefined;
    },
    { timeoutMs: 90_000, everyMs: 1 },
  );
}

/**
 * Asks for the operator's health four times a second, unless it still asks; the answers that were not "ok" are collected until it is
 * stopped. A machine that stalls for seconds is no answer.
 */
export function watchHealth(operator: OperatorProcess): { stop(): readonly string[] } {
  const bad: string[] = [];
  let isAsking = false;
  const look = async () => {
    if (isAsking) return;
    isAsking = true;
    const text = await operator.ask("/healthz", 60_000).catch(String);
    if (text !== "ok\n") bad.push(text);
    isAsking = false;
  };
  const timer = setInterval(() => void look(), 250).unref();
  return {
    stop: () => {
      clearInterval(timer);
      return bad;
    },
  };
}
