/**
 * Stand-in for OpenShift's service CA: it signs certificates for Services that ask for one, fills ConfigMaps that ask for its bundle, and,
 * as the controller manager does, publishes such a ConfigMap in every namespace. Beside what it says here it leaves everything alone.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import type { Api } from "../../src/adapters/connection.ts";
import { inspect, issueCa, issueServing } from "../../src/adapters/issuer.ts";
import { type KubeObject, kubeObjectSchema } from "../../src/api/object.ts";
import type { KeyPair } from "../../src/core/desired-input.ts";

const everyMs = 200;
const beta = "service.beta.openshift.io";
const publishedName = "openshift-service-ca.crt";
/** After so many it tries no more until the Secret is gone. */
const maxFailures = 10;

const listSchema = z.object({ items: z.array(z.unknown()) });
const dataSchema = z.object({ data: z.record(z.string(), z.string()).optional() });
const specSchema = z.object({ spec: z.object({ clusterIP: z.string().optional() }) });
type Place = { readonly namespace: string; readonly name: string };

export class ServiceCa {
  readonly #api: Api;
  readonly #stop = new AbortController();
  #ca: KeyPair;
  /** Newest first. */
  #bundle: readonly string[];
  #isPaused = false;
  #ended: Promise<void> = Promise.resolve();

  private constructor(api: Api, ca: KeyPair) {
    this.#api = api;
    this.#ca = ca;
    this.#bundle = [ca.certificate];
  }

  /** With a CA of its own that it keeps in memory. */
  static async start(api: Api): Promise<ServiceCa> {
    const serviceCa = new ServiceCa(api, await issueCa(Date.now()));
    serviceCa.#ended = serviceCa.#work();
    return serviceCa;
  }

  get bundle(): string {
    return this.#bundle.join("");
  }

  /** A new CA signs; the one before stays trusted, and all that it signed is made anew. */
  async rotate(): Promise<void> {
    const ca = await issueCa(Date.now());
    this.#bundle = [ca.certificate, ...this.#bundle];
    this.#ca = ca;
  }

  /** It goes on filling ConfigMaps, but makes no Secret. */
  pause(isPaused: boolean): void {
    this.#isPaused = isPaused;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#ended;
  }

  async #work(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await this.#look().catch((cause: unknown) => {
        if (!signal.aborted) console.error(cause);
      });
      await sleep(everyMs, undefined, { signal }).catch(() => undefined);
    }
  }

  async #look(): Promise<void> {
    const namespaces = await this.#list("/api/v1/namespaces");
    for (const { metadata } of namespaces) await this.#publish(metadata.name);
    for (const configMap of await this.#list("/api/v1/configmaps"))
      if (configMap.metadata.annotations?.[`${beta}/inject-cabundle`] === "true") await this.#fill(configMap);
    if (this.#isPaused) return;
    for (const service of await this.#list("/api/v1/services")) await this.#serve(service);
  }

  async #publish(namespace: string): Promise<void> {
    const path = `/api/v1/namespaces/${namespace}/configmaps`;
    if ((await this.#api.call({ path: `${path}/${publishedName}` })).status !== 404) return;
    const metadata = { name: publishedName, annotations: { [`${beta}/inject-cabundle`]: "true" } };
    await this.#api.call({ method: "POST", path, body: { apiVersion: "v1", kind: "ConfigMap", metadata } });
  }

  /** The bundle is then all that the ConfigMap holds. */
  async #fill(configMap: KubeObject): Promise<void> {
    const { data = {} } = dataSchema.parse(configMap);
    const wanted = { "service-ca.crt": this.bundle };
    if (JSON.stringify(data) === JSON.stringify(wanted)) return;
    const path = pathOf("configmaps", placeOf(configMap));
    await this.#api.call({ method: "PUT", path, body: { ...configMap, data: wanted } });
  }

  async #serve(service: KubeObject): Promise<void> {
    const { annotations = {}, uid = "" } = service.metadata;
    const name = annotations[`${beta}/serving-cert-secret-name`];
    if (name === undefined) return;
    const { namespace } = placeOf(service);
    const path = pathOf("secrets", { namespace, name });
    const found = await this.#api.call({ path });
    if (found.status !== 404) {
      const secret = kubeObjectSchema.parse(found.body);
      if (this.#isCurrent(secret)) return;
      if (Number(annotations[`${beta}/serving-cert-generation-error-num`] ?? 0) >= maxFailures) return;
      if (secret.metadata.annotations?.[`${beta}/originating-service-uid`] !== uid)
        return this.#fail(service, `secret ${namespace}/${name} does not have corresponding service UID ${uid}`);
    }
    const body = await this.#secretFor(service, name);
    const answer = await (found.status === 404
      ? this.#api.call({ method: "POST", path: `/api/v1/namespaces/${namespace}/secrets`, body })
      : this.#api.call({ method: "PUT", path, body }));
    if (answer.status >= 300) return this.#fail(service, `status ${answer.status}`);
    await this.#annotate(service, {
      "signed-by": "service-ca",
      "generation-error": null,
      "generation-error-num": null,
    });
  }

  async #secretFor(service: KubeObject, secretName: string): Promise<object> {
    const { namespace, name } = placeOf(service);
    const { uid } = service.metadata;
    const { spec } = specSchema.parse(service);
    const own = [`${name}.${namespace}.svc`, `${name}.${namespace}.svc.cluster.local`];
    const dnsNames = spec.clusterIP === "None" ? [...own, ...own.map((one) => `*.${one}`)] : own;
    const { certificate, key } = await issueServing(this.#ca, dnsNames, Date.now());
    const notAfterMs = inspect(certificate, [])?.notAfterMs ?? 0;
    return {
      ...{ apiVersion: "v1", kind: "Secret", type: "kubernetes.io/tls" },
      metadata: {
        ...{ name: secretName, namespace },
        annotations: {
          [`${beta}/originating-service-uid`]: uid,
          [`${beta}/originating-service-name`]: name,
          [`${beta}/expiry`]: new Date(notAfterMs).toISOString(),
        },
        ownerReferences: [{ apiVersion: "v1", kind: "Service", name, uid }],
      },
      data: { "tls.crt": btoa(certificate + this.#ca.certificate), "tls.key": btoa(key) },
    };
  }

  #isCurrent(secret: KubeObject): boolean {
    const { data = {} } = dataSchema.parse(secret);
    const pem = atob(data["tls.crt"] ?? "");
    return inspect(pem, [this.#ca.certificate])?.issuer !== undefined;
  }

  async #fail(service: KubeObject, error: string): Promise<void> {
    const before = service.metadata.annotations?.[`${beta}/serving-cert-generation-error-num`] ?? "0";
    await this.#annotate(service, { "generation-error": error, "generation-error-num": `${Number(before) + 1}` });
  }

  async #annotate(service: KubeObject, values: Readonly<Record<string, string | null>>): Promise<void> {
    const annotations = Object.fromEntries(
      Object.entries(values).map(([name, value]) => [`${beta}/serving-cert-${name}`, value]),
    );
    const path = pathOf("services", placeOf(service));
    const body = { metadata: { annotations } };
    await this.#api.call({ method: "PATCH", path, body, contentType: "application/merge-patch+json" });
  }

  async #list(path: string): Promise<readonly KubeObject[]> {
    const { body } = await this.#api.call({ path });
    const kind = path.endsWith("namespaces") ? "Namespace" : path.endsWith("services") ? "Service" : "ConfigMap";
    return listSchema
      .parse(body)
      .items.map((item) => kubeObjectSchema.parse({ apiVersion: "v1", kind, ...Object(item) }));
  }
}

function placeOf({ metadata: { name, namespace = "" } }: KubeObject): Place {
  return { name, namespace };
}

function pathOf(plural: string, { namespace, name }: Place): string {
  return `/api/v1/namespaces/${namespace}/${plural}/${name}`;
}
