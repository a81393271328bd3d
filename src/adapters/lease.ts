/** The Lease of the operator: held by the one process that may write, looked at by other installations. */
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { type ElectionTimes, type LeaseView, mayHold, seen } from "../core/leader.ts";
import { names } from "../core/operands.ts";
import type { Api, ApiCall } from "./connection.ts";

const leaseName = "runtime-insights-operator";

const leaseSchema = z.object({
  metadata: z.object({ resourceVersion: z.string() }),
  spec: z
    .object({
      holderIdentity: z.string().default(""),
      renewTime: z.string().default(""),
      leaseDurationSeconds: z.number().default(60),
      leaseTransitions: z.number().default(0),
    })
    .prefault({}),
});

/** As the API server has it; the uid at the end of an identity is what tells it from others. */
const maxManagerLength = 128;

const pathOf = (namespace: string) => `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/${leaseName}`;

/** True while an operator in that namespace holds its Lease. One that is not there or cannot be understood has expired; not being able to look throws. */
export async function isAlive(api: Api, namespace: string, nowMs: number): Promise<boolean> {
  const { status, body } = await api.call({ path: pathOf(namespace) });
  if (status === 404) return false;
  if (status !== 200) throw new Error(`reading the Lease of the operator in namespace ${namespace}: status ${status}`);
  const lease = leaseSchema.safeParse(body);
  if (!lease.success) return false;
  const { holderIdentity, renewTime, leaseDurationSeconds } = lease.data.spec;
  return holderIdentity !== "" && nowMs < Date.parse(renewTime) + leaseDurationSeconds * 1000;
}

/** Two clocks, since the steady one stands still while a machine is suspended, and the other one jumps. */
export interface Clock {
  readonly steadyMs: () => number;
  readonly wallMs: () => number;
}

const systemClock: Clock = { steadyMs: () => performance.now(), wallMs: () => Date.now() };

export interface LeaseOptions {
  readonly api: Api;
  readonly namespace: string;
  /** Of this process; the same after a restart of its container, so that it has its Lease back at once. */
  readonly identity: string;
  readonly times: ElectionTimes;
  readonly onError: (problem: string) => void;
  /** With whom the Lease goes; default: the operator's account, see `ownerOf`. */
  readonly owner?: () => Promise<Owner | undefined>;
  readonly clock?: Clock;
}

export interface Owner {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
}

const accountsSchema = z.object({ items: z.array(z.object({ metadata: z.object({ uid: z.string() }) })) });

/**
 * The account of the operator's pods, without which none of them can write any more: once it is gone, as when OLM removes the operator,
 * the Lease goes too and holds nobody up. Undefined when there is none or it cannot be read.
 */
export async function ownerOf(api: Api, namespace: string): Promise<Owner | undefined> {
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts`;
  const query = { fieldSelector: `metadata.name=${names.operator}`, limit: 1 };
  const answer = await api.call({ path, query }).catch(() => undefined);
  const uid = accountsSchema.safeParse(answer?.body).data?.items[0]?.metadata.uid;
  return uid === undefined ? undefined : { apiVersion: "v1", kind: "ServiceAccount", name: names.operator, uid };
}

export class Lease {
  readonly #options: LeaseOptions;
  readonly #clock: Clock;
  #view: LeaseView | undefined;
  #transitions = 0;
  #owner: Owner | undefined;
  #heldSince: { readonly steadyMs: number; readonly wallMs: number } | undefined;
  #triedMs: number;

  constructor(options: LeaseOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#triedMs = this.#clock.steadyMs();
  }

  /** So long this process may write; 0 when it does not hold the Lease. Counted from before the last renewal was sent. */
  remainingMs(): number {
    if (this.#heldSince === undefined) return 0;
    const { steadyMs, wallMs } = this.#heldSince;
    const heldMs = Math.max(this.#clock.steadyMs() - steadyMs, this.#clock.wallMs() - wallMs);
    return Math.max(0, this.#options.times.renewMs - heldMs);
  }

  /** Since when nobody has tried to take or renew it. */
  idleMs(): number {
    return this.#clock.steadyMs() - this.#triedMs;
  }

  /** The API server has said once whose it is. */
  isKnown(): boolean {
    return this.#view !== undefined;
  }

  /** Takes or renews the Lease once; false when it is another's or the API server did not say. */
  async tryToHold(): Promise<boolean> {
    this.#triedMs = this.#clock.steadyMs();
    try {
      // The holder knows what it wrote last; everyone else has to look.
      if (this.remainingMs() === 0 || this.#view === undefined) await this.#look();
      const held = await this.#claim();
      if (held !== undefined) return held;
      await this.#look();
      return (await this.#claim()) ?? false;
    } catch (cause) {
      this.#report(cause);
      return false;
    }
  }

  /** Gives it back, so that the next one need not wait. Call it when nothing is written any more. */
  async release(): Promise<void> {
    const view = this.#view;
    if (this.#heldSince === undefined || view?.kind !== "present") return;
    try {
      await this.#write(view, "");
    } catch (cause) {
      this.#report(cause);
    }
    this.#heldSince = undefined;
  }

  /** Undefined when the Lease is not as it was seen: somebody edited, deleted or took it since. */
  async #claim(): Promise<boolean | undefined> {
    const view = this.#view ?? { kind: "absent", before: undefined };
    const { api, namespace, identity, owner = () => ownerOf(api, namespace) } = this.#options;
    if (mayHold(view, identity, this.#clock.steadyMs())) {
      if (this.#heldSince === undefined) this.#owner = await owner();
      return (await this.#write(view, identity)) ? true : undefined;
    }
    this.#heldSince = undefined;
    return false;
  }

  async #look(): Promise<void> {
    const { status, body } = await this.#call({});
    if (status !== 200 && status !== 404) throw new Error(`reading the Lease: status ${status}`);
    this.#view = seen(this.#view, status === 404 ? undefined : this.#viewOf(body));
  }

  /**
   * False when the Lease is not of the version that was seen. Who makes it anew applies it under its own name without force, so
   * that of two at the same time one gets it.
   */
  async #write(view: LeaseView, holder: string): Promise<boolean> {
    const { identity, namespace, times } = this.#options;
    const { steadyMs, wallMs } = this.#clock;
    const sent = { steadyMs: steadyMs(), wallMs: wallMs() };
    const now = new Date(sent.wallMs).toISOString().replace(/Z$/, "000Z");
    const transitions = this.#transitions + (view.kind === "present" && view.holder !== identity ? 1 : 0);
    const resourceVersion = view.kind === "present" ? { resourceVersion: view.resourceVersion } : {};
    const ownerReferences = this.#owner === undefined ? {} : { ownerReferences: [this.#owner] };
    const { status, body } = await this.#call({
      method: "PATCH",
      query: { fieldManager: identity.slice(-maxManagerLength), force: view.kind === "present" },
      contentType: "application/apply-patch+yaml",
      body: {
        apiVersion: "coordination.k8s.io/v1",
        kind: "Lease",
        metadata: { name: leaseName, namespace, ...resourceVersion, ...ownerReferences },
        spec: {
          holderIdentity: holder,
          leaseDurationSeconds: holder === "" ? 1 : times.leaseMs / 1000,
          renewTime: now,
          leaseTransitions: transitions,
        },
      },
    });
    if (status === 409) return false;
    if (status >= 300) throw new Error(`writing the Lease: status ${status}`);
    this.#view = this.#viewOf(body);
    this.#heldSince = sent;
    return true;
  }

  #viewOf(body: unknown): Extract<LeaseView, { readonly kind: "present" }> {
    const { metadata, spec } = leaseSchema.parse(body);
    this.#transitions = spec.leaseTransitions;
    return {
      kind: "present",
      holder: spec.holderIdentity,
      leaseMs: spec.leaseDurationSeconds * 1000,
      resourceVersion: metadata.resourceVersion,
      sinceMs: this.#clock.steadyMs(),
    };
  }

  #report(cause: unknown): void {
    this.#options.onError(cause instanceof Error ? cause.message : String(cause));
  }

  #call(call: Omit<ApiCall, "path">) {
    const { api, namespace, times } = this.#options;
    return api.call({ ...call, path: pathOf(namespace), timeoutMs: Math.max(1_000, times.retryMs / 2) });
  }
}

export interface ContendOptions {
  readonly lease: Lease;
  readonly times: ElectionTimes;
  /** Ends the contention; the Lease is given back when `lead` has ended. */
  readonly signal: AbortSignal;
  /** Runs while the Lease is held; must write nothing any more once its promise has settled. */
  readonly lead: (signal: AbortSignal) => Promise<void>;
}

/** Waits for the Lease, leads while it is held, and waits anew when it was lost; resolves when `signal` is aborted. Throws what `lead` throws. */
export async function contend({ lease, times, signal, lead }: ContendOptions): Promise<void> {
  const pause = () => sleep(times.retryMs * (0.9 + Math.random() * 0.2), undefined, { signal }).catch(() => undefined);
  try {
    while (!signal.aborted) {
      if (await lease.tryToHold()) await leadWhileHeld();
      else await pause();
    }
  } finally {
    await lease.release();
  }

  async function leadWhileHeld(): Promise<void> {
    const end = new AbortController();
    let deadline = setTimeout(() => end.abort(), lease.remainingMs());
    const leading = lead(AbortSignal.any([signal, end.signal])).finally(() => end.abort());
    while (!end.signal.aborted && !signal.aborted) {
      await sleep(times.retryMs, undefined, { signal: AbortSignal.any([signal, end.signal]) }).catch(() => undefined);
      if (end.signal.aborted || signal.aborted) break;
      await lease.tryToHold();
      clearTimeout(deadline);
      deadline = setTimeout(() => end.abort(), lease.remainingMs());
    }
    clearTimeout(deadline);
    end.abort();
    await leading;
  }
}

/** Writes go through only while the Lease is held, and are given up when that time is over. */
export function fenced(api: Api, lease: Pick<Lease, "remainingMs">): Api {
  const check = (call: ApiCall) => {
    if (lease.remainingMs() === 0)
      throw new Error(`${call.method} ${call.path}: not sent, since this process does not hold the Lease any more`);
  };
  return {
    call: async (call) => {
      if (call.method === undefined || call.method === "GET") return api.call(call);
      check(call);
      // The steady clock counts fractions of milliseconds; a deadline takes none.
      const timeoutMs = Math.min(call.timeoutMs ?? 30_000, Math.floor(lease.remainingMs()));
      return api.call({ ...call, timeoutMs, beforeSend: () => check(call) });
    },
  };
}
