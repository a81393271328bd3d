/** What our pods may do and what they need: Pod Security as the API server enforces it, and permissions that other tests do not need. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Agent, request } from "undici";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import { cloneDir } from "../../hack/cache.ts";
import { kubectl, waitFor, waitForKinds } from "../../hack/kubectl.ts";
import { audiences, names } from "../../src/core/operands.ts";
import { phaseOf } from "../../src/core/requests.ts";
import { GathersWorld } from "./gathers-world.ts";
import { hostilePods, type PodSpec, podSpecSchema, registry, shippedImages } from "./hostile-pods.ts";
import { gathererSide, namespace, nodeSide, type OperatorWorld } from "./operator-world.ts";
import { RealGatherer } from "./real-gatherer.ts";

let gathers: GathersWorld;
let world: OperatorWorld;
let gatherer: RealGatherer | undefined;

test.before(async () => {
  gathers = await GathersWorld.start();
  world = gathers.world;
});
test.after(async () => {
  gatherer?.stop();
  await world.stop();
});

const operatorAccount = "runtime-insights-operator";
const rbac = "/apis/rbac.authorization.k8s.io/v1";
const ignored = { featureGate: "Ignored" };

const workloadSchema = z.object({
  spec: z.object({
    template: z.object({
      metadata: z.object({ labels: z.record(z.string(), z.string()) }),
      spec: podSpecSchema,
    }),
  }),
});

const workloads = {
  operator: `/apis/apps/v1/namespaces/${namespace}/deployments/${operatorAccount}`,
  gatherer: `/apis/apps/v1/namespaces/${namespace}/deployments/${names.gatherer}`,
  extractor: `/apis/apps/v1/namespaces/${namespace}/daemonsets/${names.extractor}`,
  standalone: `/apis/apps/v1/namespaces/${namespace}/daemonsets/runtime-insights-standalone`,
};

/** What the API server says of a pod of that workload in that namespace, with that change; none is made. */
async function dryRun(
  workload: keyof typeof workloads,
  where: string,
  change: (spec: PodSpec) => object = (spec) => spec,
): Promise<readonly [number, string]> {
  const { template } = workloadSchema.parse(await world.get(workloads[workload])).spec;
  const { status, body } = await world.admin.call({
    method: "POST",
    path: `/api/v1/namespaces/${where}/pods`,
    query: { dryRun: "All" },
    body: { metadata: { name: "tried", labels: template.metadata.labels }, spec: change(template.spec) },
  });
  return [status, JSON.stringify(body).slice(0, 2000)];
}

/** Returns when the API server obeys it, which one sees by that image. */
async function applyPolicy(policy: string, refused: string): Promise<void> {
  await kubectl(world.server, ["apply", "-f", "-"], policy);
  const other = (spec: PodSpec) => ({
    ...spec,
    containers: spec.containers.map((one) => ({ ...one, image: refused })),
  });
  await waitFor(
    "the policy",
    async () => (/only the images/.test((await dryRun("gatherer", namespace, other))[1]) ? true : undefined),
    { everyMs: 100 },
  );
}

async function policyForOurImages(): Promise<string> {
  const policy = await readFile(join(cloneDir, "docs/examples/images-policy.yaml"), "utf8");
  return policy.replaceAll("registry.example.com/runtime-insights/", registry);
}

async function letsInOurPods(): Promise<void> {
  for (const workload of ["operator", "gatherer", "extractor"] as const) {
    const [status, said] = await dryRun(workload, namespace);
    assert.is(status, 201, `${workload}: ${said}`);
  }
}

test("preparation: everything is installed; two namespaces enforce a standard each", async () => {
  assert.is((await world.applyConfig(ignored)).status, 201);
  await gathers.startOperator({ images: shippedImages });
  await world.waitForPresent([...gathererSide, ...nodeSide]);
  for (const standard of ["restricted", "baseline", "privileged"]) {
    const labels = { "pod-security.kubernetes.io/enforce": standard };
    await world.create("/api/v1/namespaces", { metadata: { name: standard, labels } });
    for (const name of [operatorAccount, names.gatherer, names.extractor])
      await world.create(`/api/v1/namespaces/${standard}/serviceaccounts`, { metadata: { name } });
  }
});

for (const workload of ["operator", "gatherer"] as const)
  test(`Pod Security: the ${workload}'s pods meet the restricted standard`, async () => {
    const [status, said] = await dryRun(workload, "restricted");
    assert.is(status, 201, said);
    assert.not.match(said, /would violate/);
  });

for (const profile of ["Privileged", "LeastPrivilege"]) {
  test(`Pod Security: the extractor's pods with profile ${profile} need the privileged standard`, async () => {
    await world.applyConfig({ ...ignored, extractor: { securityProfile: profile } });
    await waitFor(
      "the profile",
      async () =>
        JSON.stringify(await world.get(workloads.extractor)).includes(`"privileged":${profile === "Privileged"}`) ||
        undefined,
      { everyMs: 100 },
    );
    for (const standard of ["restricted", "baseline"]) {
      const [status, said] = await dryRun("extractor", standard);
      assert.is(status, 403, said);
      assert.match(said, new RegExp(`violates PodSecurity .*${standard}.*hostPID=true`));
    }
    const [status, said] = await dryRun("extractor", "privileged");
    assert.is(status, 201, said);
  });

  test(`the policy for our images lets in each of our pods, profile ${profile}`, async () => {
    await applyPolicy(await policyForOurImages(), "elsewhere:1");
    await letsInOurPods();
  });

  for (const { rule, of, change, refusal } of hostilePods)
    test(`the policy for our images, profile ${profile}, refuses ${rule}`, async () => {
      const [status, said] = await dryRun(of, namespace, change);
      assert.is(status, 422, said);
      assert.match(said, refusal);
    });
}

test("Pod Security: our own namespace is privileged, and each of our pods is let in", async () => {
  const labels = (await world.get(`/api/v1/namespaces/${namespace}`))?.metadata.labels;
  for (const mode of ["enforce", "audit", "warn"])
    assert.is(labels?.[`pod-security.kubernetes.io/${mode}`], "privileged", mode);
  await letsInOurPods();
});

for (const variant of ["standalone", "standalone-least-privilege"])
  test(`the policy for our images lets in pods of ${variant}`, async () => {
    await kubectl(world.server, ["-n", namespace, "apply", "-k", join(cloneDir, "manifests", variant)]);
    const [status, said] = await dryRun("standalone", namespace);
    assert.is(status, 201, said);
  });

test("the policy for our images refuses a container for debugging", async () => {
  const { template } = workloadSchema.parse(await world.get(workloads.gatherer)).spec;
  const pods = `/api/v1/namespaces/${namespace}/pods`;
  const made = await world.create(pods, { metadata: { name: "debugged" }, spec: template.spec });
  assert.is(made.status, 201, made.text);
  const { status, body } = await world.admin.call({
    method: "PATCH",
    path: `${pods}/debugged/ephemeralcontainers`,
    contentType: "application/strategic-merge-patch+json",
    body: { spec: { ephemeralContainers: [{ name: "debug", image: shippedImages.gatherer }] } },
  });
  assert.is(status, 422, JSON.stringify(body));
  assert.match(JSON.stringify(body), /debugged with a container of its own/);
  await world.delete(`${pods}/debugged`);
});

test("the policy for our images holds to one release when it names that one's", async () => {
  const named = Object.values(shippedImages).reduce(
    (policy, image) => policy.replace(`'${image.slice(0, image.lastIndexOf(":"))}'`, `'${image}'`),
    await policyForOurImages(),
  );
  await applyPolicy(named, `${registry}runtime-insights-operator:0.0.9`);
  await letsInOurPods();
});

test("the operator could not make its bindings without leave to bind exactly these roles", async () => {
  const account = { kind: "ServiceAccount", name: "binder", namespace };
  await world.create(`/api/v1/namespaces/${namespace}/serviceaccounts`, { metadata: { name: account.name } });
  const shipped = z
    .object({ rules: z.array(z.looseObject({ verbs: z.array(z.string()) })) })
    .parse(await world.get(`${rbac}/clusterroles/${operatorAccount}`));
  const without = shipped.rules.filter(({ verbs }) => !verbs.includes("bind"));
  assert.is(without.length, shipped.rules.length - 1);
  const bindings = { apiGroups: ["rbac.authorization.k8s.io"], resources: ["clusterrolebindings"], verbs: ["create"] };
  const roleRef = (name: string) => ({ apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name });
  await world.create(`${rbac}/clusterroles`, { metadata: { name: "binder" }, rules: [...without, bindings] });
  await world.create(`${rbac}/clusterrolebindings`, {
    ...{ metadata: { name: "binder" }, roleRef: roleRef("binder") },
    subjects: [account],
  });
  const config = await world.accountConfig("binder");
  const binding = (name: string) =>
    JSON.stringify({
      ...{ apiVersion: "rbac.authorization.k8s.io/v1", kind: "ClusterRoleBinding" },
      ...{ metadata: { name: `try-${name}` }, roleRef: roleRef(name), subjects: [account] },
    });
  const tryToBind = (name: string) =>
    kubectl({ ...world.server, kubeconfig: config }, ["create", "--dry-run=server", "-f", "-"], binding(name)).then(
      () => "bound",
      String,
    );
  for (const name of [names.extractor, names.gatherer, names.reader])
    assert.match(await tryToBind(name), /attempting to grant RBAC permissions not currently held/);
  await world.patch(`${rbac}/clusterroles/binder`, { rules: [...shipped.rules, bindings] });
  for (const name of [names.extractor, names.gatherer, names.reader])
    await waitFor("the rule", async () => ((await tryToBind(name)) === "bound" ? true : undefined), { everyMs: 200 });
  assert.match(await tryToBind("cluster-admin"), /not currently held/);
});

/** A gather under the shipped account on a cluster that serves Image objects. */
test("the gatherer may read the images of the cluster", async () => {
  const open = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
  const crd = {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: "images.image.openshift.io", annotations: { "api-approved.kubernetes.io": "unapproved, test" } },
    spec: {
      ...{ group: "image.openshift.io", scope: "Cluster" },
      names: { kind: "Image", listKind: "ImageList", plural: "images", singular: "image" },
      versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: open } }],
    },
  };
  await kubectl(world.server, ["apply", "-f", "-"], JSON.stringify(crd));
  await waitForKinds(world.server, ["crd/images.image.openshift.io"]);
  const image = `quay.example/app@sha256:${"a".repeat(64)}`;
  await world.create("/api/v1/namespaces/privileged/serviceaccounts", { metadata: { name: "default" } });
  const pods = "/api/v1/namespaces/privileged/pods";
  const made = await world.create(pods, {
    metadata: { name: "app" },
    spec: { nodeName: "node-1", containers: [{ name: "app", image }] },
  });
  assert.is(made.status, 201, made.text);
  const running = { name: "app", image, imageID: image, containerID: "containerd://a", restartCount: 0, ready: true };
  await world.patch(`${pods}/app/status`, {
    status: { phase: "Running", containerStatuses: [{ ...running, state: { running: {} } }] },
  });
  await world.stopOperator();
  gatherer = await RealGatherer.start(gathers);
  const token = await gatherer.operatorToken();
  await gathers.startOperator({ gathererOrigin: gatherer.origin, gathererToken: async () => token });
  await world.setGathererReady(true);
  await gathers.make("with-images");
  await waitFor("the gather", async () => {
    const made = await gathers.find("with-images");
    return made !== undefined && phaseOf(made) === "Succeeded" ? true : undefined;
  });
});

test("whoever has a token of the reader sees archives, inventory and version, and can order nothing", async () => {
  const token = await kubectl(world.server, [
    ...["-n", namespace, "create", "token", names.reader, `--audience=${audiences.gatherer}`],
  ]);
  const ca = z
    .object({ data: z.object({ "ca.crt": z.string() }) })
    .parse(await world.operand({ kind: "ConfigMap", name: names.caBundle })).data["ca.crt"];
  const dispatcher = new Agent({ connect: { ca, servername: `${names.gatherer}.${namespace}.svc` } });
  const ask = async (method: "GET" | "POST" | "PUT", path: string) => {
    const headers = { authorization: `Bearer ${token.trim()}` };
    const answer = await request(`${gatherer?.origin}${path}`, { dispatcher, method, headers });
    return { status: answer.statusCode, text: await answer.body.text() };
  };
  try {
    const archives = await ask("GET", "/v1/archives");
    const [first] = z.array(z.object({ name: z.string() })).parse(JSON.parse(archives.text));
    for (const path of [`/v1/archives/${first?.name}`, "/v1/inventory", "/v1/version"])
      assert.is((await ask("GET", path)).status, 200, path);
    assert.is((await ask("POST", "/v1/gathers")).status, 403);
    assert.is((await ask("PUT", `/v1/archives/${first?.name}`)).status, 403);
    assert.is((await ask("GET", "/v1/gathers/a")).status, 403);
  } finally {
    await dispatcher.destroy();
  }
});

test.run();
