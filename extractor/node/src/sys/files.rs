//! Files, folders and descriptors.

use std::ffi::CStr;
use std::io;
use std::mem::{MaybeUninit, zeroed};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use libc::c_int;

use super::{checked, checked_long, checked_size, owned};

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

/// Sets which permissions new files do not get.
pub fn set_umask(mask: u32) {
    // SAFETY: cannot fail, no pointers.
    unsafe { libc::umask(mask) };
}
