/** A world for gathers: a scripted API server, HTTPS exporters, a folder of its own and a clock that stands still. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import type { RequestListener } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { gunzipSync } from "node:zlib";
import tar from "tar-stream";
import * as assert from "uvu/assert";
import { type Script, scriptedApi } from "../adapters/api.fixture.ts";
import { makeAuthority, serveHttps } from "../adapters/https.fixture.ts";
import { ImageCache } from "../adapters/images.ts";
import { type GatherOrder, gatherOutcomeSchema } from "../api/gather.ts";
import { excludeAnnotation } from "../api/pod.ts";
import { ownExporters } from "../core/exporters.ts";
import { obfuscate } from "../core/hash.ts";
import { makeOrder } from "../core/order.fixture.ts";
import { apiPod, type PodOptions } from "../core/pods.fixture.ts";
import { type GatherOptions, type GatherResult, gather } from "./gather.ts";
import type { GatherWorld } from "./gather-world.ts";

const authority = await makeAuthority();
const certificate = await authority.certificate("runtime-insights-exporter.runtime-insights.svc");
/** What the clock of a world says. */
export const startMs = Date.UTC(2026, 0, 2, 3, 4, 5);
const order = makeOrder();

export interface Cluster {
  readonly pods?: readonly PodOptions[];
  /** What an exporter answers; the address it is asked at tells the node. */
  readonly exporter?: RequestListener;
  /** Nodes with an extractor, each with its address. */
  readonly extractors?: Readonly<Record<string, string>>;
  /** Namespaces that carry the annotation. */
  readonly optedOut?: readonly string[];
  /** Comes before everything else. */
  readonly script?: Script;
}

/** Runs `use` in a world that exists only meanwhile. */
export async function inWorld(
  cluster: Cluster,
  use: (world: GatherWorld, requests: readonly string[]) => Promise<void>,
): Promise<void> {
  const { pods = [], exporter = (_, response) => response.end("{}"), extractors = {}, optedOut = [], script } = cluster;
  const directory = await mkdtemp(join(tmpdir(), "gather-test-"));
  const server = await serveHttps(certificate, exporter, "0.0.0.0");
  const api = await scriptedApi((path, query) => {
    const answer = script?.(path, query);
    if (answer !== undefined) return answer;
    if (path === "/api/v1/namespaces") return { body: { items: namespaces } };
    if (path === "/api/v1/pods") return { body: { items: pods.map(apiPod) } };
    if (path.endsWith("/daemonsets/runtime-insights-extractor")) return { body: { metadata: { uid: "ds" } } };
    if (path === "/api/v1/namespaces/runtime-insights/pods" && query.has("labelSelector"))
      return { body: { items: extractorPods } };
    return undefined;
  });
  const namespaces = [...new Set(pods.map(({ namespace = "shop" }) => namespace))].map((name) => ({
    metadata: { name, annotations: optedOut.includes(name) ? { [excludeAnnotation]: "true" } : null },
  }));
  const extractorPods = Object.entries(extractors).map(([node, podIP]) => ({
    metadata: { ownerReferences: [{ uid: "ds", controller: true }] },
    spec: { nodeName: node },
    status: { phase: "Running", podIP, conditions: [{ type: "Ready", status: "True" }] },
  }));
  const world: GatherWorld = {
    ...{ api: api.connection, exporters: ownExporters("runtime-insights"), directory, images: new ImageCache() },
    credentials: { ca: async () => authority.ca, token: async () => "secret" },
    ...{ nowMs: () => startMs, processStartedAtMs: startMs - 60_000, exporterPort: server.port, delaysMs: [1, 1] },
    retryAfterMs: 10,
  };
  try {
    await use(world, api.requests);
  } finally {
    await api.close();
    await server.close();
    await rm(directory, { recursive: true });
  }
}

/** A gather whose outcome has been checked against its schema. */
export const run = async (
  world: GatherWorld,
  overrides: Partial<GatherOrder> = {},
  options: Partial<GatherOptions> = {},
): Promise<GatherResult> => {
  const { signal } = new AbortController();
  const result = await gather({ ...order, ...overrides }, world, { signal, onStage: () => {}, ...options });
  assert.equal(gatherOutcomeSchema.parse(result.outcome), result.outcome);
  return result;
};

/** The entries of an archive of the world, by name; of the one that its clock leads to unless told otherwise. */
export async function unpacked(world: GatherWorld, name = newest): Promise<Readonly<Record<string, string>>> {
  const entries: Record<string, string> = {};
  const extract = tar.extract();
  extract.end(gunzipSync(await readFile(join(world.directory, name))));
  for await (const entry of extract) entries[entry.header.name] = await text(entry);
  return entries;
}
/** The archive that a gather at the time of the world's clock writes. */
export const newest = "insights-2026-01-02-030405.tar.gz";
export const workloadOf = async (world: GatherWorld, name = newest): Promise<string> =>
  (await unpacked(world, name))["config/workload_info.json"] ?? "";
/** What the archive says of the function that makes the workload info. */
export const reportOf = async (
  world: GatherWorld,
): Promise<{ readonly errors: readonly string[] | null; readonly warnings: readonly string[] | null }> =>
  JSON.parse((await unpacked(world))["insights-operator/gathers.json"] ?? "").status_reports.find(
    ({ name }: { readonly name: string }) => name === "workloads/workload_info",
  );
export const errorsOf = async (world: GatherWorld): Promise<readonly string[] | null> => (await reportOf(world)).errors;

const detail = {
  containerName: "c0",
  runtimeInfo: { os: "debian", kind: "Node.js", kindVersion: "v24" },
  processes: [],
  notes: [],
};
/** Answers for whatever is asked, as pods `name` with IDs `containerd://name-index`. */
export const knowing: RequestListener = (request, response) => {
  let body = "";
  request.on("data", (chunk) => {
    body += chunk;
  });
  request.on("end", () => {
    const { containerIds } = JSON.parse(body);
    const shop: Record<string, Record<string, unknown>> = {};
    for (const id of containerIds) {
      const pod = id.replace("containerd://", "").replace(/-\d+$/, "");
      shop[pod] = { ...shop[pod], [id]: { os: obfuscate("debian"), detail } };
    }
    response.end(JSON.stringify({ shop }));
  });
};
