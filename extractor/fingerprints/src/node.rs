//! Node.js, from strings in the read-only data of its binary or of `libnode.so`.

use memchr::memmem;

use crate::rule::{Found, Platform};
use crate::value::{self, three_numbers};
use crate::view::View;

/// The kind as the answer names it.
pub const KIND: &str = "Node.js";

/// What stands before the version where the inspector presents itself. The address of the sources
/// (`nodejs.org/download/release/v`) is no evidence: Bun and Deno carry it too, with the version that they imitate.
const NEEDLE: &[u8] = b"node.js/v";
/// Where in the read-only data the official builds of Node.js 12 to 24 have the string: this is looked at first.
pub const LIKELY: std::ops::Range<u64> = 320 * 1024..832 * 1024;

/// Whether the mapped file is Node.js as a library.
pub fn is_library(path: &[u8]) -> bool {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    name.starts_with(b"libnode.so")
}

/// Whether the names of the dynamic symbols are such as Node.js has, so that it is worth looking for its version at once. A
/// part of the table is enough. It is no proof: Bun imitates some of them.
pub fn exports(names: &[u8]) -> bool {
    memmem::find(names, b"_ZN4node").is_some() && memmem::find(names, b"_ZN2v8").is_some()
}

/// Whether the names of the dynamic symbols are those that addons of Node.js need, without being those of Node.js itself: so do
/// the programs that imitate it.
pub fn is_imitated(names: &[u8]) -> bool {
    crate::contains(names, b"\0napi_create_function\0") && !exports(names)
}

/// The version, spelled `v22.14.0`, when this part of the read-only data has it.
pub fn version(window: &[u8]) -> Option<String> {
    memmem::find_iter(window, NEEDLE).find_map(|start| semver(&window[start + NEEDLE.len()..]))
}

fn semver(bytes: &[u8]) -> Option<String> {
    let numbers = three_numbers(bytes)?;
    let is_suffix = |byte: &&u8| byte.is_ascii_alphanumeric() || b"-.".contains(byte);
    let suffix = match bytes.get(numbers) {
        Some(b'-') => bytes[numbers..].iter().take(40).take_while(is_suffix).count(),
        _ => 0,
    };
    let end = numbers + suffix;
    // A name that goes on is something else, and a string at the window's edge may be cut.
    matches!(bytes.get(end), Some(0 | b'/' | b'"' | b'\'' | b' '))
        .then(|| format!("v{}", String::from_utf8_lossy(&bytes[..end])))
}

/// Node.js as the executed file, whatever it is called.
pub const EXECUTABLE: Platform = Platform {
    kind: KIND,
    about: "the executed file exports what Node.js exports and names its version among its constants (`node.js/v22.14.0`)",
    find: |view| {
        let program = view.program();
        exports(&program.names).then(|| inside(view)).flatten()
    },
};

/// Node.js in a large file that exports nothing, such as a packed application.
pub const LARGE: Platform = Platform {
    kind: KIND,
    about: "as before, in a file of at least 16 MiB that exports nothing, such as an application packed with Node.js",
    find: |view| {
        let program = view.program();
        (program.size >= LARGE_BYTES && !exports(&program.names))
            .then(|| inside(view))
            .flatten()
    },
};

/// Node.js as a mapped library.
pub const LIBRARY: Platform = Platform {
    kind: KIND,
    about: "`libnode.so` is mapped; the version stands among its constants",
    find: |view| {
        let mapped = view.mapped();
        let library = mapped.iter().find(|path| is_library(path))?;
        let version = search(view, library);
        let found = Found::by(KIND, format!("mapped {}", value::text(library)));
        Some(found.with_constant(version, library, view))
    },
};

/// A program of this size that exports nothing is searched for what Node.js has inside.
const LARGE_BYTES: u64 = 16 * 1024 * 1024;

fn search(view: &mut dyn View, file: &[u8]) -> Option<String> {
    view.constants_near(file, KIND, LIKELY, &mut version)
}

/// Node.js in the executed file, when its constants name a version.
fn inside(view: &mut dyn View) -> Option<Found> {
    let path = view.executable();
    let version = search(view, &path)?;
    let found = Found::by(KIND, format!("executes {}", value::text(&path)));
    Some(found.with_constant(Some(version), &path, view))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_stands_behind_known_strings() {
        for (name, bytes, expected) in [
            ("plain", &b"\0node.js/v22.14.0\0"[..], Some("v22.14.0")),
            (
                "another program that knows where the sources lie",
                b"https://nodejs.org/download/release/v26.3.0/node-v26.3.0.tar.gz\0",
                None,
            ),
            ("distribution's build", b"\0node.js/v18.19.0\0", Some("v18.19.0")),
            ("release candidate", b"node.js/v24.0.0-rc.1\0", Some("v24.0.0-rc.1")),
            (
                "a pattern before the real one",
                b"node.js/v%d\0 node.js/v20.20.2\0",
                Some("v20.20.2"),
            ),
            ("cut at the edge", b"node.js/v20.20.2", None),
            (
                "a program that only speaks of it",
                b"see https://nodejs.org/download/release/ for node.js/versions",
                None,
            ),
            ("a number without end", b"node.js/v1.2.99999999999\0", None),
            ("no bytes", b"", None),
        ] {
            assert_eq!(version(bytes).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn the_library_is_known_by_its_name() {
        for (path, expected) in [
            ("/usr/lib/libnode.so.115", true),
            ("/libnode.so", true),
            ("/usr/lib/libnodes", false),
            ("", false),
        ] {
            assert_eq!(is_library(path.as_bytes()), expected, "{path}");
        }
    }

    #[test]
    fn its_symbols_tell_node_from_other_users_of_the_engine() {
        assert!(exports(b"\0_ZN4node10InitializeE\0_ZN2v87IsolateE\0"));
        assert!(!exports(b"\0_ZN2v87IsolateE\0printf\0"));
    }
}
