//! A process, with what was opened of it before the privileges were given up.

use std::os::fd::OwnedFd;

/// A process to look at. What is none was not there any more.
pub struct Subject {
    /// As the host numbers it.
    pub pid: u32,
    /// Clock ticks since boot at its start.
    pub start: u64,
    /// Whether another process of the container is its child.
    pub has_children: bool,
    /// The file that it executes.
    pub executable: Option<OwnedFd>,
    /// The list of what it has mapped.
    pub maps: Option<OwnedFd>,
    /// Its environment.
    pub environment: Option<OwnedFd>,
    /// Its command line.
    pub command_line: Option<OwnedFd>,
    /// Its root directory.
    pub root: Option<OwnedFd>,
    /// Its working directory.
    pub directory: Option<OwnedFd>,
}
