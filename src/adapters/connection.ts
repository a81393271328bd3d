/** The one way to the API server: a kube config whose connections and deadlines are shared by every caller. */
import type { RequestOptions } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { KubeConfig } from "@kubernetes/client-node";
import { Agent, type Dispatcher, errors, request } from "undici";
import { retryAfterMsOf, Wishes } from "./retry-after.ts";

const defaultTimeoutMs = 30_000;
/** How often one call is sent again because the API server wished so. */
const maxRepeats = 2;

/** What a list is asked to be sent as when nobody looks beyond its objects' metadata. */
export const metadataOnly = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

/** What a list is asked to be sent as when a line for each object is enough, as kubectl prints it. */
export const tableOnly = "application/json;as=Table;g=meta.k8s.io;v=v1";

export interface ApiCall {
  readonly method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Path with its leading slash, e.g. `/api/v1/pods`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean>>;
  /** Default `application/json`. */
  readonly accept?: string;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Default `application/json`. */
  readonly contentType?: string;
  /** Default 30 seconds, for the whole exchange and what it waits for. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Called last before it is sent; throwing keeps it back. */
  readonly beforeSend?: () => void;
  /** Takes the body of an answer of status 200 piece by piece, for one too large to hold; called anew for each answer. */
  readonly into?: () => (chunk: Buffer) => void;
}

export interface ApiAnswer {
  readonly status: number;
  /** The parsed JSON body, undefined when there was none or it went elsewhere; plain text when it was not JSON. */
  readonly body: unknown;
}

/** What the callers of the API server need; a test may put a small real server behind it. */
export interface Api {
  call(call: ApiCall): Promise<ApiAnswer>;
}

export interface StreamCall {
  readonly path: string;
  readonly query: Readonly<Record<string, string | number | boolean>>;
  readonly accept: string;
  /** Longest time without a byte. */
  readonly silenceMs: number;
  readonly signal: AbortSignal;
}

export interface ApiStream {
  readonly status: number;
  /** So long the API server wants to be left alone. */
  readonly retryAfterMs: number | undefined;
  /** Ends when the API server ends it; throws when the connection breaks or goes silent. Nothing in it unless the status is 200. */
  readonly chunks: AsyncIterable<Buffer>;
}

interface Shared {
  readonly agent: Agent;
  readonly material: string;
}

/**
 * client-node opens a new connection per request whenever a CA is set and has no default deadline; here all requests share one,
 * and each has a deadline. A connection on which an answer did not come in time gets no new request, since it may lead nowhere;
 * what still runs on it may end there. Credentials and CA are read again for each request, as they are rotated.
 */
export class Connection extends KubeConfig implements Api {
  readonly #wishes = new Wishes();
  readonly #retired = new Set<Agent>();
  #shared: Shared | undefined;

  /** Reads the given file, else KUBECONFIG or the service account of the pod, as kubectl does. */
  static load(kubeconfig?: string): Connection {
    const connection = new Connection();
    if (kubeconfig === undefined) connection.loadFromDefault();
    else connection.loadFromFile(kubeconfig);
    return connection;
  }

  /**
   * One exchange with the API server. Any HTTP status is an answer; only a missing answer (network, deadline, abort) throws. When
   * the API server wants to be asked later, that is done if it fits into the deadline; until then nothing is sent.
   */
  async call(call: ApiCall): Promise<ApiAnswer> {
    const { method = "GET", path, timeoutMs = defaultTimeoutMs } = call;
    const deadline = AbortSignal.timeout(timeoutMs);
    const signal = call.signal === undefined ? deadline : AbortSignal.any([call.signal, deadline]);
    const untilMs = performance.now() + timeoutMs;
    const what = `${method} ${path}`;
    for (let repeats = 0; ; repeats += 1) {
      const waitMs = this.#wishes.waitMs(what);
      if (performance.now() + waitMs >= untilMs) return this.#wishes.refusal(what);
      if (waitMs > 0) await sleep(waitMs, undefined, { signal });
      const { retryAfterMs, ...answer } = await this.#exchange(call, signal, deadline);
      this.#wishes.note(what, retryAfterMs);
      if (retryAfterMs === undefined || repeats === maxRepeats) return answer;
    }
  }

  /** An answer that comes piece by piece for as long as the API server likes. Throws when it does not begin in time. */
  async stream({ path, query, accept, silenceMs, signal }: StreamCall): Promise<ApiStream> {
    const { url, headers, agent } = await this.#prepare(path, query);
    const {
      statusCode,
      headers: answered,
      body,
    } = await this.#watchful(agent, undefined, () =>
      request(url, {
        ...{ dispatcher: agent, signal, headersTimeout: Math.min(silenceMs, defaultTimeoutMs), bodyTimeout: silenceMs },
        headers: { ...headers, accept },
      }),
    );
    if (statusCode === 200) return { status: 200, retryAfterMs: undefined, chunks: this.#pieces(agent, body) };
    await body.dump({ limit: 64 * 1024 });
    return { status: statusCode, retryAfterMs: retryAfterMsOf(statusCode, answered["retry-after"]), chunks: nothing() };
  }

  /** Ends all connections; the object must not be used afterwards. */
  async close(): Promise<void> {
    const agents = [...this.#retired, ...(this.#shared === undefined ? [] : [this.#shared.agent])];
    await Promise.all(agents.map((agent) => agent.destroy()));
  }

  async #exchange(
    call: ApiCall,
    signal: AbortSignal,
    deadline: AbortSignal,
  ): Promise<ApiAnswer & { readonly retryAfterMs: number | undefined }> {
    const { url, headers, agent } = await this.#prepare(call.path, call.query ?? {});
    return this.#watchful(agent, deadline, async () => {
      call.beforeSend?.();
      const answer = await request(url, {
        ...{ method: call.method ?? "GET", dispatcher: agent, signal },
        headers: {
          ...{ accept: call.accept ?? "application/json", ...headers },
          ...(call.body === undefined ? {} : { "content-type": call.contentType ?? "application/json" }),
        },
        ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
      });
      const status = answer.statusCode;
      const retryAfterMs = retryAfterMsOf(status, answer.headers["retry-after"]);
      if (call.into !== undefined && status === 200) {
        const take = call.into();
        for await (const chunk of answer.body) take(chunk);
        return { status, body: undefined, retryAfterMs };
      }
      return { status, body: parse(await answer.body.text()), retryAfterMs };
    });
  }

  async #prepare(path: string, query: Readonly<Record<string, string | number | boolean>>) {
    const cluster = this.getCurrentCluster();
    if (cluster === null) throw new Error("asking the API server: the kube config has no current cluster");
    const options: RequestOptions = {};
    await this.applyToHTTPSOptions(options);
    const url = new URL(cluster.server.replace(/\/$/, "") + path);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, String(value));
    return { url, headers: authorization(options), agent: this.#agentFor(options) };
  }

  #agentFor({ ca, cert, key, rejectUnauthorized, servername }: RequestOptions): Agent {
    const tls = Object.fromEntries(
      Object.entries({ ca, cert, key, rejectUnauthorized, servername }).filter(([, value]) => value !== undefined),
    );
    const material = JSON.stringify(Object.values(tls).map(String));
    if (this.#shared !== undefined && this.#shared.material !== material) this.#retire(this.#shared.agent);
    this.#shared ??= {
      agent: new Agent({ connect: { ...tls, keepAlive: true, keepAliveInitialDelay: 30_000 } }),
      material,
    };
    return this.#shared.agent;
  }

  /** The same, and a connection that let a deadline pass is not used again. */
  async #watchful<T>(agent: Agent, deadline: AbortSignal | undefined, ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (cause) {
      if (deadline?.aborted === true || isSilence(cause)) this.#retire(agent);
      throw cause;
    }
  }

  async *#pieces(agent: Agent, body: Dispatcher.ResponseData["body"]): AsyncGenerator<Buffer> {
    try {
      yield* body;
    } catch (cause) {
      if (isSilence(cause)) this.#retire(agent);
      throw cause;
    }
  }

  #retire(agent: Agent): void {
    if (this.#shared?.agent !== agent) return;
    this.#shared = undefined;
    this.#retired.add(agent);
    void agent.close().finally(() => this.#retired.delete(agent));
  }
}

function isSilence(cause: unknown): boolean {
  return cause instanceof errors.BodyTimeoutError || cause instanceof errors.HeadersTimeoutError;
}

async function* nothing(): AsyncGenerator<Buffer> {
  // An answer that is no stream.
}

function authorization(options: RequestOptions): Record<string, string> {
  const headers = options.headers;
  if (headers === undefined || Array.isArray(headers)) return {};
  const value = "Authorization" in headers ? headers.Authorization : undefined;
  return typeof value === "string" ? { authorization: value } : {};
}

function parse(text: string): unknown {
  if (text === "") return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
