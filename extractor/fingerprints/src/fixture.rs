//! A process that was written down: what tests of rules look at instead of a real one.

use std::collections::BTreeMap;

use crate::process::{Access, Memory, Process};
use crate::rule::Identity;

/// A process in memory.
#[derive(Debug, Clone, Default)]
pub struct Fixture {
    /// The path of what it executes; its bytes are among the files, or it is an empty file.
    pub executable: Vec<u8>,
    /// All files of the container by path. A path that ends in `/` is an empty folder.
    pub files: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The paths of mapped files.
    pub mapped: Vec<Vec<u8>>,
    /// The command line.
    pub arguments: Vec<Vec<u8>>,
    /// The environment, `NAME=value` each.
    pub environment: Vec<Vec<u8>>,
    /// The working directory.
    pub directory: Vec<u8>,
    /// About, reason and message of the notes that were made.
    pub notes: Vec<(&'static str, &'static str, String)>,
    memory: Option<Memory0>,
}

/// Cloning a fixture forgets what was remembered.
#[derive(Default)]
struct Memory0(Memory);

impl std::fmt::Debug for Memory0 {
    fn fmt(&self, _: &mut std::fmt::Formatter) -> std::fmt::Result {
        Ok(())
    }
}

impl Clone for Memory0 {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Fixture {
    /// A process that executes the file at this path and has nothing but it mapped.
    pub fn new(executable: &str) -> Self {
        Self {
            executable: executable.into(),
            mapped: vec![executable.into()],
            arguments: vec![executable.into()],
            directory: b"/".to_vec(),
            ..Self::default()
        }
    }

    /// With this file in the container.
    pub fn file(mut self, path: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.files.insert(path.into(), bytes.as_ref().to_vec());
        self
    }

    /// With these files mapped, besides the executable.
    pub fn mapped(mut self, paths: &[&str]) -> Self {
        self.mapped.extend(paths.iter().map(|path| path.as_bytes().to_vec()));
        self
    }

    /// With this command line.
    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments = arguments.iter().map(|argument| argument.as_bytes().to_vec()).collect();
        self
    }

    /// With this variable in its environment.
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push(format!("{name}={value}").into_bytes());
        self
    }

    /// In this working directory.
    pub fn directory(mut self, path: &str) -> Self {
        self.directory = path.into();
        self
    }

    /// What a rule sees.
    pub fn view(&mut self) -> Process<'_, Files<'_>> {
        let Self {
            executable,
            files,
            mapped,
            arguments,
            environment,
            directory,
            notes,
            memory,
        } = self;
        let files = Files {
            executable,
            files,
            mapped,
            arguments,
            environment,
            directory,
            notes,
        };
        Process::new(files, &mut memory.get_or_insert_default().0)
    }

    /// What the rules of this crate say about it, and the notes that they made.
    pub fn identify(&mut self) -> (Identity, Vec<(&'static str, &'static str, String)>) {
        let identity = crate::rules::identify(&mut self.view());
        (identity, std::mem::take(&mut self.notes))
    }
}

/// Access to the files of a fixture.
pub struct Files<'a> {
    executable: &'a [u8],
    files: &'a BTreeMap<Vec<u8>, Vec<u8>>,
    mapped: &'a [Vec<u8>],
    arguments: &'a [Vec<u8>],
    environment: &'a [Vec<u8>],
    directory: &'a [u8],
    notes: &'a mut Vec<(&'static str, &'static str, String)>,
}

impl Files<'_> {
    fn absolute(&self, path: &[u8]) -> Vec<u8> {
        let mut parts: Vec<&[u8]> = Vec::new();
        let whole = match path.first() {
            Some(b'/') => path.to_vec(),
            _ => [self.directory, b"/", path].concat(),
        };
        for part in whole.split(|byte| *byte == b'/') {
            match part {
                b"" | b"." => {}
                b".." => drop(parts.pop()),
                _ => parts.push(part),
            }
        }
        [b"/", parts.join(&b"/"[..]).as_slice()].concat()
    }
}

impl<'a> Access for Files<'a> {
    type File = (&'a [u8], (u64, u64));

    fn executable_path(&mut self) -> Vec<u8> {
        self.executable.to_vec()
    }

    fn executable(&mut self, about: &'static str) -> Option<Self::File> {
        Some(self.open(self.executable, about).unwrap_or((&[], (0, 0))))
    }

    fn open(&mut self, path: &[u8], _: &'static str) -> Option<Self::File> {
        let path = self.absolute(path);
        let number = self.files.keys().position(|other| *other == path)?;
        let bytes = self.files.get(&path)?;
        Some((bytes, (1, number as u64)))
    }

    fn status(&self, file: &Self::File) -> (u64, (u64, u64)) {
        (file.0.len() as u64, file.1)
    }

    fn read_at(&mut self, file: &Self::File, offset: u64, buffer: &mut [u8], _: &'static str) -> Option<usize> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(file.0.len());
        let rest = &file.0[start..];
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        Some(length)
    }

    fn names(&mut self, folder: &[u8], _: &'static str) -> Vec<Vec<u8>> {
        let mut folder = self.absolute(folder);
        if folder != b"/" {
            folder.push(b'/');
        }
        let below = self
            .files
            .keys()
            .filter_map(|path| path.strip_prefix(folder.as_slice()));
        let mut names: Vec<_> = below
            .filter_map(|path| path.split(|byte| *byte == b'/').next())
            .filter(|name| !name.is_empty())
            .map(<[u8]>::to_vec)
            .collect();
        names.dedup();
        names
    }

    fn mapped(&mut self) -> Option<Vec<Vec<u8>>> {
        Some(self.mapped.to_vec())
    }

    fn command_line(&mut self) -> Vec<u8> {
        self.arguments.join(&0)
    }

    fn environment(&mut self) -> Vec<u8> {
        self.environment.join(&0)
    }

    fn note(&mut self, about: &'static str, reason: &'static str, message: String) {
        self.notes.push((about, reason, message));
    }

    fn take_refusal(&mut self) -> bool {
        false
    }
}
