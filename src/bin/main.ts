/** The operator: watches config, gate and its own objects, and keeps the cluster as they say. */
import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { parseArgs } from "node:util";
import { collectDefaultMetrics, Registry } from "prom-client";
import manifest from "../../package.json" with { type: "json" };
import { Connection } from "../adapters/connection.ts";
import { createLogger, type LogLevel, logLevels, serveTelemetry } from "../adapters/telemetry.ts";
import { audiences, names } from "../core/operands.ts";
import { startOperator } from "../loops/operator.ts";

const usage = `usage: main [OPTION]...

  --kubeconfig FILE        default: KUBECONFIG, or the pod's service account
  --namespace NAME         where the operands go; default: POD_NAMESPACE
  --gatherer-origin URL    default: https://${names.gatherer}.NAMESPACE.svc:8443
  --token-file FILE        token for the gatherer, default /var/run/secrets/runtime-insights/gatherer/token
  --address ADDRESS        of /healthz, /readyz and /metrics, default 0.0.0.0
  --port PORT              default 8081
  --log-level LEVEL        ${logLevels.join(", ")}; default: LOG_LEVEL, or what the config's spec.logLevel says

Images come from RELATED_IMAGE_INSIGHTS_RUNTIME_EXTRACTOR, RELATED_IMAGE_INSIGHTS_RUNTIME_EXPORTER,
RELATED_IMAGE_KUBE_RBAC_PROXY and RELATED_IMAGE_INSIGHTS_GATHERER; SOURCE_COMMIT, when set, is named where archives are uploaded.`;

class UsageError extends Error {}

function fromEnvironment(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === "") throw new UsageError(`the environment does not set ${name}`);
  return value;
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
        "log-level": { type: "string" },
      },
    }).values;
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause));
  }
}

/** Resolves at the first SIGTERM or SIGINT. */
function terminated(): Promise<void> {
  return new Promise((resolve) => {
    for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => resolve());
  });
}

async function main(values: ReturnType<typeof parse>): Promise<void> {
  const namespace = values.namespace ?? fromEnvironment("POD_NAMESPACE");
  const images = {
    extractor: fromEnvironment("RELATED_IMAGE_INSIGHTS_RUNTIME_EXTRACTOR"),
    exporter: fromEnvironment("RELATED_IMAGE_INSIGHTS_RUNTIME_EXPORTER"),
    proxy: fromEnvironment("RELATED_IMAGE_KUBE_RBAC_PROXY"),
    gatherer: fromEnvironment("RELATED_IMAGE_INSIGHTS_GATHERER"),
  };
  const port = Number(values.port ?? "8081");
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new UsageError(`--port is not "${values.port}"`);
  const fixedLevel = logLevel(values["log-level"] ?? process.env.LOG_LEVEL);
  const log = createLogger({ name: "runtime-insights-operator", level: fixedLevel ?? "info" });
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: "runtime_insights_operator_" });
  const tokenFile = values["token-file"] ?? `/var/run/secrets/runtime-insights/gatherer/token`;
  const connection = Connection.load(values.kubeconfig);
  const operator = await startOperator({
    ...{ connection, namespace, images, registry, log },
    version: manifest.version,
    holder: hostname(),
    fixedLevel: fixedLevel !== undefined,
    gathererOrigin: values["gatherer-origin"] ?? `https://${names.gatherer}.${namespace}.svc:8443`,
    readGathererToken: () => readFile(tokenFile, "utf8"),
    uploads: { commit: process.env.SOURCE_COMMIT || "unknown" },
  });
  const telemetry = await serveTelemetry({
    ...{ port, registry },
    address: values.address ?? "0.0.0.0",
    live: () => true,
    ready: () => operator.hasRun(),
  });
  log.info(
    { version: manifest.version, namespace, port: telemetry.port, audience: audiences.gatherer },
    "Operator started",
  );
  await terminated();
  log.info("Operator stopping");
  await operator.stop();
  await telemetry.close();
  await connection.close();
  log.info("Operator stopped");
}

try {
  const values = parse();
  if (values.help === true) console.log(usage);
  else await main(values);
} catch (cause) {
  const isUsage = cause instanceof UsageError;
  console.error(isUsage ? `${cause.message}\n\n${usage}` : cause);
  process.exitCode = isUsage ? 2 : 1;
}
