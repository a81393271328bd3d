/** Asks every node's exporter: few at a time, each with a deadline and a size limit, one outcome each. */
import { STATUS_CODES } from "node:http";
import { isIPv6 } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { createSecureContext, type SecureContext } from "node:tls";
import { Agent, request } from "undici";
import { type FailureReason, type NodeOutcome, type NodeQuery, readAnswer } from "../core/query.ts";
import type { Extractor, TlsProfile } from "./extractors.ts";

/** What proves the exporters to us and us to them; both are read at each use, since they rotate. */
export interface Credentials {
  /** PEM. */
  readonly ca: () => Promise<string>;
  readonly token: () => Promise<string>;
}

export interface AskOptions {
  /** The name that the exporters' certificates carry. */
  readonly serverName: string;
  readonly credentials: Credentials;
  readonly tls: TlsProfile;
  /** True asks for clear text as well. */
  readonly detail: boolean;
  /** For one node, from the connection to the last byte. */
  readonly timeoutMs: number;
  /** After how long without a connection a node counts as unreachable; default: as long as the node may take. */
  readonly connectTimeoutMs?: number;
  /** Nodes asked at a time, those not counted that have been silent for a while: they wait out their deadline aside. */
  readonly concurrency: number;
  readonly signal: AbortSignal;
  /** Default 64 MiB; a node that is asked about few containers is granted less. */
  readonly maxAnswerBytes?: number;
  /** Of all answers that are coming in at one time; default 256 MiB. */
  readonly maxBytesAtOnce?: number;
  /** Default 8443. */
  readonly port?: number;
  /** After how long a node no longer keeps others waiting; default 2 seconds. */
  readonly slowAfterMs?: number;
  /** After how long a connection that failed is tried once more; default 1 second. */
  readonly retryAfterMs?: number;
}

const defaultSlowAfterMs = 2_000;
const defaultRetryAfterMs = 1_000;
const defaultMaxAnswerBytes = 64 * 1024 * 1024;
const defaultMaxBytesAtOnce = 256 * 1024 * 1024;
/** An exporter of ours says at most 2 MiB in clear text, however many containers there are, and a few kilobytes of each besides. */
const answerBytes = 4 * 1024 * 1024;
const answerBytesPerContainer = 16 * 1024;
const maxMessageLength = 300;
const sharedMs = 1_000;

/**
 * One outcome per query, in their order; throws only when the signal aborts. All are there after the time one node may take, and the time
 * after which a node is slow for each round of as many nodes as are asked at a time.
 */
export async function askNodes(
  queries: readonly NodeQuery[],
  extractors: ReadonlyMap<string, Extractor>,
  options: AskOptions,
): Promise<readonly NodeOutcome[]> {
  const reachable = queries.some(({ node }) => extractors.get(node)?.ready);
  const trust = reachable ? await readTrust(options) : {};
  const agent = new Agent({
    connect: {
      ...(trust.secureContext === undefined ? {} : { secureContext: trust.secureContext }),
      servername: options.serverName,
      rejectUnauthorized: true,
      timeout: options.connectTimeoutMs ?? options.timeoutMs,
      maxCachedSessions: 0,
    },
    allowH2: false,
    connections: 1,
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  const memory = { left: options.maxBytesAtOnce ?? defaultMaxBytesAtOnce };
  const credentials = { ...options.credentials, token: shared(options.credentials.token) };
  const outcomes: NodeOutcome[] = [];
  const asked: Promise<void>[] = [];
  const next = queries.entries();
  const worker = async (): Promise<void> => {
    for (const [index, query] of next) {
      options.signal.throwIfAborted();
      const extractor = extractors.get(query.node);
      const one = outcomeOf(query, extractor, trust.problem, { ...options, credentials, agent, memory }).then(
        (outcome) => {
          outcomes[index] = outcome;
        },
      );
      asked.push(one);
      await atMost(one, options.slowAfterMs ?? defaultSlowAfterMs);
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(options.concurrency, queries.length) }, worker));
    await Promise.all(asked);
  } finally {
    await agent.destroy();
  }
  options.signal.throwIfAborted();
  return outcomes;
}

/** Waits for the work, but not longer. */
async function atMost(work: Promise<void>, timeoutMs: number): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, timeoutMs);
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** What was read within the last second is not read again: so many nodes are asked meanwhile. */
function shared(read: () => Promise<string>): () => Promise<string> {
  let last: { readonly text: Promise<string>; readonly atMs: number } | undefined;
  return () => {
    const nowMs = performance.now();
    if (last === undefined || nowMs - last.atMs > sharedMs) last = { text: read(), atMs: nowMs };
    return last.text;
  };
}

/** One context for all connections: each would spend a good part of its handshake on making its own. */
interface Trust {
  readonly secureContext?: SecureContext;
  /** Why there is none. */
  readonly problem?: string;
}

/** Without a certificate of our own CA, Node would trust the public ones. */
async function readTrust({ credentials, tls }: AskOptions): Promise<Trust> {
  try {
    const ca = await credentials.ca();
    if (!ca.includes("-----BEGIN CERTIFICATE-----")) return { problem: "the CA bundle holds no certificate" };
    return { secureContext: createSecureContext({ ca, ...tls }) };
  } catch (cause) {
    return { problem: `reading the CA bundle: ${messageOf(cause)}` };
  }
}

async function outcomeOf(
  query: NodeQuery,
  extractor: Extractor | undefined,
  trustProblem: string | undefined,
  options: AskOptions & { readonly agent: Agent; readonly memory: Memory },
): Promise<NodeOutcome> {
  const failed = (reason: FailureReason, message: string): NodeOutcome => ({
    kind: "failed",
    query,
    reason,
    message: message.replaceAll(/[\s\p{Cc}\p{Cf}]+/gu, " ").slice(0, maxMessageLength),
  });
  if (extractor === undefined) return failed("NoExtractorPod", "the node has no extractor pod");
  if (!extractor.ready) return failed("ExtractorNotReady", "the extractor pod of the node is not ready");
  if (trustProblem !== undefined) return failed("NoTrust", trustProblem);
  let token: string;
  try {
    token = (await options.credentials.token()).trim();
    if (token === "") return failed("NoToken", "the token is empty");
    if (!/^[\x21-\x7e]+$/.test(token)) return failed("NoToken", "the token is not one word");
  } catch (cause) {
    return failed("NoToken", `reading the token: ${messageOf(cause)}`);
  }
  const host = isIPv6(extractor.address) ? `[${extractor.address}]` : extractor.address;
  const url = `https://${host}:${options.port ?? 8443}/gather_runtime_info`;
  const deadline = AbortSignal.timeout(options.timeoutMs);
  const signal = AbortSignal.any([options.signal, deadline]);
  const isLate = () => deadline.aborted && !options.signal.aborted;
  const late = () => failed("Timeout", `Post "${url}": no answer within ${options.timeoutMs / 1000} s`);
  const post = () =>
    request(options.detail ? `${url}?detail=true` : url, {
      method: "POST",
      dispatcher: options.agent,
      signal,
      reset: true,
      headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
      body: JSON.stringify({ containerIds: query.containers.map(({ reference }) => reference) }),
    });
  let answer: Awaited<ReturnType<typeof post>>;
  try {
    answer = await post().catch(async (cause: unknown) => {
      if (!isWorthARetry(cause)) throw cause;
      await sleep(options.retryAfterMs ?? defaultRetryAfterMs, undefined, { signal });
      return post();
    });
  } catch (cause) {
    const isOnTime = options.connectTimeoutMs !== undefined || codeOf(cause) !== "UND_ERR_CONNECT_TIMEOUT";
    return isLate() || !isOnTime ? late() : failed(reasonOf(cause), `Post "${url}": ${messageOf(cause)}`);
  }
  if (answer.statusCode !== 200) {
    answer.body.on("error", () => {}).destroy();
    const status = `${answer.statusCode} ${STATUS_CODES[answer.statusCode] ?? ""}`.trim();
    return failed("Refused", `received unexpected status code ${status} from ${url}`);
  }
  const granted = answerBytes + query.containers.length * answerBytesPerContainer;
  const maxBytes = Math.min(options.maxAnswerBytes ?? defaultMaxAnswerBytes, granted);
  let text: Awaited<ReturnType<typeof readBounded>>;
  try {
    text = await readBounded(answer.body, maxBytes, options.memory);
  } catch (cause) {
    return isLate() ? late() : failed("Unreachable", `unable to read response from ${url}: ${messageOf(cause)}`);
  }
  if (text === "too long") return failed("Malformed", `the response from ${url} is longer than ${maxBytes} bytes`);
  if (text === "no memory") return failed("Malformed", "the responses that came in at one time were too long together");
  let body: unknown;
  try {
    body = JSON.parse(text.content);
  } catch {
    // The parser's own message would quote the answer, which may hold names.
    return failed("Malformed", `unable to read parse JSON content from ${url}: invalid JSON`);
  }
  return readAnswer(query, body, options);
}

/** Bytes that the answers coming in may still take. */
interface Memory {
  left: number;
}

async function readBounded(
  body: AsyncIterable<Buffer>,
  maxBytes: number,
  memory: Memory,
): Promise<{ readonly content: string } | "too long" | "no memory"> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of body) {
      length += chunk.length;
      memory.left -= chunk.length;
      if (length > maxBytes) return "too long";
      if (memory.left < 0) return "no memory";
      chunks.push(chunk);
    }
    return { content: Buffer.concat(chunks).toString("utf8") };
  } finally {
    memory.left += length;
  }
}

/** Node names each way in which a certificate can be wrong by a code of its own. */
const certificateCodes =
  /^(?:CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|INVALID_CA|INVALID_PURPOSE|HOSTNAME_MISMATCH|PATH_LENGTH_|ERROR_IN_CERT_|CRL_|ERR_TLS_CERT_|ERR_OSSL_PEM_)/;

/** The exporter was about to start, or its node's network stumbled: no byte of an answer has come. */
const connectionCodes = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "UND_ERR_SOCKET",
]);

function isWorthARetry(cause: unknown): boolean {
  return connectionCodes.has(codeOf(cause));
}

function reasonOf(cause: unknown): FailureReason {
  return certificateCodes.test(codeOf(cause)) ? "NoTrust" : "Unreachable";
}

function codeOf(cause: unknown): string {
  return cause instanceof Error && "code" in cause ? String(cause.code) : "";
}

/** OpenSSL's messages begin with the number of a thread and end with a place in its sources. */
const opensslError = /^[0-9A-F]+:error:[0-9A-F]+:SSL routines:[^:]*:([^:]*):/;

function messageOf(cause: unknown): string {
  // Node would quote the names in the certificate, which may be of anything in the cluster.
  if (codeOf(cause) === "ERR_TLS_CERT_ALTNAME_INVALID") return "the certificate is for another name";
  const message = cause instanceof Error ? cause.message : String(cause);
  const [, tlsProblem] = opensslError.exec(message) ?? [];
  return tlsProblem === undefined ? message : `TLS: ${tlsProblem}`;
}
