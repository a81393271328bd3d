/** Installing by OLM as an administrator does: an OperatorGroup and a Subscription to a catalogue that holds bundles made here. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { load } from "js-yaml";
import { z } from "zod";
import { type BundleOptions, bundleFiles } from "../bundle/bundle.ts";
import { writeCatalogue } from "../bundle/catalogue.ts";
import { type Channel, stableChannel } from "../bundle/graph.ts";
import { packageName, serviceVersionName, suggestedNamespace } from "../bundle/names.ts";
import { cloneDir } from "../cache.ts";
import { type Cluster, say } from "../cluster/cluster.ts";
import { kubectl } from "../kubectl.ts";
import { catalogueAddress, type Olm, olmNamespace } from "./olm.ts";

const catalogueName = "runtime-insights";

export interface CatalogueVersion extends BundleOptions {
  /** Of the bundle, by digest; default: none, the catalogue holds the bundle whole. */
  readonly bundleImage?: string;
}

/** A catalogue with the bundles of these versions, the oldest first; the folder that `opm serve` takes. */
export async function catalogueOf(
  dir: string,
  versions: readonly CatalogueVersion[],
  channels?: readonly Channel[],
): Promise<string> {
  const bundles = versions.map(({ bundleImage, ...options }) => ({
    files: bundleFiles(options),
    ...(bundleImage === undefined ? {} : { image: bundleImage }),
  }));
  await writeCatalogue(dir, { bundles, ...(channels === undefined ? {} : { channels }) });
  return dir;
}

const apply = (cluster: Cluster, items: readonly object[]) =>
  kubectl(cluster, ["apply", "-f", "-"], JSON.stringify({ apiVersion: "v1", kind: "List", items }));

export interface SubscribeOptions {
  readonly channel?: string;
  /** Made when missing; default: the suggested one. */
  readonly namespace?: string;
}

/** What a cluster's administrator applies: namespace, OperatorGroup and Subscription; the catalogue comes in OLM's own namespace. */
export async function subscribe(
  cluster: Cluster,
  { channel = stableChannel, namespace = suggestedNamespace }: SubscribeOptions = {},
): Promise<void> {
  const manifest = z
    .looseObject({ metadata: z.looseObject({}) })
    .parse(load(readFileSync(join(cloneDir, "manifests/00-namespace.yaml"), "utf8")));
  await apply(cluster, [
    { ...manifest, metadata: { ...manifest.metadata, name: namespace } },
    {
      apiVersion: "operators.coreos.com/v1alpha1",
      kind: "CatalogSource",
      metadata: { name: catalogueName, namespace: olmNamespace },
      spec: { sourceType: "grpc", address: catalogueAddress, displayName: "Runtime Insights" },
    },
    {
      apiVersion: "operators.coreos.com/v1",
      kind: "OperatorGroup",
      metadata: { name: packageName, namespace },
      spec: { targetNamespaces: [namespace] },
    },
    {
      apiVersion: "operators.coreos.com/v1alpha1",
      kind: "Subscription",
      metadata: { name: packageName, namespace },
      spec: { channel, name: packageName, source: catalogueName, sourceNamespace: olmNamespace },
    },
  ]);
}

const conditionSchema = z.looseObject({ type: z.string(), status: z.string(), message: z.string().default("") });
const subscriptionSchema = z.object({
  status: z
    .object({
      state: z.string().default(""),
      installedCSV: z.string().default(""),
      conditions: z.array(conditionSchema).default([]),
    })
    .default({ state: "", installedCSV: "", conditions: [] }),
});
type SubscriptionStatus = z.infer<typeof subscriptionSchema>["status"];
const csvSchema = z.object({
  status: z
    .object({ phase: z.string().default(""), reason: z.string().default(""), message: z.string().default("") })
    .default({ phase: "", reason: "", message: "" }),
});

interface Place {
  readonly kind: string;
  readonly name: string;
  readonly namespace: string;
}

async function read<T>(cluster: Cluster, { kind, name, namespace }: Place, schema: z.ZodType<T>): Promise<T> {
  return schema.parse(JSON.parse(await kubectl(cluster, ["-n", namespace, "get", kind, name, "-o", "json"])));
}

export const subscriptionStatus = async (cluster: Cluster, namespace = suggestedNamespace) =>
  (await read(cluster, { kind: "subscription", name: packageName, namespace }, subscriptionSchema)).status;

export const csvStatus = async (cluster: Cluster, version: string, namespace = suggestedNamespace) =>
  (await read(cluster, { kind: "csv", name: serviceVersionName(version), namespace }, csvSchema)).status;

/** So long OLM may say that it does not know its own ClusterServiceVersion. */
const lockedOutMs = 10_000;

/**
 * Waits until OLM says that this version is installed and the newest there is. On a busy machine, where a namespace was made anew within
 * seconds, OLM now and then loses what it knew of the Subscription and resolves nothing any more: then this does what
 * docs/troubleshooting.md says.
 */
export async function waitForVersion(
  olm: Olm,
  cluster: Cluster,
  version: string,
  namespace = suggestedNamespace,
): Promise<void> {
  let last = "nothing seen";
  let lockedOutSinceMs: number | undefined;
  const isLockedOut = ({ conditions, installedCSV }: SubscriptionStatus) => {
    // In an upgrade the Subscription says so, too, as long as the version before is not gone; that passes.
    const isSaid =
      installedCSV === "" && conditions.some(({ message }) => message.includes("is not referenced by a subscription"));
    lockedOutSinceMs = isSaid ? (lockedOutSinceMs ?? Date.now()) : undefined;
    return lockedOutSinceMs !== undefined && Date.now() - lockedOutSinceMs > lockedOutMs;
  };
  await olm
    .waitFor(
      `OLM to have installed ${serviceVersionName(version)}`,
      async () => {
        const subscription = await subscriptionStatus(cluster, namespace);
        last = JSON.stringify(subscription);
        if (isLockedOut(subscription)) {
          lockedOutSinceMs = undefined;
          say("OLM does not know any more what it installed: taken away and subscribed to again");
          await removeSubscription(cluster, namespace);
          await removeForgotten(cluster, namespace);
          await subscribe(cluster, { namespace });
          return undefined;
        }
        const { phase, reason, message } = await csvStatus(cluster, version, namespace);
        last += ` ${phase} ${reason} ${message}`;
        const { state, installedCSV } = subscription;
        return phase === "Succeeded" && state === "AtLatestKnown" && installedCSV === serviceVersionName(version)
          ? true
          : undefined;
      },
      400_000,
    )
    .catch((cause: unknown) => {
      throw new Error(`${cause instanceof Error ? cause.message : String(cause)}; last seen: ${last}`, { cause });
    });
}

/** What OLM does not know any more, it leaves when it goes. */
async function removeForgotten(cluster: Cluster, namespace: string): Promise<void> {
  const selection = `olm.owner.kind=ClusterServiceVersion,olm.owner.namespace=${namespace}`;
  await kubectl(cluster, ["delete", "clusterrolebindings,clusterroles", "-l", selection]);
}

/** Takes Subscription and ClusterServiceVersion away, and with them what OLM made of them; does nothing on a cluster without OLM. */
export async function removeSubscription(cluster: Cluster, namespace = suggestedNamespace): Promise<void> {
  const kinds = await kubectl(cluster, ["get", "crd", "-o", "name"]);
  if (!kinds.includes("/subscriptions.operators.coreos.com")) return;
  for (const kind of ["subscriptions.operators.coreos.com", "csv"])
    await kubectl(cluster, ["-n", namespace, "delete", kind, "--all", "--timeout=60s"]);
}
