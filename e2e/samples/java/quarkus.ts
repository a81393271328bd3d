/** Quarkus as its Maven plugin packs it. */
import { join } from "node:path";
import type { CatalogueEntry } from "../entry.ts";
import { folderLayer, type Ground, small, versionBeside } from "./ground.ts";

const java = ["java", ...small(48)];

export async function quarkusEntries(ground: Ground): Promise<readonly CatalogueEntry[]> {
  const target = ground.product("quarkus");
  const fast = join(target, "fast");
  const expected = ground.with(`Quarkus ${versionBeside(join(fast, "lib/main"), "io.quarkus.quarkus-core")}`);
  return [
    {
      name: "quarkus-fast-jar",
      about: "Quarkus, fast-jar, named relative to the working directory, as another user",
      layers: [...ground.java, await folderLayer("deployments", fast)],
      command: ["/bin/sh", "-c", `cd /deployments && exec ${java.join(" ")} -jar quarkus-run.jar`],
      uid: 1001,
      expected,
    },
    {
      name: "quarkus-legacy-jar",
      about: "Quarkus, legacy-jar: a thin jar beside its libraries",
      layers: [...ground.java, await folderLayer("deployments", join(target, "legacy"))],
      command: [...java, "-jar", "/deployments/app-runner.jar"],
      expected,
    },
    {
      name: "quarkus-uber-jar",
      about: "Quarkus, everything in one jar",
      layers: [...ground.java, await folderLayer("deployments", join(target, "uber"))],
      command: [...java, "-jar", "/deployments/app-runner.jar"],
      expected,
    },
  ];
}
