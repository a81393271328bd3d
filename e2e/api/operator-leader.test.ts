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
import { gathererSide, namespace, nodeSide, OperatorWorld } from "./operator-world.ts";

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

  /** Null while it runs. */
  exitCode(): number | null {
    return this.#child.exitCode;
  }

  /** Resolves to its exit code when it ends by itself. */
  async ended(): Promise<number | null> {
    if (this.#child.exitCode === null) await once(this.#child, "exit");
    return this.#child.exitCode;
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

/** The one that leads, and the one that waits. */
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

test("its container is killed and restarted in the same pod: it leads again at once", async () => {
  const before = await lease();
  await first.end("SIGKILL");
  first = await Replica.start(first.name, before.holderIdentity.split("_")[1] ?? "");
  const startedMs = Date.now();
  await first.waitUntilSaid("Leading", 5_000);
  assert.ok(Date.now() - startedMs < 5_000);
  assert.is((await lease()).leaseTransitions, before.leaseTransitions);
});

test("the Lease is deleted, then edited by hand: the same one goes on leading", async () => {
  await world.delete(leasePath);
  await waitFor("the Lease", async () => (await world.get(leasePath)) ?? undefined, { timeoutMs: 10_000 });
  await world.patch(leasePath, { spec: { leaseDurationSeconds: 9_999, renewTime: null } });
  await waitFor("the renewal", async () => ((await lease()).leaseDurationSeconds === 10 ? true : undefined));
  assert.equal([first.times("Leading"), second.times("Leading")], [1, 0]);
});

test("it is paused past its deadline: the other one leads, and when it goes on it writes nothing", async () => {
  first.signal("SIGSTOP");
  const leadingMs = await second.waitUntilSaid("Leading", 20_000);
  await world.setGate("enabled");
  await world.waitForPresent([...gathererSide, ...nodeSide]);
  const before = await world.versions();
  // Work that the paused one has not seen yet, and would do now if it wrote.
  second.signal("SIGSTOP");
  await world.setGate("disabled");
  first.signal("SIGCONT");
  await first.waitUntilSaid("Lost the Lease, waiting for it again", 5_000);
  await sleep(1_500);
  assert.equal(await world.versions(), before);
  assert.is(first.said("Applied") === undefined || (first.said("Applied") ?? 0) < leadingMs, true);
  second.signal("SIGCONT");
});

test("both go on: one of them leads, and does what is to be done", async () => {
  await world.waitForPresent(gathererSide);
  const { holderIdentity } = await lease();
  if (holderIdentity.startsWith(first.name)) return;
  [first, second] = [second, first];
  assert.ok(holderIdentity.startsWith(first.name));
});

test("the API server is away for longer than the Lease lasts: nobody ends, and one leads when it is back", async () => {
  await world.server.crash(12_000);
  await world.setGate("enabled");
  await world.waitForPresent([...gathererSide, ...nodeSide]);
  assert.equal([first.exitCode(), second.exitCode()], [null, null]);
});

test("SIGTERM: it ends with code 0 and gives the Lease back, and the other one leads within a retry period", async () => {
  const { holderIdentity } = await lease();
  if (!holderIdentity.startsWith(first.name)) [first, second] = [second, first];
  assert.is(await first.end(), 0);
  const endedMs = Date.now();
  const leadingMs = await second.waitUntilSaid("Leading", 5_000);
  assert.ok(leadingMs - endedMs < 3_500, `after ${leadingMs - endedMs} ms`);
  assert.is(await second.end(), 0);
  assert.is((await lease()).holderIdentity, "");
});

test("with the numbers that it has when nothing is said: a rollout costs at most one retry period of 26 seconds", async () => {
  first = await Replica.start("pod-c", "3", []);
  await first.waitUntilSaid("Leading");
  assert.equal((await lease()).leaseDurationSeconds, 137);
  second = await Replica.start("pod-d", "4", []);
  await second.waitUntilSaid("Operator started");
  await sleep(2_000);
  assert.is(await first.end(), 0);
  const endedMs = Date.now();
  const leadingMs = await second.waitUntilSaid("Leading", 35_000);
  assert.ok(leadingMs - endedMs < 30_000, `after ${leadingMs - endedMs} ms`);
});

const misuses: readonly { readonly options: readonly string[]; readonly says: RegExp }[] = [
  {
    options: ["--leader-elect-lease-duration=5s"],
    says: /--leader-elect-lease-duration is a number of seconds, not "5s"/,
  },
  { options: ["--leader-elect-renew-deadline=200"], says: /lease duration must be longer than the renew deadline/ },
];
for (const { options, says } of misuses)
  test(`${options.join(" ")} is refused with a sentence and code 2`, async () => {
    const replica = await Replica.start("pod-e", "5", options);
    assert.is(await replica.ended(), 2);
    assert.match(replica.errors, says);
  });

test.after(async () => {
  await Promise.all([first, second].map((replica) => replica?.end("SIGKILL")));
  await world?.stop();
});

test.run();
