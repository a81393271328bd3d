//! Libraries and frameworks that are told by their jar, or by what is left of it in a jar that has everything in it.

use super::artifact::Artifact;
use super::class_path::{self, ClassPath};
use super::jar::Jar;
use super::runtime;
use crate::java;
use crate::properties::lookup;
use crate::rule::{Rule, Runtime, Tier};
use crate::view::View;

/// What a library is told by.
#[derive(Debug, Clone, Copy)]
pub struct Library {
    /// Its name.
    pub name: &'static str,
    /// Its artifacts, the best for its version first.
    pub artifacts: &'static [Artifact],
    /// A file of its jar that stays when the jar is merged into another, and where the version stands in it.
    pub marker: Option<Marker>,
}

/// A file by which a library is known.
#[derive(Debug, Clone, Copy)]
pub struct Marker {
    path: &'static str,
    version: ReadVersion,
}

/// The version that a file tells.
type ReadVersion = fn(&[u8]) -> Option<&[u8]>;

const fn artifact(group: &'static str, name: &'static str) -> Artifact {
    Artifact { group, name }
}

const EMBEDDED_TOMCAT: Library = Library {
    name: "Embedded Tomcat",
    artifacts: &[artifact("org.apache.tomcat.embed", "tomcat-embed-core")],
    marker: Some(Marker {
        path: "org/apache/catalina/util/ServerInfo.properties",
        version: |bytes| lookup(bytes, "server.info")?.strip_prefix(b"Apache Tomcat/"),
    }),
};
const JETTY: Library = Library {
    name: "Jetty",
    artifacts: &[artifact("org.eclipse.jetty", "jetty-server")],
    marker: None,
};
const UNDERTOW: Library = Library {
    name: "Undertow",
    artifacts: &[artifact("io.undertow", "undertow-core")],
    marker: None,
};
const NETTY: Library = Library {
    name: "Netty",
    artifacts: &[
        artifact("io.netty", "netty-common"),
        artifact("io.netty", "netty-transport"),
        artifact("io.netty", "netty-all"),
        artifact("io.netty", "netty"),
    ],
    marker: Some(Marker {
        path: "META-INF/io.netty.versions.properties",
        version: |bytes| lookup(bytes, "netty-common.version"),
    }),
};
const MICRONAUT: Library = Library {
    name: "Micronaut",
    artifacts: &[
        artifact("io.micronaut", "micronaut-core"),
        artifact("io.micronaut", "micronaut-inject"),
    ],
    marker: Some(Marker {
        path: "micronaut-version.properties",
        version: |bytes| lookup(bytes, "micronaut.version"),
    }),
};
const HELIDON: Library = Library {
    name: "Helidon",
    artifacts: &[
        artifact("io.helidon.webserver", "helidon-webserver"),
        artifact("io.helidon.microprofile.server", "helidon-microprofile-server"),
        artifact("io.helidon.common", "helidon-common"),
    ],
    marker: None,
};
const VERTX: Library = Library {
    name: "Eclipse Vert.x",
    artifacts: &[artifact("io.vertx", "vertx-core")],
    marker: Some(Marker {
        path: "META-INF/vertx/vertx-version.txt",
        version: |bytes| Some(bytes.trim_ascii()),
    }),
};
const KOTLIN: Library = Library {
    name: "Kotlin",
    artifacts: &[artifact("org.jetbrains.kotlin", "kotlin-stdlib")],
    marker: Some(Marker {
        path: "META-INF/kotlin-stdlib.kotlin_module",
        version: |_| None,
    }),
};
const SCALA: Library = Library {
    name: "Scala",
    artifacts: &[
        artifact("org.scala-lang", "scala3-library_3"),
        artifact("org.scala-lang", "scala-library"),
    ],
    marker: Some(Marker {
        path: "library.properties",
        version: |bytes| lookup(bytes, "version.number"),
    }),
};

/// A rule for a library.
const fn rule(library: &Library, about: &'static str, find: fn(&mut dyn View) -> Vec<Runtime>) -> Rule {
    Rule {
        name: library.name,
        tier: Tier::Library,
        of: &[java::KIND],
        about,
        find,
    }
}

/// Tomcat within an application.
pub const EMBEDDED_TOMCAT_RULE: Rule = rule(
    &EMBEDDED_TOMCAT,
    "`tomcat-embed-core` on the class path or in the archive that was started; version in the jar's name or manifest",
    |view| find(&EMBEDDED_TOMCAT, view),
);
/// Helidon.
pub const HELIDON_RULE: Rule = rule(
    &HELIDON,
    "`helidon-webserver`, `helidon-microprofile-server` or `helidon-common` on the class path or in the archive that was started; version in the jar's name or manifest",
    |view| find(&HELIDON, view),
);
/// Jetty, within an application or by its own starter.
pub const JETTY_RULE: Rule = rule(
    &JETTY,
    "`jetty-server` on the class path or in the archive that was started, or Jetty's own `start.jar`; version in the jar's name or manifest",
    jetty,
);
/// Kotlin.
pub const KOTLIN_RULE: Rule = rule(
    &KOTLIN,
    "`kotlin-stdlib` on the class path or in the archive that was started; version in the jar's name or manifest",
    |view| find(&KOTLIN, view),
);
/// Micronaut.
pub const MICRONAUT_RULE: Rule = rule(
    &MICRONAUT,
    "`micronaut-core` or `micronaut-inject` on the class path or in the archive that was started; version in the jar's name or manifest",
    |view| find(&MICRONAUT, view),
);
/// Netty.
pub const NETTY_RULE: Rule = rule(
    &NETTY,
    "`netty-common`, `netty-transport` or `netty-all` on the class path or in the archive that was started; version in the jar's name or manifest",
    |view| find(&NETTY, view),
);
/// Scala.
pub const SCALA_RULE: Rule = rule(
    &SCALA,
    "`scala3-library_3` or `scala-library` on the class path or in the archive that was started; version in the jar's name or manifest",
    |view| find(&SCALA, view),
);
/// Undertow.
pub const UNDERTOW_RULE: Rule = rule(
    &UNDERTOW,
    "`undertow-core` on the class path or in the archive that was started; version in the jar's name or manifest",
    |view| find(&UNDERTOW, view),
);
/// Eclipse Vert.x.
pub const VERTX_RULE: Rule = rule(
    &VERTX,
    "`vertx-core` on the class path or in the archive that was started; version in the jar's name or manifest",
    |view| find(&VERTX, view),
);

const MARKERS: [Option<Marker>; 6] = [
    EMBEDDED_TOMCAT.marker,
    NETTY.marker,
    MICRONAUT.marker,
    VERTX.marker,
    KOTLIN.marker,
    SCALA.marker,
];

/// Whether an entry is one by which a library is known.
pub fn is_marker(name: &[u8]) -> bool {
    MARKERS.iter().flatten().any(|marker| marker.path.as_bytes() == name)
}

fn find(library: &Library, view: &mut dyn View) -> Vec<Runtime> {
    let path = class_path::of(view);
    locate(library, &path, view).into_iter().collect()
}

/// The library on a class path.
pub fn locate(library: &Library, path: &ClassPath, view: &mut dyn View) -> Option<Runtime> {
    for artifact in library.artifacts {
        if let Some((jar, version)) = path.find(artifact, view) {
            let version = match version {
                [] => version_in(jar, artifact, view),
                version => Some(version.to_vec()),
            };
            return Some(runtime(library.name, version.as_deref(), &jar.place(), view));
        }
    }
    merged(library, path, view)
}

/// The version that a jar says it has.
fn version_in(jar: &Jar, artifact: &Artifact, view: &mut dyn View) -> Option<Vec<u8>> {
    let manifest = jar.manifest(view).unwrap_or_default();
    let version = ["Implementation-Version", "Bundle-Version"]
        .iter()
        .find_map(|name| manifest.get(name).map(<[u8]>::to_vec));
    version.or_else(|| {
        let properties = jar.text(&properties_of(artifact), view)?;
        lookup(&properties, "version").map(<[u8]>::to_vec)
    })
}

/// The library in a jar into which all libraries were merged.
fn merged(library: &Library, path: &ClassPath, view: &mut dyn View) -> Option<Runtime> {
    for (jar, contents) in &path.read {
        let marker = library
            .marker
            .and_then(|marker| Some((contents.entry(marker.path.as_bytes())?, marker.version)));
        let mut known = library
            .artifacts
            .iter()
            .filter_map(|artifact| contents.entry(&properties_of(artifact)));
        let (entry, read): (_, ReadVersion) = match (known.next(), marker) {
            (Some(entry), _) => (entry, |bytes| lookup(bytes, "version")),
            (None, Some((entry, read))) => (entry, read),
            (None, None) => continue,
        };
        let bytes = jar.content(entry, view).unwrap_or_default();
        let place = [&jar.path, &b"!/"[..], &entry.name].concat();
        return Some(runtime(library.name, read(&bytes), &place, view));
    }
    None
}

fn properties_of(artifact: &Artifact) -> Vec<u8> {
    format!("META-INF/maven/{}/{}/pom.properties", artifact.group, artifact.name).into_bytes()
}

const JETTY_START: &[u8] = b"org.eclipse.jetty.start.Main";

/// Jetty as a library, or started by its own starter, which adds further jars to the class path itself.
fn jetty(view: &mut dyn View) -> Vec<Runtime> {
    let path = class_path::of(view);
    if path.main_class == JETTY_START
        && let Some((jar, contents)) = path.jar_of_main_class()
    {
        let version = contents.manifest.get("Implementation-Version");
        return vec![runtime(JETTY.name, version, &jar.path, view)];
    }
    locate(&JETTY, &path, view).into_iter().collect()
}
