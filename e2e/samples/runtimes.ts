/** The real runtimes of the samples, from their registries, as layers of images with the facts that must be found out about them. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { cacheDir } from "../../hack/cache.ts";
import { type DebianFiles, debianFiles } from "../../hack/images/debian.ts";
import { copy, type Entry, entriesBelow, folder, hardlink, symlink, text } from "../../hack/images/entries.ts";
import { type Layer, layerOf } from "../../hack/images/layer.ts";
import { otherNode, ownNode } from "../../hack/images/node-program.ts";

const run = promisify(execFile);
const programs = join(import.meta.dirname, "programs");

export interface Layers {
  /** glibc, libstdc++, zlib, expat, a busybox shell, users, /tmp; no os-release. */
  readonly base: Layer;
  readonly debianRelease: Layer;
  /** The same file, but only in /usr/lib. */
  readonly debianReleaseInUsr: Layer;
  /** A fixture of ours: the text that UBI 9.4 has, on Debian's libraries. */
  readonly rhelRelease: Layer;
  readonly programs: Layer;
  /** /usr/local/bin/node, and the same file as /srv/server. */
  readonly node: Layer;
  /** /opt/node/bin/node. */
  readonly otherNode: Layer;
  readonly java: Layer;
  readonly python: Layer;
  /** /catalog: static, stripped. */
  readonly go: Layer;
  /** /usr/local/bin/gateway: position independent, loaded by glibc's loader. */
  readonly goPie: Layer;
  /** /usr/local/bin/node, written in Go, and /usr/local/bin/java, a script. */
  readonly decoys: Layer;
}

/** As the products write them; taken from the files that the layers were made from. */
export interface Facts {
  readonly os: string;
  readonly osVersion: string;
  readonly node: string;
  readonly otherNode: string;
  readonly java: string;
  readonly javaImplementer: string;
  readonly python: string;
  readonly go: string;
}

export interface Runtimes {
  readonly layers: Layers;
  readonly facts: Facts;
}

let known: Promise<Runtimes> | undefined;

/** All runtimes, fetched and built when they are not in the cache; looked at once per process. */
export function ensureRuntimes(): Promise<Runtimes> {
  known ??= findRuntimes();
  return known;
}

async function findRuntimes(): Promise<Runtimes> {
  const base = await debianFiles(basePackages);
  const jre = await debianFiles([["openjdk-17-jre-headless", "openjdk-21-jre-headless", "openjdk-25-jre-headless"]]);
  const cpython = await ensurePython();
  const [node, other] = [await ownNode(), await otherNode("22.23.3", otherNodeIntegrity)];
  const java = javaOf(jre);
  const goBinary = await goProgram("hold.go", "exe");
  const release = readFileSync(join(base.root, "usr/lib/os-release"), "utf8");
  return {
    layers: {
      base: await layerOf(baseEntries(base)),
      debianRelease: await layerOf([
        text("usr/lib/os-release", release),
        symlink("etc/os-release", "../usr/lib/os-release"),
      ]),
      debianReleaseInUsr: await layerOf([text("usr/lib/os-release", release)]),
      rhelRelease: await layerOf([text("etc/os-release", rhelRelease)]),
      programs: await layerOf([
        copy("app/hold.js", join(programs, "hold.js")),
        copy("app/hold.py", join(programs, "hold.py")),
        // Its shebang names the interpreter, so that the process is called "serve".
        copy("app/serve", join(programs, "hold.py"), 0o755),
      ]),
      node: await layerOf([copy("usr/local/bin/node", node.file, 0o755), hardlink("srv/server", "usr/local/bin/node")]),
      otherNode: await layerOf([copy("opt/node/bin/node", other.file, 0o755)]),
      java: await layerOf([...java.entries, copy("app/Hold.class", await compileJava(jre, java.home))]),
      python: await layerOf(cpython.entries),
      go: await layerOf([copy("catalog", goBinary, 0o755)]),
      goPie: await layerOf([copy("usr/local/bin/gateway", await goProgram("hold.go", "pie"), 0o755)]),
      decoys: await layerOf([
        copy("usr/local/bin/node", await goProgram("decoy.go", "exe"), 0o755),
        copy("usr/local/bin/java", join(programs, "decoy.sh"), 0o755),
      ]),
    },
    facts: {
      os: field(release, "ID"),
      osVersion: field(release, "VERSION_ID"),
      node: node.version,
      otherNode: other.version,
      java: field(java.release, "JAVA_VERSION"),
      javaImplementer: field(java.release, "IMPLEMENTOR"),
      python: cpython.version,
      go: (await run("go", ["version", goBinary])).stdout.trim().replace(/^.*: /, ""),
    },
  };
}

const basePackages = [
  "base-files",
  "busybox-static",
  "libc6",
  "libexpat1",
  "libgcc-s1",
  "libstdc++6",
  "zlib1g",
] as const;

const otherNodeIntegrity = {
  x64: "sha512-qHnz5tFsHoj/WM+uRENVjWONi5hVvmwrgq8A4V76KpuVNAc4+jwK8x4gwbobE9BtHNg/AKR2583eYorLF/c7ng==",
  arm64: "sha512-l3DAHZreylo+p9QXDtsOrjG2JXJqVzYXnAGmIQNOUNARcMppTO2cmewVQP+36tjJnSE+dzpMNtgW+c3oiDvXtA==",
};

const rhelRelease = `NAME="Red Hat Enterprise Linux"
VERSION="9.4 (Plow)"
ID="rhel"
ID_LIKE="fedora"
VERSION_ID="9.4"
PLATFORM_ID="platform:el9"
PRETTY_NAME="Red Hat Enterprise Linux 9.4 (Plow)"
ANSI_COLOR="0;31"
CPE_NAME="cpe:/o:redhat:enterprise_linux:9::baseos"
`;

/** The value of a `KEY=value` line, without its double quotes; throws when there is none. */
export function field(content: string, key: string): string {
  const value = new RegExp(`^${key}="?([^"\\n]+)"?$`, "m").exec(content)?.[1];
  if (value === undefined) throw new Error(`no ${key} in:\n${content}`);
  return value;
}

const libraries = /^(usr\/)?lib\d*\/([^/]+\/)?(ld-linux[^/]*|lib[^/]+\.so\.[.\d]+)$/;
const applets = ["cat", "cp", "grep", "ls", "mkdir", "mkfifo", "ps", "rm", "sh", "sleep", "su"] as const;

function baseEntries({ root }: DebianFiles): Entry[] {
  return [
    ...entriesBelow(root, (path) => libraries.test(path)),
    copy("bin/busybox", join(root, "bin/busybox"), 0o755),
    ...applets.map((applet) => symlink(`bin/${applet}`, "busybox")),
    text("etc/passwd", "root:x:0:0:root:/root:/bin/sh\napp:x:1001:1001:app:/app:/bin/sh\n"),
    text("etc/group", "root:x:0:\napp:x:1001:\n"),
    folder("tmp", 0o1777),
  ];
}

interface Java {
  /** In the image, `usr/lib/jvm/java-17-openjdk-amd64`. */
  readonly home: string;
  readonly release: string;
  readonly entries: readonly Entry[];
}

/** The JRE as its package installs it, with the links that Debian's alternatives would make; without documents and symbols for compilers. */
function javaOf({ root }: DebianFiles): Java {
  const name = readdirSync(join(root, "usr/lib/jvm")).find((one) => /^java-\d+-openjdk-/.test(one));
  if (name === undefined) throw new Error("the Java package has no folder below /usr/lib/jvm");
  const home = `usr/lib/jvm/${name}`;
  const leftOut = /\/(legal|man|docs)(\/|$)|\/ct\.sym$|\/classes_nocoops\.jsa$|\/src\.zip$/;
  return {
    home,
    release: readFileSync(join(root, home, "release"), "utf8"),
    entries: [
      ...entriesBelow(root, (path) => /^(usr\/lib\/jvm|etc\/java-)/.test(path) && !leftOut.test(path)),
      symlink("usr/bin/java", "/etc/alternatives/java"),
      symlink("etc/alternatives/java", `/${home}/bin/java`),
    ],
  };
}

/** Hold.class, compiled by the packaged Java itself, which has the compiler's module but not its launcher. */
async function compileJava({ root }: DebianFiles, home: string): Promise<string> {
  const source = join(programs, "Hold.java");
  const key = createHash("sha256").update(readFileSync(source)).update(home).digest("hex").slice(0, 16);
  const target = join(cacheDir("java"), `${key}-Hold.class`);
  if (existsSync(target)) return target;
  const work = mkdtempSync(join(cacheDir("java"), "compile-"));
  try {
    // The package's configuration lies in /etc, where this machine may have another Java's or none.
    await run("cp", ["-al", join(root, home), join(work, "jre")]);
    for (const entry of entriesBelow(join(work, "jre"), (path) => !path.startsWith("legal/"))) {
      if (entry.kind !== "symlink" || !entry.target.startsWith("/")) continue;
      rmSync(join(work, "jre", entry.path));
      if (existsSync(join(root, entry.target))) cpSync(join(root, entry.target), join(work, "jre", entry.path));
    }
    copyFileSync(source, join(work, basename(source)));
    const compiler = [
      "-m",
      "jdk.compiler/com.sun.tools.javac.Main",
      "-g:none",
      "-d",
      work,
      join(work, basename(source)),
    ];
    await run(join(work, "jre/bin/java"), compiler);
    renameSync(join(work, "Hold.class"), target);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return target;
}

interface Python {
  /** As `python3 --version` prints it. */
  readonly version: string;
  readonly entries: readonly Entry[];
}

async function ensurePython(): Promise<Python> {
  const minors = ["3.11", "3.13", "3.12"] as const;
  const [first, ...others] = minors.map((minor) => `python${minor}-minimal`);
  const [firstLib, ...otherLibs] = minors.map((minor) => `libpython${minor}-minimal`);
  if (first === undefined || firstLib === undefined) throw new Error("no Python is wanted");
  const { root, versions } = await debianFiles([
    [first, ...others],
    [firstLib, ...otherLibs],
  ]);
  const [name, packaged] = Object.entries(versions).find(([one]) => one.startsWith("python")) ?? ["", ""];
  const version = /^\d+\.\d+\.\d+/.exec(packaged)?.[0];
  if (version === undefined)
    throw new Error(`the version of Debian package ${name} begins with no Python version: ${packaged}`);
  return {
    version: `Python ${version}`,
    entries: [
      ...entriesBelow(root, (path) => /^usr\/(bin|lib)\//.test(path)),
      symlink("usr/bin/python3", name.replace(/-minimal$/, "")),
    ],
  };
}

/** A stripped Go program without cgo; built once per source, way of linking and compiler. */
async function goProgram(source: string, buildMode: "exe" | "pie"): Promise<string> {
  const path = join(programs, source);
  const { stdout } = await run("go", ["env", "GOVERSION", "GOARCH"]);
  const key = createHash("sha256")
    .update(`${stdout}${buildMode}`)
    .update(readFileSync(path))
    .digest("hex")
    .slice(0, 16);
  const target = join(cacheDir("go-samples"), `${key}-${basename(source, ".go")}`);
  if (existsSync(target)) return target;
  const partial = `${target}.${process.pid}`;
  const args = ["build", "-trimpath", `-buildmode=${buildMode}`, "-ldflags", "-s -w", "-o", partial, path];
  await run("go", args, { env: { ...process.env, CGO_ENABLED: "0", GOFLAGS: "", GOWORK: "off" } });
  renameSync(partial, target);
  return target;
}
