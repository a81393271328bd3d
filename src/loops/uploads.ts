/** Sends each new archive of the whole cluster to the configured endpoint, once. */
import type { ArchiveAnswer } from "../adapters/gatherer.ts";
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
import { mendMs, type UploadPause, waitOf } from "../core/upload-pause.ts";
import type { OperatorWorld, Shared } from "./world.ts";

type Next = { readonly afterMs: number | undefined };
/** What a pause depends on. */
interface Situation {
  readonly settings: string;
  readonly lastGatherMs: number | undefined;
}
type Known = NonNullable<Shared["upload"]>;

export interface UploadOptions {
  /** Of the sources; part of the name under which archives are sent. */
  readonly commit: string;
  /** At least 0 and below 1; default `Math.random`. */
  readonly jitter?: () => number;
  /** For one try; default a minute. */
  readonly timeoutMs?: number;
}

/** A gatherer that is just being replaced is no failure of an upload. */
const silenceMs = 3 * 60_000;

export class UploadLoop {
  readonly #world: OperatorWorld;
  readonly #options: UploadOptions;
  #pause: UploadPause | undefined;
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
    const of = { settings: JSON.stringify([known.configUid, upload]), lastGatherMs: snapshot.lastGatherMs };
    const waitMs = await this.#waitMs(upload, of);
    if (waitMs !== undefined) return { afterMs: waitMs };

    const listed = await this.#world.gatherer.archives(signal);
    if (listed.kind === "unreachable") return this.#silent(known, listed.message);
    const archive = nextArchive(listed.archives, lastSuccess, nowMs());
    if (archive === undefined) {
      this.#silentSinceMs = undefined;
      if (known.last?.reason === "ArchiveUnavailable") this.#note(known, withoutFailure(known.last));
      return this.#rest(upload, of);
    }
    const credentials = await readUploadCredentials(this.#world.api, this.#world.namespace, upload);
    const outcome = tooLarge(archive) ?? (await this.#try(archive, upload, credentials, signal));
    if (outcome.kind === "unreachable") return this.#silent(known, outcome.message);
    this.#silentSinceMs = undefined;
    return this.#conclude(known, archive, outcome, { ...of, upload, credentials });
  }

  /** Undefined to look now. */
  async #waitMs(upload: UploadSettings, of: Situation): Promise<number | undefined> {
    const wait = waitOf(this.#pause, { nowMs: this.#world.nowMs(), ...of });
    switch (wait.kind) {
      case "over":
        return undefined;
      case "wait":
        return wait.ms;
      case "unless mended": {
        const { fingerprint } = await readUploadCredentials(this.#world.api, this.#world.namespace, upload);
        return fingerprint === wait.credentials ? wait.ms : undefined;
      }
      default:
        return wait;
    }
  }

  async #try(
    archive: StoredArchive,
    { endpoint, proxy }: UploadSettings,
    credentials: UploadCredentials,
    signal: AbortSignal,
  ): Promise<UploadOutcome | Extract<ArchiveAnswer, { readonly kind: "unreachable" }>> {
    const { cluster, gatherer, version, metrics, nowMs } = this.#world;
    const { commit, timeoutMs } = this.#options;
    if (credentials.kind === "missing")
      return { kind: "failed", reason: credentials.reason, message: credentials.message };
    const clusterId = await cluster.clusterId();
    const fetched = await gatherer.archive(archive, signal);
    if (fetched.kind === "gone")
      return { kind: "unreachable", message: "the gatherer has no archive of the name that its list says" };
    if (fetched.kind === "unreachable") return fetched;
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
    of: Situation & { readonly upload: UploadSettings; readonly credentials: UploadCredentials },
  ): Next {
    const { metrics, log, nowMs } = this.#world;
    const { upload, settings, credentials } = of;
    const verdict = verdictOf(outcome);
    const { succeeded, reason, message } = verdict;
    metrics.countUpload(reason);
    const last = lastUploadOf(archive.name, verdict, outcome, known.last, nowMs());
    this.#note(known, last);
    if (succeeded) {
      metrics.setLastUpload(Date.parse(last.time));
      log.info({ archive: archive.name, bytes: archive.bytes, requestId: last.requestId }, "Uploaded an archive");
      return this.#rest(upload, of);
    }
    const retryAfterMs = backOffMs(verdict, outcome, upload.interval, (this.#options.jitter ?? Math.random)());
    log.warn({ archive: archive.name, reason, problem: message, retryAfterMs }, "Could not upload an archive");
    if (retryAfterMs === undefined) return this.#rest(upload, of);
    const othersMightDo = reason === "NotAuthorized" || reason === "NoToken" || reason === "NoTrust";
    const fingerprint = othersMightDo ? credentials.fingerprint : undefined;
    const sinceMs = nowMs();
    this.#pause = { kind: "failed", sinceMs, untilMs: sinceMs + retryAfterMs, settings, credentials: fingerprint };
    return { afterMs: othersMightDo ? Math.min(retryAfterMs, mendMs) : retryAfterMs };
  }

  /** Until the next look; a gather that ends earlier ends the rest. */
  #rest({ interval }: UploadSettings, { settings, lastGatherMs }: Situation): Next {
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
