import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Connection } from "./connection.ts";
import { Watcher } from "./watcher.ts";

const path = "/apis/g/v1/things";
const thing = (name: string, resourceVersion: string) => ({
  apiVersion: "g/v1",
  kind: "Thing",
  metadata: { name, resourceVersion },
});
const line = (type: string, object: object) => `${JSON.stringify({ type, object })}\n`;

/** An API server of one kind that does what the test says: list and watch. */
class Server {
  readonly requests: string[] = [];
  list: (response: ServerResponse) => void = (response) => this.answer(response, 200, listOf());
  watch: (response: ServerResponse) => void = () => undefined;
  readonly #server = createServer((request, response) => this.#serve(request, response));

  answer(response: ServerResponse, status: number, body: object): void {
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    const address = this.#server.address();
    return `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? "", "http://a");
    const isWatch = url.searchParams.has("watch");
    this.requests.push(
      isWatch
        ? `watch from ${url.searchParams.get("resourceVersion")}`
        : `list ${url.searchParams.get("labelSelector")}`,
    );
    if (isWatch) {
      response.writeHead(200, { "content-type": "application/json" });
      response.flushHeaders();
      this.watch(response);
    } else this.list(response);
  }
}

const listOf = (...items: object[]) => ({
  apiVersion: "g/v1",
  kind: "ThingList",
  metadata: { resourceVersion: "5" },
  items,
});

interface Scene {
  readonly server: Server;
  readonly changes: (string | undefined)[];
  readonly errors: (readonly [string, boolean])[];
  start(): void;
  stop(): Promise<void>;
}

async function scene(): Promise<Scene> {
  const server = new Server();
  const dir = mkdtempSync(join(tmpdir(), "watcher-"));
  const file = join(dir, "kubeconfig");
  const config = {
    clusters: [{ name: "a", cluster: { server: await server.start(), "insecure-skip-tls-verify": true } }],
    ...{ users: [{ name: "a", user: {} }], contexts: [{ name: "a", context: { cluster: "a", user: "a" } }] },
    "current-context": "a",
  };
  writeFileSync(file, JSON.stringify(config));
  const connection = Connection.load(file);
  const changes: (string | undefined)[] = [];
  const errors: (readonly [string, boolean])[] = [];
  const watcher = new Watcher({
    ...{ connection, target: { path, labelSelector: "a=b" }, minBackoffMs: 5, maxBackoffMs: 20 },
    onChange: (object) => changes.push(object.metadata?.name),
    onError: (problem, _, isFirst) => errors.push([problem, isFirst]),
  });
  return {
    ...{ server, changes, errors },
    start: () => watcher.start(),
    stop: async () => {
      await watcher.stop();
      server.stop();
      await connection.close();
      rmSync(dir, { recursive: true });
    },
  };
}

async function until(what: string, is: () => boolean): Promise<void> {
  for (let tries = 0; tries < 600; tries += 1) {
    if (is()) return;
    await sleep(5);
  }
  throw new Error(`${what} did not come`);
}

test("what is listed and what the watch reports arrives", async () => {
  const { server, changes, errors, start, stop } = await scene();
  server.list = (response) => server.answer(response, 200, listOf(thing("a", "3")));
  server.watch = (response) => {
    response.write(line("ADDED", thing("b", "6")) + line("DELETED", thing("a", "7")));
  };
  start();
  await until("three changes", () => changes.length === 3);
  assert.equal([changes, errors], [["a", "b", "a"], []]);
  assert.equal(server.requests, ["list a=b", "watch from 5"]);
  await stop();
});

test("a kind that is not served yet is asked for until it is; only the first refusal is news", async () => {
  const { server, changes, errors, start, stop } = await scene();
  server.list = (response) => {
    if (server.requests.length < 4) server.answer(response, 404, {});
    else server.answer(response, 200, listOf(thing("a", "3")));
  };
  start();
  await until("the object", () => changes.length === 1);
  assert.equal(
    errors.map(([, isFirst]) => isFirst),
    [true, false, false],
  );
  await stop();
});

test("a connection that breaks in the middle of a line is begun anew from where it was", async () => {
  const { server, changes, start, stop } = await scene();
  let watches = 0;
  server.watch = (response) => {
    watches += 1;
    if (watches > 1) return void response.write(line("ADDED", thing("b", "9")));
    response.write(`${line("ADDED", thing("a", "8"))}{"type":"ADD`);
    setTimeout(() => response.destroy(), 20);
  };
  start();
  await until("both objects", () => changes.length === 2);
  assert.equal(changes, ["a", "b"]);
  assert.is(server.requests.at(-1), "watch from 8");
  await stop();
});

test("an error event and an expired version lead to a new list, which reports what went meanwhile", async () => {
  const { server, changes, start, stop } = await scene();
  server.list = (response) =>
    server.answer(
      response,
      200,
      server.requests.length === 1 ? listOf(thing("a", "3"), thing("b", "4")) : listOf(thing("b", "4")),
    );
  let watches = 0;
  server.watch = (response) => {
    watches += 1;
    if (watches === 1) response.end(line("ERROR", { kind: "Status", code: 410, reason: "Expired" }));
  };
  start();
  await until("the deletion", () => changes.length === 3);
  assert.equal(changes, ["a", "b", "a"]);
  await stop();
});

test("after a stop nothing is asked any more", async () => {
  const { server, start, stop } = await scene();
  server.watch = (response) => setTimeout(() => response.destroy(), 10);
  start();
  await until("a few watches", () => server.requests.length > 1);
  await stop();
  const { length } = server.requests;
  await sleep(100);
  assert.is(server.requests.length, length);
});

test.run();
