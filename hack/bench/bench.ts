/**
 * Runs a benchmark. Shows its rows as a table and writes them into docs/benchmarks.md, or with --json prints one array of
 * rows and writes nothing. Needs what the benchmark says; leaves only builds in the cache.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { cloneDir } from "../cache.ts";
import { extract } from "./extract.ts";
import { isPart, type Part, parts } from "./extract-plan.ts";
import { asText, type Result, withSection } from "./report.ts";

interface Benchmark {
  readonly summary: string;
  readonly run: (options: Options, log: (line: string) => void) => Promise<Result>;
}

interface Options {
  readonly containers: number;
  readonly rounds: number;
  readonly only: readonly Part[];
}

const benchmarks: Readonly<Record<string, Benchmark>> = {
  extract: {
    summary:
      "cost per container of the extractor beside its floor, memory and size (root, runc, cargo, cc, go, a JDK, mvn; 10 min)",
    run: extract,
  },
};

const help = `Usage: npm run bench -- NAME [--json] [--only PART[,PART...]] [--containers N] [--rounds N]

${Object.entries(benchmarks)
  .map(([name, { summary }]) => `  ${name}   ${summary}`)
  .join("\n")}

  --json           print one array of rows {name, value, unit, floor, ratio, limit, ok}, and nothing else, on standard output
  --containers N   containers on the node (default 100)
  --rounds N       times that extractor and floor take turns (default 15)
  --only PARTS     of extract: ${parts.join(", ")} (default: all)

Without --json and --only the rows also go into docs/benchmarks.md. Ends with 1 when a row misses its limit.`;

function positive(text: string, name: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1 || number > 1000) throw new Error(`--${name} is a number from 1 to 1000`);
  return number;
}

function partsIn(text: string): readonly Part[] {
  const wanted = text.split(",");
  const known = wanted.filter(isPart);
  if (known.length < wanted.length) throw new Error(`--only names some of ${parts.join(", ")}, with commas`);
  return known;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      help: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      containers: { type: "string", default: "100" },
      rounds: { type: "string", default: "15" },
      only: { type: "string", default: parts.join(",") },
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
  const options = {
    containers: positive(values.containers, "containers"),
    rounds: positive(values.rounds, "rounds"),
    only: partsIn(values.only),
  };
  const result = await benchmark.run(options, (line) => console.error(line));
  const rows = result.tables.flatMap((table) => table.rows);
  if (values.json) {
    console.log(JSON.stringify(rows));
    return rows.every(({ ok }) => ok) ? 0 : 1;
  }
  console.log(asText(result.tables));
  if (options.only.length === parts.length) {
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
