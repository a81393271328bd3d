//! Which language platform a process runs.
//!
//! The file that is executed decides first: a Go program, or one that carries Node.js or Python in itself. Then what is
//! mapped: a Java virtual machine, Node.js or Python as a library. Names only choose where a version is looked for.

use std::ffi::CString;
use std::os::fd::AsFd;

use fingerprints::{Kind, go, node as nodejs, python, value};
use node::maps::undeleted;
use node::root::{self, File, Refusal};
use node::sys;

use super::executable::{self, Executable};
use super::mapped::{self, Mapped};
use super::{MAX_EXECUTABLES, Subject, World, java, version};

/// A program of this size that exports nothing is searched for what Node.js has inside.
const LARGE_BYTES: u64 = 16 * 1024 * 1024;
const PATH_BYTES: usize = 4096;

/// What a process was found to be.
#[derive(Debug, Default)]
pub struct Found {
    /// The platform, when there is one.
    pub kind: Option<Kind>,
    /// Where it was found; without one, what is executed.
    pub evidence: String,
    /// Where the version was found.
    pub version_evidence: String,
    /// Whether it is a program that only starts another.
    pub is_wrapper: bool,
}

/// What the process is, and the path of what it executes.
pub fn identify(subject: &Subject, all: &[Subject], world: &mut World) -> (Found, Vec<u8>) {
    let Some(executable) = subject.executable.as_ref() else {
        world.note(
            "kind",
            "gone",
            format!("Process {} ended before its executable was opened", subject.pid),
        );
        return (Found::default(), Vec::new());
    };
    let path = executable_path(executable, world);
    let found = File::new(executable)
        .and_then(|file| of_file(&file, &path, subject, all, world))
        .unwrap_or_else(|refusal| {
            world.note_refusal("kind", refusal, &path);
            Found {
                evidence: value::text(&path),
                ..Found::default()
            }
        });
    (found, path)
}

fn of_file(
    file: &File<impl AsFd>,
    path: &[u8],
    subject: &Subject,
    all: &[Subject],
    world: &mut World,
) -> Result<Found, Refusal> {
    let facts = facts(file, world)?;
    let evidence = value::text(path);
    if let Some(version) = &facts.go {
        return Ok(of_go(version, &facts, evidence, world));
    }
    if facts.is_node
        && let Some(found) = node_inside(file, &facts, &evidence, world)?
    {
        return Ok(found);
    }
    let mapped = mapped::read(subject.maps.as_ref(), &mut world.budget)?;
    if mapped.is_empty {
        world.note(
            "kind",
            "gone",
            format!("Process {} ended before it was looked at", subject.pid),
        );
        return Ok(Found {
            evidence,
            ..Found::default()
        });
    }
    let is_python_first = facts.is_python || facts.wants_libpython;
    let found = match &mapped {
        Mapped {
            python: Some(library), ..
        } if is_python_first => python_library(library, subject, all, world),
        _ if facts.is_python => python_inside(file, &facts, path, &mapped, world)?,
        Mapped {
            java: Some(library), ..
        } => java::found(library, subject, all, world),
        Mapped {
            node: Some(library), ..
        } => node_library(library, subject, all, world),
        Mapped {
            python: Some(library), ..
        } => python_library(library, subject, all, world),
        _ => return Ok(of_the_rest(file, &facts, evidence, world)?.unwrap_or_default()),
    };
    Ok(found)
}

/// A program that nothing gave away so far.
fn of_the_rest(
    file: &File<impl AsFd>,
    facts: &Executable,
    evidence: String,
    world: &mut World,
) -> Result<Option<Found>, Refusal> {
    if facts.size >= LARGE_BYTES
        && !facts.is_node
        && let Some(found) = node_inside(file, facts, &evidence, world)?
    {
        return Ok(Some(found));
    }
    if facts.is_packed {
        world.note("kind", "packed", format!("{evidence} is packed by UPX"));
    }
    Ok(Some(Found {
        evidence,
        ..Found::default()
    }))
}

fn facts(file: &File<impl AsFd>, world: &mut World) -> Result<Executable, Refusal> {
    if let Some((_, facts)) = world
        .executables
        .iter()
        .find(|(identity, _)| *identity == file.identity())
    {
        return Ok(facts.clone());
    }
    let facts = executable::read(file, &mut world.buffer, &mut world.budget)?;
    if world.executables.len() < MAX_EXECUTABLES {
        world.executables.push((file.identity(), facts.clone()));
    }
    Ok(facts)
}

/// The path of an open file, without the mark of a deleted one: evidence, and the name to know inits by.
fn executable_path(file: &impl std::os::fd::AsRawFd, world: &World) -> Vec<u8> {
    let mut buffer = [0; PATH_BYTES];
    let number = CString::new(file.as_raw_fd().to_string()).unwrap_or_default();
    let path = sys::read_link_at(world.own_files.as_fd(), &number, &mut buffer).unwrap_or_default();
    undeleted(path).0.to_vec()
}

fn of_go(version: &str, facts: &Executable, path: String, world: &mut World) -> Found {
    if version.is_empty() {
        world.note(
            "kindVersion",
            "unversioned",
            format!("The build information of {path} holds no version"),
        );
    }
    Found {
        kind: Some(Kind {
            version: version.to_owned(),
            ..Kind::named(go::KIND)
        }),
        evidence: format!("build information in {path}"),
        version_evidence: if version.is_empty() {
            String::new()
        } else {
            format!("build information in {path}")
        },
        is_wrapper: facts.go_package.as_deref().is_some_and(go::is_wrapper),
    }
}

/// Node.js in this very file, when its constants name a version.
fn node_inside(
    file: &File<impl AsFd>,
    facts: &Executable,
    path: &str,
    world: &mut World,
) -> Result<Option<Found>, Refusal> {
    let Some(version) = version::of_node(file, facts, world)? else {
        return Ok(None);
    };
    Ok(Some(Found {
        kind: Some(Kind {
            version,
            ..Kind::named(nodejs::KIND)
        }),
        evidence: format!("executes {path}"),
        version_evidence: format!("constants of {path}"),
        is_wrapper: false,
    }))
}

/// Opens a mapped file by its path, below the root of its process or else of the first process.
pub fn open(path: &[u8], subject: &Subject, all: &[Subject], world: &World) -> Result<File, Refusal> {
    let (path, _) = undeleted(path);
    let mut refusal = Refusal::Missing;
    for directory in [Some(subject), all.first()]
        .into_iter()
        .flatten()
        .filter_map(|subject| subject.root.as_ref())
    {
        match root::open(directory.as_fd(), world.own_files.as_fd(), path) {
            Err(Refusal::Missing) => {}
            Err(other) => refusal = other,
            opened => return opened,
        }
    }
    Err(refusal)
}

/// A kind known by its mapped library, whose version is still to be found.
pub fn by_library(name: &'static str, library: &[u8]) -> Found {
    let evidence = format!("mapped {}", value::text(library));
    Found {
        kind: Some(Kind::named(name)),
        evidence,
        ..Found::default()
    }
}

/// Puts in the version that was found in the library, or notes why there is none.
fn with_version(
    mut found: Found,
    version: Result<Option<String>, Refusal>,
    library: &[u8],
    world: &mut World,
) -> Found {
    let library_text = value::text(library);
    match (version, &mut found.kind) {
        (Ok(Some(version)), Some(kind)) => {
            kind.version = version;
            found.version_evidence = format!("constants of {library_text}");
        }
        (Err(refusal), _) if refusal != Refusal::Missing => world.note_refusal("kindVersion", refusal, library),
        _ => world.note(
            "kindVersion",
            "unversioned",
            format!("No version was found in {library_text}"),
        ),
    }
    found
}

fn node_library(library: &[u8], subject: &Subject, all: &[Subject], world: &mut World) -> Found {
    let version = open(library, subject, all, world).and_then(|file| {
        let facts = facts(&file, world)?;
        version::of_node(&file, &facts, world)
    });
    with_version(by_library(nodejs::KIND, library), version, library, world)
}

fn python_library(library: &[u8], subject: &Subject, all: &[Subject], world: &mut World) -> Found {
    let version = open(library, subject, all, world).and_then(|file| {
        let facts = facts(&file, world)?;
        version::of_python(&file, &facts, python::minor(library), world)
    });
    with_version(by_library(python::KIND, library), version, library, world)
}

fn python_inside(
    file: &File<impl AsFd>,
    facts: &Executable,
    path: &[u8],
    mapped: &Mapped,
    world: &mut World,
) -> Result<Found, Refusal> {
    let minor = python::minor(path).or(mapped.python_minor);
    let version = version::of_python(file, facts, minor, world);
    let evidence = format!("executes {}", value::text(path));
    let found = Found {
        kind: Some(Kind::named(python::KIND)),
        evidence,
        ..Found::default()
    };
    Ok(with_version(found, version, path, world))
}
