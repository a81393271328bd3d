/** The operator's process through every fault of the way to the API server: the same end, no exit, no storm, no write too many. */
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { waitFor } from "../../hack/kubectl.ts";
import { configPath, gathererSide, nodeSide } from "../api/operator-world.ts";
import type { Answer, ApiProxy, Seen, WatchEvent } from "./api-proxy.ts";
import { comeThrough, describeWrite, type Fault, install, others, quiet, watchHealth } from "./faults.ts";
import { breakConnections, type TcpReport } from "./faults-tcp.ts";
import type { OperatorProcess } from "./operator-process.ts";
import { type RobustWorld, startRobustWorld } from "./robust-world.ts";
import { type State, stateOf } from "./world-state.ts";

const steadyMs = Number(process.env.RUNTIME_INSIGHTS_STEADY_MINUTES ?? "1") * 60_000;
const expired = { type: "ERROR", object: { kind: "Status", code: 410, reason: "Expired", message: "too old" } };

let world: RobustWorld;
let reference: State;
let health: ReturnType<typeof watchHealth>;
/** Beside the others, since it waits for most of its time. */
let tcp: Promise<TcpReport | { readonly problem: unknown }>;

test("the operator installs through the proxy", async () => {
  world = await startRobustWorld({ controllers: false });
  tcp = breakConnections().catch((problem: unknown) => ({ problem }));
  world.operator.start();
  await world.operator.waitUntilRun();
  health = watchHealth(world.operator);
  await install(world.api);
  await quiet(world.proxy);
  reference = await stateOf(world.api);
});
test.after(() => world?.stop());

test("steady state: no write but the Lease, and few reads", async () => {
  const { proxy, api } = world;
  proxy.forget();
  const before = await api.versions();
  await sleep(steadyMs);
  const requests = others(proxy.requests);
  assert.equal(requests.filter(({ isWrite }) => isWrite).map(describeWrite), []);
  assert.equal(await api.versions(), before);
  const perHour = Math.round((requests.length / steadyMs) * 3_600_000);
  const watches = requests.filter(({ isWatch }) => isWatch).length;
  console.log(`  steady state: ${requests.length} requests in ${steadyMs / 1000} s, ${watches} of them watches`);
  // At most one look at everything each 100 s, and a watch each 5 minutes.
  assert.ok(requests.length <= 30 * Math.ceil(steadyMs / 100_000) + 18 * Math.ceil(steadyMs / 300_000), `${perHour}/h`);
});

const notLease = ({ path }: Seen) => !path.includes("/leases/");
const answering = (status: number, headers: Record<string, string> = {}): Answer => ({ status, headers, body: "{}" });

/** A single object of ours, and not the config. */
const isOfObject = (path: string) => /\/runtime-insights-[^/]+$/.test(path) && !path.includes("/leases/");

/** Early, before pods that nobody makes ready are told: then nothing at all is written. */
test("every object's reads fail every other time: what is tried once more is not told", async () => {
  const { api, proxy } = world;
  const asked = new Map<string, number>();
  const undo = proxy.onRequest((request) => {
    const { path, query, isWatch, isWrite } = request;
    if (isWatch || isWrite || query.resourceVersion !== undefined || !isOfObject(path)) return "pass";
    const times = (asked.get(path) ?? 0) + 1;
    asked.set(path, times);
    if (times % 2 === 0) return "pass";
    return asked.size % 2 === 0 ? "cut" : answering(500);
  });
  proxy.forget();
  for (const run of [1, 2]) {
    await api.patch(configPath, { metadata: { annotations: { run: `${run}` } } });
    const looked = () => [...asked.values()].filter((times) => times >= 2 * run).length;
    await waitFor("each object to be read twice", async () => (looked() >= 20 ? true : undefined));
    await sleep(300);
  }
  undo();
  await api.patch(configPath, { metadata: { annotations: { run: null } } });
  await quiet(proxy);
  assert.equal(others(proxy.writes()).map(describeWrite), []);
});

/** Each second, or how often is said, until it ends. */
function every(ms: number, act: (proxy: ApiProxy) => void): Fault["begin"] {
  return (proxy) => {
    act(proxy);
    const timer = setInterval(() => act(proxy), ms);
    return () => clearInterval(timer);
  };
}

const faults: readonly Fault[] = [
  {
    name: "each watch is told once that its version is too old",
    begin: (proxy) => {
      const told = new Set<string>();
      const undo = proxy.onRequest(({ isWatch, path, query }) => {
        const key = `${path} ${query.fieldSelector}`;
        if (!isWatch || told.has(key)) return "pass";
        told.add(key);
        return answering(410);
      });
      for (const watch of proxy.watches()) watch.cut();
      return undo;
    },
    forMs: 3_000,
    maxRequests: 300,
  },
  {
    name: "an error event ends each watch",
    begin: (proxy) => {
      for (const watch of proxy.watches()) {
        watch.send(expired);
        watch.end();
      }
      return () => undefined;
    },
    forMs: 1_000,
    maxRequests: 300,
  },
  {
    name: "watches end every second",
    begin: every(1_000, (proxy) => {
      for (const watch of proxy.watches()) watch.end();
    }),
    forMs: 10_000,
    maxRequests: 160,
  },
  {
    name: "connections are reset twice a second",
    begin: every(500, (proxy) => proxy.cutSockets()),
    forMs: 6_000,
    maxRequests: 180,
  },
  {
    name: "too many requests: come back in 2 s",
    begin: (proxy) => {
      for (const watch of proxy.watches()) watch.cut();
      return proxy.onRequest((request) => (notLease(request) ? answering(429, { "retry-after": "2" }) : "pass"));
    },
    forMs: 8_000,
    maxRequests: 250,
  },
  {
    name: "server errors",
    begin: (proxy) => {
      for (const watch of proxy.watches()) watch.cut();
      const statuses = [500, 502, 503, 504];
      let count = 0;
      return proxy.onRequest((request) => (notLease(request) ? answering(statuses[count++ % 4] ?? 500) : "pass"));
    },
    forMs: 8_000,
    maxRequests: 330,
  },
  {
    name: "every answer takes 2 s",
    begin: (proxy) => proxy.onRequest((request) => (notLease(request) ? sleep(2_000, "pass" as const) : "pass")),
    forMs: 8_000,
    maxRequests: 320,
  },
];
for (const fault of faults) {
  test(`${fault.name}: the drift meanwhile is repaired, once`, async () => {
    const course = await comeThrough(world, reference, fault);
    console.log(`  ${course.name}: ${course.requests} requests, right again after ${course.recoveryMs} ms`);
    assert.ok(course.requests <= fault.maxRequests, `${course.requests} requests`);
    const objects = course.writes.filter((write) => !write.endsWith("/status") && !write.endsWith("/events"));
    assert.is(new Set(objects).size, 2, course.writes.join());
    // A write may be tried again while it is refused.
    assert.ok(course.writes.length <= 30, course.writes.join());
  });
}

test("the process was alive and said so all the time", () => {
  assert.equal([health.stop(), world.operator.exits, world.operator.isRunning], [[], [], true]);
});

/** What tells one event from another of the same flip. */
const nameOf = ({ path }: Seen, { type, object }: WatchEvent) => `${type} ${path} ${metadataName(object)}`;

function metadataName(object: unknown): string {
  return /"name":"([^"]+)"/.exec(JSON.stringify(object))?.[1] ?? "";
}

let quick: OperatorProcess;

test("each event of a gate that is turned off and on is lost once: the end is the same", async () => {
  const { api, proxy, operator } = world;
  await operator.terminate();
  quick = world.another({ podName: "operator-1", podUid: "uid-1", args: ["--resync-interval", "2"] });
  quick.start();
  await quick.waitUntilRun();
  const states = { enabled: [...gathererSide, ...nodeSide], disabled: gathererSide };
  const flip = async (to: keyof typeof states) => {
    await api.setGate(to);
    await api.waitForPresent(states[to]);
  };
  const events = { enabled: new Set<string>(), disabled: new Set<string>() };
  for (const to of ["disabled", "enabled"] as const) {
    const undo = proxy.onWatchLine((request, event) => {
      if (event.type !== "BOOKMARK") events[to].add(nameOf(request, event));
      return "pass";
    });
    await flip(to);
    await sleep(1_500);
    undo();
  }
  const points = (["disabled", "enabled"] as const).map((to) => [...events[to]]);
  const [off = [], on = []] = points;
  assert.ok(off.length >= 8 && on.length >= 8, `${off.length} and ${on.length} events`);
  let lost = 0;
  for (let i = 0; i < Math.max(off.length, on.length); i += 1) {
    for (const [to, name] of [
      ["disabled", off[i]],
      ["enabled", on[i]],
    ] as const) {
      let isLost = false;
      const undo = proxy.onWatchLine((request, event) => {
        if (isLost || nameOf(request, event) !== name) return "pass";
        isLost = true;
        lost += 1;
        return "drop";
      });
      await flip(to);
      undo();
    }
  }
  console.log(`  ${lost} of ${off.length + on.length} events lost, one at a time`);
  assert.ok(lost >= 16, `${lost}`);
  const deaf = proxy.onWatchLine(({ isWatch }) => (isWatch ? "drop" : "pass"));
  await flip("disabled");
  await flip("enabled");
  deaf();
  assert.match((await api.conditions(configPath)).FeatureGateEnabled ?? "", /^True/);
  assert.equal([quick.exits, quick.isRunning], [[], true]);
});

test("connections go dead unnoticed: the drift is repaired within two minutes", async () => {
  const report = await tcp;
  if ("problem" in report) throw report.problem;
  const { recoveryMs, connections, writes } = report.halfOpen;
  console.log(`  half-open: ${connections} connections, right again after ${recoveryMs} ms`);
  assert.ok(recoveryMs < 110_000);
  assert.ok(connections <= 10, `${connections} connections`);
  assert.ok(writes <= 8, `${writes} writes`);
});

test("the API server is away for a minute: the drift is repaired soon after, without a storm or an exit", async () => {
  const report = await tcp;
  if ("problem" in report) throw report.problem;
  const { recoveryMs, connections, writes } = report.away;
  console.log(`  60 s away: ${connections} connections, right again after ${recoveryMs} ms`);
  assert.ok(recoveryMs < 65_000);
  assert.ok(connections <= 250, `${connections} connections`);
  assert.ok(writes <= 8, `${writes} writes`);
  assert.equal([report.sick, report.exits], [[], []]);
});

test("told to end, it ends with 0", async () => {
  assert.is(await quick.terminate(), 0);
  await waitFor("its end", async () => (quick.isRunning ? undefined : true));
});

test.run();
