/** What is in the images and under which licences, as the tools that built it know: esbuild, cargo, Go and Debian's packages. */
import { execFile } from "node:child_process";
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { PackageURL } from "packageurl-js";
import { z } from "zod";
import { libraryFile, linkedLibraries, nodePrograms, say } from "../build.ts";
import { cloneDir } from "../cache.ts";
import { goPackages } from "../cluster/binaries.ts";
import { type Architecture, ownArchitecture, rustTargets } from "./architecture.ts";
import { crossTools } from "./cross.ts";
import type { DebianFiles } from "./debian.ts";
import { distributionOf, ownDistribution } from "./distribution.ts";
import { type Licensed, type LicenseText, licenseIn, textsAbove } from "./licenses.ts";
import type { NodeProgram } from "./node-program.ts";
import { lockedPackage, lockedPackages } from "./npm-lock.ts";

const run = promisify(execFile);

/** Something of somebody else's, or one of our own programs, in an image. */
export interface Part extends Licensed {
  readonly name: string;
  readonly version: string;
  /** Package URL without the version's checksum, `pkg:npm/zod@4.6.7`. */
  readonly purl: string;
  /** By which vulnerabilities are filed, where that is not the package URL. */
  readonly cpe?: string;
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
  const byFolder = Map.groupBy(inputs, (path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? "");
  byFolder.delete("");
  return [...byFolder].map(([folder, files]) => {
    const name = folder.slice(folder.lastIndexOf("node_modules/") + "node_modules/".length);
    const root = join(cloneDir, folder);
    const texts = npmTexts(name, root, textsAbove(new Set(files.map((file) => dirname(join(cloneDir, file)))), root));
    return npmPart(name, manifestIn(root), { texts, integrity: packages[folder]?.integrity });
  });
}

/** Packages without a licence file, by the file that has the text. */
const textElsewhere: Readonly<Record<string, string>> = { "data-uri-to-buffer": "README.md" };

/** Of an npm package where no more than `found` is named as a licence; throws when `elsewhere` is not needed. */
export function npmTexts(
  name: string,
  root: string,
  found: readonly LicenseText[],
  elsewhere = textElsewhere,
): readonly LicenseText[] {
  const path = elsewhere[name];
  if (path === undefined) return found;
  if (found.length > 0)
    throw new Error(`npm package ${name} has a licence file now; take it off the list in hack/images/parts.ts`);
  return existingTexts(root, [path]);
}

const existingTexts = (root: string, paths: readonly string[]): readonly LicenseText[] =>
  paths.map((path) => ({ path, file: join(root, path) })).filter(({ file }) => existsSync(file));

const manifestIn = (dir: string) => manifestSchema.parse(JSON.parse(readFileSync(join(dir, "package.json"), "utf8")));

function npmPart(
  name: string,
  { version, license = "" }: z.infer<typeof manifestSchema>,
  { texts, integrity }: { readonly texts: readonly LicenseText[]; readonly integrity: string | undefined },
): Part {
  const sha512 = /^sha512-(.*)$/.exec(integrity ?? "")?.[1];
  return {
    name,
    version,
    purl: purl("npm", name, version),
    ...{ license, texts },
    ...(sha512 === undefined
      ? {}
      : { hash: { algorithm: "SHA-512", hex: Buffer.from(sha512, "base64").toString("hex") } }),
  };
}

/** By the names that Node gives what is compiled into it, as its LICENSE says, which has the texts of all but a few of Node's own. */
const nodeLicenses: Readonly<Record<string, string>> = {
  ...{ acorn: "MIT", ada: "MIT", amaro: "MIT AND Apache-2.0", ares: "MIT", brotli: "MIT", cldr: "Unicode-3.0" },
  ...{ icu: "Unicode-3.0", llhttp: "MIT", merve: "MIT", nbytes: "MIT", ncrypto: "MIT", nghttp2: "MIT", node: "MIT" },
  ...{ openssl: "Apache-2.0", simdjson: "Apache-2.0", simdutf: "MIT", sqlite: "blessing", tz: "Unicode-3.0" },
  ...{ undici: "MIT", unicode: "Unicode-3.0", uv: "MIT", uvwasi: "MIT", v8: "BSD-3-Clause", zlib: "Zlib" },
  ...{ zstd: "BSD-3-Clause" },
};

/** Node, its npm package, and what is compiled into the program, as the same version that runs this says. */
export function nodeParts({ packageDir }: NodeProgram): readonly Part[] {
  const manifest = manifestIn(packageDir);
  const texts = textsAbove([packageDir], packageDir);
  const { modules: _, napi: __, ...inside } = process.versions;
  return [
    npmPart(manifest.name, manifest, { texts, integrity: lockedPackage(manifest.name).integrity }),
    // What is not compiled in has an empty version.
    ...Object.entries(inside).flatMap(([name, version = ""]) =>
      version === "" ? [] : [nodePart(name, version, texts)],
    ),
  ];
}

/** Vendor and product that vulnerabilities are filed under. */
const filedUnder: Readonly<Record<string, string>> = { node: "nodejs:node.js", openssl: "openssl:openssl" };

const nodePart = (name: string, version: string, texts: readonly LicenseText[]): Part => ({
  name,
  version,
  purl: purl("generic", name, version),
  ...{ license: nodeLicenses[name] ?? "", texts },
  ...(filedUnder[name] === undefined
    ? {}
    : { cpe: `cpe:2.3:a:${filedUnder[name]}:${version.replace(/\+.*/, "")}:*:*:*:*:*:*:*` }),
});

const crateLine = /^(\S+) v(\S+)(?: \(([^)]*)\))?\|(.*)$/;

const metadataSchema = z.object({
  packages: z.array(z.object({ name: z.string(), version: z.string(), manifest_path: z.string() })),
});

/** The crates linked into the node programs, without those that only compile others, and the Rust, C and compiler's libraries below them. */
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
  const env = { ...process.env, ...(cross === undefined ? {} : { RUSTC: cross.rustc }) };
  const { stdout } = await run("cargo", ["tree", "--locked", ...wanted, ...format], { cwd, env });
  const folders = await crateFolders(cwd, env, rustTargets[architecture]);
  const { stdout: compiler } = await run(cross?.rustc ?? "rustc", ["--version"], { cwd });
  const sums = checksums(readFileSync(join(cwd, "Cargo.lock"), "utf8"));
  const crates = [...new Set(stdout.split("\n"))].flatMap((line): Part[] => {
    const [, name, version, from, license] = crateLine.exec(line) ?? [];
    if (name === undefined || version === undefined || from?.startsWith("/")) return [];
    const hex = sums.get(`${name} ${version}`);
    const folder = folders.get(`${name} ${version}`);
    return [
      {
        name,
        version,
        purl: purl("cargo", name, version),
        license: (license ?? "").replaceAll(/ ?\/ ?/g, " OR "),
        texts: folder === undefined ? [] : textsAbove([folder], folder),
        ...(hex === undefined ? {} : { hash: { algorithm: "SHA-256", hex } }),
      },
    ];
  });
  if (crates.length === 0) throw new Error(`cargo tree names no crate of ${nodePrograms.join(" and ")}`);
  const rust = compiler.split(" ")[1] ?? "";
  const std = {
    name: "std",
    version: rust,
    purl: purl("cargo", "std", rust),
    license: "MIT OR Apache-2.0",
    texts: cross === undefined ? await ownRustTexts(cwd) : crossTexts(cross.linked, cross.rustLibrary),
  };
  const libraries = cross === undefined ? await ownLibraries() : crossLibraries(cross.linked);
  return [...crates, std, ...libraries];
}

/** By name and version. */
async function crateFolders(cwd: string, env: NodeJS.ProcessEnv, target: string): Promise<ReadonlyMap<string, string>> {
  const args = ["metadata", "--locked", "--format-version", "1", "--filter-platform", target];
  const { stdout } = await run("cargo", args, { cwd, env, maxBuffer: 64 * 1024 * 1024 });
  const { packages } = metadataSchema.parse(JSON.parse(stdout));
  return new Map(packages.map((one) => [`${one.name} ${one.version}`, dirname(one.manifest_path)]));
}

/** Of Rust's library; its compiler brings them, whatever else of Rust is installed. */
async function ownRustTexts(cwd: string): Promise<readonly LicenseText[]> {
  const { stdout } = await run("rustc", ["--print", "sysroot"], { cwd });
  return rustTexts(stdout.trim());
}

/** Of the library of a compiler with that `sysroot`: as rustup installs it, or Debian below `root`. */
export function rustTexts(sysroot: string, root = "/"): readonly LicenseText[] {
  const brought = existingTexts(join(sysroot, "share/doc/rust"), ["COPYRIGHT-library.html"]);
  const ofDebian = sysroot === join(root, "usr") ? debianTexts(root, "libstd-rust-dev") : [];
  const texts = brought.length > 0 ? brought : ofDebian;
  if (texts.length === 0)
    throw new Error(
      `The Rust compiler in ${sysroot} has no licence text of its library, which the image has to hold: install Rust by rustup (rustup.rs), or Debian's package libstd-rust-dev`,
    );
  return texts;
}

const checksums = (lock: string): ReadonlyMap<string, string> =>
  new Map(
    [...lock.matchAll(/name = "([^"]+)"\nversion = "([^"]+)"\nsource = [^\n]+\nchecksum = "([0-9a-f]+)"/g)].map(
      ([, name, version, hex]) => [`${name} ${version}`, hex ?? ""],
    ),
  );

/** The packages of what static programs carry of the machine that linked them: the C library, and that of its compiler. */
async function ownLibraries(): Promise<readonly Part[]> {
  const names = await Promise.all(linkedLibraries.map(ownerOf));
  const fields = ["Package", "Version", "Architecture"].map((field) => `\${${field}}`);
  const { stdout } = await run("dpkg-query", ["--show", `--showformat=${fields.join(" ")}\n`, ...new Set(names)]);
  const rows = stdout.trim().split("\n").sort();
  return rows.map((row) => {
    const [name = "", version = "", arch = ""] = row.split(" ");
    return debianPart({ name, version, arch, distribution: ownDistribution() }, debianTexts("/", name));
  });
}

/** The Debian package that a library of the C compiler is from. */
async function ownerOf(library: (typeof linkedLibraries)[number]): Promise<string> {
  const printed = await libraryFile("cc", library);
  try {
    const file = realpathSync(printed);
    const { stdout } = await run("dpkg-query", ["--search", file]);
    return stdout.slice(0, stdout.lastIndexOf(": "));
  } catch (cause) {
    throw new Error(
      `${library} is linked into the node programs, and nobody says which Debian package it is from, so the image cannot hold its licence text.\nBuild the image on Debian; a container of debian:12 will do (docs/images.md).`,
      { cause },
    );
  }
}

const crossLibraries = (linked: DebianFiles): readonly Part[] =>
  Object.entries(linked.versions).map(([name, version]) =>
    debianPart({ name, version, arch: "all", distribution: ownDistribution() }, crossTexts(linked, name)),
  );

/** The compiler's tree has copyright files, and the machine, which is a Debian, too, what they refer to. */
const crossTexts = ({ root }: DebianFiles, name: string): readonly LicenseText[] =>
  debianTexts(root, name, "/usr/share/common-licenses");

/** The packages that files of an image were taken from. */
export function debianParts({ root, versions }: DebianFiles, arch: string): readonly Part[] {
  const distribution = distributionOf(readFileSync(join(root, "usr/lib/os-release"), "utf8"));
  return Object.entries(versions).map(([name, version]) =>
    debianPart({ name, version, arch, distribution }, debianTexts(root, name)),
  );
}

interface DebianPackage extends Pick<Part, "name" | "version"> {
  readonly arch: string;
  /** `debian-12` */
  readonly distribution: string;
}

/** Of what of them is in images; their copyright files name more. */
const debianLicenses: readonly (readonly [RegExp, string])[] = [
  [/^base-files$/, "GPL-2.0-or-later"],
  [/^ca-certificates$/, "MPL-2.0"],
  [/^libc6(-dev)?(-\w+-cross)?$/, "LGPL-2.1-or-later"],
  [/^(libgcc-s1|libgcc-\d+-dev(-\w+-cross)?|libstdc\+\+6)$/, "GPL-3.0-or-later WITH GCC-exception-3.1"],
];

function debianPart({ name, version, arch, distribution }: DebianPackage, texts: readonly LicenseText[]): Part {
  const [vendor = ""] = distribution.split("-");
  const license = debianLicenses.find(([names]) => names.test(name))?.[1] ?? "";
  return {
    name,
    version,
    purl: purl("deb", `${vendor}/${name}`, version, { arch, distro: distribution }),
    license,
    texts,
  };
}

/** A package's copyright file below `root`, and the licences it refers to instead of repeating them, which lie in `common`; throws when one does not. */
export function debianTexts(
  root: string,
  name: string,
  common = join(root, "usr/share/common-licenses"),
): readonly LicenseText[] {
  const texts = existingTexts(join(root, "usr/share/doc", name), ["copyright"]);
  const said = texts.map(({ file }) => readFileSync(file, "utf8")).join();
  const named = [...said.matchAll(/\/usr\/share\/common-licenses\/([\w.+-]*\w)/g)].map(([, license = ""]) => license);
  const licenses = [...new Set(named)].sort().map((path) => ({ path, file: join(common, path) }));
  const missing = licenses.filter(({ file }) => !existsSync(file)).map(({ path }) => path);
  if (missing.length > 0)
    throw new Error(`Debian package ${name} refers to licences that are not in ${common}: ${missing.join(", ")}`);
  return [...texts, ...licenses];
}

/** The modules that Go programs in a folder were linked from, as they say themselves, and Go's own library. */
export async function goParts(
  names: readonly string[],
  dir: string,
  architecture: Architecture,
): Promise<readonly Part[]> {
  const modules = (await Promise.all(names.map((name) => modulesOf(join(dir, name))))).flat();
  const packages = (await Promise.all(names.map((name) => goPackages(name, architecture)))).flat();
  const byModule = Map.groupBy(packages, ({ module }) => module);
  const linked = new Map(modules.map((module) => [`${module.name}@${module.version}`, module]));
  return [...linked.values()].map(({ name, version }) => {
    const isStd = name === "std";
    const used = byModule.get(isStd ? name : `${name}@${version}`) ?? [];
    const texts = textsAbove(new Set(used.map(({ folder }) => folder)), used[0]?.root ?? "");
    // Among its texts is one of BoringSSL, which is there only for those who ask for it.
    const license = isStd ? "BSD-3-Clause" : licenseIn(texts);
    return { name, version, purl: purl("golang", name, version), license, texts };
  });
}

async function modulesOf(program: string): Promise<readonly Pick<Part, "name" | "version">[]> {
  const { stdout } = await run("go", ["version", "-m", program]);
  const go = /: go(\S+)/.exec(stdout)?.[1];
  if (go === undefined) throw new Error(`${program} does not say what it was built from`);
  const rows = stdout.split("\n").map((line) => line.trim().split("\t"));
  const modules = rows.flatMap(([kind, name, version], at) => {
    if ((kind !== "mod" && kind !== "dep") || name === undefined || version === undefined) return [];
    const [next, otherName, otherVersion] = rows[at + 1] ?? [];
    const [used, ofVersion] = next === "=>" ? [otherName ?? name, otherVersion ?? version] : [name, version];
    return ofVersion === "(devel)" ? [] : [{ name: used, version: ofVersion }];
  });
  return [...modules, { name: "std", version: go }];
}
