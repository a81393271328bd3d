/** The entries of an archive, as bytes; docs/archive.md describes them. */
import type { RuntimeInfo } from "../api/runtime.ts";
import type { ContainerShape, ImageInfo, NamespaceInfo, Shape, WorkloadInfo } from "../api/workload.ts";
import { obfuscate } from "./hash.ts";
import { goJson, type Json } from "./json.ts";

export const workloadEntry = "config/workload_info.json";
export const statusEntry = "insights-operator/gathers.json";
/** Of all entries of one archive before compression. */
export const maxArchiveBytes = 24 * 1024 * 1024;

export interface Entry {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface ArchiveFacts {
  readonly workload: WorkloadInfo;
  /** In the order in which they are written. */
  readonly errors: readonly string[];
  /** Of the workload info; what was made good, so that nothing is missing. */
  readonly warnings: readonly string[];
  readonly durationMs: number;
  readonly uptimeMs: number;
}

export interface ArchiveContent {
  /** Sorted by name. */
  readonly entries: readonly Entry[];
  /** Why the workload info is not among the entries, null when it is. */
  readonly dropped: string | null;
}

/** Workload info and the report on how it came to be; the first is left out, and the second says so, when it is too large. */
export function archiveContent(facts: ArchiveFacts, maxBytes = maxArchiveBytes): ArchiveContent {
  const workload = { name: workloadEntry, bytes: new TextEncoder().encode(workloadJson(facts.workload)) };
  const size = workload.bytes.length;
  const dropped =
    size <= maxBytes
      ? null
      : `record ${workloadEntry}(size=${size}) exceeds the archive size limit ${maxBytes} and will not be included in the archive`;
  const status = { name: statusEntry, bytes: new TextEncoder().encode(statusJson(facts, dropped)) };
  return { entries: dropped === null ? [workload, status] : [status], dropped };
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
const functionName = "workload_info";

function statusJson({ errors, warnings, durationMs, uptimeMs }: ArchiveFacts, dropped: string | null): string {
  const records = dropped === null ? 1 : 0;
  const duration = Math.floor(durationMs);
  const summaryErrors = [
    ...errors.map(() => `function "${functionName}" failed with an error`),
    ...(dropped === null ? [] : [`unable to record function "${functionName}" record "${workloadEntry}"`]),
  ];
  return goJson({
    status_reports: [
      report(gathererName, duration, records, summaryErrors),
      report(
        `${gathererName}/${functionName}`,
        duration,
        records,
        [...errors, ...(dropped === null ? [] : [dropped])],
        warnings,
      ),
    ],
    container_memory_bytes_usage: 0,
    uptime_seconds: Math.floor(uptimeMs) / 1000,
    is_global_obfuscation_enabled: false,
  });
}

function report(
  name: string,
  duration: number,
  records: number,
  errors: readonly string[],
  warnings: readonly string[] = [],
): Json {
  return {
    name,
    duration_in_ms: duration,
    records_count: records,
    errors: errors.length === 0 ? null : errors,
    warnings: warnings.length === 0 ? null : warnings,
    panic: null,
  };
}
