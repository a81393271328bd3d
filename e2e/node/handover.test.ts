/** The gatherer is replaced on real nodes: nothing that was gathered is lost, and its Service answers all the time. */
import { setTimeout as sleep } from "node:timers/promises";
import { Agent, request } from "undici";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import { inMachine } from "../../hack/cluster/machine.ts";
import { kubectl, waitFor } from "../../hack/kubectl.ts";
import { sha256 } from "../../src/adapters/disk.ts";
import { archiveInfoSchema } from "../../src/api/gather.ts";
import { leaveMs } from "../../src/core/handover.ts";
import { audiences, names } from "../../src/core/operands.ts";
import { freeze, processesOf, resume } from "./processes.ts";
import {
  applyConfig,
  askForGather,
  forgetGathers,
  installOperator,
  namespace,
  podsOf,
  testCluster,
  waitForCondition,
  waitForPhase,
} from "./world.ts";

const cluster = await testCluster();
const config = { featureGate: "Ignored", gather: { nodeTimeout: "2m" } };
const before = "insights-2026-01-02-030405.tar.gz";
const bytes = Buffer.from("gathered long ago");

const jsonpath = (path: string, ...what: readonly string[]) =>
  kubectl(cluster, ["-n", namespace, "get", ...what, "-o", `jsonpath=${path}`]);

const patienceMs = 60_000;

/** Each time on a connection of its own, so that each is led to where the Service leads then. */
async function ask(method: "GET" | "PUT", path: string, account: string, body?: Buffer) {
  const servername = `${names.gatherer}.${namespace}.svc`;
  const dispatcher = new Agent({ connect: { ca, servername, timeout: patienceMs } });
  const headers = {
    authorization: `Bearer ${tokens.get(account)}`,
    ...(body === undefined ? {} : { "x-checksum-sha256": sha256(body) }),
  };
  try {
    const answer = await request(`https://${serviceAddress}:8443${path}`, {
      ...{ dispatcher, method, headers, body: body ?? null, signal: AbortSignal.timeout(patienceMs) },
    });
    return { status: answer.statusCode, text: await answer.body.text() };
  } finally {
    await dispatcher.destroy();
  }
}
const archives = async () =>
  z
    .array(archiveInfoSchema.loose())
    .parse(JSON.parse((await ask("GET", "/v1/archives", names.reader)).text))
    .map(({ name }) => name);

const lost = () => kubectl(cluster, ["get", "events", "--field-selector=reason=ArchivesLost", "-o", "name"]);

const tokens = new Map<string, string>();
let lostBefore = "";
let ca = "";
let serviceAddress = "";

test("preparation: a gatherer that has an archive, which only the operator may put there", async () => {
  await installOperator(cluster);
  await applyConfig(cluster, config);
  await waitForCondition(cluster, "GathererReady", /^True/);
  await waitForCondition(cluster, "ExtractorReady", /^True/);
  ca = await jsonpath("{.data.ca\\.crt}", "configmap", names.caBundle);
  serviceAddress = await jsonpath("{.spec.clusterIP}", "service", names.gatherer);
  for (const account of [names.reader, names.operator]) {
    const args = ["-n", namespace, "create", "token", account, `--audience=${audiences.gatherer}`];
    tokens.set(account, (await kubectl(cluster, args)).trim());
  }
  await waitFor("one gatherer", async () => ((await podsOf(cluster, names.gatherer)).length === 1 ? true : undefined));
  lostBefore = await lost();
  assert.is((await ask("PUT", `/v1/archives/${before}`, names.reader, bytes)).status, 403);
  assert.ok([201, 409].includes((await ask("PUT", `/v1/archives/${before}`, names.operator, bytes)).status));
  assert.is((await ask("PUT", `/v1/archives/${before}`, names.operator, bytes)).status, 409);
});

/** In which a request may have been led to a pod that does not serve any more, by the clock of this machine. */
interface LateRoutes {
  readonly fromMs: number;
  readonly untilMs: number;
}

/** Waits until the pod has ended and node-1, which this machine asks for Services, leads nobody to it. */
async function ended(pod: { readonly name: string; readonly uid: string }, address: string): Promise<LateRoutes> {
  const [node] = cluster.nodes;
  assert.ok(node);
  let leavesMs: number | undefined;
  let untilMs: number | undefined;
  const look = async () => {
    const nowMs = Date.now();
    const rules = await inMachine(node.init, ["iptables-save", "-t", "nat"]);
    const found = (await podsOf(cluster, names.gatherer)).find(({ uid }) => uid === pod.uid);
    if (found?.isEnding) leavesMs ??= await deletedMs(pod.name);
    if (found?.isEnding !== false && !rules.includes(`--to-destination ${address}:`)) untilMs ??= nowMs;
    return (found === undefined && untilMs !== undefined) || undefined;
  };
  await waitFor("the old one to end", look, { timeoutMs: 300_000 });
  // The time of a deletion has no fractions of seconds.
  const fromMs = leavesMs === undefined ? Number.POSITIVE_INFINITY : leavesMs + leaveMs + 1_000;
  return { fromMs, untilMs: untilMs ?? 0 };
}

/** When the pod was told to end; its object has the time by which it must have. Undefined when it is gone. */
async function deletedMs(pod: string): Promise<number | undefined> {
  const path = "{.metadata.deletionTimestamp} {.metadata.deletionGracePeriodSeconds}";
  const args = ["-n", namespace, "get", "pod", pod, "--ignore-not-found", "-o", `jsonpath=${path}`];
  const [time = "", seconds = ""] = (await kubectl(cluster, args)).split(" ");
  return time === "" ? undefined : Date.parse(time) - Number(seconds) * 1000;
}

test("rolled out in the middle of a gather: it ends in the old one, nothing is lost and no request fails", async () => {
  const [old] = await podsOf(cluster, names.gatherer);
  const address = await jsonpath("{.status.podIP}", "pod", old?.name ?? "");
  const stopped = (await podsOf(cluster, names.extractor)).flatMap(({ uid }) => processesOf(uid, "/exporter"));
  assert.ok(old !== undefined && stopped.length > 0);
  await forgetGathers(cluster);
  freeze(stopped);
  const failures: { readonly begunMs: number; readonly said: string }[] = [];
  let late: LateRoutes | undefined;
  let answers = 0;
  const end = new AbortController();
  const asking = (async () => {
    while (!end.signal.aborted) {
      const begunMs = Date.now();
      const said = await ask("GET", "/v1/version", names.reader).catch((cause: unknown) => `${cause}`);
      if (typeof said !== "string" && said.status === 200) answers += 1;
      else failures.push({ begunMs, said: JSON.stringify(said) });
      await sleep(50);
    }
  })();
  try {
    const request = await askForGather(cluster);
    await waitForPhase(cluster, request, "Running", "Asking the nodes");
    await applyConfig(cluster, { ...config, logLevel: "Debug" });
    const [fresh] = await waitFor("the new one to run", async () => {
      const others = (await podsOf(cluster, names.gatherer)).filter(({ uid }) => uid !== old.uid);
      const isUp =
        others.length === 1 && (await jsonpath("{.status.phase}", "pod", others[0]?.name ?? "")) === "Running";
      return isUp ? others : undefined;
    });
    const ready = '{.status.containerStatuses[?(@.name=="gatherer")].ready}';
    assert.is(await jsonpath(ready, "pod", fresh?.name ?? ""), "false");
    await waitForPhase(cluster, request, "Running", "Asking the nodes");
    resume(stopped);
    await waitForPhase(cluster, request, "Succeeded");
    assert.is(await jsonpath("{.status.attempts}", request), "1");
    late = await ended(old, address);
    const made = await jsonpath("{.status.archive.name}", request);
    const kept = await waitFor("its Service", () => archives().catch(() => undefined));
    assert.ok(kept.includes(before) && kept.includes(made), kept.join());
    assert.is((await ask("GET", `/v1/archives/${before}`, names.reader)).text, bytes.toString());
  } finally {
    resume(stopped);
    end.abort();
    await asking;
  }
  // Whom kube-proxy leads where nobody is any more, the product cannot help.
  const isLate = ({ begunMs }: (typeof failures)[number]) =>
    late !== undefined && begunMs > late.fromMs && begunMs < late.untilMs;
  const misled = failures.filter(isLate);
  if (misled.length > 0) console.log(`${misled.length} requests failed since kube-proxy was late`);
  assert.equal(
    failures.filter((failure) => !isLate(failure)),
    [],
  );
  assert.ok(answers > 20, `${answers}`);
});

test("its pod is evicted, as by a drain: the next one has everything", async () => {
  const kept = await archives();
  const [old] = await podsOf(cluster, names.gatherer);
  const eviction = { apiVersion: "policy/v1", kind: "Eviction", metadata: { name: old?.name, namespace } };
  const path = `/api/v1/namespaces/${namespace}/pods/${old?.name}/eviction`;
  await kubectl(cluster, ["create", "--raw", path, "-f", "-"], JSON.stringify(eviction));
  await waitFor("the old one to end", async () =>
    (await podsOf(cluster, names.gatherer)).every(({ uid }) => uid !== old?.uid) ? true : undefined,
  );
  await waitForCondition(cluster, "GathererReady", /^True/);
  assert.equal(await waitFor("its Service", () => archives().catch(() => undefined)), kept);
  assert.is(await lost(), lostBefore);
});

test.run();
