/** Desired objects and what is there -> the writes that are needed; nothing to do gives no step. */
import { configKind } from "../api/config.ts";
import { apiGroup, fieldManager, type KubeObject } from "../api/object.ts";
import { covers } from "./covers.ts";
import { hashAnnotation, keyOf, managedByLabel, type Operand, type Side } from "./operands.ts";

/** What one read of an operand led to. */
export type Live =
  | { readonly kind: "absent" }
  | { readonly kind: "present"; readonly object: KubeObject }
  | { readonly kind: "unreadable"; readonly message: string };

export type Step =
  | { readonly action: "apply"; readonly operand: Operand; readonly object: KubeObject }
  | {
      readonly action: "delete";
      readonly operand: Operand;
      readonly uid: string;
      /** Undefined for what is going away already, which the API server changes itself before it is gone. */
      readonly resourceVersion: string | undefined;
      /** Foreground: the object stays until its pods are gone. */
      readonly propagation: "Background" | "Foreground";
    };

export interface Plan {
  readonly steps: readonly Step[];
  /** Objects of our names that somebody else made; they are left alone. */
  readonly conflicts: readonly Operand[];
  /** They could not be read, so nothing is decided about them. */
  readonly unreadable: readonly { readonly operand: Operand; readonly message: string }[];
}

/** What is to become of one side; `keep` touches nothing. */
export type Wish =
  /** Operands whose key is in `leave` are looked at for conflicts only. */
  | { readonly kind: "install"; readonly objects: readonly KubeObject[]; readonly leave?: ReadonlySet<string> }
  | { readonly kind: "remove" }
  /** But operands whose key is in `drop` are to go. */
  | { readonly kind: "keep"; readonly drop?: ReadonlySet<string> };

/**
 * Applies in the order of `operands`, after deletions in the opposite one. What goes while the rest of its side stays goes after its
 * pods, so that its end says that they are gone; what waits for them in vain and is in `overdue` goes without them.
 */
export function planSteps(
  operands: readonly Operand[],
  wishes: Readonly<Record<Side, Wish>>,
  live: ReadonlyMap<string, Live>,
  overdue: ReadonlySet<string> = new Set(),
): Plan {
  const applies: Step[] = [];
  const deletes: Step[] = [];
  const conflicts: Operand[] = [];
  const unreadable: { operand: Operand; message: string }[] = [];
  for (const operand of operands) {
    const wish = wishes[operand.side];
    const found = live.get(keyOf(operand)) ?? { kind: "absent" };
    if (found.kind === "present" && overdue.has(keyOf(operand)) && isOurs(found.object)) {
      const { uid } = found.object.metadata;
      if (uid !== undefined)
        deletes.unshift({ action: "delete", operand, uid, resourceVersion: undefined, propagation: "Background" });
      continue;
    }
    if (wish.kind === "keep" && wish.drop?.has(keyOf(operand)) !== true) continue;
    if (found.kind === "unreadable") {
      unreadable.push({ operand, message: found.message });
      continue;
    }
    if (wish.kind === "install" && found.kind === "present" && !isOurs(found.object)) {
      conflicts.push(operand);
      continue;
    }
    if (wish.kind === "install" && wish.leave?.has(keyOf(operand)) === true) continue;
    const wanted = wish.kind === "install" ? wish.objects.find((object) => isOf(object, operand)) : undefined;
    if (wanted === undefined) {
      const hasPods = operand.kind === "DaemonSet" || operand.kind === "Deployment";
      const propagation = wish.kind === "remove" || !hasPods ? "Background" : "Foreground";
      if (found.kind === "present" && isOurs(found.object) && found.object.metadata.deletionTimestamp === undefined)
        deletes.unshift(...deletion(operand, found.object, propagation));
    } else if (found.kind === "absent" || !isAsWanted(found.object, wanted))
      applies.push({ action: "apply", operand, object: wanted });
  }
  return { steps: [...deletes, ...applies], conflicts, unreadable };
}

/** Without a config the garbage collector takes away what it owned; what has lost its owner is ours to delete. */
export function orphanSteps(operands: readonly Operand[], live: ReadonlyMap<string, Live>): readonly Step[] {
  return operands.toReversed().flatMap((operand) => {
    const found = live.get(keyOf(operand));
    if (found?.kind !== "present" || !isOurs(found.object)) return [];
    const { deletionTimestamp, ownerReferences = [] } = found.object.metadata;
    return deletionTimestamp === undefined && ownerReferences.length === 0
      ? deletion(operand, found.object, "Background")
      : [];
  });
}

function isOf(object: KubeObject, operand: Operand): boolean {
  return object.kind === operand.kind && object.metadata.name === operand.name;
}

/**
 * Ours is what our field manager applied, whoever removed the label since, and what carries our label and a config as its owner,
 * whatever that config's uid: an object restored from a backup has lost its field managers.
 */
export function isOurs({ metadata }: KubeObject): boolean {
  const applied = metadata.managedFields?.some(
    ({ manager, operation }) => manager === fieldManager && operation === "Apply",
  );
  if (applied === true) return true;
  const owned = metadata.ownerReferences?.some(
    (owner) => owner.kind === configKind && owner.apiVersion.startsWith(`${apiGroup}/`),
  );
  return metadata.labels?.[managedByLabel] === fieldManager && owned === true;
}

/** An object that is going away cannot be changed; its end wakes the next run. */
function isAsWanted(found: KubeObject, wanted: KubeObject): boolean {
  if (found.metadata.deletionTimestamp !== undefined) return true;
  return (
    found.metadata.annotations?.[hashAnnotation] === wanted.metadata.annotations?.[hashAnnotation] &&
    covers(found, wanted)
  );
}

/** Of exactly this object: one of its name that was made or changed since is not touched. */
function deletion(
  operand: Operand,
  { metadata }: KubeObject,
  propagation: "Background" | "Foreground",
): readonly Step[] {
  const { uid, resourceVersion } = metadata;
  if (uid === undefined || resourceVersion === undefined) return [];
  return [{ action: "delete", operand, uid, resourceVersion, propagation }];
}
