//! A jar of the class path, be it a file or an entry of another jar.

use std::ops::ControlFlow;

use super::bytes::Source;
use super::manifest::{self, Manifest};
use super::zip::{self, Entry};
use crate::path;
use crate::view::View;

/// How much of a manifest or a file of properties is unpacked.
const MAX_TEXT_BYTES: usize = 64 * 1024;
/// Entries of a jar that are kept.
const MAX_KEPT: usize = 1024;

const MANIFEST: &[u8] = b"META-INF/MANIFEST.MF";

/// A jar and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jar {
    /// The path of the file, or of the outer one.
    pub path: Vec<u8>,
    /// The entry of the outer one.
    pub inside: Option<Entry>,
}

impl Jar {
    /// A file of its own.
    pub fn file(path: Vec<u8>) -> Self {
        Self { path, inside: None }
    }

    /// Its name without folders.
    pub fn name(&self) -> &[u8] {
        path::name(self.inside.as_ref().map_or(&self.path, |entry| &entry.name))
    }

    /// Its place for a person, the entry behind `!/`.
    pub fn place(&self) -> Vec<u8> {
        match &self.inside {
            Some(entry) => [&self.path, &b"!/"[..], &entry.name].concat(),
            None => self.path.clone(),
        }
    }

    /// Whether it is there, as a regular file or in one.
    pub fn is_there(&self, view: &mut dyn View) -> bool {
        self.inside.is_some() || view.size(&self.path).is_some()
    }

    /// What it says about itself, and the entries that are wanted of it.
    pub fn read(&self, is_wanted: &dyn Fn(&[u8]) -> bool, view: &mut dyn View) -> Option<Contents> {
        let mut file = self.open(view)?;
        let directory = zip::directory(&mut file)?;
        let mut contents = Contents::default();
        let mut about = None;
        contents.is_whole = zip::each_entry(&mut file, &directory, &mut |entry| {
            if entry.name == MANIFEST {
                about.get_or_insert_with(|| entry.owned());
            } else if is_wanted(entry.name) {
                contents.entries.push(entry.owned());
            }
            match contents.entries.len() < MAX_KEPT {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        });
        contents.is_whole &= contents.entries.len() < MAX_KEPT;
        let text = about.and_then(|entry| zip::content(&mut file, &entry, MAX_TEXT_BYTES));
        contents.manifest = manifest::parse(&text.unwrap_or_default());
        Some(contents)
    }

    /// Its manifest; a search ends where it is found, mostly at the start.
    pub fn manifest(&self, view: &mut dyn View) -> Option<Manifest> {
        self.text(MANIFEST, view).map(|text| manifest::parse(&text))
    }

    /// Whether it has an entry of that name.
    pub fn has(&self, name: &[u8], view: &mut dyn View) -> bool {
        self.find(name, view).is_some()
    }

    /// The start of an entry of that name.
    pub fn text(&self, name: &[u8], view: &mut dyn View) -> Option<Vec<u8>> {
        let entry = self.find(name, view)?;
        self.content(&entry, view)
    }

    /// The start of an entry's content.
    pub fn content(&self, entry: &Entry, view: &mut dyn View) -> Option<Vec<u8>> {
        zip::content(&mut self.open(view)?, entry, MAX_TEXT_BYTES)
    }

    fn find(&self, name: &[u8], view: &mut dyn View) -> Option<Entry> {
        let mut file = self.open(view)?;
        let directory = zip::directory(&mut file)?;
        zip::find(&mut file, &directory, name)
    }

    fn open<'a>(&'a self, view: &'a mut dyn View) -> Option<Part<'a>> {
        let length = view.size(&self.path)?;
        let mut part = Part {
            view,
            path: &self.path,
            start: 0,
            length,
        };
        if let Some(entry) = &self.inside {
            (part.start, part.length) = zip::stored(&mut part, entry)?;
        }
        Some(part)
    }
}

/// What was read of a jar.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// What it says about itself.
    pub manifest: Manifest,
    /// The entries that were wanted.
    pub entries: Vec<Entry>,
    /// Whether all of its entries were looked at.
    pub is_whole: bool,
}

impl Contents {
    /// The entry of that name among those that were wanted.
    pub fn entry(&self, name: &[u8]) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }
}

/// A part of a file, or all of it.
struct Part<'a> {
    view: &'a mut dyn View,
    path: &'a [u8],
    start: u64,
    length: u64,
}

impl Source for Part<'_> {
    fn size(&mut self) -> u64 {
        self.length
    }

    fn read_at(&mut self, offset: u64, max_bytes: usize) -> Option<Vec<u8>> {
        let left = usize::try_from(self.length.saturating_sub(offset)).unwrap_or(usize::MAX);
        let place = self.start.checked_add(offset)?;
        self.view.read_at(self.path, place, max_bytes.min(left))
    }
}
