import { setTimeout as sleep } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import type { ElectionTimes } from "../core/leader.ts";
import type { Api, ApiAnswer, ApiCall } from "./connection.ts";
import { type Clock, contend, fenced, isAlive, Lease, type Owner, ownerOf } from "./lease.ts";

const times: ElectionTimes = { leaseMs: 137_000, renewMs: 107_000, retryMs: 26_000 };
const writtenSchema = z.object({
  metadata: z.object({ resourceVersion: z.string().optional() }),
  spec: z.object({ holderIdentity: z.string() }).loose(),
});

/** Answers as the API server does for one Lease; the real one is in e2e/api/operator-leader.test.ts. */
class LeaseApi implements Api {
  version = 0;
  spec: object | undefined;
  /** Answers instead of the Lease, once. */
  next: ApiAnswer | Error | undefined;
  readonly calls: ApiCall[] = [];

  async call(call: ApiCall): Promise<ApiAnswer> {
    this.calls.push(call);
    const { next } = this;
    this.next = undefined;
    if (next instanceof Error) throw next;
    if (next !== undefined) return next;
    if (call.method === undefined) return this.spec === undefined ? { status: 404, body: undefined } : this.#found();
    const { metadata, spec } = writtenSchema.parse(call.body);
    const isNew = metadata.resourceVersion === undefined;
    if (isNew !== (this.spec === undefined)) return { status: 409, body: undefined };
    if (!isNew && metadata.resourceVersion !== String(this.version)) return { status: 409, body: undefined };
    this.edit(spec);
    return this.#found();
  }

  edit(spec: object | undefined): void {
    this.version += 1;
    this.spec = spec;
  }

  #found(): ApiAnswer {
    return { status: 200, body: { metadata: { resourceVersion: String(this.version) }, spec: this.spec } };
  }
}

class TestClock implements Clock {
  steady = 0;
  wall = Date.parse("2026-01-01T00:00:00Z");
  steadyMs = () => this.steady;
  wallMs = () => this.wall;

  pass(ms: number): void {
    this.steady += ms;
    this.wall += ms;
  }
}

function world(identity = "a_1") {
  const api = new LeaseApi();
  const clock = new TestClock();
  const problems: string[] = [];
  const account: { owner: Owner | undefined } = { owner: undefined };
  const leaseOf = (name: string) =>
    new Lease({
      ...{ api, times, clock },
      namespace: "ours",
      identity: name,
      onError: (problem) => problems.push(problem),
      owner: async () => account.owner,
    });
  return { account, api, clock, problems, leaseOf, lease: leaseOf(identity) };
}

test("of two one holds it, and the other one takes it when it was not renewed for its duration", async () => {
  const { clock, leaseOf, lease } = world();
  const other = leaseOf("b_2");
  assert.equal([await lease.tryToHold(), await other.tryToHold()], [true, false]);
  clock.pass(136_999);
  assert.equal([lease.remainingMs(), await other.tryToHold()], [0, false]);
  clock.pass(1);
  assert.equal([await other.tryToHold(), await lease.tryToHold()], [true, false]);
});

test("a renewal begins the time anew, counted from before it was sent", async () => {
  const { clock, leaseOf, lease } = world();
  const other = leaseOf("b_2");
  await lease.tryToHold();
  await other.tryToHold();
  clock.pass(100_000);
  assert.is(lease.remainingMs(), 7_000);
  assert.is(await lease.tryToHold(), true);
  assert.is(lease.remainingMs(), 107_000);
  clock.pass(100_000);
  assert.is(await other.tryToHold(), false);
});

test("given back: the next one takes it at once, and other installations take it for dead", async () => {
  const { api, clock, leaseOf, lease } = world();
  await lease.tryToHold();
  assert.is(await isAlive(api, "ours", clock.wall), true);
  await lease.release();
  assert.equal([lease.remainingMs(), await isAlive(api, "ours", clock.wall)], [0, false]);
  assert.is(await leaseOf("b_2").tryToHold(), true);
});

const accountOf = (uid: string): Owner => ({
  ...{ apiVersion: "v1", kind: "ServiceAccount", name: "runtime-insights-operator", uid },
});
const ownedSchema = z.object({ metadata: z.object({ ownerReferences: z.array(z.object({ uid: z.string() })) }) });

test("it goes with the account as which it was taken; renewed and given back, too", async () => {
  const { account, api, clock, lease } = world();
  account.owner = accountOf("first");
  await lease.tryToHold();
  account.owner = accountOf("second");
  await lease.tryToHold();
  await lease.release();
  clock.pass(200_000);
  await lease.tryToHold();
  const owners = api.calls
    .filter(({ method }) => method === "PATCH")
    .map(({ body }) => ownedSchema.parse(body).metadata.ownerReferences.map(({ uid }) => uid));
  assert.equal(owners, [["first"], ["first"], ["first"], ["second"]]);
});

const answers: readonly (readonly [rule: string, answer: ApiAnswer | Error, expected: Owner | undefined])[] = [
  ["it is there", { status: 200, body: { items: [{ metadata: { uid: "u" } }] } }, accountOf("u")],
  ["there is none, as beside a kube config", { status: 200, body: { items: [] } }, undefined],
  ["it may not be read", { status: 403, body: { kind: "Status" } }, undefined],
  ["the API server is away", new Error("ECONNREFUSED"), undefined],
];
for (const [rule, answer, expected] of answers)
  test(`the operator's account: ${rule}`, async () => {
    const call = async () => {
      if (answer instanceof Error) throw answer;
      return answer;
    };
    assert.equal(await ownerOf({ call }, "n"), expected);
  });

test("who does not hold it gives nothing back", async () => {
  const { api, leaseOf, lease } = world();
  await leaseOf("b_2").tryToHold();
  await lease.tryToHold();
  await lease.release();
  assert.equal(writtenSchema.shape.spec.parse(api.spec).holderIdentity, "b_2");
});

test("the same identity, restarted: it has its Lease back at once", async () => {
  const { leaseOf, lease } = world();
  await lease.tryToHold();
  assert.is(await leaseOf("a_1").tryToHold(), true);
});

const meanwhile: readonly { readonly rule: string; readonly edit: (api: LeaseApi) => void; readonly held: boolean }[] =
  [
    { rule: "deleted by hand: made anew", edit: (api) => api.edit(undefined), held: true },
    {
      rule: "edited by hand, still ours: kept",
      edit: (api) => api.edit({ ...api.spec, renewTime: "yesterday" }),
      held: true,
    },
    { rule: "its holder wiped out: kept", edit: (api) => api.edit({}), held: true },
    {
      rule: "taken by another one: lost at once",
      edit: (api) => api.edit({ holderIdentity: "b_2", leaseDurationSeconds: 137 }),
      held: false,
    },
  ];
for (const { rule, edit, held } of meanwhile)
  test(`between two renewals ${rule}`, async () => {
    const { api, lease } = world();
    await lease.tryToHold();
    edit(api);
    assert.is(await lease.tryToHold(), held);
    assert.is(lease.remainingMs() > 0, held);
  });

const troubles: readonly { readonly rule: string; readonly next: ApiAnswer | Error }[] = [
  { rule: "no answer", next: new Error("no answer") },
  { rule: "an error of the API server", next: { status: 503, body: undefined } },
  { rule: "no permission", next: { status: 403, body: undefined } },
];
for (const { rule, next } of troubles)
  test(`${rule}: told, and the Lease is held until the deadline`, async () => {
    const { api, clock, problems, lease } = world();
    await lease.tryToHold();
    clock.pass(50_000);
    api.next = next;
    assert.is(await lease.tryToHold(), false);
    assert.equal([problems.length, lease.remainingMs()], [1, 57_000]);
  });

test("the machine was suspended, or its clock jumped: nothing is written until the Lease is renewed", async () => {
  const { clock, lease } = world();
  await lease.tryToHold();
  clock.wall += 200_000;
  assert.is(lease.remainingMs(), 0);
  assert.is(await lease.tryToHold(), true);
  clock.wall -= 400_000;
  clock.steady += 107_000;
  assert.is(lease.remainingMs(), 0);
});

test("reads always pass; a write does while the Lease is held, and no longer than it is", async () => {
  const { api, clock, lease } = world();
  const guarded = fenced(api, lease);
  await guarded.call({ path: "/a" });
  const write = async () =>
    String(await guarded.call({ method: "PATCH", path: "/b", timeoutMs: 30_000, body: {} }).catch(String));
  assert.match(await write(), /PATCH \/b: not sent/);
  await lease.tryToHold();
  clock.pass(100_000);
  api.next = { status: 200, body: undefined };
  await write();
  const sent = api.calls.at(-1);
  assert.equal([sent?.path, sent?.timeoutMs], ["/b", 7_000]);
  clock.pass(7_000);
  assert.throws(() => sent?.beforeSend?.(), /not sent/);
  assert.match(await write(), /not sent/);
  assert.is(api.calls.at(-1), sent);
});

/** Real time, short. */
const quick: ElectionTimes = { leaseMs: 300, renewMs: 150, retryMs: 40 };

test("who loses the Lease ends its work before it waits anew, and leads again when it is free", async () => {
  const api = new LeaseApi();
  const lease = new Lease({ api, namespace: "ours", identity: "a_1", times: quick, onError: () => undefined });
  const log: string[] = [];
  const end = new AbortController();
  const contending = contend({
    ...{ lease, times: quick, signal: end.signal },
    lead: async (signal) => {
      log.push("leads");
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      log.push(`ends, ${lease.remainingMs() > 0 ? "held" : "lost"}`);
    },
  });
  const until = async (count: number) => {
    for (let tries = 0; tries < 400 && log.length < count; tries += 1) await sleep(5);
  };
  await until(1);
  api.edit({ holderIdentity: "b_2", leaseDurationSeconds: 0.3 });
  await until(3);
  assert.equal(log, ["leads", "ends, lost", "leads"]);
  end.abort();
  await contending;
  assert.equal(log, ["leads", "ends, lost", "leads", "ends, held"]);
  assert.is(writtenSchema.shape.spec.parse(api.spec).holderIdentity, "");
});

test("an API server that is silent past the deadline: the work ends without a word from it", async () => {
  const api = new LeaseApi();
  const lease = new Lease({ api, namespace: "ours", identity: "a_1", times: quick, onError: () => undefined });
  const end = new AbortController();
  let ended = false;
  const contending = contend({
    ...{ lease, times: quick, signal: end.signal },
    lead: async (signal) => {
      api.call = () => new Promise(() => undefined);
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      ended = true;
    },
  });
  void contending;
  for (let tries = 0; tries < 100 && !ended; tries += 1) await sleep(10);
  assert.is(ended, true);
});

test.run();
