/** The gatherer's REST interface (docs/wire.md), for the proxy beside it. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { z } from "zod";
import {
  type GatherOrder,
  type GatherProgress,
  gatherOrderSchema,
  type Inventory,
  type NodeSideReport,
  nodeSideReportSchema,
  type StoredArchive,
} from "../api/gather.ts";
import { type HandoverStatus, type TakenOver, type Takeover, takeoverSchema } from "../api/handover.ts";
import { isArchiveName, isNoRoom, sha256 } from "./disk.ts";
import type { Logger } from "./telemetry.ts";

/** What the server serves; a rejection is answered by 500. */
export interface Service {
  start(order: GatherOrder): "started" | "same" | "busy";
  find(id: string): GatherProgress | undefined;
  /** The node side is as gone as it will be: a gather that waits for that goes on. */
  release(id: string, report: NodeSideReport): "released" | "same" | "not awaited";
  archives(): Promise<readonly StoredArchive[]>;
  archive(name: string): Promise<Buffer | undefined>;
  keep(name: string, bytes: Buffer): Promise<"written" | "present">;
  inventory(): Promise<Inventory | undefined>;
  handover(): HandoverStatus;
  /** All that there was has been handed to it. */
  takeOver(takeover: Takeover): Promise<TakenOver>;
  /** Another one has all that it has. */
  relieve(): void;
}

export interface ServerOptions {
  readonly address: string;
  /** 0 picks a free one. */
  readonly port: number;
  readonly version: string;
  readonly service: Service;
  readonly log: Logger;
  /** Of an archive put, and of what ends a handover; default 64 MiB. */
  readonly maxArchiveBytes?: number;
  /** For a whole request; default a minute. */
  readonly requestTimeoutMs?: number;
}

export interface GathererServer {
  readonly port: number;
  /** Waits for open requests, five seconds at most. */
  close(): Promise<void>;
}

const maxOrderBytes = 256 * 1024;
const graceMs = 5_000;

interface Answer {
  readonly status: number;
  readonly body: Buffer | string;
  readonly type: string;
}
type Handler = (request: IncomingMessage, name: string) => Promise<Answer> | Answer;
type Methods = Readonly<Partial<Record<"GET" | "POST" | "PUT", Handler>>>;

/** A server of the routes, once it listens. */
export async function serveGatherer(options: ServerOptions): Promise<GathererServer> {
  const { address, port, log, requestTimeoutMs = 60_000 } = options;
  const routes = routesOf(options);
  // Node looks every half a minute unless told otherwise, and a slow request could last as much longer.
  const timeouts = {
    requestTimeout: requestTimeoutMs,
    headersTimeout: Math.min(requestTimeoutMs, 10_000),
    connectionsCheckingInterval: Math.min(requestTimeoutMs, 5_000),
  };
  const server = createServer(timeouts, (request, response) => {
    route(routes, request)
      .catch((cause: unknown) => {
        log.error({ err: cause, method: request.method, path: request.url }, "A request failed");
        return problem(500, "the gatherer failed; its log says why");
      })
      .then((answer) => send(request, response, answer))
      .catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, address, resolve);
  });
  const bound = server.address();
  return {
    port: typeof bound === "object" && bound !== null ? bound.port : port,
    close: () =>
      new Promise((resolve) => {
        const timer = setTimeout(() => server.closeAllConnections(), graceMs);
        server.close(() => {
          clearTimeout(timer);
          resolve();
        });
        server.closeIdleConnections();
      }),
  };
}

function routesOf({ service, version, maxArchiveBytes = 64 * 1024 * 1024 }: ServerOptions) {
  const routes: readonly { readonly pattern: RegExp; readonly methods: Methods }[] = [
    { pattern: /^\/healthz$/, methods: { GET: () => ({ status: 200, body: "ok", type: "text/plain" }) } },
    { pattern: /^\/v1\/version$/, methods: { GET: () => json(200, { version }) } },
    { pattern: /^\/v1\/gathers$/, methods: { POST: (request) => postGather(request, service) } },
    {
      pattern: /^\/v1\/gathers\/([^/]+)$/,
      methods: {
        GET: (_, id) => {
          const progress = service.find(id);
          return progress === undefined ? problem(404, "no gather of this id is known") : json(200, progress);
        },
      },
    },
    {
      pattern: /^\/v1\/gathers\/([^/]+)\/nodeside$/,
      methods: { POST: (request, id) => postNodeSide(request, id, service) },
    },
    { pattern: /^\/v1\/archives$/, methods: { GET: async () => json(200, await service.archives()) } },
    {
      pattern: /^\/v1\/archives\/([^/]+)$/,
      methods: {
        GET: async (_, name) => {
          const body = await service.archive(name);
          if (body === undefined) return problem(404, "there is no archive of this name");
          return { status: 200, body, type: "application/gzip" };
        },
        PUT: (request, name) => putArchive(request, name, service, maxArchiveBytes),
      },
    },
    {
      pattern: /^\/v1\/inventory$/,
      methods: {
        GET: async () => {
          const inventory = await service.inventory();
          return inventory === undefined ? problem(404, "no gather has made an inventory yet") : json(200, inventory);
        },
      },
    },
    {
      pattern: /^\/v1\/handover$/,
      methods: {
        GET: () => json(200, service.handover()),
        PUT: (request) => putHandover(request, service, maxArchiveBytes),
        POST: () => {
          service.relieve();
          return json(200, service.handover());
        },
      },
    },
  ];
  return routes;
}

async function route(routes: ReturnType<typeof routesOf>, request: IncomingMessage): Promise<Answer> {
  const [path = ""] = (request.url ?? "").split("?", 1);
  for (const { pattern, methods } of routes) {
    const match = pattern.exec(path);
    if (match === null) continue;
    const method = request.method === "HEAD" ? "GET" : request.method;
    const handler = method === "GET" || method === "POST" || method === "PUT" ? methods[method] : undefined;
    if (handler === undefined) return problem(405, `${request.method} is not possible here`);
    const name = decode(match[1] ?? "");
    return name === undefined ? problem(400, "the path is not well encoded") : handler(request, name);
  }
  return problem(404, "there is nothing at this path");
}

async function postGather(request: IncomingMessage, service: Service): Promise<Answer> {
  const order = await readJson(request, gatherOrderSchema, "the order");
  if ("status" in order) return order;
  const { id } = order.value;
  switch (service.start(order.value)) {
    case "started":
      return json(202, service.find(id) ?? {});
    case "same":
      return json(200, service.find(id) ?? {});
    case "busy":
      return problem(409, "another gather is going on");
  }
}

async function putHandover(request: IncomingMessage, service: Service, maxBytes: number): Promise<Answer> {
  const takeover = await readJson(request, takeoverSchema, "what is handed over", maxBytes);
  if ("status" in takeover) return takeover;
  return json(200, await service.takeOver(takeover.value));
}

async function postNodeSide(request: IncomingMessage, id: string, service: Service): Promise<Answer> {
  const report = await readJson(request, nodeSideReportSchema, "the report");
  if ("status" in report) return report;
  if (service.find(id) === undefined) return problem(404, "no gather of this id is known");
  const released = service.release(id, report.value);
  if (released === "not awaited") return problem(409, "this gather does not wait for the node side");
  return json(200, service.find(id) ?? {});
}

/** The body as the schema decodes it, or the answer that says what is wrong with it. */
async function readJson<Value>(
  request: IncomingMessage,
  schema: z.ZodType<Value>,
  what: string,
  maxBytes = maxOrderBytes,
): Promise<{ readonly value: Value } | Answer> {
  const body = await readBody(request, maxBytes);
  if (body === undefined) return problem(413, `${what} is at most ${maxBytes} bytes long`);
  let value: unknown;
  try {
    value = JSON.parse(body.toString("utf8"));
  } catch {
    return problem(400, `${what} is not JSON`);
  }
  const decoded = schema.safeParse(value);
  if (decoded.success) return { value: decoded.data };
  return problem(400, decoded.error.issues.map((issue) => sentence(issue, what)).join("; "));
}

function sentence({ path, message }: z.core.$ZodIssue, what: string): string {
  return `${path.length === 0 ? what : path.join(".")}: ${message}`;
}

async function putArchive(request: IncomingMessage, name: string, service: Service, maxBytes: number): Promise<Answer> {
  if (!isArchiveName(name)) return problem(400, "this is not the name of an archive");
  const { "content-length": said } = request.headers;
  if (said === undefined) return problem(411, "the header Content-Length is missing");
  if (Number(said) > maxBytes) return problem(413, `an archive is at most ${maxBytes} bytes long`);
  const expected = request.headers["x-checksum-sha256"];
  if (typeof expected !== "string") return problem(422, "the header X-Checksum-Sha256 is missing");
  const bytes = await readBody(request, maxBytes);
  if (bytes === undefined) return problem(413, `an archive is at most ${maxBytes} bytes long`);
  if (sha256(bytes) !== expected.toLowerCase()) return problem(422, "the checksum does not fit the archive");
  try {
    const kept = await service.keep(name, bytes);
    return kept === "written" ? json(201, {}) : problem(409, "there is an archive of this name");
  } catch (cause) {
    if (isNoRoom(cause)) return problem(507, "there is no room for the archive");
    throw cause;
  }
}

/** Undefined when there is more. */
async function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    length += chunk.length;
    if (length > maxBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

function json(status: number, value: unknown): Answer {
  return { status, body: JSON.stringify(value), type: "application/json" };
}

function problem(status: number, error: string): Answer {
  return json(status, { error });
}

function send(request: IncomingMessage, response: ServerResponse, { status, body, type }: Answer): void {
  const unread = !request.complete;
  response.writeHead(status, {
    "content-type": type,
    "content-length": Buffer.byteLength(body),
    ...(unread ? { connection: "close" } : {}),
  });
  response.end(request.method === "HEAD" ? undefined : body);
}
