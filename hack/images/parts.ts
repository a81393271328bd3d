/** What is in the images, as the tools that built it know: esbuild, cargo, Go and Debian's packages. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { PackageURL } from "packageurl-js";
import { z } from "zod";
import { nodePrograms, say } from "../build.ts";
import { cloneDir } from "../cache.ts";
import { type Architecture, ownArchitecture, rustTargets } from "./architecture.ts";
import { crossTools } from "./cross.ts";
import type { DebianFiles } from "./debian.ts";
import type { NodeProgram } from "./node-program.ts";
import { lockedPackage, lockedPackages } from "./npm-lock.ts";

const run = promisify(execFile);

/** Something of somebody else's, or one of our own programs, in an image. */
export interface Part {
  readonly name: string;
  readonly version: string;
  /** Package URL without the version's checksum, `pkg:npm/zod@4.6.7`. */
  readonly purl: string;
  /** By which vulnerabilities are filed, where that is not the package URL. */
  readonly cpe?: string;
  /** An SPDX expression where the package says one, else its own words. */
  readonly license?: string;
  /** Lower-case hex. */
  readonly hash?: { readonly algorithm: "SHA-256" | "SHA-512"; readonly hex: string };
}

const purl = (type: string, name: string, version: string, qualifiers?: Record<string, string>): string => {
  const [base = "", ...namespace] = name.split("/").reverse();
  const path = namespace.reverse().join("/");
  return new PackageURL(type, path === "" ? undefined : path, base, version, qualifiers, undefined).toString();
};

const manifestSchema = z.object({ name: z.string(), version: z.string(), license: z.string().optional() });

/** The npm packages that files of the bundles come from, by the paths of these files from the clone's root. */
export function npmParts(inputs: readonly string[]): readonly Part[] {
  const packages = lockedPackages();
  const folders = inputs.flatMap((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? []);
  return [...new Set(folders)].map((folder) => {
    const name = folder.slice(folder.lastIndexOf("node_modules/") + "node_modules/".length);
    return npmPart(name, manifestIn(join(cloneDir, folder)), packages[folder]?.integrity);
  });
}

const manifestIn = (dir: string) => manifestSchema.parse(JSON.parse(readFileSync(join(dir, "package.json"), "utf8")));

function npmPart(name: string, { version, license }: z.infer<typeof manifestSchema>, integrity?: string): Part {
  const sha512 = /^sha512-(.*)$/.exec(integrity ?? "")?.[1];
  return {
    name,
    version,
    purl: purl("npm", name, version),
    ...(license === undefined ? {} : { license }),
    ...(sha512 === undefined
      ? {}
      : { hash: { algorithm: "SHA-512", hex: Buffer.from(sha512, "base64").toString("hex") } }),
  };
}

/** Node, its npm package, and what is compiled into the program, as the same version that runs this says. */
export function nodeParts({ packageDir }: NodeProgram): readonly Part[] {
  const manifest = manifestIn(packageDir);
  const { node, modules: _, napi: __, ...inside } = process.versions;
  return [
    npmPart(manifest.name, manifest, lockedPackage(manifest.name).integrity),
    programPart("node", node, "nodejs:node.js"),
    ...Object.entries(inside).flatMap(([name, version]) =>
      version === undefined ? [] : [programPart(name, version, name === "openssl" ? "openssl:openssl" : undefined)],
    ),
  ];
}

/** `product` is the vendor and product that vulnerabilities are filed under. */
const programPart = (name: string, version: string, product?: string): Part => ({
  name,
  version,
  purl: purl("generic", name, version),
  ...(product === undefined ? {} : { cpe: `cpe:2.3:a:${product}:${version.replace(/\+.*/, "")}:*:*:*:*:*:*:*` }),
});

const crateLine = /^(\S+) v(\S+)(?: \(([^)]*)\))?\|(.*)$/;

/** The crates linked into the node programs, without those that only compile others, and the Rust and C libraries below them. */
export async function crateParts(architecture: Architecture): Promise<readonly Part[]> {
  const cross = architecture === ownArchitecture ? undefined : await crossTools(say);
  const cwd = join(cloneDir, "extractor");
  const wanted = [
    "-p",
    "extractor",
    "-p",
    "exporter",
    "--edges",
    "normal,no-proc-macro",
    "--target",
    rustTargets[architecture],
  ];
  const format = ["--prefix", "none", "--no-dedupe", "--format", "{p}|{l}"];
  const { stdout } = await run("cargo", ["tree", "--locked", ...wanted, ...format], {
    cwd,
    env: { ...process.env, ...(cross === undefined ? {} : { RUSTC: cross.rustc }) },
  });
  const { stdout: compiler } = await run(cross?.rustc ?? "rustc", ["--version"], { cwd });
  const sums = checksums(readFileSync(join(cwd, "Cargo.lock"), "utf8"));
  const crates = [...new Set(stdout.split("\n"))].flatMap((line): Part[] => {
    const [, name, version, from, license] = crateLine.exec(line) ?? [];
    if (name === undefined || version === undefined || from?.startsWith("/")) return [];
    const hex = sums.get(`${name} ${version}`);
    return [
      {
        name,
        version,
        purl: purl("cargo", name, version),
        ...(license === undefined || license === "" ? {} : { license: license.replaceAll("/", " OR ") }),
        ...(hex === undefined ? {} : { hash: { algorithm: "SHA-256", hex } }),
      },
    ];
  });
  if (crates.length === 0) throw new Error(`cargo tree names no crate of ${nodePrograms.join(" and ")}`);
  const rust = compiler.split(" ")[1] ?? "";
  const std = { name: "std", version: rust, purl: purl("cargo", "std", rust), license: "MIT OR Apache-2.0" };
  const libc =
    cross === undefined
      ? await staticLibrary()
      : [debianPart(cross.libc.package, cross.libc.version, "all", ownDistribution())];
  return [...crates, std, ...libc];
}

const checksums = (lock: string): ReadonlyMap<string, string> =>
  new Map(
    [...lock.matchAll(/name = "([^"]+)"\nversion = "([^"]+)"\nsource = [^\n]+\nchecksum = "([0-9a-f]+)"/g)].map(
      ([, name, version, hex]) => [`${name} ${version}`, hex ?? ""],
    ),
  );

/** Static programs carry the C library of the machine that linked them. */
async function staticLibrary(): Promise<readonly Part[]> {
  const status = (await run("dpkg", ["--status", "libc6-dev"]).catch(() => undefined))?.stdout ?? "";
  const [version, arch] = ["Version", "Architecture"].map(
    (field) => new RegExp(`^${field}: (.*)$`, "m").exec(status)?.[1],
  );
  return version === undefined || arch === undefined ? [] : [debianPart("libc6-dev", version, arch, ownDistribution())];
}

/** The packages that files of an image were taken from. */
export function debianParts({ root, versions }: DebianFiles, arch: string): readonly Part[] {
  const distribution = distributionOf(readFileSync(join(root, "usr/lib/os-release"), "utf8"));
  return Object.entries(versions).map(([name, version]) => debianPart(name, version, arch, distribution));
}

/** `debian-12` where an os-release says so; of the machine's own when no other is given. */
function distributionOf(release: string): string {
  const field = (name: string) => new RegExp(`^${name}="?([^"\n]*)"?$`, "m").exec(release)?.[1];
  return `${field("ID") ?? "debian"}-${field("VERSION_ID") ?? "unknown"}`;
}

function debianPart(name: string, version: string, arch: string, distribution: string): Part {
  const [vendor = ""] = distribution.split("-");
  return { name, version, purl: purl("deb", `${vendor}/${name}`, version, { arch, distro: distribution }) };
}

const ownDistribution = (): string => distributionOf(readFileSync("/etc/os-release", "utf8"));

/** The modules that a Go program was linked from, as it says itself, and Go's own library. */
export async function goParts(program: string): Promise<readonly Part[]> {
  const { stdout } = await run("go", ["version", "-m", program]);
  const go = /: go(\S+)/.exec(stdout)?.[1];
  if (go === undefined) throw new Error(`${program} does not say what it was built from`);
  const rows = stdout.split("\n").map((line) => line.trim().split("\t"));
  const modules = rows.flatMap(([kind, name, version], at): Part[] => {
    if ((kind !== "mod" && kind !== "dep") || name === undefined || version === undefined) return [];
    const [next, otherName, otherVersion] = rows[at + 1] ?? [];
    const [used, ofVersion] = next === "=>" ? [otherName ?? name, otherVersion ?? version] : [name, version];
    return ofVersion === "(devel)" ? [] : [{ name: used, version: ofVersion, purl: purl("golang", used, ofVersion) }];
  });
  return [...modules, { name: "std", version: go, purl: purl("golang", "std", go), license: "BSD-3-Clause" }];
}
