import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { workloadJson } from "./archive.ts";
import { obfuscate } from "./hash.ts";
import { answersOf, merge } from "./merge.ts";
import { digest, draftOf, type PodOptions, pods } from "./pods.fixture.ts";
import { firstQueries, type NodeOutcome, type NodeQuery, readAnswer, secondQueries } from "./query.ts";
import type { Draft } from "./shapes.ts";

const noImages = { count: 0, found: new Map() };

/** An answer about everything, which says in `os`, hashed as all of it is, where it comes from. */
const honest = (query: NodeQuery): NodeOutcome => {
  const body: Record<string, Record<string, Record<string, unknown>>> = {};
  for (const { namespace, pod, reference } of query.containers) {
    body[namespace] ??= {};
    const all = body[namespace];
    all[pod] ??= {};
    all[pod][reference] = { os: obfuscate(`${query.node} ${pod}`) };
  }
  return readAnswer(query, body, { detail: true });
};
const failed = (query: NodeQuery): NodeOutcome => ({ kind: "failed", query, reason: "Timeout", message: "" });
const systems = (draft: Draft, outcomes: readonly NodeOutcome[]) =>
  [...merge(draft, answersOf(outcomes), noImages).namespaces.values()].flatMap(({ shapes }) =>
    shapes.map(({ containers }) => containers.map(({ runtimeInfo }) => runtimeInfo?.os)),
  );

test("each regular container gets its answer, init containers never", () => {
  const draft = draftOf(
    pods({ containers: [{}, {}, { state: "terminated" }], initContainers: [{ state: "running" }] }),
  );
  const outcomes = firstQueries(draft).map(honest);
  assert.equal(systems(draft, outcomes), [[obfuscate("node-1 web-1"), obfuscate("node-1 web-1"), undefined]]);
  const [shape] = merge(draft, answersOf(outcomes), noImages).namespaces.get("shop")?.shapes ?? [];
  assert.equal(shape?.initContainers, [{ imageID: digest("a"), firstCommand: "", firstArg: "" }]);
});

test("a node that failed costs its runtimes only", () => {
  const draft = draftOf(pods({}, { name: "db", node: "node-2", containers: [{ command: ["db"] }] }));
  const [first, second] = firstQueries(draft);
  assert.ok(first && second);
  assert.equal(systems(draft, [failed(first), honest(second)]), [[undefined], [obfuscate("node-2 db")]]);
});

test("a replica answers for a shape whose first pod cannot", () => {
  const draft = draftOf(pods({ phase: "Pending" }, { name: "web-2", node: "node-2" }));
  const outcomes = [...firstQueries(draft), ...secondQueries(draft, [])].map(honest);
  assert.equal(systems(draft, outcomes), [[obfuscate("node-2 web-2")]]);
});

test("where the first pod was answered, a replica changes nothing", () => {
  const draft = draftOf(pods({}, { name: "web-2", node: "node-2" }));
  const replica = {
    node: "node-2",
    containers: [{ namespace: "shop", pod: "web-2", reference: "containerd://web-2-0" }],
  };
  assert.equal(systems(draft, [honest(replica), ...firstQueries(draft).map(honest)]), [[obfuscate("node-1 web-1")]]);
});

test("a node cannot answer for a container of another", () => {
  const draft = draftOf(pods({}, { name: "db", node: "node-2", containers: [{ command: ["db"] }] }));
  const [first, second] = firstQueries(draft);
  assert.ok(first && second);
  const lie = {
    shop: {
      db: { "containerd://db-0": { os: obfuscate("lie") } },
      "web-1": { "containerd://web-1-0": { os: obfuscate("true") } },
    },
  };
  assert.equal(systems(draft, [readAnswer(first, lie, { detail: true }), failed(second)]), [
    [obfuscate("true")],
    [undefined],
  ]);
});

test("images are those of all containers, each once", () => {
  const draft = draftOf(
    pods(
      { initContainers: [{ imageID: `app@${digest("b")}` }] },
      { containers: [{}, { imageID: `app@${digest("c")}` }] },
    ),
  );
  assert.equal([...draft.images], [digest("b"), digest("a"), digest("c")]);
});

const arbitraryPods: fc.Arbitrary<PodOptions[]> = fc
  .array(
    fc.record({
      node: fc.constantFrom("node-1", "node-2", "node-3"),
      phase: fc.constantFrom("Running", "Pending"),
      containers: fc.array(fc.record({ args: fc.constantFrom([], ["x"], ["y"]) }), { minLength: 1, maxLength: 2 }),
    }),
    { maxLength: 20 },
  )
  .map((all) => all.map((one, index) => ({ ...one, name: `web-${index}` })));

test("merging twice changes nothing, neither does the order of the answers, and shapes are never regrouped", () => {
  fc.assert(
    fc.property(arbitraryPods, fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }), (options, works) => {
      const draft = draftOf(pods(...options));
      const outcomes = firstQueries(draft).map((query) =>
        works[Number(query.node.at(-1)) - 1] ? honest(query) : failed(query),
      );
      const once = workloadJson(merge(draft, answersOf(outcomes), noImages));
      assert.is(workloadJson(merge(draft, answersOf([...outcomes, ...outcomes]), noImages)), once);
      assert.is(workloadJson(merge(draft, answersOf(outcomes.toReversed()), noImages)), once);
      assert.is(once.replaceAll(/,"runtimeInfo":\{[^}]*\}/g, ""), workloadJson(merge(draft, new Map(), noImages)));
    }),
  );
});

test.run();
