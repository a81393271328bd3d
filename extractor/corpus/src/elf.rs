//! A small ELF file with the sections that a case names, laid out as linkers do it.

use std::collections::BTreeMap;

/// What is in it.
#[derive(Debug)]
pub struct Elf {
    /// Sections with their bytes, each written as the character of its number (`\u00ff` is the byte 255).
    pub sections: BTreeMap<String, String>,
    /// The loader; a static program has none.
    pub interpreter: Option<String>,
    /// Needed libraries and dynamic symbols.
    pub names: Vec<String>,
}

const HEADER: usize = 64;
const SEGMENT: usize = 56;
const SECTION: usize = 64;

impl Elf {
    /// Its bytes, for x86-64.
    pub fn bytes(&self) -> Vec<u8> {
        let interpreter = self.interpreter.as_ref().map(|path| format!("{path}\0"));
        let segments = 1 + usize::from(interpreter.is_some());
        let mut out = vec![0; HEADER + segments * SEGMENT];
        let mut sections: Vec<(String, usize, usize)> = vec![(String::new(), 0, 0)];
        let mut add = |name: &str, bytes: &[u8], out: &mut Vec<u8>| {
            sections.push((name.to_owned(), out.len(), bytes.len()));
            out.extend_from_slice(bytes);
        };
        if let Some(path) = &interpreter {
            add(".interp", path.as_bytes(), &mut out);
        }
        let names: String = self.names.iter().map(|name| format!("{name}\0")).collect();
        add(".dynstr", format!("\0{names}").as_bytes(), &mut out);
        for (name, text) in &self.sections {
            let bytes: Vec<u8> = text.chars().map(|byte| u8::try_from(byte).unwrap_or(b'?')).collect();
            add(name, &bytes, &mut out);
        }
        let loaded = out.len();
        let mut strings = vec![0];
        let mut name_offsets = Vec::new();
        for (name, ..) in &sections {
            name_offsets.push(strings.len());
            strings.extend_from_slice(name.as_bytes());
            strings.push(0);
        }
        name_offsets.push(strings.len());
        strings.extend_from_slice(b".shstrtab\0");
        sections.push((String::new(), out.len(), strings.len()));
        out.extend_from_slice(&strings);
        let table = out.len();
        for ((_, offset, length), name) in sections.iter().zip(&name_offsets) {
            let mut header = [0; SECTION];
            put(&mut header, 0, &(*name as u32).to_le_bytes());
            put(&mut header, 4, &1_u32.to_le_bytes());
            put(&mut header, 24, &(*offset as u64).to_le_bytes());
            put(&mut header, 32, &(*length as u64).to_le_bytes());
            out.extend_from_slice(&header);
        }
        put(&mut out, 0, b"\x7fELF\x02\x01\x01");
        put(&mut out, 16, &[3, 0, 62, 0, 1, 0, 0, 0]);
        put(&mut out, 32, &(HEADER as u64).to_le_bytes());
        put(&mut out, 40, &(table as u64).to_le_bytes());
        let sizes = [HEADER, SEGMENT, segments, SECTION, sections.len(), sections.len() - 1];
        for (index, size) in sizes.into_iter().enumerate() {
            put(&mut out, 52 + 2 * index, &(size as u16).to_le_bytes());
        }
        segment(&mut out, HEADER, 1, 0, loaded);
        if let (Some(path), Some((_, offset, _))) = (&interpreter, sections.get(1)) {
            segment(&mut out, HEADER + SEGMENT, 3, *offset, path.len());
        }
        out
    }
}

fn segment(out: &mut [u8], at: usize, kind: u32, offset: usize, length: usize) {
    put(out, at, &kind.to_le_bytes());
    put(out, at + 4, &4_u32.to_le_bytes());
    for (field, value) in [(8, offset), (16, offset), (32, length), (40, length)] {
        put(out, at + field, &(value as u64).to_le_bytes());
    }
}

fn put(out: &mut [u8], at: usize, bytes: &[u8]) {
    out[at..at + bytes.len()].copy_from_slice(bytes);
}
