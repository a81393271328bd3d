/**
 * Fuzzes the parsers that see hostile bytes: `npm run fuzz -- [--seconds N] [TARGET...]`, all targets and 10 s each unless told otherwise.
 * Needs cargo and g++; builds extractor/fuzz with stable Rust into the build cache, where what was found worth keeping stays for the
 * next run. Prints a row per target and `N passed, N failed`; a failure says where the input lies and how to run it again.
 */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { cloneDir } from "./cache.ts";
import { type Result, table } from "./fuzz-report.ts";
import { build, dictionary, run } from "./fuzz-run.ts";

const usage = "usage: npm run fuzz -- [--seconds N] [--at-once N] [TARGET...]";
const folder = join(cloneDir, "extractor", "fuzz");

interface Wanted {
  readonly targets: readonly string[];
  readonly seconds: number;
  readonly atOnce: number;
}

function wanted(): Wanted {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { seconds: { type: "string", default: "10" }, "at-once": { type: "string", default: "2" } },
  });
  const all = targetNames();
  const unknown = positionals.filter((name) => !all.includes(name));
  const [seconds, atOnce] = [Number(values.seconds), Number(values["at-once"])];
  if (unknown.length > 0) throw new Error(`${usage}\nno such target: ${unknown.join(" ")}; there are ${all.join(" ")}`);
  if (!Number.isInteger(seconds) || seconds < 1 || !Number.isInteger(atOnce) || atOnce < 1) throw new Error(usage);
  return { targets: positionals.length > 0 ? positionals : all, seconds, atOnce };
}

function targetNames(): readonly string[] {
  const files = readdirSync(join(folder, "fuzz_targets")).filter((name) => name.endsWith(".rs"));
  return files.map((name) => name.slice(0, -".rs".length)).sort();
}

/** The literals of the rules, so that a rule that is added is reached. */
function rules(): string {
  const sources = join(cloneDir, "extractor", "fingerprints", "src");
  const files = readdirSync(sources, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".rs"));
  return files.map((name) => readFileSync(join(sources, name), "utf8")).join("\n");
}

const { targets, seconds, atOnce } = wanted();
if (spawnSync("g++", ["--version"]).status !== 0)
  throw new Error("g++ is missing: libFuzzer is built from source (on Debian: apt-get install g++)");
const programs = build(folder);
const words = dictionary(rules());
const waiting = [...targets];
const results: Result[] = [];
await Promise.all(
  Array.from({ length: atOnce }, async () => {
    for (let target = waiting.shift(); target !== undefined; target = waiting.shift()) {
      const result = await run({ target, folder, programs, words, seconds });
      results.push(result);
      console.error(`  ${target}: ${result.failure === undefined ? "ok" : "FAILED"}`);
    }
  }),
);
console.log(table(results));
const failed = results.filter((result) => result.failure !== undefined).length;
console.log(`\n${results.length - failed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
