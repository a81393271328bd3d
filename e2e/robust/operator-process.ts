/** The operator as the process that a pod would run, under its shipped service account, to be killed, stopped and started again. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { z } from "zod";
import { cloneDir } from "../../hack/cache.ts";
import { waitFor } from "../../hack/kubectl.ts";
import type { Images } from "../../src/core/desired-input.ts";

export interface OperatorProcessOptions {
  readonly kubeconfig: string;
  /** Two processes of the same name and uid are one pod whose container was restarted; default `operator-0`. */
  readonly podName?: string;
  readonly podUid?: string;
  /** Default `short`: 20, 14 and 2 seconds; `default` gives no numbers. */
  readonly lease?: "short" | "default";
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Folder whose src/ is run; default: this clone. */
  readonly root?: string;
}

export const namespace = "runtime-insights";
export const images: Images = { extractor: "e:1", exporter: "x:1", proxy: "p:1", gatherer: "g:1" };
/** Short, so that a test can wait for them. */
const shortLease = [
  ...["--leader-elect-lease-duration", "20", "--leader-elect-renew-deadline", "14", "--leader-elect-retry-period", "2"],
];
const maxLogLines = 20_000;
const logLineSchema = z.looseObject({
  msg: z.string(),
  port: z.number().optional(),
  metricsPort: z.number().optional(),
});
export type LogLine = z.infer<typeof logLineSchema>;

export class OperatorProcess {
  /** What the present and earlier processes logged, oldest first, with what is no JSON as it is. */
  readonly log: (LogLine | { readonly msg: string })[] = [];
  readonly #options: OperatorProcessOptions;
  #child: ChildProcess | undefined;
  #ports: { readonly health: number; readonly metrics: number } | undefined;
  #isEndExpected = false;
  /** How processes ended that nobody here told to. */
  readonly exits: string[] = [];
  readonly podName: string;

  constructor(options: OperatorProcessOptions) {
    this.#options = options;
    this.podName = options.podName ?? "operator-0";
  }

  /** Starts a process; see `waitUntilRun` for when it has done something. Ends with this process at the latest. */
  start(): void {
    if (this.isRunning) throw new Error("the operator runs already");
    const { kubeconfig, podUid = "uid-0", lease = "short", args = [], env = {}, root = cloneDir } = this.#options;
    const { podName } = this;
    const main = join(root, "src/bin/main.ts");
    const own = ["--kubeconfig", kubeconfig, "--address", "127.0.0.1", "--port", "0", "--metrics-port", "0"];
    const command = [
      process.execPath,
      "--max-semi-space-size=1",
      main,
      ...own,
      "--log-level",
      "info",
      ...(lease === "short" ? shortLease : []),
      ...args,
    ];
    const child = spawn("setpriv", ["--pdeathsig", "KILL", ...command], {
      cwd: cloneDir,
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        ...{ PATH: process.env.PATH, HOSTNAME: podName, POD_NAME: podName, POD_UID: podUid, POD_NAMESPACE: namespace },
        RELATED_IMAGE_INSIGHTS_RUNTIME_EXTRACTOR: images.extractor,
        RELATED_IMAGE_INSIGHTS_RUNTIME_EXPORTER: images.exporter,
        RELATED_IMAGE_KUBE_RBAC_PROXY: images.proxy,
        RELATED_IMAGE_INSIGHTS_GATHERER: images.gatherer,
        ...env,
      },
    });
    this.#child = child;
    this.#ports = undefined;
    this.#isEndExpected = false;
    let rest = "";
    const hear = (chunk: Buffer) => {
      const lines = (rest + chunk.toString("utf8")).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.#hear(line, child);
    };
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    child.once("exit", (code, signal) => {
      if (!this.#isEndExpected || this.#child !== child) this.exits.push(`code ${code}, signal ${signal}`);
    });
  }

  get isRunning(): boolean {
    const child = this.#child;
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  /** It has said so, and ends in order when it is told to; before that a signal ends it like any process. */
  get hasStarted(): boolean {
    return this.#ports !== undefined;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** As a crash of the node: nothing is said to anybody. Resolves when the process is gone. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** As the kubelet ends a pod. Resolves with the exit code when the process is gone. */
  terminate(): Promise<number | null> {
    return this.#end("SIGTERM");
  }

  /** The process gets no time until `thaw`. */
  freeze(): void {
    this.#child?.kill("SIGSTOP");
  }

  thaw(): void {
    this.#child?.kill("SIGCONT");
  }

  /** Resolves when every loop of this process has run to its end once: it leads, and has looked at the whole cluster. */
  async waitUntilRun(timeoutMs = 120_000): Promise<void> {
    await waitFor(
      "the operator's first runs",
      async () => {
        if (!this.isRunning) throw new Error(`the operator has ended: ${this.lastWords()}`);
        const runs = await this.metric("runtime_insights_operator_runs_total");
        const done = runs.filter(({ labels }) => labels.includes('result="done"'));
        return done.length > 0 && done.every(({ value }) => value > 0) ? true : undefined;
      },
      { timeoutMs, everyMs: 50 },
    ).catch((cause: unknown) => {
      throw new Error(`${String(cause)}: ${this.lastWords()}`, { cause });
    });
  }

  /** The series of a metric; none while the process does not listen. */
  async metric(name: string): Promise<readonly { readonly labels: string; readonly value: number }[]> {
    const text = await this.ask("/metrics").catch(() => "");
    return text.split("\n").flatMap((line) => {
      const [, found, labels = "", value] = /^(\w+)(\{.*\})? (\S+)$/.exec(line) ?? [];
      return found === name ? [{ labels, value: Number(value) }] : [];
    });
  }

  /** What it answers to that path, whatever the status; throws when it does not. */
  async ask(path: "/healthz" | "/readyz" | "/metrics", timeoutMs = 5_000): Promise<string> {
    if (this.#ports === undefined) throw new Error("the operator does not listen yet");
    const port = path === "/metrics" ? this.#ports.metrics : this.#ports.health;
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(timeoutMs) });
    return answer.text();
  }

  /** How often it has said so. */
  timesSaid(msg: string): number {
    return this.log.filter((line) => line.msg === msg).length;
  }

  /** Resolves when it has said so more often than that. */
  async waitUntilSaid(msg: string, { timeoutMs = 90_000, times = 0 } = {}): Promise<void> {
    await waitFor(`"${msg}"`, async () => this.timesSaid(msg) > times || undefined, { timeoutMs, everyMs: 20 }).catch(
      (cause: unknown) => {
        throw new Error(`${String(cause)}: ${this.lastWords()}`, { cause });
      },
    );
  }

  /** Resolves to the exit code when it has ended by itself and all it said is in the log. */
  async ended(): Promise<number | null> {
    if (this.isRunning && this.#child !== undefined) await once(this.#child, "close");
    return this.#child?.exitCode ?? null;
  }

  /** The end of the log, for the message of a failed test. */
  lastWords(lines = 6): string {
    return this.log
      .slice(-lines)
      .map((line) => JSON.stringify(line))
      .join("\n");
  }

  #hear(line: string, from: ChildProcess): void {
    const said = parseLine(line);
    this.log.push(said);
    if (this.log.length > maxLogLines) this.log.splice(0, maxLogLines / 2);
    if (from !== this.#child || !("port" in said)) return;
    const { port: health, metricsPort: metrics } = said;
    if (health !== undefined && metrics !== undefined) this.#ports = { health, metrics };
  }

  async #end(signal: "SIGKILL" | "SIGTERM"): Promise<number | null> {
    const child = this.#child;
    if (child === undefined) return null;
    if (this.isRunning) {
      this.#isEndExpected = true;
      const ended = once(child, "exit");
      child.kill(signal);
      child.kill("SIGCONT");
      await ended;
    }
    return child.exitCode;
  }
}

function parseLine(line: string): LogLine | { readonly msg: string } {
  try {
    return logLineSchema.parse(JSON.parse(line));
  } catch {
    return { msg: line };
  }
}
