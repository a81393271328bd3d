/** How long a flip of the gate takes, beside the same writes by a program that knows what to do. */
import { setTimeout as sleep } from "node:timers/promises";
import { KubeConfig, Watch } from "@kubernetes/client-node";
import { z } from "zod";
import { gathererSide, namespace, nodeSide, type OperatorWorld } from "../../e2e/api/operator-world.ts";
import { fieldManager } from "../../src/api/object.ts";
import { kinds, managedByLabel, type Operand, operands } from "../../src/core/operands.ts";
import type { Flip, FlipsFound } from "./operator-plan.ts";

/** The floor's objects are copies in a namespace of their own, so that the operator does not see them. */
const floorNamespace = "floor";
/** Until nothing of a flip is on its way any more. */
const settleMs = 1_000;

interface Copy {
  readonly path: string;
  readonly body: object;
}

/** The operator runs, the config is there and the gate is on. */
export async function measureFlips(world: OperatorWorld, rounds: number): Promise<FlipsFound> {
  await world.create("/api/v1/namespaces", { metadata: { name: floorNamespace } });
  const copies = await copiesOf(world);
  for (const copy of copies) await apply(world, copy);
  const flips: Flip[] = [];
  for (let turn = 0; turn < rounds * 2; turn += 1) {
    const to = turn % 2 === 0 ? "off" : "on";
    const ms = await untilDaemonSet(world, namespace, to, () => world.setGate(to === "on" ? "enabled" : "disabled"));
    await world.waitForPresent(to === "on" ? [...gathererSide, ...nodeSide] : gathererSide);
    await sleep(settleMs);
    const floorMs = await untilDaemonSet(world, floorNamespace, to, async () => {
      if (to === "on") for (const copy of copies) await apply(world, copy);
      else for (const { path } of copies.toReversed()) await world.delete(path);
    });
    flips.push({ to, ms, floorMs });
  }
  return { part: "flips", flips, objects: copies.length };
}

/** From the beginning of the work until a watch says that the namespace's DaemonSet was made, or is gone. */
async function untilDaemonSet(
  world: OperatorWorld,
  where: string,
  to: Flip["to"],
  work: () => Promise<void>,
): Promise<number> {
  const config = new KubeConfig();
  config.loadFromFile(world.server.kubeconfig);
  const wanted = to === "on" ? "ADDED" : "DELETED";
  const { promise: seen, resolve, reject } = Promise.withResolvers<number>();
  const watch = await new Watch(config).watch(
    `/apis/apps/v1/namespaces/${where}/daemonsets`,
    { timeoutSeconds: 60 },
    (type) => {
      if (type === wanted) resolve(performance.now());
    },
    () => reject(new Error(`the DaemonSet was not ${wanted} within a minute`)),
  );
  const startedMs = performance.now();
  const working = work();
  try {
    return (await seen) - startedMs;
  } finally {
    watch.abort();
    await working;
  }
}

const objectSchema = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({
    name: z.string(),
    labels: z.record(z.string(), z.string()).default({}),
    annotations: z.record(z.string(), z.string()).default({}),
  }),
  spec: z.looseObject({}).optional(),
});

async function copiesOf(world: OperatorWorld): Promise<readonly Copy[]> {
  const node = operands.filter(({ side }) => side === "node");
  const found = await Promise.all(node.map(async (operand) => [operand, await world.operand(operand)] as const));
  // Monitors are made only where their kinds are served.
  return found.filter(([, object]) => object !== undefined).map(([operand, object]) => copyOf(operand, object));
}

function copyOf({ kind, name }: Operand, found: unknown): Copy {
  const { metadata, spec, status: _, ...rest } = objectSchema.parse(found);
  const { apiVersion, plural, scope } = kinds[kind];
  const isNamespaced = scope === "namespace";
  const { [managedByLabel]: __, ...labels } = metadata.labels;
  const copy = isNamespaced ? { name, namespace: floorNamespace } : { name: `${floorNamespace}-${name}` };
  const root = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const collection = isNamespaced ? `${root}/namespaces/${floorNamespace}/${plural}` : `${root}/${plural}`;
  // A Service's addresses are its own.
  const { clusterIP: ___, clusterIPs: ____, ...kept } = spec ?? {};
  return {
    path: `${collection}/${copy.name}`,
    body: {
      ...rest,
      metadata: { ...copy, labels, annotations: metadata.annotations },
      ...(spec === undefined ? {} : { spec: kept }),
    },
  };
}

async function apply(world: OperatorWorld, { path, body }: Copy): Promise<void> {
  const { status, body: answer } = await world.admin.call({
    ...{ method: "PATCH", path, body, contentType: "application/apply-patch+yaml" },
    query: { fieldManager: `${fieldManager}-floor`, force: true },
  });
  if (status >= 300) throw new Error(`applying ${path}: ${status} ${JSON.stringify(answer)}`);
}
