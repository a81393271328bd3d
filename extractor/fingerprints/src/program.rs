//! Facts of an executed or mapped file, read from a few places of it.

use std::ops::Range;

use crate::build_info;
use crate::elf::{self, Layout, Section};

/// How much two windows overlap, so that no string is cut.
pub const OVERLAP: usize = 256;
/// How much of the names of the dynamic symbols is looked at.
const NAMES_BYTES: u64 = 64 * 1024;

/// What is known about a file that is executed or mapped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Program {
    /// Whether it is an ELF file.
    pub is_elf: bool,
    /// Whether it carries the mark of the UPX packer.
    pub is_packed: bool,
    /// The loader that it asks for, empty when it is static.
    pub interpreter: Vec<u8>,
    /// Its length in bytes.
    pub size: u64,
    /// Where constants lie.
    pub constants: Vec<Range<u64>>,
    /// The start of the names of dynamic symbols and needed libraries, each between NULs. Empty for a Go program.
    pub names: Vec<u8>,
    /// The toolchain of a Go program: none when it is no Go program, empty when the version deviates.
    pub go: Option<String>,
    /// The main package of a Go program, when it is known.
    pub go_package: Option<String>,
    sections: Vec<Section>,
    section_names: Vec<u8>,
}

/// Reads parts of one file: at most as many bytes as the buffer has, from the offset on. None when that was refused.
pub trait ReadAt {
    /// The bytes that were read: the start of the buffer.
    fn read_at<'a>(&mut self, offset: u64, buffer: &'a mut [u8]) -> Option<&'a [u8]>;
}

impl Program {
    /// Where the section lies in the file; none when there is no such section or no table of them.
    pub fn section(&self, name: &str) -> Option<Range<u64>> {
        elf::named(&self.sections, &self.section_names, name).map(|section| section.file.clone())
    }

    /// Whether a dynamic symbol, or a library that is needed, has that name.
    pub fn names(&self, name: &str) -> bool {
        let needle = [b"\0", name.as_bytes(), b"\0"].concat();
        crate::contains(&self.names, &needle)
    }

    /// Whether it needs a library, or has a dynamic symbol, whose name begins so.
    pub fn needs(&self, library: &str) -> bool {
        crate::contains(&self.names, &[b"\0", library.as_bytes()].concat())
    }
}

/// Reads the facts; none when reading was refused. A file that is not ELF has none but its size. The buffer bounds what is
/// read at once and is at least as large as [`NAMES_BYTES`] and the tables of an ELF file.
pub fn read(file: &mut dyn ReadAt, size: u64, buffer: &mut [u8]) -> Option<Program> {
    let mut facts = Program {
        size,
        ..Program::default()
    };
    let start = file.read_at(0, &mut buffer[..elf::HEADER_BYTES])?;
    let Some(layout) = elf::parse(start) else {
        return Some(facts);
    };
    facts.interpreter = layout.interpreter(start).to_vec();
    (facts.is_elf, facts.is_packed) = (true, layout.is_packed);
    read_sections(file, &layout, &mut facts, buffer)?;
    facts.constants.extend(facts.section(".rodata"));
    let mut names = facts.section(".dynstr");
    let build_section = facts.section(build_info::SECTION);
    if facts.constants.is_empty() {
        let fixed = layout.segments.iter().filter(|segment| !segment.is_writable);
        facts.constants.extend(fixed.map(|segment| segment.file.clone()));
        names = names.or_else(|| facts.constants.first().cloned());
    }
    go_version(file, &layout, build_section, &mut facts, buffer)?;
    if let (Some(names), None) = (names, &facts.go) {
        let length = NAMES_BYTES.min(names.end - names.start) as usize;
        facts.names = file.read_at(names.start, &mut buffer[..length])?.to_vec();
    }
    Some(facts)
}

fn read_sections(file: &mut dyn ReadAt, layout: &Layout, facts: &mut Program, buffer: &mut [u8]) -> Option<()> {
    let Some(table) = &layout.section_table else {
        return Some(());
    };
    let length = (table.end - table.start) as usize;
    let table = file.read_at(table.start, &mut buffer[..length])?;
    if let Some((sections, names)) = layout.sections(table) {
        let length = (names.end - names.start) as usize;
        facts.section_names = file.read_at(names.start, &mut buffer[..length])?.to_vec();
        facts.sections = sections;
    }
    Some(())
}

/// Looks for build information of Go: in its section, else, in a file that no loader loads or that has no sections, at
/// the start of the writable segment.
fn go_version(
    file: &mut dyn ReadAt,
    layout: &Layout,
    section: Option<Range<u64>>,
    facts: &mut Program,
    buffer: &mut [u8],
) -> Option<()> {
    let start = match section {
        Some(section) => section.start,
        None if layout.has_interpreter && layout.section_table.is_some() => return Some(()),
        None => {
            let is_data = |segment: &&elf::Segment| segment.is_writable && !segment.is_executable;
            let Some(data) = layout.segments.iter().find(is_data) else {
                return Some(());
            };
            let length = (build_info::SEARCH_BYTES as u64).min(data.file.end - data.file.start) as usize;
            let window = file.read_at(data.file.start, &mut buffer[..length])?;
            let Some(at) = build_info::find(window) else {
                return Some(());
            };
            data.file.start + at as u64
        }
    };
    let window = file.read_at(start, &mut buffer[..build_info::WINDOW_BYTES])?;
    let version = match build_info::parse(window, layout) {
        None => return Some(()),
        Some(build_info::Version::Inline(version)) => {
            facts.go_package = build_info::main_package(window);
            version
        }
        Some(build_info::Version::At(address)) => pointed(file, layout, address, buffer)?,
    };
    facts.go = Some(version.unwrap_or_default());
    Some(())
}

/// The version behind a pointer to a string header; the outer none means that reading was refused.
fn pointed(file: &mut dyn ReadAt, layout: &Layout, address: u64, buffer: &mut [u8]) -> Option<Option<String>> {
    let Some(header) = layout.at_address(address) else {
        return Some(None);
    };
    let bytes = file.read_at(header.start, &mut buffer[..2 * layout.word_bytes()])?;
    let Some((address, length)) = build_info::string_header(bytes, layout) else {
        return Some(None);
    };
    let Some(text) = layout.at_address(address) else {
        return Some(None);
    };
    let text = file.read_at(text.start, &mut buffer[..length as usize])?;
    Some(build_info::toolchain(text))
}

/// What the function finds first in the ranges of a file of that size, window by window; windows overlap so that nothing is
/// cut in two. None as well when reading was refused.
pub fn search(
    file: &mut dyn ReadAt,
    size: u64,
    ranges: &[Range<u64>],
    buffer: &mut [u8],
    find: &mut dyn FnMut(&[u8]) -> Option<String>,
) -> Option<String> {
    for range in ranges {
        let end = range.end.min(size);
        let mut start = range.start;
        while start < end {
            let length = usize::try_from(end - start).map_or(buffer.len(), |left| left.min(buffer.len()));
            let window = file.read_at(start, &mut buffer[..length])?;
            if let Some(found) = find(window) {
                return Some(found);
            }
            if window.len() < length || start + length as u64 >= end {
                break;
            }
            start += (length - OVERLAP) as u64;
        }
    }
    find(&[])
}
