/** Kills the operator beside one write of a change, starts it again, and tells what it wrote and where it ended. */
import { setTimeout as sleep } from "node:timers/promises";
import { waitFor } from "../../hack/kubectl.ts";
import { configPath, gathererSide, nodeSide } from "../api/operator-world.ts";
import type { ApiProxy, Recorded, Seen } from "./api-proxy.ts";
import type { RobustWorld } from "./robust-world.ts";
import { certificateProblems, differences, type State, stateOf } from "./world-state.ts";

/** A change of the world that makes the operator write. */
export interface Scenario {
  readonly name: string;
  /** Leads to the state before the change, from any other. The operator runs. */
  readonly prepare: (world: RobustWorld) => Promise<void>;
  readonly change: (world: RobustWorld) => Promise<void>;
}

/** What an undisturbed run of a scenario wrote, in order, and where it ended. */
export interface Reference {
  readonly writes: readonly string[];
  readonly events: readonly string[];
  readonly end: State;
}

/** `after`: the API server has done the write, and the operator never hears of it. */
export interface KillPoint {
  readonly scenario: Scenario;
  readonly when: "before" | "after";
  readonly write: string;
  /** The how manieth write of this kind it is, from 1. */
  readonly nth: number;
}

const changedSpec = {
  logLevel: "Debug",
  storage: { emptyDir: { sizeLimit: "2Gi" } },
  extractor: { securityProfile: "LeastPrivilege", tolerations: [{ operator: "Exists" }], containerTimeout: "7s" },
};

async function installed({ api }: RobustWorld): Promise<void> {
  await api.setGate("enabled");
  await api.applyConfig({});
  await api.waitForPresent([...gathererSide, ...nodeSide]);
  await api.waitForObserved();
}

export const scenarios: readonly Scenario[] = [
  {
    name: "install",
    prepare: async (world) => {
      const { api } = world;
      await api.setGate("enabled");
      await api.applyConfig({ managementState: "Removed" });
      await api.waitForPresent([]);
      await api.waitForObserved();
      await quiet(world);
      await api.delete(configPath);
      await waitFor("the config to go", async () => ((await api.get(configPath)) === undefined ? true : undefined));
    },
    change: async ({ api }) => void (await api.applyConfig({})),
  },
  {
    name: "update",
    prepare: installed,
    change: async ({ api }) => void (await api.applyConfig(changedSpec)),
  },
  {
    name: "gate off",
    prepare: installed,
    change: ({ api }) => api.setGate("disabled"),
  },
  {
    name: "gate on",
    prepare: async ({ api }) => {
      await api.setGate("disabled");
      await api.applyConfig({});
      await api.waitForPresent(gathererSide);
      await api.waitForObserved();
    },
    change: ({ api }) => api.setGate("enabled"),
  },
  {
    name: "removal",
    prepare: installed,
    change: async ({ api }) => void (await api.applyConfig({ managementState: "Removed" })),
  },
];

/** One run without a kill. */
export async function record(world: RobustWorld, scenario: Scenario): Promise<Reference> {
  const { api, proxy } = world;
  await scenario.prepare(world);
  await quiet(world);
  proxy.forget();
  await scenario.change(world);
  await api.waitForObserved();
  await quiet(world, 5_000);
  const writes = writesOf(proxy).map(writeName);
  return { writes, events: eventsOf(proxy.writes()), end: await stateOf(api) };
}

/** Before and after each write of the reference. */
export function killPoints(scenario: Scenario, { writes }: Reference): readonly KillPoint[] {
  return writes.flatMap((write, index) => {
    const nth = writes.slice(0, index + 1).filter((one) => one === write).length;
    return (["before", "after"] as const).map((when) => ({ scenario, when, write, nth }));
  });
}

/** What is wrong with a run that was killed at that point; nothing when it ended as the reference did. Undefined: the point did not come. */
export async function problemsOfKill(
  world: RobustWorld,
  point: KillPoint,
  reference: Reference,
): Promise<readonly string[] | undefined> {
  const { api, proxy, operator } = world;
  const { scenario } = point;
  await scenario.prepare(world);
  await quiet(world);
  proxy.forget();
  const killed = arm(world, point);
  await scenario.change(world);
  const reached = await Promise.race([killed.done.then(() => true), sleep(30_000, false)]);
  killed.disarm();
  if (!reached) return undefined;
  const done = proxy.requests.filter((request) => request.isWrite && isDone(request, killed.last()));
  proxy.forget();
  operator.start();
  await operator.waitUntilRun();
  let found: readonly string[] = [];
  await waitFor(
    "the end state",
    async () => {
      found = differences(reference.end, await stateOf(api));
      return found.length === 0 ? true : undefined;
    },
    { timeoutMs: 60_000, everyMs: 150 },
  ).catch(() => undefined);
  await quiet(world);
  const again = writesOf(proxy).map(writeName);
  return [
    ...(found.length > 0 ? found : differences(reference.end, await stateOf(api))),
    ...(await certificateProblems(api)),
    ...tooMany(reference, done.map(writeName), again),
    ...repeatedEvents(reference, [...eventsOf(done), ...eventsOf(proxy.writes())]),
    ...operator.exits.map((exit) => `ended by itself: ${exit}`),
  ];
}

/** Writes but of the Lease. */
function writesOf(proxy: ApiProxy): readonly Recorded[] {
  return proxy.writes().filter(({ path }) => !path.includes("/leases/"));
}

function writeName({ method, path }: Seen): string {
  return `${method} ${path}`;
}

const isStatus = (write: string) => write.endsWith("/status");
const isEvent = (write: string) => write.endsWith("/events");

/** What was written again although it was right, and statuses beyond the reference's: one more may tell of the interrupted state. */
function tooMany(reference: Reference, done: readonly string[], again: readonly string[]): readonly string[] {
  const missing = [...reference.writes];
  for (const write of done) remove(missing, write);
  const objects = again.filter((write) => !isStatus(write) && !isEvent(write));
  const superfluous = objects.filter((write) => !remove(missing, write)).map((write) => `written again: ${write}`);
  const statuses = again.filter(isStatus).length;
  const allowed = reference.writes.filter(isStatus).length + 1;
  return [...superfluous, ...(statuses > allowed ? [`${statuses} statuses, at most ${allowed} were due`] : [])];
}

function remove(from: string[], one: string): boolean {
  const index = from.indexOf(one);
  if (index >= 0) from.splice(index, 1);
  return index >= 0;
}

/** An event may be lost with the process that was about to tell it, and none is told twice. */
function repeatedEvents(reference: Reference, told: readonly string[]): readonly string[] {
  const due = [...reference.events];
  return told.filter((event) => !remove(due, event)).map((event) => `told once too often: ${event}`);
}

function eventsOf(writes: readonly Recorded[]): readonly string[] {
  return writes
    .filter((write) => isEvent(writeName(write)))
    .map(({ body }) => /"reason":"[^"]*","message":"[^"]*"/.exec(body)?.[0] ?? body);
}

function isDone(request: Recorded, last: Seen | undefined): boolean {
  return request === last || (request.status !== undefined && request.status < 300);
}

/** Kills the operator at that point. `last` is the write that was done without its answer. */
function arm(
  { proxy, operator }: RobustWorld,
  { when, write, nth }: KillPoint,
): { readonly done: Promise<void>; last(): Seen | undefined; disarm(): void } {
  const { promise: done, resolve } = Promise.withResolvers<void>();
  let seen = 0;
  let last: Seen | undefined;
  const kill = async (request: Seen) => {
    if (!request.isWrite || writeName(request) !== write) return "pass";
    seen += 1;
    if (seen !== nth) return "pass";
    await operator.kill();
    if (when === "after") last = request;
    resolve();
    return "cut";
  };
  const disarm = when === "before" ? proxy.onRequest(kill) : proxy.onAnswer(kill);
  return { done, last: () => last, disarm };
}

/** Resolves when nothing but the Lease has been written for that long. */
export async function quiet({ proxy }: RobustWorld, forMs = 700): Promise<void> {
  const newest = () => Math.max(0, ...writesOf(proxy).map(({ atMs }) => atMs));
  const startedMs = Date.now();
  while (Date.now() - Math.max(newest(), startedMs) < forMs) await sleep(50);
}
