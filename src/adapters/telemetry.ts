/** Log lines of both processes, and where they tell health and metrics. */
import { createServer, type ServerResponse } from "node:http";
import { destination, type Logger, pino, stdTimeFunctions } from "pino";
import type { Registry } from "prom-client";
import { graceSeconds } from "../core/handover.ts";

export const logLevels = ["fatal", "error", "warn", "info", "debug", "trace", "silent"] as const;
export type LogLevel = (typeof logLevels)[number];
export type { Logger };

export interface LoggerOptions {
  readonly name: string;
  readonly level: LogLevel;
  /** Default `stdout`; a program whose standard output is its result logs to `stderr`. */
  readonly to?: "stdout" | "stderr";
}

/** A logger of JSON lines; tokens and authorization headers are never written, wherever a caller puts them. */
export function createLogger({ name, level, to = "stdout" }: LoggerOptions): Logger {
  return pino(
    {
      name,
      level,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: [
        "token",
        "*.token",
        "authorization",
        "*.authorization",
        "headers.authorization",
        "*.headers.authorization",
      ],
    },
    destination({ dest: to === "stdout" ? 1 : 2, sync: true }),
  );
}

export interface Listen {
  /** E.g. `127.0.0.1`, or `0.0.0.0` where the kubelet has to reach it. */
  readonly address: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** How long a client may take to send its request; default 10 seconds. */
  readonly requestTimeoutMs?: number;
}

export interface Health {
  /** False makes the kubelet restart the process; never let it depend on the API server. */
  readonly live: () => boolean;
  readonly ready: () => boolean;
  /** Answers `/ended` when it resolves, for a hook that holds another container of the pod back until then; absent: no such page. */
  readonly ended?: Promise<void>;
}

export interface Telemetry {
  readonly port: number;
  close(): Promise<void>;
}

interface Page {
  readonly status: number;
  readonly text: string;
  readonly type?: string;
}
type Pages = Readonly<Record<string, (response: ServerResponse) => Page | Promise<Page>>>;

/** Who asks is not known: so many connections, and of them so many that wait for `/ended`. One kubelet and one Prometheus need a few. */
export const maxConnections = 256;
export const maxWaiting = 8;
/** A connection on which nothing moves is closed; longer than a kubelet waits for a hook, which is a pod's grace period. */
const silenceMs = 2 * graceSeconds * 1000;

/** A server of `/healthz` and `/readyz`, 200 or 503, once it listens. */
export function serveHealth(where: Listen, { live, ready, ended }: Health): Promise<Telemetry> {
  return serve(where, {
    "/healthz": () => (live() ? { status: 200, text: "ok\n" } : { status: 503, text: "not live\n" }),
    "/readyz": () => (ready() ? { status: 200, text: "ok\n" } : { status: 503, text: "not ready\n" }),
    ...(ended === undefined ? {} : { "/ended": heldUntil(ended) }),
  });
}

/** A server of `/metrics`, once it listens; it asks nobody who they are, so it belongs on the loopback address. */
export function serveMetrics(where: Listen, registry: Registry): Promise<Telemetry> {
  return serve(where, {
    "/metrics": async () => ({ status: 200, text: await registry.metrics(), type: registry.contentType }),
  });
}

/** A page that is answered when it has ended; nothing is kept of who does not wait any more. */
function heldUntil(ended: Promise<void>): Pages[string] {
  const page = { status: 200, text: "ended\n" };
  const waiting = new Set<(page: Page) => void>();
  let isOver = false;
  ended.then(() => {
    isOver = true;
    for (const goOn of waiting) goOn(page);
  });
  return (response) => {
    if (isOver) return page;
    if (waiting.size >= maxWaiting) return { status: 503, text: "too many wait already\n" };
    const { promise, resolve } = Promise.withResolvers<Page>();
    waiting.add(resolve);
    response.once("close", () => waiting.delete(resolve));
    return promise;
  };
}

async function serve({ address, port, requestTimeoutMs = 10_000 }: Listen, pages: Pages): Promise<Telemetry> {
  const limits = {
    ...{ requestTimeout: requestTimeoutMs, headersTimeout: requestTimeoutMs },
    connectionsCheckingInterval: Math.min(requestTimeoutMs, 5_000),
  };
  const server = createServer(limits, (request, response) => {
    const page = pages[(request.url ?? "").split("?", 1)[0] ?? ""];
    if (request.method !== "GET" && request.method !== "HEAD")
      return answer(response, { status: 405, text: "method not allowed\n" });
    if (page === undefined) return answer(response, { status: 404, text: "not found\n" });
    Promise.resolve()
      .then(() => page(response))
      .then(
        (made) => answer(response, made),
        () => answer(response, { status: 500, text: "the page cannot be made\n" }),
      );
  });
  server.maxConnections = maxConnections;
  server.timeout = silenceMs;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, address, resolve);
  });
  const bound = server.address();
  return {
    port: typeof bound === "object" && bound !== null ? bound.port : port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function answer(response: ServerResponse, { status, text, type = "text/plain; charset=utf-8" }: Page): void {
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(text) });
  response.end(text);
}
