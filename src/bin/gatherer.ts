/** The gatherer: serves gathers to the operator, or runs one by hand. */
import { parseArgs } from "node:util";
import { Registry } from "prom-client";
import manifest from "../../package.json" with { type: "json" };
import { Connection } from "../adapters/connection.ts";
import { clusterCredentials, fileCredentials } from "../adapters/credentials.ts";
import {
  defaultRetention,
  listArchives,
  pruneArchives,
  type Retention,
  readArchive,
  writeArchive,
} from "../adapters/disk.ts";
import type { Credentials } from "../adapters/exporters.ts";
import { gatherMetrics } from "../adapters/gather-metrics.ts";
import { ImageCache } from "../adapters/images.ts";
import { Journal } from "../adapters/journal.ts";
import { serveGatherer } from "../adapters/server.ts";
import { createLogger, type LogLevel, logLevels, serveTelemetry } from "../adapters/telemetry.ts";
import { type GatherOrder, gatherOrderSchema } from "../api/gather.ts";
import { outcomeReport } from "../core/report.ts";
import { type GatherWorld, gather, type Stage } from "../loops/gather.ts";
import { GatherRuns } from "../loops/runs.ts";

const usage = `usage: gatherer [serve] [OPTION]...      serve gathers to the operator
       gatherer once [OPTION]...         run one gather and print its outcome

options of both:
  --kubeconfig FILE         default: KUBECONFIG, or the pod's service account
  --namespace NAME          of the extractors; default: POD_NAMESPACE, or runtime-insights
  --ca-file FILE            CA bundle of the exporters; serve: default /etc/runtime-insights/ca/ca.crt,
                            once: read from ConfigMap runtime-insights-ca-bundle
  --token-file FILE         token for the exporters;
                            serve: default /var/run/secrets/runtime-insights/exporter/token,
                            once: requested for service account runtime-insights-gatherer
  --retention N             archives of each sort that are kept; default: RETAIN_ARCHIVES, or 5
  --retention-age SECONDS   archives that are older go, but for the newest; default: RETAIN_SECONDS, or never
  --max-answer-bytes N      of one node, default 67108864
  --log-level LEVEL         ${logLevels.join(", ")}; default: LOG_LEVEL, or info;
                            serve only, once prints its progress

options of serve:
  --directory DIR           archives and outcomes, default /var/lib/insights-operator
  --address ADDRESS         of the REST interface, default 127.0.0.1
  --port PORT               default 8080
  --metrics-address ADDRESS default 127.0.0.1
  --metrics-port PORT       default 9090

options of once:
  --output DIR              where the archive goes, default: this folder
  --no-runtime-info         shapes only, no node is asked
  --no-inventory            ask for no clear text
  --only NAMESPACE          only this namespace; may be repeated
  --pod-limit N             default 8000
  --node-timeout SECONDS    default 120
  --node-concurrency N      nodes asked at a time, default 50
  --json                    print {outcome, inventory} as JSON

once exits with 1 when the gather failed; failures of single nodes are no failure of the gather.`;

const options = {
  help: { type: "boolean", short: "h" },
  kubeconfig: { type: "string" },
  namespace: { type: "string" },
  "ca-file": { type: "string" },
  "token-file": { type: "string" },
  retention: { type: "string" },
  "retention-age": { type: "string" },
  "max-answer-bytes": { type: "string" },
  "log-level": { type: "string" },
  directory: { type: "string" },
  address: { type: "string" },
  port: { type: "string" },
  "metrics-address": { type: "string" },
  "metrics-port": { type: "string" },
  output: { type: "string" },
  "no-runtime-info": { type: "boolean" },
  "no-inventory": { type: "boolean" },
  only: { type: "string", multiple: true },
  "pod-limit": { type: "string" },
  "node-timeout": { type: "string" },
  "node-concurrency": { type: "string" },
  json: { type: "boolean" },
} as const;

type Values = ReturnType<typeof parseArgs<{ options: typeof options; allowPositionals: true }>>["values"];

class UsageError extends Error {}

function wholeNumber(text: string | undefined, name: string, fallback: number): number {
  if (text === undefined) return fallback;
  if (!/^\d{1,12}$/.test(text)) throw new UsageError(`--${name} is a whole number, not "${text}"`);
  return Number(text);
}

function logLevel(text = "info"): LogLevel {
  const level = logLevels.find((one) => one === text);
  if (level === undefined) throw new UsageError(`--log-level is one of ${logLevels.join(", ")}, not "${text}"`);
  return level;
}

const startedAtMs = Date.now();
const nowMs = () => Date.now();
const defaultFiles = {
  caFile: "/etc/runtime-insights/ca/ca.crt",
  tokenFile: "/var/run/secrets/runtime-insights/exporter/token",
};

function worldOf(
  values: Values,
  api: Connection,
  credentials: Credentials,
  directory: string,
  namespace: string,
): GatherWorld {
  return {
    ...{ api, namespace, credentials, directory, nowMs, processStartedAtMs: startedAtMs, images: new ImageCache() },
    retention: retentionOf(values),
    maxAnswerBytes: wholeNumber(values["max-answer-bytes"], "max-answer-bytes", 64 * 1024 * 1024),
  };
}

function retentionOf(values: Values): Retention {
  const archives = wholeNumber(values.retention ?? process.env.RETAIN_ARCHIVES, "retention", defaultRetention.archives);
  const age = values["retention-age"] ?? process.env.RETAIN_SECONDS;
  return { archives, ...(age === undefined ? {} : { ageMs: wholeNumber(age, "retention-age", 0) * 1000 }) };
}

const namespaceOf = (values: Values) => values.namespace ?? process.env.POD_NAMESPACE ?? "runtime-insights";

async function serve(values: Values): Promise<void> {
  const log = createLogger({
    name: "runtime-insights-gatherer",
    level: logLevel(values["log-level"] ?? process.env.LOG_LEVEL),
  });
  const directory = values.directory ?? "/var/lib/insights-operator";
  const api = Connection.load(values.kubeconfig);
  const credentials = fileCredentials({
    caFile: values["ca-file"] ?? defaultFiles.caFile,
    tokenFile: values["token-file"] ?? defaultFiles.tokenFile,
  });
  const world = worldOf(values, api, credentials, directory, namespaceOf(values));
  const journal = await Journal.open(directory);
  const prune = () =>
    pruneArchives(directory, world.retention ?? defaultRetention, nowMs()).catch((cause: unknown) =>
      log.warn({ err: cause }, "Old archives could not be removed"),
    );
  for (const problem of journal.problems) log.error({ directory, problem }, "The folder of the archives has a problem");
  await prune();
  const registry = new Registry();
  const runs = new GatherRuns({ world, journal, metrics: gatherMetrics(registry), log });
  const server = await serveGatherer({
    address: values.address ?? "127.0.0.1",
    port: wholeNumber(values.port, "port", 8080),
    version: manifest.version,
    log,
    service: {
      start: (order) => runs.start(order),
      find: (id) => runs.find(id),
      archives: () => listArchives(directory),
      archive: (name) => readArchive(directory, name),
      keep: async (name, bytes) => {
        const { kind } = await writeArchive(directory, name, bytes);
        await prune();
        return kind;
      },
      inventory: () => journal.readInventory(),
    },
  });
  const telemetry = await serveTelemetry({
    address: values["metrics-address"] ?? "127.0.0.1",
    port: wholeNumber(values["metrics-port"], "metrics-port", 9090),
    registry,
    live: () => true,
    ready: () => true,
  });
  log.info(
    { version: manifest.version, port: server.port, metricsPort: telemetry.port, directory },
    "Gatherer started",
  );
  await terminated();
  log.info("Gatherer stopping");
  await runs.stop();
  await server.close();
  await telemetry.close();
  await api.close();
}

/** Resolves at the first SIGTERM or SIGINT. */
function terminated(): Promise<void> {
  return new Promise((resolve) => {
    for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => resolve());
  });
}

const stages: Readonly<Record<Stage, string>> = {
  ListingPods: "Listing pods ...",
  AskingNodes: "Asking the nodes ...",
  AwaitingNodeSide: "Waiting until the node side is gone ...",
  Writing: "Writing the archive ...",
  Done: "Done",
};

async function once(values: Values): Promise<void> {
  const order = orderOf(values);
  const api = Connection.load(values.kubeconfig);
  const namespace = namespaceOf(values);
  const cluster = clusterCredentials(api, namespace, nowMs);
  const files = fileCredentials({ caFile: values["ca-file"] ?? "", tokenFile: values["token-file"] ?? "" });
  const credentials = {
    ca: values["ca-file"] === undefined ? cluster.ca : files.ca,
    token: values["token-file"] === undefined ? cluster.token : files.token,
  };
  const world = worldOf(values, api, credentials, values.output ?? ".", namespace);
  const stop = new AbortController();
  void terminated().then(() => stop.abort());
  try {
    const { outcome, inventory } = await gather(order, world, {
      signal: stop.signal,
      onStage: (stage) => console.error(stages[stage]),
    });
    console.log(values.json ? JSON.stringify({ outcome, inventory }) : outcomeReport(outcome, inventory?.rows ?? []));
    process.exitCode = outcome.succeeded ? 0 : 1;
  } catch (cause) {
    if (!stop.signal.aborted) throw cause;
    console.error("The gather was interrupted; no archive was written");
    process.exitCode = 1;
  } finally {
    await api.close();
  }
}

function orderOf(values: Values): GatherOrder {
  const order = gatherOrderSchema.safeParse({
    id: `by-hand-${startedAtMs}`,
    runtimeInfo: values["no-runtime-info"] !== true,
    inventory: values["no-inventory"] !== true,
    podLimit: wholeNumber(values["pod-limit"], "pod-limit", 8_000),
    nodeTimeoutMs: wholeNumber(values["node-timeout"], "node-timeout", 120) * 1000,
    nodeConcurrency: wholeNumber(values["node-concurrency"], "node-concurrency", 50),
    images: true,
    helm: false,
    obfuscateNetworking: false,
    excludedNamespaces: [],
    nodeSideProblems: [],
    holdBeforeWriting: false,
    ...(values.only === undefined ? {} : { namespaces: values.only }),
  });
  if (order.success) return order.data;
  throw new UsageError(order.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; "));
}

try {
  const { values, positionals } = parse();
  const [mode = "serve", ...rest] = positionals;
  if (values.help) console.log(usage);
  else if (rest.length > 0) throw new UsageError(`unexpected "${rest.join(" ")}"`);
  else if (mode === "serve") await serve(values);
  else if (mode === "once") await once(values);
  else throw new UsageError(`there is no mode "${mode}"`);
} catch (cause) {
  const isUsage = cause instanceof UsageError;
  console.error(
    isUsage ? `${cause.message}\n\n${usage}` : cause instanceof Error ? `gatherer: ${cause.message}` : cause,
  );
  process.exitCode = isUsage ? 2 : 1;
}

function parse() {
  try {
    return parseArgs({ options, allowPositionals: true });
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause));
  }
}
