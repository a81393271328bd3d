import { Counter, Registry } from "prom-client";
import { request } from "undici";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { serveHealth, serveMetrics } from "./telemetry.ts";

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

test.run();
