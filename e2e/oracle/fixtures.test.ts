/**
 * Whole files, kept: for each cluster in fixtures/ the stored bytes are what a gather writes, and what the independent program says.
 * WRITE=1 stores what the program says.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import { assertEqualEntries, type Entries, entriesSchema, gathered, Oracle } from "./oracle.ts";

const folder = join(import.meta.dirname, "fixtures");
const names = readdirSync(folder).sort();
const files = {
  workload: "config/workload_info.json",
  helm: "config/helmchart_info.json",
  report: "insights-operator/gathers.json",
} as const;

const caseSchema = z.object({
  about: z.string(),
  podLimit: z.number(),
  statuses: z.record(z.string(), z.number()).optional(),
  pods: z.array(z.unknown()),
  answers: z.record(z.string(), z.unknown()),
  images: z.record(z.string(), z.unknown()),
  helm: z.array(z.object({ plural: z.string(), namespace: z.string(), chart: z.string() })),
});
const cases = names.map((name) =>
  caseSchema.parse(JSON.parse(readFileSync(join(folder, name, "cluster.json"), "utf8"))),
);

const oracle = new Oracle();
test.after(() => oracle.remove());
const said = oracle.ask(cases, entriesSchema);

function stored(name: string): Entries {
  const read = (file: string) => {
    const path = join(folder, name, file);
    return existsSync(path) ? readFileSync(path, "utf8") : null;
  };
  return { workload: read(files.workload) ?? "", helm: read(files.helm), report: read(files.report) ?? "" };
}

function store(name: string, entries: Entries): void {
  for (const key of ["workload", "helm", "report"] as const) {
    const path = join(folder, name, files[key]);
    rmSync(path, { force: true });
    if (entries[key] === null) continue;
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, entries[key]);
  }
}

for (const [index, one] of cases.entries()) {
  const name = names[index] ?? "";
  test(`${name}: ${one.about}`, async () => {
    const wanted = said[index];
    assert.ok(wanted);
    if (process.env.WRITE === "1") store(name, wanted);
    assertEqualEntries(wanted, stored(name), "the independent program against the stored bytes");
    assertEqualEntries((await gathered(one)).entries, stored(name), "the gather against the stored bytes");
  });
}

test.run();
