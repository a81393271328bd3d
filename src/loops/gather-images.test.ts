import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Script } from "../adapters/api.fixture.ts";
import { obfuscate } from "../core/hash.ts";
import { digest } from "../core/pods.fixture.ts";
import { inWorld, run, startMs, workloadOf } from "./gather.fixture.ts";

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

test("images are read once each, described, and cached for the next gathers; those not found are counted, and asked for again a day later", () => {
  const pods = [
    { containers: [{}, { imageID: `x@${digest("b")}` }] },
    { name: "web-2", containers: [{ command: ["x"] }] },
  ];
  return inWorld({ pods, script: imageScript({ [digest("a")]: image }) }, async (world, requests) => {
    const { outcome } = await run(world, { runtimeInfo: false });
    assert.equal(outcome.notes, []);
    const described = `"${digest("a")}":{"layerIDs":["sha256:l1","sha256:l2"],"firstCommand":"${obfuscate("app")}","firstArg":"47DEQpj8HBSa","repository":"${obfuscate("quay.example/team/app@sha256:x")}"}`;
    assert.ok((await workloadOf(world)).startsWith(`{"pods":2,"imageCount":2,"images":{${described}},"namespaces":`));
    const reads = () => requests.filter((one) => one.includes("/images/")).map((one) => one.split("/images/")[1]);
    assert.equal(reads().sort(), [digest("a"), digest("b")]);
    await run(world, { runtimeInfo: false });
    assert.equal(reads().slice(2), []);
    const dayMs = 24 * 60 * 60 * 1000;
    await run({ ...world, nowMs: () => startMs + dayMs }, { runtimeInfo: false });
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
      assert.ok((await workloadOf(world)).includes(expected), await workloadOf(world));
    }),
  );

test("images that take too long are left out with their number, as the existing gatherer does, and that is noted", () => {
  const script: Script = (path) =>
    path === "/apis/image.openshift.io/v1"
      ? { body: {} }
      : path.includes("/images/")
        ? { status: 503, body: {} }
        : undefined;
  return inWorld({ pods: [{}], script }, async (world) => {
    const { outcome } = await run({ ...world, delaysMs: [20_000], imageWaitMs: 100 }, { runtimeInfo: false });
    assert.equal(outcome.notes, ["The images could not be read in time and are left out"]);
    assert.match(await workloadOf(world), /^\{"pods":1,"imageCount":0,"namespaces"/);
  });
});

const images = "/apis/image.openshift.io/v1";
for (const [rule, answer] of [
  ["that cannot be read", { status: 500, body: {} }],
  ["that is HTML", { body: "<html>" }],
  ["that is null", { body: null }],
  ["of wrong types", { body: { dockerImageLayers: "x" } }],
  ["with layers of null", { body: { dockerImageLayers: [null] } }],
] as const)
  test(`an image ${rule} is counted and noted, and fails nothing`, () => {
    const script: Script = (path) => (path === images ? { body: {} } : path.startsWith(images) ? answer : undefined);
    return inWorld({ pods: [{}], script }, async (world) => {
      const { outcome } = await run(world, { runtimeInfo: false });
      assert.is(outcome.succeeded, true);
      assert.equal(outcome.notes, ["1 images could not be read"]);
      assert.match(await workloadOf(world), /^\{"pods":1,"imageCount":1,"namespaces"/);
    });
  });

test.run();
