//! Native images of GraalVM, from the section that holds their heap, and frameworks by the strings in it.

use crate::rule::{Found, Platform, Rule, Runtime, Tier};
use crate::value;
use crate::view::View;

/// The kind as the answer names it.
pub const KIND: &str = "GraalVM";

/// The rule. The kind has no version of its own in the answer; the details have GraalVM's.
pub const PLATFORM: Platform = Platform {
    kind: KIND,
    about: "the executed file has a section `.svm_heap`, or exports symbols of its virtual machine (`__svm_...`); the kind has no version in the answer, as upstream has none",
    find: |view| {
        let program = view.program();
        if program.section(HEAP).is_none() && !program.needs("__svm_") {
            return None;
        }
        let path = value::text(&view.executable());
        let message =
            format!("A native image is told without a version; the details have that of the GraalVM in {path}");
        view.note("kindVersion", "unversioned", message);
        Some(Found::by(KIND, format!("executes {path}")))
    },
};

/// The rule for the version of GraalVM.
pub const VERSION_RULE: Rule = Rule {
    name: KIND,
    tier: Tier::Detail,
    of: &[KIND],
    about: "the initialised data of the native image names it (`com.oracle.svm.core.VM=GraalVM CE 25.0.2+10.1`)",
    find: |view| graal(view).into_iter().collect(),
};

/// The rule for Quarkus in a native image.
pub const QUARKUS_RULE: Rule = Rule {
    name: "Quarkus",
    tier: Tier::Upstream,
    of: &[KIND],
    about: "in a native image: the heap has the string `__quarkus_analytics__quarkus.version=3.15.1` (Quarkus 3.15 and later), else the name `quarkus.native`, and then no version",
    find: |view| {
        framework(view)
            .into_iter()
            .filter(|one| one.name == "Quarkus")
            .collect()
    },
};

/// The rule for other frameworks in a native image.
pub const FRAMEWORK_RULE: Rule = Rule {
    name: "Micronaut, Spring Boot",
    tier: Tier::Library,
    of: &[KIND],
    about: "in a native image without Quarkus: the heap has the name of the class that starts it; never a version",
    find: |view| {
        framework(view)
            .into_iter()
            .filter(|one| one.name != "Quarkus")
            .collect()
    },
};

const HEAP: &str = ".svm_heap";
const MAX_DATA_BYTES: usize = 256 * 1024;
const QUARKUS: &[u8] = b"__quarkus_analytics__quarkus.version=";
/// Frameworks that say nothing but their names.
const NAMES: [(&str, &str); 3] = [
    ("Quarkus", "quarkus.native"),
    ("Micronaut", "io.micronaut.runtime.Micronaut"),
    ("Spring Boot", "org.springframework.boot.SpringApplication"),
];

fn graal(view: &mut dyn View) -> Option<Runtime> {
    let text = view.section(".data", MAX_DATA_BYTES).as_deref().and_then(machine)?;
    let version = text
        .split([' ', '-'])
        .find(|word| word.starts_with(|first: char| first.is_ascii_digit()))?;
    Some(Runtime {
        name: KIND.to_owned(),
        version: value::version(version.as_bytes())?,
        evidence: format!("{} names {text}", value::text(&view.executable())),
    })
}

/// What the image says about the virtual machine in it, such as `GraalVM CE 25.0.2+10.1`.
fn machine(data: &[u8]) -> Option<String> {
    const NEEDLE: &[u8] = b"com.oracle.svm.core.VM=";
    let rest = &data[memchr::memmem::find(data, NEEDLE)? + NEEDLE.len()..];
    value::value(&rest[..memchr::memchr(0, rest)?])
}

/// The framework of a native image: one, Quarkus before others.
fn framework(view: &mut dyn View) -> Option<Runtime> {
    let heap = view.program().section(HEAP)?;
    let mut best = NAMES.len();
    let text = view.search(heap, KIND, &mut |window| {
        if window.is_empty() {
            return NAMES.get(best).map(|(name, _)| format!("{name} "));
        }
        let better = NAMES[..best].iter();
        best = better
            .clone()
            .position(|(_, sign)| crate::contains(window, sign.as_bytes()))
            .unwrap_or(best);
        quarkus(window).map(|version| format!("Quarkus {version}"))
    })?;
    let (name, version) = text.rsplit_once(' ')?;
    let path = value::text(&view.executable());
    if version.is_empty() {
        let message = format!("The heap of {path} names {name} without a version");
        view.note("runtimes", "unversioned", message);
    }
    Some(Runtime {
        name: name.to_owned(),
        version: version.to_owned(),
        evidence: format!("strings in the heap of {path}"),
    })
}

/// The version of Quarkus, when this part of the heap has it. Strings there end where something else begins, not at a NUL.
fn quarkus(window: &[u8]) -> Option<String> {
    memchr::memmem::find_iter(window, QUARKUS).find_map(|start| {
        let rest = &window[start + QUARKUS.len()..];
        let is_version = |byte: &&u8| byte.is_ascii_alphanumeric() || b"-.".contains(byte);
        let length = rest.iter().take(64).take_while(is_version).count();
        (length < rest.len()).then(|| value::version(&rest[..length]))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Fixture;
    use crate::fixture_elf::{elf, with_sections};

    /// From the initialised data of `google-closure-compiler-linux` 20261015 and 20200719.
    const NEW: &[u8] =
        b"\0com.oracle.svm.core.VM.Java.Version=25.0.2\0\0com.oracle.svm.core.VM=GraalVM CE 25.0.2+10.1\0\0";
    const OLD: &[u8] = b"\0com.oracle.svm.core.VM=GraalVM 20.1.0 Java 8\0/proc/version\0";

    fn image(data: &[u8], heap: &[u8]) -> Fixture {
        let bytes = with_sections(&[(".rodata", b"\0"), (".data", data), (HEAP, heap)], None);
        Fixture::new("/work/application").file("/work/application", bytes)
    }

    #[test]
    fn an_image_is_known_by_its_heap() {
        for (name, mut fixture, expected) in [
            ("by its section", image(b"", b""), true),
            (
                "by its symbols",
                Fixture::new("/x").file("/x", elf(b"\0__svm_heap_begin\0graal_create_isolate\0", b"\0")),
                true,
            ),
            (
                "a program that only uses a library made so",
                Fixture::new("/x").file("/x", elf(b"\0graal_create_isolate\0", b"\0")),
                false,
            ),
        ] {
            assert_eq!((PLATFORM.find)(&mut fixture.view()).is_some(), expected, "{name}");
        }
    }

    #[test]
    fn the_version_of_the_machine_is_a_detail() {
        for (data, expected) in [
            (NEW, "25.0.2+10.1"),
            (OLD, "20.1.0"),
            (b"\0com.oracle.svm.core.VM=Mandrel-23.1.5.0-Final\0", "23.1.5.0"),
            (b"\0com.oracle.svm.core.VM=GraalVM\0", ""),
            (b"\0", ""),
        ] {
            let found = (VERSION_RULE.find)(&mut image(data, b"").view());
            let version = found.first().map_or("", |found| found.version.as_str());
            assert_eq!(version, expected, "{}", value::text(data));
        }
        assert_eq!(VERSION_RULE.tier, Tier::Detail);
    }

    #[test]
    fn the_heap_names_the_framework() {
        let far = [
            &[b'.'; 256 * 1024 - 20][..],
            b"__quarkus_analytics__quarkus.version=3.17.6\x10\0\0\0",
        ]
        .concat();
        let unlike = b"__quarkus_analytics__quarkus.version=\0 quarkus.native.enabled\0";
        for (name, heap, expected) in [
            (
                "Quarkus 3.15 and later",
                &b"\0quarkus.native\0\0__quarkus_analytics__quarkus.version=3.15.1\0\0"[..],
                Some("Quarkus 3.15.1"),
            ),
            (
                "a build of a vendor",
                b"__quarkus_analytics__quarkus.version=3.20.0.redhat-00002\x0b\0",
                Some("Quarkus 3.20.0.redhat-00002"),
            ),
            ("across two windows", &far, Some("Quarkus 3.17.6")),
            (
                "an older Quarkus",
                b"\0quarkus.native.builder-image\0",
                Some("Quarkus "),
            ),
            ("a version that is none", unlike, Some("Quarkus ")),
            ("Micronaut", b"\0io.micronaut.runtime.Micronaut\0", Some("Micronaut ")),
            (
                "Quarkus before others",
                b"\0org.springframework.boot.SpringApplication\0quarkus.native\0",
                Some("Quarkus "),
            ),
            ("none of them", b"\0com.google.javascript\0", None),
        ] {
            let mut fixture = image(b"", heap);
            let mut found = (QUARKUS_RULE.find)(&mut fixture.view());
            found.extend((FRAMEWORK_RULE.find)(&mut fixture.view()));
            let texts: Vec<_> = found
                .iter()
                .map(|one| format!("{} {}", one.name, one.version))
                .collect();
            assert_eq!(texts.first().map(String::as_str), expected, "{name}");
            assert!(texts.len() <= 1, "{name}");
            let is_explained = fixture.notes.iter().any(|(about, _, _)| *about == "runtimes");
            assert_eq!(is_explained, expected.is_some_and(|text| text.ends_with(' ')), "{name}");
        }
    }

    #[test]
    fn no_change_of_bytes_makes_it_panic() {
        crate::mutation::each(NEW, |bytes| drop(machine(bytes)));
        crate::mutation::each(b"\0__quarkus_analytics__quarkus.version=3.15.1\0\0", |bytes| {
            drop(quarkus(bytes))
        });
    }
}
