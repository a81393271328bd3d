/** Servers that bring themselves: application servers, and products written in Java. */
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { copy, folder, text } from "../../../hack/images/entries.ts";
import { layerOf } from "../../../hack/images/layer.ts";
import type { CatalogueEntry } from "../entry.ts";
import { field } from "../runtimes.ts";
import { folderLayer, type Ground, onlyFolder, small, versionBeside } from "./ground.ts";
import { ensureJdk } from "./jdks.ts";

const run = promisify(execFile);
const options = (heapMegabytes: number) => small(heapMegabytes).join(" ");
const shell = (script: string): readonly string[] => ["/bin/sh", "-c", script];

export async function serverEntries(ground: Ground): Promise<readonly CatalogueEntry[]> {
  const tomcat = onlyFolder(join(ground.product("tomcat"), "server"));
  const wildfly = onlyFolder(join(ground.product("wildfly"), "server"));
  const keycloak = onlyFolder(join(ground.product("keycloak"), "server"));
  const jetty = onlyFolder(join(ground.product("jetty-home"), "server"));
  const kafka = join(ground.product("kafka"), "lib");
  const liberty = join(ground.product("open-liberty"), "wlp");
  const libertyFacts = readFileSync(join(liberty, "lib/versions/openliberty.properties"), "utf8");
  const java21 = await ensureJdk("java-21");
  const otherSystems = /\.(bat|ps1|cmd|exe)$/;
  const unpacked = (at: string, folder: string) => folderLayer(at, folder, (path) => !otherSystems.test(path));

  return [
    {
      name: "tomcat",
      about: "Apache Tomcat, started by its own script",
      layers: [...ground.java, await unpacked("opt/tomcat", tomcat)],
      command: shell("exec sh /opt/tomcat/bin/catalina.sh run"),
      env: { CATALINA_OPTS: options(48), JRE_HOME: "/usr" },
      expected: ground.with(`Apache Tomcat ${versionOf(tomcat, "apache-tomcat")}`),
    },
    {
      name: "tomcat-war",
      about: "Apache Tomcat with a base of its own that has a Spring Boot application deployed",
      layers: [
        ...ground.java,
        await unpacked("opt/tomcat", tomcat),
        await folderLayer("srv/tomcat/conf", join(tomcat, "conf")),
        await layerOf([
          ...["logs", "temp", "work"].map((name) => folder(`srv/tomcat/${name}`, 0o1777)),
          copy("srv/tomcat/webapps/ROOT.war", join(ground.product("spring-boot-war"), "app.war")),
          folder("srv/tomcat/webapps", 0o1777),
        ]),
      ],
      command: shell("exec sh /opt/tomcat/bin/catalina.sh run"),
      env: { CATALINA_OPTS: options(96), CATALINA_BASE: "/srv/tomcat", JRE_HOME: "/usr" },
      uid: 1001,
      expected: ground.with(`Apache Tomcat ${versionOf(tomcat, "apache-tomcat")}`),
    },
    {
      name: "wildfly",
      about: "WildFly, standalone, its script still running as the parent",
      layers: [...ground.java, await unpacked("opt/wildfly", wildfly)],
      command: shell("exec sh /opt/wildfly/bin/standalone.sh -b 0.0.0.0"),
      env: { JAVA_OPTS: `${options(160)} -XX:MaxMetaspaceSize=160m` },
      expected: ground.with(await wildflyProduct(wildfly)),
    },
    {
      name: "kafka",
      about: "Apache Kafka, a broker that is its own controller",
      layers: [
        ...ground.java,
        await folderLayer("opt/kafka/libs", kafka),
        await layerOf([text("opt/kafka/config/server.properties", kafkaSettings)]),
      ],
      command: shell(
        `run="java ${options(160)} -cp /opt/kafka/libs/*"; set -f; settings=/opt/kafka/config/server.properties; ` +
          "$run kafka.tools.StorageTool format -t 4L6g3nShT-eMCtK--X86sw -c $settings && exec $run kafka.Kafka $settings",
      ),
      uid: 1001,
      expected: ground.with(`Apache Kafka ${versionBeside(kafka, "kafka_2.13")}`),
    },
    {
      name: "keycloak",
      about: "Keycloak, start-dev, a Quarkus application of its own",
      // It needs a store of trusted certificates, which Debian's Java has in another package.
      layers: [...ground.system, java21.layer, await unpacked("opt/keycloak", keycloak)],
      command: shell("exec sh /opt/keycloak/bin/kc.sh start-dev"),
      env: { JAVA_HOME: "/opt/java-21", JAVA_OPTS_KC_HEAP: "-Xmx256m -XX:TieredStopAtLevel=1" },
      expected: {
        ...ground.jvm(java21.version),
        runtimes: [
          `Keycloak ${versionOf(keycloak, "keycloak")}`,
          `Quarkus ${versionBeside(join(keycloak, "lib/lib/main"), "io.quarkus.quarkus-core")}`,
        ],
      },
    },
    {
      name: "open-liberty",
      about: "Open Liberty, packed by itself with the features that its server needs",
      layers: [...ground.java, await unpacked("opt/ol/wlp", liberty)],
      command: shell("exec sh /opt/ol/wlp/bin/server run sample"),
      env: { JVM_ARGS: options(96), JAVA_HOME: "/usr" },
      expected: ground.with(`Open Liberty ${field(libertyFacts, "com.ibm.websphere.productVersion")}`),
    },
    {
      name: "jetty-home",
      about: "Jetty, the server, whose modules its start.jar chooses",
      layers: [
        ...ground.java,
        await unpacked("opt/jetty", jetty),
        await layerOf([text("srv/start.d/http.ini", "--module=http\n")]),
      ],
      command: shell(`cd /srv && exec java ${options(48)} -jar /opt/jetty/start.jar`),
      expected: ground.with(`Jetty ${versionOf(jetty, "jetty-home")}`),
    },
  ];
}

/** The version in the name of a server's folder. */
const versionOf = (folder: string, name: string): string => basename(folder).slice(name.length + 1);

/** Name and version of the product as its own manifest says them. */
async function wildflyProduct(home: string): Promise<string> {
  const folder = join(home, "modules/system/layers/base/org/jboss/as/product/main");
  const jar = readdirSync(folder).find((name) => name.startsWith("wildfly-feature-pack-product-conf-"));
  if (jar === undefined) throw new Error(`WildFly's product module holds no jar: ${folder}`);
  const read = ["-c", "import sys, zipfile; print(zipfile.ZipFile(sys.argv[1]).read('META-INF/MANIFEST.MF').decode())"];
  const { stdout } = await run("python3", [...read, join(folder, jar)]);
  const value = (key: string) => new RegExp(`^${key}: (.+?)\\r?$`, "m").exec(stdout)?.[1] ?? "";
  return `${value("JBoss-Product-Release-Name")} ${value("JBoss-Product-Release-Version")}`;
}

const kafkaSettings = `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@localhost:9093
listeners=PLAINTEXT://:9092,CONTROLLER://:9093
advertised.listeners=PLAINTEXT://localhost:9092
controller.listener.names=CONTROLLER
log.dirs=/tmp/kafka
log.cleaner.dedupe.buffer.size=2097152
offsets.topic.replication.factor=1
`;
