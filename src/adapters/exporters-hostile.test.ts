/** Exporters that lie, stall, flood or are something else altogether, on the level of bytes. */
import type { Socket } from "node:net";
import { createServer as createPlainServer } from "node:net";
import { createServer, type TlsOptions } from "node:tls";
import { gzipSync } from "node:zlib";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { FailureReason, NodeOutcome } from "../core/query.ts";
import { type AskOptions, askNodes } from "./exporters.ts";
import { intermediateProfile } from "./extractors.ts";
import { makeAuthority } from "./https.fixture.ts";

const serverName = "runtime-insights-exporter.runtime-insights.svc";
const authority = await makeAuthority();
const certificate = await authority.certificate(serverName);
const reference = "cri-o://1";

interface Raw {
  readonly port: number;
  /** Bytes that came in, over all connections. */
  received(): string;
  close(): Promise<void>;
}

/** Answers bytes to bytes, without HTTP; over TLS unless `tls` is undefined. */
async function serveRaw(onRequest: (socket: Socket) => void, tls: TlsOptions | undefined): Promise<Raw> {
  const sockets = new Set<Socket>();
  let received = "";
  const onSocket = (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1");
    });
    socket.once("data", () => onRequest(socket));
  };
  const server = tls === undefined ? createPlainServer(onSocket) : createServer(tls, onSocket);
  if (tls !== undefined) server.on("tlsClientError", () => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("the server has no port");
  return {
    port: address.port,
    received: () => received,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

const optionsOf = (port: number): AskOptions => ({
  ...{ serverName, port, tls: intermediateProfile, detail: false, timeoutMs: 30_000, concurrency: 10 },
  ...{ credentials: { ca: async () => authority.ca, token: async () => "secret-token" }, retryAfterMs: 1 },
  signal: new AbortController().signal,
});

async function ask(port: number, options: Partial<AskOptions> = {}): Promise<NodeOutcome> {
  const query = { node: "node-1", containers: [{ namespace: "shop", pod: "web-1", reference }] };
  const extractors = new Map([["node-1", { node: "node-1", address: "127.0.0.1", ready: true }]]);
  const [outcome] = await askNodes([query], extractors, { ...optionsOf(port), ...options });
  if (outcome === undefined) throw new Error("there is no outcome");
  return outcome;
}

const ok = "HTTP/1.1 200 OK\r\n";
const body = JSON.stringify({ shop: { "web-1": { [reference]: { os: "yqx1WBefoIAq" } } } });
const whole = `${ok}content-length: ${body.length}\r\n\r\n${body}`;
const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`;
/** Goes on until the other side has enough. */
const flood = (first: string, again: string) => (socket: Socket) => {
  socket.write(first);
  const more = () => {
    while (!socket.destroyed && socket.write(again));
  };
  socket.on("drain", more);
  more();
};
const drip = (first: string, again: string) => (socket: Socket) => {
  socket.write(first);
  const timer = setInterval(() => socket.write(again), 20);
  socket.on("close", () => clearInterval(timer));
};
const say = (text: string | Buffer) => (socket: Socket) => void socket.end(text);

/** Half a gigabyte of blanks, were it unpacked. */
const member = gzipSync(Buffer.alloc(64 * 1024 * 1024, " "), { level: 1 });
const bomb = Buffer.concat(Array.from({ length: 8 }, () => member));

const soon = { timeoutMs: 400 };
const rows: readonly {
  readonly rule: string;
  readonly answer: (socket: Socket) => void;
  readonly options?: Partial<AskOptions>;
  readonly reason: FailureReason;
  readonly message: RegExp;
}[] = [
  {
    rule: "garbage in place of HTTP",
    answer: say("SSH-2.0-OpenSSH_9.2\r\n"),
    ...{ reason: "Unreachable", message: /^Post "https/ },
  },
  {
    rule: "HTTP/2 in place of HTTP/1.1",
    answer: say(Buffer.from("00000c04000000000000030000006400040000ffff", "hex")),
    ...{ reason: "Unreachable", message: /^Post "https/ },
  },
  {
    rule: "nothing but the end of the connection",
    answer: (socket) => socket.end(),
    ...{ reason: "Unreachable", message: /^Post "https/ },
  },
  {
    rule: "gone after the headers",
    answer: (socket) => socket.write(`${ok}content-length: 50\r\n\r\n`, () => socket.destroy()),
    ...{ reason: "Unreachable", message: /^unable to read response from / },
  },
  {
    rule: "a body shorter than announced",
    answer: say(`${ok}content-length: ${body.length + 1}\r\n\r\n${body}`),
    ...{ reason: "Unreachable", message: /^unable to read response from / },
  },
  {
    rule: "a body longer than announced, which could be somebody else's answer",
    answer: say(`${ok}content-length: 3\r\n\r\n${body}`),
    ...{ reason: "Malformed", message: /invalid JSON$/ },
  },
  {
    rule: "two lengths",
    answer: say(`${ok}content-length: ${body.length}\r\ncontent-length: 2\r\n\r\n${body}`),
    ...{ reason: "Unreachable", message: /^Post "https/ },
  },
  {
    rule: "length and chunks at once",
    answer: say(`${ok}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n${chunk(body)}0\r\n\r\n`),
    ...{ reason: "Unreachable", message: /^Post "https/ },
  },
  {
    rule: "chunks without end",
    answer: drip(`${ok}transfer-encoding: chunked\r\n\r\n`, chunk(" ")),
    options: soon,
    ...{ reason: "Timeout", message: /no answer within 0\.4 s$/ },
  },
  {
    rule: "a chunk that claims to be endless",
    answer: flood(`${ok}transfer-encoding: chunked\r\n\r\nffffffffff\r\n`, "x".repeat(65_536)),
    ...{ reason: "Malformed", message: /longer than \d+ bytes$/ },
  },
  {
    rule: "trailers without end",
    answer: flood(`${ok}transfer-encoding: chunked\r\n\r\n${chunk("{}")}0\r\n`, `x: ${"y".repeat(1_000)}\r\n`),
    ...{ reason: "Unreachable", message: /./ },
  },
  {
    rule: "headers without end",
    answer: flood(ok, `x: ${"y".repeat(1_000)}\r\n`),
    ...{ reason: "Unreachable", message: /^Post "https/ },
  },
  {
    rule: "a header that drips for ever",
    answer: drip(`${ok}x: `, "y"),
    options: soon,
    ...{ reason: "Timeout", message: /no answer within 0\.4 s$/ },
  },
  {
    rule: "interim answers without end",
    answer: drip("", "HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n".repeat(100)),
    options: soon,
    ...{ reason: "Timeout", message: /no answer within 0\.4 s$/ },
  },
  {
    rule: "an upgrade that nobody asked for",
    answer: say("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
    ...{ reason: "Unreachable", message: /^Post "https/ },
  },
  {
    rule: "a compressed answer is not unpacked, however large it would be",
    answer: (socket) => {
      socket.write(`${ok}content-encoding: gzip\r\ncontent-length: ${bomb.length}\r\n\r\n`);
      socket.end(bomb);
    },
    ...{ reason: "Malformed", message: /invalid JSON$/ },
  },
  {
    rule: "a permanent redirect",
    answer: say("HTTP/1.1 308 Permanent Redirect\r\nlocation: https://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n"),
    ...{ reason: "Refused", message: /308 Permanent Redirect/ },
  },
];
for (const { rule, answer, options, reason, message } of rows)
  test(`${rule}: ${reason}`, async () => {
    const server = await serveRaw(answer, certificate);
    const before = process.memoryUsage().rss;
    try {
      const outcome = await ask(server.port, options);
      assert.is(outcome.kind, "failed");
      if (outcome.kind !== "failed") return;
      assert.is(outcome.reason, reason, outcome.message);
      assert.match(outcome.message, message);
      assert.ok(outcome.message.length <= 300);
      assert.ok(process.memoryUsage().rss - before < 192 * 1024 * 1024, `${process.memoryUsage().rss - before}`);
    } finally {
      await server.close();
    }
  });

const answered: readonly { readonly rule: string; readonly text: string; readonly found: number }[] = [
  {
    rule: "another content type does not matter",
    text: whole.replace("\r\n", "\r\ncontent-type: text/html\r\n"),
    found: 1,
  },
  {
    rule: "an interim answer before the real one does not matter",
    text: `HTTP/1.1 103 Early Hints\r\n\r\n${whole}`,
    found: 1,
  },
  { rule: "a second answer behind the first is nobody's", text: `${whole}${whole.replace('"a"', '"b"')}`, found: 1 },
];
for (const { rule, text, found } of answered)
  test(rule, async () => {
    const server = await serveRaw(say(text), certificate);
    try {
      const outcome = await ask(server.port);
      assert.is(outcome.kind === "answered" && outcome.found.size, found, JSON.stringify(outcome));
    } finally {
      await server.close();
    }
  });

test("an answer nested a hundred thousand levels deep costs its own entry only", async () => {
  const deep = "[".repeat(100_000) + "]".repeat(100_000);
  const text = `{"shop":{"web-1":{"${reference}":{"os":${deep}}},"web-2":${deep}},"more":${deep}}`;
  const server = await serveRaw(say(`${ok}content-length: ${text.length}\r\n\r\n${text}`), certificate);
  try {
    const outcome = await ask(server.port);
    assert.is(outcome.kind, "answered", JSON.stringify(outcome));
    assert.is(outcome.kind === "answered" && outcome.problems.length > 0 && outcome.found.size === 0, true);
  } finally {
    await server.close();
  }
});

const longAgo = { notBefore: new Date(0), notAfter: new Date(Date.UTC(2001, 0)) };
const strangers: readonly {
  readonly rule: string;
  readonly tls: () => Promise<TlsOptions | undefined>;
  readonly reason: FailureReason;
  readonly message: RegExp;
}[] = [
  {
    rule: "an expired certificate",
    tls: () => authority.certificate(serverName, longAgo),
    reason: "NoTrust",
    message: /: certificate has expired$/,
  },
  {
    rule: "a certificate that is not valid yet",
    tls: () =>
      authority.certificate(serverName, {
        notBefore: new Date(Date.UTC(2200, 0)),
        notAfter: new Date(Date.UTC(2201, 0)),
      }),
    reason: "NoTrust",
    message: /: certificate is not yet valid$/,
  },
  {
    rule: "a certificate of another authority",
    tls: async () => (await makeAuthority()).certificate(serverName),
    reason: "NoTrust",
    message: /: certificate signature failure$/,
  },
  {
    rule: "a server of TLS 1.1 under the Intermediate profile",
    tls: async () => ({ ...certificate, minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" }),
    reason: "Unreachable",
    message: /: TLS: tlsv1 alert protocol version$/,
  },
  {
    rule: "a server that speaks no TLS",
    tls: async () => undefined,
    reason: "Unreachable",
    message: /: TLS: wrong version number$/,
  },
];
for (const { rule, tls, reason, message } of strangers)
  test(`${rule}: ${reason}, and the token is not sent`, async () => {
    const server = await serveRaw(say(whole), await tls());
    try {
      const outcome = await ask(server.port);
      assert.is(outcome.kind === "failed" && outcome.reason, reason, JSON.stringify(outcome));
      if (outcome.kind === "failed") assert.match(outcome.message, message);
      assert.not.match(server.received(), /secret-token/);
    } finally {
      await server.close();
    }
  });

test("a handshake that never ends: Timeout", async () => {
  const server = await serveRaw(() => {}, undefined);
  try {
    const outcome = await ask(server.port, soon);
    assert.is(outcome.kind === "failed" && outcome.reason, "Timeout");
  } finally {
    await server.close();
  }
});

const entryRows: readonly { readonly rule: string; readonly answer: unknown; readonly problem: RegExp | undefined }[] =
  [
    { rule: "a namespace that is a list", answer: { shop: [] }, problem: /^a namespace: it is not an object$/ },
    { rule: "a pod that is a text", answer: { shop: { "web-1": "x" } }, problem: /^a pod: it is not an object$/ },
    { rule: "an entry that is a list", answer: { shop: { "web-1": { [reference]: [] } } }, problem: /^the entry: / },
    {
      rule: "a value of two thousand letters",
      answer: { shop: { "web-1": { [reference]: { os: "x".repeat(2_000) } } } },
      problem: /^os: it is not a hash$/,
    },
    {
      rule: "more components than any container has",
      answer: { shop: { "web-1": { [reference]: { runtimes: Array.from({ length: 65 }, () => ({})) } } } },
      problem: /^runtimes: .*64/,
    },
    {
      rule: "null on every level is absence",
      answer: { shop: { "web-1": { [reference]: null } }, a: null, b: { c: null } },
      problem: undefined,
    },
  ];
for (const { rule, answer, problem } of entryRows)
  test(rule, async () => {
    const text = JSON.stringify(answer);
    const server = await serveRaw(say(`${ok}content-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`), certificate);
    try {
      const outcome = await ask(server.port);
      assert.is(outcome.kind, "answered");
      if (outcome.kind !== "answered") return;
      assert.is(outcome.found.size, 0);
      if (problem === undefined) assert.equal(outcome.problems, []);
      else assert.match(outcome.problems.join(), problem);
    } finally {
      await server.close();
    }
  });

test("answers that come in at one time share a bound, and give back what they took", async () => {
  const blank = `${" ".repeat(1_000_000)}${body}`;
  const server = await serveRaw(say(`${ok}content-length: ${blank.length}\r\n\r\n${blank}`), certificate);
  try {
    const nodes = Array.from({ length: 6 }, (_, n) => `node-${n}`);
    const queries = nodes.map((node) => ({ node, containers: [{ namespace: "shop", pod: "web-1", reference }] }));
    const extractors = new Map(nodes.map((node) => [node, { node, address: "127.0.0.1", ready: true }]));
    const options = { ...optionsOf(server.port), maxBytesAtOnce: 1_500_000 };
    const oneByOne = await askNodes(queries, extractors, { ...options, concurrency: 1 });
    assert.ok(oneByOne.every(({ kind }) => kind === "answered"));
    const outcome = await ask(server.port, { maxBytesAtOnce: 500_000 });
    assert.match(outcome.kind === "failed" ? outcome.message : "", /too long together$/);
  } finally {
    await server.close();
  }
});

test("a token that is not one word is no token, and nothing is asked", async () => {
  const server = await serveRaw(say(whole), certificate);
  try {
    const credentials = { ca: async () => authority.ca, token: async () => "a\r\nx-header: b" };
    const outcome = await ask(server.port, { credentials });
    assert.is(outcome.kind === "failed" && outcome.reason, "NoToken");
    assert.is(server.received(), "");
  } finally {
    await server.close();
  }
});

test.run();
