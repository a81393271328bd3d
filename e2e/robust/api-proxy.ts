/** A proxy on loopback between an operator and a real API server: it writes down what is asked, and breaks what a test says. */
import { readFileSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTcpServer, type Socket, type Server as TcpServer } from "node:net";
import { load } from "js-yaml";
import { Agent, request as ask } from "undici";
import { z } from "zod";
import { type Fields, linesOf, readBody } from "./streams.ts";

export interface Seen {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: Fields;
  readonly userAgent: string;
  readonly isWatch: boolean;
  readonly isWrite: boolean;
  readonly body: string;
  readonly atMs: number;
}

export interface Answer {
  readonly status: number;
  readonly headers?: Fields;
  readonly body: string;
}

/** A request as it went: `status` is undefined while, or when, no answer was delivered. */
export interface Recorded extends Seen {
  status: number | undefined;
}

export interface WatchEvent {
  readonly type: string;
  readonly object: unknown;
}

/** `hang` never answers, `cut` ends the socket, an answer is given in the API server's place. */
export type Verdict = "pass" | "hang" | "cut" | Answer;
/** `end` is an orderly end of the stream; after `silence` nothing comes on this stream any more, which stays open. */
export type LineVerdict = "pass" | "drop" | "end" | "cut" | "silence" | WatchEvent;

/** Asked before a request is forwarded. */
export type RequestHook = (request: Seen) => Verdict | Promise<Verdict>;
/** Asked with the API server's whole answer, before it is delivered; not for watches. */
export type AnswerHook = (request: Seen, answer: Answer) => Verdict | Promise<Verdict>;
/** Asked for each line of a watch. */
export type LineHook = (request: Seen, event: WatchEvent) => LineVerdict;

export interface OpenWatch {
  readonly request: Seen;
  send(event: WatchEvent): void;
  end(): void;
  cut(): void;
  silence(): void;
}

/** Answers to reads by path and selectors, for `serving`. */
export type Memory = ReadonlyMap<string, Answer>;

export class ApiProxy {
  /** Every request since the start or the last `forget`, oldest first. */
  requests: Recorded[] = [];
  readonly #upstream: string;
  readonly #agent: Agent;
  readonly #http: Server;
  #tcp: TcpServer;
  #port = 0;
  #isSilent = false;
  /** Sockets that will never be read from or written to again. */
  readonly #dead = new WeakSet<Socket>();
  readonly #sockets = new Set<Socket>();
  readonly #watches = new Set<OpenWatch>();
  readonly #requestHooks = new Set<RequestHook>();
  readonly #answerHooks = new Set<AnswerHook>();
  readonly #lineHooks = new Set<LineHook>();
  readonly #memory = new Map<string, Answer>();

  private constructor(upstream: string, ca: string) {
    this.#upstream = upstream;
    this.#agent = new Agent({ connect: { ca }, headersTimeout: 0, bodyTimeout: 0 });
    this.#http = createHttpServer(
      (request, response) => void this.#handle(request, response).catch(() => cut(response)),
    );
    this.#http.keepAliveTimeout = 60_000;
    this.#tcp = this.#newTcpServer();
  }

  /** In front of the API server that this kube config names, on a free port. */
  static async start({ kubeconfig }: { readonly kubeconfig: string }): Promise<ApiProxy> {
    const { clusters } = kubeconfigSchema.parse(load(readFileSync(kubeconfig, "utf8")));
    const { server, "certificate-authority-data": ca } = clusters[0].cluster;
    const proxy = new ApiProxy(server.replace(/\/$/, ""), Buffer.from(ca, "base64").toString("utf8"));
    await proxy.#listen();
    return proxy;
  }

  /** Plain HTTP: it never leaves this machine's loopback, and the token goes on to the API server over TLS. */
  get origin(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** A kube config that leads here with that token. */
  writeKubeconfig(file: string, token: string): void {
    const cluster = { server: this.origin, "insecure-skip-tls-verify": true };
    const config = {
      ...{ apiVersion: "v1", kind: "Config", "current-context": "proxy" },
      clusters: [{ name: "proxy", cluster }],
      users: [{ name: "proxy", user: { token } }],
      contexts: [{ name: "proxy", context: { cluster: "proxy", user: "proxy" } }],
    };
    writeFileSync(file, JSON.stringify(config), { mode: 0o600 });
  }

  /** Hooks are asked in the order they came; the first that does not say `pass` decides. Each returns how to take it away. */
  onRequest(hook: RequestHook): () => void {
    return added(this.#requestHooks, hook);
  }

  onAnswer(hook: AnswerHook): () => void {
    return added(this.#answerHooks, hook);
  }

  onWatchLine(hook: LineHook): () => void {
    return added(this.#lineHooks, hook);
  }

  /** The watches that are open now. */
  watches(): readonly OpenWatch[] {
    return [...this.#watches];
  }

  writes(): readonly Recorded[] {
    return this.requests.filter(({ isWrite }) => isWrite);
  }

  forget(): void {
    this.requests = [];
  }

  /** The newest answer to each read so far that found something or nothing. */
  remembered(): Memory {
    return new Map(this.#memory);
  }

  /** A hook that answers reads as they were; what was never read, watches and writes pass. */
  static serving(memory: Memory): RequestHook {
    return (request) => (request.isWatch || request.isWrite ? "pass" : (memory.get(keyOf(request)) ?? "pass"));
  }

  /**
   * `refused`: connections end and new ones are refused. `silent`: connections stay and new ones are accepted, but nothing is ever
   * heard on them again, not even after `restore`, as if the other side had lost its power.
   */
  async cutOff(how: "refused" | "silent"): Promise<void> {
    if (how === "refused") {
      const closed = new Promise<void>((resolve) => this.#tcp.close(() => resolve()));
      this.cutSockets();
      await closed;
      return;
    }
    this.#isSilent = true;
    for (const socket of this.#sockets) this.#dead.add(socket);
  }

  async restore(): Promise<void> {
    this.#isSilent = false;
    if (!this.#tcp.listening) {
      this.#tcp = this.#newTcpServer();
      await this.#listen();
    }
  }

  /** Every connection ends now, as when a load balancer goes. */
  cutSockets(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    this.cutSockets();
    if (this.#tcp.listening) await new Promise((resolve) => this.#tcp.close(resolve));
    this.cutSockets();
    await this.#agent.destroy();
  }

  #newTcpServer(): TcpServer {
    return createTcpServer((socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => socket.destroy());
      socket.on("close", () => this.#sockets.delete(socket));
      if (this.#isSilent) this.#dead.add(socket);
      else this.#http.emit("connection", socket);
    });
  }

  async #listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#tcp.once("error", reject);
      this.#tcp.listen(this.#port, "127.0.0.1", resolve);
    });
    const address = this.#tcp.address();
    if (typeof address === "object" && address !== null) this.#port = address.port;
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.#dead.has(request.socket)) return;
    const url = new URL(request.url ?? "/", "http://localhost");
    const method = request.method ?? "GET";
    const query = Object.fromEntries(url.searchParams);
    const recorded: Recorded = {
      ...{ method, path: url.pathname, query, body: await readBody(request), atMs: Date.now() },
      userAgent: request.headers["user-agent"] ?? "",
      isWatch: query.watch === "true" || query.watch === "1",
      isWrite: method !== "GET" && method !== "HEAD",
      status: undefined,
    };
    this.requests.push(recorded);
    const verdict = await firstVerdict(this.#requestHooks, (hook) => hook(recorded));
    if (verdict !== "pass") return this.#give(response, recorded, verdict);
    const gone = new AbortController();
    // What was asked reaches the API server, whether or not the client is still there; a watch ends with its client.
    if (recorded.isWatch) response.on("close", () => gone.abort());
    const upstream = await ask(this.#upstream + (request.url ?? "/"), {
      ...{ method: method as "GET", dispatcher: this.#agent, signal: gone.signal },
      headers: passedOn(request.headers),
      ...(recorded.body === "" ? {} : { body: recorded.body }),
    });
    const headers = passedOn(upstream.headers);
    if (recorded.isWatch && upstream.statusCode === 200)
      return this.#stream(recorded, response, headers, upstream.body);
    const answer: Answer = { status: upstream.statusCode, headers, body: await upstream.body.text() };
    if (method === "GET" && (answer.status === 200 || answer.status === 404)) this.#memory.set(keyOf(recorded), answer);
    const judged = await firstVerdict(this.#answerHooks, (hook) => hook(recorded, answer));
    this.#give(response, recorded, judged === "pass" ? answer : judged);
  }

  #give(response: ServerResponse, recorded: Recorded, verdict: Exclude<Verdict, "pass">): void {
    if (verdict === "hang" || this.#isDead(response)) return;
    if (verdict === "cut") {
      cut(response);
      return;
    }
    recorded.status = verdict.status;
    response.writeHead(verdict.status, {
      "content-type": "application/json",
      ...verdict.headers,
      "content-length": Buffer.byteLength(verdict.body),
    });
    response.end(verdict.body);
  }

  async #stream(
    recorded: Recorded,
    response: ServerResponse,
    headers: Fields,
    body: AsyncIterable<Uint8Array>,
  ): Promise<void> {
    let isSilent = false;
    const write = (text: string) => {
      if (!isSilent && !response.writableEnded && !this.#isDead(response)) response.write(text);
    };
    const watch: OpenWatch = {
      request: recorded,
      send: (event) => write(`${JSON.stringify(event)}\n`),
      end: () => {
        if (!this.#isDead(response)) response.end();
      },
      cut: () => cut(response),
      silence: () => {
        isSilent = true;
      },
    };
    this.#watches.add(watch);
    response.on("close", () => this.#watches.delete(watch));
    recorded.status = 200;
    if (this.#isDead(response)) return;
    response.writeHead(200, headers);
    response.flushHeaders();
    try {
      for await (const line of linesOf(body)) {
        const verdict = this.#judgeLine(recorded, line);
        if (verdict === "pass") write(`${line}\n`);
        else if (verdict === "drop") continue;
        else if (typeof verdict === "object") watch.send(verdict);
        else watch[verdict]();
      }
      if (!isSilent) watch.end();
    } catch {
      watch.cut();
    }
  }

  #judgeLine(recorded: Recorded, line: string): LineVerdict {
    if (this.#lineHooks.size === 0) return "pass";
    const event = eventSchema.parse(JSON.parse(line));
    for (const hook of this.#lineHooks) {
      const verdict = hook(recorded, event);
      if (verdict !== "pass") return verdict;
    }
    return "pass";
  }

  #isDead(response: ServerResponse): boolean {
    return response.socket === null || this.#dead.has(response.socket);
  }
}

const kubeconfigSchema = z.object({
  clusters: z.tuple([
    z.object({ cluster: z.object({ server: z.string(), "certificate-authority-data": z.string() }) }),
  ]),
});
const eventSchema = z.object({ type: z.string(), object: z.unknown() });

/** A read's place in the memory: what it selects, not from when. */
function keyOf({ path, query }: Seen): string {
  return JSON.stringify([path, query.labelSelector, query.fieldSelector]);
}

async function firstVerdict<H>(
  hooks: ReadonlySet<H>,
  judge: (hook: H) => Verdict | Promise<Verdict>,
): Promise<Verdict> {
  for (const hook of hooks) {
    const verdict = await judge(hook);
    if (verdict !== "pass") return verdict;
  }
  return "pass";
}

function added<H>(hooks: Set<H>, hook: H): () => void {
  hooks.add(hook);
  return () => void hooks.delete(hook);
}

function cut(response: ServerResponse): void {
  response.socket?.destroy();
}

/** Without what concerns one connection only, and without compression, which would hide the lines. */
function passedOn(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> {
  const own = ["connection", "host", "content-length", "transfer-encoding", "keep-alive", "accept-encoding"];
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined || own.includes(name) ? [] : [[name, Array.isArray(value) ? value.join(", ") : value]],
    ),
  );
}
