/** What else may come to the gatherer's REST interface than its operator, on the level of bytes. */
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { makeOrder } from "../core/order.fixture.ts";
import { isArchiveName, readArchive, sha256, writeArchive } from "./disk.ts";
import { type GathererServer, serveGatherer } from "./server.ts";
import { createLogger } from "./telemetry.ts";

const name = "insights-2026-01-02-030405.tar.gz";
const started: string[] = [];
let root = "";
let directory = "";
let server: GathererServer;

test.before.each(async () => {
  root = await mkdtemp(join(tmpdir(), "server-hostile-"));
  directory = join(root, "archives");
  started.length = 0;
  await writeFile(join(root, name), "outside");
  server = await serveGatherer({
    ...{ address: "127.0.0.1", port: 0, version: "1.2.3", maxArchiveBytes: 1_000, requestTimeoutMs: 1_500 },
    log: createLogger({ name: "test", level: "silent" }),
    service: {
      start: ({ id }) => {
        started.push(id);
        return "started";
      },
      find: () => undefined,
      release: () => "not awaited",
      archives: async () => [],
      archive: (one) => readArchive(directory, one),
      keep: async (one, bytes) => (await writeArchive(directory, one, bytes)).kind,
      inventory: async () => undefined,
      handover: () => ({ state: "waiting", sinceMs: 0 }),
      takeOver: async () => ({ problems: [] }),
      relieve: () => undefined,
    },
  });
});
test.after.each(async () => {
  await server.close();
  await rm(root, { recursive: true });
});

/** All that comes back until the server ends the connection or `enough` of it is there. */
const exchange = (text: string | Buffer, enough?: (answer: string) => boolean): Promise<string> =>
  new Promise((resolve, reject) => {
    let answer = "";
    const socket = connect(server.port, "127.0.0.1", () => socket.write(text));
    socket.setTimeout(5_000, () => reject(new Error(`still open after ${answer}`)));
    socket.on("data", (data) => {
      answer += data.toString("latin1");
      if (enough?.(answer)) socket.destroy();
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve(answer));
  });
const statuses = (answer: string) => [...answer.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status));
const host = "host: x\r\n";
const closing = `${host}connection: close\r\n`;
const get = (path: string) => exchange(`GET ${path} HTTP/1.1\r\n${closing}\r\n`);
const post = (body: string) =>
  exchange(`POST /v1/gathers HTTP/1.1\r\n${closing}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);

const paths: readonly (readonly [path: string, status: number])[] = [
  [`/v1/archives/../${name}`, 404],
  [`/v1/archives/..%2f${name}`, 404],
  [`/v1/archives/%2e%2e/${name}`, 404],
  [`/v1/archives/..\\${name}`, 404],
  [`/v1/archives/${name}%00`, 404],
  [`/v1/archives/%00`, 404],
  [`/v1/archives/${name}%0a`, 404],
  ["/v1/archives/%ff", 400],
  ["/v1/archives/%", 400],
  [`//v1/archives/${name}`, 404],
  [`http://elsewhere/v1/version`, 404],
  ["/v1/version/", 404],
  ["/v1/version?a=%zz", 200],
  [`/v1/gathers/__proto__`, 404],
  [`/v1/gathers/${"x".repeat(8_000)}`, 404],
];
for (const [path, status] of paths)
  test(`GET ${path.slice(0, 60)}: ${status}, and nothing from outside the folder`, async () => {
    const answer = await get(path);
    assert.equal(statuses(answer), [status], answer);
    assert.not.match(answer, /outside/);
  });

test("an archive put under a path is refused, and nothing is written anywhere", async () => {
  const bytes = "x";
  for (const path of [`..%2f${name}`, `%2e%2e%2f${name}`, `${name}%00`, `${name}%0a`, ".writing-x", "inventory.json"]) {
    const head = `${closing}x-checksum-sha256: ${sha256(Buffer.from(bytes))}\r\ncontent-length: 1\r\n`;
    assert.equal(statuses(await exchange(`PUT /v1/archives/${path} HTTP/1.1\r\n${head}\r\n${bytes}`)), [400], path);
  }
  assert.equal((await readdir(root)).sort(), [name]);
});

test("whatever an archive put is called, only a name of the right form makes a file, and in the folder", async () => {
  const pieces = [
    "insights-",
    "filtered-",
    "2026-01-02-030405",
    ".tar.gz",
    "..",
    "/",
    "\\",
    "\0",
    "\n",
    ".",
    "%2e",
    "é",
    "a",
    " ",
  ];
  const form = /^(filtered-)?insights-\d{4}-\d{2}-\d{2}-\d{6}\.tar\.gz$/;
  const put = async (text: string) => {
    const head = `${closing}x-checksum-sha256: ${sha256(Buffer.from("x"))}\r\ncontent-length: 1\r\n`;
    return statuses(await exchange(`PUT /v1/archives/${encodeURIComponent(text)} HTTP/1.1\r\n${head}\r\nx`));
  };
  await fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom(...pieces), { minLength: 1, maxLength: 7 }), async (parts) => {
      const text = parts.join("");
      const isGood = form.test(text);
      const [status] = await put(text);
      assert.ok(isGood ? status === 201 || status === 409 : status === 400, `${JSON.stringify(text)}: ${status}`);
      assert.ok((await readdir(root)).every((one) => one === name || one === "archives"));
      assert.ok((await readdir(directory).catch(() => [])).every((one) => form.test(one)));
    }),
    { numRuns: 150, examples: [[["insights-", "2026-01-02-030405", ".tar.gz"]], [["..", "/", name]]] },
  );
});

test("a body slower than the time of a request ends the connection, and no gather is started", async () => {
  const order = JSON.stringify(makeOrder());
  const head = `POST /v1/gathers HTTP/1.1\r\n${host}content-length: ${order.length}\r\n\r\n`;
  const answer = await exchange(head + order.slice(0, -1));
  assert.equal(statuses(answer), [408]);
  assert.equal(started, []);
});

test("headers slower than the time of a request end the connection", async () => {
  assert.equal(statuses(await exchange(`GET /healthz HTTP/1.1\r\n${host}x-slow: `)), [408]);
});

test("an archive that stops in the middle is not kept", async () => {
  const head = `PUT /v1/archives/${name} HTTP/1.1\r\n${host}x-checksum-sha256: ${sha256(Buffer.from("xx"))}\r\n`;
  await exchange(`${head}content-length: 2\r\n\r\nx`);
  assert.equal((await readdir(root)).sort(), [name]);
});

test("a body without end is answered once it is too long, and the connection ends", async () => {
  const head = `POST /v1/gathers HTTP/1.1\r\n${host}transfer-encoding: chunked\r\n\r\n`;
  const chunk = `10000\r\n${"x".repeat(65_536)}\r\n`;
  const answer = await exchange(head + chunk.repeat(6));
  assert.equal(statuses(answer), [413]);
  assert.match(answer, /connection: close/i);
});

const bodies: readonly (readonly [rule: string, body: string])[] = [
  ["nothing", ""],
  ["null", "null"],
  ["a list", "[]"],
  ["a number", "1"],
  ["deep nesting", "[".repeat(100_000)],
  ["an order in a list", JSON.stringify([makeOrder()])],
  ["an order with __proto__", JSON.stringify(makeOrder()).replace("{", '{"__proto__":{"id":"x"},')],
  ["an order with a pod limit of 1e999", JSON.stringify(makeOrder()).replace('"podLimit":8000', '"podLimit":1e999')],
  ["an order with a timeout that no timer can wait for", JSON.stringify(makeOrder({ nodeTimeoutMs: 5_000_000_000 }))],
  ["an order with an empty id", JSON.stringify(makeOrder({ id: "" }))],
  ["a byte order mark before the order", `\ufeff${JSON.stringify(makeOrder())}`],
];
for (const [rule, body] of bodies)
  test(`${rule} is no order: 400 and one sentence`, async () => {
    const answer = await post(body);
    assert.equal(statuses(answer), [400], answer);
    assert.match(answer, /\r\n\r\n\{"error":".{1,600}"\}$/);
    assert.equal(started, []);
  });

test("requests one behind the other on one connection are answered in their order", async () => {
  const asked = ["/healthz", "/nowhere", "/v1/version"].map((path) => `GET ${path} HTTP/1.1\r\n${host}\r\n`);
  const answer = await exchange(`${asked.join("")}HEAD /v1/version HTTP/1.1\r\n${closing}\r\n`);
  assert.equal(statuses(answer), [200, 404, 200, 200]);
  assert.match(answer, /content-length: 19\r\n(?:.+\r\n)+\r\n$/, "a HEAD has no body");
});

test("an order that is refused before its end does not become the next request", async () => {
  const smuggled = `GET /v1/version HTTP/1.1\r\n${closing}\r\n`;
  const head = `PUT /v1/archives/${name} HTTP/1.1\r\n${host}content-length: ${1_001 + smuggled.length}\r\n\r\n`;
  assert.equal(statuses(await exchange(head + smuggled)), [413]);
});

for (const [rule, text] of [
  [
    "length and chunks at once",
    `POST /v1/gathers HTTP/1.1\r\n${host}content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
  ],
  ["two lengths", `POST /v1/gathers HTTP/1.1\r\n${host}content-length: 4\r\ncontent-length: 5\r\n\r\n{}{}`],
  ["TLS in place of HTTP", Buffer.from("16030100a5010000a10303", "hex")],
  ["headers of a megabyte", `GET /healthz HTTP/1.1\r\n${host}x: ${"y".repeat(1_000_000)}\r\n\r\n`],
  ["no host", "GET /healthz HTTP/1.1\r\n\r\n"],
] as const)
  test(`${rule}: refused, and the server goes on`, async () => {
    const [status = 400] = statuses(await exchange(text));
    assert.ok(status >= 400 && status < 500, `${status}`);
    assert.equal(statuses(await get("/healthz")), [200]);
    assert.equal(started, []);
  });

test("lengths that are none are no archive", async () => {
  for (const length of ["-1", "1e3", "0x1", " ", "+1"])
    assert.not.equal(
      statuses(await exchange(`PUT /v1/archives/${name} HTTP/1.1\r\n${closing}content-length: ${length}\r\n\r\n`)),
      [201],
    );
  assert.equal((await readdir(root)).filter(isArchiveName), [name]);
  assert.equal(await readdir(root), [name]);
});

test.run();
