//! The life of a child in two processes: one opens what is to be looked at and gives up everything else, the other, born
//! with nothing inside the container, looks, writes and ends.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use node::credentials::Credentials;
use node::root::Budget;
use node::sys::{self, Instruction, Namespace};
use node::table::{self, Process};

use crate::look::{self, MAX_PROCESSES, World};
use crate::output::Files;
use crate::rank::Rank;
use crate::report;
use crate::sandbox;
use crate::subject::Subject;

/// The highest of a child's exit codes when its files are written; the code is that of what its main process is.
pub const DONE: u8 = Rank::Nothing as u8;
/// When no process was left to look at.
pub const GONE: u8 = 10;
/// When it could not give up its privileges.
pub const NOT_CONFINED: u8 = 11;
/// When it panicked.
const PANICKED: u8 = 12;
/// When its files could not be written.
const UNWRITTEN: u8 = 13;

/// No more bytes are read for one user of a container.
const MAX_BYTES: u64 = 256 * 1024 * 1024;

static IS_CHILD: AtomicBool = AtomicBool::new(false);

/// In a child a panic only ends the process, with a code of its own: unwinding or printing would need calls that it may
/// not make. In the parent it is logged and, further up, survived.
pub fn install_panic_hook() {
    std::panic::set_hook(Box::new(|panic| {
        if IS_CHILD.load(Ordering::Relaxed) {
            sys::exit_now(PANICKED);
        }
        crate::log::error(&format!("Panic: {panic}"));
    }));
}

/// What a child is made for.
pub struct Task<'a> {
    /// The directory `/proc` of the host.
    pub proc: BorrowedFd<'a>,
    /// The first of the processes that was still there, and its directory in `/proc`.
    pub pinned: (u32, OwnedFd),
    /// The container's pid namespace.
    pub pids: OwnedFd,
    /// The container's mount namespace.
    pub mounts: OwnedFd,
    /// Who to become.
    pub user: &'a Credentials,
    /// That user's processes, the oldest first.
    pub processes: Vec<&'a Process>,
    /// The container's oldest process, whoever it belongs to.
    pub oldest_pid: u32,
    /// What it may write.
    pub files: Files,
    /// How long it may look.
    pub time: Duration,
    /// What it may call.
    pub filter: &'a [Instruction],
}

/// What is left of a task when nothing privileged is.
pub struct Ready<'a> {
    subjects: Vec<Subject>,
    oldest_pid: u32,
    files: Files,
    until: Instant,
    filter: &'a [Instruction],
}

/// Opens what needs privileges and gives them up. Runs in a process that the container cannot see, so that not even one
/// that may trace others finds a privilege or a way to the host in it. The error is its exit code.
pub fn prepare(task: Task) -> Result<Ready, u8> {
    IS_CHILD.store(true, Ordering::Relaxed);
    let until = Instant::now() + task.time;
    let subjects = open(&task).map_err(|_| NOT_CONFINED)?.ok_or(GONE)?;
    // A path leads from it into the host's /proc.
    drop(task.pinned);
    let confined = sys::enter(task.pids.as_fd(), Namespace::Pid)
        .and_then(|()| sys::enter(task.mounts.as_fd(), Namespace::Mount))
        .and_then(|()| sandbox::become_user(task.user, task.time));
    confined.map_err(|_| NOT_CONFINED)?;
    Ok(Ready {
        subjects,
        oldest_pid: task.oldest_pid,
        files: task.files,
        until,
        filter: task.filter,
    })
}

/// Looks and writes. Runs in the process that is born without privileges inside the container's pid namespace; the result
/// is its exit code.
pub fn look(ready: Ready) -> u8 {
    let Ready {
        subjects,
        oldest_pid,
        files,
        until,
        filter,
    } = ready;
    // Without a /proc of the container's own no file could be opened in the one way that is safe.
    let (Ok(own_files), Ok(())) = (sys::open_own_files(), sandbox::close_in(filter)) else {
        return NOT_CONFINED;
    };
    let mut world = World::new(own_files, Budget::new(MAX_BYTES, until));
    let mut written = Ok(());
    // The operating system first, so that an answer cut short has at least that.
    let os = look::os(&subjects, &mut world);
    let upstream = &files.upstream;
    written = written.and(write(&upstream.os, &report::os(&os)));
    let findings = look::processes(&subjects, oldest_pid, &mut world);
    written = written.and(write(&upstream.kind, &report::kind(&findings)));
    written = written.and(write(&upstream.runtimes, &report::runtimes(&findings)));
    written = written.and(write(&files.detail, &report::detail(&os, &findings, &world.notes)));
    // Ends here, so that nothing is closed or freed one by one.
    sys::exit_now(match written {
        Ok(()) => report::rank(&findings) as u8,
        Err(_) => UNWRITTEN,
    })
}

fn write(file: &OwnedFd, text: &str) -> std::io::Result<()> {
    sys::write_all(file.as_fd(), text.as_bytes())
}

/// Closes everything that is not needed and opens, without reading, what a dropped user could not open: the processes.
/// None when all of them are gone.
fn open(task: &Task) -> std::io::Result<Option<Vec<Subject>>> {
    let mut kept = vec![
        task.proc.as_raw_fd(),
        task.pinned.1.as_raw_fd(),
        task.pids.as_raw_fd(),
        task.mounts.as_raw_fd(),
        task.files.detail.as_raw_fd(),
        task.files.upstream.os.as_raw_fd(),
        task.files.upstream.kind.as_raw_fd(),
        task.files.upstream.runtimes.as_raw_fd(),
    ];
    kept.sort_unstable();
    sys::close_all_but(&kept)?;
    let processes = task.processes.iter().take(MAX_PROCESSES);
    let subjects: Vec<_> = processes.filter_map(|process| subject(task, process)).collect();
    // Nothing may stay open from which a path leads into the host's /proc.
    sys::close(task.proc)?;
    Ok((!subjects.is_empty()).then_some(subjects))
}

/// The process with its files open. Holding its directory pins it: what is opened through it belongs to this process or
/// cannot be opened, even when another one gets its number.
fn subject(task: &Task, process: &Process) -> Option<Subject> {
    let (pinned, pinned_dir) = &task.pinned;
    let own_dir;
    let dir = if process.pid == *pinned {
        pinned_dir
    } else {
        own_dir = table::open(task.proc, process)?;
        &own_dir
    };
    let open = |name, flags| sys::open_at(dir.as_fd(), name, flags, 0).ok();
    Some(Subject {
        pid: process.pid,
        start: process.start,
        has_children: process.has_children,
        executable: open(c"exe", libc::O_RDONLY),
        maps: open(c"maps", libc::O_RDONLY),
        environment: open(c"environ", libc::O_RDONLY),
        command_line: open(c"cmdline", libc::O_RDONLY),
        root: open(c"root", libc::O_PATH | libc::O_DIRECTORY),
        directory: open(c"cwd", libc::O_PATH | libc::O_DIRECTORY),
    })
}
