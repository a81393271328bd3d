import { test } from "uvu";
import * as assert from "uvu/assert";
import { inspect, splitPem } from "../adapters/issuer.ts";
import { defaultSettings } from "../api/config.ts";
import { decodeKeyPair, decodePem } from "../api/tls.ts";
import { intermediateTls } from "../api/tls-profile.ts";
import { caLifetimeMs } from "../core/certificates.ts";
import { desiredGathererSide, desiredNodeSide } from "../core/desired.ts";
import type { DesiredInput } from "../core/desired-input.ts";
import { keyOf, names } from "../core/operands.ts";
import type { Live } from "../core/plan.ts";
import { keepCertificates, type TlsState } from "./tls.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
const startMs = Date.UTC(2026, 0);
const key = (kind: string, name: string) => keyOf({ kind, name });
const applied = { managedFields: [{ manager: "runtime-insights-operator", operation: "Apply" }] };
const input: DesiredInput = {
  ...{ namespace: "ns", configUid: "u", accountUids: { node: "a", gatherer: "b" }, scc: false },
  images: { extractor: "e", exporter: "x", proxy: "p", gatherer: "g" },
  ...{ settings: defaultSettings, tls: intermediateTls },
};

/** A cluster that keeps what main applies. */
class World {
  readonly live = new Map<string, Live>();

  async pass(nowMs: number, lastGatherMs?: number): Promise<TlsState | undefined> {
    const state = await keepCertificates({
      ...{ live: this.live, namespace: "ns", nowMs, lastGatherMs },
      wanted: ["exporter", "gatherer"],
    });
    if (state?.serving.exporter === undefined || state.serving.gatherer === undefined) return state;
    const objects = [
      ...desiredGathererSide(input, state.authority, state.serving.gatherer),
      ...desiredNodeSide(input, state.serving.exporter),
    ];
    for (const object of objects)
      this.live.set(key(object.kind, object.metadata.name), {
        kind: "present",
        object: { ...object, metadata: { ...object.metadata, ...applied } },
      });
    return state;
  }

  object(kind: string, name: string): unknown {
    const found = this.live.get(key(kind, name));
    return found?.kind === "present" ? found.object : undefined;
  }

  bundle(): readonly string[] {
    return splitPem(decodePem(this.object("ConfigMap", names.caBundle)) ?? "");
  }

  /** True when a client that trusts the bundle accepts what the servers show at that time. */
  isTrusted(bundle: readonly string[], nowMs: number): boolean {
    const valid = bundle.filter((pem) => (inspect(pem, [])?.notAfterMs ?? 0) > nowMs);
    return [names.exporterTls, names.gathererTls].every((name) => {
      const pair = decodeKeyPair(this.object("Secret", name));
      const certificate = pair === undefined ? undefined : inspect(pair.certificate, valid);
      return certificate?.issuer !== undefined && certificate.notAfterMs > nowMs && certificate.notBeforeMs <= nowMs;
    });
  }
}

test("the second look changes nothing", async () => {
  const world = new World();
  const first = await world.pass(startMs);
  assert.equal(first?.issued, [names.ca, names.exporterTls, names.gathererTls]);
  const second = await world.pass(startMs + minuteMs);
  assert.equal(second?.issued, []);
  assert.equal([second?.authority, second?.serving], [first?.authority, first?.serving]);
});

test("over seven years every client trusts every server, also one whose bundle is five minutes old", async () => {
  const world = new World();
  let nowMs = startMs;
  let before: readonly string[] = [];
  const cas = new Set<string>();
  let largest = 0;
  while (nowMs < startMs + 7 * 365 * dayMs) {
    const state = await world.pass(nowMs, nowMs - 12 * hourMs);
    const bundle = world.bundle();
    for (const pem of bundle) cas.add(pem);
    largest = Math.max(largest, bundle.length);
    assert.ok(world.isTrusted(bundle, nowMs), `now, at ${new Date(nowMs).toISOString()}`);
    if (before.length > 0) assert.ok(world.isTrusted(before, nowMs), `late, at ${new Date(nowMs).toISOString()}`);
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
    const world = new World();
    await world.pass(startMs);
    world.live.delete(key(kind, name));
    const state = await world.pass(startMs + dayMs);
    assert.equal(state?.issued, issued);
    assert.ok(world.isTrusted(world.bundle(), startMs + dayMs));
  });

test("a CA Secret or a bundle of somebody else: nothing is issued", async () => {
  for (const [kind, name] of [
    ["Secret", names.ca],
    ["ConfigMap", names.caBundle],
  ] as const) {
    const world = new World();
    await world.pass(startMs);
    const object = { apiVersion: "v1", kind, metadata: { name } };
    world.live.set(key(kind, name), { kind: "present", object });
    assert.is(await world.pass(startMs + dayMs), undefined);
  }
});

test.run();
