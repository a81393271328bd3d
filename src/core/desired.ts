/** Settings -> the objects of both sides, complete with owner, labels and the hash of what we want. Same input, same bytes. */
import { createHash } from "node:crypto";
import { configKind, configName } from "../api/config.ts";
import { apiVersion, fieldManager, type KubeObject } from "../api/object.ts";
import { gathererSide } from "./desired-gatherer.ts";
import type { Authority, DesiredInput, Draft, KeyPair } from "./desired-input.ts";
import { nodeSide } from "./desired-node.ts";
import { hashAnnotation, kinds, managedByLabel, partOfLabel } from "./operands.ts";
import { canonical } from "./same.ts";

/** The objects of the node side, in apply order; `serving` is the exporters' certificate, unless the service CA makes it. */
export function desiredNodeSide(input: DesiredInput, serving: KeyPair | undefined): readonly KubeObject[] {
  return completed(nodeSide(input, serving), input);
}

/** The objects of the gatherer side, in apply order; `serving` is the gatherer's certificate, unless the service CA makes it. */
export function desiredGathererSide(
  input: DesiredInput,
  authority: Authority,
  serving: KeyPair | undefined,
): readonly KubeObject[] {
  return completed(gathererSide(input, authority, serving), input);
}

function completed(drafts: readonly Draft[], input: DesiredInput): readonly KubeObject[] {
  return drafts.filter(({ kind }) => !input.unserved.has(kind)).map((draft) => complete(draft, input));
}

function complete(
  { kind, name, labels, annotations, body }: Draft,
  { namespace, configUid }: DesiredInput,
): KubeObject {
  const { apiVersion: version, scope } = kinds[kind];
  const object = {
    apiVersion: version,
    kind,
    metadata: {
      name,
      ...(scope === "namespace" ? { namespace } : {}),
      ...(annotations === undefined ? {} : { annotations }),
      labels: { ...labels, [managedByLabel]: fieldManager, [partOfLabel]: "runtime-insights" },
      ownerReferences: [
        { apiVersion, kind: configKind, name: configName, uid: configUid, controller: true, blockOwnerDeletion: false },
      ],
    },
    ...body,
  };
  const hashed = { ...annotations, [hashAnnotation]: hashOf(object) };
  return { ...object, metadata: { ...object.metadata, annotations: hashed } };
}

/** Of everything but a Secret's content, which is compared as it is. */
function hashOf(object: Readonly<Record<string, unknown>>): string {
  const text = canonical(object.kind === "Secret" ? { ...object, data: null } : object);
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}
