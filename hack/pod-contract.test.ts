/** What OpenShift and Pod Security ask of every pod that we make or ship, container by container. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { loadAll } from "js-yaml";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import { specSchema } from "../src/api/config.ts";
import { onOurArchitectures } from "../src/core/architectures.ts";
import { covers } from "../src/core/covers.ts";
import { both, inputOf } from "../src/core/desired.fixture.ts";
import { quantity } from "../src/core/quantity.ts";
import { cloneDir } from "./cache.ts";

const containerSchema = z.looseObject({
  name: z.string(),
  resources: z
    .object({ requests: z.record(z.string(), z.string()).default({}), limits: z.unknown().optional() })
    .default({ requests: {} }),
  terminationMessagePolicy: z.string().optional(),
  livenessProbe: z.unknown().optional(),
  securityContext: z
    .looseObject({
      privileged: z.boolean().optional(),
      allowPrivilegeEscalation: z.boolean().optional(),
      readOnlyRootFilesystem: z.boolean().optional(),
      capabilities: z.object({ drop: z.array(z.string()).default([]) }).optional(),
    })
    .default({}),
});
type Container = z.infer<typeof containerSchema>;

const workloadSchema = z.looseObject({
  kind: z.enum(["Deployment", "DaemonSet"]),
  metadata: z.looseObject({ name: z.string() }),
  spec: z.looseObject({
    updateStrategy: z.looseObject({ rollingUpdate: z.looseObject({ maxUnavailable: z.string() }) }).optional(),
    template: z.looseObject({
      metadata: z.looseObject({ annotations: z.record(z.string(), z.string()).default({}) }),
      spec: z.looseObject({
        containers: z.array(containerSchema).min(1),
        initContainers: z.array(containerSchema).default([]),
        tolerations: z.array(z.looseObject({ key: z.string().optional() })).default([]),
        priorityClassName: z.string().optional(),
        nodeSelector: z.record(z.string(), z.string()).default({}),
        affinity: z.unknown().optional(),
        hostNetwork: z.boolean().default(false),
        hostIPC: z.boolean().default(false),
      }),
    }),
  }),
});
type Workload = z.infer<typeof workloadSchema>;

const parsed = (objects: readonly unknown[]): readonly Workload[] =>
  objects.map((one) => workloadSchema.safeParse(one)).flatMap(({ data }) => (data === undefined ? [] : [data]));

function shipped(): readonly (readonly [string, Workload])[] {
  const dir = join(cloneDir, "manifests");
  return readdirSync(dir, { recursive: true, encoding: "utf8" })
    .filter((file) => /\.yaml$/.test(file) && !/kustomization|least-privilege/.test(file))
    .flatMap((file) => parsed(loadAll(readFileSync(join(dir, file), "utf8"))).map((one) => [file, one] as const));
}

const priorityClass = "openshift-user-critical";
const made = (["Privileged", "LeastPrivilege"] as const).flatMap((securityProfile) =>
  parsed(both(inputOf({ priorityClass, settings: specSchema.parse({ extractor: { securityProfile } }) }))).map(
    (one) => [`${one.kind} ${securityProfile}`, one] as const,
  ),
);
const workloads = [...shipped(), ...made];

/** The one container that looks into others; docs/security.md says what holds it. */
const isExtractor = ({ name }: Container) => name === "extractor";

const ofContainers: readonly (readonly [rule: string, holds: (container: Container) => boolean])[] = [
  [
    "it requests processor time, at least 5m",
    ({ resources }) => Number(quantity(resources.requests.cpu ?? "0")) >= 0.005,
  ],
  ["it requests memory", ({ resources }) => Number(quantity(resources.requests.memory ?? "0")) > 0],
  ["it has no limits unless the config sets them", ({ resources }) => resources.limits === undefined],
  ["its last words are in its status", (one) => one.terminationMessagePolicy === "FallbackToLogsOnError"],
  ["its root file system is read-only", ({ securityContext }) => securityContext.readOnlyRootFilesystem === true],
  [
    "it drops all capabilities",
    (one) => one.securityContext.privileged === true || one.securityContext.capabilities?.drop.join() === "ALL",
  ],
  ["only the extractor may be privileged", (one) => one.securityContext.privileged !== true || isExtractor(one)],
  [
    "only the extractor may gain privileges",
    (one) => one.securityContext.allowPrivilegeEscalation === false || isExtractor(one),
  ],
];
const ofPods: readonly (readonly [rule: string, holds: (workload: Workload, file: string) => boolean])[] = [
  [
    "it names the constraints it needs",
    ({ spec }) => spec.template.metadata.annotations["openshift.io/required-scc"] !== undefined,
  ],
  [
    "it stays off nodes that are drained",
    ({ spec }) => spec.template.spec.tolerations.every(({ key }) => key !== "node.kubernetes.io/unschedulable"),
  ],
  ["it runs on Linux", ({ spec }) => spec.template.spec.nodeSelector["kubernetes.io/os"] === "linux"],
  [
    "it starts on no node that its images are not built for",
    ({ spec }) => covers(spec.template.spec.affinity, onOurArchitectures.affinity),
  ],
  [
    "it shares no network and no IPC with its node",
    ({ spec }) => !spec.template.spec.hostNetwork && !spec.template.spec.hostIPC,
  ],
  // A third at a time: no workload needs an extractor.
  [
    "a rollout leaves two thirds of the nodes",
    ({ kind, spec }, file) =>
      kind !== "DaemonSet" ||
      file.startsWith("standalone") ||
      spec.updateStrategy?.rollingUpdate.maxUnavailable === "33%",
  ],
  // What is shipped does not know the cluster, and a class that it does not have would keep the pod from being made.
  [
    "it has the cluster's priority class, if it is the operator's to choose",
    ({ spec }, file) => spec.template.spec.priorityClassName === (file.endsWith(".yaml") ? undefined : priorityClass),
  ],
];

test("all of them are looked at", () => {
  assert.equal([...new Set(workloads.map(([, { metadata }]) => metadata.name))].sort(), [
    "runtime-insights-extractor",
    "runtime-insights-gatherer",
    "runtime-insights-operator",
    "runtime-insights-standalone",
  ]);
});

for (const [rule, holds] of ofContainers)
  test(`of every container: ${rule}`, () => {
    const wrong = workloads.flatMap(([file, { spec }]) =>
      [...spec.template.spec.initContainers, ...spec.template.spec.containers]
        .filter((container) => !holds(container))
        .map(({ name }) => `${file}: ${name}`),
    );
    assert.equal(wrong, []);
  });

for (const [rule, holds] of ofPods)
  test(`of every pod: ${rule}`, () => {
    assert.equal(
      workloads
        .filter(([file, workload]) => !holds(workload, file))
        .map(([file, { metadata }]) => `${file}: ${metadata.name}`),
      [],
    );
  });

test("what serves others is restarted when it hangs; a proxy holds nothing that a restart would free", () => {
  const without = workloads
    .filter(([file]) => !file.startsWith("standalone"))
    .flatMap(([, { spec }]) => spec.template.spec.containers)
    .filter(({ livenessProbe }) => livenessProbe === undefined)
    .map(({ name }) => name);
  assert.equal([...new Set(without)].sort(), ["extractor", "kube-rbac-proxy", "kube-rbac-proxy-metrics"]);
});

test.run();
