import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import type { RequestListener } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { gunzipSync } from "node:zlib";
import { Registry } from "prom-client";
import tar from "tar-stream";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Script, scriptedApi } from "../adapters/api.fixture.ts";
import { gatherMetrics } from "../adapters/gather-metrics.ts";
import { makeAuthority, serveHttps } from "../adapters/https.fixture.ts";
import { ImageCache } from "../adapters/images.ts";
import { Journal } from "../adapters/journal.ts";
import { createLogger } from "../adapters/telemetry.ts";
import { type GatherOrder, gatherOutcomeSchema } from "../api/gather.ts";
import { obfuscate } from "../core/hash.ts";
import { makeOrder } from "../core/order.fixture.ts";
import { apiPod, digest, type PodOptions } from "../core/pods.fixture.ts";
import { type GatherResult, type GatherWorld, gather } from "./gather.ts";
import { GatherRuns } from "./runs.ts";

const authority = await makeAuthority();
const certificate = await authority.certificate("runtime-insights-exporter.runtime-insights.svc");
const startMs = Date.UTC(2026, 0, 2, 3, 4, 5);
const order = makeOrder();

let directory = "";
test.before.each(async () => {
  directory = await mkdtemp(join(tmpdir(), "gather-test-"));
});
test.after.each(() => rm(directory, { recursive: true }));

interface Cluster {
  readonly pods?: readonly PodOptions[];
  /** What an exporter answers; the address it is asked at tells the node. */
  readonly exporter?: RequestListener;
  /** Nodes with an extractor, each with its address. */
  readonly extractors?: Readonly<Record<string, string>>;
  /** Comes before everything else. */
  readonly script?: Script;
}

/** Runs `use` in a world made of a scripted API server, HTTPS exporters and a clock that stands still. */
async function inWorld(cluster: Cluster, use: (world: GatherWorld, requests: readonly string[]) => Promise<void>) {
  const { pods = [], exporter = (_, response) => response.end("{}"), extractors = {}, script } = cluster;
  const server = await serveHttps(certificate, exporter, "0.0.0.0");
  const api = await scriptedApi((path, query) => {
    const answer = script?.(path, query);
    if (answer !== undefined) return answer;
    if (path === "/api/v1/pods") return { body: { items: pods.map(apiPod) } };
    if (path.endsWith("/daemonsets/runtime-insights-extractor")) return { body: { metadata: { uid: "ds" } } };
    if (path === "/api/v1/namespaces/runtime-insights/pods" && query.has("labelSelector"))
      return { body: { items: extractorPods } };
    return undefined;
  });
  const extractorPods = Object.entries(extractors).map(([node, podIP]) => ({
    metadata: { ownerReferences: [{ uid: "ds", controller: true }] },
    spec: { nodeName: node },
    status: { phase: "Running", podIP, conditions: [{ type: "Ready", status: "True" }] },
  }));
  const world: GatherWorld = {
    ...{ api: api.connection, namespace: "runtime-insights", directory, images: new ImageCache() },
    credentials: { ca: async () => authority.ca, token: async () => "secret" },
    ...{ nowMs: () => startMs, processStartedAtMs: startMs - 60_000, exporterPort: server.port, delaysMs: [1, 1] },
  };
  try {
    await use(world, api.requests);
  } finally {
    await api.close();
    await server.close();
  }
}

const run = async (world: GatherWorld, overrides: Partial<GatherOrder> = {}): Promise<GatherResult> => {
  const { signal } = new AbortController();
  const result = await gather({ ...order, ...overrides }, world, { signal, onStage: () => {} });
  assert.equal(gatherOutcomeSchema.parse(result.outcome), result.outcome);
  return result;
};

async function unpacked(name: string): Promise<Readonly<Record<string, string>>> {
  const entries: Record<string, string> = {};
  const extract = tar.extract();
  extract.end(gunzipSync(await readFile(join(directory, name))));
  for await (const entry of extract) entries[entry.header.name] = await text(entry);
  return entries;
}
const newest = "insights-2026-01-02-030405.tar.gz";
const workloadOf = async (name = newest) => (await unpacked(name))["config/workload_info.json"] ?? "";
const errorsOf = async () =>
  JSON.parse((await unpacked(newest))["insights-operator/gathers.json"] ?? "").status_reports[1].errors;

test("an empty cluster: an archive with exact bytes", () =>
  inWorld({}, async (world) => {
    const { outcome } = await run(world, { runtimeInfo: false });
    assert.is(outcome.succeeded, true);
    assert.is(outcome.archive?.name, newest);
    const report = '"duration_in_ms":0,"records_count":1,"errors":null,"warnings":null,"panic":null}';
    assert.equal(await unpacked(newest), {
      "config/workload_info.json": '{"pods":0,"imageCount":0,"namespaces":null}',
      "insights-operator/gathers.json":
        `{"status_reports":[{"name":"workloads",${report},{"name":"workloads/workload_info",${report}],` +
        '"container_memory_bytes_usage":0,"uptime_seconds":60,"is_global_obfuscation_enabled":false}',
    });
    assert.equal(outcome.notes, ["The cluster has no OpenShift image API; images are counted, not described"]);
  }));

test("without runtime info no node is looked for", () =>
  inWorld({ pods: [{}] }, async (world, requests) => {
    const { outcome, inventory } = await run(world, { runtimeInfo: false });
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
    assert.is(await errorsOf(), null);
  }));

const detail = {
  containerName: "c0",
  runtimeInfo: { os: "debian", kind: "Node.js", kindVersion: "v24" },
  processes: [],
  notes: [],
};
/** Answers for whatever is asked, as pods `name` with IDs `containerd://name-index`. */
const knowing: RequestListener = (request, response) => {
  let body = "";
  request.on("data", (chunk) => {
    body += chunk;
  });
  request.on("end", () => {
    const { containerIds } = JSON.parse(body);
    const shop: Record<string, Record<string, unknown>> = {};
    for (const id of containerIds) {
      const pod = id.replace("containerd://", "").replace(/-\d+$/, "");
      shop[pod] = { ...shop[pod], [id]: { os: obfuscate("debian"), detail } };
    }
    response.end(JSON.stringify({ shop }));
  });
};

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
        await workloadOf(),
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
    assert.is((await workloadOf()).split('"runtimeInfo"').length - 1, 1);
    const [refused, missing] = await errorsOf();
    assert.match(refused, /^received unexpected status code 500 Internal Server Error from https:\/\/127\.0\.0\.2:/);
    assert.is(missing, "the node has no extractor pod");
    assert.not.match(JSON.stringify(await unpacked(newest)), /node-\d|shop|web-1/);
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
    assert.match(await workloadOf(), /"runtimeInfo":\{"os"/);
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
      await writeFile(join(directory, "insights-2026-01-01-000000.tar.gz"), "older");
      const { outcome, inventory } = await run(world);
      assert.equal(
        [outcome.succeeded, outcome.reason, outcome.message],
        [false, "PodListFailed", "listing pods: status 403: forbidden"],
      );
      assert.is(outcome.archive, null);
      assert.is(inventory, null);
      assert.equal(await readdir(directory), ["insights-2026-01-01-000000.tar.gz"]);
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
    assert.equal(await errorsOf(), ["the 3 limit for number of pods gathered was reached"]);
  });
});

const image = {
  dockerImageReference: "quay.example/team/app@sha256:x",
  dockerImageLayers: [{ name: "sha256:l1" }, { name: "sha256:l2" }],
  dockerImageMetadata: {
    ContainerConfig: { Entrypoint: ["/bin/app"], Cmd: ["-v"] },
    Config: { Entrypoint: ["/bin/other"] },
  },
};
const imageScript =
  (images: Readonly<Record<string, unknown>>): Script =>
  (path) => {
    if (path === "/apis/image.openshift.io/v1") return { body: {} };
    const id = decodeURIComponent(path.split("/images/")[1] ?? "");
    return images[id] === undefined ? undefined : { body: images[id] };
  };

test("images are read once each, described, and cached for the next gather; those not found are counted", () => {
  const pods = [
    { containers: [{}, { imageID: `x@${digest("b")}` }] },
    { name: "web-2", containers: [{ command: ["x"] }] },
  ];
  return inWorld({ pods, script: imageScript({ [digest("a")]: image }) }, async (world, requests) => {
    const { outcome } = await run(world, { runtimeInfo: false });
    assert.equal(outcome.notes, []);
    const described = `"${digest("a")}":{"layerIDs":["sha256:l1","sha256:l2"],"firstCommand":"${obfuscate("app")}","firstArg":"47DEQpj8HBSa","repository":"${obfuscate("quay.example/team/app@sha256:x")}"}`;
    assert.ok((await workloadOf()).startsWith(`{"pods":2,"imageCount":2,"images":{${described}},"namespaces":`));
    const reads = () => requests.filter((one) => one.includes("/images/")).map((one) => one.split("/images/")[1]);
    assert.equal(reads().sort(), [digest("a"), digest("b")]);
    await run(world, { runtimeInfo: false });
    assert.equal(reads().slice(2), [digest("b")]);
  });
});

const imageRows: readonly { readonly rule: string; readonly image: unknown; readonly expected: string }[] = [
  {
    rule: "an image of Red Hat: no repository",
    image: { ...image, dockerImageReference: "registry.redhat.example/x" },
    expected: `"firstArg":"47DEQpj8HBSa"}}`,
  },
  {
    rule: "no metadata: layers and repository",
    image: { ...image, dockerImageMetadata: undefined },
    expected: `["sha256:l1","sha256:l2"],"repository":`,
  },
  {
    rule: "metadata of another form: layers and repository",
    image: { ...image, dockerImageMetadata: { ContainerConfig: 1 } },
    expected: `["sha256:l1","sha256:l2"],"repository":`,
  },
  {
    rule: "no layers: not described",
    image: { ...image, dockerImageLayers: null },
    expected: `"imageCount":1,"namespaces":`,
  },
];
for (const { rule, image: one, expected } of imageRows)
  test(rule, () =>
    inWorld({ pods: [{}], script: imageScript({ [digest("a")]: one }) }, async (world) => {
      await run(world, { runtimeInfo: false });
      assert.ok((await workloadOf()).includes(expected), await workloadOf());
    }),
  );

test("images that cannot be read are counted and noted, and fail nothing", () => {
  const script: Script = (path) =>
    path === "/apis/image.openshift.io/v1"
      ? { body: {} }
      : path.includes("/images/")
        ? { status: 500, body: {} }
        : undefined;
  return inWorld({ pods: [{}], script }, async (world) => {
    const { outcome } = await run(world, { runtimeInfo: false });
    assert.is(outcome.succeeded, true);
    assert.equal(outcome.notes, ["1 images could not be read"]);
    assert.match(await workloadOf(), /^\{"pods":1,"imageCount":1,"namespaces"/);
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
      await rm(join(directory, newest));
      assert.equal((await run(world)).outcome.archive, first.outcome.archive);
    },
  ));

test("a folder that cannot be written to: ArchiveWriteFailed", () =>
  inWorld({}, async (world) => {
    await writeFile(join(directory, "file"), "");
    const { outcome } = await run({ ...world, directory: join(directory, "file") }, { runtimeInfo: false });
    assert.equal([outcome.succeeded, outcome.reason, outcome.archive], [false, "ArchiveWriteFailed", null]);
    assert.match(outcome.message, /^writing the archive: /);
  }));

const runsIn = async (world: GatherWorld, registry = new Registry()) => {
  const journal = await Journal.open(directory);
  const runs = new GatherRuns({
    world,
    journal,
    metrics: gatherMetrics(registry),
    log: createLogger({ name: "test", level: "silent" }),
  });
  return { runs, journal, registry };
};
const finished = async (runs: GatherRuns, id: string): Promise<void> => {
  while (runs.find(id)?.phase === "Running") await new Promise((resolve) => setTimeout(resolve, 5));
};

test("a run is known by its id while it runs, when it is done, and after a restart", () =>
  inWorld({ pods: [{}], exporter: knowing, extractors: { "node-1": "127.0.0.1" } }, async (world) => {
    const { runs, registry } = await runsIn(world);
    assert.is(runs.start(order), "started");
    assert.is(runs.find("uid-1")?.phase, "Running");
    assert.is(runs.start(order), "same");
    assert.is(runs.start({ ...order, id: "uid-2" }), "busy");
    await finished(runs, "uid-1");
    assert.is(runs.start(order), "same");
    await runs.stop();
    const metrics = await registry.metrics();
    assert.match(metrics, /^runtime_insights_gatherer_gathers_total\{result="succeeded"\} 1$/m);
    assert.match(metrics, /^runtime_insights_gatherer_node_failures_total\{reason="Timeout"\} 0$/m);
    const next = await runsIn(world);
    assert.is(next.runs.find("uid-1")?.outcome?.succeeded, true);
    assert.is((await next.journal.readInventory())?.gather, "uid-1");
  }));

test("a run that is stopped leaves no archive, is Interrupted after a restart, and can be started once more", () => {
  let hangs = true;
  const exporter: RequestListener = (request, response) => {
    if (!hangs) knowing(request, response);
  };
  return inWorld({ pods: [{}], exporter, extractors: { "node-1": "127.0.0.1" } }, async (world) => {
    const { runs } = await runsIn(world);
    runs.start({ ...order, nodeTimeoutMs: 60_000 });
    while (runs.find("uid-1")?.stage !== "AskingNodes") await new Promise((resolve) => setTimeout(resolve, 5));
    await runs.stop();
    assert.equal(await readdir(directory), ["gathers"]);
    hangs = false;
    const next = await runsIn(world);
    assert.is(next.runs.find("uid-1")?.phase, "Interrupted");
    assert.is(next.runs.start(order), "started");
    await finished(next.runs, "uid-1");
    assert.is(next.runs.find("uid-1")?.outcome?.succeeded, true);
    await next.runs.stop();
  });
});

test("a start marker that cannot be written fails the gather before any work", () =>
  inWorld({ pods: [{}] }, async (world, requests) => {
    const { runs } = await runsIn(world);
    await rm(join(directory, "gathers"), { recursive: true });
    await writeFile(join(directory, "gathers"), "");
    runs.start(order);
    await finished(runs, "uid-1");
    assert.is(runs.find("uid-1")?.outcome?.reason, "ArchiveWriteFailed");
    assert.equal(requests, []);
    await runs.stop();
  }));

test.run();
