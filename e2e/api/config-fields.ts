/** What each field of the config's spec does, as rows: the values it takes, and where each shows. */
import { z } from "zod";
import type { ConfigStatus } from "../../src/api/config-status.ts";
import type { GatherOrder } from "../../src/api/gather.ts";

const container = z.looseObject({
  name: z.string(),
  args: z.array(z.string()).default([]),
  env: z.array(z.looseObject({ name: z.string(), value: z.string().optional() })).default([]),
  resources: z
    .object({
      requests: z.record(z.string(), z.string()).default({}),
      limits: z.record(z.string(), z.string()).default({}),
    })
    .prefault({}),
  securityContext: z.looseObject({ privileged: z.boolean().optional() }).prefault({}),
});
const workloadSchema = z.object({
  spec: z.object({
    template: z.object({
      spec: z.looseObject({
        nodeSelector: z.record(z.string(), z.string()).default({}),
        tolerations: z.array(z.looseObject({})).default([]),
        priorityClassName: z.string().optional(),
        containers: z.array(container),
        volumes: z.array(
          z.looseObject({ name: z.string(), emptyDir: z.looseObject({ sizeLimit: z.string() }).optional() }),
        ),
      }),
    }),
  }),
});

/** Everything in which a field may show. */
export interface Seen {
  readonly daemonSet: z.infer<typeof workloadSchema>["spec"]["template"]["spec"];
  readonly deployment: z.infer<typeof workloadSchema>["spec"]["template"]["spec"];
  readonly order: GatherOrder;
  readonly status: ConfigStatus;
  readonly configCreatedMs: number;
}

export const podSpecOf = (workload: unknown) => workloadSchema.parse(workload).spec.template.spec;

export const stages = ["set", "changed", "lowest", "highest", "unset"] as const;
export type Stage = (typeof stages)[number];

interface Value {
  readonly spec: unknown;
  readonly shows: unknown;
}

export interface FieldRow {
  readonly path: string;
  readonly read: (seen: Seen) => unknown;
  /** `set` stands for bounds that a field does not have. */
  readonly values: Readonly<Record<"set" | "changed" | "unset", Value> & Partial<Record<"lowest" | "highest", Value>>>;
  /** Another form of `set`. */
  readonly equivalent?: unknown;
}

const extractorOf = ({ daemonSet }: Seen) => daemonSet.containers.find(({ name }) => name === "extractor");
const envOf = ({ deployment }: Seen, name: string) =>
  deployment.containers.flatMap(({ env }) => env).find((one) => one.name === name)?.value;
const value = (spec: unknown, shows: unknown = spec): Value => ({ spec, shows });
const unset = (shows: unknown): Value => ({ spec: undefined, shows });
const hours = (count: number) => count * 3_600_000;
/** 253 characters. */
export const longName = `${"a".repeat(63)}.${"b".repeat(63)}.${"c".repeat(63)}.${"d".repeat(61)}`;
const longKey = `${"a".repeat(253)}/${"b".repeat(63)}`;
const linux = { "kubernetes.io/os": "linux" };
const most = "9223372036854775807";
const manyNamespaces = Array.from({ length: 1_000 }, (_, at) => `n${at}`);

export const rows: readonly FieldRow[] = [
  {
    path: "extractor.containerTimeout",
    read: (seen) => extractorOf(seen)?.args,
    values: {
      set: value("60s", ["--container-timeout=60s"]),
      changed: value("7s", ["--container-timeout=7s"]),
      lowest: value("1s", ["--container-timeout=1s"]),
      highest: value("1m", ["--container-timeout=60s"]),
      unset: unset([]),
    },
    equivalent: "1m",
  },
  {
    path: "extractor.securityProfile",
    read: (seen) => extractorOf(seen)?.securityContext.privileged,
    values: { set: value("LeastPrivilege", false), changed: value("Privileged", true), unset: unset(true) },
  },
  {
    path: "extractor.nodeSelector",
    read: ({ daemonSet }) => daemonSet.nodeSelector,
    values: {
      set: value({ pool: "a" }, { ...linux, pool: "a" }),
      changed: value({ pool: "b", zone: "" }, { ...linux, pool: "b", zone: "" }),
      highest: value({ [longKey]: "v".repeat(63) }, { ...linux, [longKey]: "v".repeat(63) }),
      unset: unset(linux),
    },
    equivalent: { pool: "a", ...linux },
  },
  {
    path: "extractor.tolerations",
    read: ({ daemonSet }) => daemonSet.tolerations,
    values: {
      set: value([{ key: "a", operator: "Exists", effect: "NoSchedule" }]),
      changed: value([{ operator: "Exists" }]),
      lowest: value([], []),
      highest: value([{ key: longKey, value: "v".repeat(63), effect: "NoExecute", tolerationSeconds: 2_147_483_647 }]),
      unset: unset([]),
    },
  },
  {
    path: "extractor.resources.requests.cpu",
    read: (seen) => extractorOf(seen)?.resources.requests.cpu,
    values: {
      set: value("1000m", "1"),
      changed: value("0.5", "500m"),
      lowest: value("0.000000001m", "1m"),
      highest: value("999999999999999Ti", most),
      unset: unset("10m"),
    },
    equivalent: 1,
  },
  {
    path: "extractor.resources.requests.memory",
    read: (seen) => extractorOf(seen)?.resources.requests.memory,
    values: {
      set: value("1024Mi", "1Gi"),
      changed: value("0.5Gi", "512Mi"),
      lowest: value(0, "0"),
      highest: value("1024Ti", "1Pi"),
      unset: unset("32Mi"),
    },
    equivalent: "1Gi",
  },
  {
    path: "extractor.resources.limits.cpu",
    read: (seen) => extractorOf(seen)?.resources.limits.cpu,
    values: {
      set: value("2"),
      changed: value("1.5", "1500m"),
      lowest: value("0.0001", "1m"),
      highest: value("999999999999999Ti", most),
      unset: unset(undefined),
    },
    equivalent: "2000m",
  },
  {
    path: "extractor.resources.limits.memory",
    read: (seen) => extractorOf(seen)?.resources.limits.memory,
    values: {
      set: value("2Gi"),
      changed: value("3Gi"),
      lowest: value("0", "0"),
      highest: value("1000000T", "1E"),
      unset: unset(undefined),
    },
    equivalent: "2048Mi",
  },
  {
    path: "extractor.priorityClassName",
    read: ({ daemonSet }) => daemonSet.priorityClassName,
    values: {
      set: value("system-node-critical"),
      changed: value("system-cluster-critical"),
      highest: value(longName),
      unset: unset(undefined),
    },
  },
  {
    path: "extractor.excludedNamespaces",
    read: ({ order }) => [...order.excludedNamespaces].sort(),
    values: {
      set: value(["a", "b"]),
      changed: value(["c"]),
      lowest: value([]),
      highest: value(manyNamespaces, [...manyNamespaces].sort()),
      unset: unset([]),
    },
    equivalent: ["b", "a"],
  },
  {
    path: "gather.interval",
    // The first scheduled gather was due when the config was made.
    read: ({ status, configCreatedMs }) => Date.parse(status.nextGather ?? "") - configCreatedMs,
    values: {
      set: value("24h", hours(24)),
      changed: value("1h30m", hours(1.5)),
      lowest: value("10m", hours(1 / 6)),
      highest: value("720h", hours(720)),
      unset: unset(hours(12)),
    },
    equivalent: "1440m",
  },
  {
    path: "gather.podLimit",
    read: ({ order }) => order.podLimit,
    values: { set: value(9), changed: value(10), lowest: value(1), highest: value(1_000_000), unset: unset(8_000) },
  },
  {
    path: "gather.nodeTimeout",
    read: ({ order }) => order.nodeTimeoutMs,
    values: {
      set: value("60s", 60_000),
      changed: value("90s", 90_000),
      lowest: value("1s", 1_000),
      highest: value("10m", 600_000),
      unset: unset(120_000),
    },
    equivalent: "1m",
  },
  {
    path: "gather.nodeConcurrency",
    read: ({ order }) => order.nodeConcurrency,
    values: { set: value(5), changed: value(6), lowest: value(1), highest: value(1_000), unset: unset(50) },
  },
  {
    path: "gather.helm",
    read: ({ order }) => order.helm,
    values: { set: value("Disabled", false), changed: value("Enabled", true), unset: unset(true) },
  },
  {
    path: "gather.images",
    read: ({ order }) => order.images,
    values: { set: value("Disabled", false), changed: value("Enabled", true), unset: unset(true) },
  },
  {
    path: "gather.obfuscation",
    read: ({ order }) => order.obfuscateNetworking,
    values: { set: value(["Networking"], true), changed: value([], false), unset: unset(false) },
  },
  {
    path: "inventory",
    read: ({ order }) => order.inventory,
    values: { set: value("Disabled", false), changed: value("Enabled", true), unset: unset(true) },
  },
  {
    path: "storage.emptyDir.sizeLimit",
    read: ({ deployment }) => deployment.volumes.find(({ name }) => name === "archives")?.emptyDir?.sizeLimit,
    values: {
      set: value("2048Mi", "2Gi"),
      changed: value("3Gi"),
      lowest: value(0, "0"),
      highest: value("999999999999999Ti", most),
      unset: unset("1Gi"),
    },
    equivalent: "2Gi",
  },
  {
    path: "storage.retention.archives",
    read: (seen) => envOf(seen, "RETAIN_ARCHIVES"),
    values: {
      set: value(2, "2"),
      changed: value(3, "3"),
      lowest: value(1, "1"),
      highest: value(1_000, "1000"),
      unset: unset("5"),
    },
  },
  {
    path: "storage.retention.age",
    read: (seen) => envOf(seen, "RETAIN_SECONDS"),
    values: {
      set: value("48h", "172800"),
      changed: value("1h1s", "3601"),
      lowest: value("1h", "3600"),
      highest: value("87600h", "315360000"),
      unset: unset(undefined),
    },
    equivalent: "2880m",
  },
  {
    path: "logLevel",
    read: (seen) => envOf(seen, "LOG_LEVEL"),
    values: { set: value("Debug", "debug"), changed: value("Trace", "trace"), unset: unset("info") },
  },
];

/** Fields that change what there is, or that need a world of their own: where they are set, changed and unset. */
export const elsewhere: Readonly<Record<string, string>> = {
  managementState: "operator-operands.test.ts",
  featureGate: "operator-operands.test.ts",
  runtimeInfo: "operator-operands.test.ts",
  lifecycle: "operator-on-demand.test.ts",
  "extractor.readyTimeout": "../../src/core/on-demand.test.ts",
  "upload.endpoint": "operator-uploads.test.ts",
  "upload.tokenSecretRef.name": "operator-uploads.test.ts",
  "upload.tokenSecretRef.key": "operator-uploads.test.ts",
  "upload.interval": "operator-uploads.test.ts",
  "upload.proxy": "operator-uploads.test.ts",
  "upload.caConfigMapRef.name": "operator-uploads.test.ts",
  "upload.caConfigMapRef.key": "operator-uploads.test.ts",
};

/** A spec with that value in each field, or the bound that is nearest to it. */
export function specOf(stage: Stage | "equivalent"): object {
  const spec: Record<string, unknown> = { featureGate: "Ignored" };
  for (const { path, values, equivalent } of rows) {
    const written = stage === "equivalent" ? (equivalent ?? values.set.spec) : valueAt(values, stage).spec;
    if (written !== undefined) put(spec, path.split("."), written);
  }
  return spec;
}

export const valueAt = (values: FieldRow["values"], stage: Stage): Value => values[stage] ?? values.set;

export function put(into: Record<string, unknown>, [head = "", ...rest]: readonly string[], written: unknown): void {
  if (rest.length === 0) {
    into[head] = written;
    return;
  }
  const inner = { ...z.record(z.string(), z.unknown()).catch({}).parse(into[head]) };
  put(inner, rest, written);
  into[head] = inner;
}

const schemaNode = z.looseObject({ properties: z.record(z.string(), z.unknown()).optional() });

/** The paths of all fields of a JSON schema that hold a value and no named fields. */
export function leavesOf(schema: unknown, path: readonly string[] = []): readonly string[] {
  const { properties } = schemaNode.parse(schema);
  if (properties === undefined) return [path.join(".")];
  return Object.entries(properties).flatMap(([name, inner]) => leavesOf(inner, [...path, name]));
}
