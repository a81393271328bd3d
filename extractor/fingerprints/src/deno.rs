//! Deno, from the name under which it makes requests.

use crate::rule::{Found, Platform};
use crate::value::{self, three_numbers};

/// The kind as the answer names it.
pub const KIND: &str = "Deno";

/// The rule, for programs that `deno compile` made as well.
pub const PLATFORM: Platform = Platform {
    kind: KIND,
    about: "the executed file exports what addons of Node.js need but not what Node.js exports, and its constants have the names under which Deno makes requests (`Deno/2.1.4` twice)",
    find: |view| {
        let program = view.program();
        if program.needs("BUN_") || !crate::node::is_imitated(&program.names) {
            return None;
        }
        let path = view.executable();
        let version = view.constants_near(&path, KIND, LIKELY, &mut version)?;
        let found = Found::by(KIND, format!("executes {}", value::text(&path)));
        Some(found.with_constant(Some(version), &path, view))
    },
};

/// Where Deno 1.46 to 2.9 have it among their 25 megabytes of constants.
const LIKELY: std::ops::Range<u64> = 0xd8_0000..0x120_0000;
const NEEDLE: &[u8] = b"Deno/";
const MAX_VERSION_BYTES: usize = 40;

/// The version, such as `2.1.4`, when this part of the read-only data has it. Strings of Rust have no end: the short name is
/// known by the long one, which follows at once (`Deno/2.1.4Deno/2.1.4+b32ed75`).
pub fn version(window: &[u8]) -> Option<String> {
    memchr::memmem::find_iter(window, NEEDLE).find_map(|start| {
        let rest = &window[start + NEEDLE.len()..];
        three_numbers(rest)?;
        let end = memchr::memmem::find(&rest[..rest.len().min(MAX_VERSION_BYTES)], NEEDLE)?;
        let (short, long) = (&rest[..end], &rest[end + NEEDLE.len()..]);
        long.starts_with(short).then(|| value::version(short))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Fixture;
    use crate::fixture_elf::elf;

    #[test]
    fn the_version_stands_twice() {
        for (name, bytes, expected) in [
            (
                "2.1",
                &b"flag 'denover2.1.4+b32ed75Deno/2.1.4Deno/2.1.4+b32ed75b32ed7516cf"[..],
                Some("2.1.4"),
            ),
            (
                "2.9",
                b"denover2.9.62.9.6+e518fbdDeno/2.9.6Deno/2.9.6+e518fbde518fb",
                Some("2.9.6"),
            ),
            (
                "release candidate",
                b"Deno/1.46.0-rc.1Deno/1.46.0-rc.1+abcdef0",
                Some("1.46.0-rc.1"),
            ),
            ("once", b"see Deno/2.1.4 in your log", None),
            ("two of different versions", b"Deno/2.1.4Deno/2.1.5+b32ed75", None),
            ("cut at the edge", b"Deno/2.1.4", None),
        ] {
            assert_eq!(version(bytes).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn it_is_known_by_what_it_carries() {
        let constants = b"\0Deno/2.1.4Deno/2.1.4+b32ed75\0";
        for (name, names, expected) in [
            (
                "whatever it is called",
                &b"\0napi_create_function\0uv_close\0"[..],
                Some("2.1.4"),
            ),
            ("a tool that knows its name", b"\0printf\0", None),
        ] {
            let mut fixture = Fixture::new("/app/node").file("/app/node", elf(names, constants));
            let found = (PLATFORM.find)(&mut fixture.view());
            assert_eq!(found.map(|found| found.kind.version).as_deref(), expected, "{name}");
        }
    }
}
