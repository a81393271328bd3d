//! The libraries that a process has mapped.

use std::os::fd::{AsFd, OwnedFd};

use fingerprints::{java, node as nodejs, python};
use node::maps::{Lines, path, undeleted};
use node::root::{Budget, Refusal};
use node::sys;

/// The kernel gives a page of the list at a time.
const PAGE_BYTES: usize = 4096;

/// What is mapped, as far as it matters.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Mapped {
    /// The path of `libjvm.so`.
    pub java: Option<Vec<u8>>,
    /// The path of `libnode.so`.
    pub node: Option<Vec<u8>>,
    /// The path of `libpython`.
    pub python: Option<Vec<u8>>,
    /// The minor version of Python that the path of some mapped file names.
    pub python_minor: Option<python::Minor>,
    /// Whether the list was empty, as that of a process that ended is.
    pub is_empty: bool,
}

/// Reads the list until a Java virtual machine or the end is seen.
pub fn read(maps: Option<&OwnedFd>, budget: &mut Budget) -> Result<Mapped, Refusal> {
    let mut mapped = Mapped {
        is_empty: true,
        ..Mapped::default()
    };
    let Some(maps) = maps else { return Ok(mapped) };
    let mut lines = Lines::new();
    let mut buffer = [0; PAGE_BYTES];
    let mut last = Vec::new();
    loop {
        let length = sys::read(maps.as_fd(), &mut buffer).unwrap_or(0);
        if length == 0 {
            return Ok(mapped);
        }
        budget.take(length)?;
        mapped.is_empty = false;
        let goes_on = lines.feed(&buffer[..length], |line| {
            // A file has a line for each of its parts, one after another.
            if let Some(path) = path(line).filter(|path| *path != last.as_slice()) {
                last.clear();
                last.extend_from_slice(path);
                consider(path, &mut mapped);
            }
            mapped.java.is_none()
        });
        if !goes_on {
            return Ok(mapped);
        }
    }
}

fn consider(path: &[u8], mapped: &mut Mapped) {
    let (name, _) = undeleted(path);
    let slot = if java::is_virtual_machine(name) {
        &mut mapped.java
    } else if nodejs::is_library(name) {
        &mut mapped.node
    } else if python::is_library(name) {
        &mut mapped.python
    } else {
        mapped.python_minor = mapped.python_minor.or_else(|| python::minor(name));
        return;
    };
    slot.get_or_insert_with(|| path.to_vec());
}
