/** Sends one archive to the configured endpoint: one request, one outcome. */
import { isIP } from "node:net";
import { getCACertificates } from "node:tls";
import { Agent, type Dispatcher, FormData, ProxyAgent, request } from "undici";
import { archiveType, metadataOf, retryAfterMs, type UploadOutcome } from "../core/upload.ts";

const defaultTimeoutMs = 60_000;

export interface Upload {
  /** An https URL. */
  readonly endpoint: string;
  readonly proxy: string | undefined;
  /** PEM of certificates that are trusted beside the public ones (and those of NODE_EXTRA_CA_CERTS). */
  readonly ca: string | undefined;
  readonly token: string;
  readonly userAgent: string;
  readonly name: string;
  readonly bytes: Buffer<ArrayBuffer>;
}

export interface SendOptions {
  readonly signal: AbortSignal;
  readonly nowMs: () => number;
  /** For the whole try; default a minute. */
  readonly timeoutMs?: number;
}

/**
 * What the endpoint answered, or why it could not. The body is made anew each time, no redirect is followed, and the token goes to the
 * endpoint only: a proxy sees host and port. Of the answer only status and two headers are read. Throws only when the caller aborts.
 */
export async function sendArchive(upload: Upload, options: SendOptions): Promise<UploadOutcome> {
  const { endpoint, token, userAgent } = upload;
  const { signal, nowMs, timeoutMs = defaultTimeoutMs } = options;
  const deadline = AbortSignal.timeout(timeoutMs);
  let dispatcher: Dispatcher | undefined;
  try {
    dispatcher = dispatcherOf(upload, timeoutMs);
    const answer = await request(endpoint, {
      method: "POST",
      dispatcher,
      signal: AbortSignal.any([signal, deadline]),
      reset: true,
      headers: { authorization: `Bearer ${token}`, "user-agent": userAgent },
      body: bodyOf(upload),
    });
    answer.body.on("error", () => {}).destroy();
    const requestId = plain(answer.headers["x-rh-insights-request-id"]);
    const wish = plain(answer.headers["retry-after"]);
    const wishMs = wish === undefined ? undefined : retryAfterMs(wish, nowMs());
    return {
      kind: "answered",
      status: answer.statusCode,
      ...(requestId === undefined ? {} : { requestId }),
      ...(wishMs === undefined ? {} : { retryAfterMs: wishMs }),
    };
  } catch (cause) {
    signal.throwIfAborted();
    if (deadline.aborted)
      return { kind: "failed", reason: "Timeout", message: `No answer within ${timeoutMs / 1000} s` };
    return failureOf(cause, upload.proxy !== undefined);
  } finally {
    await dispatcher?.destroy();
  }
}

function bodyOf({ name, bytes }: Upload): FormData {
  const form = new FormData();
  form.append("file", new Blob([bytes], { type: archiveType }), "payload.tar.gz");
  form.append("metadata", new Blob([metadataOf(name)]), "metadata.json");
  return form;
}

function dispatcherOf({ endpoint, proxy, ca }: Upload, timeoutMs: number): Dispatcher {
  const trust = {
    rejectUnauthorized: true,
    maxCachedSessions: 0,
    timeout: timeoutMs,
    ...(ca === undefined ? {} : { ca: [...getCACertificates("default"), ca] }),
  };
  const limits = { allowH2: false, connections: 1, headersTimeout: 0, bodyTimeout: 0 };
  if (proxy === undefined) return new Agent({ ...limits, connect: trust });
  const host = new URL(endpoint).hostname;
  const requestTls = isIP(host.replaceAll(/[[\]]/g, "")) === 0 ? { ...trust, servername: host } : trust;
  return new ProxyAgent({ ...limits, uri: proxy, proxyTunnel: true, requestTls, proxyTls: trust });
}

/** A header as far as it can be shown. */
function plain(header: string | readonly string[] | undefined): string | undefined {
  return typeof header === "string" && /^[ -~]{1,128}$/.test(header) ? header : undefined;
}

/** Node names each way in which a certificate can be wrong by a code of its own. */
const certificateCodes =
  /^(?:CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|INVALID_CA|INVALID_PURPOSE|HOSTNAME_MISMATCH|PATH_LENGTH_|ERROR_IN_CERT_|CRL_|ERR_TLS_|ERR_SSL_|ERR_OSSL_|EPROTO)/;

/** Messages hold codes only: the words of libraries have addresses and times in them. */
function failureOf(cause: unknown, hasProxy: boolean): UploadOutcome {
  const failed = (reason: "ProxyFailed" | "NoTrust" | "Unreachable" | "Timeout", message: string): UploadOutcome => ({
    kind: "failed",
    reason,
    message,
  });
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown error";
  const message = cause instanceof Error ? cause.message : "";
  const way = hasProxy ? " through the proxy" : "";
  const refusal = /Proxy response \((\d{3})\)/.exec(message);
  if (refusal !== null) return failed("ProxyFailed", `The proxy does not connect to the endpoint (${refusal[1]})`);
  if (code.startsWith("UND_ERR_PRX"))
    return failed("ProxyFailed", `The proxy does not connect to the endpoint (${code})`);
  if (certificateCodes.test(code))
    return failed("NoTrust", `The endpoint's certificate cannot be trusted or TLS fails${way} (${code})`);
  if (code === "UND_ERR_CONNECT_TIMEOUT" || code === "ETIMEDOUT")
    return failed("Timeout", `The endpoint does not answer${way} (${code})`);
  if (code === "ENOTFOUND" || code === "EAI_AGAIN")
    return failed("Unreachable", `The endpoint's name cannot be looked up${way} (${code})`);
  if (code === "ECONNREFUSED" || code === "EHOSTUNREACH" || code === "ENETUNREACH")
    return failed("Unreachable", `The endpoint cannot be reached${way} (${code})`);
  return failed("Unreachable", `The connection to the endpoint broke off${way} (${code})`);
}
