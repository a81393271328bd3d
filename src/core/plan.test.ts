import { test } from "uvu";
import * as assert from "uvu/assert";
import type { KubeObject } from "../api/object.ts";
import { covers } from "./covers.ts";
import { hashAnnotation, keyOf, type Operand } from "./operands.ts";
import { type Live, orphanSteps, planSteps, type Step, type Wish } from "./plan.ts";

const ds: Operand = { kind: "DaemonSet", name: "runtime-insights-extractor", side: "node" };
const sa: Operand = { kind: "ServiceAccount", name: "runtime-insights-extractor", side: "node" };
const wanted = (operand: Operand, hash = "h1"): KubeObject => ({
  apiVersion: "v1",
  kind: operand.kind,
  metadata: { name: operand.name, labels: { a: "b" }, annotations: { [hashAnnotation]: hash } },
  spec: { x: 1 },
});
const there = (
  operand: Operand,
  changes: Partial<KubeObject["metadata"]> = {},
  spec: object = { x: 1, y: 2 },
): Live => {
  const object = wanted(operand);
  const server = {
    uid: "u",
    resourceVersion: "7",
    managedFields: [{ manager: "runtime-insights-operator", operation: "Apply" }],
  };
  return { kind: "present", object: { ...object, metadata: { ...object.metadata, ...server, ...changes }, spec } };
};
const foreign = { managedFields: [{ manager: "kubectl", operation: "Update" }] };
const restored = {
  managedFields: [],
  labels: { a: "b", "app.kubernetes.io/managed-by": "runtime-insights-operator" },
  ownerReferences: [
    {
      apiVersion: "runtimes.insights.openshift.io/v1alpha1",
      kind: "InsightsRuntimeExtractor",
      name: "cluster",
      uid: "old",
    },
  ],
};
const install: Wish = { kind: "install", objects: [wanted(sa), wanted(ds)] };
const words = (steps: readonly Step[]) => steps.map(({ action, operand }) => `${action} ${keyOf(operand)}`);

interface Row {
  readonly rule: string;
  readonly wish: Wish;
  readonly sa?: Live;
  readonly ds?: Live;
  readonly steps: readonly string[];
  readonly conflicts?: readonly string[];
}
const absent: Live = { kind: "absent" };
const rows: readonly Row[] = [
  {
    rule: "nothing there: everything is applied in order",
    wish: install,
    steps: ["apply ServiceAccount/runtime-insights-extractor", "apply DaemonSet/runtime-insights-extractor"],
  },
  {
    rule: "all as wanted, with fields of others: no step",
    wish: install,
    sa: there(sa),
    ds: there(ds, { labels: { a: "b", team: "c" } }),
    steps: [],
  },
  {
    rule: "a changed field is applied",
    wish: install,
    sa: there(sa),
    ds: there(ds, {}, { x: 2 }),
    steps: ["apply DaemonSet/runtime-insights-extractor"],
  },
  {
    rule: "a lost label is applied",
    wish: install,
    sa: there(sa),
    ds: there(ds, { labels: {} }),
    steps: ["apply DaemonSet/runtime-insights-extractor"],
  },
  {
    rule: "an object made from other wishes is applied, whatever it covers",
    wish: install,
    sa: there(sa),
    ds: there(ds, { annotations: { [hashAnnotation]: "h0" } }),
    steps: ["apply DaemonSet/runtime-insights-extractor"],
  },
  {
    rule: "somebody else's object is a conflict, not a step",
    wish: install,
    sa: there(sa),
    ds: there(ds, foreign),
    steps: [],
    conflicts: ["DaemonSet/runtime-insights-extractor"],
  },
  {
    rule: "an object restored from a backup is adopted",
    wish: install,
    sa: there(sa),
    ds: there(ds, restored, { x: 0 }),
    steps: ["apply DaemonSet/runtime-insights-extractor"],
  },
  {
    rule: "an object that is going away is waited for",
    wish: install,
    sa: there(sa),
    ds: there(ds, { deletionTimestamp: "t" }, { x: 0 }),
    steps: [],
  },
  {
    rule: "removing: ours go in the opposite order",
    wish: { kind: "remove" },
    sa: there(sa),
    ds: there(ds),
    steps: ["delete DaemonSet/runtime-insights-extractor", "delete ServiceAccount/runtime-insights-extractor"],
  },
  {
    rule: "removing: somebody else's object stays",
    wish: { kind: "remove" },
    sa: there(sa),
    ds: there(ds, foreign),
    steps: ["delete ServiceAccount/runtime-insights-extractor"],
  },
  {
    rule: "removing: what goes already is not deleted again",
    wish: { kind: "remove" },
    ds: there(ds, { deletionTimestamp: "t" }),
    steps: [],
  },
  { rule: "keeping: no step, whatever is there", wish: { kind: "keep" }, ds: there(ds, {}, { x: 2 }), steps: [] },
  {
    rule: "an object that is wanted no more goes",
    wish: { kind: "install", objects: [wanted(sa)] },
    sa: there(sa),
    ds: there(ds),
    steps: ["delete DaemonSet/runtime-insights-extractor"],
  },
  {
    rule: "keeping, but for what is to go",
    wish: { kind: "keep", drop: new Set([keyOf(ds)]) },
    sa: there(sa, {}, { x: 2 }),
    ds: there(ds),
    steps: ["delete DaemonSet/runtime-insights-extractor"],
  },
  {
    rule: "keeping, but for what is to go: somebody else's stays",
    wish: { kind: "keep", drop: new Set([keyOf(ds)]) },
    ds: there(ds, foreign),
    steps: [],
  },
  {
    rule: "an object to leave is neither applied nor deleted",
    wish: { kind: "install", objects: [wanted(sa)], leave: new Set([keyOf(ds)]) },
    sa: there(sa),
    ds: there(ds),
    steps: [],
  },
  {
    rule: "what cannot be read is left alone",
    wish: install,
    sa: there(sa),
    ds: { kind: "unreadable", message: "403" },
    steps: [],
  },
];
for (const row of rows)
  test(row.rule, () => {
    const live = new Map([
      [keyOf(sa), row.sa ?? absent],
      [keyOf(ds), row.ds ?? absent],
    ]);
    const plan = planSteps([sa, ds], { node: row.wish, gatherer: { kind: "keep" } }, live);
    assert.equal(
      { steps: words(plan.steps), conflicts: plan.conflicts.map(keyOf) },
      { steps: row.steps, conflicts: row.conflicts ?? [] },
    );
  });

test("a deletion names uid and resource version, so that nothing newer is hit", () => {
  const { steps } = planSteps(
    [ds],
    { node: { kind: "remove" }, gatherer: { kind: "keep" } },
    new Map([[keyOf(ds), there(ds)]]),
  );
  assert.equal(steps, [{ action: "delete", operand: ds, uid: "u", resourceVersion: "7", propagation: "Background" }]);
});

const pairs: readonly {
  readonly rule: string;
  readonly live: unknown;
  readonly wanted: unknown;
  readonly covers: boolean;
}[] = [
  { rule: "defaults of the API server are fine", live: { a: 1, b: 2 }, wanted: { a: 1 }, covers: true },
  { rule: "a missing field is not", live: {}, wanted: { a: 1 }, covers: false },
  { rule: "an empty object that was dropped is fine", live: {}, wanted: { emptyDir: {} }, covers: true },
  { rule: "an empty list that was dropped is fine", live: {}, wanted: { list: [] }, covers: true },
  { rule: "null stands for absent", live: {}, wanted: { priority: null }, covers: true },
  {
    rule: "containers are matched by name, more of them are fine",
    live: { containers: [{ name: "x" }, { name: "a", image: "1", more: 1 }] },
    wanted: { containers: [{ name: "a", image: "1" }] },
    covers: true,
  },
  {
    rule: "a container with another image is not",
    live: { containers: [{ name: "a", image: "2" }] },
    wanted: { containers: [{ name: "a", image: "1" }] },
    covers: false,
  },
  {
    rule: "ports are matched by number",
    live: { ports: [{ port: 8443, targetPort: 1 }, { port: 1 }] },
    wanted: { ports: [{ port: 8443 }] },
    covers: true,
  },
  {
    rule: "arguments are one value: more of them are not fine",
    live: { args: ["a", "b"] },
    wanted: { args: ["a"] },
    covers: false,
  },
  {
    rule: "policy rules are one value: more of them are not fine",
    live: { ingress: [{ a: 1 }, {}] },
    wanted: { ingress: [{ a: 1 }] },
    covers: false,
  },
  {
    rule: "quantities are equal by value",
    live: { requests: { memory: "1Gi", cpu: "500m" } },
    wanted: { requests: { memory: "1024Mi", cpu: "0.5" } },
    covers: true,
  },
  {
    rule: "and differ by value",
    live: { requests: { memory: "1G" } },
    wanted: { requests: { memory: "1Gi" } },
    covers: false,
  },
];
for (const pair of pairs) test(`comparing: ${pair.rule}`, () => assert.is(covers(pair.live, pair.wanted), pair.covers));

const propagation = (wish: Wish, live: Live, overdue?: ReadonlySet<string>) => {
  const { steps } = planSteps([ds], { node: wish, gatherer: { kind: "keep" } }, new Map([[keyOf(ds), live]]), overdue);
  return steps.map((step) => (step.action === "delete" ? [step.propagation, step.uid, step.resourceVersion] : []));
};
const late = new Set([keyOf(ds)]);
const going = { deletionTimestamp: "t", finalizers: ["foregroundDeletion"] };

test("what goes while the rest of its side stays goes after its pods", () => {
  assert.equal(propagation({ kind: "install", objects: [] }, there(ds)), [["Foreground", "u", "7"]]);
  assert.equal(propagation({ kind: "keep", drop: late }, there(ds)), [["Foreground", "u", "7"]]);
  assert.equal(propagation({ kind: "remove" }, there(ds)), [["Background", "u", "7"]]);
});

test("what waits for its pods in vain goes without them, whatever is wished by now; somebody else's never", () => {
  for (const wish of [install, { kind: "keep" }, { kind: "remove" }] satisfies Wish[]) {
    assert.equal(propagation(wish, there(ds, going)), []);
    assert.equal(propagation(wish, there(ds, going), late), [["Background", "u", undefined]]);
    assert.equal(propagation(wish, there(ds, { ...going, ...foreign }), late), []);
  }
});

const { ownerReferences } = restored;
const orphans: readonly { readonly rule: string; readonly live: Live; readonly deleted: boolean }[] = [
  { rule: "ours, without an owner: deleted", live: there(ds), deleted: true },
  {
    rule: "owned, by whatever config: left to the garbage collector",
    live: there(ds, { ownerReferences }),
    deleted: false,
  },
  { rule: "somebody else's: left", live: there(ds, foreign), deleted: false },
  { rule: "going away: left", live: there(ds, { deletionTimestamp: "2026-01-01T00:00:00Z" }), deleted: false },
  { rule: "unreadable: left", live: { kind: "unreadable", message: "403" }, deleted: false },
];
for (const { rule, live, deleted } of orphans)
  test(`without a config, ${rule}`, () => {
    const steps = orphanSteps([sa, ds], new Map([[keyOf(ds), live]]));
    assert.equal(words(steps), deleted ? ["delete DaemonSet/runtime-insights-extractor"] : []);
  });

test.run();
