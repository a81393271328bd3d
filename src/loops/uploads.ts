/** Sends each new archive of the whole cluster to the configured endpoint, once. */
import { sendArchive } from "../adapters/upload.ts";
import { readUploadCredentials, type UploadCredentials } from "../adapters/upload-credentials.ts";
import type { UploadSettings } from "../api/config.ts";
import type { StoredArchive } from "../api/gather.ts";
import type { LastUpload } from "../api/upload.ts";
import {
  backOffMs,
  lastUploadOf,
  nextArchive,
  tooLarge,
  type UploadOutcome,
  userAgent,
  verdictOf,
  withoutFailure,
} from "../core/upload.ts";
import type { OperatorWorld, Shared } from "./world.ts";

type Next = { readonly afterMs: number | undefined };
type Known = NonNullable<Shared["upload"]>;

export interface UploadOptions {
  /** Of the sources; part of the name under which archives are sent. */
  readonly commit: string;
  /** At least 0 and below 1; default `Math.random`. */
  readonly jitter?: () => number;
  /** For one try; default a minute. */
  readonly timeoutMs?: number;
}

/** How often it is looked whether a Secret that did not do was mended, and whether the gatherer answers again. */
const mendMs = 60_000;
/** A gatherer that is just being replaced is no failure of an upload. */
const silenceMs = 3 * 60_000;

/** Nothing is done until then, unless what it waits for changes. In memory: after a restart one try comes early. */
type Pause = { readonly sinceMs: number; readonly untilMs: number; readonly settings: string } & (
  | { readonly kind: "nothing new"; readonly lastGatherMs: number | undefined }
  /** The fingerprint of the credentials that did not do, where others might. */
  | { readonly kind: "failed"; readonly credentials: string | undefined }
);

export class UploadLoop {
  readonly #world: OperatorWorld;
  readonly #options: UploadOptions;
  #pause: Pause | undefined;
  /** Since when the gatherer does not answer. */
  #silentSinceMs: number | undefined;

  constructor(world: OperatorWorld, options: UploadOptions) {
    this.#world = world;
    this.#options = options;
  }

  /** One look for a newer archive, and at most one try to send it. */
  async run(signal: AbortSignal): Promise<Next> {
    const { shared, metrics, nowMs } = this.#world;
    const { snapshot, upload: known } = shared;
    const lastSuccess = known?.last?.lastSuccess;
    metrics.setLastUpload(lastSuccess === undefined ? undefined : Date.parse(lastSuccess.time));
    // Each of these ends with a new snapshot, which wakes this loop.
    if (snapshot?.kind !== "managed" || known === undefined) return { afterMs: undefined };
    const { upload } = snapshot.settings;
    if (upload === undefined) {
      this.#pause = undefined;
      this.#note(known, withoutFailure(known.last));
      return { afterMs: undefined };
    }
    if (!snapshot.gathererReady) return { afterMs: undefined };
    const settings = JSON.stringify([known.configUid, upload]);
    const { lastGatherMs } = snapshot;
    const waitMs = await this.#waitMs(upload, settings, lastGatherMs);
    if (waitMs !== undefined) return { afterMs: waitMs };

    const listed = await this.#world.gatherer.archives(signal);
    if (listed.kind === "unreachable") return this.#silent(known, listed.message);
    this.#silentSinceMs = undefined;
    const archive = nextArchive(listed.archives, lastSuccess, nowMs());
    if (archive === undefined) {
      if (known.last?.reason === "ArchiveUnavailable") this.#note(known, withoutFailure(known.last));
      return this.#rest(upload, settings, lastGatherMs);
    }
    const credentials = await readUploadCredentials(this.#world.api, this.#world.namespace, upload);
    const outcome = tooLarge(archive) ?? (await this.#try(archive, upload, credentials, signal));
    if (outcome === "gone") return { afterMs: 0 };
    return this.#conclude(known, archive, outcome, { upload, settings, lastGatherMs, credentials });
  }

  /** How long to wait yet; undefined to look now. */
  async #waitMs(
    upload: UploadSettings,
    settings: string,
    lastGatherMs: number | undefined,
  ): Promise<number | undefined> {
    const pause = this.#pause;
    if (pause === undefined || pause.settings !== settings) return undefined;
    const nowMs = this.#world.nowMs();
    const leftMs = pause.untilMs - nowMs;
    // A clock that was set back would make it last.
    if (leftMs <= 0 || nowMs < pause.sinceMs) return undefined;
    if (pause.kind === "nothing new") return pause.lastGatherMs === lastGatherMs ? leftMs : undefined;
    if (pause.credentials === undefined) return leftMs;
    const { fingerprint } = await readUploadCredentials(this.#world.api, this.#world.namespace, upload);
    return fingerprint === pause.credentials ? Math.min(leftMs, mendMs) : undefined;
  }

  async #try(
    archive: StoredArchive,
    { endpoint, proxy }: UploadSettings,
    credentials: UploadCredentials,
    signal: AbortSignal,
  ): Promise<UploadOutcome | "gone"> {
    const { cluster, gatherer, version, metrics, nowMs } = this.#world;
    const { commit, timeoutMs } = this.#options;
    if (credentials.kind === "missing")
      return { kind: "failed", reason: credentials.reason, message: credentials.message };
    const clusterId = await cluster.clusterId();
    const fetched = await gatherer.archive(archive, signal);
    if (fetched.kind === "gone") return "gone";
    if (fetched.kind === "unreachable")
      return { kind: "failed", reason: "ArchiveUnavailable", message: fetched.message };
    const { token, ca } = credentials;
    const upload = {
      ...{ endpoint, proxy, ca, token, name: archive.name, bytes: fetched.bytes },
      userAgent: userAgent(version, commit, clusterId),
    };
    const end = metrics.uploadSeconds.startTimer();
    try {
      return await sendArchive(upload, { signal, nowMs, ...(timeoutMs === undefined ? {} : { timeoutMs }) });
    } finally {
      end();
    }
  }

  #conclude(
    known: Known,
    archive: StoredArchive,
    outcome: UploadOutcome,
    of: {
      readonly upload: UploadSettings;
      readonly settings: string;
      readonly lastGatherMs: number | undefined;
      readonly credentials: UploadCredentials;
    },
  ): Next {
    const { metrics, log, nowMs } = this.#world;
    const { upload, settings, lastGatherMs, credentials } = of;
    const verdict = verdictOf(outcome);
    const { succeeded, reason, message } = verdict;
    metrics.countUpload(reason);
    const last = lastUploadOf(archive.name, verdict, outcome, known.last, nowMs());
    this.#note(known, last);
    if (succeeded) {
      metrics.setLastUpload(Date.parse(last.time));
      log.info({ archive: archive.name, bytes: archive.bytes, requestId: last.requestId }, "Uploaded an archive");
      return this.#rest(upload, settings, lastGatherMs);
    }
    const retryAfterMs = backOffMs(verdict, outcome, upload.interval, (this.#options.jitter ?? Math.random)());
    log.warn({ archive: archive.name, reason, problem: message, retryAfterMs }, "Could not upload an archive");
    if (retryAfterMs === undefined) return this.#rest(upload, settings, lastGatherMs);
    const othersMightDo = reason === "NotAuthorized" || reason === "NoToken" || reason === "NoTrust";
    const fingerprint = othersMightDo ? credentials.fingerprint : undefined;
    const sinceMs = nowMs();
    this.#pause = { kind: "failed", sinceMs, untilMs: sinceMs + retryAfterMs, settings, credentials: fingerprint };
    return { afterMs: othersMightDo ? Math.min(retryAfterMs, mendMs) : retryAfterMs };
  }

  /** Until the next look; a gather that ends earlier ends the rest. */
  #rest({ interval }: UploadSettings, settings: string, lastGatherMs: number | undefined): Next {
    const sinceMs = this.#world.nowMs();
    this.#pause = { kind: "nothing new", sinceMs, untilMs: sinceMs + interval, settings, lastGatherMs };
    return { afterMs: interval };
  }

  #silent(known: Known, message: string): Next {
    const { metrics, log, nowMs } = this.#world;
    this.#silentSinceMs ??= nowMs();
    log.warn({ problem: message }, "Could not look for archives");
    if (nowMs() - this.#silentSinceMs >= silenceMs) {
      const outcome: UploadOutcome = { kind: "failed", reason: "ArchiveUnavailable", message };
      const verdict = verdictOf(outcome);
      metrics.countUpload(verdict.reason);
      this.#note(known, lastUploadOf(undefined, verdict, outcome, known.last, nowMs()));
    }
    return { afterMs: mendMs };
  }

  /** Hands it to the loop that writes the status, unless the config is another one by now. */
  #note(known: Known, last: LastUpload | undefined): void {
    const { shared, wake } = this.#world;
    if (shared.upload?.configUid !== known.configUid || last === known.last) return;
    shared.upload = { ...known, last };
    wake("operands");
  }
}
