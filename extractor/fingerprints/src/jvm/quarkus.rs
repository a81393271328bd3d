//! Quarkus on a Java virtual machine, in all its forms of packaging.

use super::artifact::{self, Artifact};
use super::class_path::{self, ClassPath};
use super::libraries::{self, Library};
use super::runtime;
use crate::java;
use crate::rule::{Rule, Runtime, Tier};
use crate::value::value;
use crate::view::View;

const NAME: &str = "Quarkus";

const ENTRY_POINT: &[u8] = b"io.quarkus.bootstrap.runner.QuarkusEntryPoint";
const ENTRY_POINT_FILE: &[u8] = b"io/quarkus/bootstrap/runner/QuarkusEntryPoint.class";
/// Where the entry point mostly is.
const RUNNER: Artifact = Artifact {
    group: "io.quarkus",
    name: "quarkus-bootstrap-runner",
};
/// Else so many jars are looked into for it.
const MAX_SEARCHED: usize = 32;

const LIBRARY: Library = Library {
    name: NAME,
    artifacts: &[Artifact {
        group: "io.quarkus",
        name: "quarkus-core",
    }],
    marker: None,
};

/// The rule.
pub const RULE: Rule = Rule {
    name: NAME,
    tier: Tier::Upstream,
    of: &[java::KIND],
    about: "its entry point is started: version in the manifest of the jar on the class path that holds it; else `quarkus-core` on the class path or merged into the archive: version in its name, manifest or `pom.properties`",
    find,
};

fn find(view: &mut dyn View) -> Vec<Runtime> {
    let path = class_path::of(view);
    let started = (path.main_class == ENTRY_POINT)
        .then(|| entry_point(&path, view))
        .flatten();
    let found = started.or_else(|| libraries::locate(&LIBRARY, &path, view));
    found.into_iter().collect()
}

/// Quarkus by the jar that holds its entry point, when that has a version.
fn entry_point(path: &ClassPath, view: &mut dyn View) -> Option<Runtime> {
    let is_runner = |name| artifact::version(name, &RUNNER).is_some();
    let likely = path.jars.iter().filter(|jar| is_runner(jar.name()));
    let others = path.jars.iter().filter(|jar| !is_runner(jar.name())).take(MAX_SEARCHED);
    for jar in likely.chain(others) {
        if jar.has(ENTRY_POINT_FILE, view) {
            let manifest = jar.manifest(view)?;
            let version = manifest
                .get("Implementation-Version")
                .filter(|version| value(version).is_some())?;
            return Some(runtime(NAME, Some(version), &jar.place(), view));
        }
    }
    None
}
