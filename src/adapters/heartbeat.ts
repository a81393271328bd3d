/** A Lease that says that this operator is alive, and a look at another's. */
import { z } from "zod";
import { fieldManager } from "../api/object.ts";
import type { Api } from "./connection.ts";

const leaseName = "runtime-insights-operator";
const durationSeconds = 60;
const renewEveryMs = 20_000;

const leaseSchema = z.object({
  spec: z.object({ renewTime: z.string(), leaseDurationSeconds: z.number().default(durationSeconds) }),
});

const pathOf = (namespace: string) => `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/${leaseName}`;

/** True while an operator in that namespace renews its Lease. A Lease that is not there or cannot be understood has expired; not being able to look throws. */
export async function isAlive(api: Api, namespace: string, nowMs: number): Promise<boolean> {
  const { status, body } = await api.call({ path: pathOf(namespace) });
  if (status === 404) return false;
  if (status !== 200) throw new Error(`reading the Lease of the operator in namespace ${namespace}: status ${status}`);
  const lease = leaseSchema.safeParse(body);
  if (!lease.success) return false;
  const { renewTime, leaseDurationSeconds } = lease.data.spec;
  return nowMs < Date.parse(renewTime) + leaseDurationSeconds * 1000;
}

export interface HeartbeatOptions {
  readonly api: Api;
  readonly namespace: string;
  /** E.g. the pod's name. */
  readonly holder: string;
  readonly onError: (message: string) => void;
}

/** Renews the Lease until it is stopped. */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  readonly #timer: NodeJS.Timeout;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.#beat(), renewEveryMs);
    void this.#beat();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #beat(): Promise<void> {
    const { api, namespace, holder, onError } = this.#options;
    const body = {
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: { name: leaseName, namespace },
      spec: {
        holderIdentity: holder,
        leaseDurationSeconds: durationSeconds,
        renewTime: new Date().toISOString().replace(/Z$/, "000Z"),
      },
    };
    try {
      const { status } = await api.call({
        method: "PATCH",
        path: pathOf(namespace),
        query: { fieldManager, force: true },
        contentType: "application/apply-patch+yaml",
        body,
        timeoutMs: renewEveryMs / 2,
      });
      if (status >= 300) onError(`status ${status}`);
    } catch (cause) {
      onError(cause instanceof Error ? cause.message : String(cause));
    }
  }
}
