/** What makes a cluster look like OpenShift to us: its real CRDs and the two objects our gate is read from. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Access, kubectl, waitFor } from "../kubectl.ts";

const run = promisify(execFile);
const moduleDir = join(import.meta.dirname, "../cluster/tools/openshift");

/** The version that the ClusterVersion object of a local cluster claims. */
export const openshiftVersion = "4.18.0";

const crdFiles = [
  "payload-manifests/crds/0000_10_config-operator_01_featuregates.crd.yaml",
  "payload-manifests/crds/0000_10_config-operator_01_apiservers-Default.crd.yaml",
  "payload-manifests/crds/0000_03_config-operator_01_securitycontextconstraints.crd.yaml",
  "config/v1/zz_generated.crd-manifests/0000_00_cluster-version-operator_01_clusterversions-Default.crd.yaml",
] as const;

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
  const dir = await openshiftApiDir();
  const files = crdFiles.flatMap((file) => ["-f", join(dir, file)]);
  await kubectl(access, ["apply", "--server-side", ...files]);
  await kubectl(access, ["wait", "--for=condition=Established", "--timeout=60s", ...files]);
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

/** FeatureGate `cluster` as a new cluster has it; the stand-in fills its status. */
export async function applyFeatureGate(access: Access): Promise<void> {
  const gate = { apiVersion: "config.openshift.io/v1", kind: "FeatureGate", metadata: { name: "cluster" }, spec: {} };
  await kubectl(access, ["apply", "-f", "-"], JSON.stringify(gate));
}
