/**
 * Runs a benchmark. Shows its rows as a table and writes them into docs/benchmarks.md, or with --json prints one array of
 * rows and writes nothing. Needs what the benchmark says; leaves only builds in the cache.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { cloneDir } from "../cache.ts";
import { extract } from "./extract.ts";
import { parts as extractParts } from "./extract-plan.ts";
import { gather } from "./gather.ts";
import { gatherParts } from "./gather-plan.ts";
import { operator } from "./operator.ts";
import { operatorParts } from "./operator-plan.ts";
import { asText, type Result, withSection } from "./report.ts";

interface Benchmark {
  readonly summary: string;
  readonly parts: readonly string[];
  /** What --rounds is when it is not given. */
  readonly rounds: number;
  readonly run: (options: Options, log: (line: string) => void) => Promise<Result>;
}

interface Options {
  readonly containers: number;
  readonly rounds: number;
  /** Some of the parts. */
  readonly only: readonly string[];
}

/** The parts that the options name, as the benchmark's own words. */
function chosen<Part extends string>(parts: readonly Part[], { only }: Options): readonly Part[] {
  return parts.filter((part) => only.includes(part));
}

const benchmarks: Readonly<Record<string, Benchmark>> = {
  extract: {
    summary:
      "cost per container of the extractor beside its floor, memory and size (root, runc, cargo, cc, go, a JDK, mvn; 10 min)",
    parts: extractParts,
    rounds: 15,
    run: (options, log) => extract({ ...options, only: chosen(extractParts, options) }, log),
  },
  gather: {
    summary: "time and memory of gathers on clusters of up to 20,000 pods beside their floor (go; 8 min)",
    parts: gatherParts,
    rounds: 6,
    run: (options, log) => gather({ ...options, only: chosen(gatherParts, options) }, log),
  },
  operator: {
    summary: "memory, requests and speed of the operator on a cluster of 1000 nodes beside their floors (10 min)",
    parts: operatorParts,
    rounds: 20,
    run: (options, log) => operator({ ...options, only: chosen(operatorParts, options) }, log),
  },
};

const help = `Usage: npm run bench -- NAME [--json] [--only PART[,PART...]] [--rounds N] [--containers N]

${Object.entries(benchmarks)
  .map(
    ([name, { summary, parts, rounds }]) =>
      `  ${name}   ${summary}\n            parts: ${parts.join(", ")}; rounds: ${rounds}`,
  )
  .join("\n")}

  --json           print one array of rows {name, value, unit, floor, ratio, limit, ok}, and nothing else, on standard output
  --only PARTS     some parts of the benchmark instead of all
  --rounds N       times that the program and its floor take turns
  --containers N   of extract: containers on the node (default 100)

Without --json and --only the rows also go into docs/benchmarks.md. Ends with 1 when a row misses its limit.`;

function positive(text: string, name: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1 || number > 1000) throw new Error(`--${name} is a number from 1 to 1000`);
  return number;
}

function partsIn(text: string, parts: readonly string[]): readonly string[] {
  const wanted = text.split(",");
  if (!wanted.every((part) => parts.includes(part)))
    throw new Error(`--only names some of ${parts.join(", ")}, with commas`);
  return wanted;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      help: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      containers: { type: "string", default: "100" },
      rounds: { type: "string" },
      only: { type: "string" },
    },
  });
  const [name = "", ...extra] = positionals;
  const benchmark = Object.hasOwn(benchmarks, name) ? benchmarks[name] : undefined;
  if (values.help) {
    console.log(help);
    return 0;
  }
  if (benchmark === undefined || extra.length > 0) {
    console.error(help);
    return 2;
  }
  const { parts, rounds } = benchmark;
  const options = {
    containers: positive(values.containers, "containers"),
    rounds: positive(values.rounds ?? String(rounds), "rounds"),
    only: values.only === undefined ? parts : partsIn(values.only, parts),
  };
  const result = await benchmark.run(options, (line) => console.error(line));
  const rows = result.tables.flatMap((table) => table.rows);
  if (values.json) {
    console.log(JSON.stringify(rows));
    return rows.every(({ ok }) => ok) ? 0 : 1;
  }
  console.log(asText(result.tables));
  if (parts.every((part) => options.only.includes(part))) {
    const path = join(cloneDir, "docs/benchmarks.md");
    const document = existsSync(path) ? readFileSync(path, "utf8") : "# Benchmarks\n";
    writeFileSync(path, withSection(document, name, result));
  }
  return rows.every(({ ok }) => ok) ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (problem) {
  console.error(problem instanceof Error ? problem.message : String(problem));
  process.exitCode = 1;
}
