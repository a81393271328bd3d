/** InsightsRuntimeExtractor: the config as an administrator writes it, and the settings made from it. */
import { z } from "zod";
import { type ConfigStatus, decodeStatus, statusSchema } from "./config-status.ts";
import { metadataSchema, problemOf } from "./object.ts";
import { unknownFields } from "./unknown-fields.ts";

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

const quantities = z.object({
  cpu: quantity.optional().meta({ description: "Processor time, such as 250m." }),
  memory: quantity.optional().meta({ description: "Memory, such as 64Mi." }),
});

/** A rule that the API server checks; the DaemonSet would be refused otherwise, which the user would learn later only. */
const rule = (text: string, message: string) => ({ rule: text, message });
const atMost = (field: string) =>
  `!has(self.requests) || !has(self.limits) || !has(self.requests.${field}) || !has(self.limits.${field}) || ` +
  `quantity(string(self.requests.${field})).compareTo(quantity(string(self.limits.${field}))) <= 0`;
const labelKey = "^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$";

const toleration = z
  .object({
    key: z.string().max(317).optional().meta({ description: "Key of the taint; absent: every key." }),
    operator: z.enum(["Exists", "Equal"]).optional().meta({
      description: "Exists: whatever the taint's value. Equal, which absent means too: the taint has this value.",
    }),
    value: z.string().max(63).optional().meta({ description: "Value of the taint." }),
    effect: z
      .enum(["NoSchedule", "PreferNoSchedule", "NoExecute"])
      .optional()
      .meta({ description: "Effect of the taint; absent: every effect." }),
    tolerationSeconds: z
      .int()
      .min(0)
      .max(2_147_483_647)
      .optional()
      .meta({ description: "How long a pod stays after the taint came; absent: for ever." }),
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
      .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/)
      .meta({ description: "Name of the object." }),
    key: z
      .string()
      .max(253)
      .regex(/^[-._A-Za-z0-9]+$/)
      .default(defaultKey)
      .meta({ description: "Which of its keys." }),
  });
}

const uploadSchema = z.object({
  endpoint: webAddress("https", '(/[!-"$-~]*)?', "must be an https URL without user").meta({
    description:
      "Where archives are sent by POST, such as https://console.redhat.com/api/ingress/v1/upload. Another port than 443 or 6443 needs a NetworkPolicy that lets the operator's pods out to it.",
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
  proxy: webAddress("https?", "/?", "must be an http or https URL without user and path").optional().meta({
    description:
      "Through which the endpoint is reached; it sees host and port only. Another port than 443 or 6443 needs a NetworkPolicy that lets the operator's pods out to it.",
  }),
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
      tolerations: z.array(toleration).max(32).optional().meta({
        description: "Taints of nodes that get an extractor all the same; default: none.",
        "x-kubernetes-list-type": "atomic",
      }),
      resources: z
        .object({
          requests: quantities.optional().meta({ description: "What the scheduler sets aside." }),
          limits: quantities.optional().meta({ description: "What it may use at most." }),
        })
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
        .optional()
        .meta({
          description: "Of the extractor's pods; default: openshift-user-critical where the cluster has it, else none.",
        }),
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
      interval: duration("10m", "720h").prefault("12h").meta({
        description: "From one gather of all namespaces to the next.",
      }),
      podLimit: z.int().min(1).max(1_000_000).default(8_000).meta({
        description: "At so many pods the listing ends; the archive says so.",
      }),
      nodeTimeout: duration("1s", "10m").prefault("2m").meta({
        description: "So long a node has to answer; one that is late costs its runtimes, not the archive.",
      }),
      nodeConcurrency: z.int().min(1).max(1_000).default(50).meta({ description: "So many nodes are asked at once." }),
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
    .prefault({})
    .meta({ description: "When and how the cluster's workloads are gathered, and what the archive leaves out." }),
  storage: z
    .object({
      emptyDir: z
        .object({ sizeLimit: quantity.prefault("1Gi").meta({ description: "The most that the archives may take." }) })
        .prefault({})
        .meta({ description: "A volume that goes with the gatherer's pod." }),
      retention: z
        .object({
          archives: z.int().min(1).max(1_000).default(5).meta({ description: "The newest archives are kept." }),
          age: duration("1h", "87600h")
            .optional()
            .meta({ description: "Older archives are removed, but never the newest; default: whatever their age." }),
        })
        .prefault({})
        .meta({ description: "Which archives are kept." }),
    })
    .prefault({})
    .meta({ description: "Where the gatherer keeps archives." }),
  inventory: z
    .enum(["Enabled", "Disabled"])
    .default("Enabled")
    .meta({ description: "Disabled: clear text never leaves a node. The archive never holds any." }),
  upload: uploadSchema.optional().meta({
    description: "Sends each new archive of the whole cluster away. Absent: nothing ever leaves the cluster.",
  }),
  logLevel: z.enum(["Normal", "Debug", "Trace"]).default("Normal").meta({
    description: "Of the gatherer's log. Debug and Trace name workloads and container IDs, which the archive hides.",
  }),
});

/** The checked, defaulted values; durations in milliseconds. */
export type Settings = z.output<typeof specSchema>;

/** The part above spec and status that the schema of the kind needs. */
export const configSchema = z.object({
  spec: specSchema.prefault({}).meta({ description: "What is wanted; each field has a default." }),
  status: statusSchema.optional().meta({ description: "What is; only the operator writes it." }),
});

/** Who the config is, whether or not its spec can be used. */
export interface ConfigIdentity {
  readonly uid: string;
  readonly generation: number;
  readonly createdMs: number;
  readonly status: ConfigStatus;
}

export type Config =
  /** `isUnserved`: the cluster does not know the kind, since its CRD is not there. */
  | { readonly kind: "absent"; readonly isUnserved?: boolean }
  | { readonly kind: "invalid"; readonly identity: ConfigIdentity; readonly problem: string }
  | {
      readonly kind: "valid";
      readonly identity: ConfigIdentity;
      readonly settings: Settings;
      /** Fields that only a newer operator knows. */
      readonly ignored?: readonly string[];
    };

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
  const ignored = unknownFields(specOf(value), decoded.data.spec, "spec");
  return { kind: "valid", identity, settings: decoded.data.spec, ...(ignored.length === 0 ? {} : { ignored }) };
}

const specOf = (value: unknown) => z.object({ spec: z.unknown().optional() }).parse(value).spec;

/** The settings of an empty spec. */
export const defaultSettings: Settings = specSchema.parse({});
