//! What the server waits for.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use libc::c_int;

use super::checked;

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

/// Bounds how many connections wait to be accepted.
pub fn set_backlog(listener: BorrowedFd, connections: u16) -> io::Result<()> {
    // SAFETY: no pointers.
    checked(unsafe { libc::listen(listener.as_raw_fd(), c_int::from(connections)) }).map(drop)
}
