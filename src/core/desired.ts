/** Settings -> the objects of both sides, complete with owner, labels and the hash of what we want. Same input, same bytes. */
import { createHash } from "node:crypto";
import { configKind, configName, type Settings } from "../api/config.ts";
import { apiVersion, fieldManager, type KubeObject } from "../api/object.ts";
import { gathererSide } from "./desired-gatherer.ts";
import { nodeSide } from "./desired-node.ts";
import { hashAnnotation, kinds, managedByLabel, type OperandKind, partOfLabel, type Side } from "./operands.ts";

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

/** What the certificate plan led to; see core/certificates.ts. */
export interface TlsMaterial {
  readonly ca: KeyPair;
  /** PEM of every CA that clients must trust now. */
  readonly bundle: string;
  readonly exporter: KeyPair;
  readonly gatherer: KeyPair;
}

export interface DesiredInput {
  readonly namespace: string;
  readonly configUid: string;
  readonly images: Images;
  readonly settings: Settings;
  readonly tls: TlsMaterial;
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

/** The objects of one side, in apply order. */
export function desiredSide(side: Side, input: DesiredInput): readonly KubeObject[] {
  const drafts = side === "node" ? nodeSide(input) : gathererSide(input);
  return drafts.map((draft) => complete(draft, input));
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
  const text = JSON.stringify(sorted(object.kind === "Secret" ? { ...object, data: null } : object));
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  );
}
