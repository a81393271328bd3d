/** What makes a cluster look like OpenShift to us: its real CRDs and the two objects our gate is read from. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Access, kubectl, waitFor, waitForKinds } from "../kubectl.ts";

const run = promisify(execFile);
const moduleDir = join(import.meta.dirname, "../cluster/tools/openshift");

/** The version that the ClusterVersion object of a local cluster claims. */
export const openshiftVersion = "4.18.0";

/** By the name of the CRD. */
const crdFiles = {
  "featuregates.config.openshift.io": "payload-manifests/crds/0000_10_config-operator_01_featuregates.crd.yaml",
  "apiservers.config.openshift.io": "payload-manifests/crds/0000_10_config-operator_01_apiservers-Default.crd.yaml",
  "securitycontextconstraints.security.openshift.io":
    "payload-manifests/crds/0000_03_config-operator_01_securitycontextconstraints.crd.yaml",
  "clusterversions.config.openshift.io":
    "config/v1/zz_generated.crd-manifests/0000_00_cluster-version-operator_01_clusterversions-Default.crd.yaml",
  "infrastructures.config.openshift.io":
    "payload-manifests/crds/0000_10_config-operator_01_infrastructures-Default.crd.yaml",
} as const;
export type OpenshiftCrd = keyof typeof crdFiles;

const usualCrds: readonly OpenshiftCrd[] = [
  "featuregates.config.openshift.io",
  "apiservers.config.openshift.io",
  "securitycontextconstraints.security.openshift.io",
  "clusterversions.config.openshift.io",
];

/** Applies OpenShift's own CRDs of these names and waits until they are established. */
export async function applyOpenshiftCrds(access: Access, names: readonly OpenshiftCrd[]): Promise<void> {
  const dir = await openshiftApiDir();
  const files = names.flatMap((name) => ["-f", join(dir, crdFiles[name])]);
  await kubectl(access, ["apply", "--server-side", ...files]);
  await waitForKinds(access, files);
}

/** The folder of the pinned github.com/openshift/api module; downloads it when it is not there. */
export async function openshiftApiDir(): Promise<string> {
  const { stdout } = await run("go", ["mod", "download", "-json", "github.com/openshift/api"], { cwd: moduleDir });
  const answer: unknown = JSON.parse(stdout);
  if (typeof answer !== "object" || answer === null || !("Dir" in answer) || typeof answer.Dir !== "string")
    throw new Error("downloading github.com/openshift/api: go did not say where it lies");
  return answer.Dir;
}

/** Applies the CRDs, FeatureGate `cluster` without a feature set, and ClusterVersion `version`. */
export async function applyOpenshift(access: Access): Promise<void> {
  await applyOpenshiftCrds(access, usualCrds);
  const version = {
    apiVersion: "config.openshift.io/v1",
    kind: "ClusterVersion",
    metadata: { name: "version" },
    spec: { clusterID: "00000000-0000-4000-8000-000000000000" },
  };
  const status = {
    desired: { version: openshiftVersion, image: "" },
    observedGeneration: 1,
    versionHash: "",
    availableUpdates: null,
  };
  await waitFor("the OpenShift kinds to be served", async () => {
    await applyFeatureGate(access);
    return true;
  });
  await kubectl(access, ["apply", "-f", "-"], JSON.stringify(version));
  // A merge patch cannot say null, which the schema wants.
  const patch = JSON.stringify([{ op: "add", path: "/status", value: status }]);
  await kubectl(access, ["patch", "clusterversion", "version", "--subresource=status", "--type=json", "-p", patch]);
}

/** The kind Proxy with its object, for who waits for it wherever there is OpenShift's config API; does nothing on a cluster without that. */
export async function applyProxy(access: Access): Promise<void> {
  const kinds = await kubectl(access, ["get", "crd", "-o", "name"]);
  if (!kinds.includes("/featuregates.config.openshift.io")) return;
  const file = join(await openshiftApiDir(), "payload-manifests/crds/0000_03_config-operator_01_proxies.crd.yaml");
  await kubectl(access, ["apply", "--server-side", "-f", file]);
  await waitForKinds(access, ["-f", file]);
  const proxy = { apiVersion: "config.openshift.io/v1", kind: "Proxy", metadata: { name: "cluster" }, spec: {} };
  await waitFor("OpenShift's Proxy to be served", () => kubectl(access, ["apply", "-f", "-"], JSON.stringify(proxy)));
}

/** FeatureGate `cluster` as a new cluster has it; the stand-in fills its status. */
export async function applyFeatureGate(access: Access): Promise<void> {
  const gate = { apiVersion: "config.openshift.io/v1", kind: "FeatureGate", metadata: { name: "cluster" }, spec: {} };
  await kubectl(access, ["apply", "-f", "-"], JSON.stringify(gate));
}
