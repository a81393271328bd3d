import type { RequestListener } from "node:http";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { FailureReason, NodeOutcome, NodeQuery } from "../core/query.ts";
import { type AskOptions, askNodes } from "./exporters.ts";
import { type Extractor, intermediateProfile, type TlsProfile } from "./extractors.ts";
import { makeAuthority, serveHttps } from "./https.fixture.ts";

const serverName = "runtime-insights-exporter.runtime-insights.svc";
const authority = await makeAuthority();
const stranger = await makeAuthority();
const certificate = await authority.certificate(serverName);

const query = (node: string): NodeQuery => ({
  node,
  containers: [
    { namespace: "shop", pod: "web-1", reference: "cri-o://1" },
    { namespace: "shop", pod: "web-1", reference: "cri-o://2" },
  ],
});
const at = (node: string, overrides: Partial<Extractor> = {}): [string, Extractor] => [
  node,
  { node, address: "127.0.0.1", ready: true, ...overrides },
];

interface Ask extends Partial<AskOptions> {
  readonly nodes?: readonly string[];
  readonly extractors?: ReadonlyMap<string, Extractor>;
}

async function ask(
  port: number,
  { nodes = ["node-1"], extractors, ...options }: Ask = {},
): Promise<readonly NodeOutcome[]> {
  return askNodes(nodes.map(query), extractors ?? new Map(nodes.map((node) => at(node))), {
    serverName,
    credentials: { ca: async () => authority.ca, token: async () => "secret\n" },
    tls: intermediateProfile,
    detail: false,
    timeoutMs: 30_000,
    concurrency: 10,
    signal: new AbortController().signal,
    port,
    ...options,
  });
}

const good = JSON.stringify({ shop: { "web-1": { "cri-o://1": { os: "yqx1WBefoIAq" } } } });
const answering: RequestListener = (_, response) => response.end(good);

test("one POST with the references, the token and JSON; the answer is read", async () => {
  const seen: unknown[] = [];
  const server = await serveHttps(certificate, (request, response) => {
    let body = "";
    request.on("data", (chunk) => {
      body += chunk;
    });
    request.on("end", () => {
      const { authorization, connection, "content-type": type } = request.headers;
      seen.push({ method: request.method, url: request.url, authorization, connection, type, body });
      response.end(good);
    });
  });
  try {
    for (const detail of [false, true]) {
      const [outcome] = await ask(server.port, { detail });
      assert.equal(outcome?.kind === "answered" && [...outcome.found.keys()], ["shop/web-1/cri-o://1"]);
    }
    const expected = {
      ...{ method: "POST", authorization: "Bearer secret", connection: "close", type: "application/json" },
      body: '{"containerIds":["cri-o://1","cri-o://2"]}',
    };
    assert.equal(seen, [
      { ...expected, url: "/gather_runtime_info" },
      { ...expected, url: "/gather_runtime_info?detail=true" },
    ]);
    for (let tries = 0; tries < 500 && server.connections() > 0; tries += 1) await sleep(20);
    assert.is(server.connections(), 0);
  } finally {
    await server.close();
  }
});

const failures: readonly {
  readonly rule: string;
  readonly listener: RequestListener;
  readonly options?: Ask;
  readonly reason: FailureReason;
  readonly message: RegExp;
}[] = [
  {
    rule: "401",
    listener: (_, response) => response.writeHead(401).end("no"),
    reason: "Refused",
    message: /^received unexpected status code 401 Unauthorized from https:\/\/127\.0\.0\.1:\d+\/gather_runtime_info$/,
  },
  {
    rule: "500",
    listener: (_, response) => response.writeHead(500).end("no"),
    reason: "Refused",
    message: /500 Internal Server Error/,
  },
  {
    rule: "204 is not 200",
    listener: (_, response) => response.writeHead(204).end(),
    reason: "Refused",
    message: /204 No Content/,
  },
  {
    rule: "text that is not JSON",
    listener: (_, response) => response.end("secret name"),
    reason: "Malformed",
    message: /invalid JSON$/,
  },
  { rule: "an empty body", listener: (_, response) => response.end(), reason: "Malformed", message: /invalid JSON$/ },
  {
    rule: "JSON that is no object",
    listener: (_, response) => response.end("[]"),
    reason: "Malformed",
    message: /not a JSON object/,
  },
  {
    rule: "cut off within the body",
    listener: (_, response) => {
      response.writeHead(200, { "content-length": "1000" });
      response.write("{");
      setTimeout(() => response.destroy(), 10);
    },
    reason: "Unreachable",
    message: /^unable to read response from /,
  },
  {
    rule: "cut off before the status",
    listener: (request) => {
      request.destroy();
    },
    reason: "Unreachable",
    message: /^Post "https/,
  },
  {
    rule: "no status in time",
    listener: () => {},
    options: { timeoutMs: 200 },
    reason: "Timeout",
    message: /no answer within 0\.2 s$/,
  },
  {
    rule: "a body that drips for ever",
    listener: (_, response) => {
      const timer = setInterval(() => response.write(" "), 20);
      response.on("close", () => clearInterval(timer));
    },
    options: { timeoutMs: 200 },
    reason: "Timeout",
    message: /no answer within 0\.2 s$/,
  },
  {
    rule: "a body over the limit",
    listener: (_, response) => response.end(JSON.stringify({ x: "x".repeat(100_000) })),
    options: { maxAnswerBytes: 50_000 },
    reason: "Malformed",
    message: /longer than 50000 bytes$/,
  },
  {
    rule: "a body without end",
    listener: (_, response) => {
      const chunk = "x".repeat(65_536);
      const more = () => {
        while (!response.destroyed && response.write(chunk));
      };
      response.on("drain", more);
      more();
    },
    reason: "Malformed",
    message: /longer than 4227072 bytes$/,
  },
  {
    rule: "a CA that did not sign the certificate",
    listener: answering,
    options: { credentials: { ca: async () => stranger.ca, token: async () => "secret" } },
    reason: "NoTrust",
    message: /certificate/i,
  },
  {
    rule: "a bundle without certificates does not mean the public ones",
    listener: answering,
    options: { credentials: { ca: async () => "", token: async () => "secret" } },
    reason: "NoTrust",
    message: /^the CA bundle holds no certificate$/,
  },
  {
    rule: "no bundle",
    listener: answering,
    options: { credentials: { ca: () => Promise.reject(new Error("ENOENT")), token: async () => "secret" } },
    reason: "NoTrust",
    message: /^reading the CA bundle: ENOENT$/,
  },
  {
    rule: "no token",
    listener: answering,
    options: { credentials: { ca: async () => authority.ca, token: () => Promise.reject(new Error("ENOENT")) } },
    reason: "NoToken",
    message: /^reading the token: ENOENT$/,
  },
  {
    rule: "no extractor pod",
    listener: answering,
    options: { extractors: new Map() },
    reason: "NoExtractorPod",
    message: /no extractor pod$/,
  },
  {
    rule: "a pod that is not ready",
    listener: answering,
    options: { extractors: new Map([at("node-1", { ready: false })]) },
    reason: "ExtractorNotReady",
    message: /not ready$/,
  },
];
for (const { rule, listener, options, reason, message } of failures)
  test(`${rule}: ${reason}`, async () => {
    const server = await serveHttps(certificate, listener);
    try {
      const [outcome] = await ask(server.port, options);
      assert.is(outcome?.kind, "failed");
      if (outcome?.kind !== "failed") return;
      assert.is(outcome.reason, reason);
      assert.match(outcome.message, message);
    } finally {
      await server.close();
    }
  });

test("nobody listens: Unreachable", async () => {
  const server = await serveHttps(certificate, answering);
  await server.close();
  const [outcome] = await ask(server.port);
  assert.is(outcome?.kind === "failed" && outcome.reason, "Unreachable");
});

test("a peer that accepts connections and says nothing is unreachable when there is a time limit for connecting", async () => {
  const mute = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => mute.once("listening", resolve));
  const address = mute.address();
  assert.ok(typeof address === "object" && address !== null);
  const [outcome] = await ask(address.port, { connectTimeoutMs: 100 });
  mute.close();
  assert.is(outcome?.kind === "failed" && outcome.reason, "Unreachable");
  assert.match(outcome?.kind === "failed" ? outcome.message : "", /Connect Timeout/);
});

test("a certificate for another name: NoTrust, and no token is sent", async () => {
  let asked = 0;
  const server = await serveHttps(await authority.certificate("other.svc"), (_, response) => {
    asked += 1;
    response.end(good);
  });
  try {
    const [outcome] = await ask(server.port);
    assert.is(outcome?.kind === "failed" && outcome.reason, "NoTrust");
    assert.match(outcome?.kind === "failed" ? outcome.message : "", /: the certificate is for another name$/);
    assert.is(asked, 0);
  } finally {
    await server.close();
  }
});

test("a redirect is refused, and the token goes nowhere else", async () => {
  let asked = 0;
  const target = await serveHttps(certificate, (_, response) => {
    asked += 1;
    response.end(good);
  });
  const server = await serveHttps(certificate, (_, response) =>
    response.writeHead(307, { location: `https://127.0.0.1:${target.port}/gather_runtime_info` }).end(),
  );
  try {
    const [outcome] = await ask(server.port);
    assert.is(outcome?.kind === "failed" && outcome.reason, "Refused");
    assert.is(asked, 0);
  } finally {
    await server.close();
    await target.close();
  }
});

const profiles: readonly {
  readonly rule: string;
  readonly tls: TlsProfile;
  readonly maxVersion: "TLSv1.2" | "TLSv1.3";
  readonly kind: string;
}[] = [
  {
    rule: "Modern refuses a server that speaks TLS 1.2",
    tls: { minVersion: "TLSv1.3" },
    maxVersion: "TLSv1.2",
    kind: "failed",
  },
  { rule: "Modern speaks TLS 1.3", tls: { minVersion: "TLSv1.3" }, maxVersion: "TLSv1.3", kind: "answered" },
  { rule: "Intermediate speaks TLS 1.2", tls: intermediateProfile, maxVersion: "TLSv1.2", kind: "answered" },
];
for (const { rule, tls, maxVersion, kind } of profiles)
  test(rule, async () => {
    const server = await serveHttps({ ...certificate, maxVersion }, answering);
    try {
      const [outcome] = await ask(server.port, { tls });
      assert.is(outcome?.kind, kind);
    } finally {
      await server.close();
    }
  });

test("outcomes come in the order of the queries, never more at once than allowed, one failure costs one node", async () => {
  let open = 0;
  let most = 0;
  let count = 0;
  const full = Promise.withResolvers<void>();
  const listener: RequestListener = async (_, response) => {
    open += 1;
    most = Math.max(most, open);
    count += 1;
    const status = count === 3 ? 500 : 200;
    if (open === 3) full.resolve();
    // No answer before as many ask as may; then a moment for one too many.
    await Promise.race([full.promise, sleep(5_000)]);
    await sleep(20);
    open -= 1;
    response.writeHead(status).end(good);
  };
  const server = await serveHttps(certificate, listener, "0.0.0.0");
  try {
    const nodes = Array.from({ length: 8 }, (_, index) => `node-${index}`);
    const extractors = new Map(nodes.map((node, index) => at(node, { address: `127.0.0.${index + 1}` })));
    const outcomes = await ask(server.port, { nodes, extractors, concurrency: 3 });
    assert.equal(
      outcomes.map((outcome) => outcome.query.node),
      nodes,
    );
    assert.is(outcomes.filter(({ kind }) => kind === "failed").length, 1);
    assert.is(most, 3);
  } finally {
    await server.close();
  }
});

test("silent nodes wait out their deadline aside: together they cost one deadline", async () => {
  const listener: RequestListener = (request, response) => {
    if (request.socket.localAddress === "127.0.0.6") response.end(good);
  };
  const server = await serveHttps(certificate, listener, "0.0.0.0");
  const startedMs = performance.now();
  try {
    const nodes = Array.from({ length: 6 }, (_, index) => `node-${index}`);
    const extractors = new Map(nodes.map((node, index) => at(node, { address: `127.0.0.${index + 1}` })));
    const outcomes = await ask(server.port, { nodes, extractors, concurrency: 1, timeoutMs: 1_500, slowAfterMs: 20 });
    assert.equal(
      outcomes.map(({ kind }) => kind),
      ["failed", "failed", "failed", "failed", "failed", "answered"],
    );
    assert.ok(performance.now() - startedMs < 6_000);
  } finally {
    await server.close();
  }
});

test("an aborted gather stops asking", async () => {
  const server = await serveHttps(certificate, () => {});
  const controller = new AbortController();
  const startedMs = performance.now();
  try {
    setTimeout(() => controller.abort(), 50);
    const problem = await ask(server.port, { signal: controller.signal, nodes: ["a", "b"], concurrency: 1 }).catch(
      String,
    );
    assert.match(String(problem), /abort/i);
    assert.ok(performance.now() - startedMs < 20_000);
  } finally {
    await server.close();
  }
});

test.run();
