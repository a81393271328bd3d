/** Which archive is sent next and when, what the receiver's answers mean, and what the status says of it. */
import type { StoredArchive } from "../api/gather.ts";
import type { LastUpload, UploadReason } from "../api/upload.ts";
import { clockToleranceMs, timeText } from "./time.ts";

/** The receiver takes less than this. */
export const maxUploadBytes = 10 * 1024 * 1024;
export const archiveType = "application/vnd.redhat.openshift.periodic";

const fullArchive = /^insights-(\d{4}-\d{2}-\d{2})-(\d{2})(\d{2})(\d{2})\.tar\.gz$/;
const maxRetryAfterMs = 24 * 3_600_000;
const soonMs = 60_000;

/** When an archive was gathered, by its name; undefined for one of a filtered gather and for anything else. */
export function gatheredMs(name: string): number | undefined {
  const match = fullArchive.exec(name);
  if (match === null) return undefined;
  const [, day, hours, minutes, seconds] = match;
  const ms = Date.parse(`${day}T${hours}:${minutes}:${seconds}Z`);
  return Number.isNaN(ms) ? undefined : ms;
}

/** The newest archive of the whole cluster, when it is newer than the last one received. */
export function nextArchive(
  archives: readonly StoredArchive[],
  lastSuccess: LastUpload["lastSuccess"],
  nowMs: number,
): StoredArchive | undefined {
  const isCredible = (ms: number | undefined) => ms !== undefined && ms <= nowMs + clockToleranceMs;
  const [newest] = archives
    .filter(({ name }) => isCredible(gatheredMs(name)))
    .toSorted((a, b) => (a.name < b.name ? 1 : -1));
  if (newest === undefined || newest.name === lastSuccess?.archive) return undefined;
  const isNewer =
    lastSuccess === undefined || !isCredible(gatheredMs(lastSuccess.archive)) || newest.name > lastSuccess.archive;
  return isNewer ? newest : undefined;
}

/** What a try led to, as the one who tried saw it. */
export type UploadOutcome =
  | {
      readonly kind: "answered";
      readonly status: number;
      readonly requestId?: string;
      /** What the receiver wishes. */
      readonly retryAfterMs?: number;
    }
  | { readonly kind: "failed"; readonly reason: UploadReason; readonly message: string };

/** `never` means: not this archive. */
export type Retry = "soon" | "later" | "much later" | "never";

export interface Verdict {
  readonly succeeded: boolean;
  readonly reason: UploadReason;
  /** Without times, addresses and numbers of tries, so that equal tries have equal messages. */
  readonly message: string;
  readonly retry: Retry;
}

/** What an outcome means, and how long to leave it alone. */
export function verdictOf(outcome: UploadOutcome): Verdict {
  if (outcome.kind === "failed")
    return {
      succeeded: false,
      reason: outcome.reason,
      message: outcome.message,
      retry: retries[outcome.reason] ?? "later",
    };
  const { status } = outcome;
  const failed = (reason: UploadReason, message: string, retry: Retry): Verdict => ({
    ...{ succeeded: false, reason, message: `${message} (${status})`, retry },
  });
  if (status >= 200 && status < 300)
    return { succeeded: true, reason: "Uploaded", message: "The archive was received", retry: "never" };
  if (status >= 300 && status < 400)
    return failed("Redirected", "The endpoint points elsewhere, which is not followed", "much later");
  if (status >= 500) return failed("ServerFailed", "The receiver failed", "later");
  switch (status) {
    case 400:
      return failed("Refused", "The receiver calls the upload a bad request", "much later");
    case 401:
      return failed("NotAuthorized", "The receiver does not know the token, or it has expired", "much later");
    case 403:
      return failed("NotAuthorized", "The receiver knows the token, which may not upload", "much later");
    case 404:
    case 405:
      return failed("Refused", "There is no receiver at the endpoint", "much later");
    case 407:
      return failed("ProxyFailed", "The proxy asks for a password, which it cannot be given", "much later");
    case 408:
      return failed("Timeout", "The receiver waited too long for the archive", "later");
    case 413:
      return failed("TooLarge", "The archive is too large for the receiver", "much later");
    case 415:
      return failed("Refused", "The receiver does not take archives of this type", "much later");
    case 429:
      return failed("Throttled", "The receiver asks for patience", "later");
    default:
      return failed("Refused", "The receiver does not take the archive", "much later");
  }
}

const retries: Readonly<Partial<Record<UploadReason, Retry>>> = {
  ArchiveUnavailable: "soon",
  TooLarge: "never",
};

/** The outcome of an archive that is not sent since it is too large; undefined when it is not. */
export function tooLarge({ bytes }: StoredArchive): UploadOutcome | undefined {
  if (bytes < maxUploadBytes) return undefined;
  return { kind: "failed", reason: "TooLarge", message: "the incoming sample data is too long" };
}

/** How long nothing is sent after a failure, undefined for never again. `jitter` is at least 0 and below 1. */
export function backOffMs(
  { retry }: Verdict,
  outcome: UploadOutcome,
  intervalMs: number,
  jitter: number,
): number | undefined {
  const wishedMs = outcome.kind === "answered" ? Math.min(outcome.retryAfterMs ?? 0, maxRetryAfterMs) : 0;
  switch (retry) {
    case "soon":
      return soonMs;
    case "later":
      return Math.max(wishedMs, Math.round(intervalMs * (1 + 1.2 * jitter)));
    case "much later":
      return Math.max(wishedMs, Math.round(4 * intervalMs * (1 + 2 * jitter)));
    case "never":
      return undefined;
    default:
      return retry;
  }
}

/** Milliseconds of a header Retry-After, which is a number of seconds or a date; undefined when it is neither. */
export function retryAfterMs(header: string, nowMs: number): number | undefined {
  const text = header.trim();
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  if (!/^[A-Z][a-z]{2}, /.test(text)) return undefined;
  const ms = Date.parse(text) - nowMs;
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}

/** What the status says after a try; the same as before when it ended as the one before. */
export function lastUploadOf(
  archive: string | undefined,
  { succeeded, reason, message }: Verdict,
  outcome: UploadOutcome,
  previous: LastUpload | undefined,
  nowMs: number,
): LastUpload {
  if (
    previous?.succeeded === false &&
    !succeeded &&
    previous.archive === archive &&
    previous.reason === reason &&
    previous.message === message
  )
    return previous;
  const time = timeText(nowMs);
  const requestId = outcome.kind === "answered" ? outcome.requestId : undefined;
  const lastSuccess = succeeded && archive !== undefined ? { archive, time } : previous?.lastSuccess;
  return {
    ...(archive === undefined ? {} : { archive }),
    ...{ time, succeeded, reason, message },
    ...(requestId === undefined ? {} : { requestId }),
    ...(lastSuccess === undefined ? {} : { lastSuccess }),
  };
}

/** What stays on record when nothing is to be sent any more: the last success, not the failures after it. */
export function withoutFailure(last: LastUpload | undefined): LastUpload | undefined {
  if (last === undefined || last.succeeded) return last;
  const { lastSuccess } = last;
  if (lastSuccess === undefined) return undefined;
  const { message, reason } = verdictOf({ kind: "answered", status: 200 });
  return { ...lastSuccess, succeeded: true, reason, message, lastSuccess };
}

export interface UploadEvent {
  readonly type: "Normal" | "Warning";
  readonly reason: "Uploaded" | "UploadFailed";
  readonly message: string;
}

/** A failure that is new or of another kind, and the first archive received after it or at all. */
export function uploadEvents(before: LastUpload | undefined, after: LastUpload | undefined): readonly UploadEvent[] {
  if (after === undefined) return [];
  const what = after.archive ?? "The newest archive";
  if (!after.succeeded) {
    if (before?.succeeded === false && before.reason === after.reason) return [];
    return [{ type: "Warning", reason: "UploadFailed", message: `${what}: ${after.reason}: ${after.message}` }];
  }
  if (before?.succeeded === true || before?.lastSuccess?.archive === after.lastSuccess?.archive) return [];
  return [{ type: "Normal", reason: "Uploaded", message: `${what}: ${after.message}` }];
}

/** Who sends it, in the form that receivers of such archives know. */
export function userAgent(version: string, commit: string, clusterId: string | undefined): string {
  return `insights-operator/${version}-${commit}${clusterId === undefined ? "" : ` cluster/${clusterId}`}`;
}

/** The part `metadata` of an upload. */
export function metadataOf(archive: string): string {
  return JSON.stringify({ custom_metadata: { gathering_time: timeText(gatheredMs(archive) ?? 0) } });
}
