/** Main's side of the conversation with the gatherer: orders a gather, asks how it goes, fetches archives. */
import { Agent, request } from "undici";
import { z } from "zod";
import {
  type GatherOrder,
  type GatherProgress,
  gatherProgressSchema,
  type Inventory,
  inventorySchema,
  type NodeSideReport,
  type StoredArchive,
  storedArchiveSchema,
} from "../api/gather.ts";
import { type HandoverStatus, handoverSchema, type Takeover, takenOverSchema } from "../api/handover.ts";
import { problemOf } from "../api/object.ts";
import { sha256 } from "./disk.ts";

const defaultTimeoutMs = 15_000;
const archiveTimeoutMs = 60_000;
const defaultMaxBytes = 1024 * 1024;
const maxInventoryBytes = 64 * 1024 * 1024;
/** What a gatherer takes. */
const maxArchiveBytes = 64 * 1024 * 1024;

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

export type ReleaseAnswer =
  /** It goes on, or has done so already, or is not there any more: its progress will tell. */
  { readonly kind: "told" } | { readonly kind: "unreachable"; readonly message: string };

export type ArchivesAnswer =
  | { readonly kind: "archives"; readonly archives: readonly StoredArchive[] }
  | { readonly kind: "unreachable"; readonly message: string };

export type ArchiveAnswer =
  | { readonly kind: "archive"; readonly bytes: Buffer<ArrayBuffer> }
  /** It has been pruned meanwhile. */
  | { readonly kind: "gone" }
  | { readonly kind: "unreachable"; readonly message: string };

export type HandoverAnswer =
  | ({ readonly kind: "status" } & HandoverStatus)
  | { readonly kind: "unreachable"; readonly message: string };

export type InventoryAnswer =
  | { readonly kind: "inventory"; readonly inventory: Inventory | null }
  | { readonly kind: "unreachable"; readonly message: string };

/** `done` also when it had been done before. */
export type HandingAnswer =
  | { readonly kind: "done"; readonly problems: readonly string[] }
  | { readonly kind: "refused"; readonly message: string }
  | { readonly kind: "unreachable"; readonly message: string };

interface Exchange {
  readonly method: "GET" | "POST" | "PUT";
  readonly path: string;
  readonly signal: AbortSignal;
  readonly body?: GatherOrder | NodeSideReport | Takeover | Record<string, never>;
  /** In place of `body`, with its digest in the header. */
  readonly file?: Buffer<ArrayBuffer>;
  /** For the whole of it; default 15 seconds. */
  readonly timeoutMs?: number;
  /** Of the answer; default 1 MiB. */
  readonly maxBytes?: number;
}

const storedArchivesSchema = z.array(storedArchiveSchema);

export interface GathererOptions {
  /** E.g. `https://runtime-insights-gatherer.runtime-insights.svc:8443`; looked up for each exchange. */
  readonly origin: () => string;
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

  /** The same trust and token, for one pod; what it presents must carry the same name. */
  at(origin: string): Gatherer {
    return new Gatherer({ ...this.#options, origin: () => origin });
  }

  async post(order: GatherOrder, signal: AbortSignal): Promise<PostAnswer> {
    const answer = await this.#exchange({ method: "POST", path: "/v1/gathers", signal, body: order });
    if (answer.kind === "unreachable") return answer;
    switch (answer.status) {
      case 200:
      case 202:
        return { kind: "accepted" };
      case 409:
        return { kind: "busy" };
      case 400:
        return { kind: "refused", message: `the gatherer refused the order: ${textOf(answer.bytes).slice(0, 200)}` };
      default:
        return { kind: "unreachable", message: strange(answer.status) };
    }
  }

  async progress(id: string, signal: AbortSignal): Promise<ProgressAnswer> {
    const answer = await this.#exchange({ method: "GET", path: `/v1/gathers/${encodeURIComponent(id)}`, signal });
    if (answer.kind === "unreachable") return answer;
    if (answer.status === 404) return { kind: "unknown id" };
    if (answer.status !== 200) return { kind: "unreachable", message: strange(answer.status) };
    try {
      const decoded = gatherProgressSchema.safeParse(JSON.parse(textOf(answer.bytes)));
      if (decoded.success && decoded.data.id === id) return { kind: "progress", progress: decoded.data };
      const problem = decoded.success ? "it speaks of another gather" : problemOf(decoded.error);
      return { kind: "unreachable", message: `the gatherer's answer cannot be understood: ${problem}` };
    } catch {
      return { kind: "unreachable", message: "the gatherer's answer is not JSON" };
    }
  }

  /** Tells a gather that waits for it that the node side is as gone as it will be. */
  async release(id: string, report: NodeSideReport, signal: AbortSignal): Promise<ReleaseAnswer> {
    const path = `/v1/gathers/${encodeURIComponent(id)}/nodeside`;
    const answer = await this.#exchange({ method: "POST", path, signal, body: report });
    if (answer.kind === "unreachable") return answer;
    const isTold = answer.status === 200 || answer.status === 404 || answer.status === 409;
    return isTold ? { kind: "told" } : { kind: "unreachable", message: strange(answer.status) };
  }

  /** All that are stored, newest first. */
  async archives(signal: AbortSignal): Promise<ArchivesAnswer> {
    const answer = await this.#exchange({ method: "GET", path: "/v1/archives", signal, timeoutMs: archiveTimeoutMs });
    if (answer.kind === "unreachable") return answer;
    if (answer.status !== 200) return { kind: "unreachable", message: strange(answer.status) };
    try {
      const decoded = storedArchivesSchema.safeParse(JSON.parse(textOf(answer.bytes)));
      if (decoded.success) return { kind: "archives", archives: decoded.data };
      return { kind: "unreachable", message: `the gatherer's list cannot be understood: ${problemOf(decoded.error)}` };
    } catch {
      return { kind: "unreachable", message: "the gatherer's list is not JSON" };
    }
  }

  /** The bytes of an archive, as long and with the digest that the list said. */
  async archive({ name, bytes, sha256: expected }: StoredArchive, signal: AbortSignal): Promise<ArchiveAnswer> {
    const path = `/v1/archives/${encodeURIComponent(name)}`;
    if (bytes > maxArchiveBytes) return { kind: "unreachable", message: "the gatherer's archive is too large" };
    const maxBytes = Math.max(bytes, defaultMaxBytes);
    const answer = await this.#exchange({ method: "GET", path, signal, timeoutMs: archiveTimeoutMs, maxBytes });
    if (answer.kind === "unreachable") return answer;
    if (answer.status === 404) return { kind: "gone" };
    if (answer.status !== 200) return { kind: "unreachable", message: strange(answer.status) };
    if (answer.bytes.length === bytes && sha256(answer.bytes) === expected)
      return { kind: "archive", bytes: answer.bytes };
    return { kind: "unreachable", message: "the gatherer's archive is not the one that its list names" };
  }

  /** Whether it has what there was; one of a version that knows no handover has had it from its start. */
  async handover(signal: AbortSignal): Promise<HandoverAnswer> {
    const answer = await this.#exchange({ method: "GET", path: "/v1/handover", signal, timeoutMs: 5_000 });
    if (answer.kind === "unreachable") return answer;
    if (answer.status === 404) return { kind: "status", state: "serving", sinceMs: 0 };
    const decoded = decodeIn(answer, handoverSchema);
    return decoded.kind === "decoded" ? { kind: "status", ...decoded.value } : decoded;
  }

  /** Null when no gather made one. */
  async inventory(signal: AbortSignal): Promise<InventoryAnswer> {
    const limits = { timeoutMs: archiveTimeoutMs, maxBytes: maxInventoryBytes };
    const answer = await this.#exchange({ method: "GET", path: "/v1/inventory", signal, ...limits });
    if (answer.kind === "unreachable") return answer;
    if (answer.status === 404) return { kind: "inventory", inventory: null };
    const decoded = decodeIn(answer, inventorySchema);
    return decoded.kind === "decoded" ? { kind: "inventory", inventory: decoded.value } : decoded;
  }

  /** Stores an archive of another gatherer; one of that name that is there stays as it is. */
  async putArchive(name: string, file: Buffer<ArrayBuffer>, signal: AbortSignal): Promise<HandingAnswer> {
    const path = `/v1/archives/${encodeURIComponent(name)}`;
    const answer = await this.#exchange({ method: "PUT", path, signal, file, timeoutMs: archiveTimeoutMs });
    if (answer.kind === "unreachable") return answer;
    if (answer.status === 201 || answer.status === 409) return { kind: "done", problems: [] };
    return { kind: "refused", message: `${strange(answer.status)}: ${textOf(answer.bytes).slice(0, 200)}` };
  }

  /** Ends a handover to it: it serves from now on. */
  async takeOver(takeover: Takeover, signal: AbortSignal): Promise<HandingAnswer> {
    const exchange = { path: "/v1/handover", signal, timeoutMs: archiveTimeoutMs };
    const answer = await this.#exchange({ method: "PUT", ...exchange, body: takeover });
    if (answer.kind === "unreachable") return answer;
    if (answer.status !== 200)
      return { kind: "refused", message: `${strange(answer.status)}: ${textOf(answer.bytes).slice(0, 200)}` };
    const decoded = decodeIn(answer, takenOverSchema);
    return decoded.kind === "decoded" ? { kind: "done", problems: decoded.value.problems } : decoded;
  }

  /** Tells it that another one has all that it has; one of a version that knows no handover need not know. */
  async relieve(signal: AbortSignal): Promise<HandingAnswer> {
    const answer = await this.#exchange({ method: "POST", path: "/v1/handover", signal, body: {} });
    if (answer.kind === "unreachable") return answer;
    if (answer.status === 200 || answer.status === 404) return { kind: "done", problems: [] };
    return { kind: "refused", message: strange(answer.status) };
  }

  /** Any failure of trust, token or network is a value; only an abort of the caller throws. */
  async #exchange({
    method,
    path,
    signal,
    body,
    file,
    timeoutMs = defaultTimeoutMs,
    maxBytes = defaultMaxBytes,
  }: Exchange): Promise<
    | { readonly kind: "answer"; readonly status: number; readonly bytes: Buffer<ArrayBuffer> }
    | { readonly kind: "unreachable"; readonly message: string }
  > {
    const { origin, serverName, readCa, readToken } = this.#options;
    let dispatcher: Agent | undefined;
    try {
      const [ca, token] = await Promise.all([readCa(), readToken()]);
      if (ca === undefined || ca.trim() === "")
        return { kind: "unreachable", message: "the CA bundle runtime-insights-ca-bundle is not there" };
      if (token.trim() === "") return { kind: "unreachable", message: "the token for the gatherer is empty" };
      dispatcher = new Agent({ connect: { ca, servername: serverName, rejectUnauthorized: true } });
      const answer = await request(`${origin()}${path}`, {
        method,
        dispatcher,
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
        headers: {
          authorization: `Bearer ${token.trim()}`,
          ...(body === undefined ? {} : { "content-type": "application/json" }),
          ...(file === undefined ? {} : { "content-type": "application/gzip", "x-checksum-sha256": sha256(file) }),
        },
        body: file ?? (body === undefined ? null : JSON.stringify(body)),
      });
      const chunks: Buffer[] = [];
      let length = 0;
      for await (const chunk of answer.body) {
        const piece = Buffer.from(chunk);
        length += piece.length;
        if (length > maxBytes) return { kind: "unreachable", message: "the gatherer's answer is too large" };
        chunks.push(piece);
      }
      return { kind: "answer", status: answer.statusCode, bytes: Buffer.concat(chunks) };
    } catch (cause) {
      signal.throwIfAborted();
      return { kind: "unreachable", message: `the gatherer does not answer: ${words(cause, timeoutMs)}` };
    } finally {
      await dispatcher?.destroy();
    }
  }
}

function decodeIn<Value>(
  { status, bytes }: { readonly status: number; readonly bytes: Buffer },
  schema: z.ZodType<Value>,
): { readonly kind: "decoded"; readonly value: Value } | { readonly kind: "unreachable"; readonly message: string } {
  if (status !== 200) return { kind: "unreachable", message: strange(status) };
  try {
    const decoded = schema.safeParse(JSON.parse(textOf(bytes)));
    if (decoded.success) return { kind: "decoded", value: decoded.data };
    const problem = problemOf(decoded.error);
    return { kind: "unreachable", message: `the gatherer's answer cannot be understood: ${problem}` };
  } catch {
    return { kind: "unreachable", message: "the gatherer's answer is not JSON" };
  }
}

function textOf(bytes: Buffer): string {
  return bytes.toString("utf8");
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
function words(cause: unknown, timeoutMs: number): string {
  if (!(cause instanceof Error)) return "unknown error";
  if ("code" in cause && typeof cause.code === "string") return cause.code;
  return cause.name === "TimeoutError" ? `no answer within ${timeoutMs / 1000} s` : cause.message.slice(0, 200);
}
