//! A process seen through whoever has its files open: reads late, and nothing twice.

use std::any::Any;
use std::ops::Range;
use std::rc::Rc;

use crate::program::{self, Program, ReadAt};
use crate::view::View;

/// Whoever has the files of a process open. What is refused gives nothing and is noted by the implementer, as about what it is
/// told.
pub trait Access {
    /// An open regular file.
    type File;
    /// The path of what is executed.
    fn executable_path(&mut self) -> Vec<u8>;
    /// What is executed; none when the process has ended.
    fn executable(&mut self, about: &'static str) -> Option<Self::File>;
    /// Opens a file by a path that is absolute in the container or relative to the working directory.
    fn open(&mut self, path: &[u8], about: &'static str) -> Option<Self::File>;
    /// Length in bytes, and what two names of the same file have in common.
    fn status(&self, file: &Self::File) -> (u64, (u64, u64));
    /// Fills the buffer from that offset on, as far as the file goes; how much it was.
    fn read_at(&mut self, file: &Self::File, offset: u64, buffer: &mut [u8], about: &'static str) -> Option<usize>;
    /// Names in a folder, sorted.
    fn names(&mut self, folder: &[u8], about: &'static str) -> Vec<Vec<u8>>;
    /// The paths of the mapped files, each once; none when the process has ended.
    fn mapped(&mut self) -> Option<Vec<Vec<u8>>>;
    /// The command line, its arguments each followed by NUL.
    fn command_line(&mut self) -> Vec<u8>;
    /// The environment, in the same form.
    fn environment(&mut self) -> Vec<u8>;
    /// Adds a note.
    fn note(&mut self, about: &'static str, reason: &'static str, message: String);
    /// Whether something was refused since the last call.
    fn take_refusal(&mut self) -> bool;
}

/// What is remembered from process to process of a container.
pub struct Memory {
    buffer: Vec<u8>,
    programs: Vec<((u64, u64), Rc<Program>)>,
    constants: Vec<((u64, u64), &'static str, Option<String>)>,
}

/// Windows in which files are searched.
const WINDOW_BYTES: usize = 256 * 1024;
/// Files that are remembered.
const MAX_REMEMBERED: usize = 32;
/// Files that stay open between two reads of them.
const MAX_OPEN: usize = 4;

impl Default for Memory {
    fn default() -> Self {
        Self {
            // Asked for as zeros, so that a page costs nothing before something is read into it.
            buffer: vec![0; WINDOW_BYTES],
            programs: Vec::new(),
            constants: Vec::new(),
        }
    }
}

/// A process, as its rules see it.
pub struct Process<'a, A: Access> {
    access: A,
    memory: &'a mut Memory,
    /// What is looked for now, for notes.
    about: &'static str,
    is_gone: bool,
    was_refused: bool,
    path: Rc<[u8]>,
    executable: Option<Rc<A::File>>,
    program: Option<Rc<Program>>,
    mapped: Option<Rc<Vec<Vec<u8>>>>,
    arguments: Option<Rc<Vec<Vec<u8>>>>,
    environment: Option<Rc<[u8]>>,
    open: Vec<(Vec<u8>, Rc<A::File>)>,
    kept: Option<Rc<dyn Any>>,
}

impl<'a, A: Access> Process<'a, A> {
    /// The process, of which nothing was read yet.
    pub fn new(mut access: A, memory: &'a mut Memory) -> Self {
        let executable = access.executable("kind").map(Rc::new);
        Self {
            path: access.executable_path().into(),
            is_gone: executable.is_none(),
            was_refused: access.take_refusal(),
            about: "kind",
            access,
            memory,
            executable,
            program: None,
            mapped: None,
            arguments: None,
            environment: None,
            open: Vec::new(),
            kept: None,
        }
    }

    /// Has notes say that what is read from now on is about that.
    pub fn look_for(&mut self, about: &'static str) {
        self.about = about;
        self.was_refused = false;
    }

    fn file(&mut self, path: &[u8]) -> Option<Rc<A::File>> {
        if *path == *self.path && self.executable.is_some() {
            return self.executable.clone();
        }
        if let Some((_, file)) = self.open.iter().find(|(name, _)| name == path) {
            return Some(file.clone());
        }
        let file = self.access.open(path, self.about);
        self.was_refused |= self.access.take_refusal();
        let file = Rc::new(file?);
        self.open.truncate(MAX_OPEN - 1);
        self.open.insert(0, (path.to_vec(), file.clone()));
        Some(file)
    }

    /// The facts of a file; those of one that may not be read are empty.
    fn facts(&mut self, file: &A::File) -> Rc<Program> {
        let (size, identity) = self.access.status(file);
        if let Some((_, program)) = self.memory.programs.iter().find(|(other, _)| *other == identity) {
            return program.clone();
        }
        let mut reader = Reader {
            access: &mut self.access,
            file,
            about: self.about,
        };
        let program = Rc::new(program::read(&mut reader, size, &mut self.memory.buffer).unwrap_or_default());
        self.was_refused |= self.access.take_refusal();
        if self.memory.programs.len() < MAX_REMEMBERED {
            self.memory.programs.push((identity, program.clone()));
        }
        program
    }

    /// What is found in these parts of the file, or was found before for that key.
    fn found(
        &mut self,
        file: &A::File,
        key: &'static str,
        ranges: &[Range<u64>],
        find: &mut dyn FnMut(&[u8]) -> Option<String>,
    ) -> Option<String> {
        let (size, identity) = self.access.status(file);
        let mut remembered = self.memory.constants.iter();
        if let Some((_, _, found)) = remembered.find(|(of, other, _)| (*of, *other) == (identity, key)) {
            return found.clone();
        }
        let mut reader = Reader {
            access: &mut self.access,
            file,
            about: self.about,
        };
        let found = program::search(&mut reader, size, ranges, &mut self.memory.buffer, find);
        self.was_refused |= self.access.take_refusal();
        if self.memory.constants.len() < MAX_REMEMBERED {
            self.memory.constants.push((identity, key, found.clone()));
        }
        found
    }

    fn part(&mut self, file: &A::File, offset: u64, max_bytes: usize) -> Option<Vec<u8>> {
        let (size, _) = self.access.status(file);
        let left = usize::try_from(size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; max_bytes.min(left).min(MAX_PART_BYTES)];
        let read = self.access.read_at(file, offset, &mut bytes, self.about);
        self.was_refused |= self.access.take_refusal();
        bytes.truncate(read?);
        Some(bytes)
    }
}

/// No rule gets more of a file at once.
const MAX_PART_BYTES: usize = 1024 * 1024;

struct Reader<'a, A: Access> {
    access: &'a mut A,
    file: &'a A::File,
    about: &'static str,
}

impl<A: Access> ReadAt for Reader<'_, A> {
    fn read_at<'a>(&mut self, offset: u64, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
        let read = self.access.read_at(self.file, offset, buffer, self.about)?;
        Some(&buffer[..read])
    }
}

/// What stands between NULs; a last part without one counts.
fn split(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    bytes.split(|byte| *byte == 0)
}

impl<A: Access> View for Process<'_, A> {
    fn executable(&self) -> Rc<[u8]> {
        self.path.clone()
    }

    fn program(&mut self) -> Rc<Program> {
        if let Some(program) = &self.program {
            return program.clone();
        }
        let program = match self.executable.clone() {
            Some(file) => self.facts(&file),
            None => Rc::default(),
        };
        self.program = Some(program.clone());
        program
    }

    fn is_gone(&self) -> bool {
        self.is_gone
    }

    fn mapped(&mut self) -> Rc<Vec<Vec<u8>>> {
        if let Some(mapped) = &self.mapped {
            return mapped.clone();
        }
        let mapped = self.access.mapped();
        self.was_refused |= self.access.take_refusal();
        self.is_gone |= mapped.is_none();
        let mapped = Rc::new(mapped.unwrap_or_default());
        self.mapped = Some(mapped.clone());
        mapped
    }

    fn arguments(&mut self) -> Rc<Vec<Vec<u8>>> {
        if let Some(arguments) = &self.arguments {
            return arguments.clone();
        }
        let line = self.access.command_line();
        let arguments = Rc::new(split(&line).map(<[u8]>::to_vec).collect::<Vec<_>>());
        self.arguments = Some(arguments.clone());
        arguments
    }

    fn variable(&mut self, name: &str) -> Option<Vec<u8>> {
        let environment = match &self.environment {
            Some(environment) => environment.clone(),
            None => self.environment.insert(self.access.environment().into()).clone(),
        };
        let value = split(&environment).find_map(|line| line.strip_prefix(name.as_bytes())?.strip_prefix(b"="));
        value.map(<[u8]>::to_vec)
    }

    fn read(&mut self, path: &[u8], max_bytes: usize) -> Option<Vec<u8>> {
        self.read_at(path, 0, max_bytes)
    }

    fn read_at(&mut self, path: &[u8], offset: u64, max_bytes: usize) -> Option<Vec<u8>> {
        let file = self.file(path)?;
        self.part(&file, offset, max_bytes)
    }

    fn size(&mut self, path: &[u8]) -> Option<u64> {
        let file = self.file(path)?;
        Some(self.access.status(&file).0)
    }

    fn is_same(&mut self, one: &[u8], other: &[u8]) -> bool {
        let (Some(one), Some(other)) = (self.file(one), self.file(other)) else {
            return false;
        };
        self.access.status(&one).1 == self.access.status(&other).1
    }

    fn names(&mut self, folder: &[u8]) -> Vec<Vec<u8>> {
        let names = self.access.names(folder, self.about);
        self.was_refused |= self.access.take_refusal();
        names
    }

    fn constants_near(
        &mut self,
        file: &[u8],
        key: &'static str,
        near: Range<u64>,
        find: &mut dyn FnMut(&[u8]) -> Option<String>,
    ) -> Option<String> {
        let file = self.file(file)?;
        let facts = self.facts(&file);
        let at = |range: &Range<u64>, offset: u64| range.start.saturating_add(offset).min(range.end);
        let first = facts
            .constants
            .iter()
            .map(|range| at(range, near.start)..at(range, near.end));
        let ranges: Vec<_> = first
            .filter(|range| !range.is_empty())
            .chain(facts.constants.iter().cloned())
            .collect();
        self.found(&file, key, &ranges, find)
    }

    fn search(
        &mut self,
        part: Range<u64>,
        key: &'static str,
        find: &mut dyn FnMut(&[u8]) -> Option<String>,
    ) -> Option<String> {
        let file = self.executable.clone()?;
        self.found(&file, key, &[part], find)
    }

    fn section(&mut self, name: &str, max_bytes: usize) -> Option<Vec<u8>> {
        let range = self.program().section(name)?;
        let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        let file = self.executable.clone()?;
        self.part(&file, range.start, length.min(max_bytes))
    }

    fn kept(&mut self) -> &mut Option<Rc<dyn Any>> {
        &mut self.kept
    }

    fn note(&mut self, about: &'static str, reason: &'static str, message: String) {
        if reason != "unversioned" || !self.was_refused {
            self.access.note(about, reason, message);
        }
    }
}
