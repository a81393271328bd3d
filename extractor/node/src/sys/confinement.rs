//! Namespaces, users, capabilities, limits and the filter of system calls.

use std::io::{self, Error};
use std::os::fd::{AsRawFd, BorrowedFd};

use libc::{c_int, c_ulong};

use super::{checked, checked_long};

/// Which namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Namespace {
    /// Of process numbers: for the children made from now on.
    Pid,
    /// Of mounts: for ourselves, root directory included.
    Mount,
}

/// Enters a namespace.
pub fn enter(namespace: BorrowedFd, kind: Namespace) -> io::Result<()> {
    let kind = match kind {
        Namespace::Pid => libc::CLONE_NEWPID,
        Namespace::Mount => libc::CLONE_NEWNS,
    };
    // SAFETY: no pointers.
    checked(unsafe { libc::setns(namespace.as_raw_fd(), kind) }).map(drop)
}

/// Becomes a user for good: groups, real, effective and saved ids; then empties every capability set.
pub fn become_user(uid: u32, gid: u32, groups: &[u32]) -> io::Result<()> {
    // SAFETY: the groups outlive the call and their number is told.
    checked(unsafe { libc::setgroups(groups.len(), groups.as_ptr()) })?;
    // SAFETY: no pointers.
    checked(unsafe { libc::setresgid(gid, gid, gid) })?;
    // SAFETY: no pointers.
    checked(unsafe { libc::setresuid(uid, uid, uid) })?;
    set_capabilities([0; 6])
}

const CAPABILITY_VERSION_3: u32 = 0x2008_0522;

fn set_capabilities(sets: [u32; 6]) -> io::Result<()> {
    let header = [CAPABILITY_VERSION_3, 0];
    // SAFETY: header and sets are laid out as version 3 wants them and outlive the call.
    checked_long(unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), sets.as_ptr()) }).map(drop)
}

/// The effective capabilities, a bit each.
pub fn effective_capabilities() -> io::Result<u64> {
    let header = [CAPABILITY_VERSION_3, 0];
    let mut sets = [0_u32; 6];
    // SAFETY: header and sets are laid out as version 3 wants them and outlive the call.
    checked_long(unsafe { libc::syscall(libc::SYS_capget, header.as_ptr(), sets.as_mut_ptr()) })?;
    Ok(u64::from(sets[0]) | u64::from(sets[3]) << 32)
}

fn prctl(option: c_int, argument: c_ulong) -> io::Result<c_int> {
    // SAFETY: only called with options whose argument is a number.
    checked(unsafe { libc::prctl(option, argument, 0 as c_ulong, 0 as c_ulong, 0 as c_ulong) })
}

/// Gives up gaining privileges by executing anything, and the capabilities that could be gained that way. For good, and
/// for every child.
pub fn give_up_gaining_privileges() -> io::Result<()> {
    prctl(libc::PR_SET_NO_NEW_PRIVS, 1)?;
    // The kernel refuses the first number that is no capability: the end of the list.
    let last = (0..64)
        .map_while(|capability| prctl(libc::PR_CAPBSET_DROP, capability).ok())
        .count();
    if last == 0 { Err(Error::last_os_error()) } else { Ok(()) }
}

/// Keeps others of the same user from looking into or tracing this process.
pub fn forbid_dumping() -> io::Result<()> {
    prctl(libc::PR_SET_DUMPABLE, 0).map(drop)
}

/// Has the kernel kill this process when its parent dies. A change of user undoes it.
pub fn die_with_parent() -> io::Result<()> {
    prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as c_ulong).map(drop)
}

/// A limit on what this process and its children use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Bytes of address space.
    Memory,
    /// Seconds of processor time.
    Cpu,
    /// Bytes of a core file.
    Core,
    /// Bytes of a written file.
    FileSize,
    /// Open descriptors.
    Files,
    /// Processes of the user.
    Processes,
}

/// Sets a limit for good.
pub fn limit(limit: Limit, value: u64) -> io::Result<()> {
    let resource = match limit {
        Limit::Memory => libc::RLIMIT_AS,
        Limit::Cpu => libc::RLIMIT_CPU,
        Limit::Core => libc::RLIMIT_CORE,
        Limit::FileSize => libc::RLIMIT_FSIZE,
        Limit::Files => libc::RLIMIT_NOFILE,
        Limit::Processes => libc::RLIMIT_NPROC,
    };
    let both = libc::rlimit64 {
        rlim_cur: value,
        rlim_max: value,
    };
    // SAFETY: the structure outlives the call.
    checked(unsafe { libc::setrlimit64(resource, &raw const both) }).map(drop)
}

/// One instruction of a filter of system calls, as the kernel has it.
pub type Instruction = libc::sock_filter;

/// Lets the kernel run the filter over every system call from now on.
pub fn filter_calls(program: &[Instruction]) -> io::Result<()> {
    let program = libc::sock_fprog {
        len: u16::try_from(program.len()).map_err(|_| io::ErrorKind::InvalidInput)?,
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: the kernel copies the program, which outlives the call, and does not write to it.
    let set = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) };
    checked_long(set).map(drop)
}
