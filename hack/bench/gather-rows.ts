/** The rows of the gather's benchmark. */
import { type GatherPart, judged, type Measured, nodeTimeoutMs, type Turn } from "./gather-plan.ts";
import { median, type Row, row, type Table } from "./report.ts";

/** Of one gather beside the floor; what a fresh process does first is given by itself. */
const maxRatio = 2;
const maxMiB = 200;
/** How much more a pod may cost at the largest size: two measurements of the same differ by so much here. */
const maxGrowth = 1.25;

export function gatherTables(measured: readonly Measured[]): readonly Table[] {
  const of = (wanted: GatherPart) => measured.filter(({ part }) => part === wanted);
  const healthy = of("healthy").find(({ size }) => size.pods === judged);
  return [
    ...of("healthy")
      .filter((one) => one === healthy)
      .map((one) => ({
        title: `${one.counts.pods} pods on ${one.counts.nodesAsked} healthy nodes`,
        rows: healthyRows(one),
      })),
    ...of("broken").map((one) => ({
      title: `One node in 100 slow or broken, ${one.counts.pods} pods`,
      rows: brokenRows(one, healthy),
    })),
    ...of("limit").map((one) => ({
      title: `${one.size.pods} pods and a limit of ${one.podLimit}`,
      rows: limitRows(one),
    })),
    ...(of("healthy").length > 1 ? [{ title: "How the cost grows", rows: growthRows(of("healthy")) }] : []),
  ];
}

/** Without the first gather of the process. */
export function later({ turns }: Measured): readonly Turn[] {
  return turns.slice(1);
}
const floorMs = ({ floorListMs, floorAskMs }: Turn) => floorListMs + floorAskMs;
export const wallSeconds = (one: Measured) => median(later(one).map(({ wallMs }) => wallMs)) / 1000;
export const floorSeconds = (one: Measured) => median(later(one).map(floorMs)) / 1000;
export const peakMiB = ({ turns }: Measured) => Math.max(...turns.map((turn) => turn.peakMiB));

function healthyRows(one: Measured): readonly Row[] {
  const { turns, counts, idleMiB, restingMiB } = one;
  const seconds = (field: keyof Turn) => median(later(one).map((turn) => turn[field])) / 1000;
  const [first] = turns;
  return [
    row({ name: "a gather", value: wallSeconds(one), unit: "s", floor: floorSeconds(one), limit: maxRatio }),
    row({ name: "listing the pods", value: seconds("listMs"), unit: "s", floor: seconds("floorListMs") }),
    row({ name: "asking the nodes", value: seconds("askMs"), unit: "s", floor: seconds("floorAskMs") }),
    row({ name: "writing the archive", value: seconds("writeMs"), unit: "s" }),
    ...(first === undefined
      ? []
      : [
          row({
            name: "the first gather of a process",
            value: first.wallMs / 1000,
            unit: "s",
            floor: floorMs(first) / 1000,
          }),
        ]),
    row({ name: "processor time of the gatherer", value: seconds("cpuMs"), unit: "s" }),
    row({ name: "memory, most of all gathers (RSS)", value: peakMiB(one), unit: "MiB", limit: maxMiB }),
    row({ name: "memory before the first gather (RSS)", value: idleMiB, unit: "MiB" }),
    row({ name: "memory after the last gather (RSS)", value: restingMiB, unit: "MiB" }),
    row({
      name: "pages of pods asked for",
      value: counts.podLists,
      unit: "requests",
      floor: counts.floorRequests - counts.posts,
    }),
    row({ name: "nodes asked", value: counts.posts, unit: "requests", floor: counts.posts }),
    row({ name: "pages, size of all", value: counts.listedBytes / 1e6, unit: "MB" }),
    row({ name: "answers of the nodes, size of all", value: counts.answeredBytes / 1e6, unit: "MB" }),
    row({ name: "shapes found", value: counts.shapes, unit: "shapes" }),
  ];
}

function brokenRows(one: Measured, healthy: Measured | undefined): readonly Row[] {
  return [
    row({ name: "a gather", value: wallSeconds(one), unit: "s", floor: floorSeconds(one) }),
    ...(healthy === undefined
      ? []
      : [
          row({
            name: `longer than with healthy nodes (node timeout ${nodeTimeoutMs / 1000} s)`,
            value: wallSeconds(one) - wallSeconds(healthy),
            unit: "s",
            limit: nodeTimeoutMs / 1000,
          }),
        ]),
    row({ name: "nodes that failed", value: one.counts.nodesFailed, unit: "nodes" }),
    row({ name: "memory, most of all gathers (RSS)", value: peakMiB(one), unit: "MiB", limit: maxMiB }),
  ];
}

function limitRows(one: Measured): readonly Row[] {
  return [
    row({ name: "a gather", value: wallSeconds(one), unit: "s", floor: floorSeconds(one), limit: maxRatio }),
    row({ name: "memory, most of all gathers (RSS)", value: peakMiB(one), unit: "MiB", limit: maxMiB }),
    row({ name: "pods looked at", value: one.counts.pods, unit: "pods", limit: one.podLimit }),
    row({ name: "pages of pods asked for", value: one.counts.podLists, unit: "requests" }),
  ];
}

function growthRows(all: readonly Measured[]): readonly Row[] {
  const perPod = (one: Measured) => (wallSeconds(one) / one.counts.pods) * 1e3;
  const [at, last] = [all.find(({ size }) => size.pods === judged), all.at(-1)];
  return [
    ...all.flatMap((one) => {
      const name = `${one.counts.pods} pods, ${one.counts.nodesAsked} nodes`;
      return [
        row({ name: `${name}: a gather`, value: wallSeconds(one), unit: "s", floor: floorSeconds(one) }),
        row({ name: `${name}: memory (RSS)`, value: peakMiB(one), unit: "MiB" }),
      ];
    }),
    ...(at === undefined || last === undefined || at === last
      ? []
      : [
          row({
            name: `a pod of ${last.counts.pods} beside a pod of ${at.counts.pods} (as floor)`,
            value: perPod(last),
            unit: "ms",
            floor: perPod(at),
            limit: maxGrowth,
          }),
        ]),
  ];
}
