/**
 * `npm run release` as a person runs it, in a clone that the test makes of this one's files; what it writes is looked at by itself
 * (hack/release/check.ts).
 */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { load, loadAll } from "js-yaml";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import { packageVersion } from "../../hack/build.ts";
import { bundleFiles } from "../../hack/bundle/bundle.ts";
import { renderBundle } from "../../hack/bundle/catalogue.ts";
import { filesBelow } from "../../hack/bundle/files.ts";
import { cacheDir, cloneDir } from "../../hack/cache.ts";
import { ensureBinaries } from "../../hack/cluster/binaries.ts";
import { waitFor } from "../../hack/kubectl.ts";
import { recordPaths, writeRecord } from "../../hack/release/record.ts";
import { type Registry, startRegistry } from "../images/registry.ts";

/** Of which the programs are built already; how another one is written, the dry run shows. */
const version = packageVersion;
const [earliest, earlier] = ["0.0.1", "0.0.2"];
let registry: Registry;
let prefix = "";
const marks: string[] = [];
const parent = mkdtempSync(join(tmpdir(), "runtime-insights-release-"));
test.after(async () => {
  await registry?.stop();
  for (const mark of marks) rmSync(mark, { force: true });
  rmSync(parent, { recursive: true, force: true });
});
const clone = join(parent, "clone");
const made = join(clone, "release", version);

const digestsSchema = z.object({ images: z.record(z.string(), z.object({ digest: z.string(), pinned: z.string() })) });
function git(...args: readonly string[]): string {
  const who = ["-c", "user.name=test", "-c", "user.email=test@localhost"];
  const env = { ...process.env, GIT_COMMITTER_DATE: "2026-03-04T23:30:00-05:00" };
  const { status, stdout, stderr } = spawnSync("git", [...who, ...args], { cwd: clone, env, encoding: "utf8" });
  if (status !== 0) throw new Error(`git ${args.join(" ")}: ${stderr}`);
  return stdout;
}

const release = (...args: readonly string[]) => script("hack/release/cli.ts", ...args);

async function script(...args: readonly string[]) {
  const child = spawn("sh", ["hack/run.sh", ...args], { cwd: clone, stdio: ["ignore", "pipe", "pipe"] });
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { code: await ended, stdout, stderr };
}

/** Of these commits, wherever the committer is. */
const date = "2026-03-05";

/** But for those that bills of materials are found by. */
async function tagsOf(name: string): Promise<readonly string[]> {
  const crane = join(await ensureBinaries(["crane"], () => undefined), "crane");
  const tags = execFileSync(crane, ["ls", `${prefix}/${name}`], { encoding: "utf8" })
    .trim()
    .split("\n");
  return tags.filter((tag) => !tag.startsWith("sha256-")).sort();
}

/** Every file of the release with its bytes. */
const contents = (): ReadonlyMap<string, string> =>
  new Map(filesBelow(made).map((file) => [file, readFileSync(join(made, file)).toString("base64")]));

test("a registry, and a clone of the files as they are now, in which two older versions are released", async () => {
  registry = await startRegistry("open");
  prefix = `${registry.host}/team`;
  mkdirSync(clone);
  const files = spawnSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], { cwd: cloneDir });
  const names = files.stdout
    .toString("utf8")
    .split("\0")
    .filter((file) => file !== "" && existsSync(join(cloneDir, file)));
  const copied = spawnSync("cp", ["--parents", "--no-dereference", "--preserve=mode", "-t", clone, ...names], {
    cwd: cloneDir,
    encoding: "utf8",
  });
  assert.is(copied.status, 0, copied.stderr);
  const packages = spawnSync("cp", ["-al", join(cloneDir, "node_modules"), clone]);
  if (packages.status !== 0) assert.is(spawnSync("cp", ["-a", join(cloneDir, "node_modules"), clone]).status, 0);
  const bundle = `sha256:${"a".repeat(64)}`;
  const entries = [
    { version: earliest, channel: "stable" },
    { version: earlier, channel: "candidate" },
  ] as const;
  const releases = entries.map((entry) => ({ ...entry, date: "2026-01-02", registry: prefix, bundle }));
  for (const entry of entries) {
    const files = bundleFiles({ version: entry.version });
    const image = `${prefix}/runtime-insights-bundle@${bundle}`;
    writeRecord(clone, releases, entry.version, await renderBundle({ files, image }));
  }
  writeFileSync(join(clone, "CHANGELOG.md"), "# Changelog\n\n## 0.1.0 (not released)\n\n- What is new.\n");
  git("init", "--quiet");
  git("add", "--all");
  git("commit", "--quiet", "--message", "As it is");
});

test("what is not committed is named, and nothing is built or changed", async () => {
  writeFileSync(join(clone, "stray.txt"), "");
  appendFileSync(join(clone, "README.md"), "More.\n");
  const { code, stderr } = await release(version, "--tests", "none");
  assert.is(code, 1);
  assert.match(
    stderr,
    /these files are not committed, and a release is made from commits:\n {2}README\.md\n {2}stray\.txt\n$/,
  );
  assert.is(git("status", "--porcelain"), " M README.md\n?? stray.txt\n");
  rmSync(join(clone, "stray.txt"));
  git("checkout", "README.md");
});

test("a changelog that says nothing is refused", async () => {
  writeFileSync(join(clone, "CHANGELOG.md"), "# Changelog\n\n## 0.1.0 (not released)\n");
  git("commit", "--all", "--quiet", "--message", "Nothing to tell");
  const { code, stderr } = await release(version, "--tests", "none");
  assert.is(code, 1);
  assert.match(stderr, "CHANGELOG.md's section of 0.1.0 is empty");
  git("reset", "--quiet", "--hard", "HEAD^");
});

test("a registry that is not there is said before anything is built", async () => {
  const { code, stderr } = await release(version, "--push", "--registry", "127.0.0.1:9");
  assert.is(code, 1);
  assert.match(
    stderr,
    /asking the registry for 127\.0\.0\.1:9\/runtime-insights-bundle:\S+: 127\.0\.0\.1:9 cannot be reached/,
  );
  assert.not.match(stderr, "Preparing");
});

test("a dry run says what would change, and changes nothing", async () => {
  const { code, stdout, stderr } = await release("98.7.6", "--dry-run", "--registry", prefix);
  assert.is(code, 0, stderr);
  assert.is(
    stdout,
    [
      `Would release 98.7.6 in channel candidate, with images below ${prefix}; tests: all.`,
      "Channels: stable (1), candidate (3)",
      "Files of the clone that would change:",
      "  CHANGELOG.md",
      "  bundle/manifests/runtime-insights.clusterserviceversion.yaml",
      ...["extractor/Cargo.lock", "extractor/Cargo.toml", "extractor/fuzz/Cargo.lock"].map((file) => `  ${file}`),
      ...["manifests/30-operator.yaml", "manifests/standalone/daemonset.yaml"].map((file) => `  ${file}`),
      "  package-lock.json",
      "  package.json\n",
    ].join("\n"),
  );
  assert.is(git("status", "--porcelain"), "");
  assert.not(existsSync(made));
});

test("a released version moves to stable: a catalogue is pushed, nothing else, and the record says so", async () => {
  const { code, stdout, stderr } = await release(earlier, "--push", "--channel", "stable");
  assert.is(code, 0, stderr);
  assert.match(
    stdout,
    new RegExp(
      `^0\\.0\\.2 is in channel stable, of catalogue ${prefix}/runtime-insights-catalogue@sha256:[0-9a-f]{64}\\.`,
    ),
  );
  assert.is(git("status", "--porcelain"), " M hack/release/releases.yaml\n");
  const before = /version: 0\.0\.2\n.*\n +channel: (\w+)/;
  assert.is(before.exec(readFileSync(join(clone, "hack/release/releases.yaml"), "utf8"))?.[1], "stable");
  const written = (await registry.requests()).filter((request) => /^(PUT|POST|PATCH) /.test(request));
  assert.ok(written.length > 0);
  assert.equal(
    written.filter((request) => !request.includes(" /v2/team/runtime-insights-catalogue/")),
    [],
  );
  const [, short = ""] = /runtime-insights-catalogue@sha256:([0-9a-f]{12})/.exec(stdout) ?? [];
  assert.equal(await tagsOf("runtime-insights-catalogue"), [earlier, `${earlier}-${short}`]);
  const crane = join(await ensureBinaries(["crane"], () => undefined), "crane");
  const image = `${prefix}/runtime-insights-catalogue:${earlier}`;
  const show = `${crane} export ${image} - | tar --extract --to-stdout configs/runtime-insights/catalog.yaml`;
  const { status, stdout: catalogue, stderr: problem } = spawnSync("sh", ["-c", show], { encoding: "utf8" });
  assert.is(status, 0, problem);
  const stable = loadAll(catalogue).find((one) =>
    /"name":"stable".*"olm.channel"|"olm.channel".*"name":"stable"/.test(JSON.stringify(one)),
  );
  assert.match(
    JSON.stringify(stable),
    `"name":"runtime-insights.v${earlier}","replaces":"runtime-insights.v${earliest}"`,
  );
  git("checkout", "--", ".");
});

/** What works in that folder or below it. */
const workingIn = (dir: string): readonly string[] =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readlinkSync(`/proc/${pid}/cwd`).startsWith(dir);
      } catch {
        return false;
      }
    });

test("killed while it builds, it ends with all that works for it, and the clone is as it was", async () => {
  const stage = join(clone, "release/.stage");
  const args = ["hack/release/cli.ts", version, "--registry", prefix, "--tests", "none"];
  const child = spawn(process.execPath, args, { cwd: clone, stdio: ["ignore", "ignore", "pipe"] });
  const ended = new Promise((resolve) => child.on("close", resolve));
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said += chunk.toString("utf8");
  });
  await waitFor("the build", async () => /Bundles/.test(said) || undefined, { timeoutMs: 300_000, everyMs: 20 });
  assert.ok(workingIn(stage).length > 0);
  child.kill("SIGKILL");
  await ended;
  await waitFor("its programs' end", async () => workingIn(stage).length === 0 || undefined, { timeoutMs: 20_000 });
  assert.not(existsSync(made));
  assert.is(git("status", "--porcelain"), "");
});

let first: ReadonlyMap<string, string> = new Map();

test("a release: files in its folder, the version in the clone, and nothing committed or tagged", async () => {
  const { code, stdout, stderr } = await release(version, "--registry", prefix, "--tests", "none");
  assert.is(code, 0, stderr);
  assert.match(stdout, "git commit");
  assert.match(stdout, `git tag --annotate v${version}`);
  first = contents();
  for (const file of [
    "runtime-insights.yaml",
    "crds.yaml",
    "standalone.yaml",
    "digests.json",
    "release-notes.md",
    "SHA256SUMS",
  ])
    assert.ok(first.has(file), file);
  assert.is(git("status", "--porcelain"), " M CHANGELOG.md\n");
  const told = readFileSync(join(clone, "CHANGELOG.md"), "utf8");
  assert.is(told, `# Changelog\n\n## ${version} (${date})\n\n- What is new.\n`);
  assert.is(git("tag"), "");
  assert.is(git("log", "--oneline").trim().split("\n").length, 1);
});

test("its sums are right, and every file is in them", () => {
  const { status, stdout } = spawnSync("sha256sum", ["--check", "--quiet", "--strict", "SHA256SUMS"], {
    cwd: made,
    encoding: "utf8",
  });
  assert.is(status, 0, stdout);
  const summed = readFileSync(join(made, "SHA256SUMS"), "utf8")
    .trim()
    .split("\n")
    .map((line) => line.slice(66));
  assert.equal([...summed, "SHA256SUMS"].sort(), [...first.keys()].sort());
});

test("the images of the layout, the bundle, the catalogue and the file for kubectl name each other by digest", () => {
  const { images } = digestsSchema.parse(JSON.parse(readFileSync(join(made, "digests.json"), "utf8")));
  assert.equal(Object.keys(images), [
    ...["kube-rbac-proxy", "runtime-insights-bundle", "runtime-insights-catalogue"],
    ...["runtime-insights-node", "runtime-insights-operator"],
  ]);
  const index = z
    .object({ manifests: z.array(z.object({ digest: z.string() })) })
    .parse(JSON.parse(readFileSync(join(made, "images/index.json"), "utf8")));
  assert.equal(
    index.manifests.map(({ digest }) => digest).sort(),
    Object.values(images)
      .map(({ digest }) => digest)
      .sort(),
  );
  const csv = z
    .object({
      metadata: z.object({ annotations: z.object({ containerImage: z.string(), createdAt: z.string() }) }),
      spec: z.object({ version: z.string(), relatedImages: z.array(z.object({ image: z.string() })) }),
    })
    .parse(load(readFileSync(join(made, "bundle/manifests/runtime-insights.clusterserviceversion.yaml"), "utf8")));
  const operands = ["runtime-insights-operator", "runtime-insights-node", "kube-rbac-proxy"].map(
    (name) => images[name]?.pinned,
  );
  assert.is(csv.spec.version, version);
  assert.is(csv.metadata.annotations.createdAt, `${date}T00:00:00Z`);
  assert.is(csv.metadata.annotations.containerImage, operands[0]);
  assert.equal(csv.spec.relatedImages.map(({ image }) => image).sort(), [...operands].sort());
  const catalogue = readFileSync(join(made, "catalogue/runtime-insights/catalog.yaml"), "utf8");
  assert.ok(catalogue.includes(`image: ${images["runtime-insights-bundle"]?.pinned}\n`));
  assert.ok(catalogue.includes(`replaces: runtime-insights.v${earlier}\n`));
  const applied = readFileSync(join(made, "runtime-insights.yaml"), "utf8");
  for (const operand of operands) assert.ok(applied.includes(operand ?? "no digest"));
});

/** Writes down that these sources passed all tests, which take too long here. */
function markAsTested(): void {
  const env = { ...process.env, GIT_INDEX_FILE: join(parent, "index") };
  const ask = (...args: readonly string[]) => execFileSync("git", args, { cwd: clone, env, encoding: "utf8" });
  ask("read-tree", "HEAD");
  ask("rm", "-r", "--quiet", "--cached", "--ignore-unmatch", ...recordPaths);
  const tree = ask("write-tree").trim();
  for (const name of [tree, `${tree}-checks`]) {
    const mark = join(cacheDir("tested"), name);
    writeFileSync(mark, "");
    marks.push(mark);
  }
}

test("pushed, once the changes are committed: the same bytes, and the record is what there is to commit", async () => {
  git("add", "--all");
  git("commit", "--quiet", "--message", `Release ${version}`);
  markAsTested();
  const { code, stdout, stderr } = await release(version, "--registry", prefix, "--push");
  assert.is(code, 0, stderr);
  assert.equal(
    [...contents()].filter(([file, bytes]) => first.get(file) !== bytes).map(([file]) => file),
    // They say which tests ran.
    ["SHA256SUMS", "release-notes.md"],
  );
  assert.is(contents().size, first.size);
  assert.is(git("status", "--porcelain"), ` M hack/release/releases.yaml\n?? hack/release/bundles/${version}.yaml\n`);
  assert.match(
    stdout,
    `  git add --all\n  git commit --message "Release ${version}"\n  git tag --annotate v${version}`,
  );
});

test("every digest that was pushed has a tag that never moves", async () => {
  const { images } = digestsSchema.parse(JSON.parse(readFileSync(join(made, "digests.json"), "utf8")));
  const short = images["runtime-insights-catalogue"]?.digest.slice("sha256:".length).slice(0, 12);
  assert.equal(
    (await tagsOf("runtime-insights-catalogue")).filter((tag) => tag.startsWith(version)),
    [version, `${version}-${short}`],
  );
  for (const name of ["bundle", "node", "operator"]) assert.equal(await tagsOf(`runtime-insights-${name}`), [version]);
  const [proxy = "", ...others] = await tagsOf("kube-rbac-proxy");
  assert.match(proxy, new RegExp(`^v\\d+\\.\\d+\\.\\d+-${version.replaceAll(".", "\\.")}$`));
  assert.equal(others, []);
});

test("the commands that it printed were typed: pushed once more, nothing is built and nothing sent", async () => {
  git("add", "--all");
  git("commit", "--quiet", "--message", `Release ${version}`);
  git("tag", `v${version}`);
  await registry.requests();
  for (const options of [["--unless-released"], ["--push"]]) {
    const { code, stdout, stderr } = await release(version, "--registry", prefix, ...options);
    assert.is(code, 0, stderr);
    assert.match(stdout, new RegExp(`^${version.replaceAll(".", "\\.")} .*: nothing is done\n$`));
    assert.not.match(stderr, "Preparing");
  }
  assert.equal(
    (await registry.requests()).filter((request) => !/^(HEAD|GET) /.test(request)),
    [],
  );
});

test.run();
