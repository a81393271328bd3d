import { Agent, request } from "undici";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { kubectl, portForward, waitFor } from "../../hack/kubectl.ts";
import { names } from "../../src/core/operands.ts";
import { freeze, processesOf, resume } from "./processes.ts";
import {
  applyConfig,
  forgetGathers,
  gather,
  installOperator,
  namespace,
  ours,
  podsOf,
  testCluster,
  waitForCondition,
} from "./world.ts";

const cluster = await testCluster();

/** Those of the DaemonSet before may still be ending. */
const extractorPod = async () => (await podsOf(cluster, names.extractor)).find(({ isEnding }) => !isEnding);

test("preparation: the operator is installed and configured", async () => {
  await installOperator(cluster);
  await applyConfig(cluster, { featureGate: "Ignored", gather: { nodeTimeout: "30s" } });
  await waitForCondition(cluster, "GathererReady", /^True/);
  await waitForCondition(cluster, "ExtractorReady", /^True/);
});

test("one node's exporter hangs: the archive is complete and the failure names the node", async () => {
  await forgetGathers(cluster);
  const victim = await extractorPod();
  assert.ok(victim);
  const stopped = processesOf(victim.uid, "/exporter");
  assert.is(stopped.length, 1);
  freeze(stopped);
  try {
    const finished = await gather(cluster);
    assert.equal(
      finished.status?.conditions?.filter(({ type }) => type === "Succeeded").map(({ status }) => status),
      ["True"],
    );
    assert.ok(finished.status?.archive);
    assert.equal(
      (finished.status?.failures ?? []).map(({ node, reason }) => [node, reason]),
      [[victim.node, "Timeout"]],
    );
    assert.is(finished.status?.counts?.nodesAnswered, cluster.nodes.length - 1);
    await waitForCondition(cluster, "GatherSucceeded", /^True\/NodesFailed$/);
  } finally {
    resume(stopped);
  }
});

const drifts: readonly { readonly what: string; readonly patch: string; readonly path: string }[] = [
  {
    what: "an image",
    patch: '{"spec":{"template":{"spec":{"containers":[{"name":"exporter","image":"localhost/else:1"}]}}}}',
    path: '{.spec.template.spec.containers[?(@.name=="exporter")].image}',
  },
  {
    what: "a label",
    patch: '{"metadata":{"labels":{"app.kubernetes.io/managed-by":null}}}',
    path: "{.metadata.labels.app\\.kubernetes\\.io/managed-by}",
  },
];
for (const { what, patch, path } of drifts) {
  test(`drift of the DaemonSet in ${what} is repaired`, async () => {
    const read = () =>
      kubectl(cluster, ["-n", namespace, "get", "daemonset", "runtime-insights-extractor", "-o", `jsonpath=${path}`]);
    const wanted = await read();
    await kubectl(cluster, ["-n", namespace, "patch", "daemonset", "runtime-insights-extractor", "-p", patch]);
    await waitFor(`${what} to be repaired`, async () => ((await read()) === wanted ? true : undefined), {
      timeoutMs: 120_000,
    });
  });
}

test("a deleted DaemonSet comes back", async () => {
  await kubectl(cluster, ["-n", namespace, "delete", "daemonset", "runtime-insights-extractor"]);
  await waitFor("the DaemonSet", async () => ((await ours(cluster, "daemonsets")).length === 1 ? true : undefined));
  await waitForCondition(cluster, "ExtractorReady", /^True/);
});

test("operator killed in the middle of an install: the next one finishes it", async () => {
  await kubectl(cluster, ["delete", "ire", "cluster"]);
  await waitFor("no DaemonSet", async () => ((await ours(cluster, "daemonsets")).length === 0 ? true : undefined));
  await applyConfig(cluster, { featureGate: "Ignored" });
  await waitFor(
    "the first operand",
    async () =>
      (await ours(cluster, "serviceaccounts")).some((name) => name !== "runtime-insights-operator") ? true : undefined,
    { everyMs: 50 },
  );
  await kubectl(cluster, [
    ...["-n", namespace, "delete", "pod", "-l", "app.kubernetes.io/name=runtime-insights-operator"],
    ...["--force", "--grace-period=0", "--wait=false"],
  ]);
  await waitForCondition(cluster, "ExtractorReady", /^True/);
  await waitForCondition(cluster, "GathererReady", /^True/);
});

const token = async (account: string, audience?: string): Promise<string> =>
  (
    await kubectl(cluster, [
      ...["-n", namespace, "create", "token", account],
      ...(audience === undefined ? [] : [`--audience=${audience}`]),
    ])
  ).trim();

const askers: readonly {
  readonly who: string;
  readonly token: () => Promise<string | undefined>;
  readonly status: number;
}[] = [
  { who: "without a token: refused", token: async () => undefined, status: 401 },
  { who: "with a token that nobody issued: refused", token: async () => "nonsense", status: 401 },
  {
    who: "the gatherer's account with an ordinary API token: refused",
    token: () => token("runtime-insights-gatherer"),
    status: 401,
  },
  {
    who: "another account with the right audience: refused",
    token: () => token("runtime-insights-reader", "runtime-insights-exporter"),
    status: 403,
  },
  {
    who: "the gatherer's account with the right audience: answered",
    token: () => token("runtime-insights-gatherer", "runtime-insights-exporter"),
    status: 200,
  },
];
for (const { who, token: makeToken, status } of askers) {
  test(`a node asked ${who}`, async () => {
    const pod = await extractorPod();
    assert.ok(pod);
    const ca = await kubectl(cluster, [
      ...["-n", namespace, "get", "configmap", "runtime-insights-ca-bundle"],
      ...["-o", "jsonpath={.data.ca\\.crt}"],
    ]);
    const forward = await portForward(cluster, { namespace, target: `pod/${pod.name}`, port: 8443 });
    const dispatcher = new Agent({ connect: { ca, servername: `runtime-insights-exporter.${namespace}.svc` } });
    try {
      const secret = await makeToken();
      const answer = await request(`https://127.0.0.1:${forward.port}/gather_runtime_info`, {
        method: "POST",
        dispatcher,
        headers: {
          "content-type": "application/json",
          ...(secret === undefined ? {} : { authorization: `Bearer ${secret}` }),
        },
        body: '{"containerIds":[]}',
      });
      await answer.body.dump();
      assert.is(answer.statusCode, status);
    } finally {
      forward.close();
      await dispatcher.destroy();
    }
  });
}

test("two configs cannot exist", async () => {
  const second = JSON.stringify({
    apiVersion: "runtimes.insights.openshift.io/v1alpha1",
    kind: "InsightsRuntimeExtractor",
    metadata: { name: "second" },
    spec: {},
  });
  const refused = await kubectl(cluster, ["apply", "-f", "-"], second).catch((cause: Error) => cause.message);
  assert.match(refused, /cluster/);
});

test.run();
