/** Monitors and alerts where prometheus-operator's kinds are served; and every field of every operand, changed and removed by hand. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import { waitFor } from "../../hack/kubectl.ts";
import { applyMonitoringKinds } from "../../hack/monitoring.ts";
import type { KubeObject } from "../../src/api/object.ts";
import { listKeys, wholeObjects } from "../../src/core/covers.ts";
import { keyOf, kinds, names, operands } from "../../src/core/operands.ts";
import { canonical } from "../../src/core/same.ts";
import { configPath, gathererSide, monitoring, namespace, nodeSide, OperatorWorld } from "./operator-world.ts";

let world: OperatorWorld;
const all = operands.map(keyOf);

test.after(async () => {
  await world?.stop();
});

test("without prometheus-operator's kinds everything else is there", async () => {
  world = await OperatorWorld.start({ controllers: false });
  await world.applyCrds();
  await world.startOperator();
  await world.applyConfig({ featureGate: "Ignored" });
  await world.waitForPresent([...gathererSide, ...nodeSide]);
});

test("its kinds come later: monitors and alerts come with them", async () => {
  await applyMonitoringKinds(world.server);
  await world.waitForPresent(all);
});

test("a monitor names port, certificate and path of a Service that there is, and an alert its runbook", async () => {
  const monitorSchema = z.object({
    spec: z.object({
      selector: z.object({ matchLabels: z.record(z.string(), z.string()) }),
      endpoints: z.array(z.object({ port: z.string() })).length(1),
    }),
  });
  const services = z
    .object({
      items: z.array(
        z.object({
          metadata: z.object({ labels: z.record(z.string(), z.string()).default({}) }),
          spec: z.object({ ports: z.array(z.object({ name: z.string(), port: z.number() })) }),
        }),
      ),
    })
    .parse((await world.admin.call({ path: `/api/v1/namespaces/${namespace}/services` })).body).items;
  for (const name of [names.operator, names.gatherer, names.exporter]) {
    const { spec } = monitorSchema.parse(await world.operand({ kind: "ServiceMonitor", name }));
    const found = services.filter(({ metadata }) =>
      Object.entries(spec.selector.matchLabels).every(([key, value]) => metadata.labels[key] === value),
    );
    assert.equal(
      found.flatMap((one) => one.spec.ports.filter((port) => port.name === spec.endpoints[0]?.port)),
      [found[0]?.spec.ports.find(({ port }) => port === 9443)],
      name,
    );
  }
});

type Value = unknown;
type Path = readonly (string | number)[];
const isObject = (value: Value): value is Readonly<Record<string, Value>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** What we said of each operand, as its field manager's last apply holds it: the hash says that it is all of it. */
async function objectsOfOurs(): Promise<readonly KubeObject[]> {
  const found = await Promise.all(operands.map((operand) => world.operand(operand)));
  return found.flatMap((object) => (object === undefined ? [] : [object]));
}

const fieldsSchema = z.object({
  metadata: z.object({
    managedFields: z.array(
      z.object({ manager: z.string(), operation: z.string(), fieldsV1: z.record(z.string(), z.unknown()) }),
    ),
  }),
});

/** Paths that our field manager owns, with list entries found by their key. */
function ownedPaths(object: KubeObject): readonly Path[] {
  const entry = fieldsSchema
    .parse(object)
    .metadata.managedFields.find(
      ({ manager, operation }) => manager === "runtime-insights-operator" && operation === "Apply",
    );
  const paths: Path[] = [];
  const walk = (fields: Value, value: Value, path: Path) => {
    if (!isObject(fields)) return;
    const inner = Object.entries(fields).filter(([key]) => key !== ".");
    if (inner.length === 0) paths.push(...leavesBelow(value, path));
    for (const [key, below] of inner) {
      const [sort, text] = [key.slice(0, 2), key.slice(2)];
      if (sort === "f:" && isObject(value)) walk(below, value[text], [...path, text]);
      if (sort === "k:" && Array.isArray(value)) {
        const keys = Object.entries(z.record(z.string(), z.unknown()).parse(JSON.parse(text)));
        const at = value.findIndex((one) => isObject(one) && keys.every(([name, wanted]) => one[name] === wanted));
        walk(below, value[at], [...path, at]);
      }
    }
  };
  walk(entry?.fieldsV1, object, []);
  return paths;
}

function leavesBelow(value: Value, path: Path): readonly Path[] {
  if (Array.isArray(value)) return value.flatMap((one, at) => leavesBelow(one, [...path, at]));
  if (isObject(value)) return Object.entries(value).flatMap(([name, one]) => leavesBelow(one, [...path, name]));
  return value === undefined ? [] : [path];
}

const at = (object: Value, path: Path): Value =>
  path.reduce<Value>(
    (value, step) => (Array.isArray(value) ? value[Number(step)] : isObject(value) ? value[step] : undefined),
    object,
  );
const pointer = (path: Path) =>
  path.map((step) => `/${String(step).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");

/** Keys and certificates are made anew when they are touched; an owner is the garbage collector's business. */
const isLeftAlone = (kind: string, path: Path) =>
  path.includes("ownerReferences") ||
  // An entry with another key is somebody else's, and stays beside ours.
  listKeys[String(path.at(-3))]?.includes(String(path.at(-1))) === true ||
  (path[0] === "data" && kind !== "DaemonSet") ||
  // Without its type the API server makes up numbers for the other one, beside which it refuses ours.
  path.includes("strategy") ||
  path.includes("kind") ||
  path.includes("apiVersion");

const otherThan = (value: Value): Value =>
  typeof value === "number" ? value + 1 : typeof value === "boolean" ? !value : `x${String(value)}`;

const metadataSchema = z.looseObject({
  ...{ resourceVersion: z.unknown(), generation: z.unknown().optional(), managedFields: z.unknown() },
  annotations: z.record(z.string(), z.string()).default({}),
});
/** Counted by the API server. */
const countAnnotation = "deprecated.daemonset.template.generation";

/** What is told of an object, without what every write changes. */
function contentOf({ metadata, ...rest }: KubeObject): string {
  const { managedFields, resourceVersion, generation, annotations, ...told } = metadataSchema.parse(metadata);
  const { [countAnnotation]: count, ...kept } = annotations;
  return canonical({ ...rest, metadata: { ...told, annotations: kept }, status: null });
}

async function writes(): Promise<number> {
  const metric = await world.registry.getSingleMetric("runtime_insights_operator_writes_total")?.get();
  return (
    metric?.values.filter(({ labels }) => labels.action === "apply").reduce((sum, { value }) => sum + value, 0) ?? 0
  );
}

const foreign = { "example.com/of-somebody-else": "stays" };

for (const op of ["replace", "remove"] as const)
  test(`every field of ours ${op}d by hand, as far as the API server lets: one write for each object, and others' fields stay`, async () => {
    await world.stopOperator();
    const before = await objectsOfOurs();
    assert.is(before.length, operands.length);
    const touched = new Map<string, number>();
    for (const object of before) {
      const key = keyOf({ kind: object.kind, name: object.metadata.name });
      const operand = operands.find((one) => keyOf(one) === key);
      assert.ok(operand);
      const paths = ownedPaths(object).filter((path) => !isLeftAlone(object.kind, path));
      assert.ok(paths.length > 0, key);
      await world.patch(world.pathOf(operand), { metadata: { annotations: foreign } });
      // From the end, so that what is removed moves nothing that is still to come.
      for (const path of paths.toReversed()) {
        const change = { op, path: pointer(path), ...(op === "replace" ? { value: otherThan(at(object, path)) } : {}) };
        const { status } = await world.admin.call({
          method: "PATCH",
          path: world.pathOf(operand),
          contentType: "application/json-patch+json",
          body: [change],
        });
        if (status === 200) touched.set(key, (touched.get(key) ?? 0) + 1);
      }
    }
    assert.equal([...touched.keys()], all);
    const changed = [...touched.values()].reduce((sum, one) => sum + one, 0);
    assert.ok(changed > 150, `${changed} fields`);
    const drifted = await objectsOfOurs();
    const expected = new Map(
      before.map((object) => [keyOf({ kind: object.kind, name: object.metadata.name }), object]),
    );
    await world.startOperator();
    let wrong: readonly string[] = [];
    await waitFor(
      "everything to be as it was",
      async () => {
        const now = await objectsOfOurs();
        wrong = now.flatMap((object) => {
          const key = keyOf({ kind: object.kind, name: object.metadata.name });
          const was = expected.get(key);
          if (was === undefined) return [key];
          const annotations = { ...was.metadata.annotations, ...foreign };
          const wanted = contentOf({ ...was, metadata: { ...was.metadata, annotations } });
          return contentOf(object) === wanted ? [] : [`${key}: ${contentOf(object)}, not ${wanted}`];
        });
        return wrong.length === 0 ? true : undefined;
      },
      { timeoutMs: 90_000, everyMs: 200 },
    ).catch((cause: unknown) => {
      throw new Error(`${String(cause)}: ${wrong.join("\n")}`);
    });
    assert.is(await writes(), drifted.length);
    const versions = await world.versions();
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    assert.equal(await world.versions(), versions);
    assert.is(await writes(), drifted.length);
  });

const templateSchema = z.object({
  spec: z.object({
    template: z.object({ spec: z.object({ containers: z.array(z.looseObject({ name: z.string() })) }) }),
  }),
});
const messageSchema = z.object({
  status: z.object({ conditions: z.array(z.object({ type: z.string(), message: z.string() })) }),
});

test("a controller that undoes what we set: three writes, then it is told with what to do and set ever more seldom; it ends, and so does the trouble", async () => {
  await world.stopOperator();
  let offsetMs = 0;
  await world.startOperator({ nowMs: () => Date.now() + offsetMs, resyncMs: 600_000 });
  const pass = async (ms: number) => {
    offsetMs += ms;
    await world.patch(configPath, { metadata: { annotations: { now: `${offsetMs}` } } });
  };
  const path = world.pathOf({ kind: "DaemonSet", name: names.extractor });
  const { containers } = templateSchema.parse(await world.get(path)).spec.template.spec;
  const at = containers.findIndex(({ imagePullPolicy }) => imagePullPolicy === "IfNotPresent");
  const pointerTo = `/spec/template/spec/containers/${at}/imagePullPolicy`;
  const undo = [
    { op: "test", path: pointerTo, value: "IfNotPresent" },
    { op: "replace", path: pointerTo, value: "Always" },
  ];
  const call = { method: "PATCH", path, contentType: "application/json-patch+json", body: undo } as const;
  let undone = 0;
  const controller = setInterval(
    () => void world.admin.call(call).then(({ status }) => (undone += status === 200 ? 1 : 0)),
    50,
  );
  try {
    const before = await writes();
    await world.waitForCondition("ExtractorReady", "False/OperandFailed");
    const { conditions } = messageSchema.parse(await world.get(configPath)).status;
    assert.is(
      conditions.find(({ type }) => type === "ExtractorReady")?.message,
      `DaemonSet/${names.extractor}: spec.template.spec.containers[${containers[at]?.name}].imagePullPolicy is reverted by another controller or an admission policy each time the operator sets it`,
    );
    assert.is((await writes()) - before, 3);
    await pass(1_000);
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    assert.equal([(await writes()) - before, undone], [3, 4]);
    await pass(31_000);
    await waitFor("the next try", async () => ((await writes()) - before === 4 && undone === 5 ? true : undefined));
    await pass(120_000);
    await world.waitForCondition("Degraded", "True/OperandFailed");
    const told = messageSchema.parse(await world.get(configPath)).status.conditions;
    assert.match(told.find(({ type }) => type === "Degraded")?.message ?? "", /To do: find the admission policy/);
  } finally {
    clearInterval(controller);
  }
  await waitFor(
    "ours to be back and the trouble to be over",
    async () => {
      await pass(61_000);
      const isOver = !Object.values(await world.conditions()).some((one) => one.endsWith("/OperandFailed"));
      return isOver ? true : undefined;
    },
    { timeoutMs: 90_000, everyMs: 500 },
  );
  const now = templateSchema.parse(await world.get(path)).spec.template.spec.containers[at];
  assert.is(now?.imagePullPolicy, "IfNotPresent");
});

const schemaOf = async (path: string) =>
  z
    .object({ components: z.object({ schemas: z.record(z.string(), z.record(z.string(), z.unknown())) }) })
    .parse((await world.admin.call({ path })).body).components.schemas;

test("what is compared as one value, and what entry by entry, is what the API server merges so", async () => {
  const wrong: string[] = [];
  for (const object of await objectsOfOurs()) {
    const root = object.apiVersion.includes("/")
      ? `/openapi/v3/apis/${object.apiVersion}`
      : `/openapi/v3/api/${object.apiVersion}`;
    const schemas = await schemaOf(root);
    const resolve = (schema: Value): Readonly<Record<string, Value>> => {
      if (!isObject(schema)) return {};
      const [only] = Array.isArray(schema.allOf) ? schema.allOf : [];
      const ref = isObject(only) ? only.$ref : schema.$ref;
      if (typeof ref !== "string") return schema;
      return { ...resolve(schemas[ref.slice("#/components/schemas/".length)]), ...schema };
    };
    const [group = "", version = ""] = object.apiVersion.includes("/")
      ? object.apiVersion.split("/")
      : ["", object.apiVersion];
    const top = Object.values(schemas).find((schema) => {
      const named = schema["x-kubernetes-group-version-kind"];
      return (
        Array.isArray(named) &&
        named.some((one) => isObject(one) && one.group === group && one.version === version && one.kind === object.kind)
      );
    });
    assert.ok(top, keyOf({ kind: object.kind, name: object.metadata.name }));
    const wanted = new Set(
      ownedPaths(object).flatMap((path) => path.map((_, length) => pointer(path.slice(0, length + 1)))),
    );
    const walk = (value: Value, schema: Readonly<Record<string, Value>>, path: Path) => {
      const field = String(path.at(-1) ?? "");
      // Of an owner we say every field that there is.
      if (field === "ownerReferences" || (path.length > 0 && !wanted.has(pointer(path)))) return;
      const where = `${object.kind} ${pointer(path)}`;
      if (Array.isArray(value)) {
        const isMerged = schema["x-kubernetes-list-type"] === "map";
        const isOursMerged = listKeys[field] !== undefined && value.every(isObject);
        if (isMerged !== isOursMerged) wrong.push(`${where}: merged ${isMerged}`);
        if (isMerged)
          for (const [place, entry] of value.entries()) walk(entry, resolve(schema.items), [...path, place]);
      } else if (isObject(value)) {
        const isWhole = schema["x-kubernetes-map-type"] === "atomic";
        if (isWhole !== (typeof path.at(-1) === "string" && wholeObjects.has(field)))
          wrong.push(`${where}: one value ${isWhole}`);
        if (isWhole) return;
        const properties = isObject(schema.properties) ? schema.properties : {};
        for (const [name, inner] of Object.entries(value))
          walk(inner, resolve(properties[name] ?? schema.additionalProperties), [...path, name]);
      }
    };
    walk(object, top, []);
  }
  assert.equal([...new Set(wrong)].sort(), []);
});

test("Removed: monitors and alerts go as well", async () => {
  await world.applyConfig({ featureGate: "Ignored", managementState: "Removed" });
  await world.waitForPresent([]);
  await world.applyConfig({ featureGate: "Ignored" });
  await world.waitForPresent(all);
  assert.ok(monitoring.length === 4 && Object.keys(kinds).length > 0 && (await world.get(configPath)) !== undefined);
});

test.run();
