import { mkdtemp, readdir, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { request } from "undici";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { GatherProgress } from "../api/gather.ts";
import { makeOrder } from "../core/order.fixture.ts";
import { listArchives, readArchive, sha256, writeArchive } from "./disk.ts";
import { type GathererServer, type Service, serveGatherer } from "./server.ts";
import { createLogger } from "./telemetry.ts";

const name = "insights-2026-01-02-030405.tar.gz";
const bytes = Buffer.from("an archive");
const order = makeOrder();
const progress: GatherProgress = {
  ...{ id: "uid-1", phase: "Running", stage: "ListingPods", startedAtMs: 1, finishedAtMs: null, outcome: null },
};

let directory = "";
let server: GathererServer;
let running: string | undefined;
let awaited: string | undefined;
const handed: unknown[] = [];
const released = new Map<string, readonly string[]>();
const service: Service = {
  start: ({ id }) => {
    if (running !== undefined) return running === id ? "same" : "busy";
    running = id;
    return "started";
  },
  release: (id, { problems }) => {
    if (released.has(id)) return "same";
    if (id !== awaited) return "not awaited";
    released.set(id, problems);
    return "released";
  },
  find: (id) => (id === "broken" ? fail() : id === running ? { ...progress, id } : undefined),
  archives: () => listArchives(directory),
  archive: (one) => readArchive(directory, one),
  keep: (one, content) => keep(one, content),
  inventory: async () => undefined,
  handover: () => ({ state: handed.length > 0 ? "serving" : "waiting", sinceMs: 5 }),
  takeOver: async (takeover) => {
    handed.push(takeover);
    return { problems: ["a problem"] };
  },
  relieve: () => handed.push("relieved"),
};
const written: Service["keep"] = async (one, content) => (await writeArchive(directory, one, content)).kind;
let keep = written;
const fail = (): never => {
  throw new Error("the secret cause");
};

test.before.each(async () => {
  directory = await mkdtemp(join(tmpdir(), "server-test-"));
  running = undefined;
  awaited = undefined;
  released.clear();
  handed.length = 0;
  keep = written;
  const log = createLogger({ name: "test", level: "silent" });
  server = await serveGatherer({
    address: "127.0.0.1",
    port: 0,
    version: "1.2.3",
    service,
    log,
    maxArchiveBytes: 1_000,
  });
});
test.after.each(async () => {
  await server.close();
  await rm(directory, { recursive: true });
});

type Method = "GET" | "POST" | "PUT" | "DELETE" | "HEAD";
async function ask(method: Method, path: string, body?: Buffer | string, headers: Record<string, string> = {}) {
  const answer = await request(`http://127.0.0.1:${server.port}${path}`, { method, headers, body: body ?? null });
  return { status: answer.statusCode, type: answer.headers["content-type"], text: await answer.body.text() };
}
const post = (value: unknown) => ask("POST", "/v1/gathers", JSON.stringify(value));
const put = (path: string, content: Buffer, checksum = sha256(content)) =>
  ask("PUT", path, content, { "x-checksum-sha256": checksum });

test("an order starts a gather, comes again, and is refused while another runs", async () => {
  const started = await post(order);
  assert.is(started.status, 202);
  assert.equal(JSON.parse(started.text), progress);
  assert.is((await post(order)).status, 200);
  assert.equal(await post({ ...order, id: "uid-2" }).then(({ status }) => status), 409);
  const found = await ask("GET", "/v1/gathers/uid-1");
  assert.equal([found.status, JSON.parse(found.text)], [200, progress]);
  assert.is((await ask("GET", "/v1/gathers/uid-2")).status, 404);
});

const refusals: readonly {
  readonly rule: string;
  readonly body: string;
  readonly status: number;
  readonly error: RegExp;
}[] = [
  { rule: "an order without id names the field", body: '{"runtimeInfo":true}', status: 400, error: /id: / },
  {
    rule: "a wrong type names the field",
    body: JSON.stringify({ ...order, podLimit: "x" }),
    status: 400,
    error: /^podLimit: /,
  },
  { rule: "an unknown field is refused", body: JSON.stringify({ ...order, extra: 1 }), status: 400, error: /extra/ },
  { rule: "an order that is not JSON", body: "{", status: 400, error: /not JSON/ },
  { rule: "an order that is too long", body: `"${"x".repeat(300_000)}"`, status: 413, error: /at most 262144 bytes/ },
];
for (const { rule, body, status, error } of refusals)
  test(rule, async () => {
    const answer = await ask("POST", "/v1/gathers", body);
    assert.is(answer.status, status);
    assert.match(JSON.parse(answer.text).error, error);
    assert.is(running, undefined);
  });

const routes: readonly {
  readonly method: Method;
  readonly path: string;
  readonly status: number;
  readonly text?: string;
}[] = [
  { method: "GET", path: "/healthz", status: 200, text: "ok" },
  { method: "HEAD", path: "/healthz", status: 200, text: "" },
  { method: "GET", path: "/v1/version", status: 200, text: '{"version":"1.2.3"}' },
  { method: "GET", path: "/v1/archives", status: 200, text: "[]" },
  { method: "GET", path: "/v1/archives/", status: 404 },
  { method: "GET", path: `/v1/archives/${name}`, status: 404 },
  { method: "GET", path: "/v1/archives/..%2f..%2fetc%2fpasswd", status: 404 },
  { method: "GET", path: "/v1/archives/%zz", status: 400 },
  { method: "GET", path: "/v1/inventory", status: 404 },
  { method: "GET", path: "/v1/gathers", status: 405 },
  { method: "POST", path: "/v1/archives", status: 405 },
  { method: "DELETE", path: `/v1/archives/${name}`, status: 405 },
  { method: "PUT", path: "/v1/inventory", status: 405 },
  { method: "GET", path: "/", status: 404 },
  { method: "GET", path: "/v2/version", status: 404 },
];
for (const { method, path, status, text } of routes)
  test(`${method} ${path}: ${status}`, async () => {
    const answer = await ask(method, path);
    assert.is(answer.status, status);
    if (text !== undefined) assert.is(answer.text, text);
  });

test("a failure is answered without its cause", async () => {
  const answer = await ask("GET", "/v1/gathers/broken");
  assert.is(answer.status, 500);
  assert.not.match(answer.text, /secret/);
});

test("an archive put can be listed and read, and not put again", async () => {
  assert.is((await put(`/v1/archives/${name}`, bytes)).status, 201);
  const [listed] = JSON.parse((await ask("GET", "/v1/archives")).text);
  assert.equal({ ...listed, modified: 0 }, { name, bytes: bytes.length, sha256: sha256(bytes), modified: 0 });
  const read = await ask("GET", `/v1/archives/${name}`);
  assert.equal([read.status, read.type, read.text], [200, "application/gzip", "an archive"]);
  assert.is((await put(`/v1/archives/${name}`, Buffer.from("other"))).status, 409);
  assert.is((await ask("GET", `/v1/archives/${name}`)).text, "an archive");
});

test("of ten puts of one archive at the same time one is kept, and the others are told that it is there", async () => {
  const answers = await Promise.all(Array.from({ length: 10 }, () => put(`/v1/archives/${name}`, bytes)));
  assert.equal(answers.map(({ status }) => status).sort(), [201, ...Array.from({ length: 9 }, () => 409)]);
  assert.equal(await readdir(directory), [name]);
});

test("a full disk: 507, so that the other side knows that another try does not help yet", async () => {
  keep = () => Promise.reject(Object.assign(new Error("no space left"), { code: "ENOSPC" }));
  assert.is((await put(`/v1/archives/${name}`, bytes)).status, 507);
  keep = () => Promise.reject(Object.assign(new Error("broken"), { code: "EIO" }));
  assert.is((await put(`/v1/archives/${name}`, bytes)).status, 500);
});

test("a handover: asked for, ended with what was handed over, and told when another one has it all", async () => {
  const state = async () => JSON.parse((await ask("GET", "/v1/handover")).text);
  assert.equal(await state(), { state: "waiting", sinceMs: 5 });
  const takeover = { outcomes: [progress], inventory: { gather: "uid-1", gatheredAtMs: 4, rows: [] } };
  const taken = await ask("PUT", "/v1/handover", JSON.stringify(takeover));
  assert.equal([taken.status, JSON.parse(taken.text)], [200, { problems: ["a problem"] }]);
  assert.equal(handed, [takeover]);
  assert.equal(await state(), { state: "serving", sinceMs: 5 });
  assert.is((await ask("POST", "/v1/handover")).status, 200);
  assert.equal(handed, [takeover, "relieved"]);
});

const takeovers: readonly (readonly [rule: string, body: string, status: number])[] = [
  ["nothing", "", 400],
  ["no inventory", '{"outcomes":[]}', 400],
  ["more than was asked for", '{"outcomes":[],"inventory":null,"archives":[]}', 400],
  ["an outcome of another form", '{"outcomes":[{"id":"a"}],"inventory":null}', 400],
  ["more outcomes than can be", `{"outcomes":[${Array(101).fill(0).join()}],"inventory":null}`, 400],
  ["more than fits", `{"outcomes":[],"inventory":"${"x".repeat(1_000)}"}`, 413],
];
for (const [rule, body, status] of takeovers)
  test(`handed over with ${rule}: refused, and it goes on waiting`, async () => {
    assert.is((await ask("PUT", "/v1/handover", body)).status, status);
    assert.equal(handed, []);
  });

const puts: readonly {
  readonly rule: string;
  readonly ask: () => Promise<{ status: number }>;
  readonly status: number;
}[] = [
  { rule: "a wrong checksum", ask: () => put(`/v1/archives/${name}`, bytes, sha256(Buffer.from("x"))), status: 422 },
  { rule: "no checksum", ask: () => ask("PUT", `/v1/archives/${name}`, bytes), status: 422 },
  { rule: "too large an archive", ask: () => put(`/v1/archives/${name}`, Buffer.alloc(1_001)), status: 413 },
  { rule: "another name", ask: () => put("/v1/archives/inventory.json", bytes), status: 400 },
  { rule: "a path for a name", ask: () => put("/v1/archives/..%2fx", bytes), status: 400 },
];
for (const { rule, ask: attempt, status } of puts)
  test(`${rule} is refused, and nothing is kept`, async () => {
    assert.is((await attempt()).status, status);
    assert.equal(await listArchives(directory), []);
  });

/** Sends text as it is and resolves with the first line of the answer, or "" when the connection ends without. */
const raw = (text: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(server.port, "127.0.0.1", () => socket.write(text));
    socket.setTimeout(20_000, () => reject(new Error("no answer")));
    socket.on("data", (data) => {
      resolve(data.toString().split("\r\n")[0] ?? "");
      socket.destroy();
    });
    socket.on("end", () => resolve(""));
    socket.on("error", () => resolve(""));
  });

test("an archive without its length is refused", async () => {
  const chunked = `PUT /v1/archives/${name} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n`;
  assert.match(await raw(chunked), / 411 /);
});

test("a length that exceeds the limit is refused before the body comes", async () => {
  assert.match(await raw(`PUT /v1/archives/${name} HTTP/1.1\r\nhost: x\r\ncontent-length: 1001\r\n\r\n`), / 413 /);
});

const nodeSide = (value: unknown, id = "uid-1") =>
  ask("POST", `/v1/gathers/${id}/nodeside`, typeof value === "string" ? value : JSON.stringify(value));

test("the node side is gone: told once or twice, and refused while nobody waits for it", async () => {
  assert.is((await nodeSide({ problems: [] })).status, 404);
  await post(order);
  assert.is((await nodeSide({ problems: [] })).status, 409);
  awaited = "uid-1";
  assert.is((await nodeSide({ problems: ["a"] })).status, 200);
  const again = await nodeSide({ problems: ["b"] });
  assert.is(again.status, 200);
  assert.equal(JSON.parse(again.text), progress);
  assert.equal([...released], [["uid-1", ["a"]]]);
  assert.is((await ask("GET", "/v1/gathers/uid-1/nodeside")).status, 405);
});

const reports: readonly (readonly [rule: string, body: unknown, status: number, says: RegExp])[] = [
  ["no JSON", "{", 400, /the report is not JSON/],
  ["no problems", {}, 400, /problems/],
  ["something else beside them", { problems: [], more: 1 }, 400, /more/],
  ["problems that are no text", { problems: [1] }, 400, /problems\.0/],
  ["an empty one", { problems: [""] }, 400, /problems\.0/],
  ["a very long one", { problems: ["x".repeat(1_025)] }, 400, /problems\.0/],
  ["very many", { problems: Array.from({ length: 21 }, () => "x") }, 400, /problems/],
  ["a flood", " ".repeat(256 * 1024 + 1), 413, /at most/],
];
for (const [rule, body, status, says] of reports)
  test(`a report of the node side with ${rule} is refused`, async () => {
    await post(order);
    awaited = "uid-1";
    const answer = await nodeSide(body);
    assert.is(answer.status, status, answer.text);
    assert.match(answer.text, says);
    assert.is(released.size, 0);
  });

test.run();
