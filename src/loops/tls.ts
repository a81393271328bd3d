/** Keeps CA, bundle and serving certificates in order: reads them from the observed objects, issues what the plan says. */
import { inspect, isPair, issueCa, issueServing, splitPem } from "../adapters/issuer.ts";
import { decodeKeyPair, decodePem } from "../api/tls.ts";
import { planCertificates, type ServingName } from "../core/certificates.ts";
import type { Authority, KeyPair } from "../core/desired-input.ts";
import { dnsNames, keyOf, names } from "../core/operands.ts";
import { isOurs, type Live } from "../core/plan.ts";

export interface TlsState {
  readonly authority: Authority;
  readonly serving: Readonly<Partial<Record<ServingName, KeyPair>>>;
  /** What was made anew, for the log. */
  readonly issued: readonly string[];
  readonly afterMs: number;
}

export interface TlsInput {
  readonly live: ReadonlyMap<string, Live>;
  readonly namespace: string;
  readonly nowMs: number;
  /** The certificates that are needed now. */
  readonly wanted: readonly ServingName[];
  readonly lastGatherMs: number | undefined;
}

const services: Readonly<Record<ServingName, string>> = { exporter: names.exporter, gatherer: names.gatherer };
const secrets: Readonly<Record<ServingName, string>> = { exporter: names.exporterTls, gatherer: names.gathererTls };

/** Undefined when the CA's Secret or the bundle cannot be read or belongs to somebody else: then nothing is issued. */
export async function keepCertificates(input: TlsInput): Promise<TlsState | undefined> {
  const { live, namespace, nowMs, wanted, lastGatherMs } = input;
  const caLive = live.get(keyOf({ kind: "Secret", name: names.ca }));
  const bundleLive = live.get(keyOf({ kind: "ConfigMap", name: names.caBundle }));
  if (!isUsable(caLive) || !isUsable(bundleLive)) return undefined;
  const trusted = splitPem(objectOf(bundleLive, decodePem) ?? "");
  const found = objectOf(caLive, decodeKeyPair);
  const oldCa = found !== undefined && isPair(found) ? found : undefined;
  const known = oldCa === undefined ? trusted : [oldCa.certificate, ...trusted];
  const pairs = {
    exporter: objectOf(live.get(keyOf({ kind: "Secret", name: secrets.exporter })), decodeKeyPair),
    gatherer: objectOf(live.get(keyOf({ kind: "Secret", name: secrets.gatherer })), decodeKeyPair),
  };
  const servingOf = (pair: KeyPair | undefined) =>
    pair !== undefined && isPair(pair) ? inspect(pair.certificate, known) : undefined;
  const plan = planCertificates({
    nowMs,
    ca: oldCa === undefined ? undefined : inspect(oldCa.certificate, known),
    trusted: trusted.map((pem) => inspect(pem, [])).filter((certificate) => certificate !== undefined),
    serving: { exporter: servingOf(pairs.exporter), gatherer: servingOf(pairs.gatherer) },
    dnsNames: {
      exporter: dnsNames(services.exporter, namespace),
      gatherer: dnsNames(services.gatherer, namespace),
    },
    wanted,
    lastGatherMs,
  });
  const ca = plan.issueCa || oldCa === undefined ? await issueCa(nowMs) : oldCa;
  const kept = trusted.filter((pem) => plan.keepTrusted.includes(inspect(pem, [])?.fingerprint ?? ""));
  const serving: Partial<Record<ServingName, KeyPair>> = {};
  for (const name of wanted) {
    const pair = plan.issue.includes(name) ? undefined : pairs[name];
    serving[name] = pair ?? (await issueServing(ca, dnsNames(services[name], namespace), nowMs));
  }
  return {
    authority: { ca, bundle: [ca.certificate, ...kept.filter((pem) => pem !== ca.certificate)].join("") },
    serving,
    issued: [...(ca === oldCa ? [] : [names.ca]), ...plan.issue.map((name) => secrets[name])],
    afterMs: plan.afterMs,
  };
}

function isUsable(live: Live | undefined): boolean {
  return live === undefined || live.kind === "absent" || (live.kind === "present" && isOurs(live.object));
}

function objectOf<T>(live: Live | undefined, decode: (object: unknown) => T | undefined): T | undefined {
  return live?.kind === "present" ? decode(live.object) : undefined;
}
