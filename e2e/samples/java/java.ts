/** The Java part of the catalogue. */
import type { CatalogueEntry } from "../entry.ts";
import { ground } from "./ground.ts";
import { frameworkEntries, jvmEntries } from "./programs.ts";
import { quarkusEntries } from "./quarkus.ts";
import { serverEntries } from "./servers.ts";
import { springEntries } from "./spring.ts";

/** All entries; what they are made of is fetched and built when it is not in the cache. */
export async function javaEntries(): Promise<readonly CatalogueEntry[]> {
  const common = await ground();
  const lists = [jvmEntries, springEntries, quarkusEntries, serverEntries, frameworkEntries];
  return (await Promise.all(lists.map((list) => list(common)))).flat();
}
