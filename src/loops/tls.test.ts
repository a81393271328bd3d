import { test } from "uvu";
import * as assert from "uvu/assert";
import { caLifetimeMs } from "../core/certificates.ts";
import { keyOf, names } from "../core/operands.ts";
import { secretNameAnnotation } from "../core/service-ca.ts";
import { isTrusted, key, TlsWorld } from "./tls.fixture.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
const startMs = Date.UTC(2026, 0);

test("the second look changes nothing", async () => {
  const world = new TlsWorld();
  const first = await world.pass(startMs);
  assert.equal(first?.issued, [names.ca, names.exporterTls, names.gathererTls]);
  const second = await world.pass(startMs + minuteMs);
  assert.equal(second?.issued, []);
  assert.equal([second?.authority, second?.serving], [first?.authority, first?.serving]);
});

test("over seven years every client trusts every server, also one whose bundle is five minutes old", async () => {
  const world = new TlsWorld();
  let nowMs = startMs;
  let before: readonly string[] = [];
  const cas = new Set<string>();
  let largest = 0;
  while (nowMs < startMs + 7 * 365 * dayMs) {
    const state = await world.pass(nowMs, nowMs - 12 * hourMs);
    const bundle = world.bundle();
    for (const pem of bundle) cas.add(pem);
    largest = Math.max(largest, bundle.length);
    assert.ok(isTrusted(bundle, world.shown(), nowMs), `now, at ${new Date(nowMs).toISOString()}`);
    if (before.length > 0)
      assert.ok(isTrusted(before, world.shown(), nowMs), `late, at ${new Date(nowMs).toISOString()}`);
    before = bundle;
    const isRotating = (state?.issued.length ?? 0) > 0 || bundle.length > 1;
    nowMs += isRotating ? 5 * minuteMs : 3 * dayMs;
  }
  assert.is(cas.size, Math.ceil((7 * 365 * dayMs) / ((caLifetimeMs * 2) / 3)));
  assert.is(largest, 2);
});

const damages: readonly {
  readonly what: string;
  readonly kind: string;
  readonly name: string;
  readonly issued: readonly string[];
}[] = [
  { what: "the CA's Secret", kind: "Secret", name: names.ca, issued: [names.ca] },
  { what: "the bundle", kind: "ConfigMap", name: names.caBundle, issued: [] },
  { what: "a serving certificate", kind: "Secret", name: names.exporterTls, issued: [names.exporterTls] },
];
for (const { what, kind, name, issued } of damages)
  test(`${what} is lost: it is made anew, and clients and servers still trust each other`, async () => {
    const world = new TlsWorld();
    await world.pass(startMs);
    world.live.delete(key(kind, name));
    const state = await world.pass(startMs + dayMs);
    assert.equal(state?.issued, issued);
    assert.ok(isTrusted(world.bundle(), world.shown(), startMs + dayMs));
  });

test("CA and bundle are both lost: all is made anew, and nobody is asked until volumes have followed", async () => {
  const world = new TlsWorld();
  assert.is((await world.pass(startMs))?.holdMs, 0);
  for (const [kind, name] of [
    ["Secret", names.ca],
    ["ConfigMap", names.caBundle],
  ] as const)
    world.live.delete(key(kind, name));
  assert.is((await world.pass(startMs + minuteMs))?.holdMs, 3 * minuteMs);
  assert.ok(isTrusted(world.bundle(), world.shown(), startMs + minuteMs));
  assert.is((await world.pass(startMs + 2 * minuteMs))?.holdMs, 0);
});

test("a CA Secret or a bundle of somebody else: nothing is issued", async () => {
  for (const [kind, name] of [
    ["Secret", names.ca],
    ["ConfigMap", names.caBundle],
  ] as const) {
    const world = new TlsWorld();
    await world.pass(startMs);
    world.live.delete(key(kind, name));
    world.put({ apiVersion: "v1", kind, metadata: { name } }, startMs);
    assert.is(await world.pass(startMs + dayMs), undefined);
  }
});

const secretKeys = [names.exporterTls, names.gathererTls].map((name) => key("Secret", name));
const makerOf = (world: TlsWorld, name: string) => {
  const secret = world.object("Secret", name);
  if (secret === undefined) return "nobody";
  return secret.metadata.managedFields === undefined ? "service CA" : "main";
};
const makersOf = (world: TlsWorld) => [makerOf(world, names.exporterTls), makerOf(world, names.gathererTls)];

/** Passes every minute; volumes of clients and servers may be five minutes behind. */
async function live(world: TlsWorld, fromMs: number, toMs: number, gatheredMs = fromMs - hourMs): Promise<void> {
  const before: { readonly bundle: readonly string[]; readonly shown: readonly string[] }[] = [];
  for (let nowMs = fromMs; nowMs <= toMs; nowMs += minuteMs) {
    const state = await world.pass(nowMs, Math.min(nowMs, gatheredMs));
    assert.equal(world.plan?.conflicts, []);
    assert.equal(state?.problems, []);
    before.push({ bundle: world.bundle(), shown: world.shown() });
    if (before.length > 6) before.shift();
    const ends = [before[0], before.at(-1)].filter((one) => one !== undefined);
    for (const client of ends)
      for (const server of ends)
        assert.ok(isTrusted(client.bundle, server.shown, nowMs), `minute ${(nowMs - fromMs) / minuteMs}`);
  }
}

test("a new cluster with a service CA: main issues nothing, and every client trusts every server", async () => {
  const world = new TlsWorld();
  await world.startServiceCa(startMs - dayMs);
  await live(world, startMs, startMs + hourMs);
  assert.equal(makersOf(world), ["service CA", "service CA"]);
  assert.is(world.object("Secret", names.ca), undefined);
  assert.equal(world.bundle().join(""), world.serviceCa);
  const before = JSON.stringify([...world.live]);
  await world.pass(startMs + 2 * hourMs);
  assert.is(JSON.stringify([...world.live]), before);
});

test("a service CA appears: it takes over when all trust it, and a day later ours is gone", async () => {
  const world = new TlsWorld();
  await live(world, startMs, startMs + 20 * minuteMs);
  assert.equal(makersOf(world), ["main", "main"]);
  await world.startServiceCa(startMs);
  await live(world, startMs + 20 * minuteMs, startMs + 28 * minuteMs);
  assert.equal(makersOf(world), ["main", "main"]);
  assert.is(world.bundle().length, 2);
  await live(world, startMs + 28 * minuteMs, startMs + hourMs);
  assert.equal(makersOf(world), ["service CA", "service CA"]);
  assert.is(world.object("Secret", names.ca), undefined);
  assert.is(world.bundle().length, 2);
  await world.pass(startMs + 2 * dayMs);
  assert.equal(world.bundle().join(""), world.serviceCa);
});

test("a service CA appears while gathers run: nothing changes until three minutes after the last", async () => {
  const world = new TlsWorld();
  await world.pass(startMs);
  await world.startServiceCa(startMs);
  await live(world, startMs + minuteMs, startMs + hourMs, startMs + hourMs);
  assert.equal(makersOf(world), ["main", "main"]);
  await live(world, startMs + hourMs, startMs + hourMs + 5 * minuteMs, startMs + hourMs);
  assert.equal(makersOf(world), ["service CA", "service CA"]);
});

test("a service CA that publishes but makes nothing: one Secret is missing and named, the other one stays ours", async () => {
  const world = new TlsWorld();
  await world.pass(startMs);
  await world.startServiceCa(startMs);
  const { signer } = world;
  world.signer = undefined;
  let nowMs = startMs + minuteMs;
  for (; nowMs < startMs + 13 * minuteMs; nowMs += minuteMs) assert.equal((await world.pass(nowMs))?.problems, []);
  assert.equal(makersOf(world), ["main", "nobody"]);
  const service = world.object("Service", names.gatherer);
  assert.ok(service);
  const error = { "service.beta.openshift.io/serving-cert-generation-error": "no key" };
  const annotations = { ...service.metadata.annotations, ...error };
  world.put(service, nowMs, { annotations });
  const state = await world.pass(nowMs + 5 * minuteMs);
  assert.equal(
    state?.problems.map(({ operand }) => keyOf(operand)),
    [key("Secret", names.gathererTls)],
  );
  assert.match(
    state?.problems[0]?.message ?? "",
    /not made for 5 minutes by OpenShift's service CA, which says: no key/,
  );
  assert.equal(makersOf(world), ["main", "nobody"]);
  assert.equal((await world.pass(nowMs + 6 * minuteMs))?.problems.length, 1);
  world.signer = signer;
  await world.pass(nowMs + 6 * minuteMs);
  await live(world, nowMs + 20 * minuteMs, nowMs + hourMs);
  assert.equal(makersOf(world), ["service CA", "service CA"]);
});

test("a service CA that has published nothing yet: what we issued stays and is renewed, a new cluster waits for it", async () => {
  const old = new TlsWorld();
  await old.pass(startMs);
  old.serviceCa = "";
  await old.pass(startMs + 300 * dayMs);
  assert.equal(makersOf(old), ["main", "main"]);
  assert.ok(isTrusted(old.bundle(), old.shown(), startMs + 400 * dayMs));
  const fresh = new TlsWorld();
  fresh.serviceCa = "";
  assert.equal((await fresh.pass(startMs))?.problems, []);
  assert.is(fresh.object("ConfigMap", names.caBundle), undefined);
  assert.equal(makersOf(fresh), ["nobody", "nobody"]);
  assert.ok(fresh.object("DaemonSet", names.extractor));
  const late = await fresh.pass(startMs + 5 * minuteMs);
  assert.equal(
    late?.problems.map(({ operand }) => keyOf(operand)),
    secretKeys,
  );
});

test("the service CA is gone: ours takes over its Secrets when all trust it, and the Services no longer ask", async () => {
  const world = new TlsWorld();
  await world.startServiceCa(startMs - dayMs);
  await live(world, startMs, startMs + minuteMs);
  world.serviceCa = undefined;
  world.signer = undefined;
  await live(world, startMs + 2 * minuteMs, startMs + 10 * minuteMs);
  assert.equal(makersOf(world), ["service CA", "service CA"]);
  assert.is(world.bundle().length, 2);
  await live(world, startMs + 10 * minuteMs, startMs + hourMs);
  assert.equal(makersOf(world), ["main", "main"]);
  for (const name of [names.exporter, names.gatherer])
    assert.is(world.object("Service", name)?.metadata.annotations?.[secretNameAnnotation], undefined);
  await world.pass(startMs + 3 * dayMs);
  assert.is(world.bundle().length, 1);
});

test("a Secret of somebody else is a conflict with a service CA, too; one of an earlier Service is not", async () => {
  const world = new TlsWorld();
  await world.startServiceCa(startMs);
  const metadata = { name: names.exporterTls };
  world.put({ apiVersion: "v1", kind: "Secret", metadata }, startMs);
  await world.pass(startMs);
  assert.equal(world.plan?.conflicts.map(keyOf), [key("Secret", names.exporterTls)]);
  assert.is(world.object("Service", names.exporter)?.metadata.annotations?.[secretNameAnnotation], undefined);
  const annotations = { "service.beta.openshift.io/originating-service-name": names.exporter };
  world.put({ apiVersion: "v1", kind: "Secret", metadata: { ...metadata, annotations } }, startMs);
  await world.pass(startMs + minuteMs);
  assert.equal(world.plan?.conflicts, []);
});

test("a Secret that cannot be read changes nothing", async () => {
  const world = new TlsWorld();
  await world.startServiceCa(startMs);
  await world.pass(startMs);
  const secret = key("Secret", names.exporterTls);
  world.live.set(secret, { kind: "unreadable", message: "500" });
  await world.pass(startMs + minuteMs);
  assert.equal(world.plan?.steps, []);
});

test.run();
