/** Debian's compilers for arm64 on a machine that is amd64: unpacked into the build cache, nothing is installed. */
import { chmodSync, globSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Log } from "../lock.ts";
import { aptOfBoth, type DebianFiles, debianTree } from "./debian.ts";

/** Programs that run here and make, or change, programs for arm64. */
export interface CrossTools {
  readonly rustc: string;
  /** As rustc wants it: a C compiler. */
  readonly linker: string;
  readonly strip: string;
  /** Where the copyright files are, and the Debian packages whose libraries static programs carry. */
  readonly linked: DebianFiles;
  /** The package of Rust's library, whose copyright file is there, too. */
  readonly rustLibrary: string;
}

const rustLibrary = "libstd-rust-web-dev";
const packages = ["rustc-web", `${rustLibrary}:arm64`, "gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"];
/** The C library, and what the linker adds of its own. */
const linked = /^(libc6|libgcc-\d+)-dev-arm64-cross$/;

/** Of arm64 nothing but Rust's library, of this machine neither its C library nor what compiles programs for itself; no compiler of C and no sanitizers. */
const leftOut = new RegExp(
  [
    "^(?!libstd-rust-\\S+-dev:).*:arm64$",
    "^(gcc|cpp)(-\\d+)?$",
    "^cpp-",
    "^binutils(-x86.*)?$",
    "^(?!libstd-rust).*-dev$",
    "^lib(c6|c-dev-bin)$",
    "^lib(asan|lsan|tsan|ubsan|hwasan|itm|quadmath|atomic|gomp|cc1|gprofng|stdc)",
    "^lib(k5|krb5|gssapi|ssl|tirpc|nsl|keyutils|com-err|crypt)",
    "^(rpcsvc-proto|linux-libc-dev.*)$",
  ].join("|"),
);

/** Of packages that are needed: a third of them. */
const unneeded = [
  "etc",
  "usr/share/!(doc)",
  "usr/share/doc/*/!(copyright)",
  "usr/bin/rustdoc",
  "usr/bin/*-lto-dump*",
  "usr/lib/gcc-cross/*/*/lto1",
  "usr/aarch64-linux-gnu/include",
];

/** Rustc and binutils need libraries that lie beside them; the variable reaches only what these two start. */
const wrapped = {
  rustc: "rustc",
  linker: "aarch64-linux-gnu-gcc",
  strip: "aarch64-linux-gnu-strip",
} as const;

/** The tools; fetched once, 180 MB. */
export async function crossTools(log: Log): Promise<CrossTools> {
  const options = { apt: aptOfBoth("amd64"), log, finish, finished: "with copyright files" };
  const { root, versions } = await debianTree(packages, leftOut, options);
  const tool = (name: keyof typeof wrapped) => join(root, "run", wrapped[name]);
  return {
    rustc: tool("rustc"),
    linker: tool("linker"),
    strip: tool("strip"),
    linked: { root, versions: Object.fromEntries(Object.entries(versions).filter(([name]) => linked.test(name))) },
    rustLibrary,
  };
}

function finish(root: string): void {
  // A folder that others are links to is found by each of its names.
  for (const path of globSync(unneeded, { cwd: root })) rmSync(join(root, path), { recursive: true, force: true });
  mkdirSync(join(root, "run"));
  for (const name of Object.values(wrapped)) {
    const script = join(root, "run", name);
    writeFileSync(
      script,
      `#!/bin/sh\nroot="\${0%/*}/.."\nLD_LIBRARY_PATH="$root/usr/lib/x86_64-linux-gnu" exec "$root/usr/bin/${name}" "$@"\n`,
    );
    chmodSync(script, 0o755);
  }
}
