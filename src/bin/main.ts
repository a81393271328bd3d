/** The operator: watches config, gate and its own objects, and keeps the cluster as they say. */
import "./terminated.ts";

import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { parseArgs } from "node:util";
import { collectDefaultMetrics, Registry } from "prom-client";
import manifest from "../../package.json" with { type: "json" };
import { Connection } from "../adapters/connection.ts";
import { contend, Lease } from "../adapters/lease.ts";
import { defaultResyncMs } from "../adapters/operator.ts";
import { operatorMetrics } from "../adapters/operator-metrics.ts";
import { createLogger, type LogLevel, logLevels, serveHealth, serveMetrics } from "../adapters/telemetry.ts";
import { defaultTimes, type ElectionTimes, problemOfTimes } from "../core/leader.ts";
import { audiences, names } from "../core/operands.ts";
import { type RunningOperator, startOperator } from "../loops/operator.ts";
import { terminated } from "./terminated.ts";

const usage = `usage: main [OPTION]...

  --kubeconfig FILE        default: KUBECONFIG, or the pod's service account
  --namespace NAME         where the operands go; default: POD_NAMESPACE
  --gatherer-origin URL    default: https://${names.gatherer}.NAMESPACE.svc:8443
  --token-file FILE        token for the gatherer, default /var/run/secrets/runtime-insights/gatherer/token
  --address ADDRESS        of /healthz and /readyz, default 0.0.0.0
  --port PORT              default 8081
  --metrics-address ADDRESS
                           of /metrics, default 127.0.0.1
  --metrics-port PORT      default 9090
  --log-level LEVEL        ${logLevels.join(", ")}; default: LOG_LEVEL, or what the config's spec.logLevel says

  --leader-elect-lease-duration SECONDS   another pod may take over a Lease that was not renewed for so long, default ${defaultTimes.leaseMs / 1000}
  --leader-elect-renew-deadline SECONDS   a leader stops writing when it could not renew the Lease for so long, default ${defaultTimes.renewMs / 1000}
  --leader-elect-retry-period SECONDS     between two tries to take or renew it, default ${defaultTimes.retryMs / 1000}
  --resync-interval SECONDS               everything is looked at anew that often, besides on each change, default ${defaultResyncMs / 1000}

The Lease's holder is POD_NAME and POD_UID: a container that is restarted in its pod leads again at once.
Images come from RELATED_IMAGE_INSIGHTS_RUNTIME_EXTRACTOR, RELATED_IMAGE_INSIGHTS_RUNTIME_EXPORTER,
RELATED_IMAGE_KUBE_RBAC_PROXY and RELATED_IMAGE_INSIGHTS_GATHERER; SOURCE_COMMIT, when set, is named where archives are uploaded.`;

type SecondsOption =
  | "leader-elect-lease-duration"
  | "leader-elect-renew-deadline"
  | "leader-elect-retry-period"
  | "resync-interval";

class UsageError extends Error {}

/** Reads variables of the environment; `check` names all that were missing at once, for whoever edits a Deployment. */
function environment() {
  const missing: string[] = [];
  return {
    read: (name: string): string => {
      const value = process.env[name] ?? "";
      if (value === "") missing.push(`the environment does not set ${name}`);
      return value;
    },
    check: () => {
      if (missing.length > 0) throw new UsageError(missing.join("\n"));
    },
  };
}

function portOf(name: string, text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new UsageError(`--${name} is not "${text}"`);
  return port;
}

function logLevel(text: string | undefined): LogLevel | undefined {
  if (text === undefined || text === "") return undefined;
  const level = logLevels.find((one) => one === text);
  if (level === undefined) throw new UsageError(`--log-level is one of ${logLevels.join(", ")}, not "${text}"`);
  return level;
}

function parse() {
  try {
    return parseArgs({
      options: {
        help: { type: "boolean", short: "h" },
        kubeconfig: { type: "string" },
        namespace: { type: "string" },
        "gatherer-origin": { type: "string" },
        "token-file": { type: "string" },
        address: { type: "string" },
        port: { type: "string" },
        "metrics-address": { type: "string" },
        "metrics-port": { type: "string" },
        "log-level": { type: "string" },
        "leader-elect-lease-duration": { type: "string" },
        "leader-elect-renew-deadline": { type: "string" },
        "leader-elect-retry-period": { type: "string" },
        "resync-interval": { type: "string" },
      },
    }).values;
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause));
  }
}

function secondsOf(values: ReturnType<typeof parse>, option: SecondsOption, defaultMs: number): number {
  const text = values[option];
  if (text === undefined) return defaultMs;
  if (!/^[0-9]{1,4}$/.test(text)) throw new UsageError(`--${option} is a number of seconds, not "${text}"`);
  return Number(text) * 1000;
}

function electionTimes(values: ReturnType<typeof parse>): ElectionTimes {
  const times = {
    leaseMs: secondsOf(values, "leader-elect-lease-duration", defaultTimes.leaseMs),
    renewMs: secondsOf(values, "leader-elect-renew-deadline", defaultTimes.renewMs),
    retryMs: secondsOf(values, "leader-elect-retry-period", defaultTimes.retryMs),
  };
  const problem = problemOfTimes(times);
  if (problem !== undefined) throw new UsageError(`leader election cannot work with these times: ${problem}`);
  return times;
}

/** The same after a restart of the container, another one in each pod; outside a pod one of this process. */
function identityOfProcess(): string {
  const { POD_NAME: name, POD_UID: uid } = process.env;
  return `${name || hostname()}_${uid || randomUUID()}`;
}

async function main(values: ReturnType<typeof parse>): Promise<void> {
  const stop = new AbortController();
  const { signal } = stop;
  void terminated.then(() => stop.abort());
  const { read, check } = environment();
  const namespace = values.namespace ?? read("POD_NAMESPACE");
  const images = {
    extractor: read("RELATED_IMAGE_INSIGHTS_RUNTIME_EXTRACTOR"),
    exporter: read("RELATED_IMAGE_INSIGHTS_RUNTIME_EXPORTER"),
    proxy: read("RELATED_IMAGE_KUBE_RBAC_PROXY"),
    gatherer: read("RELATED_IMAGE_INSIGHTS_GATHERER"),
  };
  check();
  const port = portOf("port", values.port ?? "8081");
  const metricsPort = portOf("metrics-port", values["metrics-port"] ?? "9090");
  const fixedLevel = logLevel(values["log-level"] ?? process.env.LOG_LEVEL);
  const log = createLogger({ name: "runtime-insights-operator", level: fixedLevel ?? "info" });
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: "runtime_insights_operator_" });
  const tokenFile = values["token-file"] ?? `/var/run/secrets/runtime-insights/gatherer/token`;
  const connection = Connection.load(values.kubeconfig);
  const times = electionTimes(values);
  const resyncMs = Math.max(1_000, secondsOf(values, "resync-interval", defaultResyncMs));
  const identity = identityOfProcess();
  const metrics = operatorMetrics(registry);
  const lease = new Lease({
    ...{ api: connection, namespace, identity, times },
    onError: (problem) => log.warn({ problem }, "Could not take or renew the Lease"),
  });
  let operator: RunningOperator | undefined;
  /** What is tried that often and has not been for twice the time that others wait hangs. */
  const isStuck = () => lease.idleMs() > 2 * times.leaseMs || operator?.isStuck() === true;
  const health = await serveHealth(
    { address: values.address ?? "0.0.0.0", port },
    {
      live: () => !isStuck(),
      ready: () => (operator === undefined ? lease.isKnown() : operator.hasRun()),
    },
  );
  const telling = await serveMetrics(
    { address: values["metrics-address"] ?? "127.0.0.1", port: metricsPort },
    registry,
  );
  const ports = { port: health.port, metricsPort: telling.port };
  log.info(
    { version: manifest.version, namespace, ...ports, audience: audiences.gatherer, identity },
    "Operator started",
  );
  await contend({
    ...{ lease, times, signal },
    lead: async (leading) => {
      log.info({ identity }, "Leading");
      metrics.setLeader(true);
      operator = await startOperator({
        ...{ connection, namespace, images, log, lease, metrics },
        version: manifest.version,
        fixedLevel: fixedLevel !== undefined,
        gathererOrigin: values["gatherer-origin"] ?? `https://${names.gatherer}.${namespace}.svc:8443`,
        readGathererToken: () => readFile(tokenFile, "utf8"),
        uploads: { commit: process.env.SOURCE_COMMIT || "unknown" },
        resyncMs,
      });
      if (!leading.aborted) await once(leading, "abort");
      log.info(signal.aborted ? "Operator stopping" : "Lost the Lease, waiting for it again");
      await operator.stop();
      operator = undefined;
      metrics.setLeader(false);
    },
  });
  await telling.close();
  await health.close();
  await connection.close();
  log.info("Operator stopped");
}

try {
  const values = parse();
  if (values.help === true) console.log(usage);
  else await main(values);
} catch (cause) {
  const isUsage = cause instanceof UsageError;
  // The kubelet keeps the last 2048 bytes as the pod's termination message: what is wrong, without the whole usage.
  console.error(
    isUsage
      ? `${cause.message}\nCorrect the operator's Deployment (manifests/30-operator.yaml); main --help names all options`
      : cause,
  );
  process.exitCode = isUsage ? 2 : 1;
}
