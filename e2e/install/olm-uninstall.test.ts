/** Away from OLM in every order: nothing of ours is left, nothing hangs, and it can be installed again. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { cloneDir } from "../../hack/cache.ts";
import type { Cluster } from "../../hack/cluster/cluster.ts";
import { kubectl, waitFor } from "../../hack/kubectl.ts";
import { type Olm, startOlm } from "../../hack/olm/olm.ts";
import { catalogueOf, subscribe, waitForVersion } from "../../hack/olm/subscription.ts";
import { applyConfig, condition, namespace, ours } from "../node/world.ts";
import { installCluster } from "./world.ts";

const version = "0.1.0";
const dir = mkdtempSync(join(tmpdir(), "runtime-insights-olm-"));
let cluster: Cluster;
let olm: Olm;

test.after(async () => {
  await olm?.stop();
  rmSync(dir, { recursive: true, force: true });
});

const run = (...args: readonly string[]) => kubectl(cluster, args);
/** Waits until the objects are gone, as long as a patient administrator; what went with something before it is no error. */
const remove = (...args: readonly string[]) => run("delete", "--ignore-not-found", "--timeout=150s", ...args);

const steps = {
  Subscription: () => remove("-n", namespace, "subscriptions.operators.coreos.com", "--all"),
  CSV: () => remove("-n", namespace, "clusterserviceversions", "--all"),
  /** Gone already with its kind. */
  config: async () => {
    if ((await run("get", "crd", "-o", "name")).includes("/insightsruntimeextractors."))
      await remove("insightsruntimeextractor", "cluster");
  },
  CRDs: () => remove("-k", join(cloneDir, "crds")),
  namespace: () => remove("namespace", namespace),
};
type Step = keyof typeof steps;

/** Each begins with another thing; what went with what was before it is not named again. Who keeps the CRDs has them when he installs again. */
const orders: readonly (readonly Step[])[] = [
  ["CSV", "Subscription", "config", "namespace"],
  ["namespace", "config"],
  ["Subscription", "namespace", "config"],
  ["CRDs", "CSV", "Subscription", "namespace"],
  ["config", "Subscription", "CSV", "CRDs", "namespace"],
];

const operands = "app.kubernetes.io/managed-by=runtime-insights-operator";
const operator = "app.kubernetes.io/name=runtime-insights-operator";
const kinds = ["insightsruntimeextractors", "runtimegathers"].map(
  (plural) => `${plural}.runtimes.insights.openshift.io`,
);
/** The test's own, from before it subscribes; in OLM's namespace. */
const catalogue = "CatalogSource runtime-insights";
/** What OLM keeps until somebody deletes it: its own note, and ClusterRoles of the bundle, which grant nothing without bindings. */
const keptAlways = [
  `Operator runtime-insights.${namespace}`,
  ...["extractor", "gatherer", "reader"].map((role) => `ClusterRole runtime-insights-${role}`),
];
/** What OLM, and the API server itself, keep as long as the CRDs are there. */
const keptWithCrds = [
  ...keptAlways,
  "APIService v1alpha1.runtimes.insights.openshift.io",
  ...kinds.flatMap((kind) => [
    `CustomResourceDefinition ${kind}`,
    ...["admin", "crdview", "edit", "view"].map((verbs) => `ClusterRole ${kind}-v1alpha1-${verbs}`),
  ]),
];

/** Everything in the cluster that bears our name, of whatever kind and wherever; but for events, which end by themselves. */
async function leftovers(): Promise<readonly string[]> {
  const listed = (await run("api-resources", "--verbs=list", "-o", "name")).trim().split("\n");
  const looked = listed.filter((kind) => !/^(events|componentstatuses)\b/.test(kind));
  const columns = "custom-columns=KIND:.kind,NAME:.metadata.name";
  const objects = (await run("get", looked.join(), "-A", "--no-headers", "-o", columns)).split("\n");
  return (
    objects
      .map((line) => line.replace(/\s+/, " ").trim())
      .filter((line) => /runtime-insights|runtimes\.insights/.test(line) && line !== catalogue)
      // OLM's, of the OperatorGroup: on a busy machine it makes one again while the namespace goes. Nobody is bound to it.
      .filter((line) => !line.startsWith(`ClusterRole olm.og.${namespace}.`))
      .sort()
  );
}

/**
 * The garbage collector looks for new kinds every half minute, and comes back late to one that went and came again; what belongs to a
 * kind that goes while it does not look, stays. Deleted in foreground, an object waits for the collector.
 */
async function knownToTheCollector(): Promise<void> {
  await applyConfig(cluster, { managementState: "Unmanaged" });
  await remove("insightsruntimeextractor", "cluster", "--cascade=foreground");
}

async function install(): Promise<void> {
  await subscribe(cluster);
  await waitForVersion(olm, cluster, version);
  await knownToTheCollector();
  await applyConfig(cluster, { featureGate: "Ignored" });
  const hasOperands = async () => {
    for (const kind of ["daemonsets", "securitycontextconstraints", "clusterrolebindings"])
      if ((await ours(cluster, kind)).length === 0) return undefined;
    // A pod that is deleted before its program hears signals stays for its whole time of grace.
    return /^True\//.test((await condition(cluster, "Available")) ?? "") ? true : undefined;
  };
  await olm.waitFor("the operands", hasOperands);
}

test("preparation: OLM serves the bundle", async () => {
  cluster = await installCluster("uninstall");
  olm = await startOlm(cluster);
  await olm.serve(await catalogueOf(join(dir, "catalogue"), [{ version }]));
  assert.equal(await leftovers(), [], "the cluster has something of ours before anything was installed");
});

/** An InstallPlan or a look at a ClusterServiceVersion that is on its way while they go brings these back, whatever the operator does. */
const isOfOlm = (object: string): boolean =>
  /^ClusterRole(Binding)? runtime-insights\.v/.test(object) ||
  (keptWithCrds.includes(object) && !keptAlways.includes(object));

for (const order of orders)
  test(`installed by OLM, then away with ${order.join(", ")}: nothing of ours is left`, async () => {
    await install();
    for (const step of order) await steps[step]();
    const expected = [...(order.includes("CRDs") ? keptAlways : keptWithCrds)].sort();
    let left: readonly string[] = [];
    const isClean = async () => {
      left = await leftovers();
      return left.join() === expected.join() ? true : undefined;
    };
    // A pod may take its whole grace period, and its namespace as long.
    const clean = () => waitFor("the cluster to be without us", isClean, { timeoutMs: 150_000 });
    await clean().catch(async () => {
      const more = left.filter((one) => !expected.includes(one));
      assert.ok(more.length > 0 && more.every(isOfOlm), JSON.stringify({ left, expected }));
      console.log(`OLM made or left what is to be removed once more: ${more.join(", ")}`);
      if (order.includes("CRDs")) await steps.CRDs();
      await run("delete", "clusterrolebindings,clusterroles", "-l", "olm.owner.kind=ClusterServiceVersion");
      await clean().catch(() => assert.equal(left, expected));
    });
  });

test("the operator removed in the console and installed again: it goes on with the config at once, though the one before could not give its Lease back", async () => {
  await install();
  const uids = () =>
    run("-n", namespace, "get", "daemonsets,deployments", "-l", operands, "-o", "jsonpath={.items[*].metadata.uid}");
  const lease = (path: string) =>
    run("-n", namespace, "get", "lease", "runtime-insights-operator", "-o", `jsonpath=${path}`);
  const [before, leaseBefore] = [await uids(), await lease("{.metadata.uid}")];
  await steps.CSV();
  await steps.Subscription();
  await subscribe(cluster);
  await waitForVersion(olm, cluster, version);
  const pods = () => run("-n", namespace, "get", "pods", "-l", operator, "-o", "name");
  await waitFor(
    "one of the new pods to lead",
    async () => {
      const [leader = ""] = (await lease("{.spec.holderIdentity}")).split("_");
      return leader !== "" && (await pods()).includes(leader) ? true : undefined;
    },
    { timeoutMs: 180_000 },
  );
  assert.is.not(await lease("{.metadata.uid}"), leaseBefore, "nobody waited until the old Lease had expired");
  assert.is(await uids(), before);
});

test("a second installation in another namespace is told of the first, and away again it has taken nothing from it", async () => {
  await install();
  const uids = () =>
    run(
      ...["get", "deployments,daemonsets,clusterroles,clusterrolebindings,securitycontextconstraints", "-A"],
      ...["-l", "app.kubernetes.io/part-of=runtime-insights", "-o", "jsonpath={.items[*].metadata.uid}"],
    );
  const before = await uids();
  const namespace = "second-insights";
  await subscribe(cluster, { namespace });
  await waitForVersion(olm, cluster, version, namespace);
  await waitFor("its event", async () => {
    const events = await run("-n", "default", "get", "events", "-o", "jsonpath={.items[*].message}");
    return /Two operators are installed: the one in namespace runtime-insights manages this config, the one in second-insights stays/.test(
      events,
    )
      ? true
      : undefined;
  });
  await remove("-n", namespace, "subscriptions.operators.coreos.com,clusterserviceversions", "--all");
  await remove("namespace", namespace);
  assert.is(await uids(), before);
  await remove("-n", "runtime-insights", "service", "runtime-insights-exporter");
  await waitFor("the first one to mend what was deleted", async () =>
    (await ours(cluster, "services")).includes("runtime-insights-exporter") ? true : undefined,
  );
  const left = (await leftovers()).filter((line) => line.includes(namespace));
  assert.equal(left, [`Operator runtime-insights.${namespace}`], "but OLM's own note, which CRDs bring back");
});

test.run();
