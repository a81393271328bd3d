/** From a page of pods, whatever it holds, to the bytes of the archive: what must be true of all of them. */
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { decodePodPage, type Pod } from "../api/pod.ts";
import { workloadJson } from "./archive.ts";
import { obfuscate } from "./hash.ts";
import { merge } from "./merge.ts";
import { apiPod, digest, type PodOptions } from "./pods.fixture.ts";
import { addPods, emptyDraft } from "./shapes.ts";

interface Sums {
  readonly count: number;
  readonly terminalCount?: number;
  readonly ignoredCount?: number;
  readonly invalidCount?: number;
  readonly shapes: readonly { readonly duplicates?: number; readonly containers: readonly object[] }[];
}
interface Workload {
  readonly pods: number;
  readonly namespaces: Readonly<Record<string, Sums>> | null;
}

/** The workload info of the pages, parsed again from its bytes. */
function workloadOf(pages: readonly (readonly Pod[])[], podLimit = 100_000): Workload {
  const draft = emptyDraft();
  for (const page of pages) addPods(draft, page, { podLimit, isExcluded: () => false });
  const bytes = workloadJson(merge(draft, new Map(), { count: draft.images.size, found: new Map() }));
  assert.ok(bytes.isWellFormed());
  return JSON.parse(bytes);
}

/** Every pod is in exactly one of the counts. */
function checkSums({ pods, namespaces }: Workload): void {
  let all = 0;
  for (const { count, terminalCount = 0, ignoredCount = 0, invalidCount = 0, shapes } of Object.values(
    namespaces ?? {},
  )) {
    const shaped = shapes.reduce((sum, { duplicates = 0 }) => sum + duplicates + 1, 0);
    assert.is(shaped + terminalCount + ignoredCount + invalidCount, count);
    all += count;
  }
  assert.is(all, pods);
}

/** What does not depend on which pod of a shape comes first. */
const sumsOf = ({ pods, namespaces }: Workload) => ({
  pods,
  namespaces: Object.entries(namespaces ?? {})
    .map(([name, { shapes, ...counts }]) => ({
      ...{ name, ...counts },
      duplicates: shapes.map(({ duplicates = 0, containers }) => `${JSON.stringify(containers)} ${duplicates}`).sort(),
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1)),
});

const strange = fc.constantFrom(
  ...[
    "__proto__",
    "constructor",
    "toString",
    "hasOwnProperty",
    "0",
    "-1",
    "4294967296",
    "",
    " ",
    "a/b",
    "\ud800",
    "\udfff",
    "\u2028",
  ],
);
const name = fc.oneof(strange, fc.constantFrom("a", "b", "c"), fc.string({ unit: "binary" }));
const imageID = fc.oneof(fc.constantFrom(`x@${digest("a")}`, `docker-pullable://x@${digest("b")}`, digest("a")), name);
const maybe = <T>(value: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 9, arbitrary: value }, { weight: 1, arbitrary: fc.jsonValue() });
const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined, freq: 9 });

const container = fc.record({
  name: maybe(name),
  image: maybe(imageID),
  command: optional(maybe(fc.array(name))),
  args: optional(maybe(fc.array(name))),
});
const status = fc.record({
  ...{ name: maybe(name), imageID: maybe(imageID), containerID: maybe(name) },
  state: optional(maybe(fc.constantFrom({ running: {} }, { terminated: {} }, {}, null))),
});
/** A pod that nearly is one: each field may be missing or be something else. */
const pod = fc
  .record({
    metadata: maybe(fc.record({ namespace: maybe(name), name: maybe(name) })),
    phase: maybe(fc.constantFrom("Running", "Running", "Pending", "Succeeded", "Failed", "Unknown")),
    containers: fc.array(container, { maxLength: 3 }),
    statuses: optional(fc.array(status, { maxLength: 3 })),
    nodeName: optional(maybe(fc.constantFrom("node-1", "node-2", ""))),
  })
  .map(({ metadata, phase, containers, statuses, nodeName }) => ({
    metadata,
    spec: { containers, nodeName, restartPolicy: "Always" },
    status: {
      phase,
      containerStatuses: statuses ?? containers.map(({ name: of }) => ({ name: of, imageID: `x@${digest("a")}` })),
    },
  }));
const sound = fc
  .record({
    ...{ namespace: name, name, node: fc.constantFrom("node-1", "node-2") },
    phase: fc.constantFrom("Running", "Running", "Pending", "Succeeded", "Unknown"),
    containers: fc.array(fc.record({ command: fc.array(name, { maxLength: 2 }) }), { maxLength: 3 }),
  })
  .map(apiPod);

const podsOf = (items: readonly unknown[]) => decodePodPage({ items }).pods;

test("any value in place of a page is decoded, or refused with one sentence", () => {
  const page = fc.oneof(
    fc.jsonValue(),
    fc.record({ metadata: fc.jsonValue(), items: fc.oneof(fc.jsonValue(), fc.array(fc.jsonValue())) }),
  );
  fc.assert(
    fc.property(page, (value) => {
      try {
        checkSums(workloadOf([decodePodPage(value).pods]));
      } catch (cause) {
        if (cause instanceof assert.Assertion) throw cause;
        assert.match(String(cause), /^Error: reading a page of pods: /);
      }
    }),
  );
});

test("whatever pods a page holds, each is in exactly one count", () => {
  fc.assert(
    fc.property(fc.array(pod), (items) => checkSums(workloadOf([podsOf(items)]))),
    { numRuns: 300 },
  );
});

const broken: readonly (readonly [rule: string, pod: unknown, namespace: string])[] = [
  ["null", null, ""],
  ["a list", [], ""],
  ["a number", 1, ""],
  ["no metadata", { spec: {} }, ""],
  ["a namespace that is none", { metadata: { namespace: 1, name: "a" } }, ""],
  ["a phase that is a number", { metadata: { namespace: "shop" }, status: { phase: 1 } }, "shop"],
  ["containers that are an object", { metadata: { namespace: "shop" }, spec: { containers: {} } }, "shop"],
  ["null in place of a container", { metadata: { namespace: "shop" }, spec: { containers: [null] } }, "shop"],
  ["a command that is a text", { metadata: { namespace: "shop" }, spec: { containers: [{ command: "sh" }] } }, "shop"],
];
for (const [rule, one, namespace] of broken)
  test(`${rule} in place of a pod is invalid and costs no other`, () => {
    const { pods: count, namespaces } = workloadOf([
      podsOf([apiPod({ namespace: "bank" }), one, apiPod({ namespace: "bank" })]),
    ]);
    assert.is(count, 3);
    assert.equal(namespaces?.[obfuscate(namespace)], { count: 1, invalidCount: 1, shapes: [] });
    assert.is(namespaces?.[obfuscate("bank")]?.shapes[0]?.duplicates, 1);
  });

const bare: readonly (readonly [rule: string, pod: object, counts: object])[] = [
  ["no spec and no status", {}, { ignoredCount: 1 }],
  ["a spec without status", { spec: { containers: [{ name: "a" }] } }, { ignoredCount: 1 }],
  ["statuses without spec", { status: { phase: "Running", containerStatuses: [{ name: "a" }] } }, { ignoredCount: 1 }],
  ["a phase alone", { status: { phase: "Failed" } }, { terminalCount: 1 }],
];
for (const [rule, one, counts] of bare)
  test(`a pod with ${rule} is counted`, () => {
    const { namespaces } = workloadOf([podsOf([{ metadata: { namespace: "shop", name: "a" }, ...one }])]);
    assert.equal(namespaces?.[obfuscate("shop")], { count: 1, ...counts, shapes: [] });
  });

test("the limit does not break the sums", () => {
  fc.assert(
    fc.property(fc.array(sound), fc.nat(10), (items, limit) => {
      const workload = workloadOf([podsOf(items)], limit + 1);
      checkSums(workload);
      assert.is(workload.pods, Math.min(items.length, limit + 1));
    }),
  );
});

test("the order of pages, and where they are cut, does not matter for the sums", () => {
  const cut = <T>(all: readonly T[], at: number) => [all.slice(0, at), all.slice(at)];
  fc.assert(
    fc.property(fc.array(sound), fc.nat(20), (items, at) => {
      const pods = podsOf(items);
      const expected = sumsOf(workloadOf([pods]));
      assert.equal(sumsOf(workloadOf(cut(pods, at))), expected);
      assert.equal(sumsOf(workloadOf(cut(pods, at).reverse())), expected);
      assert.equal(sumsOf(workloadOf([pods.toReversed()])), expected);
    }),
  );
});

for (const namespace of ["__proto__", "constructor", "toString", "7", "\ud800", "a/b"])
  test(`a namespace, a pod and a container called ${JSON.stringify(namespace)} are like all others`, () => {
    const options = { namespace, name: namespace, containers: [{ name: namespace }] };
    const { namespaces } = workloadOf([podsOf([apiPod(options), apiPod({ ...options, name: "other" })])]);
    const shape = { duplicates: 1, restartAlways: true, containers: [{ imageID: digest("a") }] };
    assert.equal(Object.entries(namespaces ?? {}), [[obfuscate(namespace), { count: 2, shapes: [shape] }]]);
  });

test("ten thousand containers whose statuses are in another order take hardly longer than in order", () => {
  const containers = Array.from({ length: 10_000 }, (_, n) => ({ name: `c${n}` }));
  const timesOf = (options: PodOptions): readonly number[] => {
    const pods = podsOf([apiPod({ containers, ...options })]);
    return [1, 2, 3].map(() => {
      const startedMs = performance.now();
      assert.is(Object.values(workloadOf([pods]).namespaces ?? {})[0]?.shapes[0]?.containers.length, 10_000);
      return performance.now() - startedMs;
    });
  };
  const inOrderMs = Math.max(...timesOf({}));
  const backwardsMs = Math.min(...timesOf({ statusOrder: containers.map((_, n) => containers.length - 1 - n) }));
  assert.ok(backwardsMs < 4 * inOrderMs, `${backwardsMs} ms, not ${inOrderMs}`);
});

test("arguments of a megabyte are read in no time and leave twelve letters", () => {
  const megabyte = 1024 * 1024;
  const endless = [
    " ".repeat(megabyte),
    "/".repeat(megabyte),
    "x".repeat(megabyte),
    `-${"=".repeat(megabyte)}`,
    "a/".repeat(megabyte / 2),
  ];
  const pods = podsOf(endless.map((text) => apiPod({ containers: [{ command: [text], args: [text] }] })));
  const startedMs = performance.now();
  const workload = JSON.stringify(workloadOf([pods]));
  assert.ok(performance.now() - startedMs < 10_000, `${performance.now() - startedMs} ms`);
  assert.ok(workload.length < 2_000);
});

test.run();
