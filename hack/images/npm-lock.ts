/** What package-lock.json pins. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { cloneDir } from "../cache.ts";

const lockSchema = z.object({
  packages: z.record(z.string(), z.object({ version: z.string().optional(), integrity: z.string().optional() })),
});

/** By the packages' folders, from the clone's root. */
export const lockedPackages = () =>
  lockSchema.parse(JSON.parse(readFileSync(join(cloneDir, "package-lock.json"), "utf8"))).packages;

/** A package that npm may not have installed, since it is for another architecture; throws when it is not pinned. */
export function lockedPackage(name: string): { readonly version: string; readonly integrity: string } {
  const { version, integrity } = lockedPackages()[`node_modules/${name}`] ?? {};
  if (version === undefined || integrity === undefined) throw new Error(`package-lock.json does not pin ${name}`);
  return { version, integrity };
}
