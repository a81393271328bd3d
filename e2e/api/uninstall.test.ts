/** Everything goes, in whatever order an administrator takes it away, nothing hangs, and it can be installed again. */
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import { cloneDir } from "../../hack/cache.ts";
import { kubectl, waitFor } from "../../hack/kubectl.ts";
import { configPath, gathererSide, namespace, nodeSide, OperatorWorld } from "./operator-world.ts";

let world: OperatorWorld;

test.before(async () => {
  world = await OperatorWorld.start({ controllers: true });
});
test.after(async () => {
  await world.stop();
});

const manifests = (name: string) => join(cloneDir, "manifests", name);
const run = (...args: readonly string[]) => kubectl(world.server, args);
/** Waits until the objects are gone, as long as a patient administrator. */
const remove = (...args: readonly string[]) => run("delete", "--ignore-not-found", "--timeout=90s", ...args);

const steps = {
  /** Gone already with its kind. */
  config: async () => {
    if ((await world.get(configPath)) !== undefined) await remove("insightsruntimeextractor", "cluster");
  },
  /** Its process and its permissions. */
  operator: async () => {
    await world.stopOperator();
    await remove(
      ...["30-operator.yaml", "20-operator-rbac.yaml", "10-operand-roles.yaml"].flatMap((name) => [
        "-f",
        manifests(name),
      ]),
    );
  },
  /** After a config that is gone its operands are waited for: the garbage collector cannot look up owners of a kind that is gone as well. */
  CRDs: async () => {
    if ((await world.get(configPath)) === undefined) await world.waitForPresent([]);
    await remove("-k", join(cloneDir, "crds"));
  },
  namespace: () => remove("namespace", namespace),
  /** Operator and namespace at once. */
  manifests: async () => {
    await remove("-k", join(cloneDir, "manifests"));
    await world.stopOperator();
  },
};
type Step = keyof typeof steps;

/** Which of these exist is what an uninstall must not leave. */
const clusterScoped = [
  "/api/v1/namespaces",
  "/apis/rbac.authorization.k8s.io/v1/clusterroles",
  "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
  "/apis/security.openshift.io/v1/securitycontextconstraints",
  "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
];
const inDefault = ["roles", "rolebindings"].map(
  (plural) => `/apis/rbac.authorization.k8s.io/v1/namespaces/default/${plural}`,
);
const listSchema = z.object({ items: z.array(z.object({ metadata: z.object({ name: z.string() }) })) });

async function leftovers(): Promise<readonly string[]> {
  const lists = await Promise.all(
    [...clusterScoped, ...inDefault].map(async (path) => {
      const { items } = listSchema.parse((await world.admin.call({ path })).body);
      return items.map(({ metadata: { name } }) => `${path}/${name}`);
    }),
  );
  return lists.flat().filter((path) => /runtime-insights|runtimes\.insights/.test(path));
}

const group = "runtimes.insights.openshift.io/v1alpha1";
const gathers = `/apis/${group}/runtimegathers`;

async function install(): Promise<void> {
  await run("apply", "-k", join(cloneDir, "manifests"));
  await world.applyCrds();
  await world.server.restartControllers();
  await knownToTheCollector();
  const made = await world.create(gathers, { apiVersion: group, kind: "RuntimeGather", metadata: { name: "one" } });
  assert.is(made.status, 201, made.text);
  await world.startOperator();
  assert.is((await world.applyConfig({ featureGate: "Ignored" })).status, 201);
  await world.waitForPresent([...gathererSide, ...nodeSide]);
}

/**
 * The garbage collector looks for new kinds at its start and every half minute, and comes back late to one that went and came again; what
 * belongs to a kind that goes while it does not look, stays. Deleted in foreground, an object waits for the collector.
 */
async function knownToTheCollector(): Promise<void> {
  assert.is((await world.applyConfig({})).status, 201);
  await run("delete", "insightsruntimeextractor", "cluster", "--cascade=foreground", "--timeout=120s");
}

/** Each begins with another thing; what went with what was before it is not named again. */
const usual: readonly (readonly Step[])[] = [
  ["config", "operator", "CRDs", "namespace"],
  ["operator", "config", "namespace", "CRDs"],
  ["CRDs", "namespace", "operator"],
  ["namespace", "config", "CRDs", "operator"],
  ["manifests", "CRDs"],
];
const all = permutations(["config", "operator", "CRDs", "namespace"]);

function permutations(of: readonly Step[]): readonly (readonly Step[])[] {
  if (of.length === 0) return [[]];
  return of.flatMap((first) => permutations(of.filter((step) => step !== first)).map((rest) => [first, ...rest]));
}

for (const order of process.env.RUNTIME_INSIGHTS_UNINSTALL_ORDERS === "all" ? all : usual)
  test(`installed, then away with ${order.join(", ")}: nothing of ours is left in the cluster`, async () => {
    await install();
    for (const step of order) await steps[step]();
    let left: readonly string[] = [];
    await waitFor(
      "the cluster to be without us",
      async () => {
        left = await leftovers();
        return left.length === 0 ? true : undefined;
      },
      { timeoutMs: 150_000, everyMs: 200 },
    ).catch(() => assert.equal(left, []));
  });

test.run();
