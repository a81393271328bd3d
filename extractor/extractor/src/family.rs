//! Forking children, waiting for them, and ending those that take too long.

use std::io;
use std::time::{Duration, Instant};

use node::cgroup::ContainerId;
use node::sys::{self, Births, Ending, Pid};

use crate::child;
use crate::rank::Rank;

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
    births: Births,
    abandoned: Vec<(ContainerId, Pid)>,
}

impl Family {
    /// Without children.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            births: Births::new()?,
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

    /// Has one child prepare, and the one that it makes of itself look; both within that time.
    pub fn run<Ready>(
        &mut self,
        id: ContainerId,
        until: Instant,
        prepare: impl FnOnce() -> Result<Ready, u8>,
        look: impl FnOnce(Ready) -> u8,
    ) -> io::Result<(Outcome, Rank)> {
        // Of an abandoned first child that made its second one only after it was given up.
        self.abandon(id, self.births.take_sibling());
        let births = &self.births;
        let first = births.fork(|| match prepare() {
            Err(code) => code,
            Ok(ready) => {
                // The namespace's first process is dead, or it is full: it takes no more.
                births.go_on_as_sibling(|| look(ready));
                child::GONE
            }
        })?;
        let prepared = self.end(id, first, until);
        // The kernel has set it when the second one was made, however the first one ended.
        match self.births.take_sibling() {
            0 => prepared,
            second => self.end(id, second, until),
        }
    }

    /// Waits for a child, and kills it when its time is up.
    fn end(&mut self, id: ContainerId, pid: Pid, until: Instant) -> io::Result<(Outcome, Rank)> {
        let left = until.saturating_duration_since(Instant::now());
        let waited = match sys::await_end(pid, left) {
            Ok(None) => sys::kill(pid)
                .and_then(|()| sys::await_end(pid, DEATH))
                .map(|ended| ended.map(|_| (Outcome::TimedOut, Rank::Unfinished))),
            ended => ended.map(|ended| ended.map(|ending| (outcome(&ending), rank(&ending)))),
        };
        if let Ok(Some(end)) = waited {
            return Ok(end);
        }
        // Killed and not gone, or it could not even be waited for: whatever it is, it must not live on unnoticed.
        self.abandon(id, pid);
        waited.map(|_| (Outcome::Abandoned, Rank::Unfinished))
    }

    fn abandon(&mut self, id: ContainerId, pid: Pid) {
        if pid > 0 {
            let _ = sys::kill(pid);
            self.abandoned.push((id, pid));
        }
    }
}

/// What a child that came to its end found. That is all that a container can make the parent believe, and only about itself.
fn rank(ending: &Ending) -> Rank {
    let is_code = |rank: &Rank| matches!(ending, Ending::Exited(code) if *code == *rank as i32);
    let ranks = [Rank::Recognised, Rank::Compiled, Rank::Nothing];
    ranks.into_iter().find(is_code).unwrap_or(Rank::Unfinished)
}

fn outcome(ending: &Ending) -> Outcome {
    match *ending {
        Ending::Exited(code) if (0..=i32::from(child::DONE)).contains(&code) => Outcome::Done,
        Ending::Exited(code) if code == i32::from(child::GONE) => Outcome::Gone,
        Ending::Exited(code) if code == i32::from(child::NOT_CONFINED) => Outcome::NotConfined,
        Ending::Killed(libc::SIGSYS) => Outcome::Violation,
        Ending::Killed(libc::SIGXCPU) => Outcome::TimedOut,
        // The end of a container's first process kills everything in its pid namespace, our child too.
        Ending::Killed(libc::SIGKILL) => Outcome::Gone,
        Ending::Exited(_) | Ending::Killed(_) => Outcome::Crashed,
    }
}
