/** Installed and upgraded by the real OLM from a catalogue that opm serves. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { bundleFiles } from "../../hack/bundle/bundle.ts";
import type { Cluster } from "../../hack/cluster/cluster.ts";
import { buildBundleImage, buildImages } from "../../hack/images/images.ts";
import { kubectl, waitFor } from "../../hack/kubectl.ts";
import { type Olm, startOlm } from "../../hack/olm/olm.ts";
import {
  catalogueOf,
  csvStatus,
  removeSubscription,
  subscribe,
  subscriptionStatus,
  waitForVersion,
} from "../../hack/olm/subscription.ts";
import { importUnpackImages } from "../../hack/olm/unpack-images.ts";
import { askForGather, gatherAtOnce, namespace, waitForCondition, waitForGather, waitForPhase } from "../node/world.ts";
import { archivesOf, checkInstallation } from "./checks.ts";
import { endWatches, watchExtractors } from "./extractors-watch.ts";
import { installCluster } from "./world.ts";

const dir = mkdtempSync(join(tmpdir(), "runtime-insights-olm-"));
let cluster: Cluster;
let olm: Olm;
const installation = async () => ({ cluster, hasGate: true });

const [released, upgraded] = [{ version: "0.1.0" }, { version: "0.2.0", replaces: "0.1.0" }];
/** Its operator's image is there, and has no program of the operator. */
const broken = {
  version: "0.3.0",
  replaces: "0.2.0",
  image: (ref: string) => ref.replace(/runtime-insights-(operator|node):0.3.0/, "runtime-insights-node:0.2.0"),
};
/** The images of the version before the broken one. */
const corrected = { version: "0.4.0", replaces: "0.3.0", image: (ref: string) => ref.replace(/:0.4.0$/, ":0.2.0") };

test.after(async () => {
  endWatches();
  await olm?.stop();
  rmSync(dir, { recursive: true, force: true });
});

test("a Subscription to a channel that is not there says so, and to the right one installs", async () => {
  cluster = await installCluster("olm");
  olm = await startOlm(cluster, { unpackImages: await importUnpackImages(cluster) });
  await olm.serve(await catalogueOf(join(dir, "first"), [released]));
  await subscribe(cluster, { channel: "fast" });
  await olm.waitFor("the Subscription to name the channel", async () => {
    const { conditions } = await subscriptionStatus(cluster);
    return conditions.some(({ type, message }) => type === "ResolutionFailed" && /channel fast/.test(message))
      ? true
      : undefined;
  });
  await subscribe(cluster);
  await waitForVersion(olm, cluster, released.version);
});

checkInstallation(installation);

test("an upgrade through the channel, its bundle unpacked from an image: the extractors are never down, and the gather that was asked for is not lost", async () => {
  for (const { archive } of await buildImages({ version: upgraded.version, only: ["node", "operator"] }))
    await cluster.importImage(archive);
  const bundle = await buildBundleImage(bundleFiles(upgraded), { version: upgraded.version });
  await cluster.importImage(bundle.archive);
  const bundleImage = bundle.ref.replace(/:[^:]*$/, `@${bundle.digest}`);
  const catalogue = await catalogueOf(join(dir, "second"), [released, { ...upgraded, bundleImage }]);
  const watch = await watchExtractors(cluster);
  // Gathers begin a minute apart, so the second one waits while the operator is replaced.
  await gatherAtOnce(cluster);
  const before = await archivesOf(cluster);
  const request = await askForGather(cluster);
  // On a slow machine its turn has come already.
  await waitForPhase(cluster, request, /^(Pending|Running)$/);
  await olm.serve(catalogue);
  await waitForVersion(olm, cluster, upgraded.version);
  await waitFor("the operator of the new version", async () => {
    const path = "jsonpath={.status.version}";
    return (await kubectl(cluster, ["get", "ire", "cluster", "-o", path])) === upgraded.version ? true : undefined;
  });
  const finished = await waitForGather(cluster, request);
  assert.is(finished.status?.conditions?.find(({ type }) => type === "Succeeded")?.status, "True");
  await waitForCondition(cluster, "ExtractorReady", /^True\//);
  await waitForCondition(cluster, "GathererReady", /^True\//);
  const seen = await watch.stop();
  assert.is(seen.uids.length, 1);
  assert.not(seen.wasDeleted);
  assert.ok(seen.leastReady >= cluster.nodes.length - 1, JSON.stringify(seen));
  assert.equal(seen.podsByNode, Object.fromEntries(cluster.nodes.map(({ name }) => [name, 2])));
  const after = await archivesOf(cluster);
  assert.is(after[0], finished.status?.archive?.name);
  assert.equal(
    before.filter((name) => !after.includes(name)),
    [],
    "archives of the gatherer before",
  );
});

test("an upgrade whose image does not start is told, and the old operator goes on", async () => {
  await olm.serve(await catalogueOf(join(dir, "third"), [released, upgraded, broken]));
  await olm.waitFor(`OLM to tell that ${broken.version} does not come up`, async () => {
    const { phase, message } = await csvStatus(cluster, broken.version);
    assert.is.not(phase, "Succeeded");
    return /deployment "?runtime-insights-operator"?/.test(message) ? true : undefined;
  });
  assert.is((await csvStatus(cluster, upgraded.version)).phase, "Replacing");
  await waitForCondition(cluster, "Available", /^True\//);
  await kubectl(cluster, [
    "-n",
    namespace,
    "wait",
    "deployment/runtime-insights-operator",
    "--for=condition=Available",
  ]);
});

test("the way back from it, Subscription and versions away and subscribed again, leaves the extractors up", async () => {
  const watch = await watchExtractors(cluster);
  await removeSubscription(cluster);
  await olm.serve(await catalogueOf(join(dir, "fourth"), [released, upgraded, broken, corrected]));
  await subscribe(cluster);
  await waitForVersion(olm, cluster, corrected.version);
  await waitForCondition(cluster, "ExtractorReady", /^True\//);
  const { uids, wasDeleted, leastReady } = await watch.stop();
  assert.equal(
    { uids: uids.length, wasDeleted, leastReady },
    { uids: 1, wasDeleted: false, leastReady: cluster.nodes.length },
  );
});

test("a catalogue that knows older versions only changes nothing", async () => {
  const lastConnect = () =>
    kubectl(cluster, [
      ...["-n", "olm", "get", "catalogsource", "runtime-insights"],
      ...["-o", "jsonpath={.status.connectionState.lastConnect} {.status.connectionState.lastObservedState}"],
    ]);
  const before = await lastConnect();
  await olm.serve(await catalogueOf(join(dir, "fifth"), [released]));
  await olm.waitFor("the catalogue to be read", async () => {
    const now = await lastConnect();
    return now !== before && now.endsWith(" READY") ? true : undefined;
  });
  assert.is((await csvStatus(cluster, corrected.version)).phase, "Succeeded");
  assert.is((await subscriptionStatus(cluster)).installedCSV, `runtime-insights.v${corrected.version}`);
});

test.run();
