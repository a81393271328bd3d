//! Java, from the library that is mapped and the `release` file of its home.

use crate::Kind;
use crate::properties::lookup;
use crate::rule::{Found, Platform};
use crate::value::{self, value, version};
use crate::view::View;

/// The kind as the answer names it.
pub const KIND: &str = "Java";

/// How much of a `release` file is read.
pub const MAX_RELEASE_BYTES: usize = 16 * 1024;

/// Whether the mapped file is a Java virtual machine.
pub fn is_virtual_machine(path: &[u8]) -> bool {
    path.ends_with(b"/libjvm.so")
}

/// The folders in which the `release` file of a mapped `libjvm.so` may lie, best first. Up to Java 8 the library lies
/// below `jre/lib/<architecture>`, and the file beside `jre`.
pub fn homes(libjvm: &[u8]) -> Vec<&[u8]> {
    let Some(home) = memchr::memmem::rfind(libjvm, b"/lib/").map(|end| &libjvm[..end]) else {
        return Vec::new();
    };
    match home.strip_suffix(b"/jre") {
        Some(outer) => vec![outer, home],
        None => vec![home],
    }
}

/// Java as the `release` file tells it. Version or implementer are empty when the file does not have them.
pub fn release(bytes: &[u8]) -> Kind {
    Kind {
        name: KIND,
        version: lookup(bytes, "JAVA_VERSION").and_then(version).unwrap_or_default(),
        implementer: lookup(bytes, "IMPLEMENTOR").and_then(value).unwrap_or_default(),
    }
}

/// The version that the machine was built as, from the sentence that it has about itself: `... JRE (17.0.15+6), built on ...`.
fn built_version(window: &[u8]) -> Option<String> {
    const BEFORE: &[u8] = b" JRE (";
    memchr::memmem::find_iter(window, BEFORE).find_map(|at| {
        let rest = &window[at + BEFORE.len()..];
        let is_part = |byte: &u8| byte.is_ascii_digit() || b"._".contains(byte);
        let length = rest.iter().take_while(|byte| is_part(byte)).count();
        // What follows is the build: `+6`, `-b06`.
        let is_whole = rest.get(length).is_some_and(|byte| b"+-)".contains(byte));
        let told = is_whole.then(|| version(&rest[..length]))?;
        told.filter(|told| told.contains('.'))
    })
}

/// Whether an environment's `JAVA_HOME` names another home than the one whose library is mapped. Links are not resolved
/// here, so the answer is a hint for a person.
pub fn disagrees(java_home: &[u8], libjvm: &[u8]) -> bool {
    let named = java_home.strip_suffix(b"/").unwrap_or(java_home);
    !named.is_empty() && !homes(libjvm).contains(&named)
}

/// Java, by the virtual machine that is mapped.
pub const PLATFORM: Platform = Platform {
    kind: KIND,
    about: "`libjvm.so` is mapped, wherever it lies and whatever started it; version and implementer stand in the `release` file of its home; without one, the version stands in the library",
    find: platform,
};

fn platform(view: &mut dyn View) -> Option<Found> {
    let mapped = view.mapped();
    let library = mapped.iter().find(|path| is_virtual_machine(path))?;
    let mut found = Found::by(KIND, format!("mapped {}", value::text(library)));
    let path = homes(library)
        .into_iter()
        .map(|home| [home, b"/release"].concat())
        .find(|path| view.size(path).is_some());
    if let Some(bytes) = path.as_ref().and_then(|path| view.read(path, MAX_RELEASE_BYTES)) {
        found.kind = release(&bytes);
        if !found.kind.version.is_empty() || !found.kind.implementer.is_empty() {
            found.version_evidence = path.as_deref().map(value::text).unwrap_or_default();
        }
    }
    if found.kind.version.is_empty() {
        let version = view.constants(library, "java", &mut built_version);
        found = found.with_constant(version, library, view);
    }
    note_java_home(library, path, view);
    Some(found)
}

/// Notes a `JAVA_HOME` that names another Java than the one that runs.
fn note_java_home(library: &[u8], release: Option<Vec<u8>>, view: &mut dyn View) {
    let Some(java_home) = view.variable("JAVA_HOME").filter(|named| disagrees(named, library)) else {
        return;
    };
    // Another name, such as a link, for the same home or the same program is no disagreement.
    let (other, program) = (
        [java_home.as_slice(), b"/release"].concat(),
        [java_home.as_slice(), b"/bin/java"].concat(),
    );
    let executable = view.executable();
    if release.is_some_and(|release| view.is_same(&release, &other)) || view.is_same(&executable, &program) {
        return;
    }
    let (named, library) = (value::text(&java_home), value::text(library));
    view.note(
        "kind",
        "disagreement",
        format!("JAVA_HOME is {named}, but {library} is mapped"),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_home_is_found_from_the_mapped_library() {
        for (path, expected) in [
            (
                "/usr/lib/jvm/java-17/lib/server/libjvm.so",
                &["/usr/lib/jvm/java-17"][..],
            ),
            ("/opt/java/lib/minimal/libjvm.so", &["/opt/java"]),
            ("/opt/semeru/lib/default/libjvm.so", &["/opt/semeru"]),
            (
                "/usr/lib/jvm/jdk8/jre/lib/amd64/server/libjvm.so",
                &["/usr/lib/jvm/jdk8", "/usr/lib/jvm/jdk8/jre"],
            ),
            ("/opt/jre8/lib/amd64/server/libjvm.so", &["/opt/jre8"]),
            ("/libjvm.so", &[]),
        ] {
            let expected: Vec<&[u8]> = expected.iter().map(|home| home.as_bytes()).collect();
            assert_eq!(homes(path.as_bytes()), expected, "{path}");
        }
    }

    #[test]
    fn a_release_file_gives_version_and_implementer() {
        for (name, bytes, expected) in [
            (
                "OpenJDK 17 of Debian",
                &b"IMPLEMENTOR=\"Debian\"\nJAVA_RUNTIME_VERSION=\"17.0.15+6\"\nJAVA_VERSION=\"17.0.15\"\n"[..],
                ("17.0.15", "Debian"),
            ),
            (
                "JDK 8",
                b"JAVA_VERSION=\"1.8.0_432\"\nOS_NAME=\"Linux\"\n",
                ("1.8.0_432", ""),
            ),
            (
                "jlink image",
                b"JAVA_VERSION=\"21.0.5\"\nMODULES=\"java.base\"\n",
                ("21.0.5", ""),
            ),
            (
                "a command for a version",
                b"JAVA_VERSION=\"$(id)\"\nIMPLEMENTOR=\"Red Hat, Inc.\"\n",
                ("", "Red Hat, Inc."),
            ),
            ("no bytes", b"", ("", "")),
        ] {
            let kind = release(bytes);
            assert_eq!((kind.version.as_str(), kind.implementer.as_str()), expected, "{name}");
        }
    }

    #[test]
    fn a_machine_says_what_it_was_built_as() {
        for (constants, expected) in [
            (
                "\0OpenJDK 64-Bit Server VM (17.0.15+6-Debian-1deb12u1) for linux-amd64 JRE (17.0.15+6-Debian-1deb12u1), built on",
                Some("17.0.15"),
            ),
            (
                "OpenJDK 64-Bit Server VM (25.432-b06) for linux-amd64 JRE (1.8.0_432-b06), built on",
                Some("1.8.0_432"),
            ),
            ("for linux-amd64 JRE (23.0.1), built on", Some("23.0.1")),
            (" JRE (%s), built on", None),
            (" JRE (17.0.15", None),
            ("17.0.15", None),
        ] {
            assert_eq!(built_version(constants.as_bytes()).as_deref(), expected, "{constants}");
        }
    }

    #[test]
    fn a_wrong_java_home_is_noticed() {
        let mapped = b"/opt/a/lib/server/libjvm.so";
        for (java_home, expected) in [("", false), ("/opt/a", false), ("/opt/a/", false), ("/opt/b", true)] {
            assert_eq!(disagrees(java_home.as_bytes(), mapped), expected, "{java_home}");
        }
    }
}
