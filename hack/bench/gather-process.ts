/** The processes of the gather's benchmark: the gatherer as it ships, the floor, and the exporters of all nodes. */
import { type ChildProcessByStdio, execFile, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { request } from "undici";
import { z } from "zod";
import { type GatherOrder, type GatherOutcome, gatherProgressSchema } from "../../src/api/gather.ts";
import { gathererCommand, gathererMemoryEnv } from "../../src/core/desired-gatherer.ts";
import { buildBundles } from "../build.ts";
import { cacheDir } from "../cache.ts";
import { waitFor } from "../kubectl.ts";
import { forgetPeak, residentMiB } from "./memory.ts";

const run = promisify(execFile);

export interface Programs {
  readonly floor: string;
  readonly exporters: string;
  /** The bundle's folder. */
  readonly bundle: string;
}

export async function buildPrograms(log: (line: string) => void): Promise<Programs> {
  const dir = cacheDir("bench");
  const build = (name: string) =>
    run("go", ["build", "-trimpath", "-o", join(dir, `gather-${name}`), `./${name}`], {
      cwd: join(import.meta.dirname, "gather-floor"),
      env: { ...process.env, CGO_ENABLED: "0", GOFLAGS: "", GOWORK: "off" },
    });
  await build("floor");
  await build("exporters");
  const bundle = await buildBundles(log);
  return { floor: join(dir, "gather-floor"), exporters: join(dir, "gather-exporters"), bundle };
}

/** Files that more than one of the processes reads. */
export interface Files {
  readonly dir: string;
  readonly kubeconfig: string;
  readonly exporterCa: string;
  readonly exporterCert: string;
  readonly exporterKey: string;
  readonly exporterToken: string;
}

export interface Gathered {
  readonly outcome: GatherOutcome;
  /** From the order to the outcome, as who ordered it sees it. */
  readonly wallMs: number;
  readonly cpuMs: number;
  /** Largest resident size during this gather. */
  readonly peakMiB: number;
}

export interface Gatherer {
  /** Before the first gather. */
  readonly idleMiB: number;
  gather(order: GatherOrder): Promise<Gathered>;
  /** Resident size now. */
  restingMiB(): number;
  stop(): Promise<void>;
}

/** Starts the bundle as the Deployment does. */
export async function startGatherer({ bundle }: Programs, files: Files, namespace: string): Promise<Gatherer> {
  const port = 25_000 + (process.pid % 1_000) * 2;
  const flags = gathererCommand.filter((word) => word.startsWith("--"));
  const child = spawn(
    process.execPath,
    [
      ...[...flags, join(bundle, "gatherer.js"), "serve", "--kubeconfig", files.kubeconfig],
      ...["--directory", join(files.dir, "archives"), "--port", String(port), "--metrics-port", String(port + 1)],
      ...["--health-address", "127.0.0.1", "--health-port", "0"],
      ...["--ca-file", files.exporterCa, "--token-file", files.exporterToken],
    ],
    {
      stdio: ["ignore", "ignore", "inherit"],
      env: {
        ...{ PATH: process.env.PATH, LOG_LEVEL: "error", POD_NAMESPACE: namespace },
        [gathererMemoryEnv.name]: gathererMemoryEnv.value,
      },
    },
  );
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const url = `http://127.0.0.1:${port}`;
  const stop = async () => {
    child.kill("SIGTERM");
    await ended;
  };
  try {
    await waitFor(
      "the gatherer to listen",
      async () => {
        if (child.exitCode !== null) throw new Error("the gatherer ended at its start");
        const answer = await request(`${url}/healthz`);
        await answer.body.dump();
        return answer.statusCode === 200;
      },
      { everyMs: 50, timeoutMs: 20_000 },
    );
  } catch (cause) {
    await stop();
    throw cause;
  }
  const { pid } = child;
  if (pid === undefined) throw new Error("the gatherer did not start");
  const gather = async (order: GatherOrder): Promise<Gathered> => {
    forgetPeak(pid);
    const cpuBefore = cpuMs(pid);
    const startedMs = performance.now();
    const ordered = await request(`${url}/v1/gathers`, { method: "POST", body: JSON.stringify(order) });
    const said = await ordered.body.text();
    if (ordered.statusCode !== 202) throw new Error(`ordering a gather: ${ordered.statusCode} ${said}`);
    for (;;) {
      await sleep(25);
      const answer = await request(`${url}/v1/gathers/${order.id}`);
      const progress = gatherProgressSchema.parse(await answer.body.json());
      if (progress.phase === "Running") continue;
      const wallMs = performance.now() - startedMs;
      const { outcome } = progress;
      if (!outcome?.succeeded) throw new Error(`the gather failed: ${outcome?.reason} ${outcome?.message}`);
      return { outcome, wallMs, cpuMs: cpuMs(pid) - cpuBefore, peakMiB: residentMiB(pid, "VmHWM") };
    }
  };
  return { idleMiB: residentMiB(pid, "VmRSS"), gather, restingMiB: () => residentMiB(pid, "VmRSS"), stop };
}

/** User and system time of a process, from ticks of 10 ms. */
function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

const floorSchema = z.object({
  listMs: z.number(),
  askMs: z.number(),
  requests: z.int(),
  /** Bytes of the pages, and of the nodes' answers. */
  listed: z.int(),
  answered: z.int(),
  failed: z.int(),
});
export type FloorTook = z.infer<typeof floorSchema>;

export interface FloorOptions {
  readonly server: string;
  readonly serverCa: string;
  readonly serverToken: string;
  readonly pages: number;
  readonly questions: string;
  readonly serverName: string;
  readonly concurrency: number;
  readonly timeoutMs: number;
}

export async function runFloor({ floor }: Programs, files: Files, options: FloorOptions): Promise<FloorTook> {
  const { stdout } = await run(floor, [
    ...["--server", options.server, "--server-ca", options.serverCa, "--server-token", options.serverToken],
    ...["--pages", String(options.pages), "--questions", options.questions],
    ...["--node-ca", files.exporterCa, "--node-token", files.exporterToken, "--server-name", options.serverName],
    ...["--concurrency", String(options.concurrency), "--timeout", `${options.timeoutMs}ms`],
  ]);
  return floorSchema.parse(JSON.parse(stdout));
}

const countersSchema = z.object({ requests: z.int(), bytes: z.int() });
export type Counters = z.infer<typeof countersSchema>;

export interface Exporters {
  /** What was asked and answered since the last time. */
  counters(): Promise<Counters>;
  stop(): Promise<void>;
}

export interface ExportersOptions {
  /** Addresses, one per line. */
  readonly nodes: string;
  /** ID, namespace, pod and container, one container per line. */
  readonly containers: string;
  readonly broken: boolean;
  readonly delayMs: number;
}

export async function startExporters(
  { exporters }: Programs,
  files: Files,
  { nodes, containers, broken, delayMs }: ExportersOptions,
): Promise<Exporters> {
  const child: ChildProcessByStdio<Writable, Readable, null> = spawn(
    exporters,
    [
      ...["--cert", files.exporterCert, "--key", files.exporterKey, "--nodes", nodes, "--containers", containers],
      ...[`--broken=${broken}`, "--delay", `${delayMs}ms`],
    ],
    { stdio: ["pipe", "pipe", "inherit"] },
  );
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error("the exporters ended");
    return value;
  };
  await line();
  return {
    counters: async () => {
      child.stdin.write("\n");
      return countersSchema.parse(JSON.parse(await line()));
    },
    stop: async () => {
      child.stdin.end();
      await ended;
    },
  };
}
