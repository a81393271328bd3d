/** What has to hold whenever the world has come to rest. */
import { Registry } from "prom-client";
import { Cluster } from "../../src/adapters/cluster.ts";
import type { Api } from "../../src/adapters/connection.ts";
import { Gatherer } from "../../src/adapters/gatherer.ts";
import { operatorMetrics } from "../../src/adapters/operator-metrics.ts";
import { createLogger } from "../../src/adapters/telemetry.ts";
import type { Config } from "../../src/api/config.ts";
import type { Gate } from "../../src/api/gate.ts";
import { keyOf, managedByLabel, names, operands, partOfLabel } from "../../src/core/operands.ts";
import { OperandLoop } from "../../src/loops/operand.ts";
import { gathererSide, namespace, nodeSide } from "../api/operator-world.ts";
import { images } from "./operator-process.ts";
import type { RobustWorld } from "./robust-world.ts";
import { certificateProblems } from "./world-state.ts";

/** Annotations that another field manager put on objects, by the object's uid. */
export type Foreign = ReadonlyMap<string, { readonly path: string; readonly annotation: string }>;

/** What is wrong with the world as it is now; nothing when it is as config and gate say. */
export async function problemsOf(world: RobustWorld, foreign: Foreign): Promise<readonly string[]> {
  const { api } = world;
  const cluster = new Cluster(api.admin, namespace);
  const [config, gate] = await Promise.all([cluster.config(), cluster.gate()]);
  const expected = expectedOperands(config, gate);
  return [
    ...missing(expected, await api.present()),
    ...(config.kind === "absent" ? [] : await wouldBeWritten(world, config)),
    ...(expected === undefined || config.kind === "absent" ? [] : await wronglyMarked(world, config.identity.uid)),
    ...(await certificateProblems(api)),
    ...(await lostAnnotations(world, foreign)),
    ...world.operator.exits.map((exit) => `ended by itself: ${exit}`),
  ];
}

/** By the rules for a reader of the documents, not by the operator's own functions. Undefined: what is there stays. */
function expectedOperands(config: Config, gate: Gate): readonly string[] | undefined {
  if (config.kind === "absent") return [];
  if (config.kind === "invalid") return undefined;
  const { managementState, runtimeInfo, featureGate, lifecycle } = config.settings;
  if (managementState === "Unmanaged") return undefined;
  if (managementState === "Removed") return [];
  const isAsked = featureGate === "Required" && runtimeInfo === "Enabled";
  if (isAsked && gate.state === "unknown") return undefined;
  const hasNodes = runtimeInfo === "Enabled" && (featureGate === "Ignored" || gate.state === "enabled");
  const idle = lifecycle === "OnDemand" ? [keyOf({ kind: "DaemonSet", name: names.extractor })] : [];
  return [...gathererSide, ...(hasNodes ? nodeSide.filter((key) => !idle.includes(key)) : [])];
}

function missing(expected: readonly string[] | undefined, found: readonly string[]): readonly string[] {
  if (expected === undefined) return [];
  return [
    ...expected.filter((key) => !found.includes(key)).map((key) => `${key} is missing`),
    ...found.filter((key) => !expected.includes(key)).map((key) => `${key} is too much`),
  ];
}

/** Owner and labels, read plainly: what the loop below takes for right is right. */
async function wronglyMarked({ api }: RobustWorld, configUid: string): Promise<readonly string[]> {
  const found = await Promise.all(operands.map((operand) => api.operand(operand)));
  return found.flatMap((object) => {
    if (object === undefined) return [];
    const { name, labels, ownerReferences } = object.metadata;
    const marks = [labels?.[managedByLabel], labels?.[partOfLabel], ownerReferences?.map(({ uid }) => uid).join()];
    const isRight = marks.join(" ") === `runtime-insights-operator runtime-insights ${configUid}`;
    return isRight ? [] : [`${keyOf({ kind: object.kind, name })} is marked ${marks.join(" ")}`];
  });
}

/** A loop without a past, whose writes go nowhere, would write nothing: objects and status are as it wants them. */
async function wouldBeWritten({ api }: RobustWorld, config: Config): Promise<readonly string[]> {
  const writes: string[] = [];
  const recording: Api = {
    call: async (call) => {
      const { method = "GET", path, body } = call;
      if (method === "GET") return api.admin.call(call);
      writes.push(`would ${method} ${path}: ${JSON.stringify(body)?.slice(0, 3_000)}`);
      return { status: 200, body: {} };
    },
  };
  const loop = new OperandLoop({
    ...{ api: recording, cluster: new Cluster(recording, namespace), namespace, images, nowMs: Date.now },
    version: (config.kind === "absent" ? undefined : config.identity.status.version) ?? "",
    log: createLogger({ name: "check", level: "silent" }),
    metrics: operatorMetrics(new Registry()),
    gatherer: new Gatherer({
      ...{ origin: () => "https://127.0.0.1:1", serverName: "none" },
      readCa: async () => undefined,
      readToken: async () => "none",
    }),
    endpoints: async () => [],
    wake: () => undefined,
    setLogLevel: () => undefined,
    shared: {
      ...{ snapshot: undefined, seenMs: 0, unreachable: undefined },
      ...{ isGathering: false, gathererOrigin: undefined, upload: undefined },
    },
  });
  await loop.run();
  return writes;
}

async function lostAnnotations({ api }: RobustWorld, foreign: Foreign): Promise<readonly string[]> {
  const found = await Promise.all(
    [...foreign].map(async ([uid, { path, annotation }]) => {
      const metadata = (await api.get(path))?.metadata;
      const isLost = metadata?.uid === uid && metadata.annotations?.[annotation] !== "kept";
      return isLost ? [`${path} lost annotation ${annotation} of another manager`] : [];
    }),
  );
  return found.flat();
}
