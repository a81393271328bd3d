/**
 * The version stands in package.json; the other files that name it follow. `node hack/release/versions.ts --check` says which do not (exit
 * code 1), without `--check` it writes them. Needs nothing; leaves nothing else.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { z } from "zod";
import type { Files } from "../bundle/files.ts";
import { cloneDir } from "../cache.ts";
import { readChangelog } from "./changelog.ts";

const workspaceFile = "extractor/Cargo.toml";
const lockFiles = ["extractor/Cargo.lock", "extractor/fuzz/Cargo.lock"];
const proxyPin = "hack/cluster/tools/kube-rbac-proxy/go.mod";

/** The files that name the version or must agree with each other on that of kube-rbac-proxy. */
export function readVersionFiles(root = cloneDir): Files {
  const manifests = readdirSync(join(root, "manifests"), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".yaml"))
    .map((path) => `manifests/${path}`)
    .sort();
  const paths = [
    "package.json",
    "package-lock.json",
    workspaceFile,
    ...lockFiles,
    ...manifests,
    "CHANGELOG.md",
    proxyPin,
  ];
  return new Map(paths.map((path) => [path, readFileSync(join(root, path), "utf8")]));
}

/** What package.json says. */
export function versionOf(files: Files): string {
  return z.looseObject({ version: z.string() }).parse(JSON.parse(files.get("package.json") ?? "")).version;
}

/** The files whose text changes when the version becomes this one. The changelog is no part of it: its words are a person's. */
export function withVersion(files: Files, version: string): Files {
  const members = workspaceMembers(files.get(workspaceFile) ?? "");
  const changed = new Map<string, string>();
  for (const [path, text] of files) {
    const written = edit(path, text, version, members);
    if (written !== text) changed.set(path, written);
  }
  return changed;
}

function edit(path: string, text: string, version: string, members: readonly string[]): string {
  if (path === "package.json") return text.replace(/^( {2}"version": ")[^"]*/m, `$1${version}`);
  if (path === "package-lock.json")
    // Its own version comes twice, before any package's.
    return text
      .replace(/^( {2}"version": ")[^"]*/m, `$1${version}`)
      .replace(/^( {4}"": \{\n {6}"name": "[^"]*",\n {6}"version": ")[^"]*/m, `$1${version}`);
  if (path === workspaceFile)
    return text.replace(/^(\[workspace\.package\]\n(?:(?!\[).*\n)*?version = ")[^"]*/m, `$1${version}`);
  if (lockFiles.includes(path))
    return members.reduce(
      (all, name) => all.replace(new RegExp(`^(name = "${name}"\\nversion = ")[^"]*`, "m"), `$1${version}`),
      text,
    );
  if (path.startsWith("manifests/")) return text.replaceAll(ownImage, `$1${version}`);
  return text;
}

/** Our images as manifests name them; kube-rbac-proxy's tag is upstream's. */
const ownImage = /(\blocalhost\/runtime-insights-[a-z-]+:)[\w.-]+/g;

/** Crates are named as their folders. */
function workspaceMembers(text: string): readonly string[] {
  const list = /^members = \[([^\]]*)\]/m.exec(text)?.[1] ?? "";
  return [...list.matchAll(/"([^"]+)"/g)].map(([, name = ""]) => name);
}

/** One sentence per file that disagrees. */
export function versionProblems(files: Files): readonly string[] {
  const version = versionOf(files);
  const behind = [...withVersion(files, version).keys()].map(
    (path) => `${path} names another version than package.json, ${version}: run npm run lint -- --fix`,
  );
  const proxy = /kube-rbac-proxy (v\S+)/.exec(files.get(proxyPin) ?? "")?.[1] ?? "";
  const tags = [...files].flatMap(([path, text]) =>
    [...text.matchAll(/\blocalhost\/kube-rbac-proxy:([\w.-]+)/g)].map(([, tag]) => ({ path, tag })),
  );
  const otherProxies = [...new Set(tags.filter(({ tag }) => tag !== proxy).map(({ path }) => path))].map(
    (path) => `${path} names another kube-rbac-proxy than ${proxyPin}, ${proxy}`,
  );
  const changelog = readChangelog(files.get("CHANGELOG.md") ?? "");
  const untold =
    changelog.kind === "read" && changelog.sections.some((section) => section.version === version)
      ? []
      : [`CHANGELOG.md has no section for ${version}, which package.json names`];
  return [...behind, ...otherProxies, ...(changelog.kind === "malformed" ? [changelog.problem] : untold)];
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { check: { type: "boolean", default: false } } });
  const files = readVersionFiles();
  if (!values.check)
    for (const [path, text] of withVersion(files, versionOf(files))) writeFileSync(join(cloneDir, path), text);
  const problems = versionProblems(values.check ? files : readVersionFiles());
  for (const problem of problems) console.error(problem);
  process.exitCode = problems.length === 0 ? 0 : 1;
}
