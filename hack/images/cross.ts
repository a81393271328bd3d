/** Debian's compilers for arm64 on a machine that is amd64: unpacked into the build cache, nothing is installed. */
import { chmodSync, globSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Log } from "../lock.ts";
import { aptOfBoth, debianTree } from "./debian.ts";

/** Programs that run here and make, or change, programs for arm64. */
export interface CrossTools {
  readonly rustc: string;
  /** As rustc wants it: a C compiler. */
  readonly linker: string;
  readonly strip: string;
  /** Linked into static programs, and the Debian package that it is from. */
  readonly libc: { readonly file: string; readonly package: string; readonly version: string };
}

const libc = "libc6-dev-arm64-cross";
const packages = ["rustc-web", "libstd-rust-web-dev:arm64", "gcc-aarch64-linux-gnu", libc];

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
  "usr/share",
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
  const { root, versions } = await debianTree(packages, leftOut, { apt: aptOfBoth("amd64"), log, finish });
  const tool = (name: keyof typeof wrapped) => join(root, "run", wrapped[name]);
  return {
    rustc: tool("rustc"),
    linker: tool("linker"),
    strip: tool("strip"),
    libc: {
      file: join(root, "usr/aarch64-linux-gnu/lib/libc.a"),
      package: libc,
      version: versions[libc] ?? "",
    },
  };
}

function finish(root: string): void {
  for (const path of globSync(unneeded, { cwd: root })) rmSync(join(root, path), { recursive: true });
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
