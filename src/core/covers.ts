/** Whether an object as the API server returns it holds everything we want, beside its defaults and what others added. */

import { quantity } from "./quantity.ts";

/** The key by which the API server merges a list, by the list's field. Any other list is one value, in which nobody else has a part. */
export const listKeys: Readonly<Record<string, readonly string[]>> = {
  containers: ["name"],
  env: ["name"],
  volumes: ["name"],
  volumeMounts: ["mountPath"],
  ports: ["containerPort", "port", "protocol"],
  ownerReferences: ["uid"],
  groups: ["name"],
};

/** Objects that are one value as well: a key that somebody adds to a selector changes what we said. */
export const wholeObjects: ReadonlySet<string> = new Set([
  "selector",
  "nodeSelector",
  "podSelector",
  "fieldRef",
  "roleRef",
]);

const quantityFields = new Set(["cpu", "memory", "sizeLimit"]);

/** True when `live` has every field of `wanted` with an equal value; more fields, and more entries of merged lists, are allowed. */
export function covers(live: unknown, wanted: unknown, field = ""): boolean {
  if (wanted === null || wanted === undefined) return live === null || live === undefined;
  if (Array.isArray(wanted)) return coversList(live, wanted, listKeys[field]);
  if (typeof wanted === "object") {
    if (wholeObjects.has(field)) return equals(live, wanted);
    const fields = Object.entries(wanted);
    if (live === undefined || live === null) return fields.every(([, value]) => isEmpty(value));
    if (typeof live !== "object") return false;
    const found = new Map(Object.entries(live));
    return fields.every(([name, value]) => covers(found.get(name), value, name));
  }
  if (quantityFields.has(field)) return quantity(live) === quantity(wanted);
  return live === wanted;
}

function coversList(live: unknown, wanted: readonly unknown[], keys: readonly string[] | undefined): boolean {
  if (live === undefined || live === null) return wanted.length === 0;
  if (!Array.isArray(live)) return false;
  if (keys === undefined || !wanted.every(isRecord)) return equals(live, wanted);
  return wanted.every((entry) =>
    live.some((candidate) => isRecord(candidate) && sameKeys(candidate, entry, keys) && covers(candidate, entry)),
  );
}

/** An empty list is none, but an empty object says something: as a selector it selects all. */
function equals(live: unknown, wanted: unknown): boolean {
  if (Array.isArray(live) || Array.isArray(wanted)) {
    const [a, b] = [live ?? [], wanted ?? []];
    return (
      Array.isArray(a) &&
      Array.isArray(b) &&
      a.length === b.length &&
      b.every((value, index) => equals(a[index], value))
    );
  }
  if (!isRecord(live) || !isRecord(wanted)) return (live ?? null) === (wanted ?? null);
  return [...new Set([...Object.keys(live), ...Object.keys(wanted)])].every((name) => equals(live[name], wanted[name]));
}

function sameKeys(
  a: Readonly<Record<string, unknown>>,
  b: Readonly<Record<string, unknown>>,
  keys: readonly string[],
): boolean {
  return keys.every((key) => !(key in b) || a[key] === b[key]);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The API server drops empty objects and lists of some fields. */
function isEmpty(value: unknown): boolean {
  if (value === null || value === undefined) return true;
  return typeof value === "object" && Object.values(value).every(isEmpty);
}
