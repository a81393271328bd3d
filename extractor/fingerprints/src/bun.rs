//! Bun, from the banner that it prints when it crashes. It imitates Node.js down to exported symbols.

use crate::rule::{Found, Platform};
use crate::value::{self, three_numbers};

/// The kind as the answer names it.
pub const KIND: &str = "Bun";

/// The rule, for programs that `bun build --compile` made as well. It stands before that of Node.js.
pub const PLATFORM: Platform = Platform {
    kind: KIND,
    about: "the executed file exports what addons of Node.js need, as versions of Bun's own (`BUN_1.2`) or without Node.js itself, and its constants have Bun's banner (`Bun v1.1.38 (`)",
    find: |view| {
        let program = view.program();
        if !program.needs("BUN_") && !crate::node::is_imitated(&program.names) {
            return None;
        }
        let path = view.executable();
        let version = view.constants_near(&path, KIND, LIKELY, &mut version)?;
        let found = Found::by(KIND, format!("executes {}", value::text(&path)));
        Some(found.with_constant(Some(version), &path, view))
    },
};

/// Where Bun 1.4 has the banner; 1.0 to 1.3 have it in the first four megabytes.
const LIKELY: std::ops::Range<u64> = 0xc8_0000..0xd0_0000;
const NEEDLE: &[u8] = b"Bun v";

/// The version, such as `1.1.38`, when this part of the read-only data has it.
pub fn version(window: &[u8]) -> Option<String> {
    memchr::memmem::find_iter(window, NEEDLE).find_map(|start| {
        let rest = &window[start + NEEDLE.len()..];
        let numbers = three_numbers(rest)?;
        let is_suffix = |byte: &&u8| byte.is_ascii_alphanumeric() || b"-.+".contains(byte);
        let suffix = rest[numbers..].iter().take(40).take_while(is_suffix).count();
        let end = numbers + suffix;
        rest[end..].starts_with(b" (").then(|| value::version(&rest[..end]))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Fixture;
    use crate::fixture_elf::elf;

    #[test]
    fn the_version_stands_in_the_banner() {
        for (name, bytes, expected) in [
            ("1.4", &b"\0\0Bun v1.4.5 (Linux x64)\0\0"[..], Some("1.4.5")),
            ("1.0", b"-----\nBun v1.0.36 (40f61ebb) Linux x64 {s}\n", Some("1.0.36")),
            ("0.5", b"-----\nBun v0.5.9 (f3ab445c) Linux x64 {s}\n", Some("0.5.9")),
            ("canary", b"\0Bun v1.2.3-canary.7 (abc)", Some("1.2.3-canary.7")),
            (
                "a pattern before it",
                b"Bun v{s} is out! Bun v1.1.38 (Linux x64)",
                Some("1.1.38"),
            ),
            ("a sentence about it", b"Bun v1.1.38 is out", None),
            ("cut at the edge", b"Bun v1.1.38", None),
        ] {
            assert_eq!(version(bytes).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn it_is_not_taken_for_node() {
        // What Bun 1.1 has: symbols of Node.js, and where the sources of Node.js lie.
        let constants = b"\0https://nodejs.org/download/release/v22.6.0/\0Bun v1.1.38 (Linux x64)\0";
        let names = b"\0_ZN4node4fakeE\0_ZN2v87Isolate3NewE\0napi_create_function\0BUN_1.1\0";
        for (name, names, constants, expected) in [
            ("1.x", &names[..], &constants[..], Some(("Bun", "1.1.38"))),
            (
                "0.5, which exports only what addons need",
                b"\0napi_create_function\0",
                b"\0Bun v0.5.9 (f3ab445c) Linux x64\0",
                Some(("Bun", "0.5.9")),
            ),
            ("something that talks to Bun", b"\0printf\0", constants, None),
        ] {
            let mut fixture = Fixture::new("/usr/local/bin/node").file("/usr/local/bin/node", elf(names, constants));
            let found = (PLATFORM.find)(&mut fixture.view());
            let found = found
                .as_ref()
                .map(|found| (found.kind.name, found.kind.version.as_str()));
            assert_eq!(found, expected, "{name}");
        }
    }
}
