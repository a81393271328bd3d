/** The test run's cluster with the operator installed, and what the tests ask of it. */
import { join } from "node:path";
import { cloneDir } from "../../hack/cache.ts";
import { type Cluster, loadCluster } from "../../hack/cluster/cluster.ts";
import { kubectl, ownKinds, waitFor, waitForKinds } from "../../hack/kubectl.ts";

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
  await waitForKinds(cluster, ownKinds);
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
  timeoutMs = 300_000,
): Promise<void> {
  await waitForSeen(
    `${type} to be ${expected}`,
    async (see) => {
      const found = await condition(cluster, type);
      see(found);
      return expected.test(found ?? "") || undefined;
    },
    { timeoutMs, everyMs: 1_000 },
  );
}

/** As `waitFor`; the message of a failure ends with what was seen last. */
async function waitForSeen<T>(
  what: string,
  ask: (see: (seen: unknown) => void) => Promise<T | undefined>,
  times: Parameters<typeof waitFor>[2],
): Promise<T> {
  let last: unknown;
  const see = (seen: unknown) => {
    last = seen;
  };
  return waitFor(what, () => ask(see), times).catch((cause: Error) => {
    const seen = last === undefined ? "nothing" : JSON.stringify(last);
    throw new Error(`${cause.message}; last seen: ${seen}`, { cause: cause.cause });
  });
}

/** Names of our objects of one kind, sorted; cluster-scoped kinds ignore the namespace. */
export async function ours(cluster: Cluster, kind: string): Promise<readonly string[]> {
  const text = await kubectl(cluster, ["-n", namespace, "get", kind, "-o", "jsonpath={.items[*].metadata.name}"]);
  return text
    .split(/\s+/)
    .filter((name) => name.startsWith("runtime-insights-"))
    .sort();
}

export interface OurPod {
  readonly name: string;
  readonly node: string;
  readonly uid: string;
  /** It is deleted, and there until its containers have ended. */
  readonly isEnding: boolean;
}

/** Pods of the operator or of one of its workloads, by that one's name. */
export async function podsOf(cluster: Cluster, name: string): Promise<readonly OurPod[]> {
  const path =
    "{range .items[*]}{.metadata.name} {.spec.nodeName} {.metadata.uid} {.metadata.deletionTimestamp}{'\\n'}{end}";
  const selector = `app.kubernetes.io/name=${name}`;
  const text = await kubectl(cluster, ["-n", namespace, "get", "pods", "-l", selector, "-o", `jsonpath=${path}`]);
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [pod = "", node = "", uid = "", deleted = ""] = line.split(" ");
      return { name: pod, node, uid, isEnding: deleted !== "" };
    });
}

/**
 * Forgets the gathers that are over, once the config's own first one is: that one goes before all requests, and gathers begin a minute
 * apart, counted from those on record. The next one that is asked for begins at once.
 */
export async function forgetGathers(cluster: Cluster): Promise<void> {
  const read = async (path: string, ...what: readonly string[]) =>
    (await kubectl(cluster, ["get", ...what, "-o", `jsonpath=${path}`])).trim();
  await waitFor(
    "the config's first gather to end",
    async () => (await read("{.status.lastGather.finishTime}", "ire", "cluster")) !== "" || undefined,
    { timeoutMs: 240_000 },
  );
  const over = await read('{range .items[?(@.status.finishTime)]}{.metadata.name}{" "}{end}', "rg");
  if (over !== "") await kubectl(cluster, ["delete", "rg", "--ignore-not-found", ...over.split(" ")]);
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

/** The same without waiting for a turn. */
export async function gatherAtOnce(cluster: Cluster): Promise<FinishedGather> {
  await forgetGathers(cluster);
  return gather(cluster);
}

async function gatherOnce(cluster: Cluster, timeoutMs: number): Promise<FinishedGather> {
  return waitForGather(cluster, await askForGather(cluster), timeoutMs);
}

/** Asks for a gather; the request's `kind/name`. */
export async function askForGather(cluster: Cluster): Promise<string> {
  const file = join(cloneDir, "docs/examples/gather.yaml");
  return (await kubectl(cluster, ["create", "-o", "name", "-f", file])).trim();
}

export const readGather = async (cluster: Cluster, name: string): Promise<FinishedGather> =>
  JSON.parse(await kubectl(cluster, ["get", name, "-o", "json"])) as FinishedGather;

/** Waits until the request's phase is that, and what it is at begins with the message. */
export const waitForPhase = (cluster: Cluster, name: string, phase: string | RegExp, message = ""): Promise<true> =>
  waitForSeen(
    `${name} to be ${phase} ${message}`,
    async (see) => {
      const { status } = await readGather(cluster, name);
      const progressing = status?.conditions?.find(({ type }) => type === "Progressing");
      see(status);
      if (progressing === undefined || !progressing.message.startsWith(message)) return undefined;
      const { reason } = progressing;
      return (typeof phase === "string" ? reason === phase : phase.test(reason)) || undefined;
    },
    { timeoutMs: 300_000, everyMs: 500 },
  );

/** Waits until the request is over, whatever became of it. */
export const waitForGather = (cluster: Cluster, name: string, timeoutMs = 240_000): Promise<FinishedGather> =>
  waitForSeen(
    `${name} to finish`,
    async (see) => {
      const object = await readGather(cluster, name);
      const { status } = object;
      see(status);
      const isOver =
        status?.finishTime !== undefined || status?.conditions?.some(({ reason }) => reason === "Superseded");
      return isOver ? object : undefined;
    },
    { timeoutMs, everyMs: 1_000 },
  );

/** The part of a RuntimeGather that tests look at. */
export interface FinishedGather {
  readonly metadata: { readonly name: string };
  readonly status?: {
    readonly finishTime?: string;
    readonly counts?: Readonly<Record<string, number>>;
    readonly archive?: { readonly name: string };
    readonly failures?: readonly { readonly node: string; readonly reason: string; readonly message: string }[];
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason: string;
      readonly message: string;
    }[];
  };
}
