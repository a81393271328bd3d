/**
 * Builds the product's images: `npm run images [-- --output DIR] [--only NAME]...`.
 * Needs cargo, Go and apt-get. Leaves archives in the build cache and, with --output, an OCI layout in that folder.
 */
import { parseArgs } from "node:util";
import { buildImages, imageNames } from "./images.ts";

const usage = `usage: npm run images [-- [--output DIR] [--only ${imageNames.join("|")}]...]`;

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { output: { type: "string" }, only: { type: "string", multiple: true } } });
  const wanted = values.only ?? imageNames;
  const only = imageNames.filter((name) => wanted.includes(name));
  if (only.length !== new Set(wanted).size) throw new Error(usage);
  const images = await buildImages({ only, ...(values.output === undefined ? {} : { outputDir: values.output }) });
  for (const { ref, digest, archive } of images) console.log(`${ref}@${digest} ${archive}`);
}

try {
  await main();
} catch (cause) {
  console.error(cause instanceof Error ? cause.message : String(cause));
  process.exitCode = 1;
}
