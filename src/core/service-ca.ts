/** OpenShift's service CA, which issues the serving certificates where a cluster has it: whose a Secret is, and when ours makes way. */
import { fieldManager, type KubeObject } from "../api/object.ts";
import { quietAfterMs, type ServingName } from "./certificates.ts";
import { isOurs, type Live } from "./plan.ts";

/** On a Service: the Secret that the service CA is to make. */
export const secretNameAnnotation = "service.beta.openshift.io/serving-cert-secret-name";
/** What the service CA says on a Service when it does not make it. */
const errorAnnotation = "service.beta.openshift.io/serving-cert-generation-error";
/** On a Secret: the Service that it was made for. */
const originAnnotations = [
  "service.beta.openshift.io/originating-service-name",
  "service.alpha.openshift.io/originating-service-name",
] as const;

/** Every client has read a bundle that was published so long ago: volumes follow within two minutes. */
export const spreadMs = 10 * 60_000;
/** A certificate that the service CA has not made for so long is worth a word. */
export const patienceMs = 5 * 60_000;
const hourMs = 60 * 60_000;

/** `unknown`: it could not be read. */
export type SecretOwner = "nobody" | "main" | "service CA" | "other" | "unknown";

/** Whose the Secret with a Service's certificate is. One that was made for an earlier Service of that name goes with it. */
export function ownerOf(secret: Live | undefined, service: string): SecretOwner {
  switch (secret?.kind) {
    case undefined:
    case "absent":
      return "nobody";
    case "unreadable":
      return "unknown";
    case "present": {
      if (isOurs(secret.object)) return "main";
      const { annotations } = secret.object.metadata;
      return originAnnotations.some((name) => annotations?.[name] === service) ? "service CA" : "other";
    }
  }
}

/** When main last changed an object of its own, by the API server's clock. */
export function lastAppliedMs({ metadata }: KubeObject): number | undefined {
  const entry = metadata.managedFields?.find(
    ({ manager, operation, subresource }) =>
      manager === fieldManager && operation === "Apply" && subresource === undefined,
  );
  const ms = Date.parse(entry?.time ?? metadata.creationTimestamp ?? "");
  return Number.isNaN(ms) ? undefined : ms;
}

/** Whether the Service asks the service CA for a certificate. */
export function asksServiceCa(service: Live | undefined): boolean {
  return service?.kind === "present" && service.object.metadata.annotations?.[secretNameAnnotation] !== undefined;
}

/** Why the Secret that a Service asks for is not there since then; undefined while it may still come. */
export function problemOf(service: Live | undefined, sinceMs: number, nowMs: number): string | undefined {
  if (nowMs - sinceMs < patienceMs) return undefined;
  const said = service?.kind === "present" ? service.object.metadata.annotations?.[errorAnnotation] : undefined;
  const why = said === undefined ? "" : `, which says: ${said.slice(0, 200)}`;
  return `not made for ${patienceMs / 60_000} minutes by OpenShift's service CA${why}; see namespace openshift-service-ca`;
}

export interface HandOverInput {
  readonly nowMs: number;
  /** Since when the published bundle holds the service CA; undefined: it does not yet. */
  readonly bundleSinceMs: number | undefined;
  readonly serving: Readonly<Record<ServingName, { readonly owner: SecretOwner; readonly isUsable: boolean }>>;
  /** The certificates that are needed now. */
  readonly wanted: readonly ServingName[];
  /** As for the plan of our own CA. */
  readonly lastGatherMs: number | undefined;
}

export interface HandOver {
  /** Our Secrets that go now, so that the service CA can make its own; pods keep what they have read. */
  readonly names: readonly ServingName[];
  /** When to look again. */
  readonly afterMs: number;
}

/**
 * Once every client trusts the service CA and no gather is near, one Secret after the other: the next one goes when the service CA has
 * made the one before, so that one that does not deliver takes no more than one. What cannot be used anyway goes at once.
 */
export function planHandOver({ nowMs, bundleSinceMs, serving, wanted, lastGatherMs }: HandOverInput): HandOver {
  const ours = order.filter((name) => wanted.includes(name) && serving[name].owner === "main");
  const broken = ours.filter((name) => !serving[name].isUsable);
  if (broken.length > 0) return { names: broken, afterMs: patienceMs };
  const isMissing = wanted.some((name) => serving[name].owner === "nobody");
  if (isMissing || ours.length === 0) return { names: [], afterMs: isMissing ? patienceMs : hourMs };
  const spreadLeftMs = bundleSinceMs === undefined ? spreadMs : bundleSinceMs + spreadMs - nowMs;
  if (spreadLeftMs > 0) return { names: [], afterMs: spreadLeftMs };
  const waitMs = quietAfterMs(lastGatherMs, nowMs);
  if (waitMs > 0) return { names: [], afterMs: waitMs };
  return { names: ours.slice(0, 1), afterMs: patienceMs };
}

const order: readonly ServingName[] = ["gatherer", "exporter"];
