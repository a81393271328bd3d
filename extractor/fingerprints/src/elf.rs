//! The layout of an ELF file: enough of it to know which few bytes are worth reading.

use std::ops::Range;

use object::elf::{FileHeader32, FileHeader64, PF_W, PF_X, PT_INTERP, PT_LOAD, SHT_NOBITS};
use object::pod::slice_from_bytes;
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader};
use object::{Endian, Endianness};

/// How much of the start of a file [`parse`] wants.
pub const HEADER_BYTES: usize = 4096;
/// A section table or its names that are longer are not looked at.
pub const MAX_TABLE_BYTES: u64 = 64 * 1024;
const MAX_SEGMENTS: usize = 64;

/// A part of the file that is loaded into memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Where it lies in the file.
    pub file: Range<u64>,
    /// Where it begins in memory, before relocation.
    pub address: u64,
    /// Whether the program may change it.
    pub is_writable: bool,
    /// Whether it holds code.
    pub is_executable: bool,
}

/// What the start of an ELF file tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The loaded parts, in the order of the file.
    pub segments: Vec<Segment>,
    /// Where the section table lies; none when it was stripped or is too long.
    pub section_table: Option<Range<u64>>,
    /// Whether it asks for a loader, as everything does that uses shared libraries.
    pub has_interpreter: bool,
    interpreter: Range<u64>,
    /// Whether the start carries the mark of the UPX packer.
    pub is_packed: bool,
    is_64: bool,
    endian: Endianness,
    names_index: usize,
}

/// A section of the file that holds bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Where it lies in the file.
    pub file: Range<u64>,
    name: u32,
}

/// The layout that the first bytes of a file describe; none when they are not ELF.
pub fn parse(start: &[u8]) -> Option<Layout> {
    match start.get(4) {
        Some(1) => layout::<FileHeader32<Endianness>>(start, false),
        Some(2) => layout::<FileHeader64<Endianness>>(start, true),
        _ => None,
    }
}

fn layout<H: FileHeader<Endian = Endianness>>(start: &[u8], is_64: bool) -> Option<Layout> {
    let header = H::parse(start).ok()?;
    let endian = header.endian().ok()?;
    let headers = header.program_headers(endian, start).unwrap_or_default();
    let headers = &headers[..headers.len().min(MAX_SEGMENTS)];
    let segments = headers.iter().filter(|segment| segment.p_type(endian) == PT_LOAD);
    let segments = segments.map(|segment| {
        let flags = segment.p_flags(endian);
        Segment {
            file: range(segment.p_offset(endian).into(), segment.p_filesz(endian).into()),
            address: segment.p_vaddr(endian).into(),
            is_writable: flags & PF_W != 0,
            is_executable: flags & PF_X != 0,
        }
    });
    let interpreter = headers.iter().find(|segment| segment.p_type(endian) == PT_INTERP);
    let table_bytes = u64::from(header.e_shnum(endian)) * if is_64 { 64 } else { 40 };
    let table = range(header.e_shoff(endian).into(), table_bytes);
    Some(Layout {
        segments: segments.collect(),
        section_table: (table.start > 0 && (1..=MAX_TABLE_BYTES).contains(&table_bytes)).then_some(table),
        has_interpreter: interpreter.is_some(),
        interpreter: interpreter.map_or(0..0, |segment| {
            range(segment.p_offset(endian).into(), segment.p_filesz(endian).into())
        }),
        is_packed: memchr::memmem::find(&start[..start.len().min(1024)], b"UPX!").is_some(),
        is_64,
        endian,
        names_index: usize::from(header.e_shstrndx(endian)),
    })
}

fn range(start: u64, length: u64) -> Range<u64> {
    start..start.saturating_add(length)
}

impl Layout {
    /// The path of the loader, from the same bytes that the layout was parsed from; empty when it does not stand in them.
    pub fn interpreter<'a>(&self, start: &'a [u8]) -> &'a [u8] {
        let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
        let path = start
            .get(at(self.interpreter.start)..at(self.interpreter.end))
            .unwrap_or_default();
        path.split(|byte| *byte == 0).next().unwrap_or_default()
    }

    /// The sections that the bytes of the section table describe, with the section that holds their names.
    pub fn sections(&self, table: &[u8]) -> Option<(Vec<Section>, Range<u64>)> {
        if self.is_64 {
            self.sections_of::<FileHeader64<Endianness>>(table)
        } else {
            self.sections_of::<FileHeader32<Endianness>>(table)
        }
    }

    fn sections_of<H: FileHeader<Endian = Endianness>>(&self, table: &[u8]) -> Option<(Vec<Section>, Range<u64>)> {
        let size = if self.is_64 { 64 } else { 40 };
        let (headers, _) = slice_from_bytes::<H::SectionHeader>(table, table.len() / size).ok()?;
        let section = |header: &H::SectionHeader| Section {
            file: range(header.sh_offset(self.endian).into(), header.sh_size(self.endian).into()),
            name: header.sh_name(self.endian),
        };
        let names = section(headers.get(self.names_index)?).file;
        let with_bytes = headers
            .iter()
            .filter(|header| header.sh_type(self.endian) != SHT_NOBITS);
        (names.end - names.start <= MAX_TABLE_BYTES).then(|| (with_bytes.map(section).collect(), names))
    }

    /// Where an address in memory lies in the file, up to the end of its segment.
    pub fn at_address(&self, address: u64) -> Option<Range<u64>> {
        self.segments.iter().find_map(|segment| {
            let offset = address.checked_sub(segment.address)?;
            let start = segment.file.start.checked_add(offset)?;
            (start < segment.file.end).then_some(start..segment.file.end)
        })
    }

    /// A number as wide as an address, at the start of the bytes.
    pub fn word(&self, bytes: &[u8]) -> Option<u64> {
        if self.is_64 {
            Some(self.endian.read_u64_bytes(*bytes.first_chunk()?))
        } else {
            Some(self.endian.read_u32_bytes(*bytes.first_chunk()?).into())
        }
    }

    /// How many bytes an address has.
    pub fn word_bytes(&self) -> usize {
        if self.is_64 { 8 } else { 4 }
    }
}

/// The section of that name.
pub fn named<'a>(sections: &'a [Section], names: &[u8], name: &str) -> Option<&'a Section> {
    sections.iter().find(|section| {
        let rest = usize::try_from(section.name).ok().and_then(|start| names.get(start..));
        rest.and_then(|rest| rest.strip_prefix(name.as_bytes()))
            .is_some_and(|rest| rest.first() == Some(&0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// This very test program is an ELF file.
    fn own_bytes() -> Vec<u8> {
        std::fs::read(std::env::current_exe().expect("own path")).expect("own program")
    }

    fn slice(bytes: &[u8], range: &Range<u64>) -> Vec<u8> {
        bytes[range.start as usize..range.end as usize].to_vec()
    }

    #[test]
    fn a_real_program_has_segments_and_named_sections() {
        let bytes = own_bytes();
        let layout = parse(&bytes[..HEADER_BYTES]).expect("ELF");
        assert!(
            layout
                .segments
                .iter()
                .any(|segment| segment.is_executable && !segment.is_writable)
        );
        assert!(!layout.is_packed);
        let table = layout.section_table.clone().expect("section table");
        let (sections, names) = layout.sections(&slice(&bytes, &table)).expect("sections");
        let names = slice(&bytes, &names);
        let rodata = named(&sections, &names, ".rodata").expect(".rodata");
        assert!(rodata.file.end > rodata.file.start);
        assert_eq!(named(&sections, &names, ".rodat"), None, "a name is not a prefix");
        let text = layout
            .segments
            .iter()
            .find(|segment| segment.is_executable)
            .expect("code");
        assert_eq!(
            layout.at_address(text.address).map(|file| file.start),
            Some(text.file.start)
        );
        assert_eq!(layout.at_address(u64::MAX), None);
    }

    #[test]
    fn what_is_not_elf_has_no_layout() {
        for bytes in [&b""[..], b"\x7fELF", b"#!/bin/sh\n", b"\x7fELF\x02\x01\x01", &[0; 4096]] {
            assert_eq!(parse(bytes), None);
        }
    }

    #[test]
    fn a_table_that_claims_too_much_is_not_looked_at() {
        let mut bytes = own_bytes();
        bytes.truncate(HEADER_BYTES);
        bytes[60] = 0xff;
        bytes[61] = 0xff;
        assert_eq!(parse(&bytes).expect("ELF").section_table, None);
    }

    #[test]
    fn a_packed_program_carries_its_mark() {
        let mut bytes = own_bytes();
        bytes.truncate(HEADER_BYTES);
        bytes[900..904].copy_from_slice(b"UPX!");
        assert!(parse(&bytes).expect("ELF").is_packed);
    }

    #[test]
    fn no_change_of_bytes_makes_it_panic() {
        let mut bytes = own_bytes();
        let table = parse(&bytes).and_then(|layout| layout.section_table).expect("table");
        let table = slice(&bytes, &table);
        bytes.truncate(HEADER_BYTES);
        crate::mutation::each(&bytes[..256], |start| {
            if let Some(layout) = parse(start) {
                let _ = layout.sections(&table);
                let _ = layout.at_address(0x1000);
            }
        });
        let layout = parse(&bytes).expect("ELF");
        crate::mutation::each(&table, |table| {
            if let Some((sections, _)) = layout.sections(table) {
                let _ = named(&sections, table, ".rodata");
            }
        });
    }
}
