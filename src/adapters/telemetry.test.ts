import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { Counter, Registry } from "prom-client";
import { request } from "undici";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { maxConnections, maxWaiting, serveHealth, serveMetrics, type Telemetry } from "./telemetry.ts";

const rows: readonly {
  readonly rule: string;
  readonly of: "health" | "metrics";
  readonly path: string;
  readonly method?: "POST";
  readonly live?: boolean;
  readonly ready?: boolean;
  readonly status: number;
  readonly body: RegExp;
}[] = [
  { rule: "live: 200", of: "health", path: "/healthz", status: 200, body: /^ok\n$/ },
  { rule: "not live: 503", of: "health", path: "/healthz", live: false, status: 503, body: /not live/ },
  { rule: "ready: 200", of: "health", path: "/readyz?verbose", status: 200, body: /^ok\n$/ },
  {
    rule: "not ready: 503 while it is still live",
    of: "health",
    path: "/readyz",
    ready: false,
    status: 503,
    body: /not ready/,
  },
  { rule: "where health is told there are no metrics", of: "health", path: "/metrics", status: 404, body: /not found/ },
  {
    rule: "metrics: every series is there from the start",
    of: "metrics",
    path: "/metrics",
    status: 200,
    body: /^test_total 0$/m,
  },
  { rule: "another path: 404", of: "metrics", path: "/", status: 404, body: /not found/ },
  { rule: "another method: 405", of: "metrics", path: "/metrics", method: "POST", status: 405, body: /not allowed/ },
];
for (const { rule, of, path, method = "GET", live = true, ready = true, status, body } of rows) {
  test(rule, async () => {
    const registry = new Registry();
    new Counter({ name: "test_total", help: "A test.", registers: [registry] });
    const where = { address: "127.0.0.1", port: 0 };
    const served = await (of === "metrics"
      ? serveMetrics(where, registry)
      : serveHealth(where, { live: () => live, ready: () => ready }));
    try {
      const answer = await request(`http://127.0.0.1:${served.port}${path}`, { method });
      assert.match(await answer.body.text(), body);
      assert.is(answer.statusCode, status);
    } finally {
      await served.close();
    }
  });
}

const loopback = { address: "127.0.0.1", port: 0 };
const well = { live: () => true, ready: () => true };

/** A connection that has sent that much, and what came back until it was closed. */
function open({ port }: Telemetry, sent: string): { readonly socket: Socket; readonly received: Promise<string> } {
  const socket = connect(port, "127.0.0.1").setEncoding("utf8");
  let text = "";
  socket.on("data", (more: string) => {
    text += more;
  });
  socket.on("error", () => {});
  socket.write(sent);
  const { promise: received, resolve } = Promise.withResolvers<string>();
  socket.on("close", () => resolve(text));
  return { socket, received };
}
/** Until the server has seen what was sent, or closed, before. */
async function settled({ port }: Telemetry): Promise<void> {
  for (let times = 0; times < 3; times += 1) await (await request(`http://127.0.0.1:${port}/healthz`)).body.dump();
}
const endedRequest = "GET /ended HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

test("a few may wait for the end, the next one is sent away, and who leaves makes room", async () => {
  const ended = Promise.withResolvers<void>();
  const served = await serveHealth(loopback, { ...well, ended: ended.promise });
  try {
    const waiting = Array.from({ length: maxWaiting }, () => open(served, endedRequest));
    const ask = async () =>
      (await request(`http://127.0.0.1:${served.port}/ended`, { signal: AbortSignal.timeout(5_000) })).statusCode;
    await Promise.all(waiting.map(({ socket }) => once(socket, "connect")));
    await settled(served);
    assert.is(await ask(), 503);
    waiting[0]?.socket.destroy();
    await settled(served);
    const late = ask();
    await settled(served);
    ended.resolve();
    assert.is(await late, 200);
    assert.equal(
      (await Promise.all(waiting.slice(1).map(({ received }) => received))).map((text) => text.slice(0, 15)),
      Array.from({ length: maxWaiting - 1 }, () => "HTTP/1.1 200 OK"),
    );
    assert.is(await ask(), 200);
  } finally {
    await served.close();
  }
});

for (const [rule, sent] of [
  ["nothing", ""],
  ["half a request", "GET /healthz HTTP/1.1\r\nHost:"],
] as const)
  test(`who sends ${rule} is not waited for`, async () => {
    const served = await serveHealth({ ...loopback, requestTimeoutMs: 100 }, well);
    try {
      const { received } = open(served, sent);
      const closed = await Promise.race([received.then(() => "closed"), pause(5_000, "open", { ref: false })]);
      assert.is(closed, "closed");
    } finally {
      await served.close();
    }
  });

test("connections are bounded, and who closes one makes room", async () => {
  const served = await serveHealth(loopback, well);
  try {
    const idle = Array.from({ length: maxConnections }, () => open(served, ""));
    await Promise.all(idle.map(({ socket }) => once(socket, "connect")));
    assert.is(await open(served, endedRequest).received, "");
    idle[0]?.socket.destroy();
    let answer = "";
    for (let times = 0; answer === "" && times < 20; times += 1) answer = await open(served, endedRequest).received;
    assert.match(answer, /^HTTP\/1.1 404/);
  } finally {
    await served.close();
  }
});

test.run();
