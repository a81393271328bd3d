/** What the Java entries of the catalogue stand on: layers, versions, and short words for what most of them expect. */
import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { copy, entriesBelow, symlink } from "../../../hack/images/entries.ts";
import { type Layer, layerOf } from "../../../hack/images/layer.ts";
import { ensureRuntimes } from "../runtimes.ts";
import type { Expected } from "../samples.ts";
import { ensureProducts, type Project } from "./maven.ts";

const run = promisify(execFile);

export interface Ground {
  /** Debian's libraries, a shell, what start scripts call, os-release. */
  readonly system: readonly Layer[];
  /** The same with Debian's Java 17 at `/usr/bin/java`. */
  readonly java: readonly Layer[];
  /** A Java of that version, of nobody who says so, with nothing on it. */
  readonly jvm: (version: string) => Expected;
  /** Debian's Java with these on it, `name version`. */
  readonly with: (...runtimes: readonly string[]) => Expected;
  /** The folder that a Maven project built into. */
  readonly product: (project: Project) => string;
}

/** For JVMs that idle: little heap, one collector thread, the quick compiler alone. */
export const small = (heapMegabytes: number) => [
  `-Xmx${heapMegabytes}m`,
  "-XX:+UseSerialGC",
  "-XX:TieredStopAtLevel=1",
];

export async function ground(): Promise<Ground> {
  const { layers, facts } = await ensureRuntimes();
  const product = await ensureProducts();
  const system = [
    layers.base,
    await layerOf(applets.map((applet) => symlink(`bin/${applet}`, "busybox"))),
    layers.debianRelease,
  ];
  const jvm = (version: string): Expected => ({
    os: facts.os,
    osVersion: facts.osVersion,
    kind: "Java",
    kindVersion: version,
    kindImplementer: "",
    runtimes: [],
  });
  return {
    system,
    java: [...system, layers.java],
    jvm,
    with: (...runtimes) => ({ ...jvm(facts.java), kindImplementer: facts.javaImplementer, runtimes }),
    product,
  };
}

/** What the start scripts of Java servers call. */
const applets = [
  ...["awk", "basename", "cut", "date", "dirname", "env", "expr", "head", "hostname", "id", "mktemp"],
  ...["printf", "readlink", "sed", "sort", "tail", "touch", "tr", "tty", "uname", "wc", "xargs"],
];

/** A layer with that folder's files at that place. */
export const folderLayer = (at: string, folder: string, wanted?: (path: string) => boolean): Promise<Layer> =>
  layerOf(entriesBelow(folder, wanted).map((entry) => ({ ...entry, path: `${at}/${entry.path}` })));

/** A layer with that file at that place. */
export const fileLayer = (at: string, file: string): Promise<Layer> => layerOf([copy(at, file)]);

/** The version in the name of a folder's jar, `NAME-VERSION.jar`. */
export const versionBeside = (folder: string, name: string): string => versionAmong(readdirSync(folder), name);

/** The version in the name of a jar that another archive holds. */
export async function versionInside(archive: string, name: string): Promise<string> {
  const { stdout } = await run("jar", ["tf", archive], { maxBuffer: 16 * 1024 * 1024 });
  return versionAmong(
    stdout.split("\n").map((path) => path.replace(/^.*\//, "")),
    name,
  );
}

export function versionAmong(files: readonly string[], name: string): string {
  const found = files.flatMap((file) =>
    file.startsWith(`${name}-`) ? [/^(\d.*)\.jar$/.exec(file.slice(name.length + 1))?.[1]] : [],
  );
  const version = found.find((one) => one !== undefined);
  if (version === undefined) throw new Error(`there is no jar of ${name}`);
  return version;
}

/** The only folder in a folder: that of a server's archive, which names the version. */
export function onlyFolder(folder: string): string {
  const [name, ...others] = readdirSync(folder);
  if (name === undefined || others.length > 0) throw new Error(`${folder} does not hold one folder alone`);
  return join(folder, name);
}
