//! The build information that Go's linker puts into every program, stripped or not.

use crate::elf::Layout;
use crate::value::value;

/// The section that holds the build information.
pub const SECTION: &str = ".go.buildinfo";
/// How much of the section, or of a window that begins at its mark, is wanted.
pub const WINDOW_BYTES: usize = 1024;
/// How much of the first writable segment is searched when no section has the name.
pub const SEARCH_BYTES: usize = 64 * 1024;
const MARK: &[u8] = b"\xff Go buildinf:";
const HEADER_BYTES: usize = 32;
const ALIGNMENT: usize = 16;
const MAX_VERSION_BYTES: u64 = 128;

/// Where the version of the toolchain stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Version {
    /// Right here (Go 1.18 and later); none when it deviates.
    Inline(Option<String>),
    /// In a string whose header lies at this address.
    At(u64),
}

/// Where in the window the build information begins, when it does: the linker aligns it.
pub fn find(window: &[u8]) -> Option<usize> {
    memchr::memmem::find_iter(window, MARK).find(|start| start.is_multiple_of(ALIGNMENT))
}

/// The build information at the start of the bytes; none when there is none.
pub fn parse(bytes: &[u8], layout: &Layout) -> Option<Version> {
    let header = bytes.get(..HEADER_BYTES).filter(|header| header.starts_with(MARK))?;
    let [pointer_bytes, flags] = [header[14], header[15]];
    if flags & 2 != 0 {
        let (length, text) = varint(&bytes[HEADER_BYTES..])?;
        let text = usize::try_from(length).ok().and_then(|length| text.get(..length));
        return Some(Version::Inline(text.and_then(toolchain)));
    }
    let address = layout
        .word(&header[16..])
        .filter(|_| usize::from(pointer_bytes) == layout.word_bytes())?;
    Some(Version::At(address))
}

/// Address and length of the text that a string header describes.
pub fn string_header(bytes: &[u8], layout: &Layout) -> Option<(u64, u64)> {
    let length = layout.word(bytes.get(layout.word_bytes()..)?)?;
    (1..=MAX_VERSION_BYTES)
        .contains(&length)
        .then_some((layout.word(bytes)?, length))
}

/// The version as the toolchain spells it, such as `go1.22.6`.
pub fn toolchain(text: &[u8]) -> Option<String> {
    value(text).filter(|text| text.starts_with("go1") || text.starts_with("go2") || text.starts_with("devel "))
}

/// The main package that inline build information names, when it lies within the bytes.
pub fn main_package(bytes: &[u8]) -> Option<String> {
    let (length, text) = varint(bytes.get(HEADER_BYTES..)?)?;
    let modules = text.get(usize::try_from(length).ok()?..)?;
    let start = memchr::memmem::find(modules, b"path\t")? + b"path\t".len();
    let end = memchr::memchr(b'\n', &modules[start..])?;
    value(&modules[start..start + end])
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(9).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[index + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> Layout {
        let own = std::fs::read(std::env::current_exe().expect("own path")).expect("own program");
        crate::elf::parse(&own).expect("ELF")
    }

    fn inline(version: &[u8]) -> Vec<u8> {
        let mut bytes = MARK.to_vec();
        bytes.extend([8, 2]);
        bytes.resize(HEADER_BYTES, 0);
        bytes.push(version.len() as u8);
        bytes.extend(version);
        bytes
    }

    #[test]
    fn newer_toolchains_write_their_version_inline() {
        for (name, version, expected) in [
            ("release", &b"go1.22.6"[..], Some("go1.22.6")),
            (
                "patched",
                b"go1.21.11 (Red Hat 1.21.11-1.el9_4) X:strictfipsruntime",
                Some("go1.21.11 (Red Hat 1.21.11-1.el9_4) X:strictfipsruntime"),
            ),
            ("from a commit", b"devel go1.24-abcdef", Some("devel go1.24-abcdef")),
            ("forged with a line break", b"go1.22\nx=y", None),
            ("something else", b"rust", None),
            ("empty", b"", None),
        ] {
            let expected = Some(Version::Inline(expected.map(str::to_owned)));
            assert_eq!(parse(&inline(version), &layout()), expected, "{name}");
        }
    }

    #[test]
    fn older_toolchains_point_to_a_string() {
        let mut bytes = MARK.to_vec();
        bytes.extend([8, 0]);
        bytes.extend(0x0050_1234_u64.to_le_bytes());
        bytes.resize(HEADER_BYTES, 0);
        assert_eq!(parse(&bytes, &layout()), Some(Version::At(0x0050_1234)));
        bytes[14] = 4;
        assert_eq!(parse(&bytes, &layout()), None, "a pointer of another size");
        let header = |address: u64, length: u64| [address.to_le_bytes(), length.to_le_bytes()].concat();
        assert_eq!(string_header(&header(0x4000, 6), &layout()), Some((0x4000, 6)));
        assert_eq!(
            string_header(&header(0x4000, 1 << 40), &layout()),
            None,
            "an absurd length"
        );
        assert_eq!(string_header(b"short", &layout()), None);
    }

    #[test]
    fn a_wrapper_is_known_by_its_main_package() {
        let mut bytes = inline(b"go1.22.6");
        bytes.extend(b"\x80\x010123456789abcdefpath\tgithub.com/basecamp/thruster/cmd/thrust\nmod\tx\n");
        let package = main_package(&bytes);
        assert_eq!(package.as_deref(), Some("github.com/basecamp/thruster/cmd/thrust"));
        assert_eq!(package.as_deref(), Some("github.com/basecamp/thruster/cmd/thrust"));
        assert_eq!(main_package(&inline(b"go1.22.6")), None);
    }

    #[test]
    fn the_mark_is_aligned() {
        let mut window = vec![0; 3];
        window.extend(inline(b"go1.22.6"));
        assert_eq!(find(&window), None);
        let mut window = vec![0; 48];
        window.extend(inline(b"go1.22.6"));
        assert_eq!(find(&window), Some(48));
    }

    #[test]
    fn a_length_that_lies_gives_nothing() {
        let mut bytes = inline(b"go1.22.6");
        bytes[HEADER_BYTES] = 0x7f;
        assert_eq!(parse(&bytes, &layout()), Some(Version::Inline(None)));
        bytes[HEADER_BYTES..].fill(0xff);
        assert_eq!(parse(&bytes, &layout()), None, "a number that does not end");
        assert_eq!(parse(&bytes[..20], &layout()), None);
    }

    #[test]
    fn no_change_of_bytes_makes_it_panic() {
        let layout = layout();
        crate::mutation::each(&inline(b"go1.22.6"), |bytes| {
            let _ = (find(bytes), parse(bytes, &layout), string_header(bytes, &layout));
        });
    }
}
