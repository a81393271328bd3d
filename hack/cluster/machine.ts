/** A machine of the cluster: network, mount, pid, uts and ipc namespaces whose init takes everything down with it. */
import { spawn } from "node:child_process";
import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";

/** A process that cannot be confused with a later one of the same number. */
export interface ProcessId {
  readonly pid: number;
  /** Clock ticks since boot. */
  readonly startTicks: string;
}

/** Starts the script as init of new namespaces and gives back that init as this machine sees it. */
export async function startMachine(script: string, logFile: string): Promise<ProcessId> {
  const log = openSync(logFile, "a");
  const flags = ["--net", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child=SIGKILL"];
  const child = spawn("unshare", [...flags, "bash", script], { detached: true, stdio: ["ignore", log, log], cwd: "/" });
  closeSync(log);
  child.unref();
  const outer = child.pid;
  if (outer === undefined) throw new Error(`starting ${script}: unshare could not be run`);
  for (let tries = 0; tries < 100; tries += 1) {
    const inner = Number(childrenOf(outer)[0]);
    const identified = inner > 0 ? identify(inner) : undefined;
    if (identified !== undefined) return identified;
    await sleep(50);
  }
  throw new Error(`starting ${script}: its namespaces could not be made, see ${logFile}`);
}

export function isAlive({ pid, startTicks }: ProcessId): boolean {
  return identify(pid)?.startTicks === startTicks;
}

/**
 * Kills every machine whose script lies below the folder, also those that were started but not yet written down, and waits
 * until their processes are gone. The names of their folders, sorted.
 */
export async function stopMachines(dir: string): Promise<readonly string[]> {
  const stopped = new Set<string>();
  for (let rounds = 0; rounds < 20; rounds += 1) {
    const found = findMachines(dir);
    // An init takes its machine along; `unshare` alone is left when it was caught between making namespaces and running it.
    const inits = found.filter(({ program }) => program === "bash");
    for (const { id, script } of inits.length > 0 ? inits : found) {
      stopped.add(basename(dirname(script)));
      await stop(id);
    }
    if (found.length === 0) return [...stopped].sort();
  }
  throw new Error(`ending the machines of ${dir}: something starts them again`);
}

async function stop(id: ProcessId): Promise<void> {
  if (!isAlive(id)) return;
  process.kill(id.pid, "SIGKILL");
  for (let tries = 0; tries < 600; tries += 1) {
    if (!isAlive(id)) return;
    await sleep(50);
  }
  throw new Error(`ending process ${id.pid}: still there half a minute after SIGKILL`);
}

/** Kills a process that leads a group of its own, and its group; does nothing when it is gone. */
export function endGroup(id: ProcessId): void {
  if (isAlive(id)) process.kill(-id.pid, "SIGKILL");
}

/** Runs a command inside the machine's namespaces, with a file as its standard input when one is named; its standard output. */
export async function inMachine(init: ProcessId, command: readonly string[], inputFile?: string): Promise<string> {
  const input = inputFile === undefined ? "ignore" : openSync(inputFile, "r");
  const args = ["-t", String(init.pid), "-n", "-m", "-p", ...command];
  const child = spawn("nsenter", args, { stdio: [input, "pipe", "pipe"] });
  if (typeof input === "number") closeSync(input);
  const { stdout, stderr } = child;
  if (stdout === null || stderr === null) throw new Error("nsenter was started without pipes");
  const ended = new Promise<number | null>((resolve, reject) => child.once("error", reject).once("close", resolve));
  const [code, output, errors] = await Promise.all([ended, text(stdout), text(stderr)]);
  if (code !== 0) throw new Error(`running ${command.join(" ")} in a machine: ${errors.trim()}`);
  return output;
}

function findMachines(dir: string): readonly { id: ProcessId; program: string; script: string }[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((entry) => {
      const [program = "", ...args] = commandLine(Number(entry));
      const script = (program === "unshare" ? args : args.slice(0, 1)).find((arg) => arg.startsWith(`${dir}/`));
      if ((program !== "bash" && program !== "unshare") || script === undefined) return [];
      const id = identify(Number(entry));
      return id === undefined ? [] : [{ id, program, script }];
    });
}

function commandLine(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    return [];
  }
}

/** What identifies a running process; undefined when it is gone or a zombie. */
export function identify(pid: number): ProcessId | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [state, startTicks] = [fields[0], fields[19]];
    return startTicks === undefined || state === "Z" ? undefined : { pid, startTicks };
  } catch {
    return undefined;
  }
}

function childrenOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ");
  } catch {
    return [];
  }
}
