/** Clusters and nodes that say wrong, strange or endless things: what the archive keeps, and what the outcome says. */
import { readdir, writeFile } from "node:fs/promises";
import type { RequestListener } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Script } from "../adapters/api.fixture.ts";
import { obfuscate } from "../core/hash.ts";
import { apiPod } from "../core/pods.fixture.ts";
import { errorsOf, inWorld, run, unpacked, workloadOf } from "./gather.fixture.ts";

test("nodes that say more than an archive may hold cost the runtimes, never the shapes", () => {
  const pods = Array.from({ length: 4 }, (_, n) => ({
    ...{ name: `big-${n}`, node: `node-${n + 1}` },
    containers: Array.from({ length: 2_000 }, () => ({ command: [`program-${n}`] })),
  }));
  const runtimes = Array.from({ length: 64 }, () => ({ name: "n".repeat(12), version: "v".repeat(12) }));
  const exporter: RequestListener = async (request, response) => {
    const { containerIds } = JSON.parse(await text(request));
    const [first = ""] = containerIds;
    const pod = first.replace("containerd://", "").replace(/-\d+$/, "");
    response.end(
      JSON.stringify({ shop: { [pod]: Object.fromEntries(containerIds.map((id: string) => [id, { runtimes }])) } }),
    );
  };
  const extractors = Object.fromEntries(pods.map(({ node }, n) => [node, `127.0.0.${n + 1}`]));
  return inWorld({ pods, exporter, extractors }, async (world) => {
    const { outcome } = await run(world, { inventory: false, nodeTimeoutMs: 30_000 });
    assert.is(outcome.succeeded, true, outcome.message);
    assert.equal(outcome.counts.nodesAnswered, 4);
    const workload = await workloadOf(world);
    assert.match(workload, /^\{"pods":4,/);
    assert.not.match(workload, /runtimeInfo/);
    const sentence = "the runtime infos are left out: with them the record would exceed the archive size limit";
    assert.equal(await errorsOf(world), [sentence]);
    assert.ok(outcome.notes.includes(sentence));
  });
});

const serving =
  (pages: (token: string) => { readonly status?: number; readonly body: unknown } | "cut off"): Script =>
  (path, query) =>
    path === "/api/v1/pods" ? pages(query.get("continue") ?? "") : undefined;
const page = (pods: readonly unknown[], token?: string) => ({ body: { metadata: { continue: token }, items: pods } });
const shapesOnly = { runtimeInfo: false, images: false, helm: false };

test("a broken pod is counted as invalid, noted, and costs no other", () => {
  const items = [apiPod(), null, { ...apiPod(), status: { phase: 1 } }, apiPod({ name: "web-2" })];
  return inWorld({ script: serving(() => page(items)) }, async (world) => {
    const { outcome } = await run(world, shapesOnly);
    assert.is(outcome.counts.pods, 4);
    assert.equal(outcome.notes, ["2 pods could not be read and are counted as invalid"]);
    assert.match(await workloadOf(world), /"count":3,"invalidCount":1,"shapes":\[\{"duplicates":1,/);
  });
});

for (const [rule, body] of [
  ["a text", "<html>"],
  ["nothing", undefined],
  ["null", null],
  ["a list", []],
  ["items that are none", { items: "x" }],
  ["a token that is none", { metadata: { continue: {} }, items: [] }],
] as const)
  test(`${rule} in place of a page: no archive, one sentence, and the older archive stays`, () =>
    inWorld({ script: serving((token) => (token === "" ? page([apiPod()], "next") : { body })) }, async (world) => {
      await writeFile(join(world.directory, "insights-2026-01-01-000000.tar.gz"), "older");
      const { outcome } = await run(world, shapesOnly);
      assert.equal([outcome.succeeded, outcome.reason, outcome.archive], [false, "PodListFailed", null]);
      assert.match(outcome.message, /^(?:reading a page of|listing) pods: .{1,200}$/);
      assert.equal(await readdir(world.directory), ["insights-2026-01-01-000000.tar.gz"]);
    }));

const endless: readonly { readonly rule: string; readonly script: Script }[] = [
  { rule: "the same page for ever", script: serving(() => page([apiPod()], "again")) },
  { rule: "two pages in turn for ever", script: serving((token) => page([apiPod()], token === "a" ? "b" : "a")) },
  { rule: "empty pages for ever", script: serving((token) => page([], `${token}x`)) },
];
for (const { rule, script } of endless)
  test(`${rule}: the gather fails and says so`, () =>
    inWorld({ script }, async (world, requests) => {
      const { outcome } = await run(world, shapesOnly);
      assert.equal([outcome.succeeded, outcome.reason], [false, "PodListFailed"]);
      assert.match(
        outcome.message,
        /^listing pods: the API server (?:comes back to a page|gives one empty page after another)/,
      );
      assert.ok(requests.length < 200, `${requests.length}`);
    }));

test("empty pages between others are no end", () => {
  const script = serving((token) => (token === "xxx" ? page([apiPod()]) : page([], `${token}x`)));
  return inWorld({ script }, async (world) => assert.is((await run(world, shapesOnly)).outcome.counts.pods, 1));
});

const stumbles: readonly (readonly [rule: string, answer: ReturnType<Parameters<typeof serving>[0]>])[] = [
  ["429", { status: 429, body: {} }],
  ["500", { status: 500, body: {} }],
  ["503 without JSON", { status: 503, body: "upstream connect error" }],
  ["a connection that ends", "cut off"],
];
for (const [rule, answer] of stumbles)
  test(`${rule} on a page in the middle: once is nothing, for ever is the end, and the next gather works`, () => {
    let failures = 1;
    const script = serving((token) => {
      if (token === "") return page([apiPod()], "b");
      if (token === "c") return page([apiPod({ name: "web-3" })]);
      failures -= 1;
      return failures >= 0 ? answer : page([apiPod({ name: "web-2" })], "c");
    });
    return inWorld({ script }, async (world) => {
      assert.is((await run(world, shapesOnly)).outcome.counts.pods, 3);
      failures = 1_000;
      const { outcome } = await run(world, shapesOnly);
      assert.is(outcome.reason, "PodListFailed");
      assert.match(outcome.message, /^listing pods: .{1,300}$/);
      failures = 0;
      assert.is((await run(world, shapesOnly)).outcome.counts.pods, 3);
    });
  });

const gone = { status: 410, body: { code: 410, message: "expired" } };
test("a listing that expires again and again goes on from where the API server can: nothing is lost, and it is said", () => {
  const asked: string[] = [];
  const script = serving((token) => {
    asked.push(token);
    if (token === "") return page([apiPod()], "old");
    if (token === "old") return { ...gone, body: { ...gone.body, metadata: { continue: "inconsistent" } } };
    return page([apiPod({ name: "web-2" })]);
  });
  return inWorld({ script }, async (world) => {
    const { outcome } = await run(world, shapesOnly);
    assert.equal(asked, ["", "old", "", "old", "inconsistent"]);
    assert.equal([outcome.succeeded, outcome.counts.pods], [true, 2]);
    assert.match(outcome.notes.join(), /expired again.*may be missing or counted twice/);
  });
});

test("a listing that expires without a way to go on fails the second time", () => {
  const script = serving((token) => (token === "" ? page([apiPod()], "old") : gone));
  return inWorld({ script }, async (world) => {
    const { outcome } = await run(world, shapesOnly);
    assert.equal([outcome.reason, outcome.message], ["PodListFailed", "listing pods: the listing expired twice"]);
  });
});

test("container IDs that pods and nodes share do not mix up their answers", () => {
  const shared = { id: "containerd://same" };
  const pods = [
    { name: "twins", node: "node-1", containers: [shared, { ...shared, command: ["b"] }] },
    { name: "far", node: "node-2", containers: [{ ...shared, command: ["c"] }] },
  ];
  const exporter: RequestListener = (request, response) => {
    const first = request.socket.localAddress === "127.0.0.1";
    const says = (os: string) => ({ [shared.id]: { os: obfuscate(os) } });
    // The second node speaks of the first one's pod too.
    response.end(JSON.stringify({ shop: first ? { twins: says("one") } : { far: says("two"), twins: says("lie") } }));
  };
  return inWorld({ pods, exporter, extractors: { "node-1": "127.0.0.1", "node-2": "127.0.0.2" } }, async (world) => {
    const { outcome } = await run(world, { inventory: false });
    const workload = await workloadOf(world);
    assert.is(workload.split(`{"os":"${obfuscate("one")}"}`).length - 1, 2);
    assert.is(workload.split(`{"os":"${obfuscate("two")}"}`).length - 1, 1);
    assert.not.ok(workload.includes(obfuscate("lie")));
    assert.equal(
      outcome.failures.map(({ node, reason }) => `${node} ${reason}`),
      ["node-2 UnaskedContainers"],
    );
  });
});

test("clear text of an exporter reaches neither the archive nor the outcome; what it hashed does", () => {
  const secret = "password hunter2";
  const hashed = obfuscate("debian");
  const pods = [{ name: "good" }, { name: "leaking", containers: [{ command: ["b"] }] }];
  const of = (pod: string, entry: unknown) => ({ [pod]: { [`containerd://${pod}-0`]: entry } });
  const entry = { os: hashed, runtimes: [{ name: hashed, version: secret }], [secret]: secret };
  const shop = { ...of("good", { os: hashed }), ...of("leaking", entry), [secret]: secret, other: { [secret]: {} } };
  const exporter: RequestListener = (_, response) => response.end(JSON.stringify({ shop, [secret]: secret }));
  return inWorld({ pods, exporter, extractors: { "node-1": "127.0.0.1" } }, async (world) => {
    const { outcome } = await run(world, { inventory: false });
    assert.is(outcome.succeeded, true);
    const workload = await workloadOf(world);
    assert.is(workload.split(`"runtimeInfo":{"os":"${hashed}"}`).length - 1, 1);
    const all = JSON.stringify([await unpacked(world), outcome]);
    assert.not.match(all, /hunter2/);
    const sentences = [
      "3 entries of the answer dropped, the first because of runtimes.0.version: it is not a hash",
      "the answer speaks of 1 container that was not asked for; ignored",
    ];
    assert.equal(await errorsOf(world), sentences);
    assert.equal(
      outcome.failures.map(({ reason, message }) => [reason, message]),
      [["Malformed", sentences.join("; ")]],
    );
  });
});

for (const strange of ["__proto__", "constructor", "toString", "7"])
  test(`a namespace, a pod and a node called ${strange} get their runtimes like all others`, () => {
    const pods = [{ namespace: strange, name: strange, node: strange, containers: [{ name: strange, id: strange }] }];
    const hashed = obfuscate(strange);
    const detail = `{"containerName":"${strange}","runtimeInfo":{"kind":"${strange}","kindVersion":"1"}}`;
    const body = `{"${strange}":{"${strange}":{"${strange}":{"kind":"${hashed}","__proto__":{"os":"x"},"detail":${detail}}}}}`;
    return inWorld(
      { pods, exporter: (_, response) => response.end(body), extractors: { [strange]: "127.0.0.1" } },
      async (world) => {
        const { outcome, inventory } = await run(world);
        assert.equal(outcome.failures, []);
        assert.ok((await workloadOf(world)).includes(`"runtimeInfo":{"kind":"${hashed}"}`));
        assert.equal(outcome.inventory, [{ kind: strange, version: "1", containers: 1 }]);
        assert.equal(
          inventory?.rows.map(({ namespace, pod, container }) => [namespace, pod, container]),
          [[strange, strange, strange]],
        );
      },
    );
  });

test.run();
