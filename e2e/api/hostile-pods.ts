/** Pods that whoever has the operator's token would make of ours, and what docs/examples/images-policy.yaml says of them. */
import { z } from "zod";

const containerSchema = z.looseObject({
  name: z.string(),
  image: z.string(),
  securityContext: z.looseObject({}).default({}),
  volumeMounts: z.array(z.looseObject({})).default([]),
});
type Container = z.output<typeof containerSchema>;
export const podSpecSchema = z.looseObject({
  containers: z.array(containerSchema),
  volumes: z.array(z.looseObject({})).default([]),
  securityContext: z.looseObject({}).default({}),
});
export type PodSpec = z.output<typeof podSpecSchema>;

/** Where the test's images are named. */
export const registry = "localhost/";
const images = {
  node: `${registry}runtime-insights-node:0.1.0`,
  operator: `${registry}runtime-insights-operator:0.1.0`,
  proxy: `${registry}kube-rbac-proxy:v0.19.1`,
};
export const shippedImages = {
  extractor: images.node,
  exporter: images.node,
  proxy: images.proxy,
  gatherer: images.operator,
};

const attack = ["node", "-e", "process.exit()"];
/** Of a container that may do nothing, and does what it likes. */
const node = { image: images.operator, command: attack };

const inContainer =
  (name: string, change: (container: Container) => object) =>
  (spec: PodSpec): object => ({
    ...spec,
    containers: spec.containers.map((one) => (one.name === name ? { ...one, ...change(one) } : one)),
  });
const secured = (change: object) => (one: Container) => ({ securityContext: { ...one.securityContext, ...change } });
const mounted = (mount: object) => (one: Container) => ({ volumeMounts: [...one.volumeMounts, mount] });
const added = (change: object) => (spec: PodSpec) => ({ ...spec, ...change });

interface HostilePod {
  readonly rule: string;
  readonly of: "gatherer" | "extractor";
  readonly change: (spec: PodSpec) => object;
  readonly refusal: RegExp;
}

const foreign = /only the images of Runtime Insights run/;
const strong = /only the extractor is root or has privileges/;
const others = /run only the exporter and the proxy, each by its own program/;
const started = /nothing is started beside the programs, and nothing is mounted over them/;
const paths = /the only path of the node that is mounted/;
const tlsFile = { name: "tls", mountPath: "/extractor_server", subPath: "tls.crt" };

export const hostilePods: readonly HostilePod[] = [
  {
    rule: "an image from elsewhere",
    ...{ of: "gatherer", refusal: foreign },
    change: inContainer("gatherer", () => ({ image: "registry.example.com/other/runtime-insights-node:0.1.0" })),
  },
  {
    rule: "an image whose name begins like ours",
    ...{ of: "gatherer", refusal: foreign },
    change: inContainer("gatherer", () => ({ image: `${registry}runtime-insights-node-too:1` })),
  },
  {
    rule: "an image from elsewhere before the others start",
    ...{ of: "gatherer", refusal: foreign },
    change: added({ initContainers: [{ name: "before", image: "busybox:1" }] }),
  },
  {
    rule: "Node with privileges in place of the extractor",
    ...{ of: "extractor", refusal: strong },
    change: inContainer("extractor", () => node),
  },
  {
    rule: "Node with privileges in the gatherer's pod",
    ...{ of: "gatherer", refusal: strong },
    change: inContainer("gatherer", secured({ privileged: true, allowPrivilegeEscalation: true })),
  },
  {
    rule: "Node with privileges before the others start",
    ...{ of: "gatherer", refusal: strong },
    change: added({ initContainers: [{ name: "before", ...node, securityContext: { privileged: true } }] }),
  },
  {
    rule: "Node with a capability",
    ...{ of: "gatherer", refusal: strong },
    change: inContainer("gatherer", secured({ capabilities: { add: ["NET_RAW"] } })),
  },
  {
    rule: "Node that may gain privileges",
    ...{ of: "gatherer", refusal: strong },
    change: inContainer("gatherer", secured({ allowPrivilegeEscalation: true })),
  },
  {
    rule: "Node that says nothing of what it may gain",
    ...{ of: "gatherer", refusal: strong },
    change: inContainer("gatherer", () => ({ securityContext: { runAsNonRoot: true } })),
  },
  {
    rule: "Node as root",
    ...{ of: "gatherer", refusal: strong },
    change: inContainer("gatherer", secured({ runAsNonRoot: false, runAsUser: 0 })),
  },
  {
    rule: "Node as whatever user its image names",
    ...{ of: "gatherer", refusal: strong },
    change: (spec) => ({
      ...inContainer("gatherer", ({ securityContext }) => ({
        securityContext: { ...securityContext, runAsNonRoot: undefined },
      }))(spec),
      securityContext: {},
    }),
  },
  { rule: "Node among the node's processes", of: "gatherer", refusal: others, change: added({ hostPID: true }) },
  {
    rule: "Node beside the extractor",
    ...{ of: "extractor", refusal: others },
    change: inContainer("exporter", () => node),
  },
  {
    rule: "Node beside the extractor, before it starts",
    ...{ of: "extractor", refusal: others },
    change: (spec) => ({
      ...spec,
      initContainers: spec.containers
        .filter(({ name }) => name === "exporter")
        .map((exporter) => ({ ...exporter, name: "before", ...node, livenessProbe: undefined })),
    }),
  },
  {
    rule: "the exporter with privileges",
    ...{ of: "extractor", refusal: strong },
    change: inContainer("exporter", secured({ privileged: true, allowPrivilegeEscalation: true })),
  },
  {
    rule: "another program than the extractor in its image",
    ...{ of: "extractor", refusal: strong },
    change: inContainer("extractor", () => ({ command: ["/data/program"] })),
  },
  {
    rule: "another program than the exporter in its image",
    ...{ of: "extractor", refusal: others },
    change: inContainer("exporter", () => ({ command: ["/data/program"] })),
  },
  {
    rule: "another program than the proxy in its image",
    ...{ of: "extractor", refusal: others },
    change: inContainer("kube-rbac-proxy", () => ({ command: ["/bin/sh"] })),
  },
  {
    rule: "another program when the extractor starts",
    ...{ of: "extractor", refusal: started },
    change: inContainer("extractor", () => ({ lifecycle: { postStart: { exec: { command: ["/data/program"] } } } })),
  },
  {
    rule: "another program to ask whether the extractor lives",
    ...{ of: "extractor", refusal: started },
    change: inContainer("extractor", () => ({ livenessProbe: { exec: { command: ["/data/program"] } } })),
  },
  {
    rule: "a file of a volume in place of the extractor's program",
    ...{ of: "extractor", refusal: started },
    change: inContainer("extractor", mounted(tlsFile)),
  },
  {
    rule: "a volume over the folder of the proxy's program",
    ...{ of: "extractor", refusal: started },
    change: inContainer("kube-rbac-proxy", mounted({ name: "data", mountPath: "/usr/local/bin" })),
  },
  {
    rule: "the node's root directory",
    ...{ of: "extractor", refusal: paths },
    change: (spec) => ({
      ...spec,
      volumes: spec.volumes.map((one) =>
        "hostPath" in one ? { ...one, hostPath: { path: "/", type: "Directory" } } : one,
      ),
    }),
  },
  {
    rule: "the folder of names to Node",
    ...{ of: "gatherer", refusal: others },
    change: (spec) => ({
      ...spec,
      volumes: [...spec.volumes, { name: "names", hostPath: { path: "/var/log/containers" } }],
    }),
  },
  {
    rule: "the node's network",
    ...{ of: "gatherer", refusal: /the node's network/ },
    change: (spec) => ({
      ...added({ hostNetwork: true })(spec),
      containers: spec.containers.map((one) => ({ ...one, ports: [] })),
    }),
  },
  {
    rule: "the node's shared memory",
    ...{ of: "gatherer", refusal: /shares its memory/ },
    change: added({ hostIPC: true }),
  },
];
