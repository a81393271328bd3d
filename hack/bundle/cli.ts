/**
 * Writes bundle/ (an OLM bundle of this version) from crds/, manifests/, docs/ and package.json; with --check it only says whether it
 * is stale (exit code 1). Needs nothing; leaves nothing else.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { cloneDir } from "../cache.ts";
import { bundleFiles } from "./bundle.ts";
import { differing, writeFolder } from "./files.ts";
import { readSources } from "./sources.ts";

const { values } = parseArgs({ options: { check: { type: "boolean", default: false } } });
const sources = readSources();
const files = bundleFiles({ version: sources.version }, sources);
const dir = join(cloneDir, "bundle");
if (values.check) {
  const stale = differing(dir, files);
  for (const file of stale) console.error(`bundle/${file} is stale: run npm run lint -- --fix`);
  process.exitCode = stale.length === 0 ? 0 : 1;
} else writeFolder(dir, files);
