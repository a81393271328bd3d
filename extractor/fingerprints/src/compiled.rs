//! Programs of which only the compiler is known: Rust, C and C++. They are tried last.

use crate::plain;
use crate::program::Program;
use crate::rule::{Found, Platform};
use crate::value;
use crate::view::View;

/// The kind of programs that rustc made.
pub const RUST: &str = "Rust";
/// The kind of programs that a compiler for C made, as far as can be seen.
pub const C: &str = "C/C++";

/// The rule for Rust.
pub const RUST_PLATFORM: Platform = Platform {
    kind: RUST,
    about: "`.comment` of the executed file names `rustc`, with its version; or one of its first constants is a path of Rust's library (`/rustc/HASH/library/`: no version; `/usr/src/rustc-1.63.0/`: a distribution's, with it)",
    find: |view| rust(view),
};

/// The rule for C and C++.
pub const C_PLATFORM: Platform = Platform {
    kind: C,
    about: "the executed file is ELF, and nothing shows another language; never a version. A program with the name of a shell, an init, or one that only waits (`sleep`, `tail`, `pause` ...) is told nothing about",
    find: |view| c(view),
};

const COMMENT_BYTES: usize = 4096;
/// How many windows of the constants are searched for traces of Rust.
const MAX_WINDOWS: usize = 4;

/// How names begin that show another language behind a program.
const OTHER_NAMES: [&str; 12] = [
    "libHS",
    "libR.so",
    "libdruntime",
    "libjulia",
    "libphobos",
    "libswiftCore.so",
    "__crystal_",
    "_kDart",
    "Dart_",
    "NimMain",
    "caml_",
    "mono_",
];
const OTHER_SECTIONS: [&str; 2] = ["swift5_protocols", ".debug_caml"];
const OTHER_COMPILERS: [&str; 2] = ["GHC ", "LDC "];

/// Whether nothing is to be told about the program, as it looks.
fn is_passed_over(view: &mut dyn View) -> bool {
    let path = view.executable();
    if plain::has_plain_name(&path) {
        return true;
    }
    let program = view.program();
    !program.is_elf || program.is_packed || view.is_gone()
}

fn rust(view: &mut dyn View) -> Option<Found> {
    if is_passed_over(view) {
        return None;
    }
    let program = view.program();
    let path = view.executable();
    let text = value::text(&path);
    let comment = view.section(".comment", COMMENT_BYTES).unwrap_or_default();
    if let Some(version) = rustc(&comment) {
        let mut found = Found::by(RUST, format!("executes {text}, made by rustc"));
        found.kind.version = version;
        found.version_evidence = format!("the compiler named in {text}");
        return Some(found);
    }
    if !may_be_rust(&program) {
        return None;
    }
    let mut windows = 0;
    let traced = view.constants(&path, RUST, &mut |window| {
        windows += 1;
        library(window).or_else(|| (windows == MAX_WINDOWS).then(|| "none".to_owned()))
    });
    let version = traced.filter(|traced| traced != "none")?;
    let found = Found::by(RUST, format!("executes {text}, which names Rust's library"));
    if version.is_empty() {
        let message = format!("{text} names no version of rustc, only the commit of its library");
        view.note("kindVersion", "unversioned", message);
        return Some(found);
    }
    Some(found.with_constant(Some(version), &path, view))
}

/// Whether a file that does not name rustc, as older ones and stripped ones do not, is worth a search: Rust unwinds, and its library asks for the version of glibc,
/// as few programs in C do.
fn may_be_rust(program: &Program) -> bool {
    let is_likely =
        program.names("gnu_get_libc_version") || program.needs("libgcc_s.so") || program.interpreter.is_empty();
    is_likely && !program.needs("libstdc++.so")
}

/// The version of the compiler, such as 1.82.0 for `rustc version 1.82.0 (f6e511eec 2024-10-15)`.
fn rustc(comment: &[u8]) -> Option<String> {
    const NEEDLE: &[u8] = b"rustc version ";
    let rest = &comment[memchr::memmem::find(comment, NEEDLE)? + NEEDLE.len()..];
    let length = rest.iter().take(40).take_while(|byte| !b" \0".contains(byte)).count();
    value::version(&rest[..length])
}

/// The version of Rust by a path of its library; empty when that has only a commit.
fn library(window: &[u8]) -> Option<String> {
    memchr::memmem::find_iter(window, b"/rustc").find_map(|start| {
        let rest = &window[start + b"/rustc".len()..];
        if let Some(rest) = rest.strip_prefix(b"-") {
            let length = memchr::memchr(b'/', &rest[..rest.len().min(24)])?;
            let is_library = [&b"/library/"[..], b"/vendor/"]
                .iter()
                .any(|part| rest[length..].starts_with(part));
            return is_library.then(|| value::version(&rest[..length]))?;
        }
        let commit = rest.strip_prefix(b"/")?.get(..40)?;
        let is_commit = commit.iter().all(u8::is_ascii_hexdigit) && rest[41..].starts_with(b"/library/");
        is_commit.then(String::new)
    })
}

fn c(view: &mut dyn View) -> Option<Found> {
    if is_passed_over(view) {
        return None;
    }
    let program = view.program();
    let comment = view.section(".comment", COMMENT_BYTES).unwrap_or_default();
    let is_other = OTHER_NAMES.iter().any(|name| program.needs(name))
        || OTHER_SECTIONS.iter().any(|section| program.section(section).is_some())
        || OTHER_COMPILERS
            .iter()
            .any(|name| crate::contains(&comment, name.as_bytes()));
    if is_other {
        return None;
    }
    let path = value::text(&view.executable());
    let linked = match program.interpreter.as_slice() {
        [] => "static".to_owned(),
        loader if crate::contains(loader, b"/ld-musl") => "dynamic (musl)".to_owned(),
        loader if crate::contains(loader, b"/ld-linux") || crate::contains(loader, b"/ld64.so") => {
            "dynamic (glibc)".to_owned()
        }
        loader => format!("loaded by {}", value::text(loader)),
    };
    let with = if program.needs("libstdc++.so") || program.needs("libc++.so") {
        ", needs C++'s library"
    } else {
        ""
    };
    let by = compiler(&comment)
        .map(|compiler| format!(", made by {compiler}"))
        .unwrap_or_default();
    let message = format!("{path} is compiled; the language does not leave a version in it");
    view.note("kindVersion", "unversioned", message);
    Some(Found::by(C, format!("executes {path}, {linked}{with}{by}")))
}

/// The last compiler that is named: the first ones made the files that every program begins with.
fn compiler(comment: &[u8]) -> Option<String> {
    let named = comment
        .split(|byte| *byte == 0)
        .rfind(|text| text.starts_with(b"GCC: ") || crate::contains(text, b"clang version "));
    named.map(|text| value::text(&text[..text.len().min(60)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Fixture;
    use crate::fixture_elf::{elf, with_sections};

    /// Of Deno 2.1.4, of a small program of rustc 1.95.0, of ripgrep of Debian 12.
    const MIXED: &[u8] = b"\0GCC: (Ubuntu 5.3.1-14ubuntu2) 5.3.1 20160413\0rustc version 1.82.0 (f6e511eec 2024-10-15)\0Linker: Ubuntu LLD 19.1.5\0";
    const COMMIT: &[u8] = b"\0/rustc/59807616e1fa2540724bfbac14d7976d7e4a3860/library/core/src/str/mod.rs";
    const DISTRIBUTION: &[u8] = b"unexpectedly/usr/src/rustc-1.63.0/library/alloc/src/string.rs/usr";
    const GCC: &[u8] = b"GCC: (Alpine 14.2.0) 14.2.0\0";

    fn find(fixture: &mut Fixture) -> Option<Found> {
        let mut view = fixture.view();
        (RUST_PLATFORM.find)(&mut view).or_else(|| (C_PLATFORM.find)(&mut view))
    }

    fn program(path: &str, bytes: Vec<u8>) -> Fixture {
        Fixture::new(path).file(path, bytes)
    }

    #[test]
    fn the_compiler_tells_rust() {
        let glibc = b"\0libc.so.6\0gnu_get_libc_version\0libgcc_s.so.1\0";
        for (name, bytes, expected) in [
            ("named", with_sections(&[(".comment", MIXED)], None), Some("1.82.0")),
            (
                "a nightly",
                with_sections(
                    &[(".comment", b"rustc version 1.100.0-nightly (574ff7d98 2026-09-14)\0")],
                    None,
                ),
                Some("1.100.0-nightly"),
            ),
            ("by a path of its library", elf(glibc, COMMIT), Some("")),
            ("by a distribution's path", elf(glibc, DISTRIBUTION), Some("1.63.0")),
            ("static", with_sections(&[(".rodata", COMMIT)], None), Some("")),
            (
                "older, which only names who linked it",
                with_sections(&[(".dynstr", glibc), (".rodata", COMMIT), (".comment", GCC)], None),
                Some(""),
            ),
            ("a program in C that speaks of it", elf(b"\0libc.so.6\0", COMMIT), None),
            (
                "a path that only begins so",
                elf(glibc, b"\0/rustc/0123/library/ /usr/src/rustc-1.63.0.tar"),
                None,
            ),
        ] {
            let mut fixture = program("/app", bytes);
            let found = find(&mut fixture).filter(|found| found.kind.name == RUST);
            assert_eq!(found.map(|found| found.kind.version).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn only_the_first_constants_are_searched_for_rust() {
        let far = [&vec![b'.'; MAX_WINDOWS * 256 * 1024][..], COMMIT].concat();
        let found = find(&mut program("/app", elf(b"\0gnu_get_libc_version\0", &far)));
        assert_eq!(found.map(|found| found.kind.name), Some(C));
    }

    #[test]
    fn what_is_left_is_called_what_it_looks_like() {
        let glibc = Some("/lib64/ld-linux-x86-64.so.2");
        let cpp = b"\0libstdc++.so.6\0libc.so.6\0";
        for (name, bytes, expected) in [
            (
                "C++",
                with_sections(
                    &[(".dynstr", cpp), (".comment", b"GCC: (GNU) 8.5.0\0GCC: (GNU) 12.2.1\0")],
                    glibc,
                ),
                Some("executes /app, dynamic (glibc), needs C++'s library, made by GCC: (GNU) 12.2.1"),
            ),
            (
                "static",
                with_sections(&[(".comment", GCC)], None),
                Some("executes /app, static, made by GCC: (Alpine 14.2.0) 14.2.0"),
            ),
            (
                "musl",
                with_sections(
                    &[(".dynstr", b"\0libc.musl-x86_64.so.1\0")],
                    Some("/lib/ld-musl-x86_64.so.1"),
                ),
                Some("executes /app, dynamic (musl)"),
            ),
            (
                "Haskell",
                with_sections(&[(".comment", b"GCC: 12\0GHC 9.4.7\0")], glibc),
                None,
            ),
            (
                "Swift",
                with_sections(&[(".dynstr", b"\0libswiftCore.so\0")], glibc),
                None,
            ),
            (
                "R",
                with_sections(&[(".dynstr", b"\0libR.so\0libc.so.6\0")], glibc),
                None,
            ),
            ("a script", b"#!/bin/sh\n".to_vec(), None),
        ] {
            let mut fixture = program("/app", bytes);
            let found = find(&mut fixture);
            assert_eq!(found.as_ref().map(|found| found.evidence.as_str()), expected, "{name}");
            assert!(
                found.is_none_or(|found| found.kind.version.is_empty() && fixture.notes.len() == 1),
                "{name}"
            );
        }
    }

    #[test]
    fn what_only_waits_is_not_told() {
        for path in [
            "/usr/bin/sleep",
            "/bin/busybox",
            "/pause",
            "/sbin/tini",
            "/usr/bin/bash",
        ] {
            assert_eq!(find(&mut program(path, elf(b"\0libc.so.6\0", b"\0"))), None, "{path}");
        }
    }

    #[test]
    fn no_change_of_bytes_makes_it_panic() {
        crate::mutation::each(MIXED, |bytes| drop((rustc(bytes), compiler(bytes))));
        crate::mutation::each(COMMIT, |bytes| drop(library(bytes)));
        crate::mutation::each(DISTRIBUTION, |bytes| drop(library(bytes)));
    }
}
