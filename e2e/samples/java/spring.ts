/** Spring Boot as it is shipped: jar, war, taken apart in several ways, older, and on other servers than Tomcat. */
import { join } from "node:path";
import { text } from "../../../hack/images/entries.ts";
import { layerOf } from "../../../hack/images/layer.ts";
import type { CatalogueEntry } from "../entry.ts";
import { fileLayer, folderLayer, type Ground, small, versionBeside, versionInside } from "./ground.ts";

const java = ["java", ...small(64)];

export async function springEntries(ground: Ground): Promise<readonly CatalogueEntry[]> {
  const target = ground.product("spring-boot");
  const extracted = join(target, "extracted");
  const libraries = join(extracted, "lib");
  const boot = ground.with(`Spring Boot ${versionBeside(libraries, "spring-boot")}`);
  const tomcat = `Embedded Tomcat ${versionBeside(libraries, "tomcat-embed-core")}`;
  const taken = (part: string) => folderLayer("app", join(target, "layers", part));
  const layered = [await taken("dependencies"), await taken("spring-boot-loader"), await taken("application")];
  const war = ground.product("spring-boot-war");
  const older = join(ground.product("spring-boot-2"), "app.jar");
  const webflux = join(ground.product("spring-boot-webflux"), "app.jar");
  const undertow = join(ground.product("spring-boot-undertow"), "app.jar");
  const jar = await fileLayer("app/app.jar", join(target, "app.jar"));

  return [
    {
      name: "spring-boot-jar",
      about: "Spring Boot, one jar, as another user",
      layers: [...ground.java, jar],
      command: [...java, "-jar", "/app/app.jar"],
      uid: 1001,
      expected: boot,
      detail: [tomcat],
    },
    {
      name: "spring-boot-argfile",
      about: "Spring Boot, one jar, which only an argument file names",
      layers: [...ground.java, jar, await fileLayer("app/arguments", join(import.meta.dirname, "arguments"))],
      command: ["java", "@/app/arguments"],
      expected: boot,
      detail: [tomcat],
    },
    {
      name: "spring-boot-properties-launcher",
      about: "Spring Boot, one jar with PropertiesLauncher",
      layers: [...ground.java, await fileLayer("app/app.jar", join(target, "app-properties.jar"))],
      command: [...java, "-jar", "/app/app.jar"],
      expected: boot,
      detail: [tomcat],
    },
    {
      name: "spring-boot-war",
      about: "Spring Boot, a war that serves itself",
      layers: [...ground.java, await fileLayer("app/app.war", join(war, "app.war"))],
      command: [...java, "-jar", "/app/app.war"],
      expected: boot,
      detail: [tomcat],
    },
    {
      name: "spring-boot-war-exploded",
      about: "Spring Boot, an unpacked war, named relative to the working directory",
      layers: [...ground.java, await folderLayer("app", join(war, "exploded"))],
      command: [
        "/bin/sh",
        "-c",
        `cd /app && exec ${java.join(" ")} -cp . org.springframework.boot.loader.launch.WarLauncher`,
      ],
      expected: boot,
      detail: [tomcat],
    },
    {
      name: "spring-boot-layers",
      about: "Spring Boot, taken apart into image layers, started by JarLauncher without any class path",
      layers: [...ground.java, ...layered],
      command: [
        "/bin/sh",
        "-c",
        `cd /app && exec ${java.join(" ")} org.springframework.boot.loader.launch.JarLauncher`,
      ],
      expected: boot,
      detail: [tomcat],
    },
    {
      name: "spring-boot-exploded",
      about: "Spring Boot, unpacked, its own main class started with the libraries on the class path",
      layers: [...ground.java, ...layered],
      command: [...java, "-cp", "/app/BOOT-INF/classes:/app/BOOT-INF/lib/*", "sample.Application"],
      expected: boot,
      detail: [tomcat],
    },
    {
      name: "spring-boot-jib",
      about: "Spring Boot in the way of Jib: the class path in a file that an argument names",
      layers: [
        ...ground.java,
        await folderLayer("app/libs", libraries),
        await folderLayer("app/classes", join(target, "classes")),
        await layerOf([text("app/jib-classpath-file", "/app/resources:/app/classes:/app/libs/*\n")]),
      ],
      command: [...java, "-cp", "@/app/jib-classpath-file", "sample.Application"],
      expected: boot,
      detail: [tomcat],
    },
    {
      name: "spring-boot-extracted",
      about: "Spring Boot, extracted: a thin jar whose manifest names the libraries",
      layers: [...ground.java, await folderLayer("app", extracted)],
      command: [...java, "-jar", "/app/app.jar"],
      expected: boot,
      detail: [tomcat],
    },
    {
      name: "spring-boot-cds",
      about: "Spring Boot, extracted, its classes mapped from an archive that an earlier run left",
      layers: [...ground.java, await folderLayer("app", extracted)],
      command: [
        ...["/bin/sh", "-c"],
        `${java.join(" ")} -XX:ArchiveClassesAtExit=/tmp/app.jsa -Dspring.context.exit=onRefresh -jar /app/app.jar && ` +
          `exec ${java.join(" ")} -XX:SharedArchiveFile=/tmp/app.jsa -jar /app/app.jar`,
      ],
      uid: 1001,
      expected: boot,
      detail: [tomcat],
    },
    {
      name: "spring-boot-2",
      about: "Spring Boot 2, one jar with the loader of old",
      layers: [...ground.java, await fileLayer("app/app.jar", older)],
      command: [...java, "-jar", "/app/app.jar"],
      expected: ground.with(`Spring Boot ${await versionInside(older, "spring-boot")}`),
      detail: [`Embedded Tomcat ${await versionInside(older, "tomcat-embed-core")}`],
    },
    {
      name: "spring-boot-webflux",
      about: "Spring Boot on Netty",
      layers: [...ground.java, await fileLayer("app/app.jar", webflux)],
      command: [...java, "-jar", "/app/app.jar"],
      expected: boot,
      detail: [`Netty ${await versionInside(webflux, "netty-common")}`],
    },
    {
      name: "spring-boot-undertow",
      about: "Spring Boot on Undertow",
      layers: [...ground.java, await fileLayer("app/app.jar", undertow)],
      command: [...java, "-jar", "/app/app.jar"],
      expected: boot,
      detail: [`Undertow ${await versionInside(undertow, "undertow-core")}`],
    },
  ];
}
