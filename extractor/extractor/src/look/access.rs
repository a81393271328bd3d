//! Access to a real process through the descriptors that were opened of it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use fingerprints::process;
use fingerprints::value;
use node::maps::{Lines, path, undeleted};
use node::root::{self, File, Refusal};
use node::sys;

use super::world::World;
use crate::subject::Subject;

const COMMAND_LINE_BYTES: usize = 64 * 1024;
const ENVIRONMENT_BYTES: usize = 64 * 1024;
/// The kernel gives a page of the list of what is mapped at a time.
const PAGE_BYTES: usize = 4096;
/// Paths of mapped files that are kept, and how long all of them together may be.
const MAX_MAPPED: usize = 2048;
const MAX_MAPPED_BYTES: usize = 256 * 1024;
/// Names of a folder that are looked at.
const MAX_NAMES: usize = 4096;

/// A process among those of its container.
pub struct Access<'a> {
    /// The process.
    pub subject: &'a Subject,
    /// All processes that are looked at: a file that one has mapped may lie in the root of another.
    pub all: &'a [Subject],
    /// What looking may cost and leaves behind.
    pub world: &'a mut World,
}

/// An open file: that which is executed, or one that was opened by its path.
pub enum Open<'a> {
    /// What is executed.
    Executable(File<BorrowedFd<'a>>),
    /// Opened by its path.
    Other(File),
}

impl Access<'_> {
    fn roots(&self) -> impl Iterator<Item = &OwnedFd> {
        let subjects = [Some(self.subject), self.all.first()].into_iter().flatten();
        subjects.filter_map(|subject| subject.root.as_ref())
    }

    fn absolute(&self, path: &[u8]) -> Vec<u8> {
        match (path.first(), &self.subject.directory) {
            (Some(b'/'), _) | (_, None) => path.to_vec(),
            (_, Some(directory)) => [self.world.path_of(directory).as_slice(), b"/", path].concat(),
        }
    }

    /// What the function makes of the path in the first root that has it.
    fn in_roots<T>(
        &mut self,
        path: &[u8],
        about: &'static str,
        call: impl Fn(BorrowedFd, BorrowedFd, &[u8]) -> Result<T, Refusal>,
    ) -> Option<T> {
        let path = self.absolute(path);
        let mut refusal = Refusal::Missing;
        for root in self.roots() {
            match call(root.as_fd(), self.world.own_files(), &path) {
                Ok(found) => return Some(found),
                Err(Refusal::Missing) => {}
                Err(other) => refusal = other,
            }
        }
        self.world.note_refusal(about, refusal, &path);
        None
    }
}

impl<'a> process::Access for Access<'a> {
    type File = Open<'a>;

    fn executable_path(&mut self) -> Vec<u8> {
        let executable = self.subject.executable.as_ref();
        executable.map(|file| self.world.path_of(file)).unwrap_or_default()
    }

    fn executable(&mut self, about: &'static str) -> Option<Open<'a>> {
        let Some(executable) = &self.subject.executable else {
            let message = format!("Process {} ended before its executable was opened", self.subject.pid);
            self.world.note("kind", "gone", message);
            return None;
        };
        match File::new(executable.as_fd()) {
            Ok(file) => Some(Open::Executable(file)),
            Err(refusal) => {
                let path = self.world.path_of(executable);
                self.world.note_refusal(about, refusal, &path);
                None
            }
        }
    }

    fn open(&mut self, path: &[u8], about: &'static str) -> Option<Open<'a>> {
        self.in_roots(path, about, root::open).map(Open::Other)
    }

    fn status(&self, file: &Open) -> (u64, (u64, u64)) {
        match file {
            Open::Executable(file) => (file.size(), file.identity()),
            Open::Other(file) => (file.size(), file.identity()),
        }
    }

    fn read_at(&mut self, file: &Open, offset: u64, buffer: &mut [u8], about: &'static str) -> Option<usize> {
        let budget = &mut self.world.budget;
        let read = match file {
            Open::Executable(file) => file.read_at(buffer, offset, budget),
            Open::Other(file) => file.read_at(buffer, offset, budget),
        };
        match read.map(<[u8]>::len) {
            Ok(length) => Some(length),
            Err(refusal) => {
                let path = match file {
                    Open::Executable(file) => self.world.path_of(&file.fd()),
                    Open::Other(file) => self.world.path_of(&file.fd()),
                };
                self.world.note_refusal(about, refusal, &path);
                None
            }
        }
    }

    fn names(&mut self, folder: &[u8], about: &'static str) -> Vec<Vec<u8>> {
        let names = self.in_roots(folder, about, |root, own_files, path| {
            root::names(root, own_files, path, MAX_NAMES)
        });
        names.unwrap_or_default()
    }

    fn mapped(&mut self) -> Option<Vec<Vec<u8>>> {
        let mut mapped: Vec<Vec<u8>> = Vec::new();
        let (mut lines, mut buffer, mut bytes) = (Lines::new(), [0; PAGE_BYTES], 0);
        let mut is_empty = true;
        while let Some(maps) = &self.subject.maps {
            let length = sys::read(maps.as_fd(), &mut buffer).unwrap_or(0);
            if length == 0 {
                break;
            }
            is_empty = false;
            if let Err(refusal) = self.world.budget.take(length) {
                self.world.note_refusal("kind", refusal, b"what is mapped");
                break;
            }
            let goes_on = lines.feed(&buffer[..length], |line| {
                // A file has a line for each of its parts, one after another.
                if let Some(path) = path(line)
                    && let (path, _) = undeleted(path)
                    && mapped.last().is_none_or(|last| last != path)
                {
                    bytes += path.len();
                    mapped.push(path.to_vec());
                }
                mapped.len() < MAX_MAPPED && bytes < MAX_MAPPED_BYTES
            });
            if !goes_on {
                let message = format!("Only {} mapped files were looked at", mapped.len());
                self.world.note("kind", "budget", message);
                break;
            }
        }
        if is_empty {
            let message = format!("Process {} ended before it was looked at", self.subject.pid);
            self.world.note("kind", "gone", message);
            return None;
        }
        Some(mapped)
    }

    fn command_line(&mut self) -> Vec<u8> {
        start(self.subject.command_line.as_ref(), COMMAND_LINE_BYTES)
    }

    fn environment(&mut self) -> Vec<u8> {
        start(self.subject.environment.as_ref(), ENVIRONMENT_BYTES)
    }

    fn note(&mut self, about: &'static str, reason: &'static str, message: String) {
        self.world.note(about, reason, value::text(message.as_bytes()));
    }

    fn take_refusal(&mut self) -> bool {
        self.world.take_refusal()
    }
}

/// What a file of `/proc` gives until it ends or the room is full. Nothing when the process is gone.
fn start(file: Option<&OwnedFd>, max_bytes: usize) -> Vec<u8> {
    let mut bytes = vec![0; max_bytes];
    let mut filled = 0;
    while let (Some(file), true) = (file, filled < bytes.len()) {
        match sys::read(file.as_fd(), &mut bytes[filled..]) {
            Ok(0) | Err(_) => break,
            Ok(read) => filled += read,
        }
    }
    bytes.truncate(filled);
    bytes
}
