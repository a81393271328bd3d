/** Leader election with real processes: one writes, the others wait for its Lease. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import { cloneDir } from "../../hack/cache.ts";
import { waitFor } from "../../hack/kubectl.ts";
import { gathererSide, namespace, OperatorWorld } from "./operator-world.ts";

const leasePath = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/runtime-insights-operator`;
const leaseSchema = z.object({
  spec: z.object({ holderIdentity: z.string(), leaseDurationSeconds: z.number(), leaseTransitions: z.number() }),
});
const lineSchema = z.looseObject({ msg: z.string(), time: z.string() });

/** Kept short, since tests wait for them. */
const short = ["--leader-elect-lease-duration=10", "--leader-elect-renew-deadline=7", "--leader-elect-retry-period=2"];

let world: OperatorWorld;

/** An operator as its own process. */
class Replica {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #lines: { readonly msg: string; readonly timeMs: number }[] = [];
  errors = "";

  private constructor(name: string, child: ChildProcess) {
    this.name = name;
    this.#child = child;
    let rest = "";
    child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
      const parts = (rest + chunk).split("\n");
      rest = parts.pop() ?? "";
      for (const part of parts) {
        const { msg, time } = lineSchema.parse(JSON.parse(part));
        this.#lines.push({ msg, timeMs: Date.parse(time) });
      }
    });
    child.stderr?.setEncoding("utf8").on("data", (chunk: string) => (this.errors += chunk));
  }

  static async start(name: string, uid: string, options: readonly string[] = short): Promise<Replica> {
    const kubeconfig = await world.accountConfig("runtime-insights-operator");
    const images = Object.fromEntries(
      ["INSIGHTS_RUNTIME_EXTRACTOR", "INSIGHTS_RUNTIME_EXPORTER", "KUBE_RBAC_PROXY", "INSIGHTS_GATHERER"].map(
        (image) => [`RELATED_IMAGE_${image}`, "image:1"],
      ),
    );
    const child = spawn(
      process.execPath,
      [
        join(cloneDir, "src/bin/main.ts"),
        "--kubeconfig",
        kubeconfig,
        "--address=127.0.0.1",
        "--port=0",
        "--metrics-port=0",
        ...options,
      ],
      { env: { ...process.env, ...images, POD_NAMESPACE: namespace, POD_NAME: name, POD_UID: uid } },
    );
    return new Replica(name, child);
  }

  /** When it said so last; undefined when it has not. */
  said(msg: string): number | undefined {
    return this.#lines.findLast((line) => line.msg === msg)?.timeMs;
  }

  times(msg: string): number {
    return this.#lines.filter((line) => line.msg === msg).length;
  }

  async waitUntilSaid(msg: string, timeoutMs = 30_000): Promise<number> {
    return waitFor(`${this.name} to say "${msg}"; ${this.errors}`, async () => this.said(msg), {
      everyMs: 50,
      timeoutMs,
    });
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Resolves to its exit code. */
  async end(signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = once(this.#child, "exit");
      this.#child.kill("SIGCONT");
      this.#child.kill(signal);
      await ended;
    }
    return this.#child.exitCode;
  }
}

async function lease() {
  return leaseSchema.parse(await world.admin.call({ path: leasePath }).then(({ body }) => body)).spec;
}

let first: Replica;
let second: Replica;

test("an API server with our kinds and a config", async () => {
  world = await OperatorWorld.start({ controllers: false });
  await world.applyCrds();
  await world.applyConfig({});
});

test("of two replicas one leads", async () => {
  [first, second] = await Promise.all([Replica.start("pod-a", "1"), Replica.start("pod-b", "2")]);
  await waitFor("a leader", async () => (first.said("Leading") ?? second.said("Leading")) !== undefined || undefined);
  if (first.said("Leading") === undefined) [first, second] = [second, first];
  await world.waitForPresent(gathererSide);
  await sleep(5_000);
  assert.is(second.said("Leading"), undefined);
  assert.match((await lease()).holderIdentity, new RegExp(`^${first.name}_[12]$`));
  assert.is((await lease()).leaseDurationSeconds, 10);
});

test.after(async () => {
  await Promise.all([first, second].map((replica) => replica?.end("SIGKILL")));
  await world?.stop();
});

test.run();
