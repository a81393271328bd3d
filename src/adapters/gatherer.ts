/** Main's side of the conversation with the gatherer: orders a gather and asks how it goes. */
import { Agent, request } from "undici";
import { type GatherOrder, type GatherProgress, gatherProgressSchema } from "../api/gather.ts";
import { problemOf } from "../api/object.ts";

const timeoutMs = 15_000;
const maxAnswerBytes = 1024 * 1024;

export type PostAnswer =
  /** It runs, or an earlier order of the same id does or did. */
  | { readonly kind: "accepted" }
  /** Another one runs. */
  | { readonly kind: "busy" }
  /** It will never run. */
  | { readonly kind: "refused"; readonly message: string }
  | { readonly kind: "unreachable"; readonly message: string };

export type ProgressAnswer =
  | { readonly kind: "progress"; readonly progress: GatherProgress }
  | { readonly kind: "unknown id" }
  | { readonly kind: "unreachable"; readonly message: string };

export interface GathererOptions {
  /** E.g. `https://runtime-insights-gatherer.runtime-insights.svc:8443`. */
  readonly origin: string;
  /** The name that its certificate must carry. */
  readonly serverName: string;
  /** PEM; read at each exchange, since it rotates. Undefined while there is none. */
  readonly readCa: () => Promise<string | undefined>;
  /** A token with the gatherer's audience; read at each exchange. */
  readonly readToken: () => Promise<string>;
}

export class Gatherer {
  readonly #options: GathererOptions;

  constructor(options: GathererOptions) {
    this.#options = options;
  }

  async post(order: GatherOrder, signal: AbortSignal): Promise<PostAnswer> {
    const answer = await this.#exchange("POST", "/v1/gathers", signal, order);
    if (answer.kind === "unreachable") return answer;
    switch (answer.status) {
      case 200:
      case 202:
        return { kind: "accepted" };
      case 409:
        return { kind: "busy" };
      case 400:
        return { kind: "refused", message: `the gatherer refused the order: ${answer.text.slice(0, 200)}` };
      default:
        return { kind: "unreachable", message: strange(answer.status) };
    }
  }

  async progress(id: string, signal: AbortSignal): Promise<ProgressAnswer> {
    const answer = await this.#exchange("GET", `/v1/gathers/${encodeURIComponent(id)}`, signal);
    if (answer.kind === "unreachable") return answer;
    if (answer.status === 404) return { kind: "unknown id" };
    if (answer.status !== 200) return { kind: "unreachable", message: strange(answer.status) };
    try {
      const decoded = gatherProgressSchema.safeParse(JSON.parse(answer.text));
      if (decoded.success && decoded.data.id === id) return { kind: "progress", progress: decoded.data };
      const problem = decoded.success ? "it speaks of another gather" : problemOf(decoded.error);
      return { kind: "unreachable", message: `the gatherer's answer cannot be understood: ${problem}` };
    } catch {
      return { kind: "unreachable", message: "the gatherer's answer is not JSON" };
    }
  }

  /** Any failure of trust, token or network is a value; only an abort of the caller throws. */
  async #exchange(
    method: "GET" | "POST",
    path: string,
    signal: AbortSignal,
    body?: GatherOrder,
  ): Promise<
    | { readonly kind: "answer"; readonly status: number; readonly text: string }
    | { kind: "unreachable"; message: string }
  > {
    const { origin, serverName, readCa, readToken } = this.#options;
    let dispatcher: Agent | undefined;
    try {
      const [ca, token] = await Promise.all([readCa(), readToken()]);
      if (ca === undefined || ca.trim() === "")
        return { kind: "unreachable", message: "the CA bundle runtime-insights-ca-bundle is not there" };
      if (token.trim() === "") return { kind: "unreachable", message: "the token for the gatherer is empty" };
      dispatcher = new Agent({ connect: { ca, servername: serverName, rejectUnauthorized: true } });
      const answer = await request(`${origin}${path}`, {
        method,
        dispatcher,
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
        headers: {
          authorization: `Bearer ${token.trim()}`,
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const chunks: Buffer[] = [];
      let bytes = 0;
      for await (const chunk of answer.body) {
        const piece = Buffer.from(chunk);
        bytes += piece.length;
        if (bytes > maxAnswerBytes) return { kind: "unreachable", message: "the gatherer's answer is too large" };
        chunks.push(piece);
      }
      return { kind: "answer", status: answer.statusCode, text: Buffer.concat(chunks).toString("utf8") };
    } catch (cause) {
      signal.throwIfAborted();
      return { kind: "unreachable", message: `the gatherer does not answer: ${words(cause)}` };
    } finally {
      await dispatcher?.destroy();
    }
  }
}

function strange(status: number): string {
  switch (status) {
    case 401:
      return "the gatherer's proxy refused our token (401)";
    case 403:
      return "the gatherer's proxy says that we may not ask (403)";
    default:
      return `the gatherer answered with status ${status}`;
  }
}

/** Without addresses and times, which would change with each try. */
function words(cause: unknown): string {
  if (!(cause instanceof Error)) return "unknown error";
  if ("code" in cause && typeof cause.code === "string") return cause.code;
  return cause.name === "TimeoutError" ? `no answer within ${timeoutMs / 1000} s` : cause.message.slice(0, 200);
}
