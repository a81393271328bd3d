/** The operator in this process against a real API server, under its shipped service account, with OpenShift's kinds. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Registry } from "prom-client";
import { z } from "zod";
import { cloneDir } from "../../hack/cache.ts";
import { type ApiServer, type ApiServerOptions, startApiServer } from "../../hack/cluster/apiserver.ts";
import { kubectl, ownKinds, waitFor, waitForKinds } from "../../hack/kubectl.ts";
import { openshiftVersion } from "../../hack/openshift/objects.ts";
import { collectionPath } from "../../src/adapters/cluster.ts";
import { Connection } from "../../src/adapters/connection.ts";
import type { OriginOf } from "../../src/adapters/endpoints.ts";
import { operatorMetrics } from "../../src/adapters/operator-metrics.ts";
import { createLogger } from "../../src/adapters/telemetry.ts";
import { apiGroup, type KubeObject, kubeObjectSchema } from "../../src/api/object.ts";
import type { Images } from "../../src/core/desired-input.ts";
import { keyOf, kinds, names, type Operand, operands, type Side } from "../../src/core/operands.ts";
import { type RunningOperator, startOperator } from "../../src/loops/operator.ts";
import type { UploadOptions } from "../../src/loops/uploads.ts";

export const namespace = "runtime-insights";
export const configPath = `/apis/${apiGroup}/v1alpha1/insightsruntimeextractors/cluster`;
export const gathersPath = `/apis/${apiGroup}/v1alpha1/runtimegathers`;
export const featureGatePath = "/apis/config.openshift.io/v1/featuregates/cluster";
const mergePatch = "application/merge-patch+json";

const statusSchema = z.object({
  status: z
    .looseObject({
      conditions: z
        .array(z.looseObject({ type: z.string(), status: z.string(), reason: z.string(), message: z.string() }))
        .optional(),
    })
    .optional(),
});

const observedSchema = z.object({ status: z.object({ observedGeneration: z.number() }) });

export interface StartOptions {
  readonly gathererOrigin?: string;
  readonly gathererToken?: () => Promise<string>;
  readonly nowMs?: () => number;
  readonly namespace?: string;
  readonly resyncMs?: number;
  readonly uploads?: Partial<UploadOptions>;
  readonly images?: Partial<Images>;
  readonly originOf?: OriginOf;
}

export class OperatorWorld {
  readonly server: ApiServer;
  readonly admin: Connection;
  /** Of the operator that was started last. */
  registry = new Registry();
  readonly #connections: Connection[] = [];
  #operator: RunningOperator | undefined;

  private constructor(server: ApiServer) {
    this.server = server;
    this.admin = Connection.load(server.kubeconfig);
  }

  /**
   * An API server with OpenShift's kinds, unless told otherwise, and our manifests but for the CRDs. With the controllers the garbage collector works;
   * without them `setGathererReady` does, since nobody corrects it.
   */
  static async start(options: Pick<ApiServerOptions, "controllers" | "address" | "openshift">): Promise<OperatorWorld> {
    const server = await startApiServer({ openshift: true, ...options });
    const world = new OperatorWorld(server);
    await kubectl(server, ["apply", "-k", join(cloneDir, "manifests")]);
    return world;
  }

  async applyCrds(): Promise<void> {
    await kubectl(this.server, ["apply", "-k", join(cloneDir, "crds")]);
    await waitForKinds(this.server, ownKinds);
  }

  /** A kube config of a service account of our namespace, with a token as the kubelet would ask for. */
  async accountConfig(account: string): Promise<string> {
    const token = (await kubectl(this.server, ["-n", namespace, "create", "token", account])).trim();
    const cluster = this.admin.getCurrentCluster();
    const file = join(this.server.dir, `${account}.kubeconfig`);
    const config = {
      ...{ apiVersion: "v1", kind: "Config", "current-context": "a" },
      clusters: [{ name: "a", cluster: { server: cluster?.server, "certificate-authority-data": cluster?.caData } }],
      users: [{ name: "a", user: { token } }],
      contexts: [{ name: "a", context: { cluster: "a", user: "a" } }],
    };
    await writeFile(file, JSON.stringify(config), { mode: 0o600 });
    return file;
  }

  async startOperator(options: StartOptions = {}): Promise<void> {
    const connection = Connection.load(await this.accountConfig("runtime-insights-operator"));
    this.#connections.push(connection);
    this.registry = new Registry();
    this.#operator = await startOperator({
      ...{
        connection,
        namespace: options.namespace ?? namespace,
        version: "0.0.0-test",
        lease: { remainingMs: () => 60_000 },
        fixedLevel: true,
      },
      images: { extractor: "e:1", exporter: "x:1", proxy: "p:1", gatherer: "g:1", ...options.images },
      metrics: operatorMetrics(this.registry),
      log: createLogger({ name: "operator", level: process.env.DEBUG_OPERATOR === undefined ? "silent" : "debug" }),
      gathererOrigin: options.gathererOrigin ?? "https://127.0.0.1:1",
      readGathererToken: options.gathererToken ?? (async () => "none"),
      ...(options.nowMs === undefined ? {} : { nowMs: options.nowMs }),
      ...(options.originOf === undefined ? {} : { originOf: options.originOf }),
      ...(options.resyncMs === undefined ? {} : { resyncMs: options.resyncMs }),
      uploads: { commit: "abcdef0", ...options.uploads },
    });
    await waitFor("the operator's first run", async () => (this.#operator?.hasRun() ? true : undefined), {
      everyMs: 50,
    });
  }

  async stopOperator(): Promise<void> {
    await this.#operator?.stop();
    this.#operator = undefined;
  }

  async stop(): Promise<void> {
    await this.stopOperator();
    for (const connection of [...this.#connections, this.admin]) await connection.close();
    await this.server.stop();
  }

  async get(path: string): Promise<KubeObject | undefined> {
    const answer = await this.admin.call({ path });
    if (answer.status === 404) return undefined;
    if (answer.status !== 200) throw new Error(`reading ${path}: ${JSON.stringify(answer)}`);
    return kubeObjectSchema.parse(answer.body);
  }

  async create(path: string, body: object): Promise<{ readonly status: number; readonly text: string }> {
    const { status, body: answer } = await this.admin.call({ method: "POST", path, body });
    return { status, text: JSON.stringify(answer) };
  }

  async patch(path: string, body: unknown, contentType = mergePatch): Promise<void> {
    const answer = await this.admin.call({ method: "PATCH", path, contentType, body });
    if (answer.status !== 200) throw new Error(`patching ${path}: ${JSON.stringify(answer)}`);
  }

  async delete(path: string): Promise<void> {
    await this.admin.call({ method: "DELETE", path });
  }

  /** Makes the config, or gives it exactly this spec. */
  async applyConfig(spec: object): Promise<{ readonly status: number; readonly text: string }> {
    const answer = await this.admin.call({
      method: "PATCH",
      path: configPath,
      query: { fieldManager: "admin", force: true },
      contentType: "application/apply-patch+yaml",
      body: {
        apiVersion: `${apiGroup}/v1alpha1`,
        kind: "InsightsRuntimeExtractor",
        metadata: { name: "cluster" },
        spec,
      },
    });
    return { status: answer.status, text: JSON.stringify(answer.body) };
  }

  /** What the config operator of OpenShift would write. */
  async setGate(state: "enabled" | "disabled" | "not listed", version = openshiftVersion): Promise<void> {
    const name = "InsightsRuntimeExtractor";
    const entry = {
      version,
      enabled: state === "enabled" ? [{ name }] : [],
      disabled: state === "disabled" ? [{ name }] : [],
    };
    await this.patch(`${featureGatePath}/status`, { status: { featureGates: [entry] } });
  }

  /** `True/AsExpected`, by condition type. */
  async conditions(path = configPath): Promise<Readonly<Record<string, string>>> {
    const { status } = statusSchema.parse((await this.get(path)) ?? {});
    return Object.fromEntries((status?.conditions ?? []).map((one) => [one.type, `${one.status}/${one.reason}`]));
  }

  async waitForCondition(type: string, expected: string, path = configPath): Promise<void> {
    let last: Readonly<Record<string, string>> = {};
    await waitFor(
      `${type} of ${path} to be ${expected}`,
      async () => {
        last = await this.conditions(path);
        return last[type] === expected ? true : undefined;
      },
      { timeoutMs: 90_000, everyMs: 100 },
    ).catch((cause: unknown) => {
      throw new Error(`${String(cause)}; last seen: ${JSON.stringify(last)}`);
    });
  }

  /** Waits until the status speaks of the newest spec. */
  async waitForObserved(): Promise<void> {
    await waitFor(
      "the newest spec to be observed",
      async () => {
        const config = await this.get(configPath);
        const { status } = observedSchema.parse(config);
        return status.observedGeneration === config?.metadata.generation ? true : undefined;
      },
      { timeoutMs: 90_000, everyMs: 100 },
    );
  }

  /** Resolves when a reconcile that began after this call has ended. */
  async waitForReconcile(): Promise<void> {
    const count = async () => {
      const runs = await this.registry.getSingleMetric("runtime_insights_operator_runs_total")?.get();
      const ended = runs?.values.filter(({ labels }) => labels.loop === "operands") ?? [];
      return ended.reduce((sum, { value }) => sum + value, 0);
    };
    // The first may have begun before.
    for (const nth of [1, 2]) {
      const before = await count();
      await this.patch(configPath, { metadata: { annotations: { look: `${before} ${nth}` } } });
      await waitFor("a reconcile", async () => (await count()) > before || undefined, { everyMs: 20 });
    }
  }

  /** Keys of the operands that exist, in the order of `operands`. */
  async present(): Promise<readonly string[]> {
    const found = await Promise.all(operands.map(async (operand) => [operand, await this.operand(operand)] as const));
    return found.filter(([, object]) => object !== undefined).map(([operand]) => keyOf(operand));
  }

  async waitForPresent(expected: readonly string[]): Promise<void> {
    let last: readonly string[] = [];
    await waitFor(
      "the operands",
      async () => {
        last = await this.present();
        return last.join() === expected.join() ? true : undefined;
      },
      { timeoutMs: 90_000, everyMs: 200 },
    ).catch(() => {
      throw new Error(`the operands are ${last.join(", ")}, not ${expected.join(", ")}`);
    });
  }

  operand(operand: Pick<Operand, "kind" | "name">): Promise<KubeObject | undefined> {
    return this.get(`${collectionPath(operand.kind, namespace)}/${operand.name}`);
  }

  pathOf(operand: Pick<Operand, "kind" | "name">): string {
    return `${collectionPath(operand.kind, namespace)}/${operand.name}`;
  }

  /** What a write would change: resource versions of all operands and the config. */
  async versions(): Promise<Readonly<Record<string, string | undefined>>> {
    const objects = await Promise.all([this.get(configPath), ...operands.map((operand) => this.operand(operand))]);
    return Object.fromEntries(
      objects
        .filter((object) => object !== undefined)
        .map((object) => [keyOf({ kind: object.kind, name: object.metadata.name }), object.metadata.resourceVersion]),
    );
  }

  /** What the controller manager would report of pods that a cluster without nodes cannot have. */
  async setGathererReady(ready: boolean): Promise<void> {
    const path = this.pathOf({ kind: "Deployment", name: names.gatherer });
    const generation = (await this.get(path))?.metadata.generation ?? 1;
    const count = ready ? 1 : 0;
    const status = {
      ...{ observedGeneration: generation, replicas: 1, updatedReplicas: 1 },
      ...{ readyReplicas: count, availableReplicas: count, unavailableReplicas: 1 - count },
    };
    await this.patch(`${path}/status`, { status });
  }
}

/** Of a cluster without prometheus-operator's kinds. */
export const nodeSide = keysOf("node");
export const gathererSide = keysOf("gatherer");
/** Objects of kinds that only a cluster with prometheus-operator serves. */
export const monitoring = operands.filter(({ kind }) => kinds[kind].apiVersion.startsWith("monitoring.")).map(keyOf);

function keysOf(side: Side): readonly string[] {
  return operands
    .filter((one) => one.side === side && !kinds[one.kind].apiVersion.startsWith("monitoring."))
    .map(keyOf);
}
