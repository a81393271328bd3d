/** One fresh gatherer beside the floor, at one size of the cluster. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findExtractors } from "../../src/adapters/extractors.ts";
import { makeAuthority } from "../../src/adapters/https.fixture.ts";
import { podPages } from "../../src/adapters/pods.ts";
import type { GatherOrder } from "../../src/api/gather.ts";
import { fullQueries } from "../../src/core/query.ts";
import { addPods, emptyDraft } from "../../src/core/shapes.ts";
import type { BenchCluster } from "./gather-cluster.ts";
import {
  type GatherPart,
  type Measured,
  nodeConcurrency,
  nodeTimeoutMs,
  shippedPodLimit,
  type Turn,
} from "./gather-plan.ts";
import { extractorName, extractorNamespace, nodeAddress, type Size } from "./gather-pods.ts";
import {
  type Files,
  type FloorOptions,
  type Programs,
  runFloor,
  startExporters,
  startGatherer,
} from "./gather-process.ts";

export interface Place {
  readonly programs: Programs;
  readonly files: Files;
  readonly cluster: BenchCluster;
  readonly size: Size;
  readonly log: (line: string) => void;
}

/** Floor and gatherer take turns, `rounds` times after a first one, with a gatherer process of its own. */
export async function measure(part: GatherPart, place: Place, rounds: number): Promise<Measured> {
  const { programs, files, cluster, size, log } = place;
  const podLimit = part === "limit" ? shippedPodLimit : size.pods;
  const lists = writeLists(files, cluster, size);
  const exporters = await startExporters(programs, files, {
    ...lists,
    broken: part === "broken",
    delayMs: nodeTimeoutMs * 3,
  });
  const gatherer = await startGatherer(programs, files, extractorNamespace);
  try {
    const floor = await floorOptions(place, podLimit);
    const turns: Turn[] = [];
    let counts: Measured["counts"] | undefined;
    for (let round = 0; round <= rounds; round += 1) {
      const least = await runFloor(programs, files, floor);
      await exporters.counters();
      const listsBefore = await podLists(cluster);
      const { outcome, wallMs, cpuMs, peakMiB } = await gatherer.gather(
        orderOf(`${part}-${size.pods}-${round}`, podLimit),
      );
      const posted = await exporters.counters();
      const lists = (await podLists(cluster)) - listsBefore;
      const { listPods, askNodes, write } = outcome.durationsMs;
      turns.push({
        ...{ floorListMs: least.listMs, floorAskMs: least.askMs, wallMs, cpuMs, peakMiB },
        ...{ listMs: listPods, askMs: askNodes, writeMs: write },
      });
      const { pods, containers, shapes, nodesAsked, nodesFailed } = outcome.counts;
      counts = {
        ...{ pods, containers, shapes, nodesAsked, nodesFailed, podLists: lists, posts: posted.requests },
        ...{ floorRequests: least.requests, listedBytes: least.listed, answeredBytes: posted.bytes },
      };
      const took = (wallMs / 1000).toFixed(2);
      const floorTook = ((least.listMs + least.askMs) / 1000).toFixed(2);
      log(`  ${part}, ${size.pods} pods, round ${round}: ${took} s, floor ${floorTook} s, ${peakMiB.toFixed(0)} MiB`);
    }
    if (counts === undefined) throw new Error("nothing was measured");
    return { part, size, podLimit, idleMiB: gatherer.idleMiB, restingMiB: gatherer.restingMiB(), turns, counts };
  } finally {
    await gatherer.stop();
    await exporters.stop();
  }
}

/** How often the API server was asked for a list of pods. */
async function podLists({ api }: BenchCluster): Promise<number> {
  const { body } = await api.call({ path: "/metrics" });
  const series = String(body).matchAll(/^apiserver_request_total\{(.*)\} (\d+)$/gm);
  const ofPods = [...series].filter(([, labels = ""]) => /resource="pods",/.test(labels) && /verb="LIST"/.test(labels));
  return ofPods.reduce((sum, [, , count]) => sum + Number(count), 0);
}

function orderOf(id: string, podLimit: number): GatherOrder {
  return {
    ...{ id, runtimeInfo: true, inventory: true, podLimit, nodeTimeoutMs, nodeConcurrency },
    ...{ images: true, helm: false, obfuscateNetworking: false, excludedNamespaces: [] },
    ...{ nodeSideProblems: [], holdBeforeWriting: false },
  };
}

export async function writeFiles(dir: string, { kubeconfig }: BenchCluster): Promise<Files> {
  const write = (name: string, content: string) => {
    const path = join(dir, name);
    writeFileSync(path, content, { mode: 0o600 });
    return path;
  };
  mkdirSync(join(dir, "archives"));
  const authority = await makeAuthority();
  const { cert, key } = await authority.certificate(serverName);
  return {
    ...{ dir, kubeconfig },
    exporterCa: write("exporter-ca.crt", authority.ca),
    exporterCert: write("exporter.crt", cert),
    exporterKey: write("exporter.key", key),
    // As long as a service account's.
    exporterToken: write("exporter-token", "t".repeat(1_000)),
  };
}

const serverName = `runtime-insights-exporter.${extractorNamespace}.svc`;

function writeLists({ dir }: Files, { running }: BenchCluster, size: Size) {
  const [nodes, containers] = [join(dir, "nodes"), join(dir, "containers")];
  writeFileSync(nodes, Array.from({ length: size.nodes }, (_, index) => nodeAddress(index)).join("\n"));
  writeFileSync(
    containers,
    running.map(({ id, namespace, pod, name }) => [id, namespace, pod, name].join("\t")).join("\n"),
  );
  return { nodes, containers };
}

/** What the floor asks is what the gatherer asks first, found by the same code. */
async function floorOptions({ files, cluster }: Place, podLimit: number): Promise<FloorOptions> {
  const { api } = cluster;
  const { signal } = new AbortController();
  const draft = emptyDraft();
  for await (const event of podPages(api, { signal })) {
    if (event.kind === "page") addPods(draft, event.pods, { podLimit, isExcluded: () => false });
    if (draft.limitReached) break;
  }
  const { byNode } = await findExtractors(
    api,
    {
      namespace: extractorNamespace,
      selector: `app.kubernetes.io/name=${extractorName}`,
      daemonSetName: extractorName,
    },
    signal,
  );
  const questions = fullQueries(draft).map(({ node, containers }) => {
    const address = byNode.get(node)?.address;
    if (address === undefined) throw new Error(`node ${node} has no extractor`);
    return `${address}\t${JSON.stringify({ containerIds: containers.map(({ reference }) => reference) })}`;
  });
  const [path, serverCa, serverToken] = ["questions", "server-ca.crt", "server-token"].map((name) =>
    join(files.dir, name),
  );
  const [current, user] = [api.getCurrentCluster(), api.getCurrentUser()];
  if (path === undefined || serverCa === undefined || serverToken === undefined || current === null || user === null)
    throw new Error("the kube config has no cluster or no user");
  writeFileSync(path, questions.join("\n"));
  writeFileSync(serverCa, Buffer.from(current.caData ?? "", "base64"));
  writeFileSync(serverToken, user.token ?? "", { mode: 0o600 });
  return {
    ...{ server: current.server, serverCa, serverToken, questions: path, serverName },
    // A limit that is reached is known from the first pod beyond it.
    pages: draft.limitReached ? Math.floor(podLimit / 500) + 1 : Math.ceil(podLimit / 500),
    ...{ concurrency: nodeConcurrency, timeoutMs: nodeTimeoutMs },
  };
}
