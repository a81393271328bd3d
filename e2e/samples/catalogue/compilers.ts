/** Programs compiled by this machine's compilers, and by older ones of Go that are modules; built once, kept in the build cache. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, renameSync } from "node:fs";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { cacheDir } from "../../../hack/cache.ts";

const run = promisify(execFile);

export interface GoProgram {
  readonly file: string;
  /** As the program itself carries it, `go1.22.12`. */
  readonly version: string;
}

export type GoLinking = "static" | "position independent" | "cgo";
const goArguments: Readonly<Record<GoLinking, readonly string[]>> = {
  static: ["-trimpath", "-ldflags", "-s -w"],
  "position independent": ["-buildmode=pie"],
  cgo: [],
};

/** `toolchain` as GOTOOLCHAIN says it: `local` or `go1.22.12`. */
export async function goProgram(source: string, toolchain: string, linking: GoLinking): Promise<GoProgram> {
  const env = {
    ...process.env,
    GOTOOLCHAIN: toolchain,
    CGO_ENABLED: linking === "cgo" ? "1" : "0",
    GOFLAGS: "",
    GOWORK: "off",
  };
  const args = goArguments[linking];
  const local = toolchain === "local" ? (await run("go", ["env", "GOVERSION"], { env })).stdout : "";
  const file = await compiled(source, [toolchain, local, ...args], (target) =>
    run("go", ["build", ...args, "-o", target, source], { env, cwd: cacheDir("compiled") }),
  );
  return { file, version: (await run("go", ["version", file])).stdout.trim().replace(/^.*: /, "") };
}

/** A release build, and the version of the compiler that made it. */
export async function rustProgram(source: string): Promise<{ readonly file: string; readonly version: string }> {
  const version = /^rustc (\S+)/.exec((await run("rustc", ["--version"])).stdout)?.[1] ?? "";
  const file = await compiled(source, [version], (target) =>
    run("rustc", ["-O", "-C", "strip=symbols", "-o", target, source]),
  );
  return { file, version };
}

/** By gcc, or g++ for C++. */
export async function cProgram(source: string, args: readonly string[] = []): Promise<string> {
  const compiler = source.endsWith(".cpp") ? "g++" : "gcc";
  const { stdout } = await run(compiler, ["--version"]);
  return compiled(source, [stdout, ...args], (target) => run(compiler, ["-O2", "-s", "-o", target, source, ...args]));
}

async function compiled(
  source: string,
  facts: readonly string[],
  build: (target: string) => Promise<unknown>,
): Promise<string> {
  const hash = createHash("sha256").update(JSON.stringify(facts)).update(readFileSync(source)).digest("hex");
  const target = join(cacheDir("compiled"), `${hash.slice(0, 16)}-${basename(source).replace(/\.\w+$/, "")}`);
  if (existsSync(target)) return target;
  const partial = `${target}.${process.pid}`;
  await build(partial);
  renameSync(partial, target);
  return target;
}
