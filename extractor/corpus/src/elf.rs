//! A small ELF file with the sections that a case names, laid out as linkers do it.

use std::collections::BTreeMap;

use fingerprints::fixture_elf;

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

impl Elf {
    /// Its bytes, for x86-64.
    pub fn bytes(&self) -> Vec<u8> {
        let names: String = self.names.iter().map(|name| format!("{name}\0")).collect();
        let names = format!("\0{names}").into_bytes();
        let byte = |character: char| u8::try_from(character).unwrap_or(b'?');
        let sections = self.sections.iter();
        let sections: Vec<(&str, Vec<u8>)> = sections
            .map(|(name, text)| (name.as_str(), text.chars().map(byte).collect()))
            .collect();
        let mut all = vec![(".dynstr", names.as_slice())];
        all.extend(sections.iter().map(|(name, bytes)| (*name, bytes.as_slice())));
        fixture_elf::with_sections(&all, self.interpreter.as_deref())
    }
}
