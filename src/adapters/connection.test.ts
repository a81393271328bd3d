import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import {
  createSecureServer,
  type Http2SecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from "node:http2";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mock } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Connection } from "./connection.ts";
import { makeAuthority } from "./https.fixture.ts";

type Handler = (request: Http2ServerRequest, response: Http2ServerResponse, nth: number) => unknown;

/** An API server over HTTP/2 and a connection to it with the files of a service account; the test says what the nth request gets. */
interface Scene {
  readonly connection: Connection;
  /** Paths of the requests. */
  readonly asked: string[];
  readonly tokens: (string | undefined)[];
  /** Connections so far. */
  connections(): number;
  /** From now on the server has a certificate of a new CA, which the file of the service account says as well. */
  rotateAuthority(): Promise<void>;
  rotateToken(token: string): void;
  stop(): Promise<void>;
}

const ok = (response: Http2ServerResponse) => response.writeHead(200).end('{"a":1}');
const busy = (response: Http2ServerResponse, seconds: string) =>
  response.writeHead(429, { "retry-after": seconds }).end("{}");

async function scene(handle: Handler): Promise<Scene> {
  const dir = mkdtempSync(join(tmpdir(), "connection-"));
  const caFile = join(dir, "ca.crt");
  const tokenFile = join(dir, "token");
  const asked: string[] = [];
  const tokens: (string | undefined)[] = [];
  const sockets = new Set<Socket>();
  let opened = 0;
  const serve = async (port: number): Promise<Http2SecureServer> => {
    const authority = await makeAuthority();
    writeFileSync(caFile, authority.ca);
    const server = createSecureServer(await authority.certificate("api"), (request, response) => {
      asked.push(request.url);
      tokens.push(request.headers.authorization);
      handle(request, response, asked.length);
    });
    server.on("connection", (socket: Socket) => {
      opened += 1;
      sockets.add(socket);
    });
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    return server;
  };
  const end = async (ending: Http2SecureServer) => {
    const closed = new Promise((resolve) => ending.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  let server = await serve(0);
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  writeFileSync(tokenFile, "first");
  const connection = new Connection();
  connection.loadFromClusterAndUser(
    { name: "a", server: `https://127.0.0.1:${port}`, caFile, skipTLSVerify: false, tlsServerName: "api" },
    { name: "a", authProvider: { name: "tokenFile", config: { tokenFile } } },
  );
  return {
    ...{ connection, asked, tokens },
    connections: () => opened,
    rotateAuthority: async () => {
      await end(server);
      server = await serve(port);
    },
    rotateToken: (token) => writeFileSync(tokenFile, token),
    stop: async () => {
      await connection.close();
      await end(server);
      rmSync(dir, { recursive: true });
    },
  };
}

const stream = (connection: Connection, silenceMs: number, signal = new AbortController().signal) =>
  connection.stream({ path: "/stream", query: {}, accept: "application/json", silenceMs, signal });

async function textOf(chunks: AsyncIterable<Buffer>): Promise<string> {
  let text = "";
  for await (const chunk of chunks) text += chunk;
  return text;
}

test("requests at the same time share one connection", async () => {
  const { connection, connections, stop } = await scene((_, response) => ok(response));
  const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => connection.call({ path: `/${i}` })));
  assert.ok(answers.every(({ status }) => status === 200));
  assert.is(connections(), 1);
  await stop();
});

test("an API server that asks for patience is asked again when it wants to be", async () => {
  const { connection, asked, stop } = await scene((_, response, nth) =>
    nth === 1 ? busy(response, "1") : ok(response),
  );
  const beganMs = performance.now();
  assert.equal(await connection.call({ path: "/a" }), { status: 200, body: { a: 1 } });
  assert.ok(performance.now() - beganMs >= 1_000);
  assert.is(asked.length, 2);
  await stop();
});

test("when it wants more patience than the deadline allows it is not asked at all until then, but about other things", async () => {
  const { connection, asked, stop } = await scene((request, response) =>
    request.url === "/a" ? busy(response, "40") : ok(response),
  );
  const first = await connection.call({ path: "/a" });
  const second = await connection.call({ path: "/a" });
  assert.equal([first.status, second.status], [429, 429]);
  assert.match(JSON.stringify(second.body), /not to be asked for another (40|4\d|50) s/);
  assert.is((await connection.call({ path: "/b" })).status, 200);
  assert.is((await connection.call({ path: "/a", method: "DELETE" })).status, 429);
  assert.equal(asked, ["/a", "/b", "/a"]);
  await stop();
});

test("one call is sent three times at most", async () => {
  const { connection, asked, stop } = await scene((_, response) => busy(response, "0"));
  assert.is((await connection.call({ path: "/a" })).status, 429);
  assert.is(asked.length, 3);
  await stop();
});

test("a refusal without a wish is an answer, and so is a wish beside anything but an overload", async () => {
  const { connection, asked, stop } = await scene((request, response) =>
    request.url === "/a" ? response.writeHead(429).end() : response.writeHead(404, { "retry-after": "1" }).end(),
  );
  assert.is((await connection.call({ path: "/a" })).status, 429);
  assert.is((await connection.call({ path: "/b" })).status, 404);
  assert.is(asked.length, 2);
  await stop();
});

test("a connection on which an answer did not come in time gets no new request; what runs on it ends there", async () => {
  const { connection, connections, stop } = await scene((request, response) => {
    if (request.url === "/stream") {
      response.writeHead(200);
      response.write("a");
      setTimeout(() => response.end("b"), 600);
    } else if (request.url !== "/never") ok(response);
  });
  const { chunks } = await stream(connection, 5_000);
  const late = await connection.call({ path: "/never", timeoutMs: 100 }).then(String, String);
  assert.match(late, /timeout/i);
  assert.is((await connection.call({ path: "/a" })).status, 200);
  assert.is(connections(), 2);
  const text = await textOf(chunks);
  assert.is(text, "ab");
  await stop();
});

test("a call that its caller gives up says nothing about the connection", async () => {
  const { connection, connections, stop } = await scene((request, response) => request.url === "/a" && ok(response));
  await connection.call({ path: "/never", signal: AbortSignal.timeout(100) }).catch(() => undefined);
  assert.is((await connection.call({ path: "/a" })).status, 200);
  assert.is(connections(), 1);
  await stop();
});

test("a stream without a byte for too long throws, and its connection gets no new request", async () => {
  const { connection, connections, stop } = await scene((request, response) => {
    if (request.url !== "/stream") return ok(response);
    response.writeHead(200);
    response.write("a");
  });
  const { chunks } = await stream(connection, 200);
  const beganMs = performance.now();
  const end = await textOf(chunks).then(String, String);
  assert.match(end, /timeout/i);
  assert.ok(performance.now() - beganMs < 20_000);
  assert.is((await connection.call({ path: "/a" })).status, 200);
  assert.is(connections(), 2);
  await stop();
});

test("a stream that never begins throws, and its connection gets no new request", async () => {
  const { connection, connections, stop } = await scene((request, response) => request.url === "/a" && ok(response));
  assert.match(await stream(connection, 200).then(String, String), /timeout/i);
  assert.is((await connection.call({ path: "/a" })).status, 200);
  assert.is(connections(), 2);
  await stop();
});

test("a stream ends with its signal", async () => {
  const { connection, stop } = await scene((_, response) => {
    response.writeHead(200);
    response.write("a");
  });
  const abort = new AbortController();
  const { chunks } = await stream(connection, 60_000, abort.signal);
  setTimeout(() => abort.abort(), 50);
  assert.match(await textOf(chunks).then(String, String), /abort/i);
  await stop();
});

test("a stream that is refused says why and when to come back", async () => {
  const { connection, stop } = await scene((_, response) => busy(response, "7"));
  const { status, retryAfterMs } = await stream(connection, 1_000);
  assert.equal([status, retryAfterMs], [429, 7_000]);
  await stop();
});

test("a new CA in the file of the service account is trusted at the next request", async () => {
  const { connection, rotateAuthority, stop } = await scene((_, response) => ok(response));
  assert.is((await connection.call({ path: "/a" })).status, 200);
  await rotateAuthority();
  const again = await connection.call({ path: "/a" }).catch(() => connection.call({ path: "/a" }));
  assert.is(again.status, 200);
  await stop();
});

test("a new token in the file of the service account is sent a minute later at the latest", async () => {
  const { connection, rotateToken, tokens, stop } = await scene((_, response) => ok(response));
  mock.timers.enable({ apis: ["Date"], now: Date.now() });
  await connection.call({ path: "/a" });
  rotateToken("second");
  mock.timers.tick(61_000);
  await connection.call({ path: "/a" });
  const { chunks } = await stream(connection, 1_000);
  await textOf(chunks);
  mock.timers.reset();
  assert.equal(tokens, ["Bearer first", "Bearer second", "Bearer second"]);
  await stop();
});

test("after many deadlines in a row no connection is left behind", async () => {
  const { connection, connections, stop } = await scene((request, response) => request.url === "/a" && ok(response));
  const before = process.getActiveResourcesInfo().filter((one) => one.startsWith("TCP")).length;
  for (let i = 0; i < 10; i += 1) await connection.call({ path: "/never", timeoutMs: 30 }).catch(() => undefined);
  assert.is((await connection.call({ path: "/a" })).status, 200);
  const left = () => process.getActiveResourcesInfo().filter((one) => one.startsWith("TCP")).length;
  for (let tries = 0; tries < 500 && left() - before > 2; tries += 1) await sleep(20);
  const after = left();
  assert.ok(connections() > 5);
  // Both ends of the last one, and of none before it.
  assert.ok(after - before <= 2, `${before} became ${after}`);
  await stop();
});

test.run();
