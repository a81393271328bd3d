/** As a pod has it: TLS straight to the API server. Connections go dead unnoticed; then the API server is away for a minute. */
import { readFile, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { waitFor } from "../../hack/kubectl.ts";
import { OperatorWorld } from "../api/operator-world.ts";
import { drift, install, recovered, watchHealth } from "./faults.ts";
import { OperatorProcess } from "./operator-process.ts";
import { Pipe } from "./pipe.ts";
import { type State, stateOf } from "./world-state.ts";

export interface TcpCourse {
  /** From the fault's end (half-open: its begin) until the world was as before. */
  readonly recoveryMs: number;
  /** Connections that were tried from the begin of the fault. */
  readonly connections: number;
  readonly writes: number;
}

export interface TcpReport {
  readonly halfOpen: TcpCourse;
  readonly away: TcpCourse;
  /** Answers about health that were not good. */
  readonly sick: readonly string[];
  readonly exits: readonly string[];
}

const awayMs = 60_000;

/** Takes about three minutes, most of it waiting. */
export async function breakConnections(): Promise<TcpReport> {
  const api = await OperatorWorld.start({ controllers: false });
  const server = new URL(api.admin.getCurrentCluster()?.server ?? "");
  const pipe = await Pipe.start(Number(server.port));
  await api.applyCrds();
  const kubeconfig = await api.accountConfig("runtime-insights-operator");
  await writeFile(kubeconfig, (await readFile(kubeconfig, "utf8")).replaceAll(`:${server.port}`, `:${pipe.port}`));
  // Only the watches can notice the drift in time: whatever else looks comes much later.
  const operator = new OperatorProcess({ kubeconfig, lease: "default", args: ["--resync-interval", "3000"] });
  try {
    operator.start();
    await operator.waitUntilRun();
    const health = watchHealth(operator);
    await install(api);
    const reference = await settled(api);
    const halfOpen = await course({ operator, pipe }, async () => {
      pipe.freeze();
      await drift(api);
      return recovered(api, reference);
    });
    await settled(api);
    const away = await course({ operator, pipe }, async () => {
      await api.server.crash(awayMs);
      await drift(api);
      return recovered(api, reference);
    });
    return { ...{ halfOpen, away }, sick: health.stop(), exits: operator.exits };
  } finally {
    await operator.kill();
    pipe.stop();
    await api.stop();
  }
}

async function course(
  { operator, pipe }: { readonly operator: OperatorProcess; readonly pipe: Pipe },
  happen: () => Promise<number>,
): Promise<TcpCourse> {
  const before = { opened: pipe.opened, writes: await writesOf(operator) };
  const recoveryMs = Math.round(await happen());
  await sleep(3_000);
  return {
    recoveryMs,
    connections: pipe.opened - before.opened,
    writes: (await writesOf(operator)) - before.writes,
  };
}

async function writesOf(operator: OperatorProcess): Promise<number> {
  const series = await operator.metric("runtime_insights_operator_writes_total");
  return series.reduce((sum, { value }) => sum + value, 0);
}

/** The state once it has not changed for two seconds. */
async function settled(api: OperatorWorld): Promise<State> {
  let last = "";
  await waitFor(
    "a world at rest",
    async () => {
      const before = last;
      await sleep(2_000);
      last = JSON.stringify(await api.versions());
      return last === before ? true : undefined;
    },
    { timeoutMs: 60_000, everyMs: 1 },
  );
  return stateOf(api);
}
