//! Which Java a process runs.

use fingerprints::{java, value};
use node::maps::undeleted;
use node::root::File;

use super::platform::{Found, by_library, open};
use super::{Subject, World, start};

const ENVIRONMENT_BYTES: usize = 64 * 1024;

/// Java, by the `libjvm.so` that is mapped and the `release` file of its home.
pub fn found(library: &[u8], subject: &Subject, all: &[Subject], world: &mut World) -> Found {
    let mut found = by_library(java::KIND, library);
    let (name, _) = undeleted(library);
    let mut release = None;
    for home in java::homes(name) {
        let path = [home, b"/release"].concat();
        match open(&path, subject, all, world) {
            Ok(file) => {
                release = Some((path, file));
                break;
            }
            Err(refusal) => world.note_refusal("kindVersion", refusal, &path),
        }
    }
    let mut buffer = vec![0; java::MAX_RELEASE_BYTES];
    let read = release
        .as_ref()
        .map(|(path, file)| (path, file.read_at(&mut buffer, 0, &mut world.budget)));
    match read {
        Some((path, Ok(bytes))) => {
            let kind = java::release(bytes);
            if !kind.version.is_empty() || !kind.implementer.is_empty() {
                found.version_evidence = value::text(path);
            }
            found.kind = Some(kind);
        }
        Some((path, Err(refusal))) => world.note_refusal("kindVersion", refusal, path),
        None => {}
    }
    if found.kind.as_ref().is_some_and(|kind| kind.version.is_empty()) {
        let message = format!("No release file beside {} names a version", value::text(library));
        world.note("kindVersion", "unversioned", message);
    }
    note_java_home(name, release.map(|(_, file)| file), subject, all, world);
    found
}

/// Notes a `JAVA_HOME` that names another Java than the one that runs.
fn note_java_home(library: &[u8], release: Option<File>, subject: &Subject, all: &[Subject], world: &mut World) {
    let environment = start(subject.environment.as_ref(), ENVIRONMENT_BYTES);
    let variables = environment.split(|byte| *byte == 0);
    let Some(java_home) = variables
        .filter_map(|variable| variable.strip_prefix(b"JAVA_HOME="))
        .next()
    else {
        return;
    };
    if !java::disagrees(java_home, library) {
        return;
    }
    // Another name, such as a link, for the same home is no disagreement.
    let other = open(&[java_home, b"/release"].concat(), subject, all, world);
    if let (Ok(other), Some(release)) = (other, release)
        && other.identity() == release.identity()
    {
        return;
    }
    let message = format!(
        "JAVA_HOME is {}, but {} is mapped",
        value::text(java_home),
        value::text(library)
    );
    world.note("kind", "disagreement", message);
}
