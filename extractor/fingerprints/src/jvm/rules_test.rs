//! What the rules say about written-down processes, one row for each way in which such a thing is packaged and started.

use super::sample::{Part, jar, prefixed, zip};
use crate::fixture::Fixture;
use crate::rule::is_in_answer;

const JAVA: &str = "/opt/java/bin/java";

/// A JVM with this command line after the program; words are parted by blanks.
fn java(arguments: &str) -> Fixture {
    let words: Vec<&str> = [JAVA].into_iter().chain(arguments.split_ascii_whitespace()).collect();
    Fixture::new(JAVA)
        .arguments(&words)
        .mapped(&["/opt/java/lib/server/libjvm.so"])
        .file("/opt/java/release", "JAVA_VERSION=\"17.0.1\"\n")
}

/// Names and versions: those of the answer, and behind a bar those that are only in its details.
fn told(mut fixture: Fixture) -> String {
    let (identity, notes) = fixture.identify();
    let is_in = is_in_answer(&identity.runtimes);
    let some = |wanted: bool| {
        let pairs = identity
            .runtimes
            .iter()
            .zip(&is_in)
            .filter(|(_, is_in)| **is_in == wanted);
        let texts = pairs.map(|((_, runtime), _)| format!("{} {}", runtime.name, runtime.version).trim().to_owned());
        texts.collect::<Vec<_>>().join(", ")
    };
    let notes: Vec<_> = notes.iter().map(|(_, reason, _)| *reason).collect();
    [some(true), some(false), notes.join(", ")].join("|")
}

fn check(rows: Vec<(&str, Fixture, &str)>) {
    for (name, fixture, expected) in rows {
        assert_eq!(told(fixture), expected, "{name}");
    }
}

const LAUNCHER: &str = "Main-Class: org.springframework.boot.loader.launch.JarLauncher\n";

#[test]
fn spring_boot() {
    let versioned = [LAUNCHER, "Spring-Boot-Version: 3.5.6\n"].concat();
    let libraries = &[
        "BOOT-INF/lib/spring-boot-3.5.6.jar",
        "BOOT-INF/lib/tomcat-embed-core-10.1.46.jar",
    ];
    let fat = jar(&versioned, libraries);
    let old = |launcher: &str| {
        jar(
            &format!("Spring-Boot-Version: 2.7.18\nMain-Class: org.springframework.boot.loader.{launcher}\n"),
            &[],
        )
    };
    let netty = jar("Implementation-Version: 4.1.127.Final\n", &[]);
    let nested = zip(&[
        Part::deflated("META-INF/MANIFEST.MF", versioned.as_bytes()),
        Part::stored("BOOT-INF/lib/netty-common.jar", &netty),
    ]);
    check(vec![
        (
            "a jar",
            java("-Xmx1g -jar /app.jar").file("/app.jar", &fat),
            "Spring Boot 3.5.6|Embedded Tomcat 10.1.46|",
        ),
        (
            "a jar with a start script before it, named relative to the working directory",
            java("-jar app.jar")
                .directory("/srv")
                .file("/srv/app.jar", prefixed(b"#!/bin/bash\n", &fat)),
            "Spring Boot 3.5.6|Embedded Tomcat 10.1.46|",
        ),
        (
            "a jar that an argument file names",
            java("@/args")
                .file("/args", "-Xmx1g\n-jar \"/app.jar\"\n")
                .file("/app.jar", &fat),
            "Spring Boot 3.5.6|Embedded Tomcat 10.1.46|",
        ),
        (
            "a jar with the properties launcher of old",
            java("-jar /app.jar").file("/app.jar", old("PropertiesLauncher")),
            "Spring Boot 2.7.18||",
        ),
        (
            "a war of old",
            java("-jar /app.war").file("/app.war", old("WarLauncher")),
            "Spring Boot 2.7.18||",
        ),
        (
            "a jar without the attribute: the library's name",
            java("-jar /app.jar").file("/app.jar", jar(LAUNCHER, libraries)),
            "Spring Boot 3.5.6|Embedded Tomcat 10.1.46|",
        ),
        (
            "a jar with neither",
            java("-jar /app.jar").file("/app.jar", jar(LAUNCHER, &[])),
            "Spring Boot||unversioned",
        ),
        (
            "a library without a version in its name: its own manifest, within the archive",
            java("-jar /app.jar").file("/app.jar", nested),
            "Spring Boot 3.5.6|Netty 4.1.127.Final|",
        ),
        (
            "unpacked, started by the launcher",
            java("-cp . org.springframework.boot.loader.launch.WarLauncher")
                .directory("/app")
                .file("/app/META-INF/MANIFEST.MF", "Spring-Boot-Version: 3.5.6\n")
                .file("/app/WEB-INF/lib-provided/tomcat-embed-core-10.1.46.jar", ""),
            "Spring Boot 3.5.6|Embedded Tomcat 10.1.46|",
        ),
        (
            "unpacked, without a manifest",
            java("-cp /app org.springframework.boot.loader.JarLauncher")
                .file("/app/BOOT-INF/lib/spring-boot-2.1.0.RELEASE.jar", ""),
            "Spring Boot 2.1.0.RELEASE||",
        ),
        (
            "its libraries on the class path",
            java("-cp /app/classes:/app/lib/* x.Main").file("/app/lib/spring-boot-3.5.6.jar", ""),
            "Spring Boot 3.5.6||",
        ),
        (
            "extracted: a thin jar names the libraries",
            java("-jar /app/app.jar")
                .file(
                    "/app/app.jar",
                    jar(
                        "Main-Class: x.Main\nClass-Path: lib/a.jar lib/spring-boot-3.\n 5.6.jar\n",
                        &[],
                    ),
                )
                .file("/app/lib/spring-boot-3.5.6.jar", ""),
            "Spring Boot 3.5.6||",
        ),
        (
            "merged into one jar",
            java("-jar /app.jar").file(
                "/app.jar",
                zip(&[
                    Part::stored("META-INF/MANIFEST.MF", b"Main-Class: x.Main\n"),
                    Part::deflated(
                        "META-INF/maven/org.springframework.boot/spring-boot/pom.properties",
                        b"#\nversion=2.3.4.RELEASE\n",
                    ),
                ]),
            ),
            "Spring Boot 2.3.4.RELEASE||",
        ),
        (
            "only a part of it",
            java("-cp /lib/* x.Main").file("/lib/spring-boot-actuator-3.5.6.jar", ""),
            "||",
        ),
        (
            "libraries that are named but not there",
            java("-cp /lib/spring-boot-3.5.6.jar:/lib/netty-common-4.1.1.jar x.Main"),
            "||",
        ),
        (
            "a launcher's name with nothing behind it",
            java("-cp /app org.springframework.boot.loader.JarLauncher"),
            "||",
        ),
        (
            "a version of markup",
            java("-jar /app.jar").file("/app.jar", jar(&[LAUNCHER, "Spring-Boot-Version: <b>\n"].concat(), &[])),
            "Spring Boot||unversioned",
        ),
    ]);
}

#[test]
fn quarkus() {
    const RUN: &str = "Main-Class: io.quarkus.bootstrap.runner.QuarkusEntryPoint\nClass-Path: lib/boot/a.jar lib/boot/io.quarkus.quarkus-bootstrap-runner-3.27.0.jar\n";
    let runner = jar(
        "Implementation-Version: 3.27.0.SP1\n",
        &["io/quarkus/bootstrap/runner/QuarkusEntryPoint.class"],
    );
    let fast = || {
        java("-jar quarkus-run.jar")
            .directory("/app")
            .file("/app/quarkus-run.jar", jar(RUN, &[]))
    };
    let core = "/app/lib/main/io.quarkus.quarkus-core-3.27.0.jar";
    check(vec![
        (
            "fast jar: the manifest of the jar with the entry point",
            fast()
                .file("/app/lib/boot/io.quarkus.quarkus-bootstrap-runner-3.27.0.jar", &runner)
                .file(core, "")
                .file("/app/lib/main/io.netty.netty-common-4.1.1.Final.jar", ""),
            "Quarkus 3.27.0.SP1|Netty 4.1.1.Final|",
        ),
        (
            "the entry point in a jar of another name",
            fast().file("/app/lib/boot/a.jar", &runner),
            "Quarkus 3.27.0.SP1||",
        ),
        ("without that jar", fast().file(core, ""), "Quarkus 3.27.0||"),
        ("without any", fast(), "||"),
        (
            "legacy jar",
            java("-jar /app/app-runner.jar")
                .file(
                    "/app/app-runner.jar",
                    jar(
                        "Main-Class: io.quarkus.runner.GeneratedMain\nClass-Path:  lib/io.quarkus.quarkus-core-3.8.1.redhat-00005.jar\n",
                        &[],
                    ),
                )
                .file("/app/lib/io.quarkus.quarkus-core-3.8.1.redhat-00005.jar", ""),
            "Quarkus 3.8.1.redhat-00005||",
        ),
        (
            "uber jar",
            java("-jar /app.jar").file(
                "/app.jar",
                zip(&[
                    Part::deflated("META-INF/MANIFEST.MF", b"Main-Class: io.quarkus.runner.GeneratedMain\n"),
                    Part::deflated("META-INF/maven/io.quarkus/quarkus-core/pom.properties", b"version=3.27.0\n"),
                    Part::stored("META-INF/vertx/vertx-version.txt", b"4.5.21\n"),
                ]),
            ),
            "Quarkus 3.27.0|Eclipse Vert.x 4.5.21|",
        ),
        (
            "Keycloak",
            java("-cp /kc/bin/../lib/quarkus-run.jar io.quarkus.bootstrap.runner.QuarkusEntryPoint start")
                .file("/kc/lib/quarkus-run.jar", jar(RUN, &[]))
                .file("/kc/lib/lib/boot/io.quarkus.quarkus-bootstrap-runner-3.27.0.jar", &runner)
                .file("/kc/lib/lib/main/org.keycloak.keycloak-quarkus-server-26.3.5.jar", ""),
            "Quarkus 3.27.0.SP1, Keycloak 26.3.5||",
        ),
        (
            "Red Hat's build of Keycloak, as its version file says",
            java("-jar /kc/lib/quarkus-run.jar")
                .file("/kc/lib/quarkus-run.jar", jar(RUN, &[]))
                .file("/kc/version.txt", "Red Hat build of Keycloak - Version 26.0.10.redhat-00003")
                .file("/kc/lib/lib/main/org.keycloak.keycloak-quarkus-server-26.0.10.redhat-00003.jar", ""),
            "Red Hat build of Keycloak 26.0.10.redhat-00003||",
        ),
        (
            "a client of Keycloak",
            java("-cp /lib/* x.Main").file("/lib/org.keycloak.keycloak-core-26.3.5.jar", ""),
            "||",
        ),
    ]);
}

#[test]
fn servers() {
    let bootstrap = jar(
        "Main-Class: org.apache.catalina.startup.Bootstrap\nImplementation-Version: 9.0.87.redhat-00005\n",
        &[],
    );
    let tomcat = |home: &str| {
        let path = "/opt/tomcat/bin/bootstrap.jar";
        let line = format!(
            "-cp {path}:/opt/tomcat/bin/tomcat-juli.jar -Dcatalina.home={home} org.apache.catalina.startup.Bootstrap start"
        );
        java(&line).file(path, &bootstrap)
    };
    let jboss = |line: &str| java(line).file("/opt/server/jboss-modules.jar", jar("", &[]));
    let product = "JBoss-Product-Release-Name: WildFly\nJBoss-Product-Release-Version: 37.0.1.Final\n";
    const MODULES: &str = "/opt/server/modules/system/layers/base/org/jboss/as/product/main";
    let kafka =
        |class: &str| java(&format!("-cp /k/libs/* {class} x.properties")).file("/k/libs/kafka_2.13-4.1.0.jar", "");
    check(vec![
        ("Tomcat", tomcat("/opt/tomcat"), "Apache Tomcat 9.0.87.redhat-00005||"),
        (
            "Tomcat whose home is said to be elsewhere",
            tomcat("/opt/other"),
            "Apache Tomcat 9.0.87.redhat-00005||disagreement",
        ),
        (
            "a class of that name without the jar",
            java("-cp /bootstrap.jar org.apache.catalina.startup.Bootstrap"),
            "||",
        ),
        (
            "JBoss EAP by its version file",
            jboss("-jar /opt/server/jboss-modules.jar -mp x org.jboss.as.standalone -Djboss.home.dir=/opt/eap").file(
                "/opt/eap/version.txt",
                "Red Hat JBoss Enterprise Application Platform - Version 7.4.8.GA\n",
            ),
            "Red Hat JBoss Enterprise Application Platform 7.4.8.GA||",
        ),
        (
            "WildFly by its manifest, beside the jar",
            jboss("-jar /opt/server/jboss-modules.jar -mp x org.jboss.as.process-controller")
                .file(&format!("{MODULES}/dir/META-INF/MANIFEST.MF"), product),
            "WildFly 37.0.1.Final||",
        ),
        (
            "WildFly by the jar of its product",
            jboss("-jar /opt/server/jboss-modules.jar").file(
                &format!("{MODULES}/wildfly-feature-pack-product-conf-37.0.1.Final.jar"),
                jar(product, &[]),
            ),
            "WildFly 37.0.1.Final||",
        ),
        (
            "WildFly whose home the environment names",
            java("-jar /opt/lib/jboss-modules.jar")
                .file("/opt/lib/jboss-modules.jar", jar("", &[]))
                .variable("JBOSS_HOME", "/opt/server")
                .file(&format!("{MODULES}/dir/META-INF/MANIFEST.MF"), product),
            "WildFly 37.0.1.Final||",
        ),
        (
            "WildFly beside a variable that names another home",
            jboss("-jar /opt/server/jboss-modules.jar -Djboss.home.dir=/opt/server")
                .variable("JBOSS_HOME", "/opt/other")
                .file(&format!("{MODULES}/dir/META-INF/MANIFEST.MF"), product),
            "WildFly 37.0.1.Final||disagreement",
        ),
        (
            "JBoss Modules alone",
            jboss("-jar /opt/server/jboss-modules.jar x"),
            "||",
        ),
        (
            "a product of markup",
            jboss("-jar /opt/server/jboss-modules.jar").file("/opt/server/version.txt", "<b> - Version 1"),
            "||",
        ),
        (
            "a broker of Kafka",
            kafka("kafka.Kafka").file("/k/libs/scala-library-2.13.16.jar", ""),
            "Apache Kafka 4.1.0|Scala 2.13.16|",
        ),
        (
            "a tool of Kafka",
            kafka("org.apache.kafka.tools.consumer.ConsoleConsumer"),
            "||",
        ),
        (
            "Open Liberty",
            java("-javaagent:/wlp/bin/tools/ws-javaagent.jar -jar /wlp/bin/tools/ws-server.jar defaultServer").file(
                "/wlp/lib/versions/openliberty.properties",
                "com.ibm.websphere.productName=Open Liberty\ncom.ibm.websphere.productVersion=25.0.0.9\n",
            ),
            "Open Liberty 25.0.0.9||",
        ),
        (
            "Jetty by its own starter",
            java("-jar /jetty/start.jar").file(
                "/jetty/start.jar",
                jar(
                    "Main-Class: org.eclipse.jetty.start.Main\nImplementation-Version: 12.1.5\n",
                    &[],
                ),
            ),
            "Jetty 12.1.5||",
        ),
    ]);
}

#[test]
fn libraries() {
    let on_path = |names: &[&str]| {
        names.iter().fold(java("-cp /lib/* x.Main"), |fixture, name| {
            fixture.file(&format!("/lib/{name}"), "")
        })
    };
    check(vec![
        ("nothing but Java", java("-cp /app x.Main"), "||"),
        (
            "libraries by their names",
            on_path(&[
                "vertx-core-5.0.4.jar",
                "netty-common-4.2.5.Final.jar",
                "undertow-core-2.3.19.Final.jar",
            ]),
            "Eclipse Vert.x 5.0.4, Netty 4.2.5.Final, Undertow 2.3.19.Final||",
        ),
        (
            "on the launcher's variable",
            java("x.Main")
                .variable("JDK_JAVA_OPTIONS", "-cp /app.jar:/lib/*")
                .file("/lib/jetty-server-12.0.27.jar", ""),
            "Jetty 12.0.27||",
        ),
        (
            "modules",
            java("-p /mods -m x/x.Main").file("/mods/kotlin-stdlib-2.2.20.jar", ""),
            "Kotlin 2.2.20||",
        ),
        (
            "Scala 3, which comes with the library of Scala 2",
            on_path(&["scala-library-2.13.16.jar", "scala3-library_3-3.3.6.jar"]),
            "Scala 3.3.6||",
        ),
        (
            "a version in the manifest only",
            java("-cp /lib/micronaut-core.jar x.Main")
                .file("/lib/micronaut-core.jar", jar("Bundle-Version: 4.9.12\n", &[])),
            "Micronaut 4.9.12||",
        ),
        (
            "a version in the file of properties only",
            java("-cp /lib/helidon-webserver.jar x.Main").file(
                "/lib/helidon-webserver.jar",
                zip(&[Part::deflated(
                    "META-INF/maven/io.helidon.webserver/helidon-webserver/pom.properties",
                    b"version=3.2.11\n",
                )]),
            ),
            "Helidon 3.2.11||",
        ),
        (
            "no version anywhere",
            on_path(&["kotlin-stdlib.jar"]),
            "Kotlin||unversioned",
        ),
        (
            "merged into the second jar of a class path",
            java("-cp /a.jar:/b.jar x.Main").file(
                "/b.jar",
                zip(&[Part::stored("library.properties", b"version.number=2.13.16\n")]),
            ),
            "Scala 2.13.16||",
        ),
        (
            "a name with a line break and a command in it",
            on_path(&["netty-common-4.1\nruntime=x.jar"]),
            "Netty||unversioned",
        ),
    ]);
}

#[test]
fn a_long_class_path_is_no_burden() {
    let names: Vec<String> = (0..3000).map(|number| format!("/lib/library-{number}.jar")).collect();
    let line = format!("-cp {}:/lib/netty-common-4.1.1.jar x.Main", names.join(":"));
    let fixture = java(&line).file("/lib/netty-common-4.1.1.jar", "");
    assert_eq!(told(fixture), "||budget");
}
