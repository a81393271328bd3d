import { test } from "uvu";
import * as assert from "uvu/assert";
import type { KubeObject } from "../api/object.ts";
import { settle, type Tries, triesAfter } from "./disputes.ts";
import { keyOf, type Operand, type Side } from "./operands.ts";
import type { Live, Step } from "./plan.ts";

const operand: Operand = { kind: "DaemonSet", name: "runtime-insights-extractor", side: "node" };
const key = keyOf(operand);
const field = "spec.template.spec.containers[a].imagePullPolicy";
const object = (imagePullPolicy: string, more: object = {}): KubeObject => ({
  ...{ apiVersion: "apps/v1", kind: operand.kind, metadata: { name: operand.name } },
  spec: { template: { spec: { containers: [{ name: "a", imagePullPolicy, ...more }] } } },
});
const second = 1_000;
const minute = 60_000;

interface Look {
  readonly atMs: number;
  /** What is found; default: what was changed. */
  readonly is?: "changed" | "as wanted" | "absent" | "changed elsewhere";
  readonly wanted?: KubeObject;
  /** The write fails. */
  readonly refused?: boolean;
  readonly sides?: readonly Side[];
}

/** A word for each look: what is done and whether it is told. */
function course(looks: readonly Look[]): readonly string[] {
  let tries: Tries = new Map();
  return looks.map(({ atMs, is = "changed", wanted = object("IfNotPresent"), refused = false, sides = ["node"] }) => {
    const found = {
      changed: object("Always"),
      "as wanted": wanted,
      "changed elsewhere": object("IfNotPresent", { image: "x" }),
    };
    const live: Live = is === "absent" ? { kind: "absent" } : { kind: "present", object: found[is] };
    const steps: readonly Step[] = is === "as wanted" ? [] : [{ action: "apply", operand, object: wanted }];
    const all = settle({ steps, live: new Map([[key, live]]), sides: new Set(sides), tries, nowMs: atMs });
    tries = triesAfter(all, refused ? [{ operand, message: "403" }] : []);
    for (const { message } of all.disputed)
      assert.is(
        message,
        `${field} is reverted by another controller or an admission policy each time the operator sets it`,
      );
    const waits = all.afterMs === undefined ? "" : `, again in ${all.afterMs / second} s`;
    return `${all.steps.length > 0 ? "set" : "left"}${all.disputed.length > 0 ? ", told" : ""}${waits}`;
  });
}

const at = (...seconds: readonly number[]): readonly Look[] => seconds.map((one) => ({ atMs: one * second }));
const fight = at(0, 2, 4);
const set = "set, again in 2 s";
const rows: readonly (readonly [rule: string, looks: readonly Look[], expected: readonly string[]])[] = [
  ["changed once: set at once, and looked at soon", at(0), [set]],
  [
    "what stays so is forgotten",
    [...at(0, 2), { atMs: 20 * minute, is: "as wanted" }, ...at(1300)],
    [set, set, "left", set],
  ],
  [
    "three times it is set at once, then it is told and waits",
    [...fight, ...at(6)],
    [set, set, set, "left, told, again in 28 s"],
  ],
  [
    "it waits twice as long each time, ten minutes at most",
    [...fight, ...at(34, 36, 94, 96, 214, 454, 934, 936, 1534, 1536)],
    [
      ...[set, set, set, "set, told, again in 2 s", "left, told, again in 58 s", "set, told, again in 2 s"],
      ...[
        "left, told, again in 118 s",
        "set, told, again in 2 s",
        "set, told, again in 2 s",
        "set, told, again in 2 s",
      ],
      ...["left, told, again in 598 s", "set, told, again in 2 s", "left, told, again in 598 s"],
    ],
  ],
  [
    "a moment as we want it ends nothing",
    [...fight, ...at(6), { atMs: 34 * second, is: "as wanted" }, { atMs: 63 * second, is: "as wanted" }],
    [set, set, set, "left, told, again in 28 s", "left, told, again in 30 s", "left, told, again in 1 s"],
  ],
  [
    "a minute as we want it does",
    [...fight, ...at(34), { atMs: 94 * second, is: "as wanted" }, ...at(95)],
    [set, set, set, "set, told, again in 2 s", "left", set],
  ],
  [
    "a controller that comes every five minutes: it is told until ours has stayed for ten",
    [
      ...at(0, 300, 600, 900),
      { atMs: 902 * second, is: "as wanted" },
      ...at(1200),
      { atMs: 1800 * second, is: "as wanted" },
    ],
    [set, set, set, "set, told, again in 2 s", "left, told, again in 598 s", "set, told, again in 2 s", "left"],
  ],
  [
    "another wish is carried out at once, and begins anew",
    [...fight, { atMs: 5 * second, wanted: object("Never") }, { atMs: 7 * second, wanted: object("Never") }],
    [set, set, set, set, set],
  ],
  [
    "another field is another matter",
    [...fight, { atMs: 5 * second, is: "changed elsewhere", wanted: object("IfNotPresent", { image: "y" }) }],
    [set, set, set, set],
  ],
  [
    "what is gone is made at once",
    [...fight, { atMs: 5 * second, is: "absent" }, ...at(6)],
    [set, set, set, "set", set],
  ],
  [
    "a write that failed is no try",
    [...fight.map((look) => ({ ...look, refused: true })), ...at(6, 8)],
    [set, set, set, set, set],
  ],
  [
    "of a side that is not to be there nothing is told",
    [...fight, { atMs: 5 * second, is: "as wanted", sides: ["gatherer"] }],
    [set, set, set, "left"],
  ],
];
for (const [rule, looks, expected] of rows) test(`${rule}`, () => assert.equal(course(looks), expected));

test.run();
