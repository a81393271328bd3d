/** One try against a real HTTPS receiver that fails in every way we know. */
import { createHash, randomBytes } from "node:crypto";
import { createServer, type RequestListener, type Server } from "node:http";
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type UploadOutcome, verdictOf } from "../core/upload.ts";
import { type HttpsServer, makeAuthority, serveHttps } from "./https.fixture.ts";
import { readParts } from "./multipart.fixture.ts";
import { sendArchive, type Upload } from "./upload.ts";

const authority = await makeAuthority();
const stranger = await makeAuthority();
const certificate = await authority.certificate("localhost");
const nowMs = () => Date.UTC(2026, 10, 21);
const token = "secret-token";
const archive = randomBytes(3_000_000);

interface Sent extends Partial<Upload> {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}
async function send(port: number, { timeoutMs = 30_000, signal, ...upload }: Sent = {}): Promise<UploadOutcome> {
  return sendArchive(
    {
      endpoint: `https://localhost:${port}/api/ingress/v1/upload`,
      ...{ proxy: undefined, ca: authority.ca, token, userAgent: "insights-operator/0.1.0-abc cluster/1-2" },
      ...{ name: "insights-2026-11-21-010203.tar.gz", bytes: archive },
      ...upload,
    },
    { signal: signal ?? new AbortController().signal, nowMs, timeoutMs },
  );
}

async function against<T>(listener: RequestListener, use: (server: HttpsServer) => Promise<T>): Promise<T> {
  const server = await serveHttps(certificate, listener);
  try {
    return await use(server);
  } finally {
    await server.close();
  }
}
/** Answers once all has come. */
const answering =
  (status: number, headers: Record<string, string> = {}): RequestListener =>
  (request, response) => {
    request.resume();
    request.on("end", () => response.writeHead(status, headers).end("no"));
  };

test("the two parts, the headers and the archive's bytes, each time anew", async () => {
  const seen: unknown[] = [];
  const listener: RequestListener = async (request, response) => {
    const found = await readParts(request);
    const { authorization, "user-agent": agent, "content-type": type = "", "content-length": length } = request.headers;
    seen.push({
      method: request.method,
      url: request.url,
      authorization,
      agent,
      type: type.replace(/=.*/, "="),
      found,
    });
    assert.ok(Number(length) > archive.length);
    response.writeHead(202, { "x-rh-insights-request-id": "52df9f748eabcfea" }).end();
  };
  await against(listener, async ({ port, connections }) => {
    for (let times = 0; times < 2; times += 1)
      assert.equal(await send(port), { kind: "answered", status: 202, requestId: "52df9f748eabcfea" });
    for (let tries = 0; tries < 500 && connections() > 0; tries += 1) await sleep(20);
    assert.is(connections(), 0);
  });
  const expected = {
    ...{ method: "POST", url: "/api/ingress/v1/upload", authorization: `Bearer ${token}` },
    ...{ agent: "insights-operator/0.1.0-abc cluster/1-2", type: "multipart/form-data; boundary=" },
    found: [
      {
        ...{ name: "file", fileName: "payload.tar.gz", type: "application/vnd.redhat.openshift.periodic" },
        bytes: archive,
      },
      {
        ...{ name: "metadata", fileName: "metadata.json", type: "application/octet-stream" },
        bytes: Buffer.from('{"custom_metadata":{"gathering_time":"2026-11-21T01:02:03Z"}}'),
      },
    ],
  };
  assert.equal(seen, [expected, expected]);
});

for (const status of [200, 201, 400, 401, 403, 404, 413, 418, 500, 503])
  test(`answer ${status}`, async () => {
    await against(answering(status), async ({ port }) => assert.equal(await send(port), { kind: "answered", status }));
  });

test("a receiver that asks for patience, in seconds and by a date", async () => {
  for (const wish of ["90", "Sat, 21 Nov 2026 00:01:30 GMT"])
    await against(answering(429, { "retry-after": wish }), async ({ port }) =>
      assert.equal(await send(port), { kind: "answered", status: 429, retryAfterMs: 90_000 }),
    );
});

test("headers that cannot be shown are left out", async () => {
  const headers = { "x-rh-insights-request-id": "x".repeat(129), "retry-after": "soon" };
  await against(answering(500, headers), async ({ port }) =>
    assert.equal(await send(port), { kind: "answered", status: 500 }),
  );
});

test("a redirect is not followed, and its target sees neither token nor archive", async () => {
  let asked = 0;
  await against(
    () => {
      asked += 1;
    },
    async (other) => {
      for (const status of [301, 302, 303, 307, 308])
        await against(answering(status, { location: `https://localhost:${other.port}/` }), async ({ port }) =>
          assert.equal(await send(port), { kind: "answered", status }),
        );
      assert.is(other.connections(), 0);
    },
  );
  assert.is(asked, 0);
});

test("an answer without an end, or that drips, keeps nobody waiting: its status is enough", async () => {
  const endless: RequestListener = (request, response) => {
    request.resume();
    request.on("end", () => {
      response.writeHead(500);
      const chunk = Buffer.alloc(65_536, "x");
      const more = () => {
        while (!response.destroyed && response.write(chunk));
        if (!response.destroyed) response.once("drain", more);
      };
      more();
    });
  };
  const startedMs = Date.now();
  await against(endless, async ({ port }) => assert.equal(await send(port), { kind: "answered", status: 500 }));
  const dripping: RequestListener = (request, response) => {
    request.resume();
    response.writeHead(200).write("x");
  };
  await against(dripping, async ({ port }) => assert.equal(await send(port), { kind: "answered", status: 200 }));
  assert.ok(Date.now() - startedMs < 20_000);
});

test("a receiver that refuses the archive before it has read it", async () => {
  const hasty: RequestListener = (request, response) => {
    response.writeHead(413, { connection: "close" }).end();
    request.resume();
  };
  await against(hasty, async ({ port }) => assert.equal(await send(port), { kind: "answered", status: 413 }));
});

const cutting: readonly (readonly [rule: string, listener: RequestListener])[] = [
  ["at once", (request) => void request.socket.destroy()],
  ["while the archive is sent", (request) => void request.once("data", () => request.socket.destroy())],
  [
    "after all was sent, without an answer",
    (request) => void request.resume().on("end", () => request.socket.destroy()),
  ],
];
for (const [rule, listener] of cutting)
  test(`the connection is cut ${rule}`, async () => {
    await against(listener, async ({ port }) => {
      const { succeeded, reason, message } = verdictOf(await send(port));
      assert.equal([succeeded, reason], [false, "Unreachable"]);
      assert.match(message, /^The connection to the endpoint broke off \([A-Z_]+\)$/);
    });
  });

const silent: readonly (readonly [rule: string, listener: RequestListener])[] = [
  ["never reads", (request) => void request.pause()],
  ["reads and never answers", (request) => void request.resume()],
  [
    "reads a little at a time",
    (request) =>
      void request.on("data", () => {
        request.pause();
        setTimeout(() => request.resume(), 50);
      }),
  ],
];
for (const [rule, listener] of silent)
  test(`a receiver that ${rule}: the whole try has one deadline`, async () => {
    await against(listener, async ({ port }) => {
      const startedMs = Date.now();
      const outcome = await send(port, { timeoutMs: 300, bytes: randomBytes(9_000_000) });
      assert.equal(outcome, { kind: "failed", reason: "Timeout", message: "No answer within 0.3 s" });
      assert.ok(Date.now() - startedMs < 20_000);
    });
  });

test("no handshake: the deadline ends it", async () => {
  const sockets: Socket[] = [];
  const server = createTcpServer((socket) => void sockets.push(socket));
  const port = await listen(server);
  const outcome = await send(port, { timeoutMs: 300 });
  assert.is(verdictOf(outcome).reason, "Timeout");
  for (const socket of sockets) socket.destroy();
  server.close();
});

test("a certificate of a stranger, of another name, or no TLS at all: nothing is sent", async () => {
  let asked = 0;
  const listener: RequestListener = (_, response) => {
    asked += 1;
    response.end();
  };
  const wrong: readonly (readonly [pair: { cert: string; key: string }, code: RegExp])[] = [
    [await stranger.certificate("localhost"), /CERT_SIGNATURE_FAILURE/],
    [await authority.certificate("elsewhere"), /ERR_TLS_CERT_ALTNAME_INVALID/],
  ];
  for (const [pair, code] of wrong) {
    const server = await serveHttps(pair, listener);
    const outcome = await send(server.port);
    await server.close();
    assert.is(verdictOf(outcome).reason, "NoTrust");
    assert.match(verdictOf(outcome).message, code);
  }
  const plain = createServer(listener);
  const outcome = await send(await listen(plain));
  plain.close();
  assert.is(verdictOf(outcome).reason, "NoTrust");
  assert.is(asked, 0);
});

test("without further certificates only the public ones are trusted", async () => {
  await against(answering(200), async ({ port }) =>
    assert.is(verdictOf(await send(port, { ca: undefined })).reason, "NoTrust"),
  );
});

test("certificates that are none are no trust", async () => {
  const ca = "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n";
  await against(answering(200), async ({ port }) => assert.is(verdictOf(await send(port, { ca })).reason, "NoTrust"));
});

test("nobody listens, and a name that nobody knows", async () => {
  const server = createTcpServer();
  const port = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  assert.match(verdictOf(await send(port)).message, /cannot be reached \(ECONNREFUSED\)/);
  const unknown = verdictOf(await send(port, { endpoint: "https://nowhere.invalid/" }));
  assert.is(unknown.reason, "Unreachable");
});

test("an abort of the caller throws", async () => {
  const abort = new AbortController();
  const listener: RequestListener = () => abort.abort(new Error("stopping"));
  await against(listener, async ({ port }) => {
    await send(port, { signal: abort.signal }).then(
      () => assert.unreachable(),
      (cause: Error) => assert.is(cause.message, "stopping"),
    );
  });
});

/** A proxy that tunnels, or answers what it is told to; it remembers what it was asked. */
function proxyServer(refusal?: number): { readonly server: Server; readonly asked: string[] } {
  const asked: string[] = [];
  const server = createServer((_, response) => void response.writeHead(500).end());
  server.on("connect", (request, socket: Socket) => {
    asked.push(`${request.url} ${JSON.stringify(request.headers)}`);
    if (refusal !== undefined) return void socket.end(`HTTP/1.1 ${refusal} No\r\n\r\n`);
    const { hostname, port } = new URL(`http://${request.url}`);
    const onward = connect(Number(port), hostname, () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      socket.pipe(onward).pipe(socket);
    });
    for (const end of [onward, socket]) end.on("error", () => onward.destroy() && socket.destroy());
  });
  return { server, asked };
}

test("through a proxy the archive arrives whole, and the proxy sees host and port only", async () => {
  const { server, asked } = proxyServer();
  const proxy = `http://127.0.0.1:${await listen(server)}`;
  let digest = "";
  const listener: RequestListener = async (request, response) => {
    const [file] = await readParts(request);
    digest = createHash("sha256")
      .update(file?.bytes ?? "")
      .digest("hex");
    response.writeHead(200).end();
  };
  await against(listener, async ({ port }) => {
    assert.equal(await send(port, { proxy }), { kind: "answered", status: 200 });
    assert.is(asked.length, 1);
    assert.match(asked[0] ?? "", new RegExp(`^localhost:${port} `));
    assert.not.match(asked[0] ?? "", /secret-token|insights/);
  });
  assert.is(digest, createHash("sha256").update(archive).digest("hex"));
  server.close();
});

test("through a proxy the endpoint's certificate is checked as well", async () => {
  const { server } = proxyServer();
  const proxy = `http://127.0.0.1:${await listen(server)}`;
  const other = await serveHttps(await authority.certificate("elsewhere"), answering(200));
  assert.is(verdictOf(await send(other.port, { proxy })).reason, "NoTrust");
  await other.close();
  server.close();
});

for (const refusal of [403, 407, 502])
  test(`a proxy that answers ${refusal}`, async () => {
    const { server } = proxyServer(refusal);
    const outcome = await send(1, { proxy: `http://127.0.0.1:${await listen(server)}` });
    server.close();
    assert.equal(
      [verdictOf(outcome).reason, verdictOf(outcome).message],
      ["ProxyFailed", `The proxy does not connect to the endpoint (${refusal})`],
    );
  });

test("a proxy that hangs up, and one that is not there", async () => {
  const server = createTcpServer((socket) => socket.destroy());
  const port = await listen(server);
  const proxy = `http://127.0.0.1:${port}`;
  assert.is(verdictOf(await send(1, { proxy })).reason, "ProxyFailed");
  await new Promise((resolve) => server.close(resolve));
  assert.match(verdictOf(await send(1, { proxy })).message, /through the proxy \(ECONNREFUSED\)/);
});

async function listen(server: { listen(port: number, host: string, done: () => void): unknown; address(): unknown }) {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

test.run();
