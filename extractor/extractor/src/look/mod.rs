//! What a child does once it may do nothing else: reads what its processes have open and mapped, and tells from that, never
//! from names alone, what they are. Nothing is executed, nothing is written.

mod access;
mod world;

use fingerprints::process::{Memory, Process};
use fingerprints::rule::Identity;
use fingerprints::view::View;
use fingerprints::{node as nodejs, os_release, os_release::Os, python, rules};
use node::root::Refusal;

use crate::roles::{self, Role, Seen};
use crate::subject::Subject;
use access::Access;
pub use world::{Note, World};

/// No more processes of one user are looked at: the oldest count.
pub const MAX_PROCESSES: usize = 64;

/// The kind of a program of which no more is known than that it was compiled.
const COMPILED: &str = "C/C++";

/// The operating system of the first process whose root has one, and where it was read.
pub fn os(subjects: &[Subject], world: &mut World) -> Option<(Os, &'static str)> {
    let directory = subjects.iter().find_map(|subject| subject.root.as_ref())?;
    for path in os_release::PATHS {
        let mut buffer = [0; os_release::MAX_BYTES];
        let read = world.read(directory, path.as_bytes(), &mut buffer);
        match read {
            Ok(bytes) => {
                if let Some(os) = os_release::parse(bytes) {
                    return Some((os, path));
                }
            }
            Err(Refusal::Missing) => {}
            Err(refusal) => world.note_refusal("os", refusal, path.as_bytes()),
        }
    }
    // What was refused here says nothing about the processes.
    world.take_refusal();
    None
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
    /// What it is.
    pub identity: Identity,
}

/// Whether no more is known than that the program was compiled.
pub fn is_merely_compiled(identity: &Identity) -> bool {
    identity.kind.as_ref().is_some_and(|kind| kind.name == COMPILED) && identity.runtimes.is_empty()
}

/// What is found about each process, in the order given.
pub fn processes(subjects: &[Subject], oldest_pid: u32, world: &mut World) -> Vec<Finding> {
    let mut memory = Memory::default();
    let mut findings = Vec::new();
    let mut seen = Vec::new();
    for subject in subjects {
        let access = Access {
            subject,
            all: subjects,
            world,
        };
        let mut process = Process::new(access, &mut memory);
        let identity = rules::identify(&mut process);
        let kind = identity.kind.as_ref().map(|kind| kind.name);
        let may_be_starter = subject.has_children && [Some(nodejs::KIND), Some(python::KIND)].contains(&kind);
        seen.push(Seen {
            has_children: subject.has_children,
            is_oldest: subject.pid == oldest_pid,
            is_starter: may_be_starter && roles::is_starter(&process.arguments().join(&0)),
            kind,
            is_merely_compiled: is_merely_compiled(&identity),
            is_wrapper: identity.is_wrapper,
            executable: process.executable().to_vec(),
        });
        findings.push(Finding {
            pid: subject.pid,
            start: subject.start,
            role: Role::Other,
            identity,
        });
    }
    for (finding, role) in findings.iter_mut().zip(roles::assign(&seen)) {
        finding.role = role;
    }
    if subjects.len() >= MAX_PROCESSES {
        let message = format!("Only the {} oldest processes were looked at", subjects.len());
        world.note("processes", "budget", message);
    }
    findings
}
