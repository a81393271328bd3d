//! Perl, from the interpreter in the executed file or in `libperl`.

use crate::path;
use crate::rule::{Found, Platform};
use crate::value;

/// The kind as the answer names it.
pub const KIND: &str = "Perl";

/// The rule.
pub const PLATFORM: Platform = Platform {
    kind: KIND,
    about: "the executed file holds an interpreter (it exports `perl_parse`) or is linked with `libperl`, or a web server has `mod_perl` mapped; the version stands in the sentence that `perl -v` prints (`This is perl 5, version 36, subversion 0`)",
    find: |view| {
        let program = view.program();
        let is_inside = program.names("perl_parse") && program.names("perl_run");
        let mapped = view.mapped();
        let is_linked = program.needs("libperl.so") || mapped.iter().any(|path| path::name(path) == b"mod_perl.so");
        if !is_inside && !is_linked {
            return None;
        }
        let library = mapped.iter().find(|path| path::name(path).starts_with(b"libperl.so"));
        let (file, evidence) = match library {
            Some(library) => (library.as_slice(), "mapped"),
            None if is_inside => (&*view.executable(), "executes"),
            None => return None,
        };
        let file = file.to_vec();
        let version = view.constants(&file, KIND, &mut version);
        let found = Found::by(KIND, format!("{evidence} {}", value::text(&file)));
        Some(found.with_constant(version, &file, view))
    },
};

/// The version, such as `5.36.0`, when this part of the read-only data has the sentence that tells it.
pub fn version(window: &[u8]) -> Option<String> {
    const NEEDLE: &[u8] = b"This is perl ";
    memchr::memmem::find_iter(window, NEEDLE).find_map(|start| {
        let (major, rest) = number(&window[start + NEEDLE.len()..])?;
        let (minor, rest) = number(rest.strip_prefix(b", version ")?)?;
        let (patch, rest) = number(rest.strip_prefix(b", subversion ")?)?;
        rest.starts_with(b" (").then(|| format!("{major}.{minor}.{patch}"))
    })
}

fn number(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let digits = bytes.iter().take(4).take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = bytes.split_at(digits);
    (1..4)
        .contains(&digits)
        .then_some((std::str::from_utf8(number).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Fixture;
    use crate::fixture_elf::elf;

    /// From Debian's `perl` 5.36.0.
    const SENTENCE: &[u8] =
        b"\0This is perl 5, version 36, subversion 0 (%-p) built for x86_64-linux-gnu-thread-multi\0";

    #[test]
    fn the_version_stands_in_a_sentence() {
        for (name, bytes, expected) in [
            ("5.36", SENTENCE, Some("5.36.0")),
            (
                "another patch",
                b"This is perl 5, version 40, subversion 12 (v5.40.12)",
                Some("5.40.12"),
            ),
            ("a pattern", b"This is perl %d, version %d, subversion %d (", None),
            ("cut at the edge", b"This is perl 5, version 36, subversion 0", None),
            (
                "numbers without end",
                b"This is perl 5, version 36666, subversion 0 (",
                None,
            ),
        ] {
            assert_eq!(version(bytes).as_deref(), expected, "{name}");
        }
        crate::mutation::each(SENTENCE, |bytes| drop(version(bytes)));
    }

    #[test]
    fn an_interpreter_is_one_wherever_it_lies() {
        const LIBRARY: &str = "/usr/lib/x86_64-linux-gnu/libperl.so.5.36.0";
        let own = b"\0perl_parse\0perl_run\0libc.so.6\0";
        let linked = b"\0libperl.so.5.36\0perl_parse\0perl_run\0";
        for (name, names, mapped, expected) in [
            ("inside", &own[..], &[][..], Some("executes /x")),
            (
                "as a library",
                linked,
                &[LIBRARY],
                Some("mapped /usr/lib/x86_64-linux-gnu/libperl.so.5.36.0"),
            ),
            (
                "in a web server",
                b"\0ap_run_handler\0",
                &["/usr/lib/apache2/modules/mod_perl.so", LIBRARY],
                Some("mapped /usr/lib/x86_64-linux-gnu/libperl.so.5.36.0"),
            ),
            ("a module of something else", b"\0ngx_cycle\0", &[LIBRARY], None),
            ("only called perl", b"\0puts\0", &[], None),
        ] {
            let mut fixture = Fixture::new("/x")
                .file("/x", elf(names, SENTENCE))
                .file(LIBRARY, elf(own, SENTENCE))
                .mapped(mapped);
            let found = (PLATFORM.find)(&mut fixture.view());
            assert_eq!(found.as_ref().map(|found| found.evidence.as_str()), expected, "{name}");
            assert!(found.is_none_or(|found| found.kind.version == "5.36.0"), "{name}");
        }
    }
}
