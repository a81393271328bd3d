//! System calls that the standard library does not have, each behind a function that is safe to call. The only folder of
//! this crate and of the extractor with unsafe code.
#![allow(unsafe_code)]

use std::io::{self, Error};
use std::os::fd::{FromRawFd, OwnedFd};

use libc::{c_int, c_long};

mod births;
mod confinement;
mod files;
mod memory;
mod sockets;

pub use births::*;
pub use confinement::*;
pub use files::*;
pub use memory::*;
pub use sockets::*;

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
