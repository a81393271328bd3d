//! Facts of an executable or library, read from a few places of the file.

use std::ops::Range;
use std::os::fd::AsFd;

use fingerprints::elf::{self, Layout};
use fingerprints::go;
use node::root::{Budget, File, Refusal};

use super::WINDOW_BYTES;

/// How much of the names of the dynamic symbols is looked at.
const NAMES_BYTES: u64 = 64 * 1024;

/// What is known about a file that is executed or mapped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Executable {
    /// Whether it is an ELF file.
    pub is_elf: bool,
    /// Whether it carries the mark of the UPX packer.
    pub is_packed: bool,
    /// Its length in bytes.
    pub size: u64,
    /// Where constants lie.
    pub constants: Vec<Range<u64>>,
    /// Whether it exports what Node.js does.
    pub is_node: bool,
    /// Whether it holds a Python interpreter.
    pub is_python: bool,
    /// Whether it names `libpython` as a library that it needs.
    pub wants_libpython: bool,
    /// The toolchain of a Go program: none when it is no Go program, empty when the version deviates.
    pub go: Option<String>,
    /// The main package of a Go program, when it is known.
    pub go_package: Option<String>,
}

/// Reads the facts. A file that is not ELF has none.
pub fn read(file: &File<impl AsFd>, buffer: &mut [u8], budget: &mut Budget) -> Result<Executable, Refusal> {
    let mut facts = Executable {
        size: file.size(),
        ..Executable::default()
    };
    let Some(layout) = elf::parse(file.read_at(&mut buffer[..elf::HEADER_BYTES], 0, budget)?) else {
        return Ok(facts);
    };
    (facts.is_elf, facts.is_packed) = (true, layout.is_packed);
    let named = sections(file, &layout, buffer, budget)?;
    let (mut names, build_info) = match named {
        Some(named) => {
            facts.constants.extend(named.constants);
            (named.symbol_names, named.go)
        }
        None => (None, None),
    };
    if facts.constants.is_empty() {
        let fixed = layout.segments.iter().filter(|segment| !segment.is_writable);
        facts.constants.extend(fixed.map(|segment| segment.file.clone()));
        names = names.or_else(|| facts.constants.first().cloned());
    }
    go_version(file, &layout, build_info, &mut facts, buffer, budget)?;
    if let (Some(names), None) = (names, &facts.go) {
        let length = NAMES_BYTES.min(names.end - names.start) as usize;
        let names = file.read_at(&mut buffer[..length], names.start, budget)?;
        facts.is_node = fingerprints::node::exports(names);
        facts.is_python = fingerprints::python::exports(names);
        facts.wants_libpython = fingerprints::contains(names, b"\0libpython");
    }
    Ok(facts)
}

/// The sections that matter.
struct Named {
    constants: Option<Range<u64>>,
    symbol_names: Option<Range<u64>>,
    go: Option<Range<u64>>,
}

/// None when the file has no section table, or none that can be read.
fn sections(
    file: &File<impl AsFd>,
    layout: &Layout,
    buffer: &mut [u8],
    budget: &mut Budget,
) -> Result<Option<Named>, Refusal> {
    let Some(table) = &layout.section_table else {
        return Ok(None);
    };
    let length = (table.end - table.start) as usize;
    let Some((sections, names)) = layout.sections(file.read_at(&mut buffer[..length], table.start, budget)?) else {
        return Ok(None);
    };
    let length = (names.end - names.start) as usize;
    let names = file.read_at(&mut buffer[..length], names.start, budget)?;
    let find = |name| elf::named(&sections, names, name).map(|section| section.file.clone());
    Ok(Some(Named {
        constants: find(".rodata"),
        symbol_names: find(".dynstr"),
        go: find(go::SECTION),
    }))
}

/// Looks for build information of Go: in its section, else, in a file that no loader loads or that has no sections, at
/// the start of the writable segment.
fn go_version(
    file: &File<impl AsFd>,
    layout: &Layout,
    section: Option<Range<u64>>,
    facts: &mut Executable,
    buffer: &mut [u8],
    budget: &mut Budget,
) -> Result<(), Refusal> {
    let start = match section {
        Some(section) => section.start,
        None if layout.has_interpreter && layout.section_table.is_some() => return Ok(()),
        None => {
            let is_data = |segment: &&elf::Segment| segment.is_writable && !segment.is_executable;
            let Some(data) = layout.segments.iter().find(is_data) else {
                return Ok(());
            };
            let length = (go::SEARCH_BYTES as u64).min(data.file.end - data.file.start) as usize;
            let window = file.read_at(&mut buffer[..length], data.file.start, budget)?;
            let Some(at) = go::find(window) else { return Ok(()) };
            data.file.start + at as u64
        }
    };
    let window = file.read_at(&mut buffer[..go::WINDOW_BYTES], start, budget)?;
    let version = match go::parse(window, layout) {
        None => return Ok(()),
        Some(go::Version::Inline(version)) => {
            facts.go_package = go::main_package(window);
            version
        }
        Some(go::Version::At(address)) => pointed(file, layout, address, buffer, budget)?,
    };
    facts.go = Some(version.unwrap_or_default());
    Ok(())
}

/// The version behind a pointer to a string header.
fn pointed(
    file: &File<impl AsFd>,
    layout: &Layout,
    address: u64,
    buffer: &mut [u8],
    budget: &mut Budget,
) -> Result<Option<String>, Refusal> {
    let Some(header) = layout.at_address(address) else {
        return Ok(None);
    };
    let bytes = file.read_at(&mut buffer[..2 * layout.word_bytes()], header.start, budget)?;
    let Some((address, length)) = go::string_header(bytes, layout) else {
        return Ok(None);
    };
    let Some(text) = layout.at_address(address) else {
        return Ok(None);
    };
    Ok(go::toolchain(file.read_at(
        &mut buffer[..length as usize],
        text.start,
        budget,
    )?))
}

/// What the function finds first in the ranges, window by window; windows overlap so that nothing is cut in two.
pub fn search<T>(
    file: &File<impl AsFd>,
    ranges: &[Range<u64>],
    overlap: usize,
    buffer: &mut [u8],
    budget: &mut Budget,
    mut find: impl FnMut(&[u8]) -> Option<T>,
) -> Result<Option<T>, Refusal> {
    for range in ranges {
        let end = range.end.min(file.size());
        let mut start = range.start;
        while start < end {
            let length = ((end - start) as usize).min(WINDOW_BYTES);
            let window = file.read_at(&mut buffer[..length], start, budget)?;
            if let Some(found) = find(window) {
                return Ok(Some(found));
            }
            if length < WINDOW_BYTES || window.len() < length {
                break;
            }
            start += (length - overlap) as u64;
        }
    }
    Ok(None)
}
