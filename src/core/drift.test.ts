/** Whatever is changed in our objects is repaired by one write of that object; whatever others add to them is left alone. */
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { specSchema } from "../api/config.ts";
import { type KubeObject, kubeObjectSchema } from "../api/object.ts";
import { listKeys, wholeObjects } from "./covers.ts";
import { both, inputOf } from "./desired.fixture.ts";
import { keyOf, operands } from "./operands.ts";
import { type Live, planSteps } from "./plan.ts";

type Value = null | string | number | boolean | Value[] | { [field: string]: Value };
type Path = readonly (string | number)[];

/** What somebody else did to one object. */
interface Deed {
  readonly what: "changed" | "removed" | "added";
  readonly key: string;
  readonly path: Path;
  /** We said this, so it is to be said again. */
  readonly isOurs: boolean;
}

const foreign = "of-somebody-else";
/** Whatever the list, its key is another. */
const foreignEntry = {
  ...{ apiVersion: "v1", kind: "ConfigMap", name: foreign, uid: foreign },
  ...{ mountPath: "/foreign", port: 1, containerPort: 1 },
};
/** Nobody can change them without making another object. */
const identity = new Set(["apiVersion", "kind", "metadata.name", "metadata.namespace"]);

const keyOfObject = ({ kind, metadata: { name } }: KubeObject) => keyOf({ kind, name });
const isList = (value: Value): value is Value[] => Array.isArray(value);
const isObject = (value: Value): value is { [field: string]: Value } =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isKeyed = (field: string, list: readonly Value[]) => listKeys[field] !== undefined && list.every(isObject);

/** All that can be done to the value at that path, `inside`: below a list or object that is ours as a whole. */
function deedsBelow(key: string, value: Value, path: Path, inside: boolean): readonly Deed[] {
  const field = String(path.findLast((step) => typeof step === "string") ?? "");
  if (isList(value)) {
    const atomic = inside || !isKeyed(field, value);
    return [
      { what: "added", key, path, isOurs: atomic },
      ...value.flatMap((entry, at) => deedsBelow(key, entry, [...path, at], atomic)),
    ];
  }
  if (isObject(value)) {
    const whole = inside || (typeof path.at(-1) === "string" && wholeObjects.has(field));
    const isListed = typeof path.at(-1) === "number";
    return [
      ...(path.length === 0 ? [] : [{ what: "added", key, path, isOurs: whole } as const]),
      ...(isListed ? [{ what: "removed", key, path, isOurs: true } as const] : []),
      ...Object.entries(value).flatMap(([name, inner]) => deedsBelow(key, inner, [...path, name], whole)),
    ];
  }
  if (identity.has(path.join("."))) return [];
  const changed: Deed = { what: "changed", key, path, isOurs: true };
  const isRequired = value === null || path.includes("ownerReferences");
  return isRequired ? [changed] : [changed, { what: "removed", key, path, isOurs: true }];
}

const plain = (object: KubeObject): Value => JSON.parse(JSON.stringify(object));

/** As the API server would return it, with what it adds itself. */
function liveOf(object: KubeObject): { [field: string]: Value } {
  const copy = plain(object);
  if (!isObject(copy) || !isObject(copy.metadata ?? null)) throw new Error("not an object");
  const server = { uid: "u", resourceVersion: "7", creationTimestamp: "2026-01-01T00:00:00Z" };
  const managedFields = [{ manager: "runtime-insights-operator", operation: "Apply" }];
  return { ...copy, metadata: { ...Object(copy.metadata), ...server, managedFields }, status: { observed: 1 } };
}

function otherThan(value: Value): Value {
  if (typeof value === "number") return value + 1;
  if (typeof value === "boolean") return !value;
  return foreign;
}

function carryOut({ what, path }: Deed, root: Value): void {
  let at = root;
  for (const step of what === "added" ? path : path.slice(0, -1))
    at = isList(at) ? (at[Number(step)] ?? null) : isObject(at) ? (at[step] ?? null) : null;
  const last = path.at(-1) ?? "";
  if (what === "added" && isList(at)) at.push(at.every(isObject) ? foreignEntry : foreign);
  else if (what === "added" && isObject(at)) at[foreign] = foreign;
  else if (what === "changed" && isList(at)) at[Number(last)] = otherThan(at[Number(last)] ?? null);
  else if (what === "changed" && isObject(at)) at[last] = otherThan(at[last] ?? null);
  else if (isList(at)) at.splice(Number(last), 1);
  else if (isObject(at)) delete at[last];
}

/** What is written after these deeds, as `apply DaemonSet/a`. */
function writesAfter(wanted: readonly KubeObject[], deeds: readonly Deed[]): readonly string[] {
  const live = new Map<string, Live>();
  for (const object of wanted) {
    const found = liveOf(object);
    // From the end of a list to its start, so that no deed moves the place of the next.
    for (const deed of deeds.filter(({ key }) => key === keyOfObject(object)).toReversed()) carryOut(deed, found);
    live.set(keyOfObject(object), { kind: "present", object: kubeObjectSchema.parse(found) });
  }
  const wish = { kind: "install", objects: wanted } as const;
  return planSteps(operands, { node: wish, gatherer: wish }, live).steps.map(
    ({ action, operand }) => `${action} ${keyOf(operand)}`,
  );
}

const deedsTo = (objects: readonly KubeObject[]) =>
  objects.flatMap((object) => deedsBelow(keyOfObject(object), plain(object), [], false));
const expected = (deeds: readonly Deed[]) => {
  const touched = new Set(deeds.filter(({ isOurs }) => isOurs).map(({ key }) => key));
  return operands
    .map(keyOf)
    .filter((key) => touched.has(key))
    .map((key) => `apply ${key}`);
};

test("one leaf of ours changed or removed: one write of its object; anything added by others: none", () => {
  const wanted = both(inputOf());
  const deeds = deedsTo(wanted);
  assert.ok(deeds.length > 1_000, `${deeds.length} deeds`);
  const wrong = deeds.filter((deed) => writesAfter(wanted, [deed]).join() !== expected([deed]).join());
  assert.equal(
    wrong.map(({ what, key, path }) => `${what} ${key} ${path.join(".")}`),
    [],
  );
});

const specs = fc.record(
  {
    extractor: fc.record(
      {
        nodeSelector: fc.constant({ disk: "ssd" }),
        tolerations: fc.constantFrom([{ operator: "Exists" }], [{ key: "a", effect: "NoSchedule" }, { key: "b" }]),
        priorityClassName: fc.constant("high"),
        containerTimeout: fc.constant("9s"),
        securityProfile: fc.constantFrom("Privileged", "LeastPrivilege"),
        resources: fc.constantFrom({ limits: { memory: "1Gi" } }, { requests: { cpu: "1" } }),
      },
      { requiredKeys: [] },
    ),
    storage: fc.record({ retention: fc.constant({ archives: 3, age: "24h" }) }, { requiredKeys: [] }),
  },
  { requiredKeys: [] },
);

test("whatever the config says and however many things were done: the objects with something of ours, once each", () => {
  fc.assert(
    fc.property(specs, fc.array(fc.nat(), { minLength: 1, maxLength: 6 }), (spec, choices) => {
      const wanted = both(inputOf({ settings: specSchema.parse(spec) }));
      const all = deedsTo(wanted);
      // One per object: a second one could undo the first.
      const chosen = new Map(
        choices
          .map((choice) => all[choice % all.length])
          .flatMap((deed) => (deed === undefined ? [] : [[deed.key, deed] as const])),
      );
      assert.equal(writesAfter(wanted, [...chosen.values()]), expected([...chosen.values()]));
    }),
    { numRuns: 300 },
  );
});

test.run();
