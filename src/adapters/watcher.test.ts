import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Connection } from "./connection.ts";
import { Watcher, type WatcherOptions } from "./watcher.ts";

const path = "/apis/g/v1/things";
const metadata = (resourceVersion: string) => ({ metadata: { resourceVersion } });
const line = (type: string, object: object) => `${JSON.stringify({ type, object })}\n`;
const expired = line("ERROR", { kind: "Status", code: 410, reason: "Expired", message: "too old" });

/** An API server of one kind; the test says what it answers to the nth list and the nth watch, counted from 1. */
class Server {
  /** `list`, or `watch from VERSION`. */
  readonly requests: string[] = [];
  readonly asked: {
    readonly query: Record<string, string>;
    readonly accept: string | undefined;
    readonly atMs: number;
  }[] = [];
  list: (response: ServerResponse, nth: number) => unknown = (response) => answer(response, 200, metadata("5"));
  watch: (response: ServerResponse, nth: number) => unknown = (response) => begin(response);
  readonly #server = createServer((request, response) => this.#serve(request, response));

  async start(): Promise<Connection> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    const address = this.#server.address();
    const server = `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`;
    const connection = new Connection();
    connection.loadFromClusterAndUser({ name: "a", server, skipTLSVerify: true }, { name: "a" });
    return connection;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const query = Object.fromEntries(new URL(request.url ?? "", "http://a").searchParams);
    const what = query.watch === undefined ? "list" : `watch from ${query.resourceVersion}`;
    this.asked.push({ query, accept: request.headers.accept, atMs: performance.now() });
    this.requests.push(what);
    const nth = this.requests.filter((one) => (one === "list") === (what === "list")).length;
    if (what === "list") this.list(response, nth);
    else this.watch(response, nth);
  }
}

function answer(response: ServerResponse, status: number, body: object, headers: Record<string, string> = {}): void {
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
}

function begin(response: ServerResponse, text = ""): ServerResponse {
  response.writeHead(200, { "content-type": "application/json" });
  response.flushHeaders();
  if (text !== "") response.write(text);
  return response;
}

interface Scene {
  readonly server: Server;
  readonly problems: string[];
  wakes(): number;
  start(): void;
  stop(): Promise<void>;
}

async function scene(options: Partial<WatcherOptions> = {}): Promise<Scene> {
  const server = new Server();
  const connection = await server.start();
  const problems: string[] = [];
  let wakes = 0;
  const watcher = new Watcher({
    ...{ connection, target: { path, labelSelector: "a=b" }, minBackoffMs: 5, maxBackoffMs: 20, maxAbsentMs: 20 },
    onChange: () => {
      wakes += 1;
    },
    onError: (problem) => {
      problems.push(problem);
    },
    ...options,
  });
  return {
    ...{ server, problems },
    wakes: () => wakes,
    start: () => watcher.start(),
    stop: async () => {
      await watcher.stop();
      server.stop();
      await connection.close();
    },
  };
}

async function until(what: string, is: () => boolean): Promise<void> {
  for (let tries = 0; tries < 800; tries += 1) {
    if (is()) return;
    await sleep(5);
  }
  throw new Error(`${what} did not come`);
}

test("one list says where to begin, then a watch of metadata with bookmarks is held for minutes", async () => {
  const { server, problems, start, stop } = await scene();
  start();
  await until("the watch", () => server.requests.length === 2);
  assert.equal([server.requests, problems], [["list", "watch from 5"], []]);
  const [list, watch] = server.asked;
  assert.equal(list?.query, { limit: "1", labelSelector: "a=b" });
  assert.match(list?.accept ?? "", /as=PartialObjectMetadataList;/);
  const { timeoutSeconds, ...query } = watch?.query ?? {};
  assert.equal(query, { watch: "true", allowWatchBookmarks: "true", resourceVersion: "5", labelSelector: "a=b" });
  assert.ok(Number(timeoutSeconds) >= 300 && Number(timeoutSeconds) <= 600, `${timeoutSeconds} s`);
  assert.match(watch?.accept ?? "", /as=PartialObjectMetadata;/);
  await stop();
});

test("the list and each event wake; a bookmark does not", async () => {
  const { server, wakes, start, stop } = await scene();
  server.watch = (response, nth) => {
    begin(response);
    if (nth > 1) return;
    for (const type of ["ADDED", "MODIFIED", "DELETED"]) response.write(line(type, metadata("7")));
    response.end(line("BOOKMARK", metadata("9")));
  };
  start();
  await until("the second watch", () => server.requests.length === 3);
  assert.is(wakes(), 4);
  await stop();
});

const ends = [
  ["an orderly end", (response: ServerResponse) => response.end(line("BOOKMARK", metadata("9")))],
  [
    "a connection that breaks in the middle of an event",
    (response: ServerResponse) => {
      response.write(`${line("BOOKMARK", metadata("9"))}{"type":"ADD`);
      setTimeout(() => response.destroy(), 20);
    },
  ],
  ["a connection that goes silent", (response: ServerResponse) => void response.write(line("BOOKMARK", metadata("9")))],
] as const;
for (const [name, end] of ends) {
  test(`${name}: the watch goes on where it was, and nobody is woken`, async () => {
    const { server, wakes, start, stop } = await scene({ silenceMs: 300 });
    server.watch = (response, nth) => {
      begin(response);
      if (nth === 1) end(response);
    };
    start();
    await until("the second watch", () => server.requests.length === 3);
    assert.equal(server.requests, ["list", "watch from 5", "watch from 9"]);
    assert.is(wakes(), 1);
    await stop();
  });
}

test("bytes of any kind keep a watch alive", async () => {
  const { server, problems, start, stop } = await scene({ silenceMs: 1_500 });
  let timer: NodeJS.Timeout | undefined;
  server.watch = (response) => {
    begin(response);
    timer = setInterval(() => response.write(line("BOOKMARK", metadata("9"))), 100);
  };
  start();
  await sleep(3_500);
  clearInterval(timer);
  assert.equal([server.requests.length, problems], [2, []]);
  await stop();
});

test("a server error leaves the version as it is", async () => {
  const { server, problems, start, stop } = await scene();
  server.watch = (response, nth) => (nth < 3 ? answer(response, 500, {}) : begin(response));
  start();
  await until("the third watch", () => server.requests.length === 4);
  assert.equal(server.requests, ["list", "watch from 5", "watch from 5", "watch from 5"]);
  assert.equal(problems, ["status 500", "status 500"]);
  await stop();
});

const lost = [
  ["an error event", (response: ServerResponse) => begin(response, expired)],
  ["status 410", (response: ServerResponse) => answer(response, 410, {})],
  ["a version newer than the server's", (response: ServerResponse) => answer(response, 504, {})],
  ["an event that is no JSON", (response: ServerResponse) => begin(response, "{{\n")],
  ["an event without a version", (response: ServerResponse) => begin(response, line("ADDED", { metadata: {} }))],
  ["an event of an unknown type", (response: ServerResponse) => begin(response, line("STRANGE", metadata("9")))],
  ["an event larger than any object", (response: ServerResponse) => begin(response, "x".repeat(5 * 1024 * 1024))],
] as const;
for (const [name, fail] of lost) {
  test(`${name}: a new list says where to go on, and wakes, since something may have been missed`, async () => {
    const { server, wakes, start, stop } = await scene();
    server.list = (response, nth) => answer(response, 200, metadata(nth === 1 ? "5" : "8"));
    server.watch = (response, nth) => (nth === 1 ? fail(response) : begin(response));
    start();
    await until("the second watch", () => server.requests.length === 4);
    assert.equal(server.requests, ["list", "watch from 5", "list", "watch from 8"]);
    assert.is(wakes(), 2);
    await stop();
  });
}

test("a kind that is not served is asked for until it is; its absence wakes once and is no trouble of the watch more than once", async () => {
  const { server, wakes, problems, start, stop } = await scene();
  server.list = (response, nth) => answer(response, nth < 4 ? 404 : 200, metadata("5"));
  start();
  await until("three refusals", () => server.requests.length === 3);
  assert.is(wakes(), 1);
  await until("the watch", () => server.requests.at(-1) === "watch from 5");
  assert.is(wakes(), 2);
  assert.is(problems.length, 1);
  await stop();
});

test("a kind that is not served any more wakes", async () => {
  const { server, wakes, start, stop } = await scene();
  server.list = (response, nth) => answer(response, nth === 1 ? 200 : 404, metadata("5"));
  server.watch = (response, nth) => (nth === 1 ? begin(response).end() : answer(response, 404, {}));
  start();
  await until("some tries", () => server.requests.length > 5);
  assert.is(wakes(), 2);
  await stop();
});

test("watches that end at once are begun less and less often", async () => {
  const { server, start, stop } = await scene({ minBackoffMs: 10, maxBackoffMs: 200 });
  server.watch = (response) => begin(response).end();
  start();
  await sleep(1_500);
  const { length } = server.requests;
  assert.ok(length >= 6 && length <= 17, `${length} requests`);
  await stop();
});

test("who watches too much is left alone for as long as the server says", async () => {
  const { server, start, stop } = await scene();
  server.watch = (response, nth) => (nth === 1 ? answer(response, 429, {}, { "retry-after": "1" }) : begin(response));
  start();
  await until("the second watch", () => server.requests.length === 3);
  const [, first, second] = server.asked;
  assert.ok((second?.atMs ?? 0) - (first?.atMs ?? 0) >= 1_000);
  await stop();
});

test("after a stop nothing is asked any more", async () => {
  const { server, start, stop } = await scene();
  server.watch = (response) => setTimeout(() => begin(response).destroy(), 10);
  start();
  await until("a few watches", () => server.requests.length > 2);
  await stop();
  const { length } = server.requests;
  await sleep(100);
  assert.is(server.requests.length, length);
});

test.run();
