/** Which certificates to issue now, and which CAs to trust. */

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;

export const caLifetimeMs = 3 * 365 * dayMs;
export const servingLifetimeMs = 365 * dayMs;
/** Of its lifetime; then a certificate is replaced. */
const renewAfter = 2 / 3;
/** Certificates begin to hold that long before they are issued, for clocks that are behind. */
export const backdateMs = 5 * minuteMs;
/** So long after the begin of a new CA every client has read the bundle with it: volumes follow within two minutes. */
const spreadMs = backdateMs + 10 * minuteMs;
/** A serving certificate changes only when no gather has run for this long. */
const quietMs = 3 * minuteMs;
/** So long an old CA stays trusted beside the new one. */
export const overlapMs = dayMs;

/** A certificate as far as the plan looks at it. */
export interface Certificate {
  /** SHA-256 of its DER form, hex. */
  readonly fingerprint: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly dnsNames: readonly string[];
  /** Fingerprint of the trusted CA whose signature it carries; undefined when none does. */
  readonly issuer: string | undefined;
}

export type ServingName = "exporter" | "gatherer";
export const servingNames: readonly ServingName[] = ["exporter", "gatherer"];

export interface CertificateInput {
  readonly nowMs: number;
  /** The CA whose key we have; undefined when there is none or its Secret cannot be used. */
  readonly ca: Certificate | undefined;
  /** Of the bundle, in its order. */
  readonly trusted: readonly Certificate[];
  readonly serving: Readonly<Record<ServingName, Certificate | undefined>>;
  readonly dnsNames: Readonly<Record<ServingName, readonly string[]>>;
  /** The certificates that are needed now. */
  readonly wanted: readonly ServingName[];
  /** Start or end of the last gather, whichever is later; undefined when none has run. A gather that runs now counts as now. */
  readonly lastGatherMs: number | undefined;
}

export interface CertificatePlan {
  /** A new CA takes the place of the one we have. */
  readonly issueCa: boolean;
  /** Fingerprints of what stays in the bundle beside the CA in use. */
  readonly keepTrusted: readonly string[];
  readonly issue: readonly ServingName[];
  /** When to look again. */
  readonly afterMs: number;
}

/**
 * A new CA joins the bundle beside the old one; serving certificates follow when the bundle has spread and no gather is near; the old
 * CA goes a day after. A certificate that cannot be used at all is replaced at once.
 */
export function planCertificates(input: CertificateInput): CertificatePlan {
  const { nowMs, ca, trusted, serving, dnsNames, wanted, lastGatherMs } = input;
  const issueCa = ca === undefined || isDue(ca, nowMs);
  const caAgeMs = ca === undefined || issueCa ? 0 : nowMs - ca.notBeforeMs;
  const inUse = new Set(servingNames.map((name) => serving[name]?.issuer));
  const keepTrusted = trusted
    .filter(({ fingerprint }) => issueCa || fingerprint !== ca?.fingerprint)
    .filter(({ notAfterMs }) => notAfterMs > nowMs)
    .filter(({ fingerprint }) => caAgeMs < overlapMs || inUse.has(fingerprint))
    .map(({ fingerprint }) => fingerprint);
  const usable = new Set([...keepTrusted, ...(ca === undefined || issueCa ? [] : [ca.fingerprint])]);
  const isQuiet = quietAfterMs(lastGatherMs, nowMs) === 0;
  const issue = wanted.filter((name) => {
    const certificate = serving[name];
    if (certificate === undefined || certificate.notAfterMs <= nowMs) return true;
    if (certificate.issuer === undefined || !usable.has(certificate.issuer)) return true;
    if (!sameNames(certificate.dnsNames, dnsNames[name])) return true;
    const wantsChange = isDue(certificate, nowMs) || (!issueCa && certificate.issuer !== ca?.fingerprint);
    return wantsChange && !issueCa && isQuiet && (caAgeMs >= spreadMs || certificate.issuer === ca?.fingerprint);
  });
  return { issueCa, keepTrusted, issue, afterMs: nextLookMs(keepTrusted.length > 0, isQuiet) };
}

/** After how long no gather is near, 0 when none is. One that ended in the future was told by a clock that was wrong. */
export function quietAfterMs(lastGatherMs: number | undefined, nowMs: number): number {
  return lastGatherMs === undefined || Math.abs(nowMs - lastGatherMs) >= quietMs ? 0 : quietMs;
}

function isDue({ notBeforeMs, notAfterMs }: Certificate, nowMs: number): boolean {
  return nowMs >= notBeforeMs + (notAfterMs - notBeforeMs) * renewAfter;
}

function sameNames(a: readonly string[], b: readonly string[]): boolean {
  return [...a].sort().join() === [...b].sort().join();
}

function nextLookMs(isRotating: boolean, isQuiet: boolean): number {
  if (!isQuiet) return quietMs;
  return isRotating ? spreadMs : 60 * minuteMs;
}
