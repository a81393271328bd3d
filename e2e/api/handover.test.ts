/** One gatherer takes over from another: the operator, real gatherers behind real proxies, and slices as their controller would write them. */
import { writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { request } from "undici";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import { waitFor } from "../../hack/kubectl.ts";
import { sha256 } from "../../src/adapters/disk.ts";
import { Gatherer } from "../../src/adapters/gatherer.ts";
import { names } from "../../src/core/operands.ts";
import { GathersWorld } from "./gathers-world.ts";
import { namespace, type OperatorWorld } from "./operator-world.ts";
import { RealGatherer } from "./real-gatherer.ts";

const signal = new AbortController().signal;
const slicePath = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices/${names.gatherer}-test`;
/** A slice holds no loopback address, so each gatherer has one of its own for the operator. */
const gatherers = new Map<string, RealGatherer>();
const addressOf = (name: string) => `192.0.2.${[...gatherers.keys()].indexOf(name) + 1}`;
let gathers: GathersWorld;
let world: OperatorWorld;
let token = "";

test.before(async () => {
  await new Promise<void>((resolve) => service.listen(0, "127.0.0.1", resolve));
  gathers = await GathersWorld.start();
  world = gathers.world;
});
test.after(async () => {
  service.close();
  for (const gatherer of gatherers.values()) gatherer.stop();
  await world.stop();
});

async function start(name: string): Promise<RealGatherer> {
  const gatherer = await RealGatherer.start(gathers, [], name);
  gatherers.set(name, gatherer);
  return gatherer;
}

/** As kube-proxy has it: to one that is not about to end. */
let behindService = "";
const service = createServer((client) => {
  const port = Number(new URL(gatherers.get(behindService)?.origin ?? "https://127.0.0.1:1").port);
  const gatherer = connect(port, "127.0.0.1");
  client.pipe(gatherer).pipe(client);
  for (const [one, other] of [
    [client, gatherer],
    [gatherer, client],
  ] as const)
    one.on("error", () => other.destroy());
});

const operator = () =>
  gathers.startOperator({
    gathererOrigin: serviceOrigin(),
    gathererToken: async () => token,
    originOf: (address) => [...gatherers].find(([name]) => addressOf(name) === address)?.[1].origin ?? "",
  });

/** What the controller knows: names, with `-` before those that are about to end. */
async function endpoints(...known: readonly string[]): Promise<void> {
  const body = {
    ...{ apiVersion: "discovery.k8s.io/v1", kind: "EndpointSlice", addressType: "IPv4" },
    metadata: { name: `${names.gatherer}-test`, labels: { "kubernetes.io/service-name": names.gatherer } },
    endpoints: known.map((text) => {
      const [, leaving, name = ""] = /^(-?)(.+)$/.exec(text) ?? [];
      return {
        addresses: [addressOf(name)],
        conditions: { ready: false, serving: true, terminating: leaving === "-" },
        targetRef: { kind: "Pod", name, namespace, uid: `uid-${name}` },
      };
    }),
    ports: [{ name: "https", port: 8443, protocol: "TCP" }],
  };
  behindService = known.find((text) => !text.startsWith("-")) ?? "";
  const query = { fieldManager: "endpointslice-controller", force: true };
  const contentType = "application/apply-patch+yaml";
  const answer = await world.admin.call({ method: "PATCH", path: slicePath, query, contentType, body });
  assert.ok(answer.status < 300, JSON.stringify(answer.body));
}

function serviceOrigin(): string {
  const address = service.address();
  return `https://127.0.0.1:${typeof address === "object" ? address?.port : 1}`;
}

const caSchema = z.object({ data: z.object({ "ca.crt": z.string() }) });
/** The gatherer of that name, asked as the operator would. */
const ask = (name: string) =>
  new Gatherer({
    origin: () => gatherers.get(name)?.origin ?? "",
    serverName: `${names.gatherer}.${namespace}.svc`,
    readCa: async () => caSchema.parse(await world.operand({ kind: "ConfigMap", name: names.caBundle })).data["ca.crt"],
    readToken: async () => token,
  });
const stateOf = async (name: string) => {
  const answer = await ask(name).handover(signal);
  return answer.kind === "status" ? answer.state : answer.message;
};
const isReady = async (name: string) => {
  const port = gatherers.get(name)?.healthPort;
  return (await request(`http://127.0.0.1:${port}/readyz`).catch(() => undefined))?.statusCode === 200;
};
const archivesOf = async (name: string) => {
  const answer = await ask(name).archives(signal);
  return answer.kind === "archives" ? answer.archives.map((one) => [one.name, one.sha256]) : [];
};
const becomes = (name: string, state: string) =>
  waitFor(`${name} to be ${state}`, async () => ((await stateOf(name)) === state ? true : undefined), {
    ...{ timeoutMs: 60_000, everyMs: 100 },
  }).catch(async () => {
    throw new Error(`${name} is ${await stateOf(name)}, not ${state}`);
  });
const lostEvents = async (): Promise<readonly string[]> => {
  const { body } = await world.admin.call({ path: "/api/v1/namespaces/default/events" });
  const { items } = z.object({ items: z.array(z.object({ reason: z.string(), message: z.string() })) }).parse(body);
  return items.filter(({ reason }) => reason === "ArchivesLost").map(({ message }) => message);
};
const counted = async (result: string) =>
  (await world.registry.metrics()).includes(`runtime_insights_operator_handovers_total{result="${result}"} 1`);

let firstArchives: readonly (readonly string[])[] = [];

test("the first gatherer of all is handed nothing at once, gets ready and gathers", async () => {
  assert.is((await world.applyConfig({})).status, 201);
  await gathers.startOperator();
  await waitFor("the Deployment", () => world.operand({ kind: "Deployment", name: names.gatherer }));
  await world.stopOperator();
  const a = await start("a");
  token = await a.operatorToken();
  await becomes("a", "waiting");
  assert.not(await isReady("a"));
  await endpoints("a");
  await world.setGathererReady(true);
  await operator();
  await becomes("a", "serving");
  assert.ok(await isReady("a"));
  await waitFor("the first gather", async () => ((await archivesOf("a")).length === 1 ? true : undefined));
  const [first] = await waitFor("its status", async () => {
    const all = await gathers.requests();
    return all.some(({ status }) => status.archive !== undefined) ? all : undefined;
  });
  assert.ok(first);
  assert.ok(await counted("fresh"));
  assert.equal(await lostEvents(), []);
});

test("a new one gets archives, filtered ones too, outcomes and inventory, and is not ready before", async () => {
  const older = "filtered-insights-2026-01-02-030405.tar.gz";
  await writeFile(join(gatherers.get("a")?.directory ?? "", older), "older");
  const text = JSON.stringify({ gather: "old", gatheredAtMs: 5, rows: [] });
  await writeFile(join(gatherers.get("a")?.directory ?? "", "inventory.json"), text);
  firstArchives = await archivesOf("a");
  assert.is(firstArchives.length, 2);
  await start("b");
  await becomes("b", "waiting");
  assert.not(await isReady("b"));
  await endpoints("a", "b");
  await becomes("b", "serving");
  assert.ok(await isReady("b"));
  assert.equal(await archivesOf("b"), firstArchives);
  const inventory = await ask("b").inventory(signal);
  assert.is(inventory.kind === "inventory" ? inventory.inventory?.gather : "", "old");
  const [request] = await gathers.requests();
  const outcome = await ask("b").progress(request?.uid ?? "", signal);
  assert.is(outcome.kind === "progress" ? outcome.progress.phase : outcome.kind, "Finished");
  assert.ok(await counted("complete"));
  assert.equal(await lostEvents(), []);
});

test("a gather that begins while both are there runs in the new one", async () => {
  await gathers.make("between");
  await gathers.pass(61_000);
  await gathers.waitForPhase("between", "Succeeded");
  assert.is((await archivesOf("b")).length, 3);
  assert.is((await archivesOf("a")).length, 2);
});

test("the old one is told to end: what it has beyond is passed on, it is let go, and ends", async () => {
  const late = "insights-2026-01-03-030405.tar.gz";
  await writeFile(join(gatherers.get("a")?.directory ?? "", late), "late");
  const ended = gatherers.get("a")?.terminate();
  await endpoints("-a", "b");
  assert.is(await ended, 0);
  assert.ok((await archivesOf("b")).some(([name]) => name === late));
  await endpoints("b");
});

test("a drain: the old one serves on until the new one, which comes later, has everything", async () => {
  const before = await archivesOf("b");
  const ended = gatherers.get("b")?.terminate();
  await endpoints("-b");
  await gathers.make("drained");
  await start("c");
  await becomes("c", "waiting");
  assert.is(await stateOf("b"), "serving");
  await endpoints("-b", "c");
  await becomes("c", "serving");
  assert.equal(await archivesOf("c"), before);
  assert.is(await ended, 0);
  await endpoints("c");
  await gathers.pass(61_000);
  await gathers.waitForPhase("drained", "Succeeded");
  assert.equal(await lostEvents(), []);
});

test("main ends in between: the next one goes on where it was, and nothing is put twice", async () => {
  await world.stopOperator();
  await start("d");
  await becomes("d", "waiting");
  await endpoints("c", "d");
  const [newest] = await archivesOf("c");
  const fetched = await fetchFrom("c", newest?.[0] ?? "");
  assert.is((await ask("d").putArchive(newest?.[0] ?? "", fetched, signal)).kind, "done");
  assert.is((await ask("d").putArchive(newest?.[0] ?? "", fetched, signal)).kind, "done");
  assert.is(await stateOf("d"), "waiting");
  await operator();
  await becomes("d", "serving");
  assert.equal(await archivesOf("d"), await archivesOf("c"));
});

async function fetchFrom(name: string, archive: string): Promise<Buffer<ArrayBuffer>> {
  const listed = await ask(name).archives(signal);
  const one = listed.kind === "archives" ? listed.archives.find((known) => known.name === archive) : undefined;
  if (one === undefined) throw new Error("there is no such archive");
  const fetched = await ask(name).archive(one, signal);
  if (fetched.kind !== "archive") throw new Error(fetched.kind);
  assert.is(sha256(fetched.bytes), one.sha256);
  return fetched.bytes;
}

test.run();
