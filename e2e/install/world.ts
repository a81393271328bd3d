/** The clusters of the tests of installing, one for each file; hack/test.ts takes them away. */
import { type Cluster, up } from "../../hack/cluster/cluster.ts";
import { buildImages } from "../../hack/images/images.ts";

/** By what they are for. */
export const installClusters = {
  olm: { name: "install-olm", nodes: 2, openshift: true },
  uninstall: { name: "install-away", nodes: 1, openshift: true },
  /** Has no OpenShift API at all. */
  plain: { name: "install-plain", nodes: 2, openshift: false },
} as const;

/** The cluster with the product's images and nothing else of ours; the one that is up already when there is one. */
export async function installCluster(purpose: keyof typeof installClusters): Promise<Cluster> {
  const cluster = await up(installClusters[purpose]);
  for (const { archive } of await buildImages()) await cluster.importImage(archive);
  return cluster;
}
