//! Which virtual machine it is, when it is not HotSpot as OpenJDK builds it.

use super::runtime;
use crate::java::{self, KIND, MAX_RELEASE_BYTES};
use crate::path;
use crate::properties::lookup;
use crate::rule::{Rule, Runtime, Tier};
use crate::value;
use crate::view::View;

/// Eclipse OpenJ9, which Semeru and IBM's SDK are made with.
pub const OPENJ9: Rule = Rule {
    name: "OpenJ9",
    tier: Tier::Detail,
    of: &[KIND],
    about: "its library `libj9vm` is mapped, or the `release` file says so in `JVM_VARIANT`; version in `JVM_VERSION` there",
    find: openj9,
};

/// A JDK with the compiler of GraalVM, which runs Java as usual.
pub const GRAALVM_JDK: Rule = Rule {
    name: "GraalVM JDK",
    tier: Tier::Detail,
    of: &[KIND],
    about: "the `release` file has `GRAALVM_VERSION`, or names GraalVM as the implementer",
    find: graalvm_jdk,
};

/// The `release` file of the Java that is mapped, with its path.
fn release(view: &mut dyn View) -> Option<(Vec<u8>, Vec<u8>)> {
    let mapped = view.mapped();
    let library = mapped.iter().find(|path| java::is_virtual_machine(path))?;
    java::homes(library).into_iter().find_map(|home| {
        let path = [home, b"/release"].concat();
        let bytes = view.read(&path, MAX_RELEASE_BYTES)?;
        Some((path, bytes))
    })
}

fn openj9(view: &mut dyn View) -> Vec<Runtime> {
    let mapped = view.mapped();
    let library = mapped
        .iter()
        .find(|path| path::name(path).starts_with(b"libj9vm") && path.ends_with(b".so"));
    let (file, bytes) = release(view).unwrap_or_default();
    let variant = lookup(&bytes, "JVM_VARIANT").unwrap_or_default();
    if library.is_none() && !variant.eq_ignore_ascii_case(b"openj9") {
        return Vec::new();
    }
    let version = lookup(&bytes, "JVM_VERSION").map(|version| version.strip_prefix(b"openj9-").unwrap_or(version));
    let version = version.filter(|version| value::version(version).is_some());
    let evidence = match (version, library) {
        (None, Some(library)) => library.clone(),
        _ => file,
    };
    vec![runtime(OPENJ9.name, version, &evidence, view)]
}

fn graalvm_jdk(view: &mut dyn View) -> Vec<Runtime> {
    let (file, bytes) = release(view).unwrap_or_default();
    let version = lookup(&bytes, "GRAALVM_VERSION");
    let is_implementer = lookup(&bytes, "IMPLEMENTOR").is_some_and(|name| crate::contains(name, b"GraalVM"));
    match version.is_some() || is_implementer {
        true => vec![runtime(GRAALVM_JDK.name, version, &file, view)],
        false => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Fixture;

    const SERVER: &str = "/opt/java/lib/server/libjvm.so";

    #[test]
    fn machines_are_told_apart() {
        for (name, mapped, release, expected) in [
            (
                "HotSpot",
                &[SERVER][..],
                "JVM_VARIANT=\"Hotspot\"\nIMPLEMENTOR=\"Eclipse Adoptium\"\n",
                "",
            ),
            (
                "Semeru",
                &["/opt/java/lib/default/libjvm.so", "/opt/java/lib/default/libj9vm29.so"],
                "JVM_VARIANT=\"Openj9\"\nJVM_VERSION=\"openj9-0.48.0\"\n",
                "OpenJ9 0.48.0 /opt/java/release",
            ),
            (
                "OpenJ9 without a release file",
                &["/opt/java/lib/default/libjvm.so", "/opt/java/lib/default/libj9vm29.so"],
                "",
                "OpenJ9  /opt/java/lib/default/libj9vm29.so",
            ),
            (
                "GraalVM, older",
                &[SERVER],
                "GRAALVM_VERSION=\"22.3.1\"\nIMPLEMENTOR=\"GraalVM Community\"\n",
                "GraalVM JDK 22.3.1 /opt/java/release",
            ),
            (
                "GraalVM that names no version of its own",
                &[SERVER],
                "IMPLEMENTOR=\"Oracle GraalVM\"\n",
                "GraalVM JDK  /opt/java/release",
            ),
            ("nothing known", &[SERVER], "", ""),
        ] {
            let mut fixture = Fixture::new("/opt/java/bin/java")
                .mapped(mapped)
                .file("/opt/java/release", release);
            let mut view = fixture.view();
            let found = [openj9(&mut view), graalvm_jdk(&mut view)].concat();
            let told: Vec<_> = found
                .iter()
                .map(|found| format!("{} {} {}", found.name, found.version, found.evidence))
                .collect();
            assert_eq!(told.join(", "), expected, "{name}");
        }
    }
}
