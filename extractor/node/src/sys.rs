//! System calls that the standard library does not have, each behind a function that is safe to call. The only file of
//! this crate and of the extractor with unsafe code.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_void};
use std::io::{self, Error};
use std::mem::{MaybeUninit, zeroed};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use libc::{c_int, c_long, c_ulong};

/// The number of a process, as our own pid namespace counts.
pub type Pid = libc::pid_t;

fn checked(result: c_int) -> io::Result<c_int> {
    if result < 0 {
        Err(Error::last_os_error())
    } else {
        Ok(result)
    }
}

fn checked_long(result: c_long) -> io::Result<c_long> {
    if result < 0 {
        Err(Error::last_os_error())
    } else {
        Ok(result)
    }
}

fn checked_size(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| Error::last_os_error())
}

fn owned(fd: c_int) -> io::Result<OwnedFd> {
    // SAFETY: the kernel just gave us this descriptor, so nobody else owns it.
    checked(fd).map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Opens a name below a directory. `O_CLOEXEC` is always set.
pub fn open_at(dir: BorrowedFd, name: &CStr, flags: c_int, mode: u32) -> io::Result<OwnedFd> {
    // SAFETY: the name ends in NUL and outlives the call.
    owned(unsafe { libc::openat(dir.as_raw_fd(), name.as_ptr(), flags | libc::O_CLOEXEC, mode) })
}

/// Opens a path as if the directory were the file system's root, passing through no link of `/proc`.
pub fn open_in_root(root: BorrowedFd, path: &CStr, flags: c_int) -> io::Result<OwnedFd> {
    // SAFETY: all-zero is a valid open_how.
    let mut how: libc::open_how = unsafe { zeroed() };
    how.flags = (flags | libc::O_CLOEXEC) as u64;
    how.resolve = libc::RESOLVE_IN_ROOT | libc::RESOLVE_NO_MAGICLINKS;
    // SAFETY: path and structure outlive the call, the size is the structure's.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_openat2,
            root.as_raw_fd(),
            path.as_ptr(),
            &raw const how,
            size_of_val(&how),
        )
    };
    owned(checked_long(fd)? as c_int)
}

/// Makes a directory below another.
pub fn make_dir_at(dir: BorrowedFd, name: &CStr, mode: u32) -> io::Result<()> {
    // SAFETY: the name ends in NUL and outlives the call.
    checked(unsafe { libc::mkdirat(dir.as_raw_fd(), name.as_ptr(), mode) }).map(drop)
}

/// Removes a file, or an empty directory, below another; a link is removed, not followed.
pub fn remove_at(dir: BorrowedFd, name: &CStr, is_dir: bool) -> io::Result<()> {
    let flags = if is_dir { libc::AT_REMOVEDIR } else { 0 };
    // SAFETY: the name ends in NUL and outlives the call.
    checked(unsafe { libc::unlinkat(dir.as_raw_fd(), name.as_ptr(), flags) }).map(drop)
}

/// Gives a file another name in the same directory, in place of the file that has it.
pub fn rename_at(dir: BorrowedFd, from: &CStr, to: &CStr) -> io::Result<()> {
    let dir = dir.as_raw_fd();
    // SAFETY: both names end in NUL and outlive the call.
    checked(unsafe { libc::renameat(dir, from.as_ptr(), dir, to.as_ptr()) }).map(drop)
}

/// Sets group and mode of an open file or directory.
pub fn set_group_and_mode(file: BorrowedFd, group: u32, mode: u32) -> io::Result<()> {
    // SAFETY: no pointers.
    checked(unsafe { libc::fchown(file.as_raw_fd(), libc::uid_t::MAX, group) })?;
    // SAFETY: no pointers.
    checked(unsafe { libc::fchmod(file.as_raw_fd(), mode) }).map(drop)
}

/// What the kernel says about an open file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// Whether it is a regular file: no directory, FIFO, socket or device.
    pub is_regular: bool,
    /// Its length in bytes.
    pub size: u64,
    /// Its group.
    pub group: u32,
    /// Device and number, which together name the file.
    pub identity: (u64, u64),
}

/// The status of an open file.
pub fn status(file: BorrowedFd) -> io::Result<Status> {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the structure is ours and large enough.
    checked(unsafe { libc::fstat(file.as_raw_fd(), stat.as_mut_ptr()) })?;
    // SAFETY: fstat succeeded, so it filled the structure.
    let stat = unsafe { stat.assume_init() };
    Ok(Status {
        is_regular: stat.st_mode & libc::S_IFMT == libc::S_IFREG,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        group: stat.st_gid,
        identity: (stat.st_dev, stat.st_ino),
    })
}

/// The magic number of the file system that an open file lies on.
pub fn file_system(file: BorrowedFd) -> io::Result<i64> {
    let mut stat = MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: the structure is ours and large enough.
    checked(unsafe { libc::fstatfs(file.as_raw_fd(), stat.as_mut_ptr()) })?;
    // SAFETY: fstatfs succeeded, so it filled the structure.
    #[allow(clippy::unnecessary_cast, reason = "the field's type differs between architectures")]
    Ok(unsafe { stat.assume_init() }.f_type as i64)
}

/// Reads once; zero at the end of the file.
pub fn read(file: BorrowedFd, buffer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the kernel writes at most the buffer's length.
    checked_size(unsafe { libc::read(file.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len()) })
}

/// Reads once from that offset; zero at the end of the file.
pub fn read_at(file: BorrowedFd, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let offset = i64::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: the kernel writes at most the buffer's length.
    checked_size(unsafe { libc::pread(file.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), offset) })
}

/// Writes everything.
pub fn write_all(file: BorrowedFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        // SAFETY: the kernel reads at most that many bytes.
        let written = checked_size(unsafe { libc::write(file.as_raw_fd(), bytes.as_ptr().cast(), bytes.len()) })?;
        bytes = &bytes[written..];
    }
    Ok(())
}

/// The text of the link of that name below a directory, cut at the buffer's length.
pub fn read_link_at<'a>(dir: BorrowedFd, name: &CStr, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
    // SAFETY: the kernel writes at most the buffer's length.
    let read = unsafe { libc::readlinkat(dir.as_raw_fd(), name.as_ptr(), buffer.as_mut_ptr().cast(), buffer.len()) };
    checked_size(read).map(|length| &buffer[..length])
}

/// Calls with each name in an open directory, through a fixed buffer, until it answers false. Starts at the first name
/// each time, however far the descriptor was read before.
pub fn each_name(dir: BorrowedFd, mut call: impl FnMut(&[u8]) -> bool) -> io::Result<()> {
    const NAME: usize = std::mem::offset_of!(libc::dirent64, d_name);
    const LENGTH: usize = std::mem::offset_of!(libc::dirent64, d_reclen);
    let mut buffer = [0_u8; 32 * 1024];
    // SAFETY: only the descriptor's position changes.
    checked_long(unsafe { libc::lseek(dir.as_raw_fd(), 0, libc::SEEK_SET) })?;
    loop {
        // SAFETY: the kernel writes at most the buffer's length.
        let read = unsafe { libc::syscall(libc::SYS_getdents64, dir.as_raw_fd(), buffer.as_mut_ptr(), buffer.len()) };
        let mut rest = &buffer[..checked_long(read)? as usize];
        if rest.is_empty() {
            return Ok(());
        }
        while let Some(length) = rest.get(LENGTH..LENGTH + 2) {
            let length = usize::from(u16::from_ne_bytes([length[0], length[1]]));
            let (Some(entry), true) = (rest.get(..length), length > NAME) else {
                return Err(io::ErrorKind::InvalidData.into());
            };
            let name = CStr::from_bytes_until_nul(&entry[NAME..]).map_or(&b""[..], CStr::to_bytes);
            if name != b"." && name != b".." && !call(name) {
                return Ok(());
            }
            rest = &rest[length..];
        }
    }
}

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

/// Forks a child that runs the function and ends with the code it returns. Only for a program of a single thread: a lock
/// that another thread holds would stay held in the child.
pub fn fork(child: impl FnOnce() -> u8) -> io::Result<Pid> {
    // SAFETY: the program has one thread, so the child finds the heap and all locks as the parent left them, and it
    // never returns to the parent's code.
    match checked(unsafe { libc::fork() })? {
        0 => exit_now(child()),
        pid => Ok(pid),
    }
}

/// A number in memory that this process and those forked from it share.
pub struct Slot(NonNull<AtomicI32>);

const SLOT_BYTES: usize = size_of::<AtomicI32>();

impl Slot {
    /// Holding zero.
    pub fn new() -> io::Result<Self> {
        let (rights, flags) = (
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS,
        );
        // SAFETY: a new mapping at an address that the kernel chooses.
        let page = unsafe { libc::mmap(std::ptr::null_mut(), SLOT_BYTES, rights, flags, -1, 0) };
        if page == libc::MAP_FAILED {
            return Err(Error::last_os_error());
        }
        NonNull::new(page.cast())
            .map(Self)
            .ok_or(io::ErrorKind::OutOfMemory.into())
    }

    /// The number, which is zero afterwards.
    pub fn take(&self) -> Pid {
        // SAFETY: the page stays mapped in every process that still has this value; see `go_on_as_sibling`.
        unsafe { self.0.as_ref() }.swap(0, Ordering::SeqCst)
    }
}

/// Ends this process, with code zero, after it made another child of its parent, which runs the function and ends with
/// the code that it returns. The kernel puts that one's number, as our own pid namespace counts, into the slot, which the
/// new process loses before it runs anything. It takes our memory over instead of copying it, and is born with our
/// credentials and limits, in the pid namespace last entered. For a program of a single thread. Returns only when it cannot
/// be made.
pub fn go_on_as_sibling<F: FnOnce() -> u8>(slot: &Slot, child: F) -> Error {
    extern "C" fn run<F: FnOnce() -> u8>(handed: *mut c_void) -> c_int {
        // SAFETY: points to what is below, in a frame that is never left; only this process takes the function out of it.
        let (slot, child) = unsafe { handed.cast::<(*mut c_void, F)>().read() };
        // SAFETY: this process ends in this function and never uses the slot.
        unsafe { libc::munmap(slot, SLOT_BYTES) };
        exit_now(child())
    }
    let stack = match new_stack() {
        Ok(stack) => stack,
        Err(problem) => return problem,
    };
    let mut handed = std::mem::ManuallyDrop::new((slot.0.as_ptr().cast::<c_void>(), child));
    let flags = libc::CLONE_VM | libc::CLONE_PARENT | libc::CLONE_PARENT_SETTID | libc::SIGCHLD;
    let number = slot.0.as_ptr();
    // SAFETY: the new process has a stack of its own, whose top is aligned. What both have in common is left to it alone:
    // we only end, which touches no memory. The kernel writes the number before it lets the new process run.
    let pid = unsafe { libc::clone(run::<F>, stack, flags, (&raw mut handed).cast(), number) };
    if pid < 0 { Error::last_os_error() } else { exit_now(0) }
}

const STACK_BYTES: usize = 512 * 1024;

/// The top of a new stack with a page below that ends the process which runs into it.
fn new_stack() -> io::Result<*mut c_void> {
    let (rights, flags) = (
        libc::PROT_READ | libc::PROT_WRITE,
        libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK,
    );
    // SAFETY: a new mapping at an address that the kernel chooses.
    let bottom = unsafe { libc::mmap(std::ptr::null_mut(), STACK_BYTES, rights, flags, -1, 0) };
    if bottom == libc::MAP_FAILED {
        return Err(Error::last_os_error());
    }
    // SAFETY: the lowest page of our own mapping; 64 KiB is a page or more everywhere.
    checked(unsafe { libc::mprotect(bottom, 64 * 1024, libc::PROT_NONE) })?;
    // SAFETY: one past the end of our own mapping.
    Ok(unsafe { bottom.byte_add(STACK_BYTES) })
}

/// Ends the process at once: nothing is flushed, unwound or called.
pub fn exit_now(code: u8) -> ! {
    // SAFETY: never returns, so nothing can observe what it leaves.
    unsafe { libc::_exit(c_int::from(code)) }
}

/// A descriptor for a child that was not waited for yet.
pub fn open_pid(pid: Pid) -> io::Result<OwnedFd> {
    // SAFETY: no pointers.
    owned(checked_long(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })? as c_int)
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

/// Whether each descriptor can be read, after at most that time. None when the time ran out; a signal counts as a wake
/// with nothing to read.
pub fn wait_readable(fds: &[RawFd], timeout: Option<Duration>) -> io::Result<Option<Vec<bool>>> {
    let mut polled: Vec<_> = fds
        .iter()
        .map(|fd| libc::pollfd {
            fd: *fd,
            events: libc::POLLIN,
            revents: 0,
        })
        .collect();
    // Rounded up, so that a wait never ends just before its time.
    let timeout = timeout.map_or(-1, |left| {
        c_int::try_from(left.as_micros().div_ceil(1000)).unwrap_or(c_int::MAX)
    });
    // SAFETY: the array is ours and its length is told.
    match checked(unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, timeout) }) {
        Ok(0) => Ok(None),
        Err(problem) if problem.kind() != io::ErrorKind::Interrupted => Err(problem),
        _ => Ok(Some(polled.iter().map(|polled| polled.revents != 0).collect())),
    }
}

/// Closes a descriptor that somebody else in this process believes to own; for a child that never returns to them.
pub fn close(fd: BorrowedFd) -> io::Result<()> {
    let fd = u32::try_from(fd.as_raw_fd()).map_err(|_| io::ErrorKind::InvalidInput)?;
    close_range(fd, fd)
}

/// Opens the directory of this process's own descriptors as the `/proc` of the mount namespace that was entered has it;
/// passes through no link on the way there.
pub fn open_own_files() -> io::Result<OwnedFd> {
    let flags = libc::O_PATH | libc::O_DIRECTORY;
    // SAFETY: no pointers; the constant stands for the root directory's sake only, the path is absolute.
    let nowhere = unsafe { BorrowedFd::borrow_raw(libc::AT_FDCWD) };
    let proc = open_at(nowhere, c"/proc", flags | libc::O_NOFOLLOW, 0)?;
    if file_system(proc.as_fd())? != libc::PROC_SUPER_MAGIC {
        return Err(io::ErrorKind::NotFound.into());
    }
    open_at(proc.as_fd(), c"self/fd", flags, 0)
}

/// Closes every descriptor but these, which must be sorted.
pub fn close_all_but(kept: &[RawFd]) -> io::Result<()> {
    let mut from: u32 = 0;
    for fd in kept.iter().filter_map(|fd| u32::try_from(*fd).ok()) {
        if fd > from {
            close_range(from, fd - 1)?;
        }
        from = fd + 1;
    }
    close_range(from, u32::MAX)
}

fn close_range(first: u32, last: u32) -> io::Result<()> {
    // SAFETY: closes descriptors whose owners this child never uses again.
    checked_long(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) }).map(drop)
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

/// Bounds how many connections wait to be accepted.
pub fn set_backlog(listener: BorrowedFd, connections: u16) -> io::Result<()> {
    // SAFETY: no pointers.
    checked(unsafe { libc::listen(listener.as_raw_fd(), c_int::from(connections)) }).map(drop)
}

/// Sets which permissions new files do not get.
pub fn set_umask(mask: u32) {
    // SAFETY: cannot fail, no pointers.
    unsafe { libc::umask(mask) };
}

/// Gives free heap pages back to the system, which glibc by itself keeps after a burst.
pub fn give_back_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: no pointers.
    unsafe {
        libc::malloc_trim(0)
    };
}
