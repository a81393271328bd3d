//! Small ELF files, written down for tests of rules.

/// A program with these names of dynamic symbols and libraries, each between NULs, and these constants.
pub fn elf(names: &[u8], constants: &[u8]) -> Vec<u8> {
    with_sections(
        &[(".dynstr", names), (".rodata", constants)],
        Some("/lib64/ld-linux-x86-64.so.2"),
    )
}

/// A program with these sections, in this order, that asks for this loader.
pub fn with_sections(sections: &[(&str, &[u8])], interpreter: Option<&str>) -> Vec<u8> {
    const HEADER: usize = 64;
    const SEGMENT: usize = 56;
    let mut bytes = vec![0; HEADER + 2 * SEGMENT];
    let mut names = vec![0];
    let mut table = vec![0; 64];
    let segment = |index: usize, kind: u32, start: usize, length: usize, bytes: &mut Vec<u8>| {
        let at = HEADER + index * SEGMENT;
        bytes[at..at + 4].copy_from_slice(&kind.to_le_bytes());
        bytes[at + 4..at + 8].copy_from_slice(&4_u32.to_le_bytes());
        for (field, value) in [(8, start), (16, start), (32, length), (40, length)] {
            bytes[at + field..at + field + 8].copy_from_slice(&(value as u64).to_le_bytes());
        }
    };
    if let Some(interpreter) = interpreter {
        let start = bytes.len();
        bytes.extend(interpreter.as_bytes());
        bytes.push(0);
        segment(0, 3, start, interpreter.len() + 1, &mut bytes);
    }
    let mut section = |name: &str, content: &[u8], bytes: &mut Vec<u8>, names: &mut Vec<u8>| {
        let mut header = [0; 64];
        header[..4].copy_from_slice(&(names.len() as u32).to_le_bytes());
        header[4] = 1;
        header[24..32].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
        header[32..40].copy_from_slice(&(content.len() as u64).to_le_bytes());
        table.extend(header);
        names.extend(name.as_bytes());
        names.push(0);
        bytes.extend(content);
    };
    for (name, content) in sections {
        section(name, content, &mut bytes, &mut names);
    }
    let mut own_names = names.clone();
    own_names.extend(b".shstrtab\0");
    section(".shstrtab", &own_names, &mut bytes, &mut names);
    let (end, count) = (bytes.len(), table.len() / 64);
    segment(1, 1, 0, end, &mut bytes);
    bytes.extend(table);
    bytes[..8].copy_from_slice(b"\x7fELF\x02\x01\x01\0");
    for (field, value) in [(16, 3_u16), (18, 62), (20, 1), (52, 64), (54, 56), (56, 2), (58, 64)] {
        bytes[field..field + 2].copy_from_slice(&value.to_le_bytes());
    }
    bytes[32..40].copy_from_slice(&(HEADER as u64).to_le_bytes());
    bytes[40..48].copy_from_slice(&(end as u64).to_le_bytes());
    bytes[60..62].copy_from_slice(&(count as u16).to_le_bytes());
    bytes[62..64].copy_from_slice(&(count as u16 - 1).to_le_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Fixture;
    use crate::view::View;

    #[test]
    fn it_is_read_like_a_real_one() {
        let bytes = with_sections(
            &[(".dynstr", b"\0libc.so.6\0puts\0"), (".comment", b"GCC")],
            Some("/lib/ld.so"),
        );
        let mut fixture = Fixture::new("/app").file("/app", bytes);
        let mut view = fixture.view();
        let program = view.program();
        assert!(program.is_elf && program.names("puts") && program.needs("libc.so"));
        assert_eq!(program.interpreter, b"/lib/ld.so");
        assert_eq!(view.section(".comment", 9).as_deref(), Some(&b"GCC"[..]));
        assert_eq!(view.section(".rodata", 9), None);
    }
}
