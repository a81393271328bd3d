/**
 * Stand-in for OpenShift's config operator: fills `status.featureGates` of FeatureGate `cluster` from `spec.featureSet`.
 * Arguments: the kube config, the folder with the feature gates of github.com/openshift/api. Runs until it is ended; the local cluster keeps it running beside its control plane.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { type Api, Connection } from "../../src/adapters/connection.ts";
import { type FeatureGateSpec, featureGates, type GateLists, gateLists, specSchema } from "./feature-gates.ts";

const gatePath = "/apis/config.openshift.io/v1/featuregates/cluster";
const versionPath = "/apis/config.openshift.io/v1/clusterversions/version";
const everyMs = 500;

const gateSchema = z.object({
  spec: specSchema,
  status: z.object({ featureGates: z.array(gateLists.extend({ version: z.string() })).default([]) }).prefault({}),
});
const versionSchema = z.object({ status: z.object({ desired: z.object({ version: z.string() }) }) });
const shippedSchema = z.object({ status: z.object({ featureGates: z.tuple([gateLists], gateLists) }) });

function readShipped(gatesDir: string, spec: FeatureGateSpec): GateLists {
  const set = spec.featureSet === "" || spec.featureSet === "CustomNoUpgrade" ? "Default" : spec.featureSet;
  const file = join(gatesDir, `featureGate-4-10-SelfManagedHA-${set}.yaml`);
  return shippedSchema.parse(JSON.parse(readFileSync(file, "utf8"))).status.featureGates[0];
}

/** One look; writes only when the status is not what it should be. */
async function reconcile(api: Api, gatesDir: string): Promise<void> {
  const [gate, version] = await Promise.all([api.call({ path: gatePath }), api.call({ path: versionPath })]);
  if (gate.status !== 200 || version.status !== 200) return;
  const { spec, status } = gateSchema.parse(gate.body);
  const wantedVersion = versionSchema.parse(version.body).status.desired.version;
  const entry = { version: wantedVersion, ...featureGates(spec, readShipped(gatesDir, spec)) };
  const others = status.featureGates.filter((one) => one.version !== wantedVersion);
  const wanted = [...others, entry];
  if (isDeepStrictEqual(sorted(status.featureGates), sorted(wanted))) return;
  const body = { status: { featureGates: wanted } };
  await api.call({ method: "PATCH", path: `${gatePath}/status`, body, contentType: "application/merge-patch+json" });
}

const sorted = (entries: readonly { readonly version: string }[]) =>
  [...entries].sort((a, b) => (a.version < b.version ? -1 : 1));

const [kubeconfig, gatesDir] = process.argv.slice(2);
if (kubeconfig === undefined || gatesDir === undefined) throw new Error("usage: config-operator.ts KUBECONFIG FOLDER");
const connection = Connection.load(kubeconfig);
for (;;) {
  await reconcile(connection, gatesDir).catch((cause: Error) => console.error(cause.message));
  await sleep(everyMs);
}
