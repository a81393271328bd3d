/** Clusters and nodes that say wrong, strange or endless things: what the archive keeps, and what the outcome says. */
import type { RequestListener } from "node:http";
import { text } from "node:stream/consumers";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { errorsOf, inWorld, run, workloadOf } from "./gather.fixture.ts";

test("nodes that say more than an archive may hold cost the runtimes, never the shapes", () => {
  const pods = Array.from({ length: 4 }, (_, n) => ({
    ...{ name: `big-${n}`, node: `node-${n + 1}` },
    containers: Array.from({ length: 300 }, () => ({ command: [`program-${n}`] })),
  }));
  const runtimes = Array.from({ length: 14 }, () => ({ name: "n".repeat(1_000), version: "v".repeat(1_000) }));
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

test.run();
