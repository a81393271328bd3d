/** The memory of the operator, what it asks of the API server, and how fast it follows the gate, beside floors of the same run. */
import { availableParallelism, cpus, loadavg, release } from "node:os";
import { configPath, gathererSide, namespace, nodeSide, OperatorWorld } from "../../e2e/api/operator-world.ts";
import { waitFor } from "../kubectl.ts";
import { churn, fill, setNodesReady } from "./operator-cluster.ts";
import { measureFlips } from "./operator-flips.ts";
import { type Found, large, type MemoryFound, type OperatorPart, resyncMs, type Started } from "./operator-plan.ts";
import {
  buildPrograms,
  describeCommand,
  measureFloor,
  type OperatorUnderTest,
  type Programs,
  startOperator,
} from "./operator-process.ts";
import { operatorTables } from "./operator-rows.ts";
import { measureSteady } from "./operator-steady.ts";
import type { Result } from "./report.ts";

export interface OperatorOptions {
  /** Flips of the gate each way. */
  readonly rounds: number;
  readonly only: readonly OperatorPart[];
}

/** How often each watched object is written before memory is read again. */
const churnTimes = 20;
/** Starts whose median is told. */
const starts = 5;

export async function operator({ rounds, only }: OperatorOptions, log: (line: string) => void): Promise<Result> {
  const programs = await buildPrograms(log);
  log("Starting the API server ...");
  const world = await OperatorWorld.start({ controllers: false });
  const found: Found[] = [];
  try {
    await world.applyCrds();
    const kubeconfig = await world.accountConfig("runtime-insights-operator");
    const idle = only.includes("memory") ? await measureIdle(world, programs, kubeconfig, log) : undefined;
    await configure(world, programs, kubeconfig);
    if (only.includes("flips")) {
      log(`Flipping the gate ${rounds} times each way ...`);
      found.push(
        await withOperator(programs, kubeconfig, async () => {
          await world.waitForPresent([...gathererSide, ...nodeSide]);
          return measureFlips(world, rounds);
        }),
      );
    }
    if (idle !== undefined || only.includes("steady")) await fill(world, log);
    if (idle !== undefined) found.push(await measureLarge(world, programs, kubeconfig, idle, log));
    if (only.includes("steady")) {
      await setNodesReady(world, large.nodes);
      found.push(await measureSteady(world, programs, log));
    }
  } finally {
    await world.stop();
  }
  return { tables: operatorTables(found), method: method(programs, rounds) };
}

type Idle = Omit<MemoryFound, "part" | "large" | "churned">;

/** Without a config, and with one and the gate on; how long a start takes. */
async function measureIdle(
  world: OperatorWorld,
  programs: Programs,
  kubeconfig: string,
  log: (line: string) => void,
): Promise<Idle> {
  log("Measuring Node.js, the floor and the operator at rest ...");
  const configs = configPath.replace(/\/cluster$/, "");
  await waitFor("the config's kind to be served", async () => {
    const { status } = await world.admin.call({ path: configs });
    return status === 200 ? true : undefined;
  });
  const floor = await measureFloor(programs, kubeconfig, configs);
  const started: Started[] = [];
  for (let time = 0; time < starts; time += 1)
    started.push(await withOperator(programs, kubeconfig, async (one) => one.started));
  return withOperator(programs, kubeconfig, async (process) => {
    const idle = await process.memory("without a config");
    await install(world);
    return { ...floor, starts: started, idle, configured: await process.memory("with a config, gate enabled") };
  });
}

/** The config, the gate and everything that follows from them. */
async function configure(world: OperatorWorld, programs: Programs, kubeconfig: string): Promise<void> {
  await withOperator(programs, kubeconfig, () => install(world));
}

async function install(world: OperatorWorld): Promise<void> {
  await world.applyConfig({});
  await world.setGate("enabled");
  await world.waitForPresent([...gathererSide, ...nodeSide]);
}

/** A fresh process on the large cluster. */
async function measureLarge(
  world: OperatorWorld,
  programs: Programs,
  kubeconfig: string,
  idle: Idle,
  log: (line: string) => void,
): Promise<MemoryFound> {
  await world.setGathererReady(true);
  return withOperator(programs, kubeconfig, async (process) => {
    log("Measuring the operator on the large cluster ...");
    const atRest = await process.memory("large cluster");
    log("Changing every watched object again and again ...");
    await churn(world, churnTimes);
    return { part: "memory", ...idle, large: atRest, churned: await process.memory("after the changes") };
  });
}

async function withOperator<T>(
  programs: Programs,
  kubeconfig: string,
  work: (process: OperatorUnderTest) => Promise<T>,
): Promise<T> {
  const process = await startOperator(programs, kubeconfig, namespace);
  try {
    return await work(process);
  } finally {
    await process.stop();
  }
}

function method(programs: Programs, rounds: number): string[] {
  const load = (loadavg()[0] ?? 0).toFixed(1);
  const machine = `${availableParallelism()} x ${cpus()[0]?.model ?? "unknown processor"}, Linux ${release()}, load average ${load}`;
  return [
    `${new Date().toISOString().slice(0, 10)} on ${machine}.`,
    `The operator is the bundle of the image, run as \`${describeCommand(programs)}\` on Node.js ${process.versions.node} under its shipped service account, against a real API server with OpenShift's kinds. No controllers and no gatherer run; the statuses are written as they would. Floor of memory and start: client-node bundled the same way with one open watch, run with the same flags.`,
    `The large cluster: ${large.nodes} nodes, a DaemonSet on all of them, ${large.gathers} finished RuntimeGathers of 50 KB (all but ten are deleted at the start, as always), a FeatureGate of ${large.gateVersions} versions with ${2 * large.gatesPerVersion} gates each, ${large.strangers} ConfigMaps and Secrets of 10 KB and as many Services of others in the namespace. The changes: FeatureGate, RuntimeGathers, DaemonSet, Service and config written ${churnTimes} times each.`,
    `A flip: from sending the FeatureGate's status until a watch says that the DaemonSet was made or is gone; ${rounds} each way, in turns with the floor, which sends the same writes for copies of the same objects without asking anything first.`,
    `Steady state is counted by a proxy for ${resyncMs / 60_000} minutes, the time from one resync to the next, and told per hour: times ${3_600_000 / resyncMs}. What comes less often, the schedule's gather and the rotation of certificates, is not in it.`,
  ];
}
