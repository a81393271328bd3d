/** Runs the containers of a pod template on this run's Docker engine, with what a kubelet would give them: volumes, tokens, environment, security context. */
import { randomUUID } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { GenericContainer, getContainerRuntimeClient, PullPolicy, type StartedTestContainer } from "testcontainers";
import { z } from "zod";
import { type Access, kubectl } from "../../hack/kubectl.ts";

/** Of every container of the tests, so that whatever is left can be found. */
export const testLabel = "runtime-insights.test";

const items = z.array(z.object({ key: z.string(), path: z.string() })).optional();
const fieldRef = z.object({ fieldPath: z.string() });
const sourceSchema = z.union([
  z.strictObject({ serviceAccountToken: z.looseObject({ path: z.string(), audience: z.string().optional() }) }),
  z.strictObject({ configMap: z.strictObject({ name: z.string(), items }) }),
  z.strictObject({ downwardAPI: z.strictObject({ items: z.array(z.object({ path: z.string(), fieldRef })) }) }),
]);
const volumeSchema = z.union([
  z.strictObject({ name: z.string(), emptyDir: z.unknown() }),
  z.strictObject({ name: z.string(), projected: z.looseObject({ sources: z.array(sourceSchema) }) }),
  z.strictObject({ name: z.string(), configMap: z.looseObject({ name: z.string() }) }),
  z.strictObject({ name: z.string(), secret: z.looseObject({ secretName: z.string() }) }),
]);
/** A container that asks for less protection than this is no container of these tests. */
const restrictedSchema = z.looseObject({
  allowPrivilegeEscalation: z.literal(false),
  readOnlyRootFilesystem: z.literal(true),
  capabilities: z.strictObject({ drop: z.tuple([z.literal("ALL")]) }),
});
const containerSchema = z.looseObject({
  name: z.string(),
  image: z.string(),
  command: z.array(z.string()).optional(),
  args: z.array(z.string()).default([]),
  env: z
    .array(
      z.union([
        z.strictObject({ name: z.string(), value: z.string() }),
        z.strictObject({ name: z.string(), valueFrom: z.strictObject({ fieldRef }) }),
      ]),
    )
    .default([]),
  securityContext: restrictedSchema,
  volumeMounts: z
    .array(z.strictObject({ name: z.string(), mountPath: z.string(), readOnly: z.boolean().optional() }))
    .default([]),
});
const deploymentSchema = z.looseObject({
  metadata: z.looseObject({ namespace: z.string() }),
  spec: z.looseObject({
    template: z.looseObject({
      spec: z.looseObject({
        serviceAccountName: z.string(),
        automountServiceAccountToken: z.boolean().default(true),
        securityContext: z.looseObject({ runAsNonRoot: z.literal(true) }),
        containers: z.array(containerSchema),
        volumes: z.array(volumeSchema).default([]),
      }),
    }),
  }),
});
type Volume = z.infer<typeof volumeSchema>;
type Container = z.infer<typeof containerSchema>;

export interface PodOptions {
  /** Of the API server, as containers reach it. */
  readonly access: Access & { readonly address: string; readonly port: number };
  /** Where the files of volumes are written; must stay until the containers are gone. */
  readonly dir: string;
}

/** One pod of a Deployment; its containers are started one by one, the first of them owns the network. */
export class Pod {
  readonly name = `pod-${randomUUID().slice(0, 8)}`;
  readonly #options: PodOptions;
  readonly #deployment: z.infer<typeof deploymentSchema>;
  readonly #folders = new Map<string, string>();

  private constructor(options: PodOptions, deployment: unknown) {
    this.#options = options;
    this.#deployment = deploymentSchema.parse(deployment);
  }

  /** The pod's volumes are filled when this returns; throws when its template is of a form, or less restricted, than these tests know. */
  static async of(options: PodOptions, deployment: unknown): Promise<Pod> {
    const pod = new Pod(options, deployment);
    const { volumes, automountServiceAccountToken } = pod.#template;
    for (const volume of automountServiceAccountToken ? [...volumes, automounted] : volumes) await pod.#fill(volume);
    return pod;
  }

  /** The container, not yet started; more can be set on it. */
  container(name: string): PodContainer {
    const found = this.#template.containers.find((one) => one.name === name);
    if (found === undefined) throw new Error(`the pod has no container ${name}`);
    const container = new PodContainer(found).withEnvironment(this.#environment(found)).withBindMounts(
      this.#mounts(found).flatMap(({ name: volume, mountPath }) => {
        const source = this.#folders.get(volume);
        return source === undefined ? [] : [{ source, target: mountPath, mode: "ro" as const }];
      }),
    );
    for (const { name: volume, mountPath } of this.#mounts(found))
      if (!this.#folders.has(volume)) container.withTmpFs({ [mountPath]: "rw,mode=1777" });
    return container;
  }

  get #template() {
    return this.#deployment.spec.template.spec;
  }

  #mounts({ volumeMounts }: Container): Container["volumeMounts"] {
    const { automountServiceAccountToken } = this.#template;
    return automountServiceAccountToken
      ? [...volumeMounts, { name: automounted.name, mountPath: "/var/run/secrets/kubernetes.io/serviceaccount" }]
      : volumeMounts;
  }

  #environment({ env }: Container): Record<string, string> {
    const { address, port } = this.#options.access;
    const pairs = env.map((one) => [
      one.name,
      "value" in one ? one.value : this.#field(one.valueFrom.fieldRef.fieldPath),
    ]);
    return {
      ...Object.fromEntries(pairs),
      KUBERNETES_SERVICE_HOST: address,
      KUBERNETES_SERVICE_PORT: String(port),
    };
  }

  #field(path: string): string {
    const { namespace } = this.#deployment.metadata;
    const fields = new Map([
      ["metadata.namespace", namespace],
      ["metadata.name", this.name],
      ["metadata.uid", this.name],
      ["spec.nodeName", "docker"],
    ]);
    const value = fields.get(path);
    if (value === undefined) throw new Error(`the pod's field ${path} is not known here`);
    return value;
  }

  async #fill(volume: Volume): Promise<void> {
    if ("emptyDir" in volume) return;
    const dir = join(this.#options.dir, this.name, volume.name);
    await mkdir(dir, { recursive: true });
    this.#folders.set(volume.name, dir);
    for (const [path, content] of await this.#content(volume)) {
      await mkdir(dirname(join(dir, path)), { recursive: true });
      await writeFile(join(dir, path), content);
    }
  }

  async #content(volume: Exclude<Volume, { emptyDir: unknown }>): Promise<(readonly [string, string | Buffer])[]> {
    if ("secret" in volume) return this.#data("secret", volume.secret.secretName);
    if ("configMap" in volume) return this.#data("configmap", volume.configMap.name);
    const parts = volume.projected.sources.map(async (source): Promise<(readonly [string, string | Buffer])[]> => {
      if ("serviceAccountToken" in source) {
        const { path, audience } = source.serviceAccountToken;
        return [[path, await this.#token(audience)]];
      }
      if ("downwardAPI" in source)
        return source.downwardAPI.items.map((item) => [item.path, this.#field(item.fieldRef.fieldPath)]);
      return this.#data("configmap", source.configMap.name);
    });
    return (await Promise.all(parts)).flat();
  }

  async #data(kind: "secret" | "configmap", name: string): Promise<(readonly [string, string | Buffer])[]> {
    const said = await this.#kubectl(["get", kind, name, "-o", "json"]);
    const { data } = z.object({ data: z.record(z.string(), z.string()) }).parse(JSON.parse(said));
    return Object.entries(data).map(([key, value]) => [key, kind === "secret" ? Buffer.from(value, "base64") : value]);
  }

  #token(audience?: string): Promise<string> {
    const { serviceAccountName } = this.#template;
    return this.#kubectl([
      ...["create", "token", serviceAccountName],
      ...(audience === undefined ? [] : [`--audience=${audience}`]),
    ]).then((token) => token.trim());
  }

  #kubectl(args: readonly string[]): Promise<string> {
    return kubectl(this.#options.access, ["-n", this.#deployment.metadata.namespace, ...args]);
  }
}

const automounted: Extract<Volume, { projected: unknown }> = {
  name: "kube-api-access",
  projected: {
    sources: [
      { serviceAccountToken: { path: "token" } },
      { configMap: { name: "kube-root-ca.crt" } },
      { downwardAPI: { items: [{ path: "namespace", fieldRef: { fieldPath: "metadata.namespace" } }] } },
    ],
  },
};

/** A container as restricted as Pod Security's `restricted` demands; nothing is ever pulled for it. */
export class PodContainer extends GenericContainer {
  constructor({ image, command, args }: Pick<Container, "image" | "command" | "args">) {
    super(image);
    this.hostConfig.ReadonlyRootfs = true;
    this.withDroppedCapabilities("ALL")
      .withSecurityOpt("no-new-privileges")
      .withLabels({ [testLabel]: "images" })
      .withAutoCleanup(false)
      .withPullPolicy(PullPolicy.neverPull());
    if (command !== undefined) this.withEntrypoint([...command]);
    if (command !== undefined || args.length > 0) this.withCommand([...args]);
  }
}

export interface Ended {
  readonly exitCode: number;
  readonly output: string;
  readonly tookMs: number;
}

/** Sends SIGTERM as a kubelet does, waits for the end, and removes the container. */
export async function terminate(container: StartedTestContainer): Promise<Ended> {
  const startedMs = Date.now();
  await (await dockerContainer(container.getId())).kill({ signal: "SIGTERM" });
  return { ...(await awaitEnd(container)), tookMs: Date.now() - startedMs };
}

/** Waits until the container has ended by itself, and removes it. */
export async function awaitEnd(container: StartedTestContainer): Promise<Ended> {
  const startedMs = Date.now();
  const handle = await dockerContainer(container.getId());
  const { StatusCode } = z.object({ StatusCode: z.number() }).parse(await handle.wait());
  const tookMs = Date.now() - startedMs;
  // Those of testcontainers never end once their container has.
  const output = textOf(await handle.logs({ stdout: true, stderr: true, follow: false }));
  await container.stop();
  return { exitCode: StatusCode, output, tookMs };
}

/** Docker's log comes in frames of a head of eight bytes, the last four of which are the length. */
function textOf(log: Buffer): string {
  const parts: Buffer[] = [];
  for (let at = 0; at + 8 <= log.length; ) {
    const end = at + 8 + log.readUInt32BE(at + 4);
    parts.push(log.subarray(at + 8, end));
    at = end;
  }
  return Buffer.concat(parts).toString("utf8");
}

async function dockerContainer(id: string) {
  return (await getContainerRuntimeClient()).container.getById(id);
}

/** Removes whatever container of the tests is still there, running or not. */
export async function removeAll(): Promise<void> {
  const { dockerode } = (await getContainerRuntimeClient()).container;
  const left = await dockerode.listContainers({ all: true, filters: { label: [testLabel] } });
  for (const { Id } of left) await dockerode.getContainer(Id).remove({ force: true, v: true });
}
