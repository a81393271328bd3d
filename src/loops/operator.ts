/** Wires the operator's loops to watches and queue; main and the tests start it the same way. */
import {
  apiServerPath,
  Cluster,
  clusterVersionPath,
  collectionPath,
  configPath,
  featureGatePath,
  requestPath,
  serviceCaName,
} from "../adapters/cluster.ts";
import type { Connection } from "../adapters/connection.ts";
import { endpointSlicePath, gathererEndpoints, gathererSlices, type OriginOf } from "../adapters/endpoints.ts";
import { Gatherer } from "../adapters/gatherer.ts";
import { fenced, type Lease } from "../adapters/lease.ts";
import { InsightsOperator, type WatchRule } from "../adapters/operator.ts";
import { type LoopName, loopNames, type OperatorMetrics } from "../adapters/operator-metrics.ts";
import type { Logger } from "../adapters/telemetry.ts";
import { fieldManager } from "../api/object.ts";
import type { Images } from "../core/desired-input.ts";
import { managedByLabel, names, operands } from "../core/operands.ts";
import { OperandLoop } from "./operand.ts";
import { RequestLoop } from "./requests.ts";
import { UploadLoop, type UploadOptions } from "./uploads.ts";
import type { OperatorWorld } from "./world.ts";

export interface OperatorStart {
  readonly connection: Connection;
  readonly namespace: string;
  readonly images: Images;
  readonly version: string;
  /** Nothing is written while it is not held. */
  readonly lease: Pick<Lease, "remainingMs">;
  readonly metrics: OperatorMetrics;
  readonly log: Logger;
  /** True: spec.logLevel does not change the level. */
  readonly fixedLevel: boolean;
  readonly gathererOrigin: string;
  /** Of a pod; default: https at its address. */
  readonly originOf?: OriginOf;
  readonly readGathererToken: () => Promise<string>;
  readonly nowMs?: () => number;
  readonly resyncMs?: number;
  readonly uploads: UploadOptions;
}

export interface RunningOperator {
  /** All loops have run once without losing the API server. */
  hasRun(): boolean;
  /** A run has lasted longer than all its deadlines together, so that a slow API server cannot be the reason. */
  isStuck(): boolean;
  stop(): Promise<void>;
}

/** About 25 writes of half a minute each, one after the other, are the most that a run can wait for. */
const stuckMs = 20 * 60_000;

export async function startOperator(start: OperatorStart): Promise<RunningOperator> {
  const { connection, namespace, log, metrics, nowMs = Date.now } = start;
  const api = fenced(connection, start.lease);
  const cluster = new Cluster(api, namespace);
  const bundlePath = `${collectionPath("ConfigMap", namespace)}/${names.caBundle}`;
  const world: OperatorWorld = {
    ...{ api, cluster, namespace, log, metrics, nowMs },
    images: start.images,
    version: start.version,
    gatherer: new Gatherer({
      origin: () => world.shared.gathererOrigin ?? start.gathererOrigin,
      serverName: `${names.gatherer}.${namespace}.svc`,
      readCa: () => cluster.caBundle(bundlePath),
      readToken: start.readGathererToken,
    }),
    endpoints: () => gathererEndpoints(api, namespace, start.originOf),
    wake: (loop) => operator.wake(loop),
    setLogLevel: (level) => {
      if (!start.fixedLevel) log.level = levels[level];
    },
    shared: {
      ...{ snapshot: undefined, seenMs: 0, unreachable: undefined },
      ...{ isGathering: false, gathererOrigin: undefined, upload: undefined },
    },
  };
  const operandLoop = new OperandLoop(world);
  const requestLoop = new RequestLoop(world);
  const uploadLoop = new UploadLoop(world, start.uploads);
  const loops: Readonly<Record<LoopName, (signal: AbortSignal) => Promise<{ readonly afterMs: number | undefined }>>> =
    {
      operands: () => operandLoop.run(),
      gathers: (signal) => requestLoop.run(signal),
      uploads: (signal) => uploadLoop.run(signal),
    };
  const hasRun = new Set<LoopName>();
  const operator = new InsightsOperator({
    connection,
    rules: watchRules(namespace),
    keys: loopNames,
    ...(start.resyncMs === undefined ? {} : { resyncMs: start.resyncMs }),
    run: async (key, signal) => {
      const loop = loopNames.find((name) => name === key) ?? "operands";
      const end = metrics.runSeconds.startTimer({ loop });
      try {
        const next = await loops[loop](signal);
        metrics.runs.inc({ loop, result: "done" });
        hasRun.add(loop);
        return next;
      } catch (cause) {
        metrics.runs.inc({ loop, result: "failed" });
        throw cause;
      } finally {
        end();
      }
    },
    onRunError: (loop, cause, retryAfterMs) => log.error({ loop, err: cause, retryAfterMs }, "Run failed"),
    onWatchError: ({ path }, problem, retryAfterMs) => {
      metrics.watchRestarts.inc();
      log.debug({ path, problem, retryAfterMs }, "Watch ended, beginning anew");
    },
  });
  await operator.start();
  return {
    hasRun: () => hasRun.size === loopNames.length,
    isStuck: () => operator.longestRunMs() > stuckMs,
    stop: () => operator.stopped(),
  };
}

/** Whoever installs the CRDs after the operator looks at what happens next. */
const ownKindsMs = 5_000;

const levels = { Normal: "info", Debug: "debug", Trace: "trace" } as const;

/** Namespaced operands by label; Secrets and cluster-scoped ones by name, which is all that the permissions allow. */
function watchRules(namespace: string): readonly WatchRule[] {
  const key: LoopName = "operands";
  const labelled = [
    "ServiceAccount",
    "ConfigMap",
    "Service",
    "NetworkPolicy",
    "DaemonSet",
    "Deployment",
    "ServiceMonitor",
    "PrometheusRule",
  ] as const;
  const byName = operands.filter(({ kind }) => !labelled.some((one) => one === kind));
  const gathers: LoopName = "gathers";
  return [
    { key, path: configPath, maxAbsentMs: ownKindsMs },
    { key: gathers, path: requestPath, maxAbsentMs: ownKindsMs },
    { key: gathers, path: endpointSlicePath(namespace), labelSelector: gathererSlices },
    { key, path: featureGatePath, fieldSelector: "metadata.name=cluster" },
    { key, path: clusterVersionPath, fieldSelector: "metadata.name=version" },
    { key, path: apiServerPath, fieldSelector: "metadata.name=cluster" },
    { key, path: collectionPath("ConfigMap", namespace), fieldSelector: `metadata.name=${serviceCaName}` },
    // By whose pull secrets our pods' images are pulled as well.
    { key, path: collectionPath("ServiceAccount", namespace), fieldSelector: `metadata.name=${names.operator}` },
    ...labelled.map((kind) => ({
      key,
      path: collectionPath(kind, namespace),
      labelSelector: `${managedByLabel}=${fieldManager}`,
    })),
    ...byName.map(({ kind, name }) => ({
      key,
      path: collectionPath(kind, namespace),
      fieldSelector: `metadata.name=${name}`,
    })),
  ];
}
