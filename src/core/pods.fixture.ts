/** Pods for tests as the API server sends them; each helper builds a valid object and takes overrides. */
import { decodePodPage, type Pod } from "../api/pod.ts";
import { addPods, type Draft, emptyDraft } from "./shapes.ts";

/** A digest that differs by its seed, a hex digit or two. */
export const digest = (seed: string): string => `sha256:${seed.repeat(64).slice(0, 64)}`;

export interface PodOptions {
  readonly namespace?: string;
  readonly name?: string;
  readonly node?: string;
  readonly phase?: string;
  readonly restartPolicy?: string;
  readonly runtimeClass?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly containers?: readonly ContainerOptions[];
  readonly initContainers?: readonly ContainerOptions[];
  /** Order of the container statuses by index; default that of the containers. */
  readonly statusOrder?: readonly number[];
}

export interface ContainerOptions {
  readonly name?: string;
  readonly image?: string;
  /** As the status reports it; default name, host and the digest `a...`. */
  readonly imageID?: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly id?: string;
  readonly state?: "running" | "waiting" | "terminated";
  readonly restartPolicy?: "Always";
}

/** A Running pod with one container on `node-1`. */
export function apiPod(options: PodOptions = {}): Record<string, unknown> {
  const { namespace = "shop", name = "web-1", node = "node-1", phase = "Running", restartPolicy = "Always" } = options;
  const containers = options.containers ?? [{}];
  const initContainers = options.initContainers ?? [];
  const order = options.statusOrder ?? containers.map((_, index) => index);
  const statuses = containers.map((container, index) => status(container, name, index));
  return {
    metadata: { namespace, name, uid: `uid-of-${name}`, labels: { app: "web" }, annotations: options.annotations },
    spec: {
      nodeName: node,
      restartPolicy,
      runtimeClassName: options.runtimeClass,
      containers: containers.map(spec),
      ...(initContainers.length === 0 ? {} : { initContainers: initContainers.map(spec) }),
    },
    status: {
      phase,
      containerStatuses: order.map((index) => statuses[index]),
      ...(initContainers.length === 0
        ? {}
        : {
            initContainerStatuses: initContainers.map((one, index) =>
              status({ state: "terminated", ...one }, `${name}-init`, index),
            ),
          }),
    },
  };
}

function spec(container: ContainerOptions, index: number): Record<string, unknown> {
  const { name = `c${index}`, image = "quay.example/team/app:v1", command, args, restartPolicy } = container;
  return {
    name,
    image,
    restartPolicy,
    ...(command === undefined ? {} : { command }),
    ...(args === undefined ? {} : { args }),
  };
}

function status(container: ContainerOptions, pod: string, index: number): Record<string, unknown> {
  const { name = `c${index}`, imageID = `quay.example/team/app@${digest("a")}`, state = "running" } = container;
  const { id = `containerd://${pod}-${index}` } = container;
  return { name, image: "quay.example/team/app:v1", imageID, containerID: id, state: { [state]: {} } };
}

export function pods(...options: readonly PodOptions[]): readonly Pod[] {
  return decodePodPage({ items: options.map(apiPod) }).pods;
}

export function draftOf(all: readonly Pod[], podLimit = 8_000, excluded: readonly string[] = []): Draft {
  const draft = emptyDraft();
  addPods(draft, all, { podLimit, isExcluded: (namespace) => excluded.includes(namespace) });
  return draft;
}
