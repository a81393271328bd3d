/** What a cluster holds of us, without what differs from run to run, so that two ways to the same state can be compared. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { z } from "zod";
import { collectionPath } from "../../src/adapters/cluster.ts";
import { splitPem } from "../../src/adapters/issuer.ts";
import { type KubeObject, kubeObjectSchema } from "../../src/api/object.ts";
import { decodeKeyPair, decodePem } from "../../src/api/tls.ts";
import { hashAnnotation, keyOf, kinds, names, type OperandKind } from "../../src/core/operands.ts";
import { configPath, gathersPath, namespace, type OperatorWorld } from "../api/operator-world.ts";

/** Comparable objects by `Kind/name`. */
export type State = Readonly<Record<string, unknown>>;

const listSchema = z.object({ items: z.array(z.looseObject({})) });
const prefix = "runtime-insights";

/** Every object of our kinds that is of our namespace or our name, whoever made it, with the config and the gathers. */
export async function stateOf(api: OperatorWorld): Promise<State> {
  const namespaceUid = (await api.get(`/api/v1/namespaces/${namespace}`))?.metadata.uid ?? "";
  return comparable(await objectsOf(api), namespaceUid);
}

async function objectsOf(api: OperatorWorld): Promise<readonly KubeObject[]> {
  const kindNames = Object.keys(kinds).filter((kind): kind is OperandKind => kind in kinds);
  const lists = await Promise.all(
    kindNames.map(async (kind) => {
      const answer = await api.admin.call({ path: collectionPath(kind, namespace) });
      if (answer.status !== 200) return [];
      const { items } = listSchema.parse(answer.body);
      return items.map((item) => kubeObjectSchema.parse({ apiVersion: kinds[kind].apiVersion, kind, ...item }));
    }),
  );
  const gathers = await api.admin.call({ path: gathersPath });
  const gatherItems = gathers.status === 200 ? listSchema.parse(gathers.body).items : [];
  const config = await api.get(configPath);
  return [
    ...lists.flat().filter(({ metadata: { name } }) => name.startsWith(prefix)),
    ...gatherItems.map((item) => kubeObjectSchema.parse(item)),
    ...(config === undefined ? [] : [config]),
  ];
}

/** Uids become the object they are of, times, hashes and secrets words; generations are told as current or behind. */
function comparable(objects: readonly KubeObject[], namespaceUid: string): State {
  let text = JSON.stringify(objects);
  if (namespaceUid !== "") text = text.replaceAll(namespaceUid, "uid of the namespace");
  for (const { kind, metadata } of objects)
    if (metadata.uid !== undefined)
      text = text.replaceAll(metadata.uid, `uid of ${keyOf({ kind, name: metadata.name })}`);
  const replaced = z.array(kubeObjectSchema).parse(JSON.parse(text));
  return Object.fromEntries(
    replaced
      .map((object) => [keyOf({ kind: object.kind, name: object.metadata.name }), comparableObject(object)] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

function comparableObject(object: KubeObject): unknown {
  const { uid, resourceVersion, creationTimestamp, generation, managedFields, annotations, ...metadata } =
    object.metadata;
  void uid;
  void resourceVersion;
  void creationTimestamp;
  const managers = managedFields?.map((one) => plain(one, generation)).sort(byText);
  const kept = Object.fromEntries(
    Object.entries(annotations ?? {}).map(([name, value]) => [name, name === hashAnnotation ? "a hash" : value]),
  );
  const shown = plain({ ...object, metadata: { ...metadata, annotations: kept } }, generation);
  return { shown, managers };
}

const timePattern = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;

function plain(value: unknown, generation: number | undefined, field = ""): unknown {
  if (field === "observedGeneration") return value === generation ? "current" : "behind";
  if (typeof value === "string") {
    if (timePattern.test(value)) return "a time";
    if (field === "tls.crt" || field === "tls.key") return "a secret";
    // One more while a CA that was lost is trusted still; `certificateProblems` looks into them.
    if (field === "ca.crt") return splitPem(value).length > 0 ? "certificates" : value;
    if (field === "deprecated.daemonset.template.generation") return "a generation";
    if (/^10\.\d+\.\d+\.\d+$/.test(value)) return "an address";
    return value;
  }
  if (Array.isArray(value)) return value.map((one) => plain(one, generation));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, one]) => [name, plain(one, generation, name)]),
  );
}

function byText(a: unknown, b: unknown): number {
  return JSON.stringify(a) < JSON.stringify(b) ? -1 : 1;
}

/** Lines that say where two states differ; none when they are equal. */
export function differences(expected: State, found: State): readonly string[] {
  const keys = [...new Set([...Object.keys(expected), ...Object.keys(found)])].sort();
  return keys.flatMap((key) => {
    if (!(key in found)) return [`${key} is missing`];
    if (!(key in expected)) return [`${key} is too much`];
    return differing(expected[key], found[key], key);
  });
}

function differing(expected: unknown, found: unknown, path: string): readonly string[] {
  if (JSON.stringify(expected) === JSON.stringify(found)) return [];
  if (isObject(expected) && isObject(found))
    return [...new Set([...Object.keys(expected), ...Object.keys(found)])].flatMap((name) =>
      differing(expected[name], found[name], `${path}.${name}`),
    );
  return [`${path}: ${JSON.stringify(found)?.slice(0, 500)}, not ${JSON.stringify(expected)?.slice(0, 500)}`];
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

/** What is wrong with the certificates that are there: each is to be of its key and of the CA, and the CA to be trusted. */
export async function certificateProblems(api: OperatorWorld): Promise<readonly string[]> {
  const pairOf = async (name: string) => decodeKeyPair(await api.operand({ kind: "Secret", name }));
  const ca = await pairOf(names.ca);
  if (ca === undefined) return [];
  const bundle = splitPem(decodePem(await api.operand({ kind: "ConfigMap", name: names.caBundle })) ?? "");
  const authority = new X509Certificate(ca.certificate);
  const isTrusted = bundle.some((pem) => new X509Certificate(pem).fingerprint256 === authority.fingerprint256);
  const problems = isTrusted ? [] : ["the CA is not in the bundle"];
  for (const name of [names.exporterTls, names.gathererTls]) {
    const pair = await pairOf(name);
    if (pair === undefined) continue;
    const certificate = new X509Certificate(pair.certificate);
    if (!certificate.checkPrivateKey(createPrivateKey(pair.key))) problems.push(`${name}: not the certificate's key`);
    if (!bundle.some((pem) => certificate.verify(new X509Certificate(pem).publicKey)))
      problems.push(`${name}: signed by no CA of the bundle`);
  }
  return problems;
}
