/** The entries of an archive, as bytes; docs/archive.md describes them. */
import type { RuntimeInfo } from "../api/runtime.ts";
import type { ContainerShape, ImageInfo, NamespaceInfo, Shape, WorkloadInfo } from "../api/workload.ts";
import { obfuscate } from "./hash.ts";
import { type HelmCharts, helmJson } from "./helm.ts";
import { goJson, type Json } from "./json.ts";

export const workloadEntry = "config/workload_info.json";
export const helmEntry = "config/helmchart_info.json";
export const statusEntry = "insights-operator/gathers.json";
/** Of all entries of one archive before compression. */
export const maxArchiveBytes = 24 * 1024 * 1024;

export interface Entry {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface ArchiveFacts {
  readonly workload: WorkloadInfo;
  /** Of the workload info, in the order in which they are written. */
  readonly errors: readonly string[];
  /** Of the workload info; what was made good, so that nothing is missing. */
  readonly warnings: readonly string[];
  readonly durationMs: number;
  /** Undefined when it was not wanted. */
  readonly helm: HelmFacts | undefined;
  readonly uptimeMs: number;
  /** Applied to the name and text of every entry; undefined when nothing is to be hidden. */
  readonly obfuscate: ((text: string) => string) | undefined;
}

export interface HelmFacts {
  /** Null when the cluster cannot have any. */
  readonly charts: HelmCharts | null;
  readonly errors: readonly string[];
  readonly durationMs: number;
}

export interface ArchiveContent {
  /** Sorted by name. */
  readonly entries: readonly Entry[];
  /** Why the workload info is not among the entries, null when it is. */
  readonly dropped: string | null;
}

/** The entries and the report on how they came to be; one for which there is no room is left out, and the report says so. */
export function archiveContent(facts: ArchiveFacts, maxBytes = maxArchiveBytes): ArchiveContent {
  const { obfuscate: hide = (text) => text, helm } = facts;
  const encode = (name: string, text: string): Entry => ({
    name: hide(name),
    bytes: new TextEncoder().encode(hide(text)),
  });
  const chartsText = helm === undefined || helm.charts === null ? undefined : helmJson(helm.charts);
  const workload = fitting(encode(workloadEntry, workloadJson(facts.workload)), maxBytes, maxBytes);
  const charts =
    chartsText === undefined
      ? undefined
      : fitting(
          encode(helmEntry, chartsText),
          maxBytes - (workload.dropped === null ? workload.entry.bytes.length : 0),
          maxBytes,
        );
  const status = encode(statusEntry, statusJson(facts, { workload, charts }));
  const kept = [charts, workload].flatMap((record) => (record?.dropped === null ? [record.entry] : []));
  return { entries: [...kept, status], dropped: workload.dropped };
}

interface Recorded {
  readonly entry: Entry;
  /** Why it is left out. */
  readonly dropped: string | null;
}

function fitting(entry: Entry, roomBytes: number, maxBytes: number): Recorded {
  const size = entry.bytes.length;
  if (size <= roomBytes) return { entry, dropped: null };
  return {
    entry,
    dropped: `record ${entry.name}(size=${size}) exceeds the archive size limit ${maxBytes} and will not be included in the archive`,
  };
}

/** `insights-2026-01-31-235959.tar.gz`, in UTC. */
export function archiveName(atMs: number, prefix = "insights"): string {
  const [date = "", time = ""] = new Date(atMs).toISOString().split("T");
  return `${prefix}-${date}-${time.slice(0, 8).replaceAll(":", "")}.tar.gz`;
}

export function workloadJson({ pods, imageCount, images, namespaces }: WorkloadInfo): string {
  return goJson({
    pods,
    imageCount,
    images: images.size === 0 ? undefined : mapped(images, (id) => id, imageJson),
    namespaces: namespaces.size === 0 ? null : mapped(namespaces, obfuscate, namespaceJson),
  });
}

function mapped<T>(values: ReadonlyMap<string, T>, name: (key: string) => string, write: (value: T) => Json): Json {
  return new Map([...values].map(([key, value]) => [name(key), write(value)]));
}

function imageJson({ layerIDs, firstCommand, firstArg, repository }: ImageInfo): Json {
  return { layerIDs, firstCommand: filled(firstCommand), firstArg: filled(firstArg), repository: filled(repository) };
}

function namespaceJson({ count, terminalCount, ignoredCount, invalidCount, shapes }: NamespaceInfo): Json {
  return {
    count,
    terminalCount: terminalCount || undefined,
    ignoredCount: ignoredCount || undefined,
    invalidCount: invalidCount || undefined,
    shapes: shapes.map(shapeJson),
  };
}

function shapeJson({ duplicates, restartAlways, initContainers, containers }: Shape): Json {
  return {
    duplicates: duplicates || undefined,
    restartAlways,
    initContainers: filledList(initContainers.map(containerJson)),
    containers: containers.map(containerJson),
  };
}

function containerJson({ imageID, firstCommand, firstArg, runtimeInfo }: ContainerShape): Json {
  return {
    imageID,
    firstCommand: filled(firstCommand),
    firstArg: filled(firstArg),
    runtimeInfo: runtimeInfo === undefined ? undefined : runtimeInfoJson(runtimeInfo),
  };
}

function runtimeInfoJson({ os, osVersion, kind, kindVersion, kindImplementer, runtimes }: RuntimeInfo): Json {
  return {
    os: filled(os),
    osVersion: filled(osVersion),
    kind: filled(kind),
    kindVersion: filled(kindVersion),
    kindImplementer: filled(kindImplementer),
    runtimes: filledList(
      (runtimes ?? []).map(({ name, version }) => ({ name: filled(name), version: filled(version) })),
    ),
  };
}

function filled(text: string): string | undefined {
  return text === "" ? undefined : text;
}

function filledList(list: readonly Json[]): Json | undefined {
  return list.length === 0 ? undefined : list;
}

const gathererName = "workloads";

/** How one function of the gatherer went. */
interface FunctionFacts {
  readonly name: string;
  readonly durationMs: number;
  readonly record: Recorded | undefined;
  readonly errors: readonly string[];
  readonly warnings: readonly string[];
}

function statusJson(
  { errors, warnings, durationMs, helm, uptimeMs, obfuscate: hide }: ArchiveFacts,
  { workload, charts }: { readonly workload: Recorded; readonly charts: Recorded | undefined },
): string {
  const functions: readonly FunctionFacts[] = [
    ...(helm === undefined ? [] : [{ name: "helmchart_info", record: charts, warnings: [], ...helm }]),
    { name: "workload_info", record: workload, durationMs, errors, warnings },
  ];
  const reports = functions.map(({ name, record, ...rest }) => ({
    name: `${gathererName}/${name}`,
    duration: rest.durationMs,
    records: record?.dropped === null ? 1 : 0,
    errors: [...rest.errors, ...(record?.dropped ? [record.dropped] : [])],
    warnings: rest.warnings,
  }));
  const summary = {
    name: gathererName,
    duration: Math.max(...reports.map(({ duration }) => duration)),
    records: reports.reduce((sum, { records }) => sum + records, 0),
    errors: functions.flatMap(summaryErrors),
    warnings: [],
  };
  return goJson({
    status_reports: [summary, ...reports].map(report),
    container_memory_bytes_usage: 0,
    uptime_seconds: Math.floor(uptimeMs) / 1000,
    is_global_obfuscation_enabled: hide !== undefined,
  });
}

function summaryErrors({ name, record, errors }: FunctionFacts): readonly string[] {
  return [
    ...errors.map(() => `function "${name}" failed with an error`),
    ...(record?.dropped ? [`unable to record function "${name}" record "${record.entry.name}"`] : []),
  ];
}

interface Report {
  readonly name: string;
  readonly duration: number;
  readonly records: number;
  readonly errors: readonly string[];
  readonly warnings: readonly string[];
}

function report({ name, duration, records, errors, warnings }: Report): Json {
  return {
    name,
    duration_in_ms: Math.floor(duration),
    records_count: records,
    errors: errors.length === 0 ? null : errors,
    warnings: warnings.length === 0 ? null : warnings,
    panic: null,
  };
}
