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
  imagePullSecrets: ["name"],
};

/** Objects that are one value as well: a key that somebody adds to a selector changes what we said. */
export const wholeObjects: ReadonlySet<string> = new Set([
  "selector",
  "nodeSelector",
  "podSelector",
  "fieldRef",
  "roleRef",
  // Of nodes; that of pods is a list.
  "requiredDuringSchedulingIgnoredDuringExecution",
]);

const quantityFields = new Set(["cpu", "memory", "sizeLimit"]);

/** True when `live` has every field of `wanted` with an equal value; more fields, and more entries of merged lists, are allowed. */
export function covers(live: unknown, wanted: unknown): boolean {
  return difference(live, wanted) === undefined;
}

/** Where the first field of `wanted` is that `live` lacks or has with another value; undefined when there is none. */
export function difference(live: unknown, wanted: unknown, path = "", field = ""): string | undefined {
  const isEqual = (equal: boolean) => (equal ? undefined : path);
  if (wanted === null || wanted === undefined) return isEqual(live === null || live === undefined);
  if (Array.isArray(wanted)) return listDifference(live, wanted, path, listKeys[field]);
  if (typeof wanted === "object") {
    if (wholeObjects.has(field)) return isEqual(equals(live, wanted));
    const fields = Object.entries(wanted);
    if (live === undefined || live === null) return isEqual(fields.every(([, value]) => isEmpty(value)));
    if (typeof live !== "object") return path;
    const found = new Map(Object.entries(live));
    return first(fields, ([name, value]) => {
      const step = /^\w+$/.test(name) ? `${path === "" ? "" : "."}${name}` : `[${name}]`;
      return difference(found.get(name), value, `${path}${step}`, name);
    });
  }
  if (quantityFields.has(field)) return isEqual(quantity(live) === quantity(wanted));
  return isEqual(live === wanted);
}

function listDifference(
  live: unknown,
  wanted: readonly unknown[],
  path: string,
  keys: readonly string[] | undefined,
): string | undefined {
  const isEqual = (equal: boolean) => (equal ? undefined : path);
  if (live === undefined || live === null) return isEqual(wanted.length === 0);
  if (!Array.isArray(live)) return path;
  if (keys === undefined || !wanted.every(isRecord)) return isEqual(equals(live, wanted));
  return first(wanted, (entry) => {
    const name = keys.map((key) => entry[key]).find((value) => value !== undefined);
    const where = `${path}[${String(name)}]`;
    const candidates = live.filter(isRecord).filter((candidate) => sameKeys(candidate, entry, keys));
    if (candidates.some((candidate) => covers(candidate, entry))) return undefined;
    return candidates.length === 0 ? where : difference(candidates[0], entry, where);
  });
}

/** The first of what `look` finds. */
function first<T>(values: readonly T[], look: (value: T) => string | undefined): string | undefined {
  for (const value of values) {
    const found = look(value);
    if (found !== undefined) return found;
  }
  return undefined;
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
