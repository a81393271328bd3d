/** The processes of the operator's benchmark: the operator as its Deployment starts it, and its floor. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { build } from "esbuild";
import { loadAll } from "js-yaml";
import { z } from "zod";
import { buildBundles, bundleOptions } from "../build.ts";
import { cacheDir, cloneDir } from "../cache.ts";
import { waitFor } from "../kubectl.ts";
import { residentMiB } from "./memory.ts";
import { type Memory, restMs, type Started } from "./operator-plan.ts";

export interface Programs {
  /** Folder of the operator's bundle. */
  readonly bundle: string;
  readonly floor: string;
  readonly shipped: Shipped;
}

/** How the manifest starts the operator. */
interface Shipped {
  /** With its first word, `node`, and its last, the program, left out. */
  readonly flags: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

const deploymentSchema = z.object({
  kind: z.literal("Deployment"),
  spec: z.object({
    template: z.object({
      spec: z.object({
        containers: z.array(
          z.object({
            name: z.string(),
            command: z.array(z.string()).default([]),
            env: z.array(z.object({ name: z.string(), value: z.string().optional() })).default([]),
          }),
        ),
      }),
    }),
  }),
});

export async function buildPrograms(log: (line: string) => void): Promise<Programs> {
  const floor = join(cacheDir("bench"), "operator-floor.mjs");
  await build({
    ...bundleOptions,
    entryPoints: [join(import.meta.dirname, "operator-floor.ts")],
    outfile: floor,
    sourcemap: false,
    legalComments: "none",
  });
  return { bundle: await buildBundles(log), floor, shipped: readShipped() };
}

function readShipped(): Shipped {
  const objects = loadAll(readFileSync(join(cloneDir, "manifests/30-operator.yaml"), "utf8"));
  const deployments = objects.flatMap((object) => {
    const decoded = deploymentSchema.safeParse(object);
    return decoded.success ? [decoded.data] : [];
  });
  const container = deployments
    .flatMap(({ spec }) => spec.template.spec.containers)
    .find(({ name }) => name === "operator");
  if (container?.command[0] !== "node") throw new Error("manifests/30-operator.yaml does not start node");
  return {
    flags: container.command.slice(1, -1),
    env: Object.fromEntries(container.env.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]]))),
  };
}

export function describeCommand({ shipped: { flags, env } }: Programs): string {
  const memory = Object.entries(env).filter(([name]) => !name.startsWith("RELATED_IMAGE"));
  return [...memory.map(([name, value]) => `${name}=${value}`), "node", ...flags, "main.js"].join(" ");
}

/** Resident memory of Node.js that does nothing, and of the floor with its watch open. */
export async function measureFloor({ floor, shipped }: Programs, kubeconfig: string, path: string) {
  const run = async (args: readonly string[]) => {
    const startedMs = performance.now();
    const child = spawn(process.execPath, [...shipped.flags, ...args], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { PATH: process.env.PATH, ...shipped.env },
    });
    try {
      await once(child.stdout, "data", { signal: AbortSignal.timeout(30_000) });
      const startMs = performance.now() - startedMs;
      await sleep(restMs);
      return { startMs, residentMiB: residentMiB(pidOf(child), "VmRSS") };
    } finally {
      await end(child);
    }
  };
  const bare = await run(["-e", "console.log('up'); setInterval(() => undefined, 60_000)"]);
  const connected = await run([floor, kubeconfig, path]);
  return { bareMiB: bare.residentMiB, floorMiB: connected.residentMiB, floorStartMs: connected.startMs };
}

export interface OperatorUnderTest {
  readonly pid: number;
  readonly started: Started;
  /** After it has rested. */
  memory(what: string): Promise<Memory>;
  stop(): Promise<void>;
}

const lineSchema = z.looseObject({ msg: z.string(), port: z.number().optional(), metricsPort: z.number().optional() });

/** Starts the bundle as the Deployment does, and resolves when it leads and all its loops have run. */
export async function startOperator(
  { bundle, shipped }: Programs,
  kubeconfig: string,
  namespace: string,
): Promise<OperatorUnderTest> {
  const startedMs = performance.now();
  const child = spawn(
    process.execPath,
    [
      ...[...shipped.flags, join(bundle, "main.js"), "--kubeconfig", kubeconfig],
      ...["--address", "127.0.0.1", "--port", "0", "--metrics-port", "0"],
      // Nobody answers there; nothing is to be gathered either.
      ...["--gatherer-origin", "https://127.0.0.1:1"],
    ],
    {
      stdio: ["ignore", "pipe", "inherit"],
      env: {
        ...{ PATH: process.env.PATH, POD_NAMESPACE: namespace, POD_NAME: "operator", POD_UID: "bench" },
        ...shipped.env,
      },
    },
  );
  const told = { port: 0, metricsPort: 0, leadingMs: 0 };
  let rest = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const { msg, port, metricsPort } = lineSchema.parse(JSON.parse(line));
      if (port !== undefined && metricsPort !== undefined) Object.assign(told, { port, metricsPort });
      if (msg === "Leading") told.leadingMs = performance.now() - startedMs;
    }
  });
  const stop = () => end(child);
  try {
    await waitFor(
      "the operator's first run",
      async () => {
        if (child.exitCode !== null) throw new Error("the operator ended at its start");
        if (told.leadingMs === 0) return undefined;
        const answer = await fetch(`http://127.0.0.1:${told.port}/readyz`);
        return answer.status === 200 ? true : undefined;
      },
      { everyMs: 5, timeoutMs: 180_000 },
    );
  } catch (cause) {
    await stop();
    throw cause;
  }
  const started = { leadingMs: told.leadingMs, firstRunMs: performance.now() - startedMs };
  const pid = pidOf(child);
  const memory = async (what: string): Promise<Memory> => {
    await sleep(restMs);
    const resident = residentMiB(pid, "VmRSS");
    const peakMiB = residentMiB(pid, "VmHWM");
    return { what, residentMiB: resident, peakMiB, heapMiB: await heapMiB(told.metricsPort) };
  };
  return { pid, started, memory, stop };
}

async function heapMiB(metricsPort: number): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${metricsPort}/metrics`);
  const text = await answer.text();
  const [, value] = /^runtime_insights_operator_nodejs_heap_size_used_bytes (\S+)$/m.exec(text) ?? [];
  return Number(value) / 2 ** 20;
}

function pidOf({ pid }: ChildProcess): number {
  if (pid === undefined) throw new Error("the process did not start");
  return pid;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  await ended;
}
