/** A machine of the cluster: network, mount, pid, uts and ipc namespaces whose init takes everything down with it. */
import { execFile, spawn } from "node:child_process";
import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

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

/** Kills the init, and with it every process of the machine, and waits until it is gone. */
export async function stopMachine(init: ProcessId): Promise<void> {
  if (!isAlive(init)) return;
  process.kill(init.pid, "SIGKILL");
  for (let tries = 0; tries < 600; tries += 1) {
    if (!isAlive(init)) return;
    await sleep(50);
  }
  throw new Error(`ending process ${init.pid}: still there half a minute after SIGKILL`);
}

/** Runs a command inside the machine's namespaces; its standard output. */
export async function inMachine(init: ProcessId, command: readonly string[]): Promise<string> {
  const { stdout } = await run("nsenter", ["-t", String(init.pid), "-n", "-m", "-p", ...command], {
    maxBuffer: 64 * 1024 * 1024,
  });
  return stdout;
}

/** Inits of machines whose script lies below the folder, also those that were started but not yet written down. */
export function findMachines(dir: string): readonly ProcessId[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((entry) => {
      const [program, script] = commandLine(Number(entry));
      const init = program === "bash" && script?.startsWith(`${dir}/`) ? identify(Number(entry)) : undefined;
      return init === undefined ? [] : [init];
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
function identify(pid: number): ProcessId | undefined {
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
