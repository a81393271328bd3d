/** The test run's cluster with the operator installed, and what the tests ask of it. */
import { join } from "node:path";
import { cloneDir } from "../../hack/cache.ts";
import { type Cluster, loadCluster } from "../../hack/cluster/cluster.ts";
import { kubectl, waitFor } from "../../hack/kubectl.ts";

export const namespace = "runtime-insights";

/** The cluster that hack/test.ts brought up for this run. */
export async function testCluster(): Promise<Cluster> {
  const name = process.env.RUNTIME_INSIGHTS_CLUSTER;
  if (name === undefined)
    throw new Error("node tests run by `npm run test:node`, which brings a cluster up and names it");
  return loadCluster(name);
}

/** Applies what an administrator would and waits for the operator; does no harm when it is there already. */
export async function installOperator(cluster: Cluster): Promise<void> {
  await kubectl(cluster, ["apply", "-k", join(cloneDir, "crds")]);
  await kubectl(cluster, [
    "wait",
    "--for=condition=Established",
    "crd",
    "-l",
    "app.kubernetes.io/part-of=runtime-insights",
  ]).catch(() => undefined);
  await kubectl(cluster, ["apply", "-k", join(cloneDir, "manifests")]);
  await kubectl(cluster, [
    "-n",
    namespace,
    "rollout",
    "status",
    "deployment/runtime-insights-operator",
    "--timeout=180s",
  ]);
}

/** Makes or changes the config; the given fields are the whole spec. */
export async function applyConfig(cluster: Cluster, spec: Readonly<Record<string, unknown>>): Promise<void> {
  const config = {
    apiVersion: "runtimes.insights.openshift.io/v1alpha1",
    kind: "InsightsRuntimeExtractor",
    metadata: { name: "cluster" },
    spec,
  };
  await kubectl(cluster, ["apply", "-f", "-"], JSON.stringify(config));
}

/** Moves our gate in a CustomNoUpgrade cluster; the CRD allows no way back to another feature set. */
export async function setGate(cluster: Cluster, state: "enabled" | "disabled"): Promise<void> {
  const other = state === "enabled" ? "disabled" : "enabled";
  const customNoUpgrade = { [state]: ["InsightsRuntimeExtractor"], [other]: [] };
  const patch = JSON.stringify({ spec: { featureSet: "CustomNoUpgrade", customNoUpgrade } });
  await kubectl(cluster, ["patch", "featuregate", "cluster", "--type=merge", "-p", patch]);
}

/** Status and reason of one of the config's conditions, `True/AsExpected`; undefined when it is not there yet. */
export async function condition(cluster: Cluster, type: string): Promise<string | undefined> {
  const path = `{range .status.conditions[?(@.type=="${type}")]}{.status}/{.reason}{end}`;
  const text = await kubectl(cluster, ["get", "ire", "cluster", "-o", `jsonpath=${path}`]);
  return text === "" ? undefined : text;
}

export async function waitForCondition(
  cluster: Cluster,
  type: string,
  expected: RegExp,
  timeoutMs = 120_000,
): Promise<void> {
  await waitFor(
    `${type} to be ${expected}`,
    async () => (expected.test((await condition(cluster, type)) ?? "") ? true : undefined),
    { timeoutMs },
  );
}

/** Names of our objects of one kind, sorted; cluster-scoped kinds ignore the namespace. */
export async function ours(cluster: Cluster, kind: string): Promise<readonly string[]> {
  const text = await kubectl(cluster, ["-n", namespace, "get", kind, "-o", "jsonpath={.items[*].metadata.name}"]);
  return text
    .split(/\s+/)
    .filter((name) => name.startsWith("runtime-insights-"))
    .sort();
}

/**
 * Asks for a gather and waits until it is over; the finished object. Of requests that wait only one stays, the schedule's own first,
 * so one that came at a bad moment is made again, as a user would.
 */
export async function gather(cluster: Cluster, timeoutMs = 240_000): Promise<FinishedGather> {
  const finished = await gatherOnce(cluster, timeoutMs);
  const isSuperseded = finished.status?.conditions?.some(({ reason }) => reason === "Superseded") === true;
  return isSuperseded ? gatherOnce(cluster, timeoutMs) : finished;
}

async function gatherOnce(cluster: Cluster, timeoutMs: number): Promise<FinishedGather> {
  const name = (
    await kubectl(cluster, ["create", "-o", "name", "-f", join(cloneDir, "docs/examples/gather.yaml")])
  ).trim();
  return waitFor(
    `${name} to finish`,
    async () => {
      const object = JSON.parse(await kubectl(cluster, ["get", name, "-o", "json"])) as FinishedGather;
      const { status } = object;
      const isOver =
        status?.finishTime !== undefined || status?.conditions?.some(({ reason }) => reason === "Superseded");
      return isOver ? object : undefined;
    },
    { timeoutMs, everyMs: 1_000 },
  );
}

/** The part of a RuntimeGather that tests look at. */
export interface FinishedGather {
  readonly metadata: { readonly name: string };
  readonly status?: {
    readonly finishTime?: string;
    readonly counts?: Readonly<Record<string, number>>;
    readonly archive?: { readonly name: string };
    readonly failures?: readonly { readonly node: string; readonly reason: string; readonly message: string }[];
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly reason: string }[];
  };
}
