/** One gather by hand: `gatherer once`. */
import { access, constants, mkdir, readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { Connection } from "../adapters/connection.ts";
import { clusterCredentials, fileCredentials } from "../adapters/credentials.ts";
import type { Retention } from "../adapters/disk.ts";
import type { Credentials } from "../adapters/exporters.ts";
import { ImageCache } from "../adapters/images.ts";
import { writePlainFiles } from "../adapters/plain-files.ts";
import { type ArchiveInfo, type GatherOrder, gatherOrderSchema } from "../api/gather.ts";
import { helmEntry, statusEntry, workloadEntry } from "../core/archive.ts";
import { chosenExporters, type ExporterAccess } from "../core/exporters.ts";
import { type ByHand, outcomeJson, outcomeReport } from "../core/report.ts";
import { failedResult, gather, type Stage } from "../loops/gather.ts";
import type { GatherWorld } from "../loops/gather-world.ts";
import { matching, UsageError, wholeNumber } from "./arguments.ts";
import { terminated } from "./terminated.ts";

const formats = ["json", "table"] as const;
const connectTimeoutMs = 10_000;

export const onceUsage = `usage: gatherer once --kubeconfig FILE --output DIR [OPTION]...

Runs one gather as the service does, from any machine that reaches the API server and the pods. Writes the archive into DIR, and beside
it the archive's entries as plain files. Prints the outcome on standard output, its progress on standard error.

  --kubeconfig FILE            of a user who may list pods and namespaces
  --output DIR                 is made when missing; archives that are there stay

which exporters are asked; without any of these, those of OpenShift's own extractor:
  --namespace NAME             where they are, default openshift-insights
  --exporter-selector LABEL=VALUE  of their pods, which any DaemonSet of that namespace has to control
  --exporter-server-name NAME  that their certificates carry
  --exporter-ca FILE           CA bundle of the certificates
  --token-file FILE            token that they accept

    known exporters  OpenShift's                                   Runtime Insights'
    namespace        openshift-insights                            runtime-insights
    selector         app.kubernetes.io/name=                       app.kubernetes.io/name=
                       insights-runtime-extractor                    runtime-insights-extractor
    server name      exporter.NAMESPACE.svc.cluster.local          runtime-insights-exporter.NAMESPACE.svc
    CA               ConfigMap service-ca-bundle, service-ca.crt   ConfigMap runtime-insights-ca-bundle, ca.crt
    token of         service account operator                      service account runtime-insights-gatherer
    clear text       no                                            yes
  The selector or, without one of these two, the namespace decides which of them is meant; single options override. A token is
  requested from the API server for ten minutes, which the user has to be allowed (create serviceaccounts/token).

what is gathered:
  --no-runtime-info            shapes only, no node is asked
  --no-inventory               ask for no clear text
  --no-images                  images are counted, not described
  --no-helm                    Helm's charts are not counted
  --obfuscate-networking       replace addresses and domains of the cluster
  --only NAMESPACE             only this namespace; may be repeated
  --exclude NAMESPACE          ask no node about its containers; may be repeated
  --pod-limit N                default 8000
  --node-timeout SECONDS       for one node, default 120
  --node-concurrency N         nodes asked at a time, default 50
  --max-answer-bytes N         of one node, default 67108864

  --format FORMAT              ${formats.join(" or ")}, default json: one object on one line

Exit code 0: an archive was written. 1: none was, and the outcome says why. 2: bad usage. A node that does not answer is a failure in
the outcome and costs its runtimes, never the archive.`;

const options = {
  help: { type: "boolean", short: "h" },
  kubeconfig: { type: "string" },
  output: { type: "string" },
  namespace: { type: "string" },
  "exporter-selector": { type: "string" },
  "exporter-server-name": { type: "string" },
  "exporter-ca": { type: "string" },
  "token-file": { type: "string" },
  "no-runtime-info": { type: "boolean" },
  "no-inventory": { type: "boolean" },
  "no-images": { type: "boolean" },
  "no-helm": { type: "boolean" },
  "obfuscate-networking": { type: "boolean" },
  only: { type: "string", multiple: true },
  exclude: { type: "string", multiple: true },
  "pod-limit": { type: "string" },
  "node-timeout": { type: "string" },
  "node-concurrency": { type: "string" },
  "max-answer-bytes": { type: "string" },
  format: { type: "string" },
} as const;

type Values = ReturnType<typeof parseArgs<{ options: typeof options }>>["values"];

export interface Settings {
  readonly kubeconfig: string;
  readonly output: string;
  readonly exporters: ExporterAccess;
  readonly caFile: string | undefined;
  readonly tokenFile: string | undefined;
  readonly order: GatherOrder;
  readonly maxAnswerBytes: number;
  readonly format: (typeof formats)[number];
}

/** Runs the gather that the arguments ask for and prints its outcome; the exit code. Throws a UsageError before it does anything. */
export async function once(args: readonly string[]): Promise<number> {
  const settings = readArguments(args);
  if (settings === "help") {
    console.log(onceUsage);
    return 0;
  }
  const stop = new AbortController();
  void terminated.then(() => stop.abort());
  const result = await gatherByHand(settings, stop.signal);
  console.log(settings.format === "json" ? outcomeJson(result) : outcomeReport(result));
  const { archive, reason, message } = result.outcome;
  if (reason !== "") console.error(`gatherer: ${message}`);
  return archive === null ? 1 : 0;
}

/** Whatever goes wrong is the reason of an outcome. */
export async function gatherByHand(settings: Settings, signal: AbortSignal): Promise<ByHand> {
  const failed = (reason: string, message: string): ByHand => ({
    ...{ outcome: failedResult(reason, message).outcome, rows: [], files: [] },
  });
  const { output, order, exporters, maxAnswerBytes } = settings;
  let api: Connection | undefined;
  try {
    const opened = await open(settings, signal);
    if ("reason" in opened) return failed(opened.reason, opened.message);
    api = opened.api;
    const world: GatherWorld = {
      ...{ api, exporters, credentials: credentialsOf(api, settings), directory: output, images: new ImageCache() },
      ...{ nowMs, processStartedAtMs: startedAtMs, maxAnswerBytes, retention: everyArchive },
      connectTimeoutMs: Math.min(connectTimeoutMs, order.nodeTimeoutMs / 2),
    };
    const onStage = (stage: Stage) => console.error(stages[stage]);
    const { outcome, inventory, failures } = await gather(order, world, { signal, onStage });
    const { files, notes } = await plainFiles(output, outcome.archive);
    return {
      outcome: { ...outcome, failures: [...failures], moreFailures: 0, notes: [...outcome.notes, ...notes] },
      ...{ rows: inventory?.rows ?? [], files },
    };
  } catch (cause) {
    if (signal.aborted) return failed("Interrupted", "the gather was interrupted");
    throw cause;
  } finally {
    await api?.close();
  }
}

async function plainFiles(
  directory: string,
  archive: ArchiveInfo | null,
): Promise<{ readonly files: readonly string[]; readonly notes: readonly string[] }> {
  if (archive === null) return { files: [], notes: [] };
  try {
    return { files: await writePlainFiles(directory, archive.name, entryNames), notes: [] };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    return { files: [], notes: [`The plain files could not be written: ${why}`] };
  }
}

const startedAtMs = Date.now();
const nowMs = () => Date.now();
const entryNames = [workloadEntry, helmEntry, statusEntry];
/** The folder is the user's. */
const everyArchive: Retention = { archives: Number.MAX_SAFE_INTEGER };

const stages: Readonly<Record<Stage, string>> = {
  ListingPods: "Listing pods ...",
  AskingNodes: "Asking the nodes ...",
  AwaitingNodeSide: "Waiting until the node side is gone ...",
  Writing: "Writing the archive ...",
  Done: "Done",
};

type Opened = { readonly api: Connection } | { readonly reason: string; readonly message: string };

/** A connection, once everything that can be wrong with the command line's files, folder and cluster has been tried. */
async function open({ kubeconfig, output, caFile, tokenFile, order }: Settings, signal: AbortSignal): Promise<Opened> {
  const problem = (reason: string, doing: string, cause: unknown): Opened => ({
    reason,
    message: `${doing}: ${cause instanceof Error ? cause.message : String(cause)}`,
  });
  for (const file of order.runtimeInfo ? [caFile, tokenFile] : []) {
    if (file === undefined) continue;
    try {
      await readFile(file);
    } catch (cause) {
      return problem("FileUnreadable", `reading ${file}`, cause);
    }
  }
  try {
    await mkdir(output, { recursive: true });
    await access(output, constants.W_OK);
  } catch (cause) {
    return problem("OutputUnwritable", `writing to ${output}`, cause);
  }
  let api: Connection;
  let server: string;
  try {
    api = Connection.load(kubeconfig);
    server = api.getCurrentCluster()?.server ?? "";
    if (server === "") throw new Error("it names no current cluster");
  } catch (cause) {
    return problem("KubeconfigUnreadable", `reading the kube config ${kubeconfig}`, cause);
  }
  try {
    await api.call({ path: "/version", timeoutMs: connectTimeoutMs, signal });
  } catch (cause) {
    await api.close();
    signal.throwIfAborted();
    return problem("ApiServerUnreachable", `asking the API server ${server}`, cause);
  }
  return { api };
}

function credentialsOf(api: Connection, { exporters, caFile, tokenFile }: Settings): Credentials {
  const cluster = clusterCredentials(api, exporters, nowMs);
  const files = fileCredentials({ caFile: caFile ?? "", tokenFile: tokenFile ?? "" });
  const hinted = (read: () => Promise<string>, option: string) => () =>
    read().catch((cause: unknown) => {
      throw new Error(`${cause instanceof Error ? cause.message : String(cause)}; ${option} can give one`, { cause });
    });
  return {
    ca: caFile === undefined ? hinted(cluster.ca, "--exporter-ca") : files.ca,
    token: tokenFile === undefined ? hinted(cluster.token, "--token-file") : files.token,
  };
}

function parse(args: readonly string[]): Values {
  try {
    return parseArgs({ args: [...args], options }).values;
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause));
  }
}

const namespaceForm = { pattern: /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, form: "the name of a namespace" };
const serverNameForm = {
  pattern: /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/i,
  form: "the name of a host",
};
const selectorForm = {
  pattern: /^([a-z0-9][-a-z0-9.]*\/)?[A-Za-z0-9][-A-Za-z0-9_.]{0,62}=[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/,
  form: "LABEL=VALUE",
};

/** Throws a UsageError that names the option. */
export function readArguments(args: readonly string[]): Settings | "help" {
  const values = parse(args);
  if (values.help) return "help";
  const namespace = matching(values.namespace, { name: "namespace", ...namespaceForm });
  const selector = matching(values["exporter-selector"], { name: "exporter-selector", ...selectorForm });
  const serverName = matching(values["exporter-server-name"], { name: "exporter-server-name", ...serverNameForm });
  const exporters = chosenExporters({
    ...(namespace === undefined ? {} : { namespace }),
    ...(selector === undefined ? {} : { selector }),
    ...(serverName === undefined ? {} : { serverName }),
  });
  const format = formats.find((one) => one === (values.format ?? "json"));
  if (format === undefined) throw new UsageError(`--format is ${formats.join(" or ")}, not "${values.format}"`);
  return {
    ...{ kubeconfig: required(values, "kubeconfig"), output: required(values, "output"), exporters, format },
    ...{ caFile: values["exporter-ca"], tokenFile: values["token-file"], order: orderOf(values, exporters) },
    maxAnswerBytes: wholeNumber(values["max-answer-bytes"], "max-answer-bytes", 64 * 1024 * 1024),
  };
}

function required(values: Values, name: "kubeconfig" | "output"): string {
  const value = values[name];
  if (value === undefined || value === "") throw new UsageError(`--${name} is missing`);
  return value;
}

function orderOf(values: Values, exporters: ExporterAccess): GatherOrder {
  for (const name of ["only", "exclude"] as const)
    for (const one of values[name] ?? []) matching(one, { name, ...namespaceForm });
  const order = gatherOrderSchema.safeParse({
    id: `by-hand-${startedAtMs}`,
    runtimeInfo: values["no-runtime-info"] !== true,
    inventory: values["no-inventory"] !== true && exporters.givesDetail,
    podLimit: wholeNumber(values["pod-limit"], "pod-limit", 8_000),
    nodeTimeoutMs: wholeNumber(values["node-timeout"], "node-timeout", 120) * 1000,
    nodeConcurrency: wholeNumber(values["node-concurrency"], "node-concurrency", 50),
    images: values["no-images"] !== true,
    helm: values["no-helm"] !== true,
    obfuscateNetworking: values["obfuscate-networking"] === true,
    excludedNamespaces: values.exclude ?? [],
    nodeSideProblems: [],
    holdBeforeWriting: false,
    ...(values.only === undefined ? {} : { namespaces: values.only }),
  });
  if (order.success) return order.data;
  throw new UsageError(order.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; "));
}
