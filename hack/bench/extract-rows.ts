/** The rows of the benchmark of the extractor, and what its containers must have been told as. */
import type { Measured, Sample } from "./extract-plan.ts";
import { median, type Row, row } from "./report.ts";
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

/** The rows of what was measured; per container, start-up and the pass over the process table included. */
export function extractRows({ samples, growth, memory, calls }: Measured, imageBytes: number): Row[] {
  const rows = samples.flatMap(({ group, when, containers, floorMs, extractorMs }) => {
    const value = median(extractorMs);
    if (group === "none") return [row({ name: "start-up and process table, no container", value, unit: "ms" })];
    const floor = median(floorMs) / containers;
    const limit = when === "fresh" ? (limits[group] ?? null) : null;
    return [
      row({
        name: `${names[group]}, per container${whens[when]}`,
        value: value / containers,
        unit: "ms",
        floor,
        limit,
      }),
    ];
  });
  const callRows = kinds.flatMap((kind) => {
    const value = calls[kind];
    return value === undefined
      ? []
      : [row({ name: `${names[kind]}, system calls of a container`, value, unit: "calls", limit: callLimits[kind] })];
  });
  const growthRows = growth.flatMap(({ asked, containers, processes, floorMs, extractorMs, noneMs }) => {
    const what = asked === containers ? `${containers} containers` : `${asked} of ${containers} containers asked for`;
    const [whole, none] = [median(extractorMs), median(noneMs)];
    const place = `${what} among ${processes} processes`;
    return [
      row({ name: `${place}, per container`, value: whole / asked, unit: "ms", floor: median(floorMs) / asked }),
      row({ name: `${place}, per container without start-up and pass`, value: (whole - none) / asked, unit: "ms" }),
      row({ name: `${place}, start-up and pass`, value: none, unit: "ms" }),
    ];
  });
  const inMebibytes = (name: string, bytes: number, limit: number) =>
    row({ name, value: bytes / mebibyte, unit: "MiB", limit });
  return [
    ...rows,
    ...growthRows,
    ...callRows,
    inMebibytes("extractor and exporter, idle (PSS)", memory.idleBytes, 4),
    inMebibytes("extractor, children and exporter, peak (PSS)", memory.peakBytes, 12),
    inMebibytes("the same, contents a hundred times as large, peak (PSS)", memory.heavyBytes, 12),
    inMebibytes("extractor and exporter, after the scans (PSS)", memory.afterBytes, 4),
    row({ name: "both programs, gzip", value: imageBytes / 1e6, unit: "MB", limit: 3 }),
  ];
}

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

/** What each kind must be told as: its framework, else its kind. */
const found: Readonly<Record<Kind, string>> = {
  shell: "OS only",
  node: "Node.js",
  java: "Java",
  go: "Golang",
  python: "Python",
  framework: "Spring Boot",
  large: "C/C++",
  heavy: "Java",
};

/** Why the containers were not told right, or none. */
export function wrongAnswers(kinds: readonly Kind[], answers: Readonly<Record<string, number>>): string | undefined {
  const expected: Record<string, number> = {};
  for (const kind of kinds) expected[found[kind]] = (expected[found[kind]] ?? 0) + 1;
  const sorted = (counts: Readonly<Record<string, number>>) => JSON.stringify(Object.entries(counts).toSorted());
  return sorted(expected) === sorted(answers) ? undefined : `expected ${sorted(expected)}, found ${sorted(answers)}`;
}
