/** Leader election with real processes: one writes, the others wait for its Lease. */
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import { waitFor } from "../../hack/kubectl.ts";
import { gathererSide, namespace, nodeSide, OperatorWorld } from "../api/operator-world.ts";
import { OperatorProcess, type OperatorProcessOptions } from "./operator-process.ts";

const leasePath = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/runtime-insights-operator`;
const leaseSchema = z.object({
  spec: z.object({ holderIdentity: z.string(), leaseDurationSeconds: z.number(), leaseTransitions: z.number() }),
});

let world: OperatorWorld;
/** The one that leads, and the one that waits. */
let first: OperatorProcess;
let second: OperatorProcess;
/** Every one that was made: one that stays would keep this process from ending. */
const made: OperatorProcess[] = [];

async function operator(podName: string, options: Partial<OperatorProcessOptions> = {}): Promise<OperatorProcess> {
  const kubeconfig = await world.accountConfig("runtime-insights-operator");
  const process = new OperatorProcess({ kubeconfig, podName, podUid: `uid-of-${podName}`, ...options });
  made.push(process);
  process.start();
  return process;
}

/** Resolves to what is there when nothing of it has changed for a second. */
async function settled(): ReturnType<OperatorWorld["versions"]> {
  let last = await world.versions();
  return waitFor("the cluster to come to rest", async () => {
    await sleep(1_000);
    const before = last;
    last = await world.versions();
    return JSON.stringify(last) === JSON.stringify(before) ? last : undefined;
  });
}

async function lease() {
  return leaseSchema.parse(await world.admin.call({ path: leasePath }).then(({ body }) => body)).spec;
}

/** The names are changed so that `first` is the one that holds the Lease. */
async function sortByLease(): Promise<void> {
  if (!(await lease()).holderIdentity.startsWith(`${first.podName}_`)) [first, second] = [second, first];
  assert.is((await lease()).holderIdentity, `${first.podName}_uid-of-${first.podName}`);
}

test("an API server with our kinds and a config", async () => {
  world = await OperatorWorld.start({ controllers: false });
  await world.applyCrds();
  await world.applyConfig({});
});

test("of two replicas one leads", async () => {
  [first, second] = [await operator("pod-a"), await operator("pod-b")];
  const leads = (process: OperatorProcess) => process.timesSaid("Leading");
  await waitFor("a leader", async () => leads(first) + leads(second) > 0 || undefined);
  await sortByLease();
  await world.waitForPresent(gathererSide);
  await sleep(5_000);
  assert.is(second.timesSaid("Leading"), 0);
  assert.is((await lease()).leaseDurationSeconds, 10);
});

test("its container is killed and restarted in the same pod: it leads again at once", async () => {
  const { leaseTransitions } = await lease();
  await first.kill();
  const startedMs = Date.now();
  first.start();
  await first.waitUntilSaid("Leading", { times: 1 });
  // Before the Lease of ten seconds runs out.
  assert.ok(Date.now() - startedMs < 9_000, `after ${Date.now() - startedMs} ms`);
  assert.is((await lease()).leaseTransitions, leaseTransitions);
});

test("the Lease is deleted, then edited by hand: the same one goes on leading", async () => {
  await world.delete(leasePath);
  await waitFor("the Lease", () => world.get(leasePath), { timeoutMs: 10_000 });
  await world.patch(leasePath, { spec: { leaseDurationSeconds: 9_999, renewTime: null } });
  await waitFor("the renewal", async () => ((await lease()).leaseDurationSeconds === 10 ? true : undefined));
  assert.equal([first.timesSaid("Leading"), second.timesSaid("Leading")], [2, 0]);
});

test("it is paused past its deadline: the other one leads, and when it goes on it writes nothing", async () => {
  first.freeze();
  await second.waitUntilSaid("Leading");
  await world.setGate("enabled");
  await world.waitForPresent([...gathererSide, ...nodeSide]);
  const before = await settled();
  second.freeze();
  // Work that the one that was paused has not seen yet, and would do now if it wrote.
  await world.setGate("disabled");
  first.thaw();
  await first.waitUntilSaid("Lost the Lease, waiting for it again");
  await sleep(1_500);
  assert.equal(await world.versions(), before);
  second.thaw();
});

test("both go on: one of them leads, and does what is to be done", async () => {
  await world.waitForPresent(gathererSide);
  await sortByLease();
});

test("the API server is away for longer than the Lease lasts: nobody ends, and one leads when it is back", async () => {
  await world.server.crash(12_000);
  await world.setGate("enabled");
  await world.waitForPresent([...gathererSide, ...nodeSide]);
  assert.equal([first.isRunning, second.isRunning], [true, true]);
});

test("SIGTERM: it ends with code 0 and gives the Lease back, and the other one leads within a retry period", async () => {
  await sortByLease();
  const times = second.timesSaid("Leading");
  assert.is(await first.terminate(), 0);
  const endedMs = Date.now();
  await second.waitUntilSaid("Leading", { times });
  assert.ok(Date.now() - endedMs < 4_000, `after ${Date.now() - endedMs} ms`);
  assert.is(await second.terminate(), 0);
  assert.is((await lease()).holderIdentity, "");
});

test("with the numbers that hold when nothing is said: a rollout costs at most one retry period of 26 seconds", async () => {
  first = await operator("pod-c", { lease: "default" });
  await first.waitUntilSaid("Leading");
  assert.equal((await lease()).leaseDurationSeconds, 137);
  second = await operator("pod-d", { lease: "default" });
  await second.waitUntilSaid("Operator started");
  await sleep(2_000);
  assert.is(await first.terminate(), 0);
  const endedMs = Date.now();
  await second.waitUntilSaid("Leading", { timeoutMs: 40_000 });
  assert.ok(Date.now() - endedMs < 31_000, `after ${Date.now() - endedMs} ms`);
});

const misuses: readonly { readonly args: readonly string[]; readonly says: RegExp }[] = [
  {
    args: ["--leader-elect-lease-duration=5s"],
    says: /--leader-elect-lease-duration is a number of seconds, not "5s"/,
  },
  { args: ["--leader-elect-renew-deadline=200"], says: /lease duration must be longer than the renew deadline/ },
];
for (const { args, says } of misuses)
  test(`${args.join(" ")} is refused with a sentence and code 2`, async () => {
    const refused = await operator("pod-e", { lease: "default", args });
    assert.is(await refused.ended(), 2);
    assert.match(refused.log.map(({ msg }) => msg).join("\n"), says);
  });

test.after(async () => {
  await Promise.all(made.map((process) => process.kill()));
  await world?.stop();
});

test.run();
