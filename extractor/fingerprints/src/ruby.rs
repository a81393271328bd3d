//! Ruby, from the interpreter in the executed file or in `libruby`.

use crate::path;
use crate::rule::{Found, Platform};
use crate::value::{self, three_numbers};

/// The kind as the answer names it.
pub const KIND: &str = "Ruby";

/// The rule.
pub const PLATFORM: Platform = Platform {
    kind: KIND,
    about: "`libruby` is mapped, or the executed file holds the interpreter (it exports `ruby_run_node`); the version stands in the line that `ruby -v` prints (`ruby 3.1.2p20 (2022-04-12 ...`)",
    find: |view| {
        let mapped = view.mapped();
        let library = mapped.iter().find(|path| is_library(path));
        let program = view.program();
        let (file, evidence) = match library {
            Some(library) => (library.clone(), "mapped"),
            None if program.names("ruby_run_node") && !program.needs("libruby") => {
                (view.executable().to_vec(), "executes")
            }
            None => return None,
        };
        let version = view.constants(&file, KIND, &mut version);
        let found = Found::by(KIND, format!("{evidence} {}", value::text(&file)));
        Some(found.with_constant(version, &file, view))
    },
};

fn is_library(path: &[u8]) -> bool {
    let name = path::name(path);
    (name.starts_with(b"libruby.so") || name.starts_with(b"libruby-")) && crate::contains(name, b".so")
}

/// The version, such as `3.1.2`, when this part of the read-only data has the line that tells it.
pub fn version(window: &[u8]) -> Option<String> {
    const NEEDLE: &[u8] = b"\0ruby ";
    memchr::memmem::find_iter(window, NEEDLE).find_map(|start| {
        let rest = &window[start + NEEDLE.len()..];
        let numbers = three_numbers(rest)?;
        // The patch level, or the name of a version that is not released yet.
        let more = rest[numbers..]
            .iter()
            .take(24)
            .take_while(|byte| byte.is_ascii_alphanumeric())
            .count();
        let is_patch_level =
            more == 0 || rest[numbers] == b'p' && rest[numbers + 1..numbers + more].iter().all(u8::is_ascii_digit);
        let end = if is_patch_level { numbers } else { numbers + more };
        rest[numbers + more..]
            .starts_with(b" (")
            .then(|| value::version(&rest[..end]))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Fixture;
    use crate::fixture_elf::elf;

    /// From Debian's `libruby3.1`.
    const LINE: &[u8] = b"\0ruby 3.1.2p20 (2022-04-12 revision 4491bb740a) +YJIT [x86_64-linux-gnu]\0";

    #[test]
    fn the_version_stands_in_a_line() {
        for (name, bytes, expected) in [
            ("with a patch level", LINE, Some("3.1.2")),
            (
                "since 3.4",
                b"\0ruby 3.4.1 (2024-12-25 revision 48d4efcb85) +PRISM",
                Some("3.4.1"),
            ),
            ("not released", b"\0ruby 3.5.0dev (2025-01-01", Some("3.5.0dev")),
            ("something else", b"\0ruby 3.1.2 is required", None),
            ("a pattern", b"\0ruby %s (", None),
            ("cut at the edge", b"\0ruby 3.1.2p20", None),
        ] {
            assert_eq!(version(bytes).as_deref(), expected, "{name}");
        }
        crate::mutation::each(LINE, |bytes| drop(version(bytes)));
    }

    #[test]
    fn an_interpreter_is_one_wherever_it_lies() {
        const LIBRARY: &str = "/usr/lib/x86_64-linux-gnu/libruby-3.1.so.3.1.2";
        for (name, names, mapped, expected) in [
            (
                "as a library",
                &b"\0libruby-3.1.so.3.1\0ruby_run_node\0"[..],
                &[LIBRARY][..],
                Some("mapped"),
            ),
            ("inside", b"\0ruby_run_node\0rb_define_method\0", &[], Some("executes")),
            ("in another program", b"\0puts\0", &[LIBRARY], Some("mapped")),
            (
                "the library is not mapped yet",
                b"\0libruby-3.1.so.3.1\0ruby_run_node\0",
                &[],
                None,
            ),
            ("only called ruby", b"\0puts\0", &["/usr/lib/librubberband.so.2"], None),
        ] {
            let mut fixture = Fixture::new("/x")
                .file("/x", elf(names, LINE))
                .file(LIBRARY, elf(b"\0ruby_run_node\0", LINE))
                .mapped(mapped);
            let found = (PLATFORM.find)(&mut fixture.view());
            let evidence = found.as_ref().and_then(|found| found.evidence.split(' ').next());
            assert_eq!(evidence, expected, "{name}");
            assert!(found.is_none_or(|found| found.kind.version == "3.1.2"), "{name}");
        }
    }
}
