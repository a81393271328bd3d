/** Between two looks for an archive to send: how long nothing is done, and what ends that earlier. */

/** In memory only: after a restart one try may come early. */
export type UploadPause = {
  readonly sinceMs: number;
  readonly untilMs: number;
  /** Of which config and settings it speaks. */
  readonly settings: string;
} & (
  | {
      readonly kind: "nothing new";
      /** A gather that began later has made an archive. */
      readonly lastGatherMs: number | undefined;
    }
  | {
      readonly kind: "failed";
      /** The fingerprint of the credentials that did not do; undefined where others would not do either. */
      readonly credentials: string | undefined;
    }
);

/** How often it is looked whether credentials that did not do were mended, and whether the gatherer answers again. */
export const mendMs = 60_000;

export type UploadWait =
  | { readonly kind: "over" }
  | { readonly kind: "wait"; readonly ms: number }
  /** It goes on as long as the credentials have that fingerprint. */
  | { readonly kind: "unless mended"; readonly ms: number; readonly credentials: string };

export function waitOf(
  pause: UploadPause | undefined,
  { nowMs, settings, lastGatherMs }: { nowMs: number; settings: string; lastGatherMs: number | undefined },
): UploadWait {
  if (pause === undefined || pause.settings !== settings) return { kind: "over" };
  const ms = pause.untilMs - nowMs;
  // A clock that was set back would make it last.
  if (ms <= 0 || nowMs < pause.sinceMs) return { kind: "over" };
  if (pause.kind === "nothing new")
    return pause.lastGatherMs === lastGatherMs ? { kind: "wait", ms } : { kind: "over" };
  const { credentials } = pause;
  if (credentials === undefined) return { kind: "wait", ms };
  return { kind: "unless mended", ms: Math.min(ms, mendMs), credentials };
}
