/** What the Maven projects beside this file build: made once, kept in the build cache, made anew when a project changes. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
import { promisify } from "node:util";
import { cacheDir } from "../../../hack/cache.ts";
import { removeUnused, wasUsed } from "../../../hack/images/unused.ts";
import { withLock } from "../../../hack/lock.ts";

const run = promisify(execFile);
const sources = join(import.meta.dirname, "projects");

export const projects = [
  "helidon",
  "hold",
  "jetty",
  "jetty-home",
  "kafka",
  "keycloak",
  "kotlin",
  "micronaut",
  "open-liberty",
  "quarkus",
  "scala",
  "spring-boot",
  "spring-boot-2",
  "spring-boot-undertow",
  "spring-boot-war",
  "spring-boot-webflux",
  "tomcat",
  "vertx",
  "wildfly",
] as const;
export type Project = (typeof projects)[number];

/** The folder that a project built into, its `target`. */
export type Products = (project: Project) => string;

let known: Promise<Products> | undefined;

/** The products of all projects; those that are missing are built, all in one run of Maven. */
export function ensureProducts(): Promise<Products> {
  known ??= findProducts();
  return known;
}

async function findProducts(): Promise<Products> {
  // One of the products, an image by jlink, holds the compiler's own Java.
  const { stdout: compiler } = await run("javac", ["-version"]);
  const place = (project: Project) => join(cacheDir("maven", "products"), keyOf(project, compiler));
  const missing = () => projects.filter((project) => !wasUsed(place(project)));
  if (missing().length > 0)
    await withLock(join(cacheDir("maven"), "lock"), console.error, async () => {
      if (missing().length > 0) await build(missing(), place);
    });
  return place;
}

/** Changes with the project's own files and with those that all have in common. */
function keyOf(project: Project, compiler: string): string {
  const hash = createHash("sha256").update(compiler);
  for (const file of ["pom.xml", ...filesBelow("spring-boot/src"), ...filesBelow(project)])
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(sources, file)))
      .update("\0");
  return `${project}-${hash.digest("hex").slice(0, 16)}`;
}

const filesBelow = (dir: string): string[] =>
  readdirSync(join(sources, dir), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(sources, join(entry.parentPath, entry.name)))
    .sort();

/** Versions are pinned in the poms; what Maven fetches it checks against the registry's checksums. */
async function build(wanted: readonly Project[], place: Products): Promise<void> {
  const work = mkdtempSync(join(cacheDir("maven"), "work-"));
  const repository = cacheDir("maven", "repository");
  try {
    cpSync(sources, work, { recursive: true });
    const flags = ["--batch-mode", "--no-transfer-progress", "--strict-checksums", "--threads", "4"];
    // A connection that is silent for a minute is given up; Maven itself would wait for half an hour.
    const properties = [`-Dmaven.repo.local=${repository}`, "-Dmaven.artifact.threads=16", "-Dmaven.wagon.rto=60000"];
    const args = [...flags, ...properties, "-pl", wanted.join(","), "package"];
    const maven = () => run("mvn", args, { cwd: work, maxBuffer: 64 * 1024 * 1024, timeout: 15 * 60_000 });
    // What was fetched before a registry stumbled is not fetched again.
    await maven()
      .catch(maven)
      .catch((cause: Error) => {
        throw new Error(`building ${wanted.join(", ")} with Maven: ${errorsOf(cause)}`, { cause });
      });
    for (const project of wanted) renameSync(join(work, project, "target"), place(project));
    dropArchives(repository);
    removeUnused(cacheDir("maven", "products"), Date.now());
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Maven says on standard output what went wrong. */
function errorsOf(cause: Error & { readonly stdout?: unknown }): string {
  const errors = String(cause.stdout ?? "").match(/^\[ERROR\].+$/gm) ?? [];
  return errors.length > 0 ? `\n${errors.slice(0, 10).join("\n")}` : cause.message;
}

/** The servers' archives, most of a gigabyte, are of no use once they are unpacked. */
function dropArchives(repository: string): void {
  for (const path of readdirSync(repository, { recursive: true, encoding: "utf8" }))
    if (path.endsWith(".zip")) rmSync(join(repository, path));
}
