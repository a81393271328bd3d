/** What the shipped objects allow, one line each: rules of roles, fields of pods and SCC, flows of network policies. */
import { z } from "zod";

/** One thing that is allowed; `key` is how it is shown, and under which its reason is kept. */
export interface Facts {
  /** The object that allows it, e.g. `ClusterRole runtime-insights-operator`. */
  readonly of: string;
  readonly keys: readonly string[];
}

const texts = z.array(z.string()).default([]);
const ruleSchema = z.object({
  apiGroups: texts,
  resources: texts,
  resourceNames: texts,
  nonResourceURLs: texts,
  verbs: z.array(z.string()),
});
const roleSchema = z.object({
  kind: z.enum(["Role", "ClusterRole"]),
  metadata: z.object({ name: z.string(), namespace: z.string().optional() }),
  rules: z.array(ruleSchema),
});

/** One rule as one line: `get, list: nodes`, `use: things.group named a, b`, `get: /v1/version`. */
export function ruleText(rule: unknown): string {
  const { apiGroups, resources, resourceNames, nonResourceURLs, verbs } = ruleSchema.parse(rule);
  const things = apiGroups.flatMap((group) => resources.map((one) => (group === "" ? one : `${one}.${group}`)));
  const named = resourceNames.length === 0 ? "" : ` named ${resourceNames.join(", ")}`;
  return `${verbs.join(", ")}: ${[...things, ...nonResourceURLs].join(", ")}${named}`;
}

/** The rules of every role among these objects, in their order. */
export function roleFacts(objects: readonly unknown[]): readonly Facts[] {
  return objects.flatMap((object) => {
    const { data } = roleSchema.safeParse(object);
    if (data === undefined) return [];
    const { name, namespace } = data.metadata;
    const of = `${data.kind} ${name}${namespace === undefined ? "" : ` in ${namespace}`}`;
    return [{ of, keys: data.rules.map(ruleText) }];
  });
}

const mountSchema = z.object({ name: z.string(), mountPath: z.string(), readOnly: z.boolean().default(false) });
const containerSchema = z.object({
  name: z.string(),
  securityContext: z.record(z.string(), z.unknown()).default({}),
  volumeMounts: z.array(mountSchema).default([]),
});
const podSpecSchema = z.looseObject({
  containers: z.array(containerSchema),
  securityContext: z.record(z.string(), z.unknown()).default({}),
  volumes: z.array(z.looseObject({ name: z.string() })).default([]),
});
const workloadSchema = z.object({
  kind: z.string(),
  metadata: z.object({ name: z.string() }),
  spec: z.object({ template: z.object({ spec: podSpecSchema }) }),
});
type PodSpec = z.infer<typeof podSpecSchema>;

/** The pods of a DaemonSet or Deployment: what they share with the host, how each container is confined, what each mounts. */
export function podFacts(workload: unknown): Facts {
  const { kind, metadata, spec } = workloadSchema.parse(workload);
  const pod = spec.template.spec;
  const shared = ["hostPID", "hostNetwork", "hostIPC"]
    .filter((field) => pod[field] !== undefined)
    .map((field) => `pod: ${field}: ${pod[field]}`);
  const everyContainer =
    pod.automountServiceAccountToken === false ? [] : ["every container: token for the API server"];
  return {
    of: `${kind} ${metadata.name}`,
    keys: [
      ...shared,
      ...everyContainer,
      ...fieldLines("pod", pod.securityContext).filter((line) => !commonLines.includes(line)),
      ...pod.containers.flatMap((container) => confinement(container, pod)),
      ...pod.volumes.flatMap((volume) => mountLines(volume, pod)),
    ],
  };
}

const restricted: Readonly<Record<string, unknown>> = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  runAsNonRoot: true,
  capabilities: { drop: ["ALL"] },
  seccompProfile: { type: "RuntimeDefault" },
};
const commonLines = fieldLines("pod", restricted);
const ownUser = ["runAsUser", "runAsGroup", "privileged"];

/** One line for a container that meets Pod Security `restricted`, by itself or by its pod; a line for each field otherwise. */
function confinement({ name, securityContext }: z.infer<typeof containerSchema>, pod: PodSpec): readonly string[] {
  const all = { ...pod.securityContext, ...securityContext };
  const isRestricted =
    all.privileged !== true &&
    Object.entries(restricted).every(([field, value]) => JSON.stringify(all[field]) === JSON.stringify(value)) &&
    Object.keys(securityContext).every((field) => field in restricted || ownUser.includes(field));
  if (!isRestricted) return fieldLines(name, securityContext);
  return [`${name}: restricted${all.runAsUser === undefined ? "" : `, user ${all.runAsUser}`}`];
}

/** `container: field: value`, a line for each value of a list. */
function fieldLines(where: string, fields: Readonly<Record<string, unknown>>): readonly string[] {
  return Object.entries(fields).flatMap(([field, value]) => {
    if (Array.isArray(value)) return value.map((one) => `${where}: ${field}: ${one}`);
    if (typeof value === "object" && value !== null)
      return fieldLines(where, Object.fromEntries(Object.entries(value).map(([key, one]) => [`${field}.${key}`, one])));
    return [`${where}: ${field}: ${value}`];
  });
}

/** A line for each way of mounting it, with the containers that do. */
function mountLines(volume: PodSpec["volumes"][number], { containers }: PodSpec): readonly string[] {
  const mounted = new Map<string, string[]>();
  for (const { name, volumeMounts } of containers)
    for (const { mountPath, readOnly } of volumeMounts.filter((mount) => mount.name === volume.name)) {
      const how = `${mountPath}${readOnly ? " (read-only)" : ""}: ${sourceOf(volume)}`;
      mounted.set(how, [...(mounted.get(how) ?? []), name]);
    }
  return [...mounted].map(([how, names]) => `${names.join(", ")}: ${how}`);
}

const sourceSchema = z.union([
  z.object({ hostPath: z.object({ path: z.string() }) }).transform(({ hostPath }) => `host path ${hostPath.path}`),
  z.object({ secret: z.object({ secretName: z.string() }) }).transform(({ secret }) => `Secret ${secret.secretName}`),
  z.object({ configMap: z.object({ name: z.string() }) }).transform(({ configMap }) => `ConfigMap ${configMap.name}`),
  z
    .object({
      emptyDir: z.object({ medium: z.string().optional(), sizeLimit: z.string() }),
    })
    .transform(
      ({ emptyDir }) => `emptyDir of ${emptyDir.sizeLimit}${emptyDir.medium === "Memory" ? " in memory" : ""}`,
    ),
  z
    .object({
      projected: z.object({
        sources: z.array(
          z.looseObject({
            serviceAccountToken: z
              .object({ audience: z.string().default("the API server"), expirationSeconds: z.number() })
              .optional(),
          }),
        ),
      }),
    })
    .transform(({ projected }) =>
      projected.sources
        .flatMap(({ serviceAccountToken: token }) =>
          token === undefined ? [] : [`token for ${token.audience}, ${token.expirationSeconds} s`],
        )
        .join(", "),
    ),
  z.object({ persistentVolumeClaim: z.object({}) }).transform(() => "the claim of spec.storage"),
]);

/** Where a volume comes from; throws for a kind that nobody has described yet. */
const sourceOf = (volume: object): string => sourceSchema.parse(volume);

const sccSchema = z.looseObject({ kind: z.literal("SecurityContextConstraints") });
const notOfSccRules = ["apiVersion", "kind", "metadata"];

/** The fields of an SCC as `field: value`, lists on one line. */
export function sccFacts(scc: unknown): Facts {
  const fields = Object.entries(sccSchema.parse(scc)).filter(([field]) => !notOfSccRules.includes(field));
  return { of: "SecurityContextConstraints", keys: fields.map(([field, value]) => `${field}: ${valueText(value)}`) };
}

function valueText(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? "none" : value.join(", ");
  if (typeof value === "object" && value !== null) return Object.values(value).map(valueText).join(" ");
  return String(value);
}

const peerSchema = z.object({
  podSelector: z.object({ matchLabels: z.record(z.string(), z.string()) }).optional(),
  namespaceSelector: z.object({ matchLabels: z.record(z.string(), z.string()) }).optional(),
});
const portsSchema = z.array(z.object({ port: z.number(), protocol: z.string() })).default([]);
const policySchema = z.object({
  metadata: z.object({ name: z.string() }),
  spec: z.object({
    ingress: z.array(z.object({ from: z.array(peerSchema).default([]), ports: portsSchema })).default([]),
    egress: z.array(z.object({ to: z.array(peerSchema).default([]), ports: portsSchema })).default([]),
  }),
});

/** What a NetworkPolicy lets in and out: `in: 8443 TCP from pods a`, `out: 443 TCP, 6443 TCP to anywhere`. */
export function flowFacts(policy: unknown): Facts {
  const { metadata, spec } = policySchema.parse(policy);
  const portsText = (ports: z.infer<typeof portsSchema>) =>
    ports.length === 0 ? "every port" : ports.map(({ port, protocol }) => `${port} ${protocol}`).join(", ");
  return {
    of: `NetworkPolicy ${metadata.name}`,
    keys: [
      ...spec.ingress.map(({ from, ports }) => `in: ${portsText(ports)} from ${peersText(from)}`),
      ...spec.egress.map(({ to, ports }) => `out: ${portsText(ports)} to ${peersText(to)}`),
    ],
  };
}

function peersText(peers: readonly z.infer<typeof peerSchema>[]): string {
  if (peers.length === 0) return "anywhere";
  const labels = (all: Readonly<Record<string, string>>) =>
    Object.entries(all)
      .map(([key, value]) => `${key}=${value}`)
      .join(", ");
  return peers
    .map(({ podSelector, namespaceSelector }) =>
      [
        ...(podSelector === undefined ? [] : [`pods with ${labels(podSelector.matchLabels)}`]),
        ...(namespaceSelector === undefined ? [] : [`namespaces with ${labels(namespaceSelector.matchLabels)}`]),
      ].join(" in "),
    )
    .join(" or ");
}
