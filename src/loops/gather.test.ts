import { readdir, rm, writeFile } from "node:fs/promises";
import type { RequestListener } from "node:http";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Script } from "../adapters/api.fixture.ts";
import { obfuscate } from "../core/hash.ts";
import { apiPod, digest } from "../core/pods.fixture.ts";
import { errorsOf, inWorld, knowing, newest, run, unpacked, workloadOf } from "./gather.fixture.ts";

test("an empty cluster: an archive with exact bytes", () =>
  inWorld({}, async (world) => {
    const { outcome } = await run(world, { runtimeInfo: false });
    assert.is(outcome.succeeded, true);
    assert.is(outcome.archive?.name, newest);
    const report = '"duration_in_ms":0,"records_count":1,"errors":null,"warnings":null,"panic":null}';
    assert.equal(await unpacked(world), {
      "config/workload_info.json": '{"pods":0,"imageCount":0,"namespaces":null}',
      "insights-operator/gathers.json":
        `{"status_reports":[{"name":"workloads",${report},{"name":"workloads/helmchart_info",${report.replace("1", "0")},` +
        `{"name":"workloads/workload_info",${report}],` +
        '"container_memory_bytes_usage":0,"uptime_seconds":60,"is_global_obfuscation_enabled":false}',
    });
    assert.equal(outcome.notes, ["The cluster has no OpenShift image API; images are counted, not described"]);
  }));

test("without runtime info no node is looked for", () =>
  inWorld({ pods: [{}] }, async (world, requests) => {
    const { outcome, inventory } = await run(world, { runtimeInfo: false, helm: false });
    assert.equal(requests, ["/apis/image.openshift.io/v1", "/api/v1/pods?limit=500"]);
    assert.equal(outcome.counts, {
      pods: 1,
      containers: 1,
      shapes: 1,
      nodesAsked: 0,
      nodesAnswered: 0,
      nodesFailed: 0,
      nodesSkipped: 0,
    });
    assert.is(inventory, null);
    assert.is(await errorsOf(world), null);
  }));

test("nodes are asked and their answers are in the archive and the inventory", () =>
  inWorld(
    { pods: [{}, { name: "web-2" }], exporter: knowing, extractors: { "node-1": "127.0.0.1" } },
    async (world) => {
      const { outcome, inventory, failures } = await run(world);
      assert.equal(failures, []);
      assert.equal(outcome.counts, {
        pods: 2,
        containers: 2,
        shapes: 1,
        nodesAsked: 1,
        nodesAnswered: 1,
        nodesFailed: 0,
        nodesSkipped: 0,
      });
      assert.equal(outcome.inventory, [{ kind: "Node.js", version: "v24", containers: 2 }]);
      assert.equal(
        inventory?.rows.map(({ pod, os, note }) => ({ pod, os, note })),
        [{ pod: "web-1", os: "debian", note: "" }],
      );
      assert.is(
        await workloadOf(world),
        `{"pods":2,"imageCount":1,"namespaces":{"${obfuscate("shop")}":{"count":2,"shapes":[{"duplicates":1,"restartAlways":true,` +
          `"containers":[{"imageID":"${digest("a")}","runtimeInfo":{"os":"${obfuscate("debian")}"}}]}]}}}`,
      );
    },
  ));

test("a node that fails costs its runtimes, never the archive; one without an extractor is skipped", () => {
  const pods = [
    {},
    { name: "db", node: "node-2", containers: [{ command: ["db"] }] },
    { name: "job", node: "node-3", containers: [{ command: ["job"] }] },
  ];
  const exporter: RequestListener = (request, response) => {
    if (request.socket.localAddress === "127.0.0.2") response.writeHead(500).end();
    else knowing(request, response);
  };
  return inWorld({ pods, exporter, extractors: { "node-1": "127.0.0.1", "node-2": "127.0.0.2" } }, async (world) => {
    const { outcome } = await run(world);
    assert.is(outcome.succeeded, true);
    assert.equal(
      outcome.failures.map(({ node, reason }) => `${node} ${reason}`),
      ["node-2 Refused", "node-3 NoExtractorPod"],
    );
    assert.equal(outcome.counts, {
      pods: 3,
      containers: 3,
      shapes: 3,
      nodesAsked: 2,
      nodesAnswered: 1,
      nodesFailed: 1,
      nodesSkipped: 1,
    });
    assert.is((await workloadOf(world)).split('"runtimeInfo"').length - 1, 1);
    const [refused = "", missing] = (await errorsOf(world)) ?? [];
    assert.match(refused, /^received unexpected status code 500 Internal Server Error from https:\/\/127\.0\.0\.2:/);
    assert.is(missing, "the node has no extractor pod");
    assert.not.match(JSON.stringify(await unpacked(world)), /node-\d|shop|web-1/);
  });
});

test("a replica answers where the node of the first pod failed", () => {
  const exporter: RequestListener = (request, response) => {
    if (request.socket.localAddress === "127.0.0.1") response.destroy();
    else knowing(request, response);
  };
  const cluster = {
    pods: [{}, { name: "web-2", node: "node-2" }],
    exporter,
    extractors: { "node-1": "127.0.0.1", "node-2": "127.0.0.2" },
  };
  return inWorld(cluster, async (world) => {
    const { outcome, inventory } = await run(world);
    assert.match(await workloadOf(world), /"runtimeInfo":\{"os"/);
    assert.equal(
      inventory?.rows.map(({ pod }) => pod),
      ["web-2"],
    );
    assert.equal(
      outcome.failures.map(({ node, reason }) => `${node} ${reason}`),
      ["node-1 Unreachable"],
    );
  });
});

test("wrong entries are dropped and noted, the node counts as answered", () => {
  const exporter: RequestListener = (_, response) =>
    response.end(JSON.stringify({ shop: { "web-1": { "containerd://web-1-0": { os: 1 } } } }));
  return inWorld({ pods: [{}], exporter, extractors: { "node-1": "127.0.0.1" } }, async (world) => {
    const { outcome } = await run(world);
    assert.equal([outcome.counts.nodesAnswered, outcome.counts.nodesFailed], [1, 0]);
    assert.equal(
      outcome.failures.map(({ node, reason }) => `${node} ${reason}`),
      ["node-1 Malformed"],
    );
  });
});

test("extractors that cannot be looked up cost the runtimes of all nodes", () => {
  const script: Script = (path) =>
    path.includes("/daemonsets/") ? { status: 403, body: { message: "no" } } : undefined;
  return inWorld({ pods: [{}], script }, async (world) => {
    const { outcome } = await run(world);
    assert.is(outcome.succeeded, true);
    assert.match(outcome.failures[0]?.message ?? "", /looking for the extractors: status 403: no/);
  });
});

test("pods that cannot be listed: no archive, and the older one stays", () =>
  inWorld(
    { script: (path) => (path === "/api/v1/pods" ? { status: 403, body: { message: "forbidden" } } : undefined) },
    async (world) => {
      await writeFile(join(world.directory, "insights-2026-01-01-000000.tar.gz"), "older");
      const { outcome, inventory } = await run(world);
      assert.equal(
        [outcome.succeeded, outcome.reason, outcome.message],
        [false, "PodListFailed", "listing pods: status 403: forbidden"],
      );
      assert.is(outcome.archive, null);
      assert.is(inventory, null);
      assert.equal(await readdir(world.directory), ["insights-2026-01-01-000000.tar.gz"]);
    },
  ));

test("a listing that expires starts afresh: nothing is counted twice", () => {
  let expiries = 1;
  const script: Script = (path, query) => {
    if (path !== "/api/v1/pods") return undefined;
    if (!query.has("continue")) return { body: { metadata: { continue: "t" }, items: [apiPod()] } };
    expiries -= 1;
    return expiries >= 0 ? { status: 410, body: {} } : { body: { items: [apiPod({ name: "web-2" })] } };
  };
  return inWorld({ script }, async (world) => {
    const { outcome } = await run(world, { runtimeInfo: false });
    assert.is(outcome.counts.pods, 2);
    assert.ok(outcome.notes.includes("The listing of pods expired and was started again"));
  });
});

test("the pod limit is an error in the archive and ends the listing", () => {
  const script: Script = (path) =>
    path === "/api/v1/pods"
      ? { body: { metadata: { continue: "more" }, items: [apiPod(), apiPod({ name: "web-2" })] } }
      : undefined;
  return inWorld({ script }, async (world, requests) => {
    const { outcome } = await run(world, { runtimeInfo: false, podLimit: 3 });
    assert.is(outcome.counts.pods, 3);
    assert.is(requests.filter((one) => one.startsWith("/api/v1/pods")).length, 2);
    assert.equal(await errorsOf(world), ["the 3 limit for number of pods gathered was reached"]);
  });
});

test("a filtered gather has an archive of its own sort and leaves the inventory alone", () => {
  const script: Script = (path) =>
    path === "/api/v1/namespaces/shop/pods" ? { body: { items: [apiPod()] } } : undefined;
  return inWorld({ script, exporter: knowing, extractors: { "node-1": "127.0.0.1" } }, async (world) => {
    const { outcome, inventory } = await run(world, { namespaces: ["shop"] });
    assert.is(outcome.archive?.name, "filtered-insights-2026-01-02-030405.tar.gz");
    assert.is(inventory, null);
    assert.is(outcome.inventory.length, 1);
  });
});

test("two gathers in one second: the second takes the next second", () =>
  inWorld({}, async (world) => {
    await run(world, { runtimeInfo: false });
    const { outcome } = await run(world, { runtimeInfo: false });
    assert.is(outcome.archive?.name, "insights-2026-01-02-030406.tar.gz");
  }));

test("equal facts give equal bytes", () =>
  inWorld(
    { pods: [{}, { namespace: "bank" }], exporter: knowing, extractors: { "node-1": "127.0.0.1" } },
    async (world) => {
      const first = await run(world);
      await rm(join(world.directory, newest));
      assert.equal((await run(world)).outcome.archive, first.outcome.archive);
    },
  ));

test("a folder that cannot be written to: ArchiveWriteFailed", () =>
  inWorld({}, async (world) => {
    await writeFile(join(world.directory, "file"), "");
    const { outcome } = await run({ ...world, directory: join(world.directory, "file") }, { runtimeInfo: false });
    assert.equal([outcome.succeeded, outcome.reason, outcome.archive], [false, "ArchiveWriteFailed", null]);
    assert.match(outcome.message, /^writing the archive: /);
  }));

test.run();
