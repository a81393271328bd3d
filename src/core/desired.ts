/** Settings -> the objects of both sides, complete with owner, labels and the hash of what we want. Same input, same bytes. */
import { createHash } from "node:crypto";
import { configKind, configName, type Settings } from "../api/config.ts";
import { apiVersion, fieldManager, type KubeObject } from "../api/object.ts";
import type { ServerTls } from "../api/tls-profile.ts";
import { gathererSide } from "./desired-gatherer.ts";
import { nodeSide } from "./desired-node.ts";
import { hashAnnotation, kinds, managedByLabel, type OperandKind, partOfLabel, type Side } from "./operands.ts";
import { canonical } from "./same.ts";

export interface Images {
  readonly extractor: string;
  readonly exporter: string;
  readonly proxy: string;
  readonly gatherer: string;
}

export interface KeyPair {
  /** PEM. */
  readonly certificate: string;
  /** PEM, PKCS 8. */
  readonly key: string;
}

/** What clients trust, and the key behind it. */
export interface Authority {
  readonly ca: KeyPair;
  /** PEM of every CA that clients must trust now. */
  readonly bundle: string;
}

export interface DesiredInput {
  readonly namespace: string;
  readonly configUid: string;
  /** Uid of each side's service account: tokens of one that was made anew are worth nothing to the pods that run. */
  readonly accountUids: Readonly<Record<Side, string>>;
  readonly images: Images;
  readonly settings: Settings;
  /** The cluster's TLS profile, which the proxies obey. */
  readonly tls: ServerTls;
  /** The cluster serves SecurityContextConstraints. */
  readonly scc: boolean;
}

/** An object before main's own labels and owner are on it. */
export interface Draft {
  readonly kind: OperandKind;
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Everything beside kind and metadata. */
  readonly body: Readonly<Record<string, unknown>>;
}

/** The objects of the node side, in apply order; `serving` is the exporters' certificate. */
export function desiredNodeSide(input: DesiredInput, serving: KeyPair): readonly KubeObject[] {
  return nodeSide(input, serving).map((draft) => complete(draft, input));
}

/** The objects of the gatherer side, in apply order; `serving` is the gatherer's certificate. */
export function desiredGathererSide(
  input: DesiredInput,
  authority: Authority,
  serving: KeyPair,
): readonly KubeObject[] {
  return gathererSide(input, authority, serving).map((draft) => complete(draft, input));
}

function complete({ kind, name, labels, body }: Draft, { namespace, configUid }: DesiredInput): KubeObject {
  const { apiVersion: version, scope } = kinds[kind];
  const object = {
    apiVersion: version,
    kind,
    metadata: {
      name,
      ...(scope === "namespace" ? { namespace } : {}),
      labels: { ...labels, [managedByLabel]: fieldManager, [partOfLabel]: "runtime-insights" },
      ownerReferences: [
        { apiVersion, kind: configKind, name: configName, uid: configUid, controller: true, blockOwnerDeletion: false },
      ],
    },
    ...body,
  };
  const annotations = { [hashAnnotation]: hashOf(object) };
  return { ...object, metadata: { ...object.metadata, annotations } };
}

/** Of everything but a Secret's content, which is compared as it is. */
function hashOf(object: Readonly<Record<string, unknown>>): string {
  const text = canonical(object.kind === "Secret" ? { ...object, data: null } : object);
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}
