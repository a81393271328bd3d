//! What looking at one user of a container needs, may cost, and leaves behind.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use fingerprints::value;
use node::maps::undeleted;
use node::root::{self, Budget, Refusal};
use node::sys;

/// Why something is not known, or not as expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What the note is about, such as `kindVersion`.
    pub about: &'static str,
    /// Why, one of a closed set.
    pub reason: &'static str,
    /// A sentence for a person.
    pub message: String,
}

/// The descriptors of our own process, the budget, and the notes.
pub struct World {
    own_files: OwnedFd,
    /// What may still be read.
    pub budget: Budget,
    /// What is not known, and why.
    pub notes: Vec<Note>,
    was_refused: bool,
}

const MAX_NOTES: usize = 32;
const PATH_BYTES: usize = 4096;

impl World {
    /// `own_files` is a descriptor of `/proc/self/fd`.
    pub fn new(own_files: OwnedFd, budget: Budget) -> Self {
        Self {
            own_files,
            budget,
            notes: Vec::new(),
            was_refused: false,
        }
    }

    /// Our own descriptors, as a folder of `/proc`.
    pub fn own_files(&self) -> BorrowedFd<'_> {
        self.own_files.as_fd()
    }

    /// Adds a note, when there are not too many; one that was made about another process that is alike says it all.
    pub fn note(&mut self, about: &'static str, reason: &'static str, message: String) {
        let note = Note { about, reason, message };
        if self.notes.len() < MAX_NOTES && !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Notes why something could not be read; what is missing is not worth a note.
    pub fn note_refusal(&mut self, about: &'static str, refusal: Refusal, what: &[u8]) {
        let what = value::text(what);
        let (reason, message) = match refusal {
            Refusal::Missing => return,
            Refusal::Denied => ("denied", format!("The container's user may not read {what}")),
            Refusal::NotRegular => ("denied", format!("{what} is not a regular file")),
            Refusal::Foreign => ("denied", format!("{what} lies on a file system that could block")),
            Refusal::Budget => ("budget", format!("Reading {what} would have taken too long")),
        };
        self.was_refused = true;
        self.note(about, reason, message);
    }

    /// Whether a refusal was noted since the last call.
    pub fn take_refusal(&mut self) -> bool {
        std::mem::take(&mut self.was_refused)
    }

    /// The path behind a descriptor, without the mark of a deleted file; empty when it has none.
    pub fn path_of(&self, file: &impl AsRawFd) -> Vec<u8> {
        let mut buffer = [0; PATH_BYTES];
        let number = CString::new(file.as_raw_fd().to_string()).unwrap_or_default();
        let path = sys::read_link_at(self.own_files(), &number, &mut buffer).unwrap_or_default();
        undeleted(path).0.to_vec()
    }

    /// The start of a file below a root, as much as fits into the buffer.
    pub fn read<'a>(&mut self, directory: &OwnedFd, path: &[u8], buffer: &'a mut [u8]) -> Result<&'a [u8], Refusal> {
        root::read(
            directory.as_fd(),
            self.own_files.as_fd(),
            path,
            buffer,
            &mut self.budget,
        )
    }
}
