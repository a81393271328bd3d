//! One scan: the wanted containers, one after another, each within its time.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use node::cgroup::ContainerId;
use node::links::Places;
use node::sys::{self, Instruction};
use node::table::{self, Container, Process};

use crate::arguments::Arguments;
use crate::child::{self, Task};
use crate::family::{Family, OUTCOMES, Outcome};
use crate::log;
use crate::output::{Answer, Data};
use crate::rank::Rank;
use crate::request::Wanted;
use crate::sandbox;

/// An answer this old was asked for by somebody who is gone.
const UNFETCHED: Duration = Duration::from_secs(600);
/// No more containers are remembered to have taken all their time.
const MAX_LATE: usize = 256;
/// Users of one container beyond this number are not looked at.
const MAX_USERS: usize = 4;
/// Of a user's processes, this many are tried before the container counts as gone.
const MAX_TRIES: usize = 8;

/// What lasts from scan to scan.
pub struct Scanner {
    proc: File,
    data: Data,
    family: Family,
    late: Vec<ContainerId>,
    filter: Vec<Instruction>,
    links: PathBuf,
    container_timeout: Duration,
    scan_timeout: Duration,
}

impl Scanner {
    /// Ready to scan; what an earlier run left behind is removed.
    pub fn new(arguments: &Arguments) -> Result<Self, String> {
        let data = Data::new(&arguments.root);
        match data.sweep(Duration::ZERO) {
            Ok(0) => {}
            Ok(count) => log::info(&format!("Removed old answers count={count}")),
            Err(problem) => return Err(format!("Sweeping {}/data: {problem}", arguments.root.display())),
        }
        if let Err(problem) = data.share() {
            log::warn(&format!("Sharing {}/data: {problem}", arguments.root.display()));
        }
        Ok(Self {
            proc: File::open("/proc").map_err(|problem| format!("Opening /proc: {problem}"))?,
            data,
            family: Family::new().map_err(|problem| format!("Sharing memory with children: {problem}"))?,
            late: Vec::new(),
            filter: sandbox::filter(),
            links: arguments.links.clone(),
            container_timeout: arguments.container_timeout,
            scan_timeout: arguments.scan_timeout,
        })
    }

    /// Looks at the wanted containers. The result names the directory of the answer, which is partial when time ran out.
    pub fn scan(&mut self, wanted: &Wanted) -> io::Result<String> {
        self.data.sweep(UNFETCHED)?;
        let answer = self.data.answer()?;
        match self.fill(&answer, wanted) {
            Ok(()) => Ok(answer.name),
            Err(problem) => {
                self.data.withdraw(&answer);
                Err(problem)
            }
        }
    }

    fn fill(&mut self, answer: &Answer, wanted: &Wanted) -> io::Result<()> {
        let begun = Instant::now();
        let until = begun + self.scan_timeout;
        let abandoned = self.family.bury();
        let mut places = self.places()?;
        places.retain(|id| wanted.includes(id));
        let table = table::scan(self.proc.as_fd(), &places, until)?;
        let mut counts = [0_usize; OUTCOMES.len()];
        let mut skipped = 0;
        // Those that took all their time before come last, so that they cannot use up that of the others.
        let (late, prompt): (Vec<_>, Vec<_>) = table
            .containers
            .iter()
            .partition(|container| self.late.contains(&container.id));
        for container in prompt.into_iter().chain(late) {
            if Instant::now() >= until || !self.family.may_grow(&container.id) {
                skipped += 1;
                continue;
            }
            let until = until.min(Instant::now() + self.container_timeout);
            let prefix = wanted.prefix(&container.id).filter(|prefix| !prefix.is_empty());
            let scheme = prefix.unwrap_or_else(|| table::engine(self.proc.as_fd(), container).scheme());
            let looked = self.look(answer, container, scheme, until);
            let outcome = looked.unwrap_or_else(|problem| {
                log::warn(&format!("Looking at a container: {problem}"));
                Outcome::Failed
            });
            log::debug(&format!("Looked at {scheme}{} outcome={outcome:?}", container.id));
            counts[outcome as usize] += 1;
            if matches!(outcome, Outcome::TimedOut | Outcome::Abandoned) {
                // For good, since a container could be prompt every other time.
                self.late.retain(|id| *id != container.id);
                self.late.insert(0, container.id);
                self.late.truncate(MAX_LATE);
            }
        }
        let outcomes: Vec<_> = OUTCOMES
            .iter()
            .zip(counts)
            .map(|((_, name), count)| format!("{name}={count}"))
            .collect();
        let line = format!(
            "Scanned containers={} processes={} {} skipped={skipped} oddLinks={} partialTable={} tookMs={}",
            table.containers.len(),
            table.processes,
            outcomes.join(" "),
            places.refused,
            table.is_partial,
            begun.elapsed().as_millis()
        );
        let is_whole = skipped + abandoned == 0
            && !table.is_partial
            && counts[Outcome::Done as usize] + counts[Outcome::Gone as usize] == table.containers.len();
        if is_whole {
            log::info(&line)
        } else {
            log::warn(&line)
        }
        Ok(())
    }

    fn places(&self) -> io::Result<Places> {
        match File::open(&self.links) {
            Ok(dir) => table::places(dir.as_fd()),
            // A node that has not run a pod yet.
            Err(problem) if problem.kind() == io::ErrorKind::NotFound => Ok(Places::default()),
            Err(problem) => Err(problem),
        }
    }

    /// Looks at one container, a child for each user. The worst outcome counts.
    fn look(&mut self, answer: &Answer, container: &Container, scheme: &str, until: Instant) -> io::Result<Outcome> {
        let Some(oldest) = container.processes.first() else {
            return Ok(Outcome::Gone);
        };
        let (mut worst, mut folder, mut best) = (None, None, Rank::Unfinished);
        for user in container.users.iter().take(MAX_USERS) {
            let processes: Vec<_> = container
                .processes
                .iter()
                .filter(|process| process.uid == user.uid)
                .collect();
            let Some(namespaces) = processes
                .iter()
                .take(MAX_TRIES)
                .find_map(|process| self.namespaces(process))
            else {
                worst = worst.max(Some(Outcome::Gone));
                continue;
            };
            let is_first = folder.is_none();
            let folder = match &mut folder {
                Some(folder) => folder,
                none => {
                    let reference = format!("{scheme}{}", container.id);
                    none.insert(answer.container(oldest.pid, &reference, &container.place)?)
                }
            };
            let left = until.saturating_duration_since(Instant::now());
            let (pinned, pids, mounts) = namespaces;
            let task = Task {
                proc: self.proc.as_fd(),
                pinned,
                pids,
                mounts,
                user,
                processes,
                oldest_pid: oldest.pid,
                files: folder.files(user.uid, is_first)?,
                // The rest is for writing, so that what was found is not lost.
                time: left.mul_f32(0.8),
                filter: &self.filter,
            };
            // The closures consume the task in the children only; here its descriptors are closed when it goes.
            let (outcome, rank) = self
                .family
                .run(container.id, until, || child::prepare(task), child::look)?;
            worst = worst.max(Some(outcome));
            // The owner of the oldest process comes first and keeps its place among equals.
            let is_better = rank < best;
            best = best.min(rank);
            if !is_first {
                folder.settle(user.uid, is_better)?;
            }
            if outcome == Outcome::Abandoned {
                break;
            }
        }
        Ok(worst.unwrap_or(Outcome::Gone))
    }

    /// The process's number and directory, its pid and its mount namespace; none when it is gone.
    fn namespaces(&self, process: &Process) -> Option<((u32, OwnedFd), OwnedFd, OwnedFd)> {
        let dir = table::open(self.proc.as_fd(), process)?;
        let open = |name| sys::open_at(dir.as_fd(), name, libc::O_RDONLY, 0).ok();
        let (pids, mounts) = (open(c"ns/pid")?, open(c"ns/mnt")?);
        Some(((process.pid, dir), pids, mounts))
    }
}
