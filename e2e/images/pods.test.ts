/** The shipped Deployments as containers, under the accounts and restrictions that they ask for, beside a real API server. */
import type { StartedTestContainer } from "testcontainers";
import { Wait } from "testcontainers";
import { Agent, request } from "undici";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import { kubectl, waitFor } from "../../hack/kubectl.ts";
import { sha256 } from "../../src/adapters/disk.ts";
import { unpack } from "../../src/adapters/plain-files.ts";
import { decodeRequest } from "../../src/api/request.ts";
import { obfuscate } from "../../src/core/hash.ts";
import { audiences, names } from "../../src/core/operands.ts";
import { phaseOf } from "../../src/core/requests.ts";
import { gathererSide, gathersPath, namespace, nodeSide } from "../api/operator-world.ts";
import { type Pod, removeAll, terminate } from "./pod.ts";
import { ImagesWorld, loadedImages } from "./world.ts";

const operatorName = "runtime-insights-operator";
/** So soon after SIGTERM it has ended by itself, the engine's own time included: the kubelet kills after 30 s. */
const promptMs = 25_000;
const leasePath = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/${operatorName}`;
const leaseSchema = z.object({ spec: z.object({ holderIdentity: z.string().optional() }) });
/** What OpenShift makes of a pod that names no user: one of the namespace's range, in group root. */
const openshiftUser = "1000650000:0";

let world: ImagesWorld;
let operator: StartedTestContainer;
let operatorPod: Pod;
let gatherer: StartedTestContainer;
let proxy: StartedTestContainer;

test.after(async () => {
  await removeAll();
  await world.operator.stop();
});

/** The status of an unencrypted GET on a port that the container publishes. */
async function statusOf(container: StartedTestContainer, port: number, path: string): Promise<number> {
  const { statusCode, body } = await request(`http://${container.getHost()}:${container.getMappedPort(port)}${path}`);
  await body.dump();
  return statusCode;
}

const holder = async () => leaseSchema.parse(await world.operator.get(leasePath)).spec.holderIdentity ?? "";

async function startOperator(hosts: { readonly host: string; readonly ipAddress: string }[] = []): Promise<void> {
  operatorPod = await world.pod(operatorName);
  operator = await operatorPod
    .container("operator")
    .withExtraHosts(hosts)
    .withExposedPorts(8081)
    .withWaitStrategy(Wait.forHttp("/readyz", 8081))
    .start();
}

/** What the kernel says of the container's first process, and what it may write. */
async function restrictions(container: StartedTestContainer): Promise<Record<string, string>> {
  const program = `
    const { readFileSync, writeFileSync } = require("node:fs");
    const status = Object.fromEntries(readFileSync("/proc/1/status", "utf8").split("\\n").map((line) => line.split(/:\\s+/)));
    const { Uid, Gid, CapEff, CapPrm, CapBnd, NoNewPrivs, Seccomp } = status;
    const writable = ["/", "/app", "/etc", "/usr/local/bin", "/var", "/tmp"].filter((path) => {
      try { writeFileSync(path + "/.probe", ""); return true; } catch (cause) { return cause.code !== "EROFS"; }
    });
    console.log(JSON.stringify({ Uid, Gid, CapEff, CapPrm, CapBnd, NoNewPrivs, Seccomp, writable: writable.join() }));`;
  const { exitCode, output } = await container.exec(["node", "-e", program]);
  assert.is(exitCode, 0, output);
  return z.record(z.string(), z.string()).parse(JSON.parse(output));
}

const ids = (id: string) => `${id}\t${id}\t${id}\t${id}`;
const nothing = "0000000000000000";
const restricted = {
  ...{ CapEff: nothing, CapPrm: nothing, CapBnd: nothing, NoNewPrivs: "1", Seccomp: "2", writable: "" },
};

test("the images are loaded, an API server is there", async () => {
  await loadedImages();
  world = await ImagesWorld.start();
});

test("operator: with the token of its service account it becomes ready and leads, as pod and uid", async () => {
  await startOperator();
  assert.is(await statusOf(operator, 8081, "/healthz"), 200);
  assert.is(await statusOf(operator, 8081, "/readyz"), 200);
  assert.is(await holder(), `${operatorPod.name}_${operatorPod.name}`);
});

test("operator: the image's user, no capability, no new privileges, a seccomp filter, nothing to write to", async () => {
  assert.equal(await restrictions(operator), { ...restricted, Uid: ids("65532"), Gid: ids("65532") });
});

test("operator: a config that ignores the gate gets every operand, with the images that the environment names", async () => {
  assert.is((await world.operator.applyConfig({ featureGate: "Ignored" })).status, 201);
  await world.operator.waitForPresent([...gathererSide, ...nodeSide]);
  const images = await kubectl(world.operator.server, [
    ...["-n", namespace, "get", "deployment,daemonset", "-o"],
    "jsonpath={range .items[*].spec.template.spec.containers[*]}{.image}{'\\n'}{end}",
  ]);
  const ours = new Set((await loadedImages()).map(({ ref }) => ref));
  assert.equal(new Set(images.trim().split("\n")), ours);
});

test("operator: a second pod waits for the Lease, is ready and leaves at once", async () => {
  const first = await holder();
  const pod = await world.pod(operatorName);
  const second = await pod
    .container("operator")
    .withExposedPorts(8081)
    .withWaitStrategy(Wait.forHttp("/readyz", 8081))
    .start();
  assert.is(await statusOf(second, 8081, "/healthz"), 200);
  assert.is(await holder(), first);
  const { exitCode, output, tookMs } = await terminate(second);
  assert.is(exitCode, 0, output);
  assert.ok(tookMs < promptMs, `${tookMs} ms`);
  assert.is(await holder(), first);
});

test("operator: SIGTERM ends it with 0 within seconds, and the Lease is anybody's", async () => {
  const { exitCode, output, tookMs } = await terminate(operator);
  assert.is(exitCode, 0, output);
  assert.ok(tookMs < promptMs, `${tookMs} ms`);
  assert.is(await holder(), "");
});

test("gatherer: serves behind its proxy, under whatever user OpenShift may choose", async () => {
  const pod = await world.pod(names.gatherer);
  gatherer = await pod
    .container("gatherer")
    .withUser(openshiftUser)
    .withExposedPorts(8443)
    .withWaitStrategy(Wait.forLogMessage(/"Gatherer started"/))
    .start();
  proxy = await pod
    .container("kube-rbac-proxy")
    .withUser(openshiftUser)
    .withNetworkMode(`container:${gatherer.getId()}`)
    .withWaitStrategy(Wait.forLogMessage(/Listening securely on/))
    .start();
  assert.is((await ask("/healthz", "")).status, 200);
});

test("gatherer: no capability, no new privileges, a seccomp filter, nothing of its image to write to", async () => {
  assert.equal(await restrictions(gatherer), { ...restricted, Uid: ids("1000650000"), Gid: ids("0") });
});

/** A request to the gatherer's proxy by the name that its certificate is for. */
async function ask(path: string, token: string): Promise<{ readonly status: number; readonly body: Buffer }> {
  const bundle = await world.operator.operand({ kind: "ConfigMap", name: names.caBundle });
  const { data } = z.object({ data: z.object({ "ca.crt": z.string() }) }).parse(bundle);
  const servername = `${names.gatherer}.${namespace}.svc`;
  const dispatcher = new Agent({ connect: { ca: data["ca.crt"], servername } });
  try {
    const { statusCode, body } = await request(`https://${gatherer.getHost()}:${gatherer.getMappedPort(8443)}${path}`, {
      dispatcher,
      headers: token === "" ? {} : { authorization: `Bearer ${token}` },
    });
    return { status: statusCode, body: Buffer.from(await body.arrayBuffer()) };
  } finally {
    await dispatcher.destroy();
  }
}

const tokenOf = async (account: string, ...more: readonly string[]) =>
  (await kubectl(world.operator.server, ["-n", namespace, "create", "token", account, ...more])).trim();

test("gatherer: nobody is let in without a token, nor with one for another audience", async () => {
  assert.is((await ask("/v1/archives", "")).status, 401);
  assert.is((await ask("/v1/archives", await tokenOf(names.reader))).status, 401);
  const asReader = await ask("/v1/archives", await tokenOf(names.reader, `--audience=${audiences.gatherer}`));
  assert.is(asReader.status, 200, asReader.body.toString());
});

test("both: a RuntimeGather is carried out, and its archive can be fetched whole", async () => {
  await createPod("shop", "web");
  await startOperator([{ host: `${names.gatherer}.${namespace}.svc`, ipAddress: gatherer.getIpAddress("bridge") }]);
  await world.operator.setGathererReady(true);
  const made = await world.operator.create(gathersPath, {
    ...{ apiVersion: "runtimes.insights.openshift.io/v1alpha1", kind: "RuntimeGather" },
    ...{ metadata: { name: "by-hand" }, spec: { namespaces: ["shop"] } },
  });
  assert.is(made.status, 201, made.text);
  let last = "";
  const done = await waitFor(
    "the gather",
    async () => {
      const gather = decodeRequest(await world.operator.get(`${gathersPath}/by-hand`));
      last = `${phaseOf(gather)}: ${JSON.stringify(gather.status)}`;
      return phaseOf(gather) === "Succeeded" ? gather : undefined;
    },
    { timeoutMs: 90_000, everyMs: 200 },
  ).catch(() => {
    throw new Error(`the gather is ${last}`);
  });
  const { name = "", sha256: digest } = done.status.archive ?? {};
  const token = await tokenOf(names.reader, `--audience=${audiences.gatherer}`);
  const { status, body } = await ask(`/v1/archives/${name}`, token);
  assert.is(status, 200);
  assert.is(sha256(body), digest);
  const workload = (await unpack(body)).find((entry) => entry.name === "config/workload_info.json");
  const seen = z
    .object({ pods: z.number(), namespaces: z.record(z.string(), z.unknown()) })
    .parse(JSON.parse(Buffer.from(workload?.bytes ?? []).toString("utf8")));
  assert.equal([seen.pods, Object.keys(seen.namespaces)], [1, [obfuscate("shop")]]);
});

/** A pod as the API server stores it and a kubelet would report it. */
async function createPod(where: string, name: string): Promise<void> {
  await world.operator.create("/api/v1/namespaces", { metadata: { name: where } });
  await world.operator.create(`/api/v1/namespaces/${where}/serviceaccounts`, { metadata: { name: "default" } });
  const path = `/api/v1/namespaces/${where}/pods`;
  const made = await world.operator.create(path, {
    metadata: { name },
    spec: { nodeName: "node-1", automountServiceAccountToken: false, containers: [{ name: "app", image: "app:v1" }] },
  });
  assert.is(made.status, 201, made.text);
  const digest = `sha256:${"a".repeat(64)}`;
  const container = { name: "app", image: "app:v1", imageID: `quay.example/app@${digest}`, containerID: "cri-o://1" };
  const running = { ...container, ready: true, restartCount: 0, state: { running: {} } };
  await world.operator.patch(`${path}/${name}/status`, {
    status: { phase: "Running", containerStatuses: [running] },
  });
}

test("gatherer and proxy: SIGTERM ends them with 0 within seconds", async () => {
  for (const container of [proxy, gatherer, operator]) {
    const { exitCode, output, tookMs } = await terminate(container);
    assert.is(exitCode, 0, output);
    assert.ok(tookMs < promptMs, `${tookMs} ms`);
  }
});

test.run();
