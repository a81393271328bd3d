//! The operating system of a container, from its os-release file.

use crate::properties::lookup;
use crate::value::value;

/// Where the file is looked for, in this order, below the container's root.
pub const PATHS: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];
/// How much of it is read.
pub const MAX_BYTES: usize = 16 * 1024;

/// An operating system.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Os {
    /// `ID`, empty when missing or odd.
    pub id: String,
    /// `VERSION_ID`, empty when missing or odd.
    pub version: String,
}

/// The operating system that the file names; none when it names none.
pub fn parse(bytes: &[u8]) -> Option<Os> {
    let field = |key| lookup(bytes, key).and_then(value).unwrap_or_default();
    let os = Os {
        id: field("ID"),
        version: field("VERSION_ID"),
    };
    (os != Os::default()).then_some(os)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operating_system_has_a_name_and_perhaps_a_version() {
        for (name, bytes, expected) in [
            (
                "debian",
                &b"NAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nID=debian\n"[..],
                Some(("debian", "12")),
            ),
            (
                "rhel",
                b"ID=\"rhel\"\nVERSION_ID=\"8.9\"\nID_LIKE=\"fedora\"\n",
                Some(("rhel", "8.9")),
            ),
            ("rolling, without a version", b"ID=arch\n", Some(("arch", ""))),
            (
                "a hostile name is dropped, the version stays",
                b"ID=$(reboot)\nVERSION_ID=1\n",
                Some(("", "1")),
            ),
            ("nothing of use", b"PRETTY_NAME=x\n", None),
            ("binary", b"\x7fELF\0\0=\0", None),
        ] {
            let found = parse(bytes);
            let found = found.as_ref().map(|os| (os.id.as_str(), os.version.as_str()));
            assert_eq!(found, expected, "{name}");
        }
    }
}
