//! Making children and waiting for them.

use std::ffi::c_void;
use std::io::{self, Error};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use libc::c_int;

use super::checked;
use super::memory::Nursery;

/// The number of a process, as our own pid namespace counts.
pub type Pid = libc::pid_t;

/// Forks a child that runs the function and ends with the code it returns. Only for a program of a single thread: a lock
/// that another thread holds would stay held in the child.
fn fork(child: impl FnOnce() -> u8) -> io::Result<Pid> {
    // SAFETY: the program has one thread, so the child finds the heap and all locks as the parent left them, and it
    // never returns to the parent's code.
    match checked(unsafe { libc::fork() })? {
        0 => exit_now(child()),
        pid => Ok(pid),
    }
}

/// What a parent needs to have children: the memory that they begin with, and a number that it shares with them. For a
/// program of a single thread.
pub struct Births {
    nursery: Nursery,
    sibling: NonNull<AtomicI32>,
}

const SIBLING_BYTES: usize = size_of::<AtomicI32>();

impl Births {
    /// Before the first child. From now on the end of a child is kept for [`await_end`] to see.
    pub fn new() -> io::Result<Self> {
        let (rights, flags) = (
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS,
        );
        // SAFETY: a new mapping at an address that the kernel chooses.
        let page = unsafe { libc::mmap(std::ptr::null_mut(), SIBLING_BYTES, rights, flags, -1, 0) };
        if page == libc::MAP_FAILED {
            return Err(Error::last_os_error());
        }
        let ends = signals_of_ends()?;
        // SAFETY: the set outlives the call, the old one is not wanted.
        checked(unsafe { libc::sigprocmask(libc::SIG_BLOCK, &raw const ends, std::ptr::null_mut()) })?;
        Ok(Self {
            nursery: Nursery::new()?,
            sibling: NonNull::new(page.cast()).ok_or(io::ErrorKind::OutOfMemory)?,
        })
    }

    /// Forks a child that runs the function and ends with the code it returns.
    pub fn fork(&self, child: impl FnOnce() -> u8) -> io::Result<Pid> {
        fork(|| {
            self.nursery.settle();
            child()
        })
    }

    /// The child that a child made of itself, zero when it made none; zero afterwards.
    pub fn take_sibling(&self) -> Pid {
        // SAFETY: the page stays mapped in every process that still has this value; see `go_on_as_sibling`.
        unsafe { self.sibling.as_ref() }.swap(0, Ordering::SeqCst)
    }

    /// Ends this process, a child, with code zero, after it made another child of its parent, which runs the function and ends
    /// with the code that it returns. The kernel puts that one's number, as our own pid namespace counts, where the parent
    /// takes it; the new process loses that place before it runs anything. It takes our memory over instead of copying it,
    /// and is born with our credentials and limits, in the pid namespace last entered. Returns only when it cannot be made.
    pub fn go_on_as_sibling<F: FnOnce() -> u8>(&self, child: F) -> Error {
        extern "C" fn run<F: FnOnce() -> u8>(handed: *mut c_void) -> c_int {
            // SAFETY: points to what is below, in a frame that is never left; only this process takes the function out of it.
            let (sibling, child) = unsafe { handed.cast::<(*mut c_void, F)>().read() };
            // SAFETY: this process ends in this function and never uses the number.
            unsafe { libc::munmap(sibling, SIBLING_BYTES) };
            exit_now(child())
        }
        let number = self.sibling.as_ptr();
        let mut handed = std::mem::ManuallyDrop::new((number.cast::<c_void>(), child));
        let flags = libc::CLONE_VM | libc::CLONE_PARENT | libc::CLONE_PARENT_SETTID | libc::SIGCHLD;
        let stack = self.nursery.stack();
        // SAFETY: the new process has a stack of its own, whose top is aligned. What both have in common is left to it alone:
        // we only end, which touches no memory. The kernel writes the number before it lets the new process run.
        let pid = unsafe { libc::clone(run::<F>, stack, flags, (&raw mut handed).cast(), number) };
        if pid < 0 { Error::last_os_error() } else { exit_now(0) }
    }
}

fn signals_of_ends() -> io::Result<libc::sigset_t> {
    // SAFETY: all-zero is a valid set.
    let mut set = unsafe { std::mem::zeroed() };
    // SAFETY: the set outlives both calls.
    checked(unsafe { libc::sigemptyset(&raw mut set) })?;
    // SAFETY: as above.
    checked(unsafe { libc::sigaddset(&raw mut set, libc::SIGCHLD) })?;
    Ok(set)
}

/// How the child ended, within that time; none when it has not. Needs [`Births`] to exist.
pub fn await_end(pid: Pid, timeout: Duration) -> io::Result<Option<Ending>> {
    let ends = signals_of_ends()?;
    let until = Instant::now() + timeout;
    loop {
        // First, since the signal of its end may have been that of another child, too.
        let ending = reap(pid)?;
        let left = until.saturating_duration_since(Instant::now());
        if ending.is_some() || left.is_zero() {
            return Ok(ending);
        }
        let left = libc::timespec {
            tv_sec: left.as_secs().try_into().unwrap_or(libc::time_t::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        // SAFETY: set and time outlive the call, the details of the signal are not wanted.
        let _ = unsafe { libc::sigtimedwait(&raw const ends, std::ptr::null_mut(), &raw const left) };
    }
}

/// Ends the process at once: nothing is flushed, unwound or called.
pub fn exit_now(code: u8) -> ! {
    // SAFETY: never returns, so nothing can observe what it leaves.
    unsafe { libc::_exit(c_int::from(code)) }
}

/// Kills a child that was not waited for yet, so that the number is still its own. Gone already is fine.
pub fn kill(pid: Pid) -> io::Result<()> {
    // SAFETY: no pointers.
    checked(unsafe { libc::kill(pid, libc::SIGKILL) }).map(drop)
}

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// By itself, with this code.
    Exited(i32),
    /// By this signal.
    Killed(i32),
}

/// How the child ended; none when it still runs.
pub fn reap(pid: Pid) -> io::Result<Option<Ending>> {
    let mut status = 0;
    // SAFETY: the status is ours.
    let reaped = checked(unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG) })?;
    Ok((reaped != 0).then(|| match libc::WIFSIGNALED(status) {
        true => Ending::Killed(libc::WTERMSIG(status)),
        false => Ending::Exited(libc::WEXITSTATUS(status)),
    }))
}
