/** Uploads: the operator under its shipped account, the real gatherer behind the real proxy, and an HTTPS receiver of this test. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import { kubectl, waitFor } from "../../hack/kubectl.ts";
import { type HttpsServer, makeAuthority, serveHttps } from "../../src/adapters/https.fixture.ts";
import { readParts } from "../../src/adapters/multipart.fixture.ts";
import { statusSchema } from "../../src/api/config-status.ts";
import type { LastUpload } from "../../src/api/upload.ts";
import { names } from "../../src/core/operands.ts";
import { GathersWorld } from "./gathers-world.ts";
import { configPath, namespace, type OperatorWorld } from "./operator-world.ts";
import { RealGatherer } from "./real-gatherer.ts";

const token = "the-right-token";
const secretPath = `/api/v1/namespaces/${namespace}/secrets/upload`;
let gathers: GathersWorld;
let world: OperatorWorld;
let gatherer: RealGatherer | undefined;
let receiver: HttpsServer | undefined;
let ca = "";

interface Received {
  readonly status: number;
  readonly agent: string | undefined;
  readonly file: Buffer;
  readonly metadata: string;
}
const received: Received[] = [];
/** Of the next answers to a right token; 202 after them. */
const statuses: number[] = [];

test.before(async () => {
  const authority = await makeAuthority();
  ca = authority.ca;
  receiver = await serveHttps(await authority.certificate("localhost"), async (request, response) => {
    const [file, metadata] = await readParts(request);
    const isRight = request.headers.authorization === `Bearer ${token}`;
    const status = isRight ? (statuses.shift() ?? 202) : 401;
    const agent = request.headers["user-agent"];
    received.push({ status, agent, file: file?.bytes ?? Buffer.alloc(0), metadata: String(metadata?.bytes) });
    response.writeHead(status, { "x-rh-insights-request-id": `request-${received.length}` }).end();
  });
  gathers = await GathersWorld.start();
  world = gathers.world;
});
test.after(async () => {
  gatherer?.stop();
  await receiver?.close();
  await world.stop();
});

const upload = () => ({
  endpoint: `https://localhost:${receiver?.port}/api/ingress/v1/upload`,
  ...{ tokenSecretRef: { name: "upload" }, caConfigMapRef: { name: "upload-ca" }, interval: "15m" },
});

/** Every loop runs often, so that what must not happen would. */
/** How often the operator has begun to ask the gatherer. */
let looks = 0;
const startOperator = () =>
  gathers.startOperator({
    gathererOrigin: gatherer?.origin ?? "https://127.0.0.1:1",
    gathererToken: async () => {
      looks += 1;
      return (await gatherer?.operatorToken()) ?? "";
    },
    resyncMs: 300,
    uploads: { jitter: () => 0 },
  });

const status = async () =>
  statusSchema.parse(z.object({ status: z.unknown() }).parse(await world.get(configPath)).status);

async function waitForUpload(fits: (last: LastUpload | undefined) => boolean): Promise<LastUpload | undefined> {
  let last: LastUpload | undefined;
  await waitFor(
    "the last upload",
    async () => {
      last = (await status()).lastUpload;
      return fits(last) ? true : undefined;
    },
    { timeoutMs: 90_000, everyMs: 100 },
  ).catch(() => {
    throw new Error(`the last upload is ${JSON.stringify(last)}`);
  });
  return last;
}

/** `Warning UploadFailed ...`, of uploads only, oldest first. */
async function events(): Promise<readonly string[]> {
  const answer = await world.admin.call({ path: "/api/v1/namespaces/default/events" });
  const schema = z.object({
    items: z.array(
      z.object({
        type: z.string(),
        reason: z.string(),
        message: z.string(),
        metadata: z.object({ resourceVersion: z.string() }),
      }),
    ),
  });
  return schema
    .parse(answer.body)
    .items.filter(({ reason }) => reason.startsWith("Upload"))
    .sort((a, b) => Number(a.metadata.resourceVersion) - Number(b.metadata.resourceVersion))
    .map(({ type, reason, message }) => `${type} ${reason} ${message.replace(/^insights-[^:]*: /, "")}`);
}

async function gather(name: string): Promise<string> {
  await gathers.make(name);
  await gathers.pass(61_000);
  const { status: said } = await gathers.waitForPhase(name, "Succeeded");
  return said.archive?.name ?? "";
}

/** No object changes for two seconds, in which every loop runs six times. */
async function assertQuiet(): Promise<void> {
  let before = await world.versions();
  for (let tries = 0; ; tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    const now = await world.versions();
    if (JSON.stringify(now) === JSON.stringify(before)) return;
    assert.ok(tries < 3, `writes go on: ${JSON.stringify({ before, now })}`);
    before = now;
  }
}

const makeSecret = async (text: string, data = { token: Buffer.from(text).toString("base64") }) => {
  await world.delete(secretPath);
  const body = { apiVersion: "v1", kind: "Secret", metadata: { name: "upload" }, data };
  const { status: code, text: said } = await world.create(`/api/v1/namespaces/${namespace}/secrets`, body);
  assert.is(code, 201, said);
};

let archive = "";

test("the Secret is not there: the status says so, nothing is sent, the gather succeeds", async () => {
  await world.create(`/api/v1/namespaces/${namespace}/configmaps`, {
    ...{ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "upload-ca" }, data: { "ca-bundle.crt": ca } },
  });
  assert.is((await world.applyConfig({ upload: upload() })).status, 201);
  await startOperator();
  await waitFor("the certificate", async () =>
    (await world.operand({ kind: "Deployment", name: names.gatherer })) ? true : undefined,
  );
  gatherer = await RealGatherer.start(gathers);
  await startOperator();
  await world.setGathererReady(true);
  const last = await waitForUpload((one) => one !== undefined);
  archive = (await status()).lastGather?.archive ?? "";
  assert.match(archive, /^insights-/);
  assert.equal(
    [last?.archive, last?.succeeded, last?.reason, last?.message, last?.lastSuccess],
    [archive, false, "NoToken", `Secret ${namespace}/upload is not there`, undefined],
  );
  await world.waitForCondition("GatherSucceeded", "True/AsExpected");
  await world.waitForCondition("Degraded", "False/AsExpected");
  assert.equal(received, []);
});

test("the shipped account gets a Secret whose name it knows, in its namespace: it lists and changes none", async () => {
  const can = async (verb: string, what: string, where: string) => {
    const as = `--as=system:serviceaccount:${namespace}:runtime-insights-operator`;
    // A no is an exit code as well.
    const said = await kubectl(world.server, ["-n", where, "auth", "can-i", verb, what, as]).catch(() => "no");
    return said.trim();
  };
  assert.is(await can("get", "secrets/upload", namespace), "yes");
  for (const verb of ["list", "watch", "update", "patch", "create", "delete"])
    assert.is(await can(verb, "secrets/upload", namespace), "no", verb);
  for (const where of ["default", "kube-system"]) assert.is(await can("get", "secrets/upload", where), "no", where);
});

test("a wrong token: not authorized, tried once, and nothing is written while it waits", async () => {
  await makeSecret("wrong");
  const last = await waitForUpload((one) => one?.reason === "NotAuthorized");
  assert.match(last?.message ?? "", /does not know the token.*\(401\)/);
  assert.is(last?.requestId, "request-1");
  await assertQuiet();
  assert.match(await world.registry.metrics(), /uploads_total\{result="NotAuthorized"\} 1\n/);
  assert.equal(
    received.map(({ status: code }) => code),
    [401],
  );
});

test("the right token: the archive arrives byte for byte within the minute, though the wait was for an hour", async () => {
  await makeSecret(token);
  const last = await waitForUpload((one) => one?.succeeded === true);
  assert.equal([last?.archive, last?.reason, last?.requestId], [archive, "Uploaded", "request-2"]);
  assert.equal(last?.lastSuccess, { archive, time: last?.time });
  const { file, agent, metadata } = received[1] ?? {};
  const bytes = await readFile(join(gatherer?.directory ?? "", archive));
  assert.ok(file?.equals(bytes), "the archive is another");
  assert.is(agent, "insights-operator/0.0.0-test-abcdef0 cluster/00000000-0000-4000-8000-000000000000");
  const [, day, hour, minute, second] = /(\d{4}-\d\d-\d\d)-(\d\d)(\d\d)(\d\d)/.exec(archive) ?? [];
  assert.is(metadata, `{"custom_metadata":{"gathering_time":"${day}T${hour}:${minute}:${second}Z"}}`);
});

test("it is sent once: not after hours, not by an operator that has just started, and nothing is written", async () => {
  await gathers.pass(3_600_000);
  await assertQuiet();
  await startOperator();
  await gathers.pass(3_600_000);
  await assertQuiet();
  assert.is(received.length, 2);
  const seconds = Date.parse((await status()).lastUpload?.lastSuccess?.time ?? "") / 1000;
  assert.match(await world.registry.metrics(), new RegExp(`last_upload_timestamp_seconds ${seconds}\\n`));
});

test("a gather of some namespaces is not sent, the next full one is", async () => {
  await gathers.make("some", { namespaces: ["default"] });
  await gathers.pass(61_000);
  const { status: said } = await gathers.waitForPhase("some", "Succeeded");
  assert.match(said.archive?.name ?? "", /^filtered-insights-/);
  await gathers.pass(3_600_000);
  await assertQuiet();
  assert.is(received.length, 2);
  const next = await gather("full");
  const last = await waitForUpload((one) => one?.archive === next && one.succeeded);
  assert.is(last?.lastSuccess?.archive, next);
  assert.is(received.length, 3);
});

test("a receiver that fails: the condition of the gather stays, and the whole archive is sent again after the interval", async () => {
  statuses.push(500, 503);
  const next = await gather("again");
  await waitForUpload((one) => one?.archive === next && one.reason === "ServerFailed");
  await world.waitForCondition("GatherSucceeded", "True/AsExpected");
  await assertQuiet();
  assert.is(received.length, 4);
  await gathers.pass(15 * 60_000);
  await waitForUpload((one) => one?.message.includes("503") === true);
  await gathers.pass(15 * 60_000);
  await waitForUpload((one) => one?.archive === next && one.succeeded);
  const bytes = await readFile(join(gatherer?.directory ?? "", next));
  assert.equal(
    received.slice(3).map(({ status: code, file }) => [code, file.equals(bytes)]),
    [
      [500, true],
      [503, true],
      [202, true],
    ],
  );
});

test("the gatherer does not answer: told after three minutes, and taken back when it does again", async () => {
  gatherer?.kill();
  const before = looks;
  await gathers.pass(15 * 60_000);
  // The second begins when the first has found nobody.
  await waitFor("two looks", async () => looks >= before + 2 || undefined, { everyMs: 50 });
  assert.is((await status()).lastUpload?.succeeded, true);
  await gathers.pass(3 * 60_000);
  const last = await waitForUpload((one) => one?.reason === "ArchiveUnavailable");
  assert.is(last?.archive, undefined);
  gatherer?.restart();
  await waitForUpload((one) => one?.succeeded === true);
  assert.is(received.length, 6);
});

test("the operator's own Secrets are never sent, whatever they are called", async () => {
  await makeSecret(token);
  const label = { "app.kubernetes.io/managed-by": "runtime-insights-operator" };
  await world.patch(secretPath, { metadata: { labels: label } });
  await gather("own");
  const last = await waitForUpload((one) => one?.reason === "NoToken");
  assert.match(last?.message ?? "", /is one of the operator's own/);
  assert.is(received.length, 6);
});

test("switched off: failures go from the status, the last success stays, nothing is sent any more", async () => {
  const before = (await status()).lastUpload?.lastSuccess;
  assert.is((await world.applyConfig({})).status, 200);
  const last = await waitForUpload((one) => one?.succeeded === true);
  assert.equal(last?.lastSuccess, before);
  await makeSecret(token);
  await gather("off");
  await gathers.pass(3_600_000);
  await assertQuiet();
  assert.is(received.length, 6);
});

test("events tell when uploads begin to fail, fail otherwise, and work again; no token is in them", async () => {
  const told = await events();
  assert.equal(told.toSpliced(5, 1), [
    `Warning UploadFailed NoToken: Secret ${namespace}/upload is not there`,
    "Warning UploadFailed NotAuthorized: The receiver does not know the token, or it has expired (401)",
    "Normal Uploaded The archive was received",
    "Warning UploadFailed ServerFailed: The receiver failed (500)",
    "Normal Uploaded The archive was received",
    `Warning UploadFailed NoToken: Secret ${namespace}/upload is one of the operator's own`,
  ]);
  assert.match(told[5] ?? "", /^Warning UploadFailed The newest archive: ArchiveUnavailable: the gatherer/);
  const everything = JSON.stringify([told, await world.get(configPath)]);
  assert.not.match(everything, new RegExp(token));
});

test.run();
