/** The gatherer: serves gathers to the operator, or runs one by hand. */
import "./terminated.ts";

import { parseArgs } from "node:util";
import { Registry } from "prom-client";
import manifest from "../../package.json" with { type: "json" };
import { Connection } from "../adapters/connection.ts";
import { fileCredentials } from "../adapters/credentials.ts";
import {
  defaultRetention,
  listArchives,
  pruneArchives,
  type Retention,
  readArchive,
  writeArchive,
} from "../adapters/disk.ts";
import { isFollowed } from "../adapters/endpoints.ts";
import { gatherMetrics } from "../adapters/gather-metrics.ts";
import { ImageCache } from "../adapters/images.ts";
import { Journal } from "../adapters/journal.ts";
import { serveGatherer } from "../adapters/server.ts";
import { createLogger, type LogLevel, logLevels, serveHealth, serveMetrics } from "../adapters/telemetry.ts";
import { ownExporters } from "../core/exporters.ts";
import { clockToleranceMs } from "../core/time.ts";
import type { GatherWorld } from "../loops/gather-world.ts";
import { Holding } from "../loops/holding.ts";
import { GatherRuns } from "../loops/runs.ts";
import { UsageError, wholeNumber } from "./arguments.ts";
import { once } from "./once.ts";
import { terminated } from "./terminated.ts";

const usage = `usage: gatherer [serve] [OPTION]...      serve gathers to the operator
       gatherer once [OPTION]...         run one gather and print its outcome; once --help says how

options of serve:
  --kubeconfig FILE         default: KUBECONFIG, or the pod's service account
  --namespace NAME          of the extractors; default: POD_NAMESPACE, or runtime-insights
  --ca-file FILE            CA bundle of the exporters; default /etc/runtime-insights/ca/ca.crt
  --token-file FILE         token for the exporters; default /var/run/secrets/runtime-insights/exporter/token
  --retention N             archives of each sort that are kept; default: RETAIN_ARCHIVES, or 5
  --retention-age SECONDS   archives that are older go, but for the newest; default: RETAIN_SECONDS, or never
  --max-answer-bytes N      of one node, default 67108864
  --log-level LEVEL         ${logLevels.join(", ")}; default: LOG_LEVEL, or info
  --directory DIR           archives and outcomes, default /var/lib/insights-operator
  --address ADDRESS         of the REST interface, default 127.0.0.1
  --port PORT               default 8080
  --metrics-address ADDRESS default 127.0.0.1
  --metrics-port PORT       default 9090
  --health-address ADDRESS  of /healthz, /readyz and /ended, default 0.0.0.0
  --health-port PORT        default 8081`;

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
  "health-address": { type: "string" },
  "health-port": { type: "string" },
} as const;

type Values = ReturnType<typeof parseArgs<{ options: typeof options }>>["values"];

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

function retentionOf(values: Values): Retention {
  const archives = wholeNumber(values.retention ?? process.env.RETAIN_ARCHIVES, "retention", defaultRetention.archives);
  const age = values["retention-age"] ?? process.env.RETAIN_SECONDS;
  return { archives, ...(age === undefined ? {} : { ageMs: wholeNumber(age, "retention-age", 0) * 1000 }) };
}

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
  const namespace = values.namespace ?? process.env.POD_NAMESPACE ?? "runtime-insights";
  const world: GatherWorld = {
    ...{ api, exporters: ownExporters(namespace), credentials, directory, images: new ImageCache() },
    ...{ nowMs, processStartedAtMs: startedAtMs, retention: retentionOf(values) },
    maxAnswerBytes: wholeNumber(values["max-answer-bytes"], "max-answer-bytes", 64 * 1024 * 1024),
  };
  const journal = await Journal.open(directory);
  const prune = (aheadMs = 0) =>
    pruneArchives(directory, world.retention ?? defaultRetention, nowMs(), aheadMs).catch((cause: unknown) =>
      log.warn({ err: cause }, "Old archives could not be removed"),
    );
  for (const problem of journal.problems) log.error({ directory, problem }, "The folder of the archives has a problem");
  await prune();
  const holding = await Holding.open({ directory, journal, nowMs, log });
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
      release: (id, report) => runs.release(id, report),
      archives: () => listArchives(directory),
      archive: (name) => readArchive(directory, name),
      keep: async (name, bytes) => {
        const { kind } = await writeArchive(directory, name, bytes);
        // It may come from another node.
        await prune(clockToleranceMs);
        return kind;
      },
      inventory: () => journal.readInventory(),
      handover: () => holding.status(),
      takeOver: (takeover) => holding.takeOver(takeover),
      relieve: () => holding.relieve(),
    },
  });
  /** Of this gatherer's use: its proxy ends with it and not before. */
  const ended = Promise.withResolvers<void>();
  const metrics = await serveMetrics(
    {
      address: values["metrics-address"] ?? "127.0.0.1",
      port: wholeNumber(values["metrics-port"], "metrics-port", 9090),
    },
    registry,
  );
  const health = await serveHealth(
    {
      address: values["health-address"] ?? "0.0.0.0",
      port: wholeNumber(values["health-port"], "health-port", 8081),
    },
    { live: () => true, ready: () => holding.isReady(), ended: ended.promise },
  );
  log.info({ version: manifest.version, port: server.port, metricsPort: metrics.port, directory }, "Gatherer started");
  await terminated;
  log.info("Gatherer stopping");
  await runs.stop();
  await holding.linger(() => isFollowed(api, namespace));
  ended.resolve();
  await server.close();
  await metrics.close();
  await health.close();
  await api.close();
}

try {
  const [mode, ...rest] = process.argv.slice(2);
  if (mode === "once") process.exitCode = await once(rest);
  else await serveOrHelp(mode === "serve" ? rest : process.argv.slice(2));
} catch (cause) {
  const isUsage = cause instanceof UsageError;
  console.error(
    isUsage
      ? `gatherer: ${cause.message}; --help says more`
      : cause instanceof Error
        ? `gatherer: ${cause.message}`
        : cause,
  );
  process.exitCode = isUsage ? 2 : 1;
}

async function serveOrHelp(args: readonly string[]): Promise<void> {
  const values = parse(args);
  if (values.help) console.log(usage);
  else await serve(values);
}

function parse(args: readonly string[]): Values {
  try {
    return parseArgs({ args: [...args], options }).values;
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause));
  }
}
