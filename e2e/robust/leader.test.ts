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
  assert.is((await lease()).leaseDurationSeconds, 20);
});

test("the Lease is deleted, then edited by hand: the same one goes on leading", async () => {
  await world.delete(leasePath);
  await waitFor("the Lease", () => world.get(leasePath), { timeoutMs: 60_000 });
  await world.patch(leasePath, { spec: { leaseDurationSeconds: 9_999, renewTime: null } });
  await waitFor("the renewal", async () => ((await lease()).leaseDurationSeconds === 20 ? true : undefined));
  assert.equal([first.timesSaid("Leading"), second.timesSaid("Leading")], [1, 0]);
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
  await world.server.crash(23_000);
  await world.setGate("enabled");
  await world.waitForPresent([...gathererSide, ...nodeSide]);
  assert.equal([first.isRunning, second.isRunning], [true, true]);
});

test("SIGTERM: both end with code 0, and the last one gives the Lease back", async () => {
  await sortByLease();
  assert.is(await second.terminate(), 0);
  assert.is(await first.terminate(), 0);
  assert.is((await lease()).holderIdentity, "");
});

/** Whoever leads within this time has not waited for the end of a Lease of 137 seconds. */
const beforeItsEnd = { timeoutMs: 100_000 };

test("with the numbers that hold when nothing is said, its container is killed and restarted in the same pod: it leads again at once", async () => {
  first = await operator("pod-c", { lease: "default" });
  await first.waitUntilSaid("Leading");
  const { leaseDurationSeconds, leaseTransitions } = await lease();
  assert.is(leaseDurationSeconds, 137);
  second = await operator("pod-d", { lease: "default" });
  await second.waitUntilSaid("Operator started");
  await first.kill();
  first.start();
  await first.waitUntilSaid("Leading", { times: 1, ...beforeItsEnd });
  assert.is((await lease()).leaseTransitions, leaseTransitions);
  assert.is(second.timesSaid("Leading"), 0);
});

test("SIGTERM: it gives the Lease back, and the other one leads after a retry period of 26 seconds", async () => {
  assert.is(await first.terminate(), 0);
  await second.waitUntilSaid("Leading", beforeItsEnd);
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
