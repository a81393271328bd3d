/** The document `config/workload_info.json` of the archive, as values; docs/archive.md describes it. */
import type { RuntimeInfo } from "./runtime.ts";

export interface WorkloadInfo {
  readonly pods: number;
  /** Distinct image digests seen, also those without an entry in `images`. */
  readonly imageCount: number;
  /** By digest. */
  readonly images: ReadonlyMap<string, ImageInfo>;
  /** By name in clear; it is hashed when the document is written. */
  readonly namespaces: ReadonlyMap<string, NamespaceInfo>;
}

export interface ImageInfo {
  readonly layerIDs: readonly string[];
  /** Hashes; empty when not known. */
  readonly firstCommand: string;
  readonly firstArg: string;
  readonly repository: string;
}

export interface NamespaceInfo {
  readonly count: number;
  readonly terminalCount: number;
  readonly ignoredCount: number;
  readonly invalidCount: number;
  /** In the order of their first pods. */
  readonly shapes: readonly Shape[];
}

/** One form of pod in one namespace, counted. */
export interface Shape {
  /** Further pods of this shape, the first one not counted. */
  readonly duplicates: number;
  readonly restartAlways: boolean;
  readonly initContainers: readonly ContainerShape[];
  readonly containers: readonly ContainerShape[];
}

export interface ContainerShape {
  readonly imageID: string;
  /** Hashes; empty when the pod gives no command or argument. */
  readonly firstCommand: string;
  readonly firstArg: string;
  readonly runtimeInfo?: RuntimeInfo;
}
