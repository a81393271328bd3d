/** Root folders for containers, each with one real runtime and the libraries it needs, kept in the build cache. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import {
  appendFileSync,
  chmodSync,
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { versionBeside } from "../../e2e/samples/java/ground.ts";
import { ensureProducts } from "../../e2e/samples/java/maven.ts";
import { field } from "../../e2e/samples/runtimes.ts";
import { cacheDir } from "../cache.ts";
import { removeUnused, wasUsed } from "../images/unused.ts";

const run = promisify(execFile);
const samples = join(import.meta.dirname, "samples");

/** What a container runs. */
export const kinds = ["shell", "node", "java", "go", "python", "framework", "large", "heavy"] as const;
export type Kind = (typeof kinds)[number];

/** The command of a container of that kind; it does nothing until it is ended. */
export const commands: Readonly<Record<Kind, readonly string[]>> = {
  shell: ["/bin/sh", "-c", "read -r line < /hold"],
  node: ["/usr/local/bin/node", "-e", "setInterval(() => {}, 1e9)"],
  java: ["/usr/bin/java", "-Xmx16m", "-XX:+UseSerialGC", "-cp", "/app", "Hold"],
  go: ["/app/server"],
  python: ["/usr/bin/python3", "-c", "import time\nwhile True: time.sleep(1e6)"],
  framework: ["/usr/bin/java", "-Xmx64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-jar", "/app/app.jar"],
  large: ["/app/large", "-e", "setInterval(() => {}, 1e9)"],
  heavy: [...["/usr/bin/java", "-Xmx16m", "-XX:+UseSerialGC", "-cp", "/app:/app/lib/*", "Wide"], ...padding()],
};

/** Variables of that kind besides the path. */
export const variables = (kind: Kind): string[] =>
  kind === "heavy" ? padding().map((text, index) => `PADDING_${index}=${text}`) : [];

/** 100 kB that mean nothing. */
function padding(): string[] {
  return Array.from({ length: 100 }, (_, index) => `${index}`.padEnd(1000, "x"));
}

export interface Roots {
  /** The root folder of each kind. */
  readonly roots: Readonly<Record<Kind, string>>;
  /** What must be said of each kind; see `toldAs`. */
  readonly told: Readonly<Record<Kind, string>>;
}

/** Builds the root folders that are missing. */
export async function ensureRoots(): Promise<Roots> {
  const javaHome = dirname(dirname(await programOnPath("java", "default-jdk-headless")));
  await programOnPath("go", "golang-go");
  const python = realpathSync("/usr/bin/python3");
  const springBoot = (await ensureProducts())("spring-boot");
  const jar = join(springBoot, "app.jar");
  const inputs = [
    process.version,
    javaHome,
    readFileSync(join(javaHome, "release"), "utf8"),
    python,
    jar,
    readFileSync(import.meta.filename, "utf8"),
    readFileSync(join(samples, "hold.go"), "utf8"),
    readFileSync(join(samples, "Hold.java"), "utf8"),
    readFileSync(join(samples, "Wide.java"), "utf8"),
  ];
  const key = createHash("sha256").update(inputs.join("\0")).digest("hex").slice(0, 16);
  removeUnused(cacheDir("bench", "roots"), Date.now());
  const dir = cacheDir("bench", "roots", key);
  wasUsed(dir);
  const build: Readonly<Record<Kind, (root: string) => Promise<void>>> = {
    shell: async () => {},
    node: async (root) => addProgram(root, process.execPath, "/usr/local/bin/node"),
    java: async (root) => addJava(root, javaHome),
    python: async (root) => {
      await addProgram(root, python, "/usr/bin/python3");
      const library = `/usr/lib/${basename(python)}`;
      cpSync(library, join(root, library), { recursive: true });
    },
    framework: async (root) => {
      await addJava(root, javaHome);
      cpSync(jar, join(root, "app/app.jar"));
    },
    large: async (root) => addLarge(root),
    heavy: async (root) => addHeavy(root, javaHome),
    go: async (root) => {
      const output = join(root, "app/server");
      await run("go", ["build", "-trimpath", "-ldflags", "-s -w", "-o", output, join(samples, "hold.go")], {
        env: { ...process.env, CGO_ENABLED: "0" },
      });
    },
  };
  for (const kind of kinds) {
    if (existsSync(join(dir, kind))) continue;
    const partial = join(dir, `.${kind}.partial`);
    rmSync(partial, { recursive: true, force: true });
    await addBase(partial);
    await build[kind](partial);
    renameSync(partial, join(dir, kind));
  }
  const place = (kind: Kind) => join(dir, kind);
  const roots = {
    shell: place("shell"),
    node: place("node"),
    java: place("java"),
    go: place("go"),
    python: place("python"),
    framework: place("framework"),
    large: place("large"),
    heavy: place("heavy"),
  };
  return { roots, told: await tellings(roots, javaHome, join(springBoot, "extracted/lib")) };
}

/** By what the products themselves say. */
async function tellings(roots: Roots["roots"], javaHome: string, springLibraries: string): Promise<Roots["told"]> {
  const system = readFileSync(join(roots.shell, "usr/lib/os-release"), "utf8");
  const os = `${field(system, "ID")} ${field(system, "VERSION_ID")}`;
  const java = `${os}; Java ${field(readFileSync(join(roots.java, javaHome, "release"), "utf8"), "JAVA_VERSION")}`;
  const go = (await run("go", ["version", join(roots.go, "app/server")])).stdout.trim().replace(/^.*: /, "");
  const python = (await run("/usr/bin/python3", ["--version"])).stdout.trim();
  const framework = `${java}; Spring Boot ${versionBeside(springLibraries, "spring-boot")}`;
  return {
    shell: os,
    node: `${os}; Node.js ${process.version}`,
    java,
    go: `${os}; Golang ${go}`,
    python: `${os}; Python ${python}`,
    framework,
    large: `${os}; C/C++`,
    // Its class path holds the same archive a hundred times.
    heavy: framework,
  };
}

/** Where a program is; one that is missing is an error with the command that helps. */
export async function programOnPath(name: string, debianPackage: string): Promise<string> {
  const found = await run("sh", ["-c", `command -v ${name}`]).catch(() => undefined);
  if (found === undefined) {
    throw new Error(`${name} is missing, and the benchmark needs it: apt-get install ${debianPackage}`);
  }
  return realpathSync(found.stdout.trim());
}

/** The folders of any image, a shell, and os-release where Debian has it. */
async function addBase(root: string): Promise<void> {
  for (const folder of ["app", "dev", "etc", "proc", "sys", "tmp", "usr/lib"]) {
    mkdirSync(join(root, folder), { recursive: true });
  }
  // runc gives a tmpfs the mode of the folder below it.
  chmodSync(join(root, "tmp"), 0o1777);
  cpSync(realpathSync("/etc/os-release"), join(root, "usr/lib/os-release"));
  symlinkSync("../usr/lib/os-release", join(root, "etc/os-release"));
  await addProgram(root, realpathSync("/bin/sh"), "/bin/sh");
  await run("mkfifo", ["-m", "644", join(root, "hold")]);
}

async function addProgram(root: string, source: string, target: string): Promise<void> {
  cpSync(source, join(root, target), { recursive: true });
  await addLibraries(root, source);
}

/** Copies the shared libraries of a program to where it looks for them. */
async function addLibraries(root: string, program: string): Promise<void> {
  const { stdout } = await run("ldd", [program]).catch(() => ({ stdout: "" }));
  for (const [, path] of stdout.matchAll(/(\/\S+) \(0x/g)) {
    if (path?.startsWith("/lib")) cpSync(realpathSync(path), join(root, path), { recursive: true });
  }
}

async function addJava(root: string, home: string): Promise<void> {
  const target = join(root, home);
  mkdirSync(join(target, "bin"), { recursive: true });
  for (const part of ["bin/java", "lib", "conf", "release"]) {
    // Debian's folder has links to configuration outside of it, some of them dangling.
    await run("sh", [
      "-c",
      `tar -C "$1" -ch --exclude=src.zip --ignore-failed-read "$2" 2>/dev/null | tar -C "$3" -x`,
      "sh",
      home,
      part,
      target,
    ]);
  }
  for (const program of ["bin/java", "lib/server/libjvm.so", "lib/libjava.so"])
    await addLibraries(root, join(home, program));
  mkdirSync(join(root, "usr/bin"), { recursive: true });
  symlinkSync(join(home, "bin/java"), join(root, "usr/bin/java"));
  await run("javac", ["-d", join(root, "app"), join(samples, "Hold.java")]);
}

/** Node.js in which no version stands where, or as, it does in Node.js: the whole file has to be searched. */
async function addLarge(root: string): Promise<void> {
  await addProgram(root, process.execPath, "/app/large");
  const bytes = readFileSync(join(root, "app/large"));
  for (let at = bytes.indexOf("node.js/v"); at !== -1; at = bytes.indexOf("node.js/v", at + 1))
    bytes.write("xxxx.js/v", at);
  writeFileSync(join(root, "app/large"), bytes);
}

/** All that is read of a container a hundred times as large: os-release, release file, class path, memory map. */
async function addHeavy(root: string, javaHome: string): Promise<void> {
  await addJava(root, javaHome);
  const comments = "# nothing is said here\n".repeat(20_000);
  for (const path of ["usr/lib/os-release", join(javaHome, "release").slice(1)]) {
    appendFileSync(join(root, path), comments);
  }
  const library = join(root, "app/lib");
  mkdirSync(library);
  const jar = join(library, "library-0.jar");
  cpSync(join((await ensureProducts())("spring-boot"), "app.jar"), jar);
  for (let number = 1; number < 100; number++) linkSync(jar, join(library, `library-${number}.jar`));
  await run("javac", ["-d", join(root, "app"), join(samples, "Wide.java")]);
}
