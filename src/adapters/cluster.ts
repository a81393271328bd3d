/** Main's reads and writes of the API server. Reads that fail are values; only a lost connection throws. */
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { type Config, configKind, configName, decodeConfig } from "../api/config.ts";
import type { ConfigStatus } from "../api/config-status.ts";
import { decodeGate, type Gate, type Read } from "../api/gate.ts";
import { apiGroup, apiVersion, fieldManager, kubeObjectSchema } from "../api/object.ts";
import { decodePullSecrets } from "../api/pull-secrets.ts";
import { decodeRequest, type GatherRequest, type RequestStatus, requestKind } from "../api/request.ts";
import { decodeServiceCa } from "../api/tls.ts";
import { decodeServerTls, intermediateTls, type ServerTls } from "../api/tls-profile.ts";
import { decodeClusterId } from "../api/upload.ts";
import { kinds, nameLabel, names, type Operand } from "../core/operands.ts";
import type { Live, Step } from "../core/plan.ts";
import type { Api, ApiAnswer, ApiCall } from "./connection.ts";

export const configPath = `/apis/${apiGroup}/v1alpha1/insightsruntimeextractors`;
export const requestPath = `/apis/${apiGroup}/v1alpha1/runtimegathers`;
export const featureGatePath = "/apis/config.openshift.io/v1/featuregates";
export const clusterVersionPath = "/apis/config.openshift.io/v1/clusterversions";
export const apiServerPath = "/apis/config.openshift.io/v1/apiservers";
/** Also on MicroShift and in hosted clusters, which lack the API of the service CA's operator or run it elsewhere. */
export const serviceCaName = "openshift-service-ca.crt";
const applyType = "application/apply-patch+yaml";
const maxMessageLength = 500;
/** Until a read that failed is tried once more: a connection that broke, an API server that just restarts. */
const againMs = 2_000;
/** More than ever exist, since finished ones are pruned. */
const maxRequests = 500;

export type Written =
  /** `undeclared` names fields of the status that the CRD, of an older release, does not have; the others were written. */
  | { readonly kind: "done"; readonly undeclared?: readonly string[] }
  | { readonly kind: "failed"; readonly message: string };

/** The object has changed since it was read, so that what was decided about it holds no more. */
export interface Outdated {
  readonly kind: "outdated";
  readonly message: string;
}

/** What a read led to without which nothing is to be changed; `unread` also when the answer makes no sense. */
export type Seen<T> = { readonly kind: "seen"; readonly value: T } | Unread;

export interface Unread {
  readonly kind: "unread";
  readonly object: { readonly kind: string; readonly name: string };
  readonly message: string;
}

export interface EventToWrite {
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
  /** A cluster-scoped object, of our own kinds unless `apiVersion` says otherwise. */
  readonly about: { readonly apiVersion?: string; readonly kind: string; readonly name: string; readonly uid: string };
  readonly nowMs: number;
}

/** The collection of a kind of operand. */
export function collectionPath(kind: Operand["kind"], namespace: string): string {
  const { apiVersion: version, plural, scope } = kinds[kind];
  const root = version.includes("/") ? `/apis/${version}` : `/api/${version}`;
  return scope === "namespace" ? `${root}/namespaces/${namespace}/${plural}` : `${root}/${plural}`;
}

export class Cluster {
  readonly #api: Api;
  readonly #namespace: string;
  readonly #againMs: number;

  constructor(api: Api, namespace: string, options: { readonly againMs?: number } = {}) {
    this.#api = api;
    this.#namespace = namespace;
    this.#againMs = options.againMs ?? againMs;
  }

  /** A cluster without our kind, or whose API server cannot tell, throws only in the second case. */
  async config(): Promise<Config> {
    const read = readOf(await this.#api.call({ path: `${configPath}/${configName}` }));
    if (read.kind === "failed") throw new Error(`reading ${configKind} ${configName}: ${read.message}`);
    if (read.kind === "no API") return { kind: "absent", isUnserved: true };
    return read.kind === "found" ? decodeConfig(read.object) : { kind: "absent" };
  }

  /** Never throws: what cannot be read makes the gate unknown. */
  async gate(): Promise<Gate> {
    const [featureGate, clusterVersion] = await Promise.all([
      this.#read(`${featureGatePath}/cluster`),
      this.#read(`${clusterVersionPath}/version`),
    ]);
    return decodeGate(featureGate, clusterVersion);
  }

  /** The cluster's id; undefined on one that has none. Throws when it cannot be read, lest an archive go without its sender. */
  async clusterId(): Promise<string | undefined> {
    const read = await this.#read(`${clusterVersionPath}/version`);
    if (read.kind === "failed") throw new Error(`reading ClusterVersion version: ${read.message}`);
    return read.kind === "found" ? decodeClusterId(read.object) : undefined;
  }

  /** The TLS profile of the cluster; Intermediate on one that has no such thing. */
  async serverTls(): Promise<Seen<ServerTls>> {
    const object = { kind: "APIServer", name: "cluster" };
    return this.#see(object, { path: `${apiServerPath}/cluster` }, (read) =>
      read.kind === "found" ? decodeServerTls(read.object) : intermediateTls,
    );
  }

  /** `no API` is told apart, since an object of a kind that is not served cannot be wanted. */
  async operand(operand: Operand): Promise<Live | { readonly kind: "no API" }> {
    const read = await this.#read(this.#pathOf(operand));
    switch (read.kind) {
      case "found": {
        const decoded = kubeObjectSchema.safeParse(read.object);
        if (decoded.success) return { kind: "present", object: decoded.data };
        return { kind: "unreadable", message: "the API server's answer is not an object" };
      }
      case "failed":
        return { kind: "unreadable", message: read.message };
      default:
        return read;
    }
  }

  /** The same as `seenRequests`; throws when they cannot be listed. */
  async requests(): Promise<readonly GatherRequest[] | undefined> {
    const seen = await this.seenRequests();
    if (seen.kind === "unread") throw new Error(`listing RuntimeGathers: ${seen.message}`);
    return seen.value;
  }

  /** All RuntimeGathers; undefined on a cluster that does not serve them. Ones that cannot be decoded are left out. */
  async seenRequests(): Promise<Seen<readonly GatherRequest[] | undefined>> {
    const call = { path: requestPath, query: { limit: maxRequests } };
    return this.#see({ kind: requestKind, name: "all" }, call, (read) => {
      if (read.kind !== "found") return undefined;
      const { items } = listSchema.parse(read.object);
      return items.flatMap((item) => {
        try {
          return [decodeRequest(item)];
        } catch {
          return [];
        }
      });
    });
  }

  /** The CA that OpenShift publishes in every namespace; empty while it is not filled in, undefined on a cluster without it. */
  async serviceCa(): Promise<Seen<string | undefined>> {
    const object = { kind: "ConfigMap", name: serviceCaName };
    return this.#see(object, { path: `${collectionPath("ConfigMap", this.#namespace)}/${serviceCaName}` }, (read) =>
      read.kind === "found" ? decodeServiceCa(read.object) : undefined,
    );
  }

  /** Whether the extractor that OpenShift itself ships is there; undefined when that cannot be read, since it is only named. */
  async stockExtractor(): Promise<boolean | undefined> {
    const path = "/apis/apps/v1/namespaces/openshift-insights/daemonsets/insights-runtime-extractor";
    const { kind } = await this.#read(path);
    return kind === "failed" ? undefined : kind === "found";
  }

  /**
   * The class that OpenShift has for pods that a user would miss before others of theirs; undefined where there is none, since a pod
   * that names a class that does not exist is never made.
   */
  async priorityClass(): Promise<Seen<string | undefined>> {
    const name = "openshift-user-critical";
    const call = { path: `/apis/scheduling.k8s.io/v1/priorityclasses/${name}` };
    return this.#see({ kind: "PriorityClass", name }, call, (read) => (read.kind === "found" ? name : undefined));
  }

  /** False when there is surely no PriorityClass of that name. */
  async mayHavePriorityClass(name: string): Promise<boolean> {
    return (await this.#read(`/apis/scheduling.k8s.io/v1/priorityclasses/${name}`)).kind !== "absent";
  }

  /** Our namespace: its uid, which tells this installation from another, and the Pod Security standard that its label enforces. */
  async ownNamespace(): Promise<Seen<{ readonly uid: string; readonly enforced: string | undefined }>> {
    const name = this.#namespace;
    return this.#see({ kind: "Namespace", name }, { path: `/api/v1/namespaces/${name}` }, (read) => {
      const { uid, labels } = namespaceSchema.parse(found(read)).metadata;
      return { uid, enforced: labels["pod-security.kubernetes.io/enforce"] };
    });
  }

  /**
   * The secrets by which the operator's own image is pulled, which an administrator gave its service account or its Deployment; and those
   * of its pods that run, since with each upgrade OLM writes the account anew without them.
   */
  async pullSecrets(): Promise<Seen<readonly string[]>> {
    const { operator: name } = names;
    const secretsOf = (kind: string, path: string, query: NonNullable<ApiCall["query"]>) =>
      this.#see({ kind, name }, { path, query }, (read) => decodePullSecrets(found(read)));
    const byName = { fieldSelector: `metadata.name=${name}`, limit: 1 };
    const running = { labelSelector: `${nameLabel}=${name}`, fieldSelector: "status.phase=Running", limit: 10 };
    const all = await Promise.all([
      secretsOf("ServiceAccount", collectionPath("ServiceAccount", this.#namespace), byName),
      secretsOf("Deployment", collectionPath("Deployment", this.#namespace), byName),
      secretsOf("Pod", `/api/v1/namespaces/${this.#namespace}/pods`, running),
    ]);
    const unread = all.find((one) => one.kind === "unread");
    return unread ?? { kind: "seen", value: all.flatMap((one) => (one.kind === "seen" ? one.value : [])) };
  }

  async carryOut(step: Step): Promise<Written | Outdated> {
    const path = this.#pathOf(step.operand);
    if (step.action === "apply") return this.#apply(path, step.object);
    const body = {
      apiVersion: "v1",
      kind: "DeleteOptions",
      propagationPolicy: step.propagation,
      preconditions: {
        uid: step.uid,
        ...(step.resourceVersion === undefined ? {} : { resourceVersion: step.resourceVersion }),
      },
    };
    const written = await this.#write(() => this.#api.call({ method: "DELETE", path, body }), [404]);
    const isOutdated = written.kind === "failed" && written.message.startsWith("409");
    return isOutdated ? { kind: "outdated", message: written.message } : written;
  }

  async writeConfigStatus(uid: string, status: ConfigStatus): Promise<Written> {
    const object = { apiVersion, kind: configKind, metadata: { name: configName, uid }, status };
    return this.#applyStatus(`${configPath}/${configName}/status`, object);
  }

  async writeRequestStatus({ name, uid }: GatherRequest, status: RequestStatus): Promise<Written> {
    const object = { apiVersion, kind: requestKind, metadata: { name, uid }, status };
    return this.#applyStatus(`${requestPath}/${name}/status`, object);
  }

  /** That it is there already is fine: the name says which due time it stands for. */
  async createScheduled(name: string): Promise<Written> {
    const labels = { "app.kubernetes.io/managed-by": fieldManager };
    const body = { apiVersion, kind: requestKind, metadata: { name, labels }, spec: { trigger: "Scheduled" } };
    const query = { fieldManager };
    return this.#write(() => this.#api.call({ method: "POST", path: requestPath, query, body }), [409]);
  }

  async forget({ name, uid }: GatherRequest): Promise<Written> {
    const body = { apiVersion: "v1", kind: "DeleteOptions", preconditions: { uid } };
    return this.#write(() => this.#api.call({ method: "DELETE", path: `${requestPath}/${name}`, body }), [404, 409]);
  }

  /** Events about cluster-scoped objects live in namespace default. */
  async writeEvent({ type, reason, message, about, nowMs }: EventToWrite): Promise<Written> {
    const time = new Date(nowMs).toISOString().replace(/\.\d+Z$/, "Z");
    const body = {
      apiVersion: "v1",
      kind: "Event",
      metadata: { generateName: `${about.name}.`, namespace: "default" },
      involvedObject: { apiVersion, ...about },
      type,
      reason,
      message: message.slice(0, 1024),
      source: { component: fieldManager },
      reportingComponent: fieldManager,
      firstTimestamp: time,
      lastTimestamp: time,
      count: 1,
    };
    return this.#write(() => this.#api.call({ method: "POST", path: "/api/v1/namespaces/default/events", body }), []);
  }

  /** The CA bundle that clients of the gatherer trust; undefined when it is not there. */
  async caBundle(path: string): Promise<string | undefined> {
    const read = await this.#read(path);
    if (read.kind !== "found") return undefined;
    const decoded = bundleSchema.safeParse(read.object);
    return decoded.success ? decoded.data.data["ca.crt"] : undefined;
  }

  #pathOf({ kind, name }: Operand): string {
    return `${collectionPath(kind, this.#namespace)}/${name}`;
  }

  async #see<T>(
    object: Unread["object"],
    call: Pick<ApiCall, "path" | "query">,
    decode: (read: Answered) => T,
  ): Promise<Seen<T>> {
    const read = await this.#read(call.path, call.query);
    if (read.kind === "failed") return { kind: "unread", object, message: read.message };
    try {
      return { kind: "seen", value: decode(read) };
    } catch (cause) {
      return { kind: "unread", object, message: messageOf(cause) };
    }
  }

  async #read(path: string, query: ApiCall["query"] = {}): Promise<Read> {
    const read = await this.#readOnce(path, query);
    if (read.kind !== "failed") return read;
    await sleep(this.#againMs);
    return this.#readOnce(path, query);
  }

  async #readOnce(path: string, query: NonNullable<ApiCall["query"]>): Promise<Read> {
    try {
      return readOf(await this.#api.call({ path, query }));
    } catch (cause) {
      return { kind: "failed", message: messageOf(cause) };
    }
  }

  #apply(path: string, body: object): Promise<Written> {
    const query = { fieldManager, force: true };
    return this.#write(() => this.#api.call({ method: "PATCH", path, query, contentType: applyType, body }), []);
  }

  /** Server-side apply refuses an object with a field that the schema lacks, naming it; what is left is worth saying. */
  async #applyStatus(path: string, object: { readonly status: object }): Promise<Written> {
    const undeclared = new Set<string>();
    for (;;) {
      const known = Object.entries(object.status).filter(([field]) => !undeclared.has(field));
      const written = await this.#apply(path, { ...object, status: Object.fromEntries(known) });
      if (written.kind === "done") return undeclared.size === 0 ? written : { ...written, undeclared: [...undeclared] };
      const [, named = ""] = /\.status\.(\w+)\S*: field not declared in schema/.exec(written.message) ?? [];
      if (!known.some(([field]) => field === named)) return written;
      undeclared.add(named);
    }
  }

  async #write(call: () => Promise<ApiAnswer>, alsoFine: readonly number[]): Promise<Written> {
    try {
      const answer = await call();
      if (answer.status < 300 || alsoFine.includes(answer.status)) return { kind: "done" };
      return { kind: "failed", message: explain(answer) };
    } catch (cause) {
      return { kind: "failed", message: messageOf(cause) };
    }
  }
}

type Answered = Exclude<Read, { readonly kind: "failed" }>;

const listSchema = z.object({ items: z.array(z.unknown()) });
const namespaceSchema = z.object({
  metadata: z.object({ uid: z.string(), labels: z.record(z.string(), z.string()).default({}) }),
});
const bundleSchema = z.object({ data: z.object({ "ca.crt": z.string() }) });
const statusSchema = z.object({ kind: z.literal("Status"), message: z.string() });

/** The API server answers 404 with a Status for a missing object, and with plain text for a kind that it does not serve. */
function readOf(answer: ApiAnswer): Read {
  if (answer.status === 200) return { kind: "found", object: answer.body };
  if (answer.status === 404)
    return statusSchema.safeParse(answer.body).success ? { kind: "absent" } : { kind: "no API" };
  return { kind: "failed", message: explain(answer) };
}

/** What is there on every cluster. */
function found(read: Answered): unknown {
  if (read.kind !== "found") throw new Error(`the API server says ${read.kind}`);
  return read.object;
}

function explain({ status, body }: ApiAnswer): string {
  const decoded = statusSchema.safeParse(body);
  return `${status} ${decoded.success ? decoded.data.message : ""}`.trim().slice(0, maxMessageLength);
}

function messageOf(cause: unknown): string {
  return (cause instanceof Error ? cause.message : String(cause)).slice(0, maxMessageLength);
}
