/** What the workflows of the forge call must exist here: scripts, their options, kinds of tests, files. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { load } from "js-yaml";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import { cloneDir } from "../cache.ts";

const folder = join(cloneDir, ".github/workflows");
const names = readdirSync(folder);
const stepSchema = z.looseObject({ run: z.string().optional(), uses: z.string().optional() });
const workflowSchema = z.looseObject({
  permissions: z.record(z.string(), z.string()),
  jobs: z.record(z.string(), z.looseObject({ steps: z.array(stepSchema), permissions: z.unknown().optional() })),
});
const { scripts } = z
  .object({ scripts: z.record(z.string(), z.string()) })
  .parse(JSON.parse(readFileSync(join(cloneDir, "package.json"), "utf8")));

/** The script that an npm script runs. */
const fileOf = (script: string): string => /hack\/run\.sh (\S+\.ts)/.exec(script)?.[1] ?? "";
const source = (file: string): string => readFileSync(join(cloneDir, file), "utf8");
const options = (text: string): string[] => [...text.matchAll(/(?<=\s)--([a-z][\w-]*)/g)].map(([, name = ""]) => name);

/** What is wrong with one command line of a step. */
function faults(command: string): readonly string[] {
  const [, call = "", name = "", rest = ""] = /\bnpm (run |)(?:-s )?([\w:]+)(.*)/.exec(command) ?? [];
  const file = /\bsh hack\/run\.sh (\S+\.ts)(.*)/.exec(command);
  const path = /\bsh (\.?[\w./-]+\.sh)\b/.exec(command)?.[1];
  const lacking = [];
  if (path !== undefined && !existsSync(join(cloneDir, path))) lacking.push(`no file ${path}`);
  if (file?.[1] !== undefined && !existsSync(join(cloneDir, file[1]))) lacking.push(`no file ${file[1]}`);
  const tests = /\bsh hack\/run\.sh --tool uvu (\S+)/.exec(command)?.[1];
  if (tests !== undefined && !existsSync(join(cloneDir, tests))) lacking.push(`no folder ${tests}`);
  if (name === "") return lacking;
  const script = scripts[name];
  if (script === undefined) return [...lacking, `no npm script ${name}`];
  if (call === "" && name !== "test") lacking.push(`npm ${name} is no command of ours`);
  const text = source(fileOf(script));
  for (const option of options(rest.replace(/^.*? -- /, " ")))
    if (!new RegExp(`["\\s]${option}"?: \\{ type: `).test(text)) lacking.push(`${name} has no option --${option}`);
  const kinds = /const kinds = \[(.*?)\]/.exec(text)?.[1] ?? "";
  if (name === "test")
    for (const kind of rest
      .replace(/^ --/, "")
      .trim()
      .split(" ")
      .filter((word) => word !== ""))
      if (!kinds.includes(`"${kind}"`)) lacking.push(`npm test has no kind ${kind}`);
  return lacking;
}

for (const [command, expected] of [
  ["npm run nothing", ["no npm script nothing"]],
  ["npm run release -- 1.2.3 --frobnicate", ["release has no option --frobnicate"]],
  ["npm run release -- 1.2.3 --push", []],
  ["npm test -- checks everything", ["npm test has no kind everything"]],
  ["npm test", []],
  ["sh .github/nothing.sh", ["no file .github/nothing.sh"]],
  ["sh hack/run.sh hack/nothing.ts", ["no file hack/nothing.ts"]],
  ["sh hack/run.sh --tool uvu e2e/nothing", ["no folder e2e/nothing"]],
] as const)
  test(`this test tells: ${command}`, () => {
    assert.equal(faults(command), expected);
  });

test("there are workflows", () => {
  assert.equal(names.sort(), ["ci.yaml", "release.yaml"]);
});

for (const name of names) {
  const text = readFileSync(join(folder, name), "utf8");
  const { permissions, jobs } = workflowSchema.parse(load(text));
  const steps = Object.values(jobs).flatMap((job) => job.steps);

  test(`${name}: every command is there`, () => {
    const lines = steps.flatMap(({ run = "" }) => run.split(/\n|&&/));
    assert.ok(lines.some((line) => line.includes("npm ")));
    assert.equal(lines.flatMap(faults), []);
  });

  test(`${name}: may read the sources and nothing else`, () => {
    assert.equal(permissions, { contents: "read" });
    for (const job of Object.values(jobs)) assert.is(job.permissions, undefined);
  });

  test(`${name}: actions are the forge's own, each by commit and with its version told`, () => {
    const uses = [...text.matchAll(/uses: (.*)/g)].map(([, what = ""]) => what);
    assert.is(uses.length, steps.filter((step) => step.uses !== undefined).length);
    for (const what of uses) assert.match(what, /^actions\/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
  });

  test(`${name}: what comes from outside reaches a shell as a variable only`, () => {
    for (const { run = "" } of steps) assert.not.match(run, /\$\{\{/);
  });

  test(`${name}: names no registry`, () => {
    assert.not.match(text, /\b(ghcr|quay|docker|gcr|registry)\.(io|com|dev)\b/);
  });
}

/** The calls of npm that the release workflow makes, as it would with that environment, and `login` where it writes one. */
function called(environment: Readonly<Record<string, string>>): readonly string[] {
  const dir = mkdtempSync(join(tmpdir(), "workflow-"));
  try {
    writeFileSync(join(dir, "npm"), '#!/bin/sh\necho "npm $*"\n', { mode: 0o755 });
    const { jobs } = workflowSchema.parse(load(readFileSync(join(folder, "release.yaml"), "utf8")));
    const steps = Object.values(jobs).flatMap((job) => job.steps);
    return steps.flatMap(({ run = "" }) => {
      if (run.includes(".docker")) return ["login"];
      if (!run.includes("npm ")) return [];
      const env = { ...environment, PATH: `${dir}:/usr/bin:/bin` };
      const { status, stdout, stderr } = spawnSync("sh", ["-e", "-c", run], { env, encoding: "utf8" });
      assert.is(status, 0, stderr);
      return stdout.trim().split("\n");
    });
  } finally {
    rmSync(dir, { recursive: true });
  }
}

for (const [rule, environment, calls] of [
  [
    "a tag: in the channel that the version has",
    { VERSION: "v1.2.3", CHANNEL: "" },
    ["npm run release -- 1.2.3 --unless-released", "login", "npm run release -- 1.2.3 --push"],
  ],
  [
    "by hand: in the channel that was chosen",
    { VERSION: "1.2.3", CHANNEL: "stable" },
    [
      "npm run release -- 1.2.3 --unless-released --channel stable",
      "login",
      "npm run release -- 1.2.3 --push --channel stable",
    ],
  ],
] as const)
  test(`released by ${rule}`, () => {
    assert.equal(called(environment), calls);
  });

const release = z
  .object({
    jobs: z.object({
      release: z.object({
        environment: z.string(),
        env: z.record(z.string(), z.string()),
        steps: z.array(z.looseObject({ run: z.string().optional(), env: z.record(z.string(), z.string()).optional() })),
      }),
    }),
  })
  .parse(load(readFileSync(join(folder, "release.yaml"), "utf8"))).jobs.release;

test("a tag gives no channel", () => {
  assert.match(release.env.CHANNEL ?? "", /^\$\{\{ inputs\.channel \}\}$/);
});

test("the login comes from an environment, and one step alone is given it", () => {
  assert.is(release.environment, "release");
  const given = release.steps.filter(({ env }) => JSON.stringify(env ?? {}).includes("secrets."));
  assert.equal(
    given.map(({ run }) => run?.includes(".docker/config.json")),
    [true],
  );
  assert.not.match(JSON.stringify(release.env), "secrets.");
});

test("compilers are named to the patch", () => {
  const all = [...names.map((name) => join(folder, name)), join(folder, "../debian.sh")].map((file) =>
    readFileSync(file, "utf8"),
  );
  const compilers = all.flatMap((text) => [...text.matchAll(/(go-version|--default-toolchain)[: ]+"?([^"\s]+)/g)]);
  const versions = [...new Set(compilers.map(([, of, version]) => `${of} ${version}`))].sort();
  assert.is(versions.length, 2);
  for (const version of versions) assert.match(version, / \d+\.\d+\.\d+$/);
});

test.run();
