/**
 * The whole product on a cluster of this machine: `npm run demo`, taken down by `npm run demo:down`.
 * Needs root, cargo and Go; installs missing Debian packages. Leaves a two-node cluster called `demo` and an archive in this folder.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isDeepStrictEqual, parseArgs } from "node:util";
import { applySamples, buildSampleImages } from "../e2e/samples/apply.ts";
import { type Expected, loadSamples, type Sample } from "../e2e/samples/samples.ts";
import type { InventoryRow } from "../src/api/gather.ts";
import { cloneDir } from "./cache.ts";
import { type Cluster, down, up } from "./cluster/cluster.ts";
import { buildImages } from "./images/images.ts";
import { kubectl, waitFor } from "./kubectl.ts";
import { preflight } from "./preflight.ts";
import { openReader } from "./reader.ts";
import { table } from "./table.ts";

const usage = "usage: npm run demo | npm run demo:down";
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

async function demo(): Promise<void> {
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
  await step("Starting clean: no config, feature gate off", () => startClean(cluster));
  await step("Installing the operator, as an administrator would", () => install(cluster));
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
async function startClean(cluster: Cluster): Promise<void> {
  await show(cluster, ["delete", "insightsruntimeextractor", "cluster", "--ignore-not-found"]).catch(() => undefined);
  await kubectl(cluster, ["delete", "runtimegathers", "--all"]).catch(() => undefined);
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

async function gatherNow(cluster: Cluster): Promise<void> {
  const request = join(cloneDir, "docs/examples/gather.yaml");
  const created = await show(cluster, ["create", "-f", request, "-o", "name"]);
  await show(cluster, ["wait", created.trim(), "--for=condition=Succeeded", "--timeout=240s"]);
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
  const lines = samples.flatMap((sample) =>
    sample.containers.map((container) => {
      const row = rows.find(
        (one) => one.namespace === sample.namespace && one.pod === sample.name && one.container === container.name,
      );
      const found = row === undefined ? undefined : answerOf(row);
      const right = isDeepStrictEqual(found, answerOf(container.expected));
      const { os, kind, runtimes } = found ?? { os: "", kind: "", runtimes: "" };
      return [sample.namespace, sample.name, container.name, os, kind, runtimes, right ? "right" : "WRONG"];
    }),
  );
  return { lines, wrong: lines.filter((line) => line.at(-1) === "WRONG").length };
}

function answerOf({ os, osVersion, kind, kindVersion, kindImplementer, runtimes }: Expected) {
  // Python's version begins with the word, as in OpenShift's archive.
  const version = kindVersion.startsWith(kind) ? kindVersion : `${kind} ${kindVersion}`;
  return {
    os: `${os} ${osVersion}`.trim(),
    kind: `${version} ${kindImplementer}`.trim(),
    runtimes: runtimes.join(", "),
  };
}

async function main(): Promise<void> {
  const { positionals } = parseArgs({ allowPositionals: true, options: {} });
  const [command] = positionals;
  if (positionals.length !== 1 || (command !== "up" && command !== "down")) throw new Error(usage);
  if (command === "up") await demo();
  else await down(name);
}

await main().catch((cause: Error) => {
  console.error(`\n${cause.message}`);
  if (cause.cause instanceof Error) console.error(cause.cause.message);
  process.exitCode = 1;
});
