/** Certificates change while gathers run, by the operator's own CA and by OpenShift's service CA; main, gatherer and kube-rbac-proxy are real. */
import { X509Certificate } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "node:tls";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { waitFor } from "../../hack/kubectl.ts";
import { ServiceCa } from "../../hack/openshift/service-ca.ts";
import { collectionPath } from "../../src/adapters/cluster.ts";
import { Gatherer } from "../../src/adapters/gatherer.ts";
import { splitPem } from "../../src/adapters/issuer.ts";
import { decodePem } from "../../src/api/tls.ts";
import { caLifetimeMs } from "../../src/core/certificates.ts";
import { names } from "../../src/core/operands.ts";
import { GathersWorld } from "./gathers-world.ts";
import { configPath, namespace, type OperatorWorld } from "./operator-world.ts";
import { RealGatherer } from "./real-gatherer.ts";

const minuteMs = 60_000;
const publishedPath = `${collectionPath("ConfigMap", namespace)}/openshift-service-ca.crt`;

let gathers: GathersWorld;
let world: OperatorWorld;
let gatherer: RealGatherer | undefined;
let probe: Probe | undefined;
let serviceCa: ServiceCa | undefined;

test.before(async () => {
  gathers = await GathersWorld.start();
  world = gathers.world;
});
test.after(async () => {
  await probe?.stop();
  await serviceCa?.stop();
  gatherer?.stop();
  await world.stop();
});

const bundleText = async () => decodePem(await world.operand({ kind: "ConfigMap", name: names.caBundle })) ?? "";
const bundle = async () => splitPem(await bundleText());
const secret = (name: string) => world.operand({ kind: "Secret", name });
const serving = async () => (await gathers.servingPair()).cert;
const reach = () => ({
  gathererOrigin: gatherer?.origin ?? "",
  gathererToken: async () => (await gatherer?.operatorToken()) ?? "",
});
/** Main's own client, as often as it can: not one answer may be missed. */
class Probe {
  readonly problems: string[] = [];
  answers = 0;
  readonly #stop = new AbortController();
  readonly #ended: Promise<void>;

  constructor(origin: string, token: string) {
    const client = new Gatherer({
      ...{ origin: () => origin, serverName: `${names.gatherer}.${namespace}.svc` },
      ...{ readCa: bundleText, readToken: async () => token },
    });
    this.#ended = this.#work(client);
  }

  async #work(client: Gatherer): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const answer = await client.archives(signal).catch(() => undefined);
      if (answer?.kind === "archives") this.answers += 1;
      else if (answer !== undefined) this.problems.push(answer.message);
      await sleep(50, undefined, { signal }).catch(() => undefined);
    }
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#ended;
  }
}

/** The certificate that the proxy shows, whoever signed it. */
function shown(): Promise<string> {
  const { hostname, port } = new URL(gatherer?.origin ?? "");
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false }, () => {
      resolve(socket.getPeerX509Certificate()?.fingerprint256 ?? "");
      socket.destroy();
    });
    socket.once("error", reject);
  });
}
const untilShown = async (pem: string) => {
  const wanted = new X509Certificate(pem).fingerprint256;
  await waitFor("the proxy to show its new certificate", async () => ((await shown()) === wanted ? true : undefined), {
    timeoutMs: 90_000,
    everyMs: 100,
  });
};
const untilChanged = (before: string) =>
  waitFor(
    "a new serving certificate",
    async () => {
      const now = await serving().catch(() => before);
      return now === before ? undefined : now;
    },
    { timeoutMs: 90_000, everyMs: 100 },
  );
const untilBundle = (count: number) =>
  waitFor(
    `${count} trusted CAs`,
    async () => {
      const now = await bundle();
      return now.length === count ? now : undefined;
    },
    { timeoutMs: 90_000, everyMs: 100 },
  );
let made = 0;
/** A minute and more after the one before, as requests have to be. */
async function gather(): Promise<void> {
  made += 1;
  const name = await gathers.make(`gather-${made}`);
  await gathers.pass(61_000);
  await gathers.waitForPhase(name, "Succeeded");
}
const makerOf = async (name: string) => {
  const found = await secret(name);
  if (found === undefined) return "nobody";
  return found.metadata.annotations?.["service.beta.openshift.io/originating-service-name"] === undefined
    ? "main"
    : "service CA";
};

test("a CA at the end of its time is replaced while gathers run, and no request fails", async () => {
  // As OpenSSL keeps to the machine's clock, the past is where the operator's clock can be moved.
  const dueMs = (caLifetimeMs * 2) / 3;
  gathers.skip(-dueMs - 30 * minuteMs);
  assert.is((await world.applyConfig({})).status, 201);
  await gathers.startOperator();
  await untilBundle(1);
  const [old = ""] = await bundle();
  const expired = await serving();
  gathers.skip(dueMs - 30 * minuteMs);
  await gathers.startOperator();
  await untilChanged(expired);
  await waitFor("the Deployment", () => world.operand({ kind: "Deployment", name: names.gatherer }));
  assert.equal(await bundle(), [old]);
  gatherer = await RealGatherer.start(gathers);
  gatherer.follow();
  await gathers.startOperator(reach());
  await world.setGathererReady(true);
  await gather();
  probe = new Probe(gatherer.origin, await gatherer.operatorToken());
  const first = await serving();

  await gathers.pass(30 * minuteMs);
  const both = await untilBundle(2);
  assert.ok(both.includes(old));
  await gather();
  assert.is(await serving(), first);

  await gathers.pass(12 * minuteMs);
  const second = await untilChanged(first);
  await gather();
  await untilShown(second);
  await gather();
  assert.equal(probe.problems, []);

  assert.ok(probe.answers > 20, `${probe.answers} answers`);
});

test("CA and bundle are deleted: gathers wait until clients and servers trust each other again, and none fails", async () => {
  const before = await serving();
  await world.stopOperator();
  await world.delete(world.pathOf({ kind: "Secret", name: names.ca }));
  await world.delete(world.pathOf({ kind: "ConfigMap", name: names.caBundle }));
  await gathers.startOperator(reach());
  const after = await untilChanged(before);
  made += 1;
  const name = await gathers.make(`gather-${made}`);
  await gathers.pass(2 * minuteMs);
  await gathers.waitForPhase(name, "GathererNotReady");
  await untilShown(after);
  await gathers.pass(2 * minuteMs);
  await gathers.waitForPhase(name, "Succeeded");
  // Whoever does not wait is refused meanwhile.
  probe?.problems.splice(0);
});

test("OpenShift's service CA appears: ours makes way for it when all trust it, and no request fails", async () => {
  gathers.skip(Date.now() - gathers.nowMs());
  await gathers.pass(minuteMs);
  const [scheduled] = await waitFor("the first scheduled gather", async () => {
    const found = (await gathers.requests()).filter(({ name }) => name.startsWith("scheduled-"));
    return found.length > 0 ? found : undefined;
  });
  await gathers.waitForPhase(scheduled?.name ?? "", "Succeeded");
  const ours = await serving();
  serviceCa = await ServiceCa.start(world.admin);
  await waitFor("the published CA", () => world.get(publishedPath));
  await gathers.pass(minuteMs);
  await untilBundle(2);
  await gather();
  assert.is(await serving(), ours);
  await gathers.pass(15 * minuteMs);
  const theirs = await untilChanged(ours);
  await gather();
  await untilShown(theirs);
  await gather();
  assert.is(await makerOf(names.gathererTls), "service CA");
  assert.is(await secret(names.ca), undefined);
  assert.equal(probe?.problems, []);
});

test("the service CA's Secret belongs to the Service, is no conflict, and nothing is written once all is well", async () => {
  const service = await world.operand({ kind: "Service", name: names.gatherer });
  const found = await secret(names.gathererTls);
  assert.equal(
    found?.metadata.ownerReferences?.map(({ uid }) => uid),
    [service?.metadata.uid],
  );
  const conditions = await world.conditions();
  assert.is(conditions.Degraded, "False/AsExpected");
  await gathers.pass(1_000);
  await world.waitForObserved();
  const versions = async () =>
    Object.entries(await world.versions()).filter(([key]) => !key.startsWith("InsightsRuntimeExtractor/"));
  const before = await versions();
  await gathers.pass(1_000);
  await sleep(1_000);
  assert.equal(await versions(), before);
});

test("the service CA rotates: the bundle follows at once, and no gather fails", async () => {
  const before = await serving();
  await serviceCa?.rotate();
  const after = await untilChanged(before);
  await waitFor("both CAs in the bundle", async () =>
    (await bundleText()).startsWith(serviceCa?.bundle ?? "none") ? true : undefined,
  );
  await gather();
  await untilShown(after);
  await gather();
  assert.equal(probe?.problems, []);
});

test("a service CA that makes nothing is named, what runs goes on, and it mends by itself", async () => {
  serviceCa?.pause(true);
  const before = await serving();
  await world.delete(world.pathOf({ kind: "Secret", name: names.gathererTls }));
  await waitFor("the missing Secret to be named", async () => {
    await gathers.pass(3 * minuteMs);
    return (await world.conditions()).GathererReady === "False/OperandFailed" ? true : undefined;
  });
  const config = JSON.stringify(await world.get(configPath));
  assert.match(config, /Secret\/runtime-insights-gatherer-tls: not made for 5 minutes by OpenShift's service CA/);
  serviceCa?.pause(false);
  const after = await untilChanged(before);
  await untilShown(after);
  await world.waitForCondition("GathererReady", "True/AsExpected");
  await gather();
  assert.equal(probe?.problems, []);
});

test("a Secret of somebody else's is left alone by both and named", async () => {
  const path = world.pathOf({ kind: "Secret", name: names.gathererTls });
  serviceCa?.pause(true);
  await world.delete(path);
  const metadata = { name: names.gathererTls };
  const body = { apiVersion: "v1", kind: "Secret", metadata, stringData: { a: "b" } };
  assert.is((await world.create(collectionPath("Secret", namespace), body)).status, 201);
  await world.waitForCondition("GathererReady", "False/OperandConflict");
  serviceCa?.pause(false);
  await world.delete(path);
  await waitFor("the service CA's Secret", async () =>
    (await makerOf(names.gathererTls)) === "service CA" ? true : undefined,
  );
  await world.waitForCondition("GathererReady", "True/AsExpected");
});

test("the cluster has no service CA any more: ours takes its place without a failed gather", async () => {
  await untilShown(await serving());
  const theirs = await serving();
  await serviceCa?.stop();
  await world.delete(publishedPath);
  const nowMs = gathers.nowMs();
  gathers.skip(Date.now() - nowMs - 60 * minuteMs);
  await gathers.pass(minuteMs);
  await waitFor("a CA of ours", () => secret(names.ca));
  assert.is(await serving(), theirs);
  await gathers.pass(20 * minuteMs);
  const ours = await untilChanged(theirs);
  await untilShown(ours);
  gathers.skip(nowMs - gathers.nowMs());
  await gather();
  assert.equal(probe?.problems, []);
});

test.run();
