/** Compiled programs: Go of three versions and ways of linking, Rust, C, C++, native images; and Deno and Bun, each one file. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { debianTree } from "../../../hack/images/debian.ts";
import { copy } from "../../../hack/images/entries.ts";
import { layerOf } from "../../../hack/images/layer.ts";
import type { CatalogueEntry } from "../entry.ts";
import { cProgram, type GoLinking, goProgram, rustProgram } from "./compilers.ts";
import { fed, type Ground, treeLayer } from "./ground.ts";
import { npmPackage, pythonPackages } from "./registries.ts";

const run = promisify(execFile);
const here = join(import.meta.dirname, "programs");
const samples = join(import.meta.dirname, "../programs");

export async function compiledEntries(ground: Ground): Promise<readonly CatalogueEntry[]> {
  const { system, layers, is } = ground;
  const file = async (path: string, from: string) => layerOf([copy(path, from, 0o755)]);
  const rust = await rustProgram(join(here, "hold.rs"));
  const ruffPinned = "ruff==0.17.5 --hash=sha256:40ca8afaac309b41a5b2e09e4e7beb1f824826b93c25697c4d74f573324fba4e\n";
  const ruff = join(await pythonPackages("ruff", ruffPinned), "bin/ruff");
  const memcached = await debianTree(["memcached"], onlyLibraries);
  const closure = join(
    await npmPackage(
      "google-closure-compiler-linux@20261015.0.0",
      "sha512-VChV4tVQpXp5OO67kSjUe1NXFiFjkAQXfE8XA7jBhCxtH1UsfxWEhYxBjiVEdJWIzLV7YfGdBlxlQIdhuveh3w==",
    ),
    "compiler",
  );

  return [
    ...(await goEntries(ground)),
    {
      name: "rust",
      about: "Rust, stripped, as another user",
      layers: [...system, await file("usr/local/bin/api", rust.file)],
      command: ["/usr/local/bin/api"],
      uid: 1001,
      expected: is("Rust", rust.version),
    },
    {
      name: "rust-ruff",
      about: "Rust as PyPI has it: a language server",
      layers: [...system, await file("usr/local/bin/ruff", ruff)],
      command: fed("ruff server"),
      expected: is("Rust", await rustcOf(ruff)),
    },
    {
      name: "c",
      about: "C, compiled here",
      layers: [...system, await file("usr/local/bin/clock", await cProgram(join(here, "hold.c")))],
      command: ["/usr/local/bin/clock"],
      expected: is("C/C++", ""),
    },
    {
      name: "cpp",
      about: "C++, compiled here, as another user",
      layers: [...system, await file("usr/local/bin/engine", await cProgram(join(here, "hold.cpp")))],
      command: ["/usr/local/bin/engine"],
      uid: 1001,
      expected: is("C/C++", ""),
    },
    {
      name: "c-static",
      about: "C, linked with nothing",
      layers: [await file("clock", await cProgram(join(here, "hold.c"), ["-static"]))],
      command: ["/clock"],
      expected: ground.bare("C/C++", ""),
    },
    {
      name: "memcached",
      about: "a server in C of Debian that has no name in our list",
      layers: [...system, await treeLayer(memcached.root)],
      command: ["/usr/bin/memcached", "-p", "0", "-s", "/tmp/memcached.sock"],
      uid: 1001,
      expected: is("C/C++", ""),
    },
    {
      name: "graalvm",
      about: "a native image of GraalVM",
      layers: [...system, await file("usr/local/bin/compiler", closure)],
      command: fed("compiler"),
      expected: is("GraalVM", ""),
    },
    ...(await Promise.all(
      scriptEngines.map(
        async ({ name, about, kind, version, spec, integrity, program, command }): Promise<CatalogueEntry> => ({
          name,
          about,
          layers: [
            ...system,
            await file(`usr/local/bin/${command[0]}`, join(await npmPackage(`${spec}@${version}`, integrity), program)),
            layers.programs,
          ],
          command,
          env: { DENO_DIR: "/tmp/deno" },
          uid: 1001,
          expected: is(kind, version),
        }),
      ),
    )),
  ];
}

async function goEntries({ system, is, bare }: Ground): Promise<readonly CatalogueEntry[]> {
  const matrix: readonly (readonly [toolchain: string, linking: GoLinking])[] = [
    ["go1.20.14", "cgo"],
    ["go1.20.14", "static"],
    ["go1.22.12", "position independent"],
    ["go1.22.12", "static"],
    ["local", "cgo"],
    ["local", "position independent"],
  ];
  const entries: CatalogueEntry[] = [];
  for (const [toolchain, linking] of matrix) {
    const source = linking === "cgo" ? join(here, "cgo.go") : join(samples, "hold.go");
    const { file, version } = await goProgram(source, toolchain, linking);
    const [short] = toolchain === "local" ? ["go-own"] : (/^go1\.\d+/.exec(toolchain) ?? [toolchain]);
    const layer = await layerOf([copy("server", file, 0o755)]);
    entries.push({
      name: `${short}-${linking.split(" ")[0]}`,
      about: `${toolchain === "local" ? "this machine's Go" : toolchain}, ${descriptions[linking]}`,
      layers: linking === "static" ? [layer] : [...system, layer],
      command: ["/server"],
      uid: 1001,
      expected: linking === "static" ? bare("Golang", version) : is("Golang", version),
    });
  }
  return entries;
}

const descriptions: Readonly<Record<GoLinking, string>> = {
  static: "static, without symbols and paths, alone in its image",
  "position independent": "position independent",
  cgo: "linked with glibc",
};

/** The compiler that the program's own comments name; empty when they name none. */
async function rustcOf(file: string): Promise<string> {
  const { stdout } = await run("readelf", ["-p", ".comment", file]);
  return /rustc version (\d+\.\d+\.\d+)/.exec(stdout)?.[1] ?? "";
}

const onlyLibraries =
  /^(perl|libperl|libfile-find|libnumber|libtext|dpkg|tar|usrmerge|init-system|sysvinit|debconf|passwd|adduser|lsb-base|libpam|libc6$)/;

const scriptEngines = [
  {
    name: "deno-2.1",
    about: "Deno",
    kind: "Deno",
    version: "2.1.4",
    spec: "@deno/linux-x64-glibc",
    integrity: "sha512-EjVrCS51yw2OCYHiVDC2mhlqxH2dJ6cJrGxxDEDvMojm9Nj5IloSGPecLvlBtAtd9z1NFs0Ouv8n581rrtphEA==",
    program: "deno",
    command: ["deno", "run", "/app/hold.js"],
  },
  {
    name: "deno-2.6",
    about: "a later Deno",
    kind: "Deno",
    version: "2.6.4",
    spec: "@deno/linux-x64-glibc",
    integrity: "sha512-H9b0WJw+eWyC6GcMGCXxC/3lz2kVveyWyUrzGyQ8hJmtDJpWiDnCU2iPqEpEcwXHgAUFFyjnRaFwedwwv5ApdA==",
    program: "deno",
    command: ["deno", "run", "/app/hold.js"],
  },
  {
    name: "bun-1.1",
    about: "Bun",
    kind: "Bun",
    version: "1.1.38",
    spec: "@oven/bun-linux-x64",
    integrity: "sha512-foVXWa2/zRPMudxVpr+/COmcF1F849g4JJHTDDzpxIp30Xp7422nSk/c0NESveklrqhCvINq4CNcKnBh3WPFAw==",
    program: "bin/bun",
    command: ["bun", "/app/hold.js"],
  },
  {
    name: "bun-1.3",
    about: "a later Bun, called node",
    kind: "Bun",
    version: "1.3.2",
    spec: "@oven/bun-linux-x64",
    integrity: "sha512-EoEuRP9bxAxVKuvi6tZ0ZENjueP4lvjz0mKsMzdG0kwg/2apGKiirH1l0RIcdmvfDGGuDmNiv/XBpkoXq1x8ug==",
    program: "bin/bun",
    command: ["node", "/app/hold.js"],
  },
] as const;
