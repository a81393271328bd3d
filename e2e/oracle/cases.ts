/** Clusters to gather, drawn at random: as hostile as the API server could be made to hold them. */
import fc from "fast-check";

export interface Case {
  readonly podLimit: number;
  /** What exporters answer with, by node, where it is not 200. */
  readonly statuses?: Readonly<Record<string, number>> | undefined;
  /** In list order, a namespace's pods together, as the API server sorts them. */
  readonly pods: readonly unknown[];
  /** By node, namespace, pod and container reference. */
  readonly answers: Readonly<Record<string, unknown>>;
  readonly images: Readonly<Record<string, unknown>>;
  readonly helm: readonly { readonly plural: string; readonly namespace: string; readonly chart: string }[];
}

type ApiPod = ReturnType<typeof apiPod>;

const hex = (seed: string) => seed.repeat(64).slice(0, 64);
const digests = ["a", "b", "c"].map((seed) => `sha256:${hex(seed)}`);
/** Some have a digest, some have none. */
const references = [
  ...digests.map((digest) => `quay.example/team/app@${digest}`),
  `docker-pullable://app:v1@${digests[0]}`,
  `localhost:5000/a_b/c--d:v2@${digests[1]}`,
  `App@${digests[0]}`,
  `app@sha256:${hex("A")}`,
  `app@md5:${hex("a")}`,
  ...["", "app:latest", digests[0], ` app@${digests[0]}`],
];
const strange = ["__proto__", "constructor", "toString", "10", "9", "a<b>&c", "\u2028", "\u00e9\u{1f600}"];
const names = ["shop", "bank", "kube-system", ...strange];
const argument = fc.oneof(
  fc.constantFrom(
    "bash",
    " bash ",
    "/usr/bin/node",
    "--config=/etc/x",
    "-v",
    "c:\\x\\cmd.exe",
    "\u0085x\ufeff",
    "",
    "/",
  ),
  fc
    .array(fc.constantFrom(" ", "/", "\\", "-", "=", "\t", "\u00a0", "\u0085", "\ufeff", "a", "\ud800"), {
      maxLength: 8,
    })
    .map((all) => all.join("")),
);

const container = fc.record({
  name: fc.constantFrom("app", "side", "__proto__"),
  image: fc.constantFrom(...references),
  imageID: fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...references.slice(0, 5)) },
    { weight: 1, arbitrary: fc.constantFrom(...references) },
  ),
  command: fc.option(fc.array(argument, { maxLength: 2 }), { nil: undefined }),
  args: fc.option(fc.array(argument, { maxLength: 2 }), { nil: undefined }),
  state: fc.constantFrom("running", "running", "waiting", "terminated"),
  reference: fc.constantFrom("containerd://", "cri-o://", "", undefined),
});
type Container = typeof container extends fc.Arbitrary<infer T> ? T : never;

const podOptions = fc.record({
  node: fc.constantFrom("node-1", "node-2", "node-3"),
  phase: fc.constantFrom("Running", "Running", "Running", "Pending", "Succeeded", "Failed", "Unknown"),
  restartPolicy: fc.constantFrom("Always", "OnFailure", "Never"),
  containers: fc.array(container, { minLength: 1, maxLength: 3 }),
  initContainers: fc.array(container, { maxLength: 2 }),
  order: fc.constantFrom("as specified", "backwards", "one missing", "another name"),
  sidecar: fc.boolean(),
});
type PodOptions = typeof podOptions extends fc.Arbitrary<infer T> ? T : never;

/** A pod that cannot be asked about as a whole has a form of its own: a replica would answer for it, which the existing gatherer never asks. */
function apiPod(namespace: string, name: string, options: PodOptions) {
  const { node, phase, restartPolicy, initContainers, order, sidecar } = options;
  const isWhole = phase === "Running" && options.containers.every((one) => one.state === "running" && one.reference);
  const [first, ...rest] = options.containers;
  const containers =
    isWhole || first === undefined ? options.containers : [{ ...first, command: [`only-${name}`] }, ...rest];
  return {
    metadata: { namespace, name, annotations: { note: "x" } },
    spec: {
      nodeName: node,
      restartPolicy,
      containers: containers.map((one) => spec(one, {})),
      initContainers: initContainers.map((one) => spec(one, sidecar ? { restartPolicy: "Always" } : {})),
    },
    status: {
      phase,
      containerStatuses: reordered(
        containers.map((one, index) => status(one, `${name}-${index}`)),
        order,
      ),
      initContainerStatuses: initContainers.map((one, index) => status(one, `${name}-init-${index}`)),
    },
  };
}

const spec = ({ name, image, command, args }: Container, more: object) => ({ name, image, command, args, ...more });
const status = ({ name, imageID, state, reference }: Container, id: string) => ({
  ...{ name, imageID, image: "x", ready: true, restartCount: 0 },
  containerID: reference === undefined ? undefined : reference === "" ? "" : `${reference}${id}`,
  state: { [state]: { startedAt: "2026-01-01T00:00:00Z" } },
});

function reordered<T extends { readonly name: string }>(
  statuses: readonly T[],
  order: PodOptions["order"],
): readonly T[] {
  switch (order) {
    case "as specified":
      return statuses;
    case "backwards":
      return statuses.toReversed();
    case "one missing":
      return statuses.slice(1);
    case "another name":
      return statuses.map((one, index) => (index === 0 ? { ...one, name: "stranger" } : one));
  }
}

/** Hashes, as exporters answer; the empty text is a value that is not known. */
const value = fc.constantFrom("yqx1WBefoIAq", "wbpgzhNYZQOi", "DzP5-GS6tDOQ", "C_ojtzmndKzM", "");
const info = fc.oneof(
  fc.constantFrom(
    {},
    null,
    { runtimes: [] },
    { runtimes: null },
    { OS: "yqx1WBefoIAq", Kind: "wbpgzhNYZQOi" },
    { unknown: 1, os: "gdk3V0V_mIUj" },
  ),
  fc.record(
    {
      ...{ os: value, osVersion: value, kind: value, kindVersion: value, kindImplementer: value },
      runtimes: fc.array(fc.record({ name: value, version: value }, { requiredKeys: [] }), { maxLength: 3 }),
    },
    { requiredKeys: [] },
  ),
);

const layers = fc.array(fc.record({ name: fc.constantFrom("sha256:l1", "sha256:l2") }), { maxLength: 3 });
const image = fc.record(
  {
    dockerImageReference: fc.constantFrom("quay.example/x@sha256:1", "registry.redhat.example/x", ""),
    dockerImageLayers: layers,
    dockerImageMetadata: fc.constantFrom(
      ...[{ ContainerConfig: { Entrypoint: ["/bin/app", "x"], Cmd: ["--port=80"] } }, { Config: { Cmd: ["x"] } }],
      ...[{ ContainerConfig: { Cmd: 7 } }, null, {}],
    ),
  },
  { requiredKeys: ["dockerImageReference"] },
);

const helmObject = fc.record({
  plural: fc.constantFrom("replicasets", "daemonsets", "statefulsets", "services", "deployments"),
  namespace: fc.constantFrom(...names),
  chart: fc.constantFrom(
    "web-1.2.3",
    "web-1.2.4",
    "web",
    "db-latest",
    "a-b-c",
    "<x>-1.0",
    "__proto__",
    "",
    "-1.0",
    "x-",
  ),
});

export const cases: fc.Arbitrary<Case> = fc
  .record({
    podLimit: fc.constantFrom(8_000, 8_000, 5, 1),
    namespaces: fc.uniqueArray(
      fc.record({ name: fc.constantFrom(...names), pods: fc.array(podOptions, { minLength: 1, maxLength: 6 }) }),
      {
        selector: ({ name }) => name,
        maxLength: 4,
      },
    ),
    infos: fc.array(info, { minLength: 1, maxLength: 8 }),
    images: fc.uniqueArray(fc.tuple(fc.constantFrom(...digests), image), { selector: ([digest]) => digest }),
    helm: fc.array(helmObject, { maxLength: 8 }),
  })
  .map(({ podLimit, namespaces, infos, images, helm }) => {
    const pods = namespaces.flatMap(({ name, pods: all }) =>
      all.map((one, index) => apiPod(name, `pod-${index}`, one)),
    );
    return { podLimit, pods, answers: answersTo(pods, infos), images: Object.fromEntries(images), helm };
  });

/** Every node speaks of all pods on it, also of containers it is not asked about. */
function answersTo(pods: readonly ApiPod[], infos: readonly unknown[]): Readonly<Record<string, unknown>> {
  const nodes = new Map<string, Map<string, Map<string, Map<string, unknown>>>>();
  let next = 0;
  for (const { metadata, spec: podSpec, status: podStatus } of pods) {
    for (const { containerID } of [...podStatus.containerStatuses, ...podStatus.initContainerStatuses]) {
      if (containerID === undefined || containerID === "") continue;
      const inside = <V>(outer: Map<string, Map<string, V>>, key: string): Map<string, V> => {
        const found = outer.get(key) ?? new Map<string, V>();
        outer.set(key, found);
        return found;
      };
      inside(inside(inside(nodes, podSpec.nodeName), metadata.namespace), metadata.name).set(
        containerID,
        infos[next % infos.length],
      );
      next += 1;
    }
  }
  return plain(nodes) as Readonly<Record<string, unknown>>;
}

/** An object without a prototype, so that `__proto__` is a key like others. */
function plain(found: unknown): unknown {
  if (!(found instanceof Map)) return found;
  const object = Object.create(null);
  for (const [key, inner] of found) object[key] = plain(inner);
  return object;
}
