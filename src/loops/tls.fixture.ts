/** A cluster that keeps what main applies, and which OpenShift's service CA may serve. */
import { inspect, issueCa, issueServing, splitPem } from "../adapters/issuer.ts";
import { defaultSettings } from "../api/config.ts";
import { fieldManager, type KubeObject } from "../api/object.ts";
import { decodeKeyPair, decodePem } from "../api/tls.ts";
import { intermediateTls } from "../api/tls-profile.ts";
import { desiredGathererSide, desiredNodeSide } from "../core/desired.ts";
import type { DesiredInput, KeyPair } from "../core/desired-input.ts";
import { dnsNames, keyOf, names, operands } from "../core/operands.ts";
import { type Live, type Plan, planSteps } from "../core/plan.ts";
import { secretNameAnnotation } from "../core/service-ca.ts";
import { keepCertificates, type Missing, type TlsState } from "./tls.ts";

export const key = (kind: string, name: string): string => keyOf({ kind, name });
const input: Omit<DesiredInput, "servedByServiceCa"> = {
  ...{
    namespace: "ns",
    configUid: "u",
    accountUids: { node: "a", gatherer: "b" },
    unserved: new Set<never>(),
    priorityClass: undefined,
    pullSecrets: { node: [], gatherer: [] },
  },
  images: { extractor: "e", exporter: "x", proxy: "p", gatherer: "g" },
  ...{ settings: defaultSettings, tls: intermediateTls },
};

export class TlsWorld {
  readonly live = new Map<string, Live>();
  /** PEM that OpenShift publishes; undefined where it does not. */
  serviceCa: string | undefined;
  /** What signs while the service CA works. */
  signer: KeyPair | undefined;
  #made = 0;
  #missing: Missing = {};

  /** One run of main, then one of the service CA. */
  async pass(nowMs: number, lastGatherMs?: number): Promise<TlsState | undefined> {
    const { live, serviceCa } = this;
    const wanted = ["exporter", "gatherer"] as const;
    const state = await keepCertificates({
      live,
      namespace: "ns",
      nowMs,
      serviceCa,
      wanted,
      lastGatherMs,
      missing: this.#missing,
    });
    if (state === undefined) return undefined;
    this.#missing = state.missing;
    const all: DesiredInput = { ...input, servedByServiceCa: state.servedByServiceCa };
    const gatherer = desiredGathererSide(all, state.authority, state.serving.gatherer);
    const node = desiredNodeSide(all, state.serving.exporter);
    const seen = new Map([...live].filter(([one]) => !state.strangers.has(one)));
    const wishes = {
      gatherer: { kind: "install", objects: gatherer },
      node: { kind: "install", objects: node },
    } as const;
    this.plan = planSteps(operands, wishes, seen);
    for (const step of this.plan.steps) {
      const at = keyOf(step.operand);
      if (step.action === "delete") live.delete(at);
      else this.put(step.object, nowMs, { managedFields: [applied(nowMs)] });
    }
    await this.#serve(nowMs);
    return state;
  }

  /** Of the last pass. */
  plan: Plan | undefined;

  /** Without it OpenShift's service CA has no key; what it published stays. */
  async startServiceCa(nowMs: number): Promise<void> {
    this.signer = await issueCa(nowMs);
    this.serviceCa = this.signer.certificate;
  }

  async #serve(nowMs: number): Promise<void> {
    if (this.signer === undefined) return;
    for (const name of [names.exporter, names.gatherer]) {
      const service = this.object("Service", name);
      const secret = service?.metadata.annotations?.[secretNameAnnotation];
      if (secret === undefined || this.object("Secret", secret) !== undefined) continue;
      const { certificate, key: pem } = await issueServing(this.signer, dnsNames(name, "ns"), nowMs);
      const annotations = { "service.beta.openshift.io/originating-service-name": name };
      const data = { "tls.crt": btoa(certificate), "tls.key": btoa(pem) };
      this.put({ apiVersion: "v1", kind: "Secret", metadata: { name: secret, annotations }, data }, nowMs);
    }
  }

  put(object: KubeObject, nowMs: number, metadata: Partial<KubeObject["metadata"]> = {}): void {
    this.#made += 1;
    const before = this.object(object.kind, object.metadata.name)?.metadata;
    const whole = {
      uid: before?.uid ?? `uid-${this.#made}`,
      resourceVersion: `${this.#made}`,
      creationTimestamp: before?.creationTimestamp ?? new Date(nowMs).toISOString(),
    };
    const at = key(object.kind, object.metadata.name);
    this.live.set(at, {
      kind: "present",
      object: { ...object, metadata: { ...object.metadata, ...whole, ...metadata } },
    });
  }

  object(kind: string, name: string): KubeObject | undefined {
    const found = this.live.get(key(kind, name));
    return found?.kind === "present" ? found.object : undefined;
  }

  bundle(): readonly string[] {
    return splitPem(decodePem(this.object("ConfigMap", names.caBundle)) ?? "");
  }

  /** What exporter and gatherer show once their volumes have followed. */
  shown(): readonly string[] {
    return [names.exporterTls, names.gathererTls].flatMap(
      (name) => decodeKeyPair(this.object("Secret", name))?.certificate ?? [],
    );
  }
}

/** True when a client that trusts the bundle accepts all that the servers show at that time. */
export function isTrusted(bundle: readonly string[], shown: readonly string[], nowMs: number): boolean {
  const valid = bundle.filter((pem) => (inspect(pem, [])?.notAfterMs ?? 0) > nowMs);
  return shown.every((pem) => {
    const certificate = inspect(pem, valid);
    return certificate?.issuer !== undefined && certificate.notAfterMs > nowMs && certificate.notBeforeMs <= nowMs;
  });
}

const applied = (nowMs: number) => ({
  manager: fieldManager,
  operation: "Apply",
  time: new Date(nowMs).toISOString(),
});
