import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { decodePodPage } from "../api/pod.ts";
import { obfuscate } from "./hash.ts";
import { apiPod, type ContainerOptions, digest, draftOf, type PodOptions, pods } from "./pods.fixture.ts";
import { addPods, type DraftNamespace, emptyDraft } from "./shapes.ts";

const counts = ({ count, terminalCount, ignoredCount, invalidCount, shapes }: DraftNamespace) => ({
  count,
  terminalCount,
  ignoredCount,
  invalidCount,
  shapes: [...shapes.values()].map(({ duplicates }) => duplicates),
});
const shop = (...options: readonly PodOptions[]): DraftNamespace => {
  const namespace = draftOf(pods(...options)).namespaces.get("shop");
  assert.ok(namespace);
  return namespace;
};

const none = { terminalCount: 0, ignoredCount: 0, invalidCount: 0, shapes: [] };
const untagged: ContainerOptions = { imageID: "", image: "quay.example/team/app:v1" };
const decisions: readonly { readonly rule: string; readonly pod: PodOptions; readonly expected: object }[] = [
  { rule: "Running: a shape", pod: {}, expected: { ...none, shapes: [0] } },
  { rule: "Pending with all statuses: a shape", pod: { phase: "Pending" }, expected: { ...none, shapes: [0] } },
  { rule: "Succeeded: terminal", pod: { phase: "Succeeded" }, expected: { ...none, terminalCount: 1 } },
  { rule: "Failed: terminal", pod: { phase: "Failed" }, expected: { ...none, terminalCount: 1 } },
  {
    rule: "Failed with missing statuses: terminal comes first",
    pod: { phase: "Failed", statusOrder: [] },
    expected: { ...none, terminalCount: 1 },
  },
  { rule: "phase Unknown: ignored", pod: { phase: "Unknown" }, expected: { ...none, ignoredCount: 1 } },
  { rule: "no phase: ignored", pod: { phase: "" }, expected: { ...none, ignoredCount: 1 } },
  {
    rule: "a missing status: ignored",
    pod: { containers: [{}, {}], statusOrder: [0] },
    expected: { ...none, ignoredCount: 1 },
  },
  { rule: "no digest anywhere: invalid", pod: { containers: [untagged] }, expected: { ...none, invalidCount: 1 } },
  {
    rule: "one of two containers without a digest: invalid",
    pod: { containers: [{}, untagged] },
    expected: { ...none, invalidCount: 1 },
  },
  {
    rule: "an init container without a digest: invalid",
    pod: { initContainers: [untagged] },
    expected: { ...none, invalidCount: 1 },
  },
  {
    rule: "no digest in the status, one in the specification: a shape",
    pod: { containers: [{ imageID: "sha256:abc", image: `quay.example/team/app@${digest("b")}` }] },
    expected: { ...none, shapes: [0] },
  },
];
for (const { rule, pod, expected } of decisions)
  test(rule, () => assert.equal(counts(shop(pod)), { count: 1, ...expected }));

test("a missing init status: ignored", () => {
  const pod = apiPod({ initContainers: [{}] });
  const { pods: all } = decodePodPage({ items: [{ ...pod, status: { phase: "Running", containerStatuses: [] } }] });
  assert.is(draftOf(all).namespaces.get("shop")?.ignoredCount, 1);
});

test("a status of a name that the specification lacks: invalid", () => {
  const pod = apiPod();
  const status = { phase: "Running", containerStatuses: [{ name: "other", imageID: `app@${digest("a")}` }] };
  const { pods: all } = decodePodPage({ items: [{ ...pod, status }] });
  assert.is(draftOf(all).namespaces.get("shop")?.invalidCount, 1);
});

const one = (container: ContainerOptions): PodOptions => ({ containers: [container] });
const equalities: readonly {
  readonly rule: string;
  readonly pods: readonly PodOptions[];
  readonly shapes: number[];
}[] = [
  { rule: "equal pods: one shape", pods: [{}, { name: "web-2" }, { name: "web-3", node: "node-2" }], shapes: [2] },
  {
    rule: "restart policy, container names and node make no difference",
    pods: [{ node: "node-2", restartPolicy: "Never", containers: [{ name: "other" }] }, {}],
    shapes: [1],
  },
  { rule: "another image: two shapes", pods: [{}, one({ imageID: `app@${digest("b")}` })], shapes: [0, 0] },
  { rule: "another command: two shapes", pods: [{}, one({ command: ["bash"] })], shapes: [0, 0] },
  { rule: "an empty argument is not a missing one", pods: [{}, one({ args: ["-v"] })], shapes: [0, 0] },
  { rule: "a command is not an argument", pods: [one({ command: ["sh"] }), one({ args: ["sh"] })], shapes: [0, 0] },
  {
    rule: "only the first command counts",
    pods: [one({ command: ["sh", "a"] }), one({ command: ["sh", "b"] })],
    shapes: [1],
  },
  { rule: "another number of containers: two shapes", pods: [{}, { containers: [{}, {}] }], shapes: [0, 0] },
  {
    rule: "an init container is not a container",
    pods: [{ containers: [{}, {}] }, { initContainers: [{}] }],
    shapes: [0, 0],
  },
  {
    rule: "an earlier shape is found again behind others",
    pods: [{}, one({ command: ["sh"] }), { name: "web-3" }],
    shapes: [1, 0],
  },
];
for (const { rule, pods: all, shapes } of equalities)
  test(rule, () => assert.equal(counts(shop(...all)).shapes, shapes));

test("containers are in the order of the statuses, with the command of the same name", () => {
  const containers = [
    { name: "app", imageID: `app@${digest("b")}`, command: ["/bin/app", "x"], args: ["-c", "start"] },
    { name: "side", imageID: `side@${digest("c")}`, id: "containerd://side" },
  ];
  const [shape] = shop({ containers, statusOrder: [1, 0] }).shapes.values();
  assert.equal(shape?.containers, [
    { imageID: digest("c"), firstCommand: "", firstArg: "" },
    { imageID: digest("b"), firstCommand: obfuscate("app"), firstArg: obfuscate("") },
  ]);
  assert.equal(shape?.first.containers, [
    { name: "side", reference: "containerd://side" },
    { name: "app", reference: "containerd://web-1-0" },
  ]);
});

test("the first pod decides about restartAlways", () => {
  const [shape] = shop({ restartPolicy: "OnFailure" }, { name: "web-2" }).shapes.values();
  assert.is(shape?.restartAlways, false);
});

const askable: readonly { readonly rule: string; readonly pod: PodOptions; readonly references: readonly string[] }[] =
  [
    { rule: "Running: its containers are asked about", pod: {}, references: ["containerd://web-1-0"] },
    { rule: "Pending: nothing is asked", pod: { phase: "Pending" }, references: [""] },
    { rule: "a terminated container is not asked about", pod: one({ state: "terminated" }), references: [""] },
    {
      rule: "a waiting container with an ID is",
      pod: one({ state: "waiting", id: "cri-o://x" }),
      references: ["cri-o://x"],
    },
    { rule: "a container without an ID is not", pod: one({ id: "" }), references: [""] },
    { rule: "a pod without a node is not", pod: { node: "" }, references: [""] },
    {
      rule: "init containers never are",
      pod: { initContainers: [{ state: "running" }] },
      references: ["containerd://web-1-0"],
    },
  ];
for (const { rule, pod, references } of askable)
  test(rule, () => {
    const [shape] = shop(pod).shapes.values();
    assert.equal(
      shape?.first.containers.map(({ reference }) => reference),
      references,
    );
  });

const limits: readonly {
  readonly rule: string;
  readonly a: number;
  readonly b: number;
  readonly limit: number;
  readonly pods: number;
  readonly reached: boolean;
  readonly entries: Record<string, number>;
}[] = [
  { rule: "exactly the limit: not reached", a: 8, b: 0, limit: 8, pods: 8, reached: false, entries: { a: 8 } },
  {
    rule: "the pod too many opens its namespace",
    a: 8,
    b: 1,
    limit: 8,
    pods: 8,
    reached: true,
    entries: { a: 8, b: 0 },
  },
  { rule: "the limit within a namespace", a: 7, b: 3, limit: 8, pods: 8, reached: true, entries: { a: 7, b: 1 } },
  { rule: "the pod too many in its own namespace", a: 9, b: 2, limit: 8, pods: 8, reached: true, entries: { a: 8 } },
];
for (const { rule, a, b, limit, pods: expected, reached, entries } of limits)
  test(rule, () => {
    const many = (namespace: string, count: number): PodOptions[] =>
      Array.from({ length: count }, (_, index) => ({ namespace, name: `web-${index}` }));
    const draft = draftOf(pods(...many("a", a), ...many("b", b)), limit);
    assert.equal({ pods: draft.pods, reached: draft.limitReached }, { pods: expected, reached });
    assert.equal(Object.fromEntries([...draft.namespaces].map(([name, { count }]) => [name, count])), entries);
  });

test("the reserve holds running replicas on other nodes, two at most", () => {
  const replica = (name: string, node: string, phase = "Running") => ({ name, node, phase });
  const [shape] = shop(
    replica("web-1", "node-1"),
    replica("web-2", "node-1"),
    replica("web-3", "node-2", "Pending"),
    replica("web-4", "node-2"),
    replica("web-5", "node-2"),
    replica("web-6", "node-3"),
    replica("web-7", "node-4"),
  ).shapes.values();
  assert.equal(
    shape?.reserve.map(({ name }) => name),
    ["web-4", "web-6"],
  );
});

const arbitraryPod: fc.Arbitrary<PodOptions> = fc.record({
  namespace: fc.constantFrom("a", "b", "__proto__", "10"),
  name: fc.stringMatching(/^[a-z]{1,6}$/),
  node: fc.constantFrom("node-1", "node-2"),
  phase: fc.constantFrom("Running", "Pending", "Succeeded", "Failed", "Unknown"),
  containers: fc.array(
    fc.record({
      imageID: fc.constantFrom("", `app@${digest("a")}`, `app@${digest("b")}`),
      args: fc.constantFrom([], ["x"]),
    }),
    { maxLength: 2 },
  ),
});

test("every pod is counted once: shapes with duplicates, terminal, ignored and invalid add up", () => {
  fc.assert(
    fc.property(fc.array(arbitraryPod, { maxLength: 40 }), (options) => {
      const draft = draftOf(pods(...options));
      let total = 0;
      for (const namespace of draft.namespaces.values()) {
        const { count, terminalCount, ignoredCount, invalidCount, shapes } = counts(namespace);
        const shaped = shapes.reduce((sum, duplicates) => sum + duplicates + 1, 0);
        assert.is(shaped + terminalCount + ignoredCount + invalidCount, count);
        total += count;
      }
      assert.is(total, draft.pods);
      assert.is(total, options.length);
    }),
  );
});

const rules = { podLimit: 30, isExcluded: () => false };
test("where the pages are cut makes no difference", () => {
  fc.assert(
    fc.property(fc.array(arbitraryPod, { maxLength: 40 }), fc.nat(40), (options, cut) => {
      const all = pods(...options);
      const paged = emptyDraft();
      addPods(paged, all.slice(0, cut), rules);
      addPods(paged, all.slice(cut), rules);
      assert.equal(paged, draftOf(all, 30));
    }),
  );
});

test("pods of a namespace need not follow each other", () => {
  fc.assert(
    fc.property(fc.array(arbitraryPod, { maxLength: 40 }), (options) => {
      const sorted = options.toSorted((a, b) =>
        (a.namespace ?? "") < (b.namespace ?? "") ? -1 : a.namespace === b.namespace ? 0 : 1,
      );
      const mixed = draftOf(pods(...options)).namespaces;
      for (const [name, namespace] of draftOf(pods(...sorted)).namespaces) assert.equal(mixed.get(name), namespace);
    }),
  );
});

test.run();
