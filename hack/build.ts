/**
 * Builds what the images hold: the bundles of operator and gatherer into dist/, and the two static node programs.
 * `npm run build`. Needs cargo, unless the same sources were built before. Leaves dist/ and products in the build cache.
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
import { basename, join, relative } from "node:path";
import { promisify } from "node:util";
import { type BuildOptions, build, type Plugin } from "esbuild";
import { cacheDir, cargoEnv, cloneDir } from "./cache.ts";
import { type Log, withLock } from "./lock.ts";

const run = promisify(execFile);

/** Names of the bundles: `src/bin/NAME.ts` becomes `dist/NAME.js`. */
export const bundles = ["main", "gatherer"] as const;
/** The Rust programs of the node image. */
export const nodePrograms = ["extractor_server", "exporter"] as const;

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
 * The folder with one minified module per program, `main.js` and `gatherer.js`, and the licence texts of the packages inside.
 * Source maps lie beside them and stay out of the image: with the same sources they are the same, so a stack trace can be read later.
 */
export async function buildBundles(log: Log = say): Promise<string> {
  const startedMs = Date.now();
  const outdir = join(cloneDir, "dist");
  const result = await build({
    ...bundleOptions,
    entryPoints: bundles.map((name) => join("src", "bin", `${name}.ts`)),
    outdir,
    sourcemap: "external",
    legalComments: "external",
    write: false,
  });
  mkdirSync(outdir, { recursive: true });
  const kept = new Set(result.outputFiles.map(({ path }) => basename(path)));
  for (const old of readdirSync(outdir)) if (!kept.has(old)) rmSync(join(outdir, old), { recursive: true });
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

/** The folder with the static programs `extractor_server` and `exporter`; what was built from the same sources is taken from the cache. */
export async function buildNodePrograms(log: Log = say): Promise<string> {
  const startedMs = Date.now();
  const dir = cacheDir("node-programs", await sourceKey());
  const present = () => nodePrograms.every((name) => existsSync(join(dir, name)));
  if (present()) {
    log("Node programs are fresh");
    return dir;
  }
  // The lock covers the copying too: cargo's own ends with the build, and another clone may build over the product.
  await withLock(join(cacheDir("cargo-target"), ".programs-lock"), log, async () => {
    if (present()) return;
    log("Building the node programs (cargo, about a minute when nothing is cached) ...");
    await cargo(["build", "--release", "--locked", ...nodePrograms.flatMap((name) => ["--bin", name])]);
    for (const name of nodePrograms) {
      copyFileSync(join(cacheDir("cargo-target"), "release", name), join(dir, `.${name}`));
      renameSync(join(dir, `.${name}`), join(dir, name));
    }
  });
  const sizes = nodePrograms.map((name) => `${name} ${megabytes(readFileSync(join(dir, name)).length)}`);
  log(`Node programs built: ${sizes.join(", ")} (${seconds(startedMs)})`);
  return dir;
}

async function cargo(args: readonly string[]): Promise<void> {
  const child = spawn("cargo", args, {
    cwd: join(cloneDir, "extractor"),
    env: cargoEnv(),
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

/** Same sources and same compiler, same key. */
async function sourceKey(): Promise<string> {
  const root = join(cloneDir, "extractor");
  const compiler = await run("rustc", ["-vV"], { cwd: root }).catch((cause: Error) => {
    throw new Error(cargoMissing, { cause });
  });
  const hash = createHash("sha256").update(compiler.stdout);
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
