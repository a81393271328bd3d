/** Log lines of both processes, and where they tell health and metrics. */
import { createServer, type ServerResponse } from "node:http";
import { destination, type Logger, pino, stdTimeFunctions } from "pino";
import type { Registry } from "prom-client";

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
}

export interface Health {
  /** False makes the kubelet restart the process; never let it depend on the API server. */
  readonly live: () => boolean;
  readonly ready: () => boolean;
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
type Pages = Readonly<Record<string, () => Page | Promise<Page>>>;

/** A server of `/healthz` and `/readyz`, 200 or 503, once it listens. */
export function serveHealth(where: Listen, { live, ready }: Health): Promise<Telemetry> {
  return serve(where, {
    "/healthz": () => (live() ? { status: 200, text: "ok\n" } : { status: 503, text: "not live\n" }),
    "/readyz": () => (ready() ? { status: 200, text: "ok\n" } : { status: 503, text: "not ready\n" }),
  });
}

/** A server of `/metrics`, once it listens; it asks nobody who they are, so it belongs on the loopback address. */
export function serveMetrics(where: Listen, registry: Registry): Promise<Telemetry> {
  return serve(where, {
    "/metrics": async () => ({ status: 200, text: await registry.metrics(), type: registry.contentType }),
  });
}

async function serve({ address, port }: Listen, pages: Pages): Promise<Telemetry> {
  const server = createServer((request, response) => {
    const page = pages[(request.url ?? "").split("?", 1)[0] ?? ""];
    if (request.method !== "GET" && request.method !== "HEAD")
      return answer(response, { status: 405, text: "method not allowed\n" });
    if (page === undefined) return answer(response, { status: 404, text: "not found\n" });
    Promise.resolve()
      .then(page)
      .then(
        (made) => answer(response, made),
        () => answer(response, { status: 500, text: "the page cannot be made\n" }),
      );
  });
  server.requestTimeout = 10_000;
  server.headersTimeout = 10_000;
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
