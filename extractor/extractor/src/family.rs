//! Forking children into a container's pid namespace, waiting for them, and ending those that take too long.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use node::cgroup::ContainerId;
use node::sys::{self, Ending, Namespace, Pid};

use crate::child;
use crate::log;

/// How long a killed child may take to be gone.
const DEATH: Duration = Duration::from_millis(500);
/// With that many children that SIGKILL does not end, no more are made.
const MAX_ABANDONED: usize = 16;

/// How looking at a container, or at one user of it, ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Its files are written.
    Done,
    /// The container ended meanwhile.
    Gone,
    /// The child could not give up its privileges, and so did not look.
    NotConfined,
    /// The system refused what the parent needed: a directory, a file, a child.
    Failed,
    /// The child did what it may not and was killed for it.
    Violation,
    /// The child ended in another way than it should, by itself or by another's signal.
    Crashed,
    /// Its time was up; the child was killed.
    TimedOut,
    /// Its time was up, and killing has not ended the child yet.
    Abandoned,
}

/// All outcomes with the words for them, the best first.
pub const OUTCOMES: [(Outcome, &str); 8] = [
    (Outcome::Done, "done"),
    (Outcome::Gone, "gone"),
    (Outcome::NotConfined, "notConfined"),
    (Outcome::Failed, "failed"),
    (Outcome::Violation, "violations"),
    (Outcome::Crashed, "crashed"),
    (Outcome::TimedOut, "timedOut"),
    (Outcome::Abandoned, "abandoned"),
];

/// The parent's side of all children.
pub struct Family {
    own_namespace: File,
    abandoned: Vec<(ContainerId, Pid)>,
}

impl Family {
    /// Without children. Remembers the pid namespace to come back to.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            own_namespace: File::open("/proc/self/ns/pid")?,
            abandoned: Vec::new(),
        })
    }

    /// Waits for abandoned children that have ended since; how many are left.
    pub fn bury(&mut self) -> usize {
        self.abandoned.retain(|(_, pid)| matches!(sys::reap(*pid), Ok(None)));
        self.abandoned.len()
    }

    /// Whether a child may be made for the container: not while an earlier one hangs in it, nor when too many hang.
    pub fn may_grow(&self, id: &ContainerId) -> bool {
        self.abandoned.len() < MAX_ABANDONED && self.abandoned.iter().all(|(other, _)| other != id)
    }

    /// Runs the function in a child inside the pid namespace, until that time at most.
    pub fn run(
        &mut self,
        id: ContainerId,
        namespace: BorrowedFd,
        until: Instant,
        look: impl FnOnce() -> u8,
    ) -> io::Result<Outcome> {
        let pid = match self.fork_into(namespace, look) {
            // The namespace's first process is dead: it takes no more.
            Err(problem) if problem.raw_os_error() == Some(libc::ENOMEM) => return Ok(Outcome::Gone),
            forked => forked?,
        };
        let waited = sys::open_pid(pid).and_then(|process| {
            if let Some(outcome) = wait(pid, &process, until)? {
                return Ok(Some(outcome));
            }
            sys::kill(pid)?;
            let ended = wait(pid, &process, Instant::now() + DEATH)?;
            Ok(ended.map(|_| Outcome::TimedOut))
        });
        if let Ok(Some(outcome)) = waited {
            return Ok(outcome);
        }
        // Killed and not gone, or it could not even be waited for: whatever it is, it must not live on unnoticed.
        let _ = sys::kill(pid);
        self.abandoned.push((id, pid));
        waited.map(|_| Outcome::Abandoned)
    }

    fn fork_into(&self, namespace: BorrowedFd, look: impl FnOnce() -> u8) -> io::Result<Pid> {
        sys::enter(namespace, Namespace::Pid)?;
        let forked = sys::fork(look);
        if let Err(problem) = sys::enter(self.own_namespace.as_fd(), Namespace::Pid) {
            // All later children would be made in that container.
            log::error(&format!("Going back to the own pid namespace: {problem}"));
            std::process::exit(1);
        }
        forked
    }
}

/// How the child ended; none when it has not by then.
fn wait(pid: Pid, process: &OwnedFd, until: Instant) -> io::Result<Option<Outcome>> {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let is_over = left.is_zero();
        if sys::wait_readable(&[process.as_raw_fd()], Some(left))?.is_some()
            && let Some(ending) = sys::reap(pid)?
        {
            return Ok(Some(outcome(ending)));
        }
        if is_over {
            return Ok(None);
        }
    }
}

fn outcome(ending: Ending) -> Outcome {
    match ending {
        Ending::Exited(code) if code == i32::from(child::DONE) => Outcome::Done,
        Ending::Exited(code) if code == i32::from(child::GONE) => Outcome::Gone,
        Ending::Exited(code) if code == i32::from(child::NOT_CONFINED) => Outcome::NotConfined,
        Ending::Killed(libc::SIGSYS) => Outcome::Violation,
        Ending::Killed(libc::SIGXCPU) => Outcome::TimedOut,
        // The end of a container's first process kills everything in its pid namespace, our child too.
        Ending::Killed(libc::SIGKILL) => Outcome::Gone,
        Ending::Exited(_) | Ending::Killed(_) => Outcome::Crashed,
    }
}
