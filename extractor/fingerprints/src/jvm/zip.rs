//! Reading of jars, wars and other zip files, of which only the wanted parts are read: the end, the list of entries window
//! by window, and single entries up to a stated size. What the file says about itself is never believed where it would cost.

use std::ops::ControlFlow;

use super::bytes::{Source, u16_at, u32_at, u64_at};

/// Where the list of entries lies, and how far the offsets in it are off because something stands before the first entry, such
/// as the start script of an executable jar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Directory {
    start: u64,
    end: u64,
    shift: u64,
}

/// An entry of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<Name = Vec<u8>> {
    /// Its name, which may be anything.
    pub name: Name,
    method: u16,
    compressed: u64,
    header: u64,
}

impl Entry<&[u8]> {
    /// The same, to keep.
    pub fn owned(&self) -> Entry {
        Entry {
            name: self.name.to_vec(),
            method: self.method,
            compressed: self.compressed,
            header: self.header,
        }
    }
}

/// Of the list of entries, no more is read: about a hundred thousand entries.
pub const MAX_LIST_BYTES: u64 = 8 * 1024 * 1024;
/// The list is read in parts of this size.
const WINDOW_BYTES: usize = 64 * 1024;
/// Entries with longer names are passed over.
const MAX_NAME_BYTES: usize = 512;

const END: &[u8] = b"PK\x05\x06";
const END_BYTES: usize = 22;
const LOCATOR_BYTES: usize = 20;
const END_64_BYTES: usize = 56;
const ENTRY_BYTES: usize = 46;
const LOCAL_BYTES: usize = 30;
/// The end may have a comment behind it.
const MAX_TAIL_BYTES: usize = END_BYTES + LOCATOR_BYTES + END_64_BYTES + 0xffff;
/// Mostly it has none.
const TAIL_BYTES: usize = 1024;

const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// Where the list of entries of a zip file lies; none when it is something else.
pub fn directory(source: &mut dyn Source) -> Option<Directory> {
    [TAIL_BYTES, MAX_TAIL_BYTES]
        .into_iter()
        .find_map(|length| directory_in_tail(source, length))
}

fn directory_in_tail(source: &mut dyn Source, length: usize) -> Option<Directory> {
    let size = source.size();
    let start = size.saturating_sub(length as u64);
    let tail = source.read_at(start, length)?;
    // The last end whose comment fills the rest of the file counts, as for Java.
    let is_end = |at: &usize| {
        let comment = u16_at(&tail, at + 20).unwrap_or_default();
        at + END_BYTES + usize::from(comment) == tail.len()
    };
    let at = memchr::memmem::rfind_iter(&tail, END).find(is_end)?;
    let end = start + at as u64;
    let (length, offset) = (u32_at(&tail, at + 12)?, u32_at(&tail, at + 16)?);
    let is_64 = [length, offset].contains(&u32::MAX) || u16_at(&tail, at + 10)? == u16::MAX;
    let wide = at.checked_sub(LOCATOR_BYTES).filter(|_| is_64);
    if let Some(found) = wide.and_then(|locator| directory_64(source, tail.get(locator..at)?, end)) {
        return Some(found);
    }
    placed(end, u64::from(length), u64::from(offset))
}

/// The same of a file that is too large for the old form.
fn directory_64(source: &mut dyn Source, locator: &[u8], end: u64) -> Option<Directory> {
    if !locator.starts_with(b"PK\x06\x07") {
        return None;
    }
    let before = end.checked_sub((LOCATOR_BYTES + END_64_BYTES) as u64);
    [u64_at(locator, 8), before].into_iter().flatten().find_map(|at| {
        let record = source.read_at(at, END_64_BYTES)?;
        if !record.starts_with(b"PK\x06\x06") {
            return None;
        }
        placed(at, u64_at(&record, 40)?, u64_at(&record, 48)?)
    })
}

/// The list ends where the record of the end begins, whatever the offset says.
fn placed(end: u64, length: u64, offset: u64) -> Option<Directory> {
    let start = end.checked_sub(length)?;
    let shift = start.checked_sub(offset)?;
    Some(Directory { start, end, shift })
}

/// Calls with the entries in order until told to stop. Whether the list was read as far as that; not when it is broken or too
/// long.
pub fn each_entry(
    source: &mut dyn Source,
    directory: &Directory,
    call: &mut dyn FnMut(Entry<&[u8]>) -> ControlFlow<()>,
) -> bool {
    let last = directory.end.min(directory.start.saturating_add(MAX_LIST_BYTES));
    let mut position = directory.start;
    while position < last {
        let wanted = usize::try_from(last - position)
            .unwrap_or(WINDOW_BYTES)
            .min(WINDOW_BYTES);
        let Some(window) = source.read_at(position, wanted).filter(|window| !window.is_empty()) else {
            return false;
        };
        let mut rest = &window[..];
        while let Some((entry, length)) = entry(rest, directory.shift) {
            if let Some(entry) = entry
                && call(entry).is_break()
            {
                return true;
            }
            position += length as u64;
            rest = rest.get(length..).unwrap_or_default();
        }
        let is_stuck = rest.len() == window.len();
        if is_stuck {
            return false;
        }
    }
    position >= directory.end
}

/// The entry at the start of the bytes, none in it when its name is too long, and its length in the list; nothing when the bytes do
/// not begin with a whole one.
fn entry(bytes: &[u8], shift: u64) -> Option<(Option<Entry<&[u8]>>, usize)> {
    if !bytes.starts_with(b"PK\x01\x02") {
        return None;
    }
    let part = |at| u16_at(bytes, at).map(usize::from);
    let (name_length, extra_length, comment_length) = (part(28)?, part(30)?, part(32)?);
    let extra = ENTRY_BYTES + name_length;
    let end = extra + extra_length;
    // A comment may lie in the next window: nothing of it is wanted.
    let name = bytes.get(ENTRY_BYTES..extra)?;
    let mut wide = wide_values(bytes.get(extra..end)?);
    let mut widened = |at| -> Option<u64> {
        match u32_at(bytes, at)? {
            u32::MAX => Some(wide.next().unwrap_or(u64::from(u32::MAX))),
            value => Some(u64::from(value)),
        }
    };
    // In this order in the extra field: size, compressed size, offset.
    let _size = widened(24)?;
    let compressed = widened(20)?;
    let header = widened(42)?.saturating_add(shift);
    let entry = (name_length <= MAX_NAME_BYTES).then(|| Entry {
        name,
        method: u16_at(bytes, 10).unwrap_or_default(),
        compressed,
        header,
    });
    Some((entry, end + comment_length))
}

/// The numbers in the extra field for those that are too large for their place.
fn wide_values(mut extra: &[u8]) -> impl Iterator<Item = u64> {
    let mut values: &[u8] = &[];
    while let (Some(kind), Some(length)) = (u16_at(extra, 0), u16_at(extra, 2)) {
        let end = 4 + usize::from(length);
        if kind == 1 {
            values = extra.get(4..end).unwrap_or_default();
        }
        extra = extra.get(end..).unwrap_or_default();
    }
    values.chunks_exact(8).map(|bytes| u64_at(bytes, 0).unwrap_or_default())
}

/// The first entry of that name.
pub fn find(source: &mut dyn Source, directory: &Directory, name: &[u8]) -> Option<Entry> {
    let mut found = None;
    each_entry(source, directory, &mut |entry| {
        if entry.name != name {
            return ControlFlow::Continue(());
        }
        found = Some(entry.owned());
        ControlFlow::Break(())
    });
    found
}

/// Where the bytes of an entry begin. The lengths before them may differ from those in the list.
fn data(source: &mut dyn Source, entry: &Entry) -> Option<u64> {
    let local = source.read_at(entry.header, LOCAL_BYTES)?;
    if !local.starts_with(b"PK\x03\x04") {
        return None;
    }
    let (name, extra) = (u16_at(&local, 26)?, u16_at(&local, 28)?);
    let lengths = LOCAL_BYTES as u64 + u64::from(name) + u64::from(extra);
    entry.header.checked_add(lengths)
}

/// The start of an entry's content. No more than that many bytes are read or unpacked, whatever the entry says.
pub fn content(source: &mut dyn Source, entry: &Entry, max_bytes: usize) -> Option<Vec<u8>> {
    let start = data(source, entry)?;
    let length = usize::try_from(entry.compressed).unwrap_or(max_bytes).min(max_bytes);
    let bytes = source.read_at(start, length)?;
    match entry.method {
        STORED => Some(bytes),
        DEFLATED => match miniz_oxide::inflate::decompress_to_vec_with_limit(&bytes, max_bytes) {
            Ok(bytes) => Some(bytes),
            // Cut off at the limit, or where the bytes ended.
            Err(cut) if !cut.output.is_empty() => Some(cut.output),
            Err(_) => None,
        },
        _ => None,
    }
}

/// Where the bytes of an entry lie that is stored as it is, such as a jar in a jar: offset and length.
pub fn stored(source: &mut dyn Source, entry: &Entry) -> Option<(u64, u64)> {
    if entry.method != STORED {
        return None;
    }
    let start = data(source, entry)?;
    (start <= source.size()).then(|| (start, entry.compressed.min(source.size() - start)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jvm::sample::{Part, prefixed, with_comment, zip, zip64};
    use crate::mutation;

    struct Bytes<'a>(&'a [u8], usize);

    impl Source for Bytes<'_> {
        fn size(&mut self) -> u64 {
            self.0.len() as u64
        }

        fn read_at(&mut self, offset: u64, max_bytes: usize) -> Option<Vec<u8>> {
            let start = usize::try_from(offset).ok()?.min(self.0.len());
            let end = start.saturating_add(max_bytes).min(self.0.len());
            self.1 += end - start;
            Some(self.0[start..end].to_vec())
        }
    }

    fn names(bytes: &[u8]) -> Vec<String> {
        let mut source = Bytes(bytes, 0);
        let mut names = Vec::new();
        if let Some(directory) = directory(&mut source) {
            each_entry(&mut source, &directory, &mut |entry| {
                names.push(String::from_utf8_lossy(entry.name).into_owned());
                ControlFlow::Continue(())
            });
        }
        names
    }

    fn read(bytes: &[u8], name: &str, max_bytes: usize) -> Option<Vec<u8>> {
        let mut source = Bytes(bytes, 0);
        let directory = directory(&mut source)?;
        let entry = find(&mut source, &directory, name.as_bytes())?;
        content(&mut source, &entry, max_bytes)
    }

    const PARTS: [Part; 2] = [Part::stored("a", b"first"), Part::deflated("b/c", b"second second")];

    #[test]
    fn entries_are_found_wherever_the_list_lies() {
        let plain = zip(&PARTS);
        for (name, bytes) in [
            ("plain", plain.clone()),
            ("a start script before it", prefixed(b"#!/bin/sh\nexit 1\n", &plain)),
            ("a comment behind it", with_comment(&plain, &[b'x'; 300])),
            ("a long comment", with_comment(&plain, &[b'x'; 0xffff])),
            (
                "a comment that looks like an end",
                with_comment(&plain, b"PK\x05\x06\0\0\0\0"),
            ),
            ("the form for large files", zip64(&PARTS)),
            ("that, after a start script", prefixed(b"#!/bin/sh\n", &zip64(&PARTS))),
        ] {
            assert_eq!(names(&bytes), ["a", "b/c"], "{name}");
            assert_eq!(read(&bytes, "a", 99).as_deref(), Some(&b"first"[..]), "{name}");
            assert_eq!(
                read(&bytes, "b/c", 99).as_deref(),
                Some(&b"second second"[..]),
                "{name}"
            );
        }
        assert_eq!(names(b"not a zip file"), [""; 0]);
        assert_eq!(names(b""), [""; 0]);
        assert_eq!(names(&zip(&[])), [""; 0]);
    }

    #[test]
    fn a_list_of_many_windows_is_read_whole() {
        let names_given: Vec<String> = (0..5000)
            .map(|number| format!("com/example/{number}/Class.class"))
            .collect();
        let parts: Vec<Part> = names_given.iter().map(|name| Part::stored(name, b"")).collect();
        let bytes = zip(&parts);
        assert_eq!(names(&bytes), names_given);
        let last = names_given.last().map(String::as_str).unwrap_or_default();
        assert_eq!(read(&bytes, last, 9).as_deref(), Some(&b""[..]));
    }

    #[test]
    fn no_more_is_unpacked_than_asked_for() {
        let bomb = zip(&[Part::deflated("bomb", &vec![0; 20_000_000])]);
        assert!(bomb.len() < 100_000);
        let start = read(&bomb, "bomb", 4096).expect("the start of it");
        assert!(start.len() <= 4096 && !start.is_empty());
        let long = zip(&[Part::stored("long", &[b'x'; 9999])]);
        assert_eq!(read(&long, "long", 10).map(|bytes| bytes.len()), Some(10));
    }

    #[test]
    fn a_jar_in_a_jar_is_found_by_its_place() {
        let inner = zip(&PARTS);
        let outer = zip(&[
            Part::stored("lib/x.jar", &inner),
            Part::deflated("lib/packed.jar", &inner),
        ]);
        let mut source = Bytes(&outer, 0);
        let directory = directory(&mut source).expect("a zip file");
        let entry = find(&mut source, &directory, b"lib/x.jar").expect("the inner jar");
        let (start, length) = stored(&mut source, &entry).expect("stored");
        assert_eq!(
            &outer[start as usize..(start + length) as usize],
            inner,
            "the bytes themselves"
        );
        let packed = find(&mut source, &directory, b"lib/packed.jar").expect("the other one");
        assert_eq!(stored(&mut source, &packed), None);
    }

    #[test]
    fn no_bytes_make_it_panic_or_read_without_end() {
        for good in [zip(&PARTS), zip64(&PARTS), prefixed(b"#!/bin/sh\n", &zip(&PARTS))] {
            mutation::each(&good, |bytes| {
                let mut source = Bytes(bytes, 0);
                let Some(directory) = directory(&mut source) else {
                    return;
                };
                let mut entries = Vec::new();
                each_entry(&mut source, &directory, &mut |entry| {
                    entries.push(entry.owned());
                    ControlFlow::Continue(())
                });
                for entry in &entries {
                    let content = content(&mut source, entry, 1000).unwrap_or_default();
                    assert!(content.len() <= 1000);
                    let (start, length) = stored(&mut source, entry).unwrap_or_default();
                    assert!(start + length <= bytes.len() as u64);
                }
                assert!(source.1 < 1_000_000, "{} bytes were read", source.1);
            });
        }
    }
}
