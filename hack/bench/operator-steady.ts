/** What the operator asks of the API server while nothing happens, counted by a proxy between the two. */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { configPath, namespace, type OperatorWorld } from "../../e2e/api/operator-world.ts";
import { ApiProxy, type Recorded } from "../../e2e/robust/api-proxy.ts";
import { kubectl } from "../kubectl.ts";
import { type Requests, resyncMs, type SteadyFound } from "./operator-plan.ts";
import { type Programs, startOperator } from "./operator-process.ts";

/** After the start, until what follows it has been written. */
const quietMs = 20_000;

/** The large cluster is there, and no operator. */
export async function measureSteady(
  world: OperatorWorld,
  programs: Programs,
  log: (line: string) => void,
): Promise<SteadyFound> {
  const proxy = await ApiProxy.start(world.server);
  try {
    const token = await kubectl(world.server, [
      ...["-n", namespace, "create", "token", "runtime-insights-operator", "--duration", "24h"],
    ]);
    const kubeconfig = join(world.server.dir, "counted.kubeconfig");
    proxy.writeKubeconfig(kubeconfig, token.trim());
    const operator = await startOperator(programs, kubeconfig, namespace);
    try {
      const start = requestsOf(proxy.requests);
      await quiet(proxy);
      proxy.forget();
      await world.patch(configPath, { metadata: { annotations: { "example.com/wake": String(Date.now()) } } });
      await sleep(5_000);
      // Between two resyncs nothing else runs; watches that end by themselves are not the run's.
      const run = { ...requestsOf(proxy.requests), watches: 0 };
      proxy.forget();
      const openWatches = proxy.watches().length;
      log(`Counting requests for ${resyncMs / 60_000} minutes ...`);
      await sleep(resyncMs);
      const sample = requestsOf(proxy.requests);
      return {
        ...{ part: "steady", sampleMs: resyncMs, sample, start, run, openWatches },
        memory: await operator.memory("after a quiet while"),
      };
    } finally {
      await operator.stop();
    }
  } finally {
    await proxy.stop();
  }
}

/** Nothing but the Lease was written for a while. */
async function quiet(proxy: ApiProxy): Promise<void> {
  for (let left = 10; left > 0; left -= 1) {
    proxy.forget();
    await sleep(quietMs);
    if (requestsOf(proxy.requests).otherWrites.length === 0) return;
  }
}

function requestsOf(all: readonly Recorded[]): Requests {
  const isLease = ({ path }: Recorded) => path.includes("/leases/");
  const writes = all.filter(({ isWrite }) => isWrite);
  return {
    reads: all.filter(({ isWrite, isWatch }) => !isWrite && !isWatch).length,
    watches: all.filter(({ isWatch }) => isWatch).length,
    leaseWrites: writes.filter(isLease).length,
    otherWrites: writes.filter((one) => !isLease(one)).map(({ method, path }) => `${method} ${path}`),
  };
}
