//! Python, from the interpreter that is mapped: the executable itself or `libpython`.

use memchr::memmem;

use crate::rule::{Found, Platform};
use crate::value::{self, three_numbers};
use crate::view::View;

/// The kind as the answer names it.
pub const KIND: &str = "Python";

/// Major and minor version, such as 3 and 13.
pub type Minor = (u32, u32);

/// Whether the mapped file is Python as a library.
pub fn is_library(path: &[u8]) -> bool {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    name.starts_with(b"libpython") && memmem::find(name, b".so").is_some()
}

/// Whether the names of the dynamic symbols show an interpreter inside this file.
pub fn exports(names: &[u8]) -> bool {
    [
        &b"\0PyImport_ImportModule\0"[..],
        b"\0PyEval_InitThreads\0",
        b"\0PyMarshal_Init\0",
    ]
    .iter()
    .any(|needle| memmem::find(names, needle).is_some())
}

/// The minor version that a path names: `libpython3.13.so.1.0`, `python3.11`, `/usr/lib/python3.12/lib-dynload/x.so`.
pub fn minor(path: &[u8]) -> Option<Minor> {
    memmem::find_iter(path, b"python").find_map(|start| {
        let rest = &path[start + b"python".len()..];
        let (major, rest) = number(rest)?;
        let (minor, rest) = number(rest.strip_prefix(b".")?)?;
        let has_end = !rest.first().is_some_and(u8::is_ascii_digit);
        (is_plausible((major, minor)) && has_end).then_some((major, minor))
    })
}

fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let digits = bytes.iter().take(2).take_while(|byte| byte.is_ascii_digit()).count();
    let value = std::str::from_utf8(&bytes[..digits]).ok()?.parse().ok()?;
    Some((value, &bytes[digits..]))
}

/// Other libraries inside an interpreter have versions of the same form (SQLite 3.45.1), but not in this range.
fn is_plausible((major, minor): Minor) -> bool {
    match major {
        2 => minor == 7,
        3 => (4..30).contains(&minor),
        _ => false,
    }
}

/// The versions of Python's form that stand alone between two NULs in this part of the read-only data, without repeats.
pub fn candidates(window: &[u8]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for start in memchr::memchr2_iter(b'2', b'3', window) {
        if start == 0 || window[start - 1] != 0 || found.len() >= 8 {
            continue;
        }
        let Some(version) = standing_alone(&window[start..]) else {
            continue;
        };
        if !found.contains(&version) {
            found.push(version);
        }
    }
    found
}

fn standing_alone(bytes: &[u8]) -> Option<String> {
    let numbers = three_numbers(bytes)?;
    let (major, rest) = number(bytes)?;
    let (minor, _) = number(rest.strip_prefix(b".")?)?;
    let is_suffix = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'+';
    let suffix = bytes[numbers..].iter().take(8).take_while(is_suffix).count();
    let ends = bytes.get(numbers + suffix) == Some(&0);
    (ends && is_plausible((major, minor))).then(|| String::from_utf8_lossy(&bytes[..numbers + suffix]).into_owned())
}

/// The one candidate of that minor version, spelled `Python 3.13.2`; without a minor version the only candidate.
pub fn choose(candidates: &[String], minor: Option<Minor>) -> Option<String> {
    let fits = |candidate: &&String| match minor {
        Some((major, minor)) => candidate.starts_with(&format!("{major}.{minor}.")),
        None => true,
    };
    let mut fitting = candidates.iter().filter(fits);
    match (fitting.next(), fitting.next()) {
        (Some(version), None) => Some(format!("Python {version}")),
        _ => None,
    }
}

/// Python as the executed file, or as a library that the executed file is linked with.
pub const EXECUTABLE: Platform = Platform {
    kind: KIND,
    about: "the executed file holds an interpreter (its exported symbols), or is linked with `libpython`; the version stands among the constants of whichever has the interpreter",
    find: |view| {
        let program = view.program();
        let is_inside = exports(&program.names);
        if !is_inside && !program.needs("libpython") {
            return None;
        }
        let mapped = view.mapped();
        if let Some(library) = mapped.iter().find(|path| is_library(path)) {
            return Some(by_library(library, view));
        }
        if !is_inside {
            return None;
        }
        let path = view.executable();
        let minor = minor(&path).or_else(|| mapped.iter().find_map(|path| minor(path)));
        let version = search(view, &path, minor);
        let found = Found::by(KIND, format!("executes {}", value::text(&path)));
        Some(found.with_constant(version, &path, view))
    },
};

/// Python as a library that something else has loaded.
pub const LIBRARY: Platform = Platform {
    kind: KIND,
    about: "`libpython` is mapped; the version stands among its constants",
    find: |view| {
        let mapped = view.mapped();
        let library = mapped.iter().find(|path| is_library(path))?;
        Some(by_library(library, view))
    },
};

fn by_library(library: &[u8], view: &mut dyn View) -> Found {
    let version = search(view, library, minor(library));
    let found = Found::by(KIND, format!("mapped {}", value::text(library)));
    found.with_constant(version, library, view)
}

/// The version that the constants of a file name, given the minor version when it is known: then the first that fits is it;
/// without, all must be seen.
fn search(view: &mut dyn View, file: &[u8], minor: Option<Minor>) -> Option<String> {
    let mut found = Vec::new();
    view.constants(file, KIND, &mut |window| {
        found.extend(candidates(window));
        found.sort_unstable();
        found.dedup();
        if window.is_empty() {
            return choose(&found, minor);
        }
        minor.and_then(|minor| choose(&found, Some(minor)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minor_version_is_in_the_names_of_files() {
        for (path, expected) in [
            ("/usr/local/lib/libpython3.13.so.1.0", Some((3, 13))),
            ("/opt/pyenv/versions/3.6.15/lib/libpython3.6m.so.1.0", Some((3, 6))),
            ("/usr/bin/python3.11", Some((3, 11))),
            (
                "/usr/lib/python3.12/lib-dynload/_json.cpython-312-x86_64-linux-gnu.so",
                Some((3, 12)),
            ),
            ("/usr/lib/python3/dist-packages/x/python3.9/y.so", Some((3, 9))),
            ("/usr/lib/x86_64-linux-gnu/libpython2.7.so.1.0", Some((2, 7))),
            ("/usr/bin/python3", None),
            ("/usr/bin/python3.111", None),
            ("/opt/app", None),
        ] {
            assert_eq!(minor(path.as_bytes()), expected, "{path}");
        }
    }

    #[test]
    fn the_full_version_stands_alone_between_two_nuls() {
        for (name, bytes, expected) in [
            ("release", &b"x\x003.11.2\0y"[..], &["3.11.2"][..]),
            ("pre-release", b"\x003.14.0rc2\0", &["3.14.0rc2"]),
            ("built from a branch", b"\x003.12.1+\0", &["3.12.1+"]),
            ("twice the same", b"\x003.12.1\0\x003.12.1\0", &["3.12.1"]),
            ("SQLite and old numbers are not it", b"\x003.45.1\0\x003.2.0\0", &[]),
            ("inside other text", b"\0v3.12.1\0 3.12.1 \x003.12.1 x\0", &[]),
            ("cut at the edge", b"\x003.12.1", &[]),
            ("at the very start", b"3.12.1\0", &[]),
        ] {
            assert_eq!(candidates(bytes), expected, "{name}");
        }
    }

    #[test]
    fn several_candidates_are_told_apart_by_the_minor_version() {
        let candidates = ["3.11.2".to_owned(), "3.9.0".to_owned()];
        assert_eq!(choose(&candidates, Some((3, 11))).as_deref(), Some("Python 3.11.2"));
        assert_eq!(choose(&candidates, None), None);
        assert_eq!(choose(&candidates[..1], None).as_deref(), Some("Python 3.11.2"));
        assert_eq!(choose(&candidates, Some((3, 1))), None);
        assert_eq!(choose(&[], Some((3, 11))), None);
    }
}
