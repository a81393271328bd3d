import type { RequestListener } from "node:http";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Script } from "../adapters/api.fixture.ts";
import type { GatherOrder } from "../api/gather.ts";
import { obfuscate } from "../core/hash.ts";
import { apiPod } from "../core/pods.fixture.ts";
import { errorsOf, inWorld, knowing, reportOf, run, workloadOf } from "./gather.fixture.ts";

const failuresIn = ({
  failures,
}: {
  readonly failures: readonly { node: string; reason: string; message: string }[];
}) => failures.map(({ node, reason, message }) => `${node} ${reason}: ${message}`);
const extractors = { "node-1": "127.0.0.1", "node-2": "127.0.0.2" };

test("a broken node, a Pending first replica and a lying exporter: three facts, in the outcome and in the archive", () => {
  const pods = [
    { name: "broken", node: "node-1", containers: [{ command: ["broken"] }] },
    { name: "new-1", phase: "Pending", containers: [{ command: ["new"] }] },
    { name: "new-2", node: "node-2", containers: [{ command: ["new"] }] },
  ];
  const lying: RequestListener = (_, response) => {
    const facts = { os: obfuscate("debian"), detail: { runtimeInfo: {}, notes: [] } };
    const entry = (id: string) => ({ [`containerd://${id}-0`]: facts });
    response.end(
      JSON.stringify({ shop: { "new-2": entry("new-2"), broken: entry("broken") }, bank: { db: entry("db") } }),
    );
  };
  const exporter: RequestListener = (request, response) => {
    if (request.socket.localAddress === "127.0.0.1") response.writeHead(500).end();
    else lying(request, response);
  };
  return inWorld({ pods, exporter, extractors }, async (world) => {
    const { outcome } = await run(world);
    const [refused = "", ...rest] = failuresIn(outcome);
    assert.match(refused, /^node-1 Refused: received unexpected status code 500 Internal Server Error from https/);
    const lie = "the answer speaks of 2 containers that were not asked for; ignored";
    assert.equal(rest, [`node-2 UnaskedContainers: ${lie}`]);
    const replica = "1 shape was answered by another replica: the first pod cannot be asked about";
    assert.equal(outcome.notes, [replica, "The cluster has no OpenShift image API; images are counted, not described"]);
    const { errors, warnings } = await reportOf(world);
    assert.equal([errors?.length, errors?.[1], warnings], [2, lie, [replica]]);
    assert.is((await workloadOf(world)).split('"runtimeInfo"').length - 1, 1);
  });
});

test("a connection that fails is tried once more, an answer that is refused is not", () => {
  const asked: string[] = [];
  const exporter: RequestListener = (request, response) => {
    const address = request.socket.localAddress ?? "";
    asked.push(address);
    if (address === "127.0.0.2") response.writeHead(503).end();
    else if (asked.filter((one) => one === address).length === 1) response.destroy();
    else knowing(request, response);
  };
  const pods = [{}, { name: "db", node: "node-2", containers: [{ command: ["db"] }] }];
  return inWorld({ pods, exporter, extractors }, async (world) => {
    const { outcome } = await run(world);
    assert.equal(asked.sort(), ["127.0.0.1", "127.0.0.1", "127.0.0.2"]);
    assert.equal(outcome.counts.nodesAnswered, 1);
  });
});

const listens: RequestListener = (_, response) => response.end("{}");
const optOuts: readonly {
  readonly rule: string;
  readonly optedOut?: readonly string[];
  readonly order?: Partial<GatherOrder>;
  readonly annotations?: Readonly<Record<string, string>>;
}[] = [
  { rule: "a namespace by its annotation", optedOut: ["shop"] },
  { rule: "a namespace by the order", order: { excludedNamespaces: ["shop"] } },
  { rule: "a pod by its annotation", annotations: { "runtimes.insights.openshift.io/exclude": "true" } },
];
for (const { rule, optedOut = [], order, annotations = {} } of optOuts)
  test(`opting out, ${rule}: no node is asked, the shape is counted, the owner sees why`, () => {
    let asked = 0;
    const exporter: RequestListener = (request, response) => {
      asked += 1;
      listens(request, response);
    };
    return inWorld({ pods: [{ annotations }], exporter, extractors, optedOut }, async (world) => {
      const { outcome, inventory } = await run(world, order);
      assert.equal([asked, outcome.counts.shapes, outcome.counts.nodesAsked], [0, 1, 0]);
      assert.equal(
        inventory?.rows.map(({ note }) => note),
        ["excluded"],
      );
      assert.is(await errorsOf(world), null);
    });
  });

test("a namespace that came after the namespaces were read counts as one that opted out", () => {
  const script: Script = (path) => (path === "/api/v1/namespaces" ? { body: { items: [] } } : undefined);
  return inWorld({ pods: [{}], extractors, script }, async (world) => {
    const { outcome, inventory } = await run(world);
    assert.equal([outcome.counts.shapes, outcome.counts.nodesAsked, inventory?.rows[0]?.note], [1, 0, "excluded"]);
  });
});

test("when nobody knows who opted out no node is asked, and that is said", () => {
  const script: Script = (path) =>
    path === "/api/v1/namespaces" ? { status: 403, body: { message: "no" } } : undefined;
  let asked = 0;
  const exporter: RequestListener = (_, response) => {
    asked += 1;
    response.end("{}");
  };
  return inWorld({ pods: [{}], extractors, exporter, script }, async (world) => {
    const { outcome } = await run(world);
    assert.is(asked, 0);
    const sentence = "no node was asked, since who opted out is not known: listing namespaces: status 403: no";
    assert.equal(failuresIn(outcome), [`node-1 OptOutsUnknown: ${sentence}`]);
    assert.equal(await errorsOf(world), [sentence]);
  });
});

test("a namespace of the filter that does not exist is noted", () =>
  inWorld(
    { pods: [{}], script: (path) => (path.endsWith("/pods") ? { body: { items: [] } } : undefined) },
    async (world) => {
      const { outcome } = await run(world, { namespaces: ["shop", "shpo"] });
      assert.ok(outcome.notes.includes("There is no namespace shpo"));
      assert.ok(!outcome.notes.some((note) => note.includes("shop")));
    },
  ));

test("a namespace that the filter names twice is gathered once", () =>
  inWorld(
    {
      pods: [{}],
      script: (path) =>
        path.endsWith("/pods") ? { body: { items: path.includes("/shop/") ? [apiPod({})] : [] } } : undefined,
    },
    async (world) => {
      const { outcome } = await run(world, { namespaces: ["shop", "shop", "shpo", "shpo"], runtimeInfo: false });
      assert.is(outcome.counts.pods, 1);
      assert.is(outcome.notes.filter((note) => note.includes("shpo")).length, 1);
    },
  ));

test("a node without extractor says why to the owner, and only to the owner", () => {
  const taints = [{ key: "team", value: "secret", effect: "NoSchedule" }];
  const script: Script = (path) =>
    path === "/api/v1/nodes/node-3"
      ? { body: { metadata: {}, spec: { taints }, status: { conditions: [] } } }
      : undefined;
  const pods = [
    { name: "a", node: "node-3" },
    { name: "b", node: "node-4", containers: [{ command: ["b"] }] },
  ];
  return inWorld({ pods, extractors, script }, async (world) => {
    const { outcome } = await run(world);
    assert.equal(failuresIn(outcome), [
      "node-3 NoExtractorPod: the node has no extractor pod: the node has taint team=secret:NoSchedule, which spec.extractor.tolerations does not name",
      "node-4 NoExtractorPod: the node has no extractor pod: the node is not there any more",
    ]);
    assert.equal(await errorsOf(world), ["no running pods found for the insights-runtime-extractor statefulset"]);
  });
});

test("of many nodes that fail the first 20 are told and explained, the others counted", () => {
  const node = (n: number) => `node-${String(n).padStart(2, "0")}`;
  const pods = Array.from({ length: 30 }, (_, n) => ({
    ...{ name: `p-${n}`, node: node(n) },
    containers: [{ command: [`c-${n}`] }],
  }));
  return inWorld({ pods, extractors }, async (world, requests) => {
    const { outcome, failures } = await run(world);
    assert.equal([outcome.failures.length, outcome.moreFailures, failures.length], [20, 10, 30]);
    assert.ok(outcome.failures.every(({ message }) => message.includes("not there any more")));
    assert.is(requests.filter((one) => one.startsWith("/api/v1/nodes/")).length, 20);
  });
});

test("a TLS profile that cannot be read is noted", () => {
  const script: Script = (path) =>
    path.includes("/apiservers/") ? { status: 403, body: { message: "no" } } : undefined;
  return inWorld({ pods: [{}], extractors, script }, async (world) => {
    const { outcome } = await run(world);
    const why = "reading the TLS profile of the cluster: status 403: no";
    assert.ok(outcome.notes.includes(`The Intermediate TLS profile was assumed: ${why}`), outcome.notes.join());
  });
});

test("what is wrong with the node side is an error of the archive, before and after the nodes were asked", () =>
  inWorld({ pods: [] }, async (world) => {
    const stages: string[] = [];
    const { outcome } = await run(
      world,
      { holdBeforeWriting: true, nodeSideProblems: ["0 of 2 nodes ready"] },
      { onStage: (stage) => stages.push(stage), hold: async () => ["1 pod was left"] },
    );
    assert.equal(await errorsOf(world), ["0 of 2 nodes ready", "1 pod was left"]);
    assert.equal(outcome.notes.slice(0, 2), ["0 of 2 nodes ready", "1 pod was left"]);
    assert.equal(stages, ["ListingPods", "AskingNodes", "AwaitingNodeSide", "Writing"]);
  }));

test.run();
