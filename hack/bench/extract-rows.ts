/** The rows of the benchmark of the extractor, and what its containers must have been told as. */
import { z } from "zod";
import type { Growth, Measured, Sample } from "./extract-plan.ts";
import { median, type Row, row, type Table } from "./report.ts";
import { type Kind, kinds } from "./rootfs.ts";

const names: Readonly<Record<Exclude<Sample["group"], "none">, string>> = {
  all: "all kinds together",
  shell: "OS only",
  node: "Node.js",
  java: "Java, plain main",
  go: "Go",
  python: "Python",
  framework: "Java, Spring Boot",
  large: "large binary without a version",
  heavy: "contents a hundred times as large",
};
const whens = { fresh: "", second: ", second scan", cold: ", cold page cache" } as const;
/** Most times the floor that a container may cost, where something is promised. */
const limits: Readonly<Partial<Record<Sample["group"], number>>> = { all: 5, shell: 4, framework: 20, large: 1 };
/** Most system calls that a container may cost. */
const callLimits: Readonly<Record<Kind, number | null>> = {
  ...{ shell: 120, node: 120, java: 120, go: 120, python: 120 },
  framework: 1500,
  ...{ large: null, heavy: null },
};
const mebibyte = 1024 * 1024;

/** Most that the same work may differ by for reasons that are not the extractor's. */
const noise = 1.25;

/** The tables of what was measured; per container, start-up and the pass over the process table included. */
export function extractTables({ samples, growth, memory, calls }: Measured, imageBytes: number): Table[] {
  const tables = [
    { title: "Cost of a container", rows: [...samples.map(sampleRow), ...callRows(calls)] },
    { title: "How the cost grows", rows: [...growth.flatMap(growthRows), ...filterRows(growth)] },
    { title: "Memory and size", rows: [...memoryRows(memory), sizeRow(imageBytes)] },
  ];
  return tables.filter(({ rows }) => rows.length > 0);
}

function sampleRow({ group, when, containers, floorMs, extractorMs }: Sample): Row {
  const value = median(extractorMs);
  if (group === "none") return row({ name: "start-up and process table, no container", value, unit: "ms" });
  const floor = median(floorMs) / containers;
  const limit = when === "fresh" ? (limits[group] ?? null) : null;
  const name = `${names[group]}, per container${whens[when]}`;
  return row({ name, value: value / containers, unit: "ms", floor, limit });
}

const callRows = (calls: Measured["calls"]): Row[] =>
  kinds.flatMap((kind) => {
    const value = calls[kind];
    const name = `${names[kind]}, system calls of a container`;
    return value === undefined ? [] : [row({ name, value, unit: "calls", limit: callLimits[kind] })];
  });

/** What the containers cost beside start-up and the pass over the process table. */
const withoutPass = ({ asked, extractorMs, noneMs }: Growth) => (median(extractorMs) - median(noneMs)) / asked;

function growthRows(grown: Growth): Row[] {
  const { asked, containers, processes, floorMs, extractorMs, noneMs } = grown;
  const what = asked === containers ? `${containers} containers` : `${asked} of ${containers} containers asked for`;
  const place = `${what} among ${processes} processes`;
  const [value, floor] = [median(extractorMs) / asked, median(floorMs) / asked];
  return [
    row({ name: `${place}, per container`, value, unit: "ms", floor }),
    row({ name: `${place}, per container without start-up and pass`, value: withoutPass(grown), unit: "ms" }),
    row({ name: `${place}, start-up and pass`, value: median(noneMs), unit: "ms" }),
  ];
}

/** That the containers which nobody asked for cost nothing but their place in the process table. */
function filterRows(growth: readonly Growth[]): Row[] {
  const filtered = growth.find(({ asked, containers }) => asked < containers);
  const alone = growth.find(({ asked, containers }) => asked === containers && asked === filtered?.asked);
  if (filtered === undefined || alone === undefined) return [];
  const { asked, containers } = filtered;
  const name = `${asked} of ${containers} beside ${asked} alone (as floor), per container without start-up and pass`;
  return [row({ name, value: withoutPass(filtered), unit: "ms", floor: withoutPass(alone), limit: noise })];
}

function memoryRows(memory: Measured["memory"]): Row[] {
  if (memory === null) return [];
  const { idleBytes, peakBytes, heavyBytes, afterBytes } = memory;
  const peak = "extractor, children and exporter, peak (PSS)";
  const heavy = "the same, contents a hundred times as large, peak (PSS)";
  const rowOf = (name: string, bytes: number, limit: number, floorBytes?: number) => {
    const floor = floorBytes === undefined ? null : floorBytes / mebibyte;
    return row({ name, value: bytes / mebibyte, unit: "MiB", floor, limit });
  };
  return [
    rowOf("extractor and exporter, idle (PSS)", idleBytes, 4),
    rowOf(peak, peakBytes, 12),
    rowOf(heavy, heavyBytes, 12),
    rowOf("the second peak beside the first (as floor)", heavyBytes, noise, peakBytes),
    rowOf("extractor and exporter, after the scans (PSS)", afterBytes, 4),
  ];
}

const sizeRow = (bytes: number) => row({ name: "both programs, gzip", value: bytes / 1e6, unit: "MB", limit: 3 });

/** How many containers of each kind: 60 % OS only, 15 % Node.js, 15 % Java, the rest Go; any part of them is mixed, too. */
export function mixture(containers: number): Kind[] {
  const some = Math.round(containers * 0.15);
  const go = Math.round(containers * 0.1);
  const counts = { shell: containers - 2 * some - go, node: some, java: some, go };
  const spread = Object.entries(counts).flatMap(([kind, count]) =>
    Array.from({ length: count }, (_, index) => ({ kind, at: (index + 0.5) / count })),
  );
  const ordered = spread.toSorted((a, b) => a.at - b.at).map(({ kind }) => kind);
  return ordered.flatMap((name) => kinds.filter((kind) => kind === name));
}

/** What the exporter says of a container, as one line: system; kind and version; frameworks with theirs. */
export function toldAs(info: unknown): string {
  const { os, osVersion, kind, kindVersion, runtimes } = infoSchema.parse(info);
  const frameworks = runtimes.map(({ name, version }) => [name, version]);
  return [[os, osVersion], [kind, kindVersion], ...frameworks]
    .map((words) => words.filter((word) => word !== "").join(" "))
    .filter((said) => said !== "")
    .join("; ");
}

const infoSchema = z.object({
  os: z.string().default(""),
  osVersion: z.string().default(""),
  kind: z.string().default(""),
  kindVersion: z.string().default(""),
  runtimes: z.array(z.object({ name: z.string(), version: z.string().default("") })).default([]),
});

/** Why the containers were not told right, or none. */
export function wrongAnswers(
  containers: readonly { readonly id: string; readonly kind: Kind }[],
  told: Readonly<Record<Kind, string>>,
  answers: Readonly<Record<string, string>>,
): string | undefined {
  const wrong = containers.filter(({ id, kind }) => answers[id] !== told[kind]);
  if (wrong.length === 0) return undefined;
  const some = wrong
    .slice(0, 5)
    .map(({ id, kind }) => `${kind} is "${told[kind]}", not "${answers[id] ?? "nothing at all"}"`);
  return `${wrong.length} of ${containers.length} containers are told wrong: ${some.join(", ")}`;
}
