/**
 * Writes docs/permissions.md and docs/api.md from what is shipped; with --check it only says whether they are stale (exit code 1).
 * Fails in both cases when a permission has no reason or a field no description. Needs nothing; leaves nothing else.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { load } from "js-yaml";
import { cloneDir } from "../cache.ts";
import { apiPage, crdSchema, undescribed } from "./api.ts";
import { problemsOf } from "./permissions.ts";
import { permissionsPage, reasons, tablesOf } from "./permissions-page.ts";
import { readShipped } from "./shipped.ts";

const { values } = parseArgs({ options: { check: { type: "boolean", default: false } } });
const shipped = readShipped();
const crds = ["insightsruntimeextractors", "runtimegathers"].map((plural) =>
  crdSchema.parse(load(readFileSync(join(cloneDir, `crds/${plural}.yaml`), "utf8"))),
);
const problems = [...problemsOf(Object.values(tablesOf(shipped)).flat(), reasons), ...undescribed(crds)];
const pages: readonly (readonly [file: string, text: string])[] = [
  ["docs/permissions.md", permissionsPage(shipped)],
  ["docs/api.md", apiPage(crds)],
];
for (const [file, text] of pages) {
  const path = join(cloneDir, file);
  if (existsSync(path) && readFileSync(path, "utf8") === text) continue;
  if (values.check) problems.push(`${file} is stale: run npm run lint -- --fix`);
  else writeFileSync(path, text);
}
for (const problem of problems) console.error(problem);
process.exitCode = problems.length === 0 ? 0 : 1;
