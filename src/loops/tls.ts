/** Keeps CA, bundle and serving certificates in order: reads them from the observed objects, issues what the plan says. */
import { inspect, isPair, issueCa, issueServing, splitPem } from "../adapters/issuer.ts";
import type { KubeObject } from "../api/object.ts";
import { decodeKeyPair, decodePem } from "../api/tls.ts";
import { overlapMs, planCertificates, type ServingName, servingNames } from "../core/certificates.ts";
import type { Authority, KeyPair } from "../core/desired-input.ts";
import { dnsNames, keyOf, names, type Operand, operands } from "../core/operands.ts";
import { isOurs, type Live } from "../core/plan.ts";
import {
  asksServiceCa,
  lastAppliedMs,
  ownerOf,
  patienceMs,
  planHandOver,
  problemOf,
  type SecretOwner,
} from "../core/service-ca.ts";

export interface TlsState {
  readonly authority: Authority;
  /** Those that main makes. */
  readonly serving: Readonly<Partial<Record<ServingName, KeyPair>>>;
  /** Whose Services ask OpenShift's service CA for a certificate. */
  readonly servedByServiceCa: ReadonlySet<ServingName>;
  /** Keys of the service CA's Secrets: they are no conflict, and main changes them only where it has a pair for them. */
  readonly strangers: ReadonlySet<string>;
  /** What was made anew, for the log. */
  readonly issued: readonly string[];
  /** Since when the service CA owes us a Secret, as far as this process knows. */
  readonly missing: Missing;
  /** What it owes us for too long. */
  readonly problems: readonly { readonly operand: Operand; readonly message: string }[];
  /** Nobody may be asked for so long: trust was cut, and volumes have to follow. */
  readonly holdMs: number;
  readonly afterMs: number;
}

export type Missing = Readonly<Partial<Record<ServingName, number>>>;

export interface TlsInput {
  readonly live: ReadonlyMap<string, Live>;
  readonly namespace: string;
  readonly nowMs: number;
  /** PEM of OpenShift's service CA; empty while it is not published, undefined on a cluster without it. */
  readonly serviceCa: string | undefined;
  /** The certificates that are needed now. */
  readonly wanted: readonly ServingName[];
  readonly lastGatherMs: number | undefined;
  /** As the last call said. */
  readonly missing: Missing;
}

const services: Readonly<Record<ServingName, string>> = { exporter: names.exporter, gatherer: names.gatherer };
const secrets: Readonly<Record<ServingName, string>> = { exporter: names.exporterTls, gatherer: names.gathererTls };

/**
 * Undefined when the CA's Secret or the bundle cannot be read or belongs to somebody else: then nothing is issued. Where the cluster has
 * a service CA, it issues; certificates of ours stay until it is known and every client trusts it.
 */
export async function keepCertificates(input: TlsInput): Promise<TlsState | undefined> {
  const { live, serviceCa } = input;
  if (!isUsable(live.get(caKey)) || !isUsable(live.get(bundleKey))) return undefined;
  const owners: Owners = {
    exporter: ownerOf(live.get(secretKeys.exporter), services.exporter),
    gatherer: ownerOf(live.get(secretKeys.gatherer), services.gatherer),
  };
  const published = splitPem(serviceCa ?? "");
  const hasOurs = servingNames.some((name) => owners[name] === "main");
  const isOurTurn = serviceCa === undefined || (published.length === 0 && hasOurs);
  return isOurTurn ? issueOurs(input, owners) : relyOnServiceCa(input, owners, published);
}

type Owners = Readonly<Record<ServingName, SecretOwner>>;

async function issueOurs(input: TlsInput, owners: Owners): Promise<TlsState> {
  const { live, namespace, nowMs, wanted, lastGatherMs } = input;
  const trusted = trustedIn(live);
  const oldCa = pairIn(live, caKey);
  const known = oldCa === undefined ? trusted : [oldCa.certificate, ...trusted];
  const pairs = { exporter: pairIn(live, secretKeys.exporter), gatherer: pairIn(live, secretKeys.gatherer) };
  const plan = planCertificates({
    nowMs,
    ca: oldCa === undefined ? undefined : inspect(oldCa.certificate, known),
    trusted: trusted.map((pem) => inspect(pem, [])).filter((certificate) => certificate !== undefined),
    serving: {
      exporter: inspect(pairs.exporter?.certificate ?? "", known),
      gatherer: inspect(pairs.gatherer?.certificate ?? "", known),
    },
    dnsNames: { exporter: dnsNames(services.exporter, namespace), gatherer: dnsNames(services.gatherer, namespace) },
    wanted,
    lastGatherMs,
  });
  const ca = plan.issueCa || oldCa === undefined ? await issueCa(nowMs) : oldCa;
  const isCut = ca !== oldCa && trusted.length === 0 && Object.values(pairs).some((pair) => pair !== undefined);
  const kept = trusted.filter((pem) => plan.keepTrusted.includes(inspect(pem, [])?.fingerprint ?? ""));
  const serving: Partial<Record<ServingName, KeyPair>> = {};
  for (const name of wanted) {
    const pair = plan.issue.includes(name) ? undefined : pairs[name];
    if (pair !== undefined && owners[name] === "service CA") continue;
    serving[name] = pair ?? (await issueServing(ca, dnsNames(services[name], namespace), nowMs));
  }
  return {
    authority: { ca, bundle: [ca.certificate, ...kept.filter((pem) => pem !== ca.certificate)].join("") },
    serving,
    servedByServiceCa: new Set(),
    strangers: strangersOf(owners),
    issued: [...(ca === oldCa ? [] : [names.ca]), ...plan.issue.map((name) => secrets[name])],
    missing: {},
    problems: [],
    holdMs: isCut ? followMs : 0,
    afterMs: plan.afterMs,
  };
}

/** Our CA stays trusted beside the service CA as long as a certificate of ours may be shown, and a day. */
function relyOnServiceCa(input: TlsInput, owners: Owners, published: readonly string[]): TlsState {
  const { live, nowMs, wanted, lastGatherMs } = input;
  const trusted = trustedIn(live);
  const bundle = live.get(bundleKey);
  const isPublished = published.length > 0 && published.every((pem) => trusted.includes(pem));
  const pairs = { exporter: pairIn(live, secretKeys.exporter), gatherer: pairIn(live, secretKeys.gatherer) };
  const stateOf = (name: ServingName) => ({
    owner: owners[name],
    isUsable: (inspect(pairs[name]?.certificate ?? "", [])?.notAfterMs ?? 0) > nowMs,
  });
  const plan = planHandOver({
    nowMs,
    bundleSinceMs: isPublished && bundle?.kind === "present" ? lastAppliedMs(bundle.object) : undefined,
    serving: { exporter: stateOf("exporter"), gatherer: stateOf("gatherer") },
    wanted,
    lastGatherMs,
  });
  const ours = servingNames.filter((name) => owners[name] === "main" && !plan.names.includes(name));
  const isRecent = servingNames.some((name) => {
    const sinceMs = madeMs(live.get(secretKeys[name]));
    return sinceMs === undefined ? wanted.includes(name) : nowMs - sinceMs < overlapMs;
  });
  const kept = trusted.filter((pem) => {
    if (published.includes(pem) || (inspect(pem, [])?.notAfterMs ?? 0) <= nowMs) return false;
    return published.length === 0 || ours.length > 0 || isRecent;
  });
  const serving: Partial<Record<ServingName, KeyPair>> = {};
  for (const name of ours) if (pairs[name] !== undefined) serving[name] = pairs[name];
  const asks = servingNames.filter((name) => {
    const owner = owners[name];
    if (owner === "unknown") return asksServiceCa(live.get(serviceKeys[name]));
    return owner !== "other" && !ours.includes(name);
  });
  const missing: Partial<Record<ServingName, number>> = {};
  for (const name of wanted) if (owners[name] === "nobody") missing[name] = input.missing[name] ?? nowMs;
  const problems = wanted.flatMap((name) => {
    const operand = operands.find((one) => keyOf(one) === secretKeys[name]);
    const message = problemOf(live.get(serviceKeys[name]), missing[name] ?? nowMs, nowMs);
    return operand === undefined || message === undefined ? [] : [{ operand, message }];
  });
  return {
    authority: {
      ca: ours.length > 0 ? pairIn(live, caKey) : undefined,
      bundle: published.length + kept.length === 0 ? undefined : [...published, ...kept].join(""),
    },
    serving,
    servedByServiceCa: new Set(asks),
    strangers: strangersOf(owners),
    issued: [],
    missing,
    problems,
    holdMs: 0,
    afterMs: problems.length > 0 ? patienceMs : plan.afterMs,
  };
}

/** Within this, volumes follow what they are made of, and proxies what is in them. */
const followMs = 3 * 60_000;
const caKey = keyOf({ kind: "Secret", name: names.ca });
const bundleKey = keyOf({ kind: "ConfigMap", name: names.caBundle });
const keysOf = (kind: string, of: Readonly<Record<ServingName, string>>): Readonly<Record<ServingName, string>> => ({
  exporter: keyOf({ kind, name: of.exporter }),
  gatherer: keyOf({ kind, name: of.gatherer }),
});
const secretKeys = keysOf("Secret", secrets);
const serviceKeys = keysOf("Service", services);

function strangersOf(owners: Owners): ReadonlySet<string> {
  return new Set(servingNames.filter((name) => owners[name] === "service CA").map((name) => secretKeys[name]));
}

function isUsable(live: Live | undefined): boolean {
  return live === undefined || live.kind === "absent" || (live.kind === "present" && isOurs(live.object));
}

/** The pair in a Secret, whose ever it is; undefined when there is none that can be used. */
function pairIn(live: ReadonlyMap<string, Live>, key: string): KeyPair | undefined {
  const pair = objectOf(live.get(key), decodeKeyPair);
  return pair !== undefined && isPair(pair) ? pair : undefined;
}

function trustedIn(live: ReadonlyMap<string, Live>): readonly string[] {
  return splitPem(objectOf(live.get(bundleKey), decodePem) ?? "");
}

/** When an object was made; undefined when it is not there. */
function madeMs(live: Live | undefined): number | undefined {
  return objectOf(live, ({ metadata }) => Date.parse(metadata.creationTimestamp ?? ""));
}

function objectOf<T>(live: Live | undefined, decode: (object: KubeObject) => T | undefined): T | undefined {
  return live?.kind === "present" ? decode(live.object) : undefined;
}
