/**
 * The whole product on a cluster of this machine: `npm run demo`, or `npm run demo -- --olm` where OLM installs the operator, taken down by
 * `npm run demo:down`. Needs root, cargo and Go; installs missing Debian packages. Leaves a two-node cluster called `demo` and an archive in this folder.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { gather } from "../e2e/node/world.ts";
import { applySamples, buildSampleImages } from "../e2e/samples/apply.ts";
import { compareInventory } from "../e2e/samples/inventory.ts";
import { loadSamples, type Sample } from "../e2e/samples/samples.ts";
import type { InventoryRow } from "../src/api/gather.ts";
import { packageVersion } from "./build.ts";
import { cloneDir } from "./cache.ts";
import { type Cluster, down, up } from "./cluster/cluster.ts";
import { buildImages } from "./images/images.ts";
import { kubectl, waitFor } from "./kubectl.ts";
import { startOlm } from "./olm/olm.ts";
import { catalogueOf, removeSubscription, subscribe, waitForVersion } from "./olm/subscription.ts";
import { preflight } from "./preflight.ts";
import { openReader } from "./reader.ts";
import { table } from "./table.ts";

const usage = "usage: npm run demo [-- --olm] | npm run demo:down";
const name = "demo";
const namespace = "runtime-insights";
const gateOn = '{"spec":{"featureSet":"TechPreviewNoUpgrade"}}';

async function step<T>(title: string, work: () => Promise<T>): Promise<T> {
  const startedMs = Date.now();
  console.log(`\n\u25b8 ${title}`);
  const result = await work();
  console.log(`  done in ${((Date.now() - startedMs) / 1000).toFixed(1)} s`);
  return result;
}

/** Runs kubectl, shows the command and what it printed. */
async function show(cluster: Cluster, args: readonly string[], input?: string): Promise<string> {
  console.log(`  $ kubectl ${args.map((arg) => (/[{ ]/.test(arg) ? `'${arg}'` : arg)).join(" ")}`);
  const output = await kubectl(cluster, args, input);
  if (output.trim() !== "") console.log(output.trimEnd().replaceAll(/^/gm, "  "));
  return output;
}

async function demo({ olm }: { readonly olm: boolean }): Promise<void> {
  const startedMs = Date.now();
  await step("Checking this machine", () => preflight({ need: "cluster", install: true }));
  const cluster = await step(`Cluster "${name}" with two nodes`, () => up({ name, nodes: 2 }));
  const images = await step("Building the images (no Docker)", async () => [
    ...(await buildImages()),
    ...(await buildSampleImages()),
  ]);
  await step(`Importing ${images.length} images into the nodes`, async () => {
    for (const archive of new Set(images.map((image) => image.archive))) await cluster.importImage(archive);
  });
  const samples = await loadSamples();
  await step("Starting clean: no config, feature gate off", () => startClean(cluster, { olm }));
  if (olm)
    await step("Installing the operator by OLM, from a catalogue of this clone's bundle", () => subscribeTo(cluster));
  else await step("Installing the operator, as an administrator would", () => install(cluster));
  await step(`Starting ${samples.length} sample pods in several namespaces on both nodes`, () => applySamples(cluster));
  await step("Creating the config while the feature gate is off: shapes are gathered, no node is touched", () =>
    gateOff(cluster),
  );
  await step("Turning the feature gate on", () => turnGateOn(cluster));
  await step("Asking for a gather now", () => gatherNow(cluster));
  const rows = await step("What was found", () => results(cluster));
  const { lines, wrong } = compare(samples, rows);
  console.log(`\n${table(["NAMESPACE", "POD", "CONTAINER", "OS", "RUNTIME", "FRAMEWORKS", ""], lines)}`);
  console.log(`\nThe demo took ${((Date.now() - startedMs) / 1000).toFixed(0)} s.`);
  console.log("Look around:   export KUBECONFIG=$(npm run -s cluster:kubeconfig)");
  console.log(`               export PATH=${cluster.binDir}:$PATH`);
  console.log("               kubectl describe ire cluster; sh hack/extract.sh");
  console.log("Gather by hand: npm run -s gatherer -- once --kubeconfig $KUBECONFIG --namespace runtime-insights \\");
  console.log("                  --output by-hand --format table");
  console.log("Take it down:  npm run demo:down");
  if (wrong > 0) throw new Error(`${wrong} containers were not recognised as expected, see the rows marked WRONG`);
}

/** Also on a cluster that an earlier demo left: only a throw-away cluster may have its FeatureGate object made anew. */
async function startClean(cluster: Cluster, { olm }: { readonly olm: boolean }): Promise<void> {
  await show(cluster, ["delete", "insightsruntimeextractor", "cluster", "--ignore-not-found"]).catch(() => undefined);
  await kubectl(cluster, ["delete", "runtimegathers", "--all"]).catch(() => undefined);
  await removeSubscription(cluster);
  if (olm) await kubectl(cluster, ["delete", "-k", join(cloneDir, "manifests"), "--ignore-not-found"]);
  await kubectl(cluster, ["delete", "featuregate", "cluster", "--ignore-not-found"]);
  await kubectl(
    cluster,
    ["apply", "-f", "-"],
    JSON.stringify({
      apiVersion: "config.openshift.io/v1",
      kind: "FeatureGate",
      metadata: { name: "cluster" },
      spec: {},
    }),
  );
}

async function install(cluster: Cluster): Promise<void> {
  await show(cluster, ["apply", "-k", join(cloneDir, "crds")]);
  await show(cluster, ["apply", "-k", join(cloneDir, "manifests")]);
  await kubectl(cluster, ["-n", namespace, "rollout", "restart", "deployment/runtime-insights-operator"]);
  await show(cluster, ["-n", namespace, "rollout", "status", "deployment/runtime-insights-operator", "--timeout=180s"]);
}

async function subscribeTo(cluster: Cluster): Promise<void> {
  const olm = await startOlm(cluster);
  const catalogue = join(cluster.dir, "catalogue");
  await olm.serve(await catalogueOf(catalogue, [{ version: packageVersion }]));
  await subscribe(cluster);
  await waitForVersion(olm, cluster, packageVersion);
  await show(cluster, ["-n", namespace, "get", "subscriptions.operators.coreos.com,csv,installplans"]);
}

async function gateOff(cluster: Cluster): Promise<void> {
  await show(cluster, ["apply", "-f", join(cloneDir, "docs/examples/config.yaml")]);
  await show(cluster, ["wait", "ire/cluster", "--for=condition=GathererReady", "--timeout=180s"]);
  const first = await waitFor("the first gather", async () => {
    const names = await kubectl(cluster, ["get", "runtimegathers", "-o", "name"]);
    return names.split("\n")[0] || undefined;
  });
  await show(cluster, ["wait", first, "--for=condition=Succeeded", "--timeout=180s"]);
  await show(cluster, ["-n", namespace, "get", "daemonsets"]);
  await show(cluster, ["get", "insightsruntimeextractor"]);
}

async function turnGateOn(cluster: Cluster): Promise<void> {
  console.log("  Attention: on a real cluster TechPreviewNoUpgrade cannot be taken back and blocks upgrades;");
  console.log("  there, prefer spec.featureGate: Ignored in the config.");
  await show(cluster, ["patch", "featuregate", "cluster", "--type=merge", "-p", gateOn]);
  await show(cluster, ["wait", "ire/cluster", "--for=condition=ExtractorReady", "--timeout=180s"]);
  await show(cluster, ["-n", namespace, "get", "daemonsets"]);
}

/** Asked again where the schedule's own gather took its place, as a user would. */
async function gatherNow(cluster: Cluster): Promise<void> {
  console.log("  $ kubectl create -f docs/examples/gather.yaml");
  const { metadata, status } = await gather(cluster);
  await show(cluster, ["get", "runtimegather", metadata.name]);
  const succeeded = status?.conditions?.find(({ type }) => type === "Succeeded");
  if (succeeded?.status !== "True")
    throw new Error(`${metadata.name} did not succeed: ${succeeded?.reason ?? "no condition"}`);
}

async function results(cluster: Cluster): Promise<readonly InventoryRow[]> {
  await show(cluster, ["get", "insightsruntimeextractor"]);
  await show(cluster, ["get", "runtimegathers"]);
  const reader = await openReader(cluster);
  try {
    const [newest] = await reader.archives();
    if (newest === undefined) throw new Error("the gatherer holds no archive");
    await writeFile(newest.name, await reader.archive(newest.name));
    console.log(`  The archive lies in this folder: ${newest.name} (${newest.bytes} bytes)`);
    return (await reader.inventory()).rows;
  } finally {
    await reader.close();
  }
}

/** One line per sample container, marked by whether the inventory says what it really runs. */
function compare(
  samples: readonly Sample[],
  rows: readonly InventoryRow[],
): { readonly lines: string[][]; readonly wrong: number } {
  const compared = compareInventory(samples, rows);
  const lines = compared.map(({ namespace, pod, container, os, kind, runtimes, isRight }) => [
    ...[namespace, pod, container, os, kind, runtimes],
    isRight ? "right" : "WRONG",
  ]);
  return { lines, wrong: compared.filter(({ isRight }) => !isRight).length };
}

async function main(): Promise<void> {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { olm: { type: "boolean", default: false } },
  });
  const [command] = positionals;
  if (positionals.length !== 1 || (command !== "up" && command !== "down")) throw new Error(usage);
  if (command === "up") await demo(values);
  else await down(name);
}

await main().catch((cause: Error) => {
  console.error(`\n${cause.message}`);
  if (cause.cause instanceof Error) console.error(cause.cause.message);
  process.exitCode = 1;
});
