/**
 * Builds what the images hold: the bundles of operator and gatherer into dist/, and the two static node programs.
 * `npm run build`. Needs Rust and a C compiler, which say whether the same sources were built before; what goes into images needs cargo and
 * Go even then, for the licences. Leaves dist/ and products in the build cache.
 */
import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { basename, join, relative } from "node:path";
import { promisify } from "node:util";
import { type BuildOptions, build, type Plugin } from "esbuild";
import { z } from "zod";
import { cacheDir, cargoEnv, cloneDir } from "./cache.ts";
import { type Architecture, ownArchitecture, rustTargets } from "./images/architecture.ts";
import { crossTools } from "./images/cross.ts";
import { type Log, withLock } from "./lock.ts";

const run = promisify(execFile);

/** Names of the bundles: `src/bin/NAME.ts` becomes `dist/NAME.js`. */
export const bundles = ["main", "gatherer"] as const;
/** The Rust programs of the node image. */
export const nodePrograms = ["extractor_server", "exporter"] as const;

/** Of this clone, as package.json says. */
export const packageVersion = z
  .object({ version: z.string() })
  .parse(JSON.parse(readFileSync(join(cloneDir, "package.json"), "utf8"))).version;

export const say: Log = (line) => console.error(`  ${line}`);

/**
 * The base class asks for all of client-node, 3 MB of models that nobody uses, which cost the running operator 16 MB of memory.
 * It gets what its constructor needs; everything else of it that uses client-node is overridden (docs/adr/0002-dot-i.md).
 */
const clientOfBaseClass: Plugin = {
  name: "client-node of the base class",
  setup: ({ onResolve }) => {
    onResolve({ filter: /^@kubernetes\/client-node$/ }, ({ importer }) =>
      importer.includes(join("node_modules", "@dot-i"))
        ? { path: join(cloneDir, "hack/base-class-client.ts") }
        : undefined,
    );
  },
};

/** Node has no `require` in modules, and bundled CommonJS packages ask for built-ins by it. */
const banner = 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);';

/** The programs read their version from package.json; nothing else of it belongs into a bundle. */
const versionOf = (version: string): Plugin => ({
  name: "version of the bundle",
  setup: ({ onLoad }) => {
    onLoad({ filter: /\/package\.json$/ }, ({ path }) =>
      path === join(cloneDir, "package.json") ? { contents: JSON.stringify({ version }), loader: "json" } : undefined,
    );
  },
});

/** How every program is bundled. */
export const bundleOptions: BuildOptions = {
  absWorkingDir: cloneDir,
  bundle: true,
  minify: true,
  keepNames: true,
  platform: "node",
  target: "node24",
  format: "esm",
  banner: { js: banner },
  plugins: [clientOfBaseClass],
  define: { "process.env.NODE_ENV": '"production"' },
  logLevel: "warning",
};

/**
 * The folder with one minified module per program, `main.js` and `gatherer.js`, and the comments on licences that are in its packages.
 * Source maps lie beside them and stay out of the image: with the same sources they are the same, so a stack trace can be read later.
 * Programs that call themselves by another version than this clone's lie in a folder of that version.
 */
export async function buildBundles(log: Log = say, version = packageVersion): Promise<string> {
  const startedMs = Date.now();
  const outdir = version === packageVersion ? join(cloneDir, "dist") : join(cloneDir, "dist", version);
  const result = await build({
    ...bundleOptions,
    plugins: [...(bundleOptions.plugins ?? []), versionOf(version)],
    entryPoints: bundles.map((name) => join("src", "bin", `${name}.ts`)),
    outdir,
    sourcemap: "external",
    legalComments: "external",
    metafile: true,
    write: false,
  });
  const inputs = Object.values(result.metafile.outputs).flatMap(({ inputs: used }) => Object.keys(used));
  mkdirSync(outdir, { recursive: true });
  const kept = new Set([inputsFile, ...result.outputFiles.map(({ path }) => basename(path))]);
  const old = readdirSync(outdir, { withFileTypes: true }).filter((entry) => entry.isFile() && !kept.has(entry.name));
  for (const { name } of old) rmSync(join(outdir, name));
  writeFileSync(join(outdir, inputsFile), JSON.stringify([...new Set(inputs)].sort()));
  let changed = 0;
  for (const { path, contents } of result.outputFiles) {
    if (existsSync(path) && readFileSync(path).equals(contents)) continue;
    writeFileSync(path, contents);
    changed += 1;
  }
  const sizes = result.outputFiles
    .filter(({ path }) => path.endsWith(".js"))
    .map(({ path, contents }) => `${basename(path)} ${megabytes(contents.length)}`);
  log(`Bundles ${changed === 0 ? "are fresh" : "made"}: ${sizes.join(", ")} (${seconds(startedMs)})`);
  return outdir;
}

const inputsFile = "inputs.json";

/** The files that the bundles in that folder were made of, by their paths from the clone's root. */
export const bundleInputs = (dir: string): readonly string[] =>
  z.array(z.string()).parse(JSON.parse(readFileSync(join(dir, inputsFile), "utf8")));

/** What compiles the node programs for an architecture. */
interface Compiler {
  readonly rustc: string;
  /** The C compiler that links; libraries of its own go in. */
  readonly linker: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Of cargo. */
  readonly targetDir: string;
  /** The folder below it where the programs will be. */
  readonly products: string;
}

/** The machine's own, or Debian's for another architecture. */
async function compilerFor(architecture: Architecture, log: Log): Promise<Compiler> {
  if (architecture === ownArchitecture) {
    const targetDir = cacheDir("cargo-target");
    return { rustc: "rustc", linker: "cc", args: [], env: {}, targetDir, products: "release" };
  }
  const { rustc, linker } = await crossTools(log);
  const target = rustTargets[architecture];
  return {
    rustc,
    linker,
    args: ["--target", target],
    env: { RUSTC: rustc, [`${cargoVariable(target)}_LINKER`]: linker },
    targetDir: cacheDir(`cargo-target-${architecture}`),
    products: join(target, "release"),
  };
}

/** Linked into static programs from the C compiler's side: the C library, and that of the compiler itself. */
export const linkedLibraries = ["libc.a", "libgcc.a", "libgcc_eh.a"] as const;

/** Where a C compiler has the library; the bare name when it has none. */
export async function libraryFile(linker: string, name: (typeof linkedLibraries)[number]): Promise<string> {
  const { stdout } = await run(linker, [`-print-file-name=${name}`]);
  return stdout.trim();
}

const cargoVariable = (target: string): string => `CARGO_TARGET_${target.toUpperCase().replaceAll("-", "_")}`;

/** The folder with the static programs `extractor_server` and `exporter`; what was built from the same sources is taken from the cache. */
export async function buildNodePrograms(log: Log = say, architecture = ownArchitecture): Promise<string> {
  const startedMs = Date.now();
  const compiler = await compilerFor(architecture, log);
  const dir = cacheDir("node-programs", await sourceKey(compiler));
  const present = () => nodePrograms.every((name) => existsSync(join(dir, name)));
  const forOther = architecture === ownArchitecture ? "" : ` for ${architecture}`;
  if (present()) {
    log(`Node programs${forOther} are fresh`);
    return dir;
  }
  // The lock covers the copying too: cargo's own ends with the build, and another clone may build over the product.
  await withLock(join(compiler.targetDir, ".programs-lock"), log, async () => {
    if (present()) return;
    log(`Building the node programs${forOther} (cargo, about a minute when nothing is cached) ...`);
    // Cargo does not know of the C compiler's libraries, and would keep programs with those that were there before.
    await cargo(["clean", "--release", "--locked", "--package", "extractor", "--package", "exporter"], compiler);
    await cargo(["build", "--release", "--locked", ...nodePrograms.flatMap((name) => ["--bin", name])], compiler);
    for (const name of nodePrograms) {
      copyFileSync(join(compiler.targetDir, compiler.products, name), join(dir, `.${name}`));
      renameSync(join(dir, `.${name}`), join(dir, name));
    }
  });
  const sizes = nodePrograms.map((name) => `${name} ${megabytes(readFileSync(join(dir, name)).length)}`);
  log(`Node programs${forOther} built: ${sizes.join(", ")} (${seconds(startedMs)})`);
  return dir;
}

async function cargo(args: readonly string[], compiler: Compiler): Promise<void> {
  const child = spawn("cargo", [...args, ...compiler.args], {
    cwd: join(cloneDir, "extractor"),
    env: { ...(await releaseEnv(compiler)), ...compiler.env, CARGO_TARGET_DIR: compiler.targetDir },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said = (said + chunk.toString("utf8")).slice(-20_000);
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on("error", (cause) => reject(new Error(cargoMissing, { cause })));
    child.on("close", resolve);
  });
  if (code !== 0) throw new Error(`building the node programs with cargo failed:\n${said}`);
}

const cargoMissing = "cargo is missing: install Rust (rustup.rs) and put ~/.cargo/bin on the PATH";

/** What `rustc -vV` says in the workspace of the node programs. */
async function versionOfRust(rustc: string): Promise<string> {
  const { stdout } = await run(rustc, ["-vV"], { cwd: join(cloneDir, "extractor") }).catch((cause: Error) => {
    throw rustc === "rustc" ? new Error(cargoMissing, { cause }) : cause;
  });
  return stdout;
}

/**
 * Cargo's environment for what is shipped: the places of messages about panics are named without the folders of this machine,
 * so that the same sources and compiler are the same bytes elsewhere.
 */
export async function releaseEnv(
  { rustc, args }: Pick<Compiler, "rustc" | "args"> = { rustc: "rustc", args: [] },
): Promise<NodeJS.ProcessEnv> {
  const said = await versionOfRust(rustc);
  const target = args.at(-1) ?? /^host: (.*)$/m.exec(said)?.[1] ?? "";
  const commit = /^commit-hash: (.*)$/m.exec(said)?.[1] ?? "";
  const { stdout } = await run(rustc, ["--print", "sysroot"], { cwd: join(cloneDir, "extractor") });
  const renamed = [
    [join(process.env.CARGO_HOME ?? join(homedir(), ".cargo"), "registry", "src"), "/crates"],
    // Where the compiler's own sources are installed, it would name them there.
    [join(stdout.trim(), "lib/rustlib/src/rust"), `/rustc/${commit}`],
  ];
  // Joined with the flags of extractor/.cargo/config.toml, which RUSTFLAGS would replace.
  const flags = `${cargoVariable(target)}_RUSTFLAGS`;
  return { ...cargoEnv(), [flags]: renamed.map(([from, to]) => `--remap-path-prefix=${from}=${to}`).join(" ") };
}

/** Same sources, same compiler and same libraries linked in, same key; where they lie does not matter. */
export async function sourceKey({ rustc, linker, args }: Pick<Compiler, "rustc" | "linker" | "args">): Promise<string> {
  const root = join(cloneDir, "extractor");
  const hash = createHash("sha256")
    .update(await versionOfRust(rustc))
    .update("renamed\0")
    .update(args.join(" "));
  for (const name of linkedLibraries) {
    const file = await libraryFile(linker, name);
    if (existsSync(file)) hash.update(`${name}\0`).update(readFileSync(file));
  }
  for (const file of sourcesBelow(root)) {
    hash
      .update(`${relative(root, file)}\0`)
      .update(readFileSync(file))
      .update("\0");
  }
  return hash.digest("hex").slice(0, 16);
}

function sourcesBelow(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true })
    .filter(({ name }) => name !== "target" && name !== "tests")
    .sort((one, other) => (one.name < other.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(dir, entry.name);
      return entry.isDirectory() ? sourcesBelow(path) : /\.(rs|toml|lock)$/.test(entry.name) ? [path] : [];
    });
}

export const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(2)} MB`;
export const seconds = (startedMs: number): string => `${((Date.now() - startedMs) / 1000).toFixed(1)} s`;

if (import.meta.main) {
  const results = await Promise.allSettled([buildBundles(), buildNodePrograms()]);
  for (const result of results) {
    if (result.status === "fulfilled") continue;
    console.error(result.reason instanceof Error ? result.reason.message : String(result.reason));
    process.exitCode = 1;
  }
}
