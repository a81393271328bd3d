/** Log lines, metrics and health endpoints of both processes. */
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

export interface TelemetryOptions {
  /** E.g. `127.0.0.1`, or `0.0.0.0` where the kubelet has to reach it. */
  readonly address: string;
  /** 0 picks a free one. */
  readonly port: number;
  readonly registry: Registry;
  /** False makes the kubelet restart the process; never let it depend on the API server. */
  readonly live: () => boolean;
  readonly ready: () => boolean;
}

export interface Telemetry {
  readonly port: number;
  close(): Promise<void>;
}

/** A server of `/healthz`, `/readyz` (200 or 503) and `/metrics`, once it listens. */
export async function serveTelemetry({ address, port, registry, live, ready }: TelemetryOptions): Promise<Telemetry> {
  const server = createServer((request, response) => {
    if (request.method !== "GET" && request.method !== "HEAD") return answer(response, 405, "method not allowed\n");
    switch ((request.url ?? "").split("?", 1)[0]) {
      case "/healthz":
        return answer(response, live() ? 200 : 503, live() ? "ok\n" : "not live\n");
      case "/readyz":
        return answer(response, ready() ? 200 : 503, ready() ? "ok\n" : "not ready\n");
      case "/metrics":
        registry.metrics().then(
          (text) => answer(response, 200, text, registry.contentType),
          () => answer(response, 500, "the metrics cannot be read\n"),
        );
        return;
      default:
        return answer(response, 404, "not found\n");
    }
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

function answer(response: ServerResponse, status: number, text: string, type = "text/plain; charset=utf-8"): void {
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(text) });
  response.end(text);
}
