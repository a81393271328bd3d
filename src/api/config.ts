/** InsightsRuntimeExtractor: the config as an administrator writes it, the settings made from it, its status. */
import { z } from "zod";
import { countsSchema, runtimeCountSchema } from "./gather.ts";
import { conditionsSchema, metadataSchema, problemOf } from "./object.ts";
import { lastUploadSchema } from "./upload.ts";

export const configKind = "InsightsRuntimeExtractor";
export const configName = "cluster";

const durationPattern = /^([0-9]{1,6}(h|m|s))+$/;
const unitMs: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1_000 };

/** Milliseconds of a duration such as `1h30m`; the text has been checked by the pattern. */
function durationMs(text: string): number {
  let total = 0;
  for (const [, digits = "0", unit = "s"] of text.matchAll(/([0-9]+)(h|m|s)/g))
    total += Number(digits) * (unitMs[unit] ?? 0);
  return total;
}

/** A duration between two bounds, refused by the API server as well as here; decoded to milliseconds. */
function duration(min: string, max: string) {
  const rule = `duration(self) >= duration('${min}') && duration(self) <= duration('${max}')`;
  const message = `must be between ${min} and ${max}`;
  return z
    .string()
    .max(20)
    .regex(durationPattern)
    .refine((text) => durationMs(text) >= durationMs(min) && durationMs(text) <= durationMs(max), message)
    .meta({ "x-kubernetes-validations": [{ rule, message }] })
    .transform(durationMs);
}

const quantityPattern = "^[0-9]{1,15}(\\.[0-9]{1,9})?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$";
const quantity = z
  .union([z.string().max(32).regex(new RegExp(quantityPattern)), z.int().min(0)])
  .meta({ "x-kubernetes-int-or-string": true, pattern: quantityPattern, maxLength: 32 })
  .transform(String);

const quantities = z.object({ cpu: quantity.optional(), memory: quantity.optional() });

/** A rule that the API server checks; the DaemonSet would be refused otherwise, which the user would learn later only. */
const rule = (text: string, message: string) => ({ rule: text, message });
const atMost = (field: string) =>
  `!has(self.requests) || !has(self.limits) || !has(self.requests.${field}) || !has(self.limits.${field}) || ` +
  `quantity(string(self.requests.${field})).compareTo(quantity(string(self.limits.${field}))) <= 0`;
const labelKey = "^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$";

const toleration = z
  .object({
    key: z.string().max(317).optional(),
    operator: z.enum(["Exists", "Equal"]).optional(),
    value: z.string().max(63).optional(),
    effect: z.enum(["NoSchedule", "PreferNoSchedule", "NoExecute"]).optional(),
    tolerationSeconds: z.int().min(0).max(2_147_483_647).optional(),
  })
  .meta({
    "x-kubernetes-validations": [
      rule(`!has(self.key) || self.key == '' || self.key.matches('${labelKey}')`, "key must be a qualified name"),
      rule(
        "(has(self.key) && self.key != '') || (has(self.operator) && self.operator == 'Exists')",
        "operator must be Exists when there is no key",
      ),
      rule(
        "!has(self.operator) || self.operator != 'Exists' || !has(self.value) || self.value == ''",
        "value must be empty when operator is Exists",
      ),
      rule(
        "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
        "effect must be NoExecute when tolerationSeconds is set",
      ),
    ],
  });

/** An address on another host: no user or password in it, which the status would show, and nothing behind a `#`. */
function webAddress(schemes: string, path: string, message: string) {
  return z
    .string()
    .max(2048)
    .regex(
      new RegExp(
        `^${schemes}://([[][0-9A-Fa-f:.]+[\\]]|[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?)(:[0-9]{1,5})?${path}$`,
      ),
    )
    .refine(URL.canParse, message)
    .meta({
      "x-kubernetes-validations": [
        rule("isURL(self) && (url(self).getPort() == '' || int(url(self).getPort()) <= 65535)", message),
      ],
    });
}

const secretsOfOurs = ["runtime-insights-ca", "runtime-insights-exporter-tls", "runtime-insights-gatherer-tls"];

/** A key of an object in the operator's own namespace. */
function keyReference(defaultKey: string) {
  return z.object({
    name: z
      .string()
      .max(253)
      .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/),
    key: z
      .string()
      .max(253)
      .regex(/^[-._A-Za-z0-9]+$/)
      .default(defaultKey),
  });
}

const uploadSchema = z.object({
  endpoint: webAddress("https", '(/[!-"$-~]*)?', "must be an https URL without user").meta({
    description: "Where archives are sent by POST, such as https://console.redhat.com/api/ingress/v1/upload.",
  }),
  tokenSecretRef: keyReference("token").meta({
    description: "The bearer token, in a Secret of the operator's namespace. It is read when an archive is sent.",
    "x-kubernetes-validations": [
      rule(
        `!(self.name in [${secretsOfOurs.map((name) => `'${name}'`).join(", ")}])`,
        "the operator's own keys stay here",
      ),
    ],
  }),
  interval: duration("1m", "24h").prefault("15m").meta({
    description:
      "How often it is looked for an archive newer than the last one sent, beside the end of each gather. A failed try is repeated after one to 2.2 of it, a refused token after four to twelve.",
  }),
  proxy: webAddress("https?", "/?", "must be an http or https URL without user and path")
    .optional()
    .meta({ description: "Through which the endpoint is reached; it sees host and port only." }),
  caConfigMapRef: keyReference("ca-bundle.crt").optional().meta({
    description: "Certificates that are trusted beside the public ones, in a ConfigMap of the operator's namespace.",
  }),
});
export type UploadSettings = z.output<typeof uploadSchema>;

export const specSchema = z.object({
  managementState: z
    .enum(["Managed", "Unmanaged", "Removed"])
    .default("Managed")
    .meta({ description: "Unmanaged: nothing is written. Removed: all operands are taken away." }),
  featureGate: z.enum(["Required", "Ignored"]).default("Required").meta({
    description:
      "Ignored: act as if feature gate InsightsRuntimeExtractor were enabled (plain Kubernetes, or OpenShift that no longer lists it).",
  }),
  runtimeInfo: z
    .enum(["Enabled", "Disabled"])
    .default("Enabled")
    .meta({ description: "Disabled: no DaemonSet; workloads are gathered without their runtimes." }),
  lifecycle: z.enum(["Continuous", "OnDemand"]).default("Continuous").meta({
    description:
      "OnDemand: the DaemonSet exists during gathers only; each deploys it, waits until it is ready, asks the nodes and takes it away.",
  }),
  extractor: z
    .object({
      readyTimeout: duration("10s", "1h").prefault("5m").meta({
        description:
          "Lifecycle OnDemand: so long a gather waits for the extractors; then it asks those that are ready.",
      }),
      containerTimeout: duration("1s", "1m").prefault("5s").meta({
        description: "So long the extractor looks into one container; then it answers what it has found.",
      }),
      securityProfile: z.enum(["Privileged", "LeastPrivilege"]).default("Privileged").meta({
        description: "LeastPrivilege: container extractor is not privileged and has eight capabilities only.",
      }),
      nodeSelector: z
        .record(
          z.string(),
          z
            .string()
            .max(63)
            .regex(/^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/),
        )
        .optional()
        .meta({
          description: "Only Linux nodes with these labels.",
          maxProperties: 32,
          "x-kubernetes-validations": [
            rule(`self.all(key, key.matches('${labelKey}'))`, "keys must be qualified names"),
            rule(
              "!('kubernetes.io/os' in self) || self['kubernetes.io/os'] == 'linux'",
              "kubernetes.io/os can be linux only",
            ),
          ],
        }),
      tolerations: z.array(toleration).max(32).optional().meta({ "x-kubernetes-list-type": "atomic" }),
      resources: z
        .object({ requests: quantities.optional(), limits: quantities.optional() })
        .optional()
        .meta({
          description: "Of container extractor; the default requests 10m CPU and 32Mi memory, without limits.",
          "x-kubernetes-validations": [
            rule(atMost("cpu"), "requests.cpu must not exceed limits.cpu"),
            rule(atMost("memory"), "requests.memory must not exceed limits.memory"),
          ],
        }),
      priorityClassName: z
        .string()
        .min(1)
        .max(253)
        .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/)
        .optional(),
      excludedNamespaces: z
        .array(
          z
            .string()
            .min(1)
            .max(63)
            .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/),
        )
        .max(1_000)
        .optional()
        .meta({
          "x-kubernetes-list-type": "set",
          description:
            "No node is asked about their containers; their workloads are gathered. Namespaces and pods can opt out by annotation runtimes.insights.openshift.io/exclude, too.",
        }),
    })
    .prefault({})
    .meta({ description: "The DaemonSet on the nodes." }),
  gather: z
    .object({
      interval: duration("10m", "720h").prefault("12h"),
      podLimit: z.int().min(1).max(1_000_000).default(8_000),
      nodeTimeout: duration("1s", "10m").prefault("2m"),
      nodeConcurrency: z.int().min(1).max(1_000).default(50),
      helm: z.enum(["Enabled", "Disabled"]).default("Enabled").meta({
        description:
          "Disabled: the objects that Helm made are not counted by chart. Chart names are clear text in the archive.",
      }),
      obfuscation: z
        .array(z.enum(["Networking"]))
        .max(1)
        .optional()
        .meta({
          "x-kubernetes-list-type": "set",
          description:
            "Networking: IPv4 addresses, the cluster's base domain and the hosts of its API are replaced in every entry of the archive.",
        }),
      images: z.enum(["Enabled", "Disabled"]).default("Enabled").meta({
        description: "Disabled: OpenShift's Image objects are not read; images are counted, not described.",
      }),
    })
    .prefault({}),
  storage: z
    .object({
      emptyDir: z.object({ sizeLimit: quantity.prefault("1Gi") }).prefault({}),
      retention: z
        .object({
          archives: z.int().min(1).max(1_000).default(5).meta({ description: "The newest archives are kept." }),
          age: duration("1h", "87600h")
            .optional()
            .meta({ description: "Older archives are removed, but never the newest; default: whatever their age." }),
        })
        .prefault({}),
    })
    .prefault({}),
  inventory: z
    .enum(["Enabled", "Disabled"])
    .default("Enabled")
    .meta({ description: "Disabled: clear text never leaves a node. The archive never holds any." }),
  upload: uploadSchema.optional().meta({
    description: "Sends each new archive of the whole cluster away. Absent: nothing ever leaves the cluster.",
  }),
  logLevel: z.enum(["Normal", "Debug", "Trace"]).default("Normal"),
});

/** The checked, defaulted values; durations in milliseconds. */
export type Settings = z.output<typeof specSchema>;

export const gateStatusSchema = z.object({
  state: z.enum(["enabled", "disabled", "not listed", "unknown", "no API"]),
  version: z.string().max(128).optional().meta({ description: "The cluster version whose entry was read." }),
  source: z.enum(["FeatureGate", "Config"]).meta({ description: "Config: spec.featureGate is Ignored." }),
  summary: z.string().max(32).optional().meta({ description: "state; ignored when spec.featureGate says so." }),
});

export const lastGatherSchema = z.object({
  name: z.string().max(253),
  startTime: z.string().meta({ format: "date-time" }),
  finishTime: z.string().meta({ format: "date-time" }),
  succeeded: z.boolean(),
  reason: z.string().max(128),
  message: z.string().max(4096),
  archive: z.string().max(253).optional(),
  counts: countsSchema.optional(),
});
export type LastGather = z.infer<typeof lastGatherSchema>;

/** What main writes; every field has one writer. */
export const statusSchema = z.object({
  observedGeneration: z.int().min(0).optional(),
  conditions: conditionsSchema.optional(),
  gate: gateStatusSchema.optional(),
  headline: z
    .object({ reason: z.string().max(128), message: z.string().max(1024) })
    .optional()
    .meta({ description: "What matters most, of one of the conditions." }),
  troubles: z
    .array(
      z.object({
        reason: z.string().max(128),
        since: z.string().meta({ format: "date-time" }),
        until: z
          .string()
          .optional()
          .meta({ format: "date-time", description: "It seems to be over; forgotten a minute later." }),
      }),
    )
    .max(16)
    .optional()
    .meta({
      "x-kubernetes-list-type": "atomic",
      description: "What is wrong, and since when; Degraded says what outlasts its grace time.",
    }),
  nodes: z
    .object({
      desired: z.int().min(0).meta({ description: "Nodes that are to have an extractor." }),
      ready: z.int().min(0),
      updated: z.int().min(0).optional().meta({ description: "Nodes whose extractor is of the newest spec." }),
      withoutExtractor: z.int().min(0).optional().meta({
        description: "Linux nodes that get no extractor, by a taint that is not tolerated or by nodeSelector.",
      }),
      rolledOut: z.int().min(0).optional().meta({ description: "Generation of the DaemonSet that reached the nodes." }),
      summary: z.string().max(64).meta({ description: "ready/desired; OnDemand while none are deployed." }),
    })
    .optional(),
  lastGather: lastGatherSchema.optional(),
  nextGather: z.string().optional().meta({ format: "date-time" }),
  lastUpload: lastUploadSchema.optional(),
  inventory: z
    .array(runtimeCountSchema)
    .max(20)
    .optional()
    .meta({ "x-kubernetes-list-type": "atomic", description: "The most frequent runtimes of the last full gather." }),
  storage: z.enum(["Ephemeral"]).optional(),
  operator: z.object({ namespace: z.string().max(63), uid: z.string().max(128) }).optional(),
  version: z.string().max(64).optional(),
});
export type ConfigStatus = z.infer<typeof statusSchema>;

/** The part above spec and status that the schema of the kind needs. */
export const configSchema = z.object({ spec: specSchema.prefault({}), status: statusSchema.optional() });

/** Who the config is, whether or not its spec can be used. */
export interface ConfigIdentity {
  readonly uid: string;
  readonly generation: number;
  readonly createdMs: number;
  readonly status: ConfigStatus;
}

export type Config =
  | { readonly kind: "absent" }
  | { readonly kind: "invalid"; readonly identity: ConfigIdentity; readonly problem: string }
  | { readonly kind: "valid"; readonly identity: ConfigIdentity; readonly settings: Settings };

const identitySchema = z.object({
  metadata: metadataSchema.extend({ uid: z.string(), generation: z.number(), creationTimestamp: z.string() }),
});

/**
 * The config as it can be used; a spec that breaks the schema is `invalid` and names the field, and one that is being deleted is absent
 * already: what it owns is the garbage collector's. Throws when it is not even an object of the API server.
 */
export function decodeConfig(value: unknown): Config {
  const { metadata } = identitySchema.parse(value);
  if (metadata.deletionTimestamp !== undefined) return { kind: "absent" };
  const identity = {
    uid: metadata.uid,
    generation: metadata.generation,
    createdMs: Date.parse(metadata.creationTimestamp),
    status: decodeStatus(value),
  };
  const decoded = z.object({ spec: specSchema.prefault({}) }).safeParse(value);
  if (!decoded.success) return { kind: "invalid", identity, problem: problemOf(decoded.error) };
  return { kind: "valid", identity, settings: decoded.data.spec };
}

const anyStatusSchema = z.object({ status: z.record(z.string(), z.unknown()).optional().catch(undefined) });

/** Fields that another version wrote in a way this one does not know are left out; it still tells whose cluster it is. */
function decodeStatus(value: unknown): ConfigStatus {
  const { status = {} } = anyStatusSchema.parse(value);
  const whole = statusSchema.safeParse(status);
  if (whole.success) return whole.data;
  const unknown = new Set(whole.error.issues.map(({ path: [field] }) => field));
  const known = Object.fromEntries(Object.entries(status).filter(([field]) => !unknown.has(field)));
  return statusSchema.safeParse(known).data ?? {};
}

/** The settings of an empty spec. */
export const defaultSettings: Settings = specSchema.parse({});
