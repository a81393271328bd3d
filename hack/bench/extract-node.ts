/**
 * The benchmark's node, as the first process of its own pid and mount namespaces: starts the containers, measures, prints
 * what it measured as one line of JSON. Ends with everything it started. Run by extract.ts; argument: its plan as JSON.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { createConnection } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { z } from "zod";
import { type Container, type Place, start } from "./container.ts";
import { type Growth, type Measured, type Part, type Plan, planSchema, type Sample } from "./extract-plan.ts";
import { mixture, toldAs, wrongAnswers } from "./extract-rows.ts";
import { type Kind, kinds } from "./rootfs.ts";

const run = promisify(execFile);
const containersPerPod = 10;

/** The extractor as the node image starts it, but told where its folders and its port are. */
function extractorCommand({ programs, root, extractorPort }: Plan): [string, ...string[]] {
  return [programs.extractor, "-port", String(extractorPort), "-root", root];
}

async function main(plan: Plan): Promise<void> {
  const say = (line: string) => process.stderr.write(`${line}\n`);
  const place = await prepare(plan);
  const containers: Container[] = [];
  const startUpTo = async (kinds: readonly Kind[]) => {
    say(`Starting containers, up to ${kinds.length} ...`);
    for (const kind of kinds.slice(containers.length))
      containers.push(await startOne(place, plan, kind, containers.length));
  };
  const wanted = (part: Part) => plan.only.includes(part);
  const growth: Growth[] = [];
  const grown = async (asked?: number) => {
    if (!wanted("growth")) return;
    const dead = containers.filter(({ pid }) => !existsSync(`/proc/${pid}/exe`));
    if (dead.length > 0) throw new Error(`Containers ended: ${dead.map(({ kind }) => kind).join(", ")}`);
    say(`Measuring ${asked ?? "all"} of ${containers.length} containers among ${countProcesses()} processes ...`);
    const mixed = [...containers.slice(0, plan.mixed), ...containers.slice(plan.kinds.length)];
    growth.push(await grow(plan, mixed, asked));
  };
  for (const part of wanted("growth") ? [0.1, 0.5] : []) {
    await startUpTo(plan.kinds.slice(0, Math.ceil(plan.mixed * part)));
    fill(plan.hostProcesses / 2);
    await settle();
    await grown();
  }
  await startUpTo(plan.kinds);
  await settle();
  if (countProcesses() < plan.hostProcesses) await grown();
  fill(plan.hostProcesses);
  await settle();
  const processes = countProcesses();
  say(`${containers.length} containers among ${processes} processes; checking what is found ...`);
  await check(plan, containers);
  const samples: Sample[] = [];
  const sample = async (group: Sample["group"], when: Sample["when"]) => {
    if (!wanted(when === "fresh" ? "kinds" : when)) return;
    const members = group === "all" ? containers.slice(0, plan.mixed) : containers.filter(({ kind }) => kind === group);
    if (members.length === 0 && group !== "none") return;
    say(`Measuring ${group}, ${when} ...`);
    samples.push(await alternate(plan, group, when, members));
  };
  for (const group of ["all", ...kinds, "none"] as const) await sample(group, "fresh");
  for (const group of ["all", "shell"] as const) await sample(group, "second");
  for (const group of ["all", "shell", "node", "java", "framework"] as const) await sample(group, "cold");
  if (wanted("calls")) say("Counting system calls ...");
  const calls = wanted("calls") ? await countCalls(plan, containers) : {};
  if (wanted("growth")) {
    await grown();
    fill(plan.most.processes);
    await settle();
    await grown();
    await startUpTo([...plan.kinds, ...mixture(plan.most.containers - plan.mixed)]);
    await settle();
    await grown();
    await grown(growth[0]?.asked);
  }
  let memory: Measured["memory"] = null;
  if (wanted("memory")) {
    say("Measuring memory ...");
    const light = await measureMemory(plan);
    await startUpTo([...containers.map(({ kind }) => kind), ...Array<Kind>(10).fill("heavy")]);
    await settle();
    say("Measuring memory, with contents a hundred times as large ...");
    const { peakBytes: heavyBytes, afterBytes } = await measureMemory(plan);
    memory = { ...light, heavyBytes, afterBytes };
  }
  await check(plan, containers);
  const measured: Measured = { processes, samples, growth, memory, calls };
  process.stdout.write(`${JSON.stringify(measured)}\n`);
  process.exit(0);
}

/** Folders on a tmpfs, and a /var/log of our own. */
async function prepare({ root, cgroup }: Plan): Promise<Place> {
  await run("mount", ["-t", "tmpfs", "-o", "mode=755", "tmpfs", root]);
  const dir = join(root, "containers");
  for (const folder of [dir, join(root, "data")]) mkdirSync(folder);
  await run("chmod", ["2770", join(root, "data")]);
  await run("mount", ["-t", "tmpfs", "-o", "mode=755", "tmpfs", "/var/log"]);
  const logDir = "/var/log/containers";
  mkdirSync(logDir);
  return { dir, cgroup, logDir };
}

function startOne(place: Place, { roots }: Plan, kind: Kind, index: number): Promise<Container> {
  const number = Math.floor(index / containersPerPod);
  const pod = `bench-${number}`;
  const uid = createHash("sha256").update(pod).digest("hex");
  const podUid = [uid.slice(0, 8), uid.slice(8, 12), uid.slice(12, 16), uid.slice(16, 20), uid.slice(20, 32)].join("-");
  const id = createHash("sha256").update(`${index}`).digest("hex");
  return start(place, roots[kind], { id, kind, namespace: "bench", pod, podUid });
}

function countProcesses(): number {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).length;
}

/** Adds idle processes until the table has that many. */
function fill(wanted: number): void {
  for (let missing = wanted - countProcesses(); missing > 0; missing--) {
    spawn("/bin/sleep", ["infinity"], { stdio: "ignore" });
  }
}

/** Waits until the containers have started up and use no processor time any more. */
async function settle(): Promise<void> {
  const busyTicks = () =>
    readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map((pid) => {
        try {
          const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
          const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
          return Number(fields[11]) + Number(fields[12]);
        } catch {
          return 0;
        }
      })
      .reduce((all, ticks) => all + ticks, 0);
  let before = busyTicks();
  for (let round = 0; round < 60; round++) {
    await sleep(1000);
    const now = busyTicks();
    if (now - before <= 3) return;
    before = now;
  }
}

/** Floor and extractor in turn, on the same containers. */
async function alternate(
  plan: Plan,
  group: Sample["group"],
  when: Sample["when"],
  containers: readonly Container[],
): Promise<Sample> {
  const ids = group === "none" ? noContainer : containers.map(({ id }) => id).join(",");
  const floor =
    group === "large"
      ? [plan.programs.readonce, ...containers.map(() => join(plan.roots.large ?? "", "app/large"))]
      : floorOf(plan, containers);
  const [floorMs, extractorMs]: [number[], number[]] = [[], []];
  for (let round = when === "cold" ? 0 : -1; round < (when === "cold" ? coldRounds : plan.rounds); round++) {
    if (when === "cold") await dropCaches();
    const least = await timed(plan, floor);
    if (when === "cold") await dropCaches();
    const took = await answered(plan, when === "second" ? "again" : "ask", ids);
    // The first round warms the caches.
    if (round < 0) continue;
    floorMs.push(least);
    extractorMs.push(took);
  }
  return { group, when, containers: containers.length, floorMs, extractorMs };
}

const noContainer = "0".repeat(64);
const coldRounds = 5;

/** The mixed containers, or the first of them, beside a question that finds none. */
async function grow(plan: Plan, containers: readonly Container[], asked = containers.length): Promise<Growth> {
  const members = containers.slice(0, asked);
  const ids = members.map(({ id }) => id).join(",");
  const [floorMs, extractorMs, noneMs]: [number[], number[], number[]] = [[], [], []];
  for (let round = -1; round < plan.rounds; round++) {
    const times = [
      await timed(plan, floorOf(plan, members)),
      await answered(plan, "ask", ids),
      await answered(plan, "ask", noContainer),
    ] as const;
    if (round < 0) continue;
    for (const [index, list] of [floorMs, extractorMs, noneMs].entries()) list.push(times[index] ?? Number.NaN);
  }
  return { asked, containers: containers.length, processes: countProcesses(), floorMs, extractorMs, noneMs };
}

const floorOf = ({ programs }: Plan, containers: readonly Container[]) => [
  programs.floor,
  ...containers.map(({ pid }) => String(pid)),
];

/** Milliseconds that the program takes. */
async function timed(plan: Plan, command: readonly string[]): Promise<number> {
  return Number(await measure(plan, ["run", ...command], "")) / 1e6;
}

/** Milliseconds until the extractor has answered; the answer is removed. */
async function answered(plan: Plan, how: "ask" | "again", ids: string): Promise<number> {
  const reply = await measure(plan, [how, String(plan.extractorPort), ...extractorCommand(plan)], ids);
  const data = join(plan.root, "data");
  for (const name of readdirSync(data)) rmSync(join(data, name), { recursive: true });
  return Number(reply.split("\n")[0]) / 1e6;
}

async function dropCaches(): Promise<void> {
  await run("sync");
  writeFileSync("/proc/sys/vm/drop_caches", "1");
}

async function measure({ programs, cpu, root }: Plan, words: readonly string[], input: string): Promise<string> {
  const child = spawn(programs.measure, [String(cpu), ...words], { cwd: root, stdio: ["pipe", "pipe", "inherit"] });
  // The floor program does not read it and may be gone already.
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  const ended = new Promise<number | null>((resolve, reject) => child.on("close", resolve).on("error", reject));
  const output = await text(child.stdout);
  const code = await ended;
  if (code !== 0) throw new Error(`Measuring ${words.slice(0, 3).join(" ")} ended with code ${code}: ${output}`);
  return output;
}

/** Extractor and exporter as they stand on a node; both end with `stop`. */
async function startPair(plan: Plan): Promise<{ pids: readonly number[]; stop: () => Promise<void> }> {
  const [program, ...args] = [...extractorCommand(plan), "--log-level", "warn"];
  const { root, extractorPort, exporterPort } = plan;
  const options = { cwd: root, stdio: ["ignore", "ignore", "inherit"] } satisfies Parameters<typeof spawn>[2];
  const address = `127.0.0.1:${extractorPort}`;
  const exporterArgs = ["-port", String(exporterPort), "-extractor", address, "-root", root];
  const pair: ChildProcess[] = [spawn(program, args, options), spawn(plan.programs.exporter, exporterArgs, options)];
  for (const port of [extractorPort, exporterPort]) await untilListening(port);
  return {
    pids: pair.flatMap(({ pid }) => (pid === undefined ? [] : [pid])),
    stop: async () => {
      const ended = pair.map((child) => new Promise((resolve) => child.on("exit", resolve)));
      for (const child of pair) child.kill("SIGKILL");
      await Promise.all(ended);
    },
  };
}

/** Waits without connecting: to the extractor a connection without text is a question for everything. */
async function untilListening(port: number): Promise<void> {
  const listening = new RegExp(
    `^ *\\d+: [0-9A-F]{8}:${port.toString(16).toUpperCase().padStart(4, "0")} \\S+ 0A `,
    "m",
  );
  for (let attempt = 0; attempt < 200; attempt++) {
    if (listening.test(readFileSync("/proc/net/tcp", "latin1"))) return;
    await sleep(25);
  }
  throw new Error(`Nothing listens on port ${port}`);
}

async function ask({ exporterPort }: Plan, query: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ host: "127.0.0.1", port: exporterPort, path: `/gather_runtime_info?${query}`, agent: false }, (response) => {
      text(response).then(
        (body) => (response.statusCode === 200 ? resolve(body) : reject(new Error(`The exporter said: ${body}`))),
        reject,
      );
    }).on("error", reject);
  });
}

/** Ends the benchmark when a container is told wrong: figures of wrong answers would be worth nothing. */
async function check(plan: Plan, containers: readonly Container[]): Promise<void> {
  const { stop } = await startPair(plan);
  const tree = answerSchema.parse(JSON.parse(await ask(plan, "hash=false")));
  await stop();
  const answers: Record<string, string> = {};
  for (const pods of Object.values(tree))
    for (const infos of Object.values(pods))
      for (const [reference, info] of Object.entries(infos)) answers[reference.slice(-64)] = toldAs(info);
  const wrong = wrongAnswers(containers, plan.told, answers);
  if (wrong === undefined) return;
  process.stderr.write(`${wrong}\n`);
  process.exit(1);
}

/** Namespace, pod, container. */
const answerSchema = z.record(z.string(), z.record(z.string(), z.record(z.string(), z.unknown())));

/** Proportional set size of the pair and the extractor's children, in bytes. */
function pairBytes(pids: readonly number[]): number {
  let sum = 0;
  for (const pid of pids) {
    try {
      const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);
      const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
      sum += Number(/^Pss:\s+(\d+) kB$/m.exec(rollup)?.[1] ?? 0) * 1024 + pairBytes(children);
    } catch {
      // A child that ended meanwhile.
    }
  }
  return sum;
}

async function measureMemory(plan: Plan): Promise<Omit<NonNullable<Measured["memory"]>, "heavyBytes">> {
  const { pids, stop } = await startPair(plan);
  await sleep(300);
  const idleBytes = pairBytes(pids);
  let peakBytes = idleBytes;
  const sampler = setInterval(() => {
    peakBytes = Math.max(peakBytes, pairBytes(pids));
  }, 10);
  for (let scan = 0; scan < 10; scan++) await ask(plan, "detail=true");
  clearInterval(sampler);
  await sleep(1500);
  const afterBytes = pairBytes(pids);
  await stop();
  return { idleBytes, peakBytes, afterBytes };
}

/** System calls that one container of each kind adds to a question that finds none. */
async function countCalls(plan: Plan, containers: readonly Container[]): Promise<Measured["calls"]> {
  const found = await run("sh", ["-c", "command -v strace"]).catch(() => undefined);
  if (found === undefined) return {};
  const base = await tracedCalls(plan, "0".repeat(64));
  const calls: Partial<Record<Kind, number>> = {};
  for (const kind of kinds) {
    const container = containers.find((candidate) => candidate.kind === kind);
    if (container !== undefined) calls[kind] = (await tracedCalls(plan, container.id)) - base;
  }
  return calls;
}

async function tracedCalls(plan: Plan, ids: string): Promise<number> {
  const trace = join(plan.root, "trace");
  const tracer = spawn("strace", ["-f", "-qq", "-o", trace, ...extractorCommand(plan), "-l", "warn"], {
    cwd: plan.root,
    stdio: ["ignore", "ignore", "inherit"],
    detached: true,
  });
  await untilListening(plan.extractorPort);
  const socket = createConnection({ port: plan.extractorPort, host: "127.0.0.1", allowHalfOpen: true });
  socket.end(ids);
  const path = (await text(socket)).trim();
  const ended = new Promise((resolve) => tracer.on("close", resolve));
  // The tracer leads a process group that its children are in.
  if (tracer.pid !== undefined) process.kill(-tracer.pid, "SIGKILL");
  await ended;
  rmSync(join(plan.root, path), { recursive: true });
  const lines = readFileSync(trace, "latin1").split("\n");
  return lines.filter((line) => /^\d+ +[a-z_0-9]+\(/.test(line)).length;
}

await main(planSchema.parse(JSON.parse(process.argv[2] ?? "")));
