/** Each sample gets its answer from the node side alone, as manifests/standalone/ installs it, and no code of a sample is run. */
import { isDeepStrictEqual } from "node:util";
import { request } from "undici";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import { buildImages } from "../../hack/images/images.ts";
import { kubectl, portForward, waitFor } from "../../hack/kubectl.ts";
import { table } from "../../hack/table.ts";
import { obfuscate } from "../../src/core/hash.ts";
import { applySamples, buildSampleImages, removeSamples } from "../samples/apply.ts";
import { decoyMarker, decoys, type Expected, loadSamples } from "../samples/samples.ts";
import { clearInfo, upToThrice } from "./look.ts";
import { extractorRights, installNodeSide, leastRights } from "./security.ts";
import { testCluster } from "./world.ts";

const cluster = await testCluster();
const samples = await loadSamples();
const look = "look";
const leastLook = "look-least";
const selector = "app.kubernetes.io/name=runtime-insights-standalone";

interface Container {
  readonly node: string;
  readonly namespace: string;
  readonly pod: string;
  readonly name: string;
  /** With its prefix, as in the pod's status. */
  readonly id: string;
}

/** The answer of one exporter: container references by pod by namespace. */
const answerSchema = z.record(z.string(), z.record(z.string(), z.record(z.string(), z.unknown())));
type Answer = z.infer<typeof answerSchema>;

const podListSchema = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ name: z.string(), namespace: z.string() }),
      spec: z.object({ nodeName: z.string() }),
      status: z.object({
        containerStatuses: z.array(z.object({ name: z.string(), containerID: z.string(), restartCount: z.int() })),
      }),
    }),
  ),
});

const podsOf = async (args: readonly string[]) =>
  podListSchema.parse(JSON.parse(await kubectl(cluster, ["get", "pods", ...args, "-o", "json"]))).items;

/** Asks the exporters of all nodes, one after the other. */
async function ask(query: string, body?: (node: string) => object, namespace = look): Promise<Map<string, Answer>> {
  const answers = new Map<string, Answer>();
  for (const { metadata, spec } of await podsOf(["-n", namespace, "-l", selector])) {
    const forward = await portForward(cluster, { namespace, target: `pod/${metadata.name}`, port: 8000 });
    try {
      const response = await request(`http://127.0.0.1:${forward.port}/gather_runtime_info${query}`, {
        method: body === undefined ? "GET" : "POST",
        ...(body === undefined ? {} : { body: JSON.stringify(body(spec.nodeName)) }),
        signal: AbortSignal.timeout(110_000),
      });
      const text = await response.body.text();
      assert.is(response.statusCode, 200, text);
      answers.set(spec.nodeName, answerSchema.parse(JSON.parse(text)));
    } finally {
      forward.close();
    }
  }
  return answers;
}

const nothing: Expected = { os: "", osVersion: "", kind: "", kindVersion: "", kindImplementer: "", runtimes: [] };

/** What an answer says of a container; undefined when it is not in it. */
function said(answers: ReadonlyMap<string, Answer>, { node, namespace, pod, id }: Container): Expected | undefined {
  const entry = answers.get(node)?.[namespace]?.[pod]?.[id];
  if (entry === undefined) return undefined;
  const { runtimes, ...info } = clearInfo(entry, `${namespace}/${pod}`);
  return { ...info, runtimes: (runtimes ?? []).map(({ name, version }) => `${name} ${version}`.trim()) };
}

const expectations = samples.flatMap(({ namespace, name: pod, about, containers }) =>
  containers.map(({ name, expected }) => ({ namespace, pod, name, about, expected })),
);

interface World {
  /** By `namespace/pod name`. */
  readonly containers: ReadonlyMap<string, Container>;
  /** In clear text, of all containers. */
  readonly answers: ReadonlyMap<string, Answer>;
}
let world: World = { containers: new Map(), answers: new Map() };

async function prepare(): Promise<World> {
  const images = [...(await buildImages({ only: ["node"] })), ...(await buildSampleImages())];
  for (const archive of new Set(images.map((image) => image.archive))) await cluster.importImage(archive);
  await applySamples(cluster);
  await installNodeSide(cluster, look, "standalone");
  const pods = (await podsOf(["-A"])).filter(({ metadata }) =>
    samples.some(({ namespace, name }) => namespace === metadata.namespace && name === metadata.name),
  );
  const containers = new Map(
    pods.flatMap(({ metadata, spec, status }) =>
      status.containerStatuses.map(({ name, containerID }): [string, Container] => [
        `${metadata.namespace}/${metadata.name} ${name}`,
        { node: spec.nodeName, namespace: metadata.namespace, pod: metadata.name, name, id: containerID },
      ]),
    ),
  );
  return { containers, answers: await settledAnswers(containers) };
}

/** A ready pod may not have reached its runtime yet: asks again for a while until all is as expected, then takes what there is. */
async function settledAnswers(containers: ReadonlyMap<string, Container>): Promise<ReadonlyMap<string, Answer>> {
  let latest: ReadonlyMap<string, Answer> = new Map();
  await waitFor(
    "all samples to be recognised",
    async () => {
      latest = await ask("?hash=false");
      const wrong = expectations.filter(({ namespace, pod, name, expected }) => {
        const container = containers.get(`${namespace}/${pod} ${name}`);
        return container === undefined || !isDeepStrictEqual(said(latest, container), expected);
      });
      return wrong.length === 0 ? true : undefined;
    },
    { timeoutMs: 300_000, everyMs: 1_000 },
  ).catch((cause: Error) => console.log(`${cause.message}; the tests below say which`));
  return latest;
}

const containerOf = (namespace: string, pod: string, name: string): Container => {
  const found = world.containers.get(`${namespace}/${pod} ${name}`);
  if (found === undefined) throw new Error(`container ${name} of pod ${namespace}/${pod} is not on the cluster`);
  return found;
};

const words = ({ os, osVersion, kind, kindVersion, kindImplementer, runtimes }: Expected): string[] => [
  `${os} ${osVersion}`.trim(),
  `${kind} ${kindVersion} ${kindImplementer}`.trim(),
  runtimes.join(", "),
];

test.after(async () => {
  await kubectl(cluster, ["delete", "namespace", look, leastLook, "--ignore-not-found"]);
  await removeSamples(cluster);
});

// A test, since uvu does not say why a hook failed.
test("the samples and the node side come up", async () => {
  world = await prepare();
  const rows = expectations.map(({ namespace, pod, name }) => {
    const container = containerOf(namespace, pod, name);
    const found = said(world.answers, container);
    return [container.node, namespace, pod, name, ...(found === undefined ? ["-", "not in the answer"] : words(found))];
  });
  console.log(`\n${table(["NODE", "NAMESPACE", "POD", "CONTAINER", "OS", "RUNTIME", "FRAMEWORKS"], rows)}`);
});

test("the samples run on every node", () => {
  const nodes = new Set([...world.containers.values()].map(({ node }) => node));
  assert.equal([...nodes].sort(), cluster.nodes.map(({ name }) => name).sort());
});

for (const { namespace, pod, name, about, expected } of expectations) {
  test(`${namespace}/${pod} ${name}: ${about}`, () => {
    const { os, osVersion, kind, kindVersion, kindImplementer, runtimes } =
      said(world.answers, containerOf(namespace, pod, name)) ?? nothing;
    assert.equal({ os, osVersion, kind, kindVersion, kindImplementer, runtimes }, expected);
  });
}

test("with eight capabilities instead of a privileged container all answers are the same", async () => {
  await installNodeSide(cluster, leastLook, "standalone-least-privilege");
  await upToThrice(async () => {
    const answers = await ask("?hash=false", undefined, leastLook);
    for (const { namespace, pod, name } of expectations) {
      const container = containerOf(namespace, pod, name);
      assert.equal(said(answers, container), said(world.answers, container), `${namespace}/${pod} ${name}`);
    }
  });
  for (const { name } of cluster.nodes) assert.equal(await extractorRights(cluster, leastLook, name), leastRights);
});

test("asked for one container of each node, the answer has it alone and says the same", async () => {
  const chosen = new Map([...world.containers.values()].map((container) => [container.node, container]));
  await upToThrice(async () => {
    const answers = await ask("?hash=false", (node) => ({ containerIds: [chosen.get(node)?.id ?? ""] }));
    for (const [node, container] of chosen) {
      const references = Object.values(answers.get(node) ?? {})
        .flatMap((pods) => Object.values(pods))
        .flatMap((containers) => Object.keys(containers));
      assert.equal(references, [container.id]);
      assert.equal(said(answers, container), said(world.answers, container));
    }
  });
});

test("without hash=false every value is hashed", () =>
  upToThrice(async () => {
    const answers = await ask("");
    for (const { namespace, pod, name, expected } of expectations) {
      const { os, osVersion, kind, kindVersion, kindImplementer } = expected;
      const found = said(answers, containerOf(namespace, pod, name));
      assert.equal(
        [found?.os, found?.osVersion, found?.kind, found?.kindVersion, found?.kindImplementer],
        [os, osVersion, kind, kindVersion, kindImplementer].map((value) => (value === "" ? "" : obfuscate(value))),
        `${namespace}/${pod} ${name}`,
      );
    }
  }));

test("`exporter get` prints the tree for a person", async () => {
  const { node, pod } = containerOf("billing", "payments", "app");
  const exporter = (await podsOf(["-n", look, "-l", selector])).find(({ spec }) => spec.nodeName === node);
  const get = ["exec", exporter?.metadata.name ?? "", "-c", "exporter", "--", "/exporter", "get", "--hash=false"];
  const { expected } = expectations.find((one) => one.pod === pod) ?? { expected: nothing };
  await upToThrice(async () => {
    const lines = (await kubectl(cluster, ["-n", look, ...get])).split("\n").map((line) => line.trim());
    const at = lines.indexOf(pod);
    assert.ok(at > lines.indexOf("billing"));
    assert.equal(lines.slice(at + 2, at + 4), [
      `os: ${expected.os} ${expected.osVersion}`,
      `kind: ${expected.kind} ${expected.kindVersion} (${expected.kindImplementer})`,
    ]);
  });
});

for (const { namespace, pod, program } of decoys) {
  test(`${namespace}/${pod}: its program was never run by us, and would have told`, async () => {
    const inPod = (command: readonly string[]) => kubectl(cluster, ["-n", namespace, "exec", pod, "--", ...command]);
    const files = async () => (await inPod(["ls", "/tmp"])).trim().split(/\s+/);
    const marker = decoyMarker.replace("/tmp/", "");
    assert.equal(await files(), ["started"]);
    await inPod([program, "--version"]);
    assert.equal((await files()).sort(), [marker, "started"]);
    await inPod(["rm", decoyMarker]);
  });
}

test("no sample was disturbed: none has restarted", async () => {
  const restarted = (await podsOf(["-A"])).filter(
    ({ metadata, status }) =>
      samples.some(({ namespace, name }) => namespace === metadata.namespace && name === metadata.name) &&
      status.containerStatuses.some(({ restartCount }) => restartCount > 0),
  );
  assert.equal(
    restarted.map(({ metadata }) => metadata.name),
    [],
  );
});

test.run();
