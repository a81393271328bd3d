//! What a child does once it may do nothing else: reads what its processes have open and mapped, and tells from that, never
//! from names alone, what they are. Nothing is executed, nothing is written.

mod executable;
mod java;
mod mapped;
mod platform;
mod version;

use std::os::fd::{AsFd, OwnedFd};

use fingerprints::os_release::{self, Os};
use fingerprints::{Kind, value};
use node::root::{self, Budget, Refusal};
use node::sys;

use crate::roles::{self, Role, Seen};
use executable::Executable;

/// A process, with what was opened of it before the privileges were given up. What is none was not there any more.
pub struct Subject {
    /// As the host numbers it.
    pub pid: u32,
    /// Clock ticks since boot at its start.
    pub start: u64,
    /// Whether another process of the container is its child.
    pub has_children: bool,
    /// The file that it executes.
    pub executable: Option<OwnedFd>,
    /// The list of what it has mapped.
    pub maps: Option<OwnedFd>,
    /// Its environment.
    pub environment: Option<OwnedFd>,
    /// Its command line.
    pub command_line: Option<OwnedFd>,
    /// Its root directory.
    pub root: Option<OwnedFd>,
}

/// Why something is not known, or not as expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What the note is about, such as `kindVersion`.
    pub about: &'static str,
    /// Why, one of a closed set.
    pub reason: &'static str,
    /// A sentence for a person.
    pub message: String,
}

/// What looking needs and leaves behind.
pub struct World {
    own_files: OwnedFd,
    budget: Budget,
    buffer: Vec<u8>,
    executables: Vec<((u64, u64), Executable)>,
    /// The versions that were searched for in files, found or not.
    versions: Vec<((u64, u64), Option<String>)>,
    /// What is not known, and why.
    pub notes: Vec<Note>,
}

/// Executables that are remembered for the next process that runs the same.
const MAX_EXECUTABLES: usize = 16;
const MAX_NOTES: usize = 32;
/// Windows in which large files are searched.
const WINDOW_BYTES: usize = 256 * 1024;
const COMMAND_LINE_BYTES: usize = 4 * 1024;

impl World {
    /// `own_files` is a descriptor of `/proc/self/fd`.
    pub fn new(own_files: OwnedFd, budget: Budget) -> Self {
        Self {
            own_files,
            budget,
            // Asked for as zeros, so that a page costs nothing before something is read into it.
            buffer: vec![0; WINDOW_BYTES],
            executables: Vec::new(),
            versions: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn note(&mut self, about: &'static str, reason: &'static str, message: String) {
        if self.notes.len() < MAX_NOTES {
            self.notes.push(Note { about, reason, message });
        }
    }

    /// Notes why something could not be read; what is missing is not worth a note.
    fn note_refusal(&mut self, about: &'static str, refusal: Refusal, what: &[u8]) {
        let what = value::text(what);
        let (reason, message) = match refusal {
            Refusal::Missing => return,
            Refusal::Denied => ("denied", format!("The container's user may not read {what}")),
            Refusal::NotRegular => ("denied", format!("{what} is not a regular file")),
            Refusal::Foreign => ("denied", format!("{what} lies on a file system that could block")),
            Refusal::Budget => ("budget", format!("Reading {what} would have taken too long")),
        };
        self.note(about, reason, message);
    }

    /// The start of a file below the root of the process.
    fn read(&mut self, subject: &Subject, path: &[u8], max_bytes: usize) -> Result<Vec<u8>, Refusal> {
        let directory = subject.root.as_ref().ok_or(Refusal::Missing)?;
        let World {
            own_files,
            budget,
            buffer,
            ..
        } = self;
        let room = &mut buffer[..max_bytes.min(WINDOW_BYTES)];
        root::read(directory.as_fd(), own_files.as_fd(), path, room, budget).map(<[u8]>::to_vec)
    }
}

/// The operating system of the first process whose root has one, and where it was read.
pub fn os(subjects: &[Subject], world: &mut World) -> Option<(Os, &'static str)> {
    let subject = subjects.iter().find(|subject| subject.root.is_some())?;
    for path in os_release::PATHS {
        match world.read(subject, path.as_bytes(), os_release::MAX_BYTES) {
            Ok(bytes) => {
                if let Some(os) = os_release::parse(&bytes) {
                    return Some((os, path));
                }
            }
            Err(refusal) => world.note_refusal("os", refusal, path.as_bytes()),
        }
    }
    None
}

/// A framework of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runtime {
    /// Its name.
    pub name: String,
    /// Its version, empty when unknown.
    pub version: String,
    /// Where it was found.
    pub evidence: String,
}

/// What was found out about a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// As the host numbers it.
    pub pid: u32,
    /// Clock ticks since boot at its start.
    pub start: u64,
    /// What it is to the container.
    pub role: Role,
    /// The language platform, when there is one.
    pub kind: Option<Kind>,
    /// Where the kind was found; for a process without one, what it executes.
    pub evidence: String,
    /// Where the version was found.
    pub version_evidence: String,
    /// Frameworks.
    pub runtimes: Vec<Runtime>,
}

/// What is found about each process, in the order given.
pub fn processes(subjects: &[Subject], oldest_pid: u32, world: &mut World) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut seen = Vec::new();
    for subject in subjects {
        let (found, path) = platform::identify(subject, subjects, world);
        let is_node = found
            .kind
            .as_ref()
            .is_some_and(|kind| kind.name == fingerprints::node::KIND);
        seen.push(Seen {
            has_children: subject.has_children,
            is_oldest: subject.pid == oldest_pid,
            is_package_manager: is_node && subject.has_children && roles::is_package_manager(&command_line(subject)),
            kind: found.kind.as_ref().map(|kind| kind.name),
            is_wrapper: found.is_wrapper,
            executable: path,
        });
        findings.push(Finding {
            pid: subject.pid,
            start: subject.start,
            role: Role::Other,
            kind: found.kind,
            evidence: found.evidence,
            version_evidence: found.version_evidence,
            runtimes: Vec::new(),
        });
    }
    for (finding, role) in findings.iter_mut().zip(roles::assign(&seen)) {
        finding.role = role;
    }
    if subjects.len() >= crate::child::MAX_PROCESSES {
        world.note(
            "processes",
            "budget",
            format!("Only the {} oldest processes were looked at", subjects.len()),
        );
    }
    findings
}

/// The start of the command line, which the process may have overwritten.
fn command_line(subject: &Subject) -> Vec<u8> {
    start(subject.command_line.as_ref(), COMMAND_LINE_BYTES)
}

/// What a file of `/proc` gives until it ends or the room is full. Nothing when the process is gone.
fn start(file: Option<&OwnedFd>, max_bytes: usize) -> Vec<u8> {
    let mut buffer = vec![0; max_bytes];
    let mut filled = 0;
    while let (Some(file), true) = (file, filled < buffer.len()) {
        match sys::read(file.as_fd(), &mut buffer[filled..]) {
            Ok(0) | Err(_) => break,
            Ok(read) => filled += read,
        }
    }
    buffer.truncate(filled);
    buffer
}
