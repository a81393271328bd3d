/** Fetching archives from a gatherer that is well, and from ones that are not. */
import type { RequestListener } from "node:http";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { StoredArchive } from "../api/gather.ts";
import { sha256 } from "./disk.ts";
import { Gatherer } from "./gatherer.ts";
import { makeAuthority, serveHttps } from "./https.fixture.ts";

const serverName = "runtime-insights-gatherer.runtime-insights.svc";
const authority = await makeAuthority();
const certificate = await authority.certificate(serverName);
const signal = new AbortController().signal;
const bytes = Buffer.alloc(2_000_000, "archive");
const stored: StoredArchive = {
  ...{ name: "insights-2026-11-21-010203.tar.gz", bytes: bytes.length, sha256: sha256(bytes), modified: 5 },
};

async function against<T>(listener: RequestListener, use: (gatherer: Gatherer) => Promise<T>): Promise<T> {
  const server = await serveHttps(certificate, listener);
  const gatherer = new Gatherer({
    ...{ origin: () => `https://127.0.0.1:${server.port}`, serverName },
    readCa: async () => authority.ca,
    readToken: async () => "token\n",
  });
  try {
    return await use(gatherer);
  } finally {
    await server.close();
  }
}
const saying =
  (status: number, body: string | Buffer): RequestListener =>
  (_, response) =>
    void response.writeHead(status).end(body);

test("list and archive are asked for with the token", async () => {
  const asked: unknown[] = [];
  const listener: RequestListener = ({ method, url, headers }, response) => {
    asked.push([method, url, headers.authorization]);
    response.end(url === "/v1/archives" ? JSON.stringify([stored]) : bytes);
  };
  await against(listener, async (gatherer) => {
    assert.equal(await gatherer.archives(signal), { kind: "archives", archives: [stored] });
    const answer = await gatherer.archive(stored, signal);
    assert.ok(answer.kind === "archive" && answer.bytes.equals(bytes));
  });
  assert.equal(asked, [
    ["GET", "/v1/archives", "Bearer token"],
    ["GET", `/v1/archives/${stored.name}`, "Bearer token"],
  ]);
});

const lists: readonly (readonly [rule: string, listener: RequestListener, says: RegExp])[] = [
  ["not allowed", saying(403, ""), /we may not ask \(403\)/],
  ["failing", saying(500, "[]"), /status 500/],
  ["no JSON", saying(200, "["), /not JSON/],
  ["no list", saying(200, '{"a":1}'), /cannot be understood/],
  ["an archive without digest", saying(200, '[{"name":"a","bytes":1,"modified":1}]'), /0\.sha256/],
  ["longer than any list", saying(200, Buffer.alloc(1024 * 1024 + 1, " ")), /too large/],
  [
    "cut off",
    (_, response) => void response.writeHead(200, { "content-length": 9 }).write("[", () => response.destroy()),
    /does not answer/,
  ],
];
for (const [rule, listener, says] of lists)
  test(`list: ${rule}`, async () => {
    const answer = await against(listener, (gatherer) => gatherer.archives(signal));
    assert.is(answer.kind, "unreachable");
    assert.match(answer.kind === "unreachable" ? answer.message : "", says);
  });

const archives: readonly (readonly [rule: string, listener: RequestListener, says: RegExp])[] = [
  ["pruned meanwhile", saying(404, '{"error":"there is none"}'), /^gone$/],
  ["other bytes", saying(200, Buffer.alloc(bytes.length)), /not the one/],
  ["less of it", saying(200, bytes.subarray(1)), /not the one/],
  ["more of it", saying(200, Buffer.concat([bytes, bytes])), /too large/],
  ["not allowed", saying(401, ""), /refused our token/],
];
for (const [rule, listener, says] of archives)
  test(`archive: ${rule}`, async () => {
    const answer = await against(listener, (gatherer) => gatherer.archive(stored, signal));
    assert.match(answer.kind === "unreachable" ? answer.message : answer.kind, says);
  });

test("archive: said to be longer than any can be: not asked for", async () => {
  let asked = 0;
  const endless: RequestListener = (_, response) => {
    asked += 1;
    response.writeHead(200).end();
  };
  const huge = { ...stored, bytes: 64 * 1024 * 1024 + 1 };
  const answer = await against(endless, (gatherer) => gatherer.archive(huge, signal));
  assert.match(answer.kind === "unreachable" ? answer.message : answer.kind, /too large/);
  assert.is(asked, 0);
});

const releases: readonly (readonly [rule: string, listener: RequestListener, says: RegExp])[] = [
  ["it waited for that", saying(200, "{}"), /^told$/],
  ["it does not wait", saying(409, "{}"), /^told$/],
  ["it is not known", saying(404, "{}"), /^told$/],
  ["not allowed", saying(403, ""), /we may not ask/],
  ["failing", saying(500, ""), /status 500/],
];
for (const [rule, listener, says] of releases)
  test(`telling a gather that the node side is gone: ${rule}`, async () => {
    const asked: unknown[] = [];
    const noting: RequestListener = async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk);
      asked.push([request.method, request.url, Buffer.concat(chunks).toString()]);
      listener(request, response);
    };
    const answer = await against(noting, (gatherer) => gatherer.release("a/b", { problems: ["c"] }, signal));
    assert.match(answer.kind === "unreachable" ? answer.message : answer.kind, says);
    assert.equal(asked, [["POST", "/v1/gathers/a%2Fb/nodeside", '{"problems":["c"]}']]);
  });

test.run();
