/** The one way to the API server: a kube config whose connections and deadlines are shared by every caller. */
import type { RequestOptions } from "node:https";
import { KubeConfig, type RequestContext } from "@kubernetes/client-node";
import { Agent, type Dispatcher, request } from "undici";

const defaultTimeoutMs = 30_000;

/** What a list is asked to be sent as when nobody looks beyond its objects' metadata. */
export const metadataOnly = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

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
  /** Default 30 seconds, for the whole exchange. */
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

/**
 * client-node opens a new connection per request whenever a CA is set and has no default deadline; this kube config shares one
 * dispatcher and gives every request 30 seconds (watches keep their own signal).
 */
export class Connection extends KubeConfig implements Api {
  #dispatcher: Agent | undefined;

  /** Reads the given file, else KUBECONFIG or the service account of the pod, as kubectl does. */
  static load(kubeconfig?: string): Connection {
    const connection = new Connection();
    if (kubeconfig === undefined) connection.loadFromDefault();
    else connection.loadFromFile(kubeconfig);
    return connection;
  }

  override async applySecurityAuthentication(context: RequestContext): Promise<void> {
    await super.applySecurityAuthentication(context);
    context.setDispatcher(await this.#shared());
    if (context.getSignal() === undefined) context.setSignal(AbortSignal.timeout(defaultTimeoutMs));
  }

  /** One exchange with the API server. Any HTTP status is an answer; only a missing answer (network, deadline, abort) throws. */
  async call(call: ApiCall): Promise<ApiAnswer> {
    const cluster = this.getCurrentCluster();
    if (cluster === null) throw new Error("asking the API server: the kube config has no current cluster");
    const options: RequestOptions = {};
    await this.applyToHTTPSOptions(options);
    const url = new URL(cluster.server.replace(/\/$/, "") + call.path);
    for (const [name, value] of Object.entries(call.query ?? {})) url.searchParams.set(name, String(value));
    const deadline = AbortSignal.timeout(call.timeoutMs ?? defaultTimeoutMs);
    const dispatcher = await this.#shared();
    call.beforeSend?.();
    const answer = await request(url, {
      method: call.method ?? "GET",
      dispatcher,
      signal: call.signal === undefined ? deadline : AbortSignal.any([call.signal, deadline]),
      headers: {
        accept: call.accept ?? "application/json",
        ...authorization(options),
        ...(call.body === undefined ? {} : { "content-type": call.contentType ?? "application/json" }),
      },
      ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
    });
    if (call.into !== undefined && answer.statusCode === 200) {
      const take = call.into();
      for await (const chunk of answer.body) take(chunk);
      return { status: answer.statusCode, body: undefined };
    }
    const text = await answer.body.text();
    return { status: answer.statusCode, body: parse(text) };
  }

  /** Ends idle connections; the object must not be used afterwards. */
  async close(): Promise<void> {
    await this.#dispatcher?.destroy();
  }

  async #shared(): Promise<Dispatcher> {
    if (this.#dispatcher !== undefined) return this.#dispatcher;
    const options: RequestOptions = {};
    await this.applyToHTTPSOptions(options);
    const { ca, cert, key, rejectUnauthorized, servername } = options;
    const connect = Object.fromEntries(
      Object.entries({ ca, cert, key, rejectUnauthorized, servername }).filter(([, value]) => value !== undefined),
    );
    this.#dispatcher ??= new Agent({ connect: { ...connect, keepAlive: true, keepAliveInitialDelay: 30_000 } });
    return this.#dispatcher;
  }
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
