//! PHP, from the interpreter in the executed file or in the module of a web server.

use crate::go;
use crate::path;
use crate::rule::{Found, Platform, Rule, Runtime, Tier};
use crate::value;
use crate::view::View;

/// The kind as the answer names it.
pub const KIND: &str = "PHP";

/// The rule.
pub const PLATFORM: Platform = Platform {
    kind: KIND,
    about: "the executed file holds an interpreter (it exports `php_request_startup`; one that exports nothing is searched when it is called `php...`), or `libphp` or `mod_php` is mapped; the version stands in the header that it sends (`X-Powered-By: PHP/8.2.29`)",
    find: |view| {
        if let Some(version) = inside(view) {
            let path = view.executable();
            let found = Found::by(KIND, format!("executes {}", value::text(&path)));
            return Some(found.with_constant(version, &path, view));
        }
        let mapped = view.mapped();
        let library = mapped.iter().find(|path| is_library(path))?;
        let version = view.constants(library, KIND, &mut version);
        let found = Found::by(KIND, format!("mapped {}", value::text(library)));
        Some(found.with_constant(version, library, view))
    },
};

/// The rule for PHP-FPM, which has the version of its PHP.
pub const FPM_RULE: Rule = Rule {
    name: "PHP-FPM",
    tier: Tier::Product,
    of: &[KIND],
    about: "the executed file holds the interpreter and the line with which the manager starts (`fpm is running, pid `); the version is that of PHP",
    find: |view| fpm(view).into_iter().collect(),
};

/// The rule for PHP inside a program in Go, whose kind stays Go.
pub const EMBEDDED_RULE: Rule = Rule {
    name: KIND,
    tier: Tier::Library,
    of: &[go::KIND],
    about: "in a program that is FrankenPHP by its main package or its name: `libphp` is mapped, or the constants of a static one have the header that names the version",
    find: |view| embedded(view).into_iter().collect(),
};

/// The version of PHP in the executed file; the outer none means that there is no PHP in it.
fn inside(view: &mut dyn View) -> Option<Option<String>> {
    let program = view.program();
    let path = view.executable();
    if program.names("php_request_startup") {
        return Some(view.constants(&path, KIND, &mut version));
    }
    let may_be_static = program.is_elf && program.interpreter.is_empty() && path::name(&path).starts_with(b"php");
    may_be_static
        .then(|| view.constants(&path, KIND, &mut version))?
        .map(Some)
}

fn is_library(path: &[u8]) -> bool {
    let name = path::name(path);
    let is_named = |start: &[u8]| {
        let rest = name.strip_prefix(start);
        rest.is_some_and(|rest| rest.first().is_some_and(|byte| byte.is_ascii_digit() || *byte == b'.'))
    };
    (is_named(b"libphp") || is_named(b"mod_php")) && crate::contains(name, b".so")
}

/// The version, such as `8.2.29`, when this part of the read-only data has the header that names it.
pub fn version(window: &[u8]) -> Option<String> {
    const NEEDLE: &[u8] = b"X-Powered-By: PHP/";
    memchr::memmem::find_iter(window, NEEDLE).find_map(|start| {
        let rest = &window[start + NEEDLE.len()..];
        let length = memchr::memchr(0, &rest[..rest.len().min(48)])?;
        rest.first()?
            .is_ascii_digit()
            .then(|| value::version(&rest[..length]))?
    })
}

fn embedded(view: &mut dyn View) -> Option<Runtime> {
    let path = view.executable();
    let package = view.program().go_package.clone().unwrap_or_default();
    if !package.contains("frankenphp") && !path::name(&path).starts_with(b"frankenphp") {
        return None;
    }
    let mapped = view.mapped();
    let library = mapped.iter().find(|path| is_library(path));
    let file = library.map_or(&*path, Vec::as_slice);
    let version = view.constants(file, KIND, &mut version);
    let text = value::text(file);
    let evidence = match (library, &version) {
        (Some(_), _) => format!("mapped {text}"),
        (None, Some(_)) => format!("constants of {text}"),
        (None, None) => return None,
    };
    if version.is_none() {
        view.note("runtimes", "unversioned", format!("No version was found in {text}"));
    }
    Some(Runtime {
        name: KIND.to_owned(),
        version: version.unwrap_or_default(),
        evidence,
    })
}

fn fpm(view: &mut dyn View) -> Option<Runtime> {
    let version = inside(view)?;
    let path = view.executable();
    view.constants(&path, "PHP-FPM", &mut |window| {
        crate::contains(window, b"fpm is running, pid ").then(String::new)
    })?;
    let evidence = format!("constants of {}", value::text(&path));
    Some(Runtime {
        name: "PHP-FPM".to_owned(),
        version: version.unwrap_or_default(),
        evidence,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Fixture;
    use crate::fixture_elf::{elf, with_sections};

    const HEADER: &[u8] = b"\0X-Powered-By: PHP/8.2.35\0";
    const FPM: &[u8] = b"\0X-Powered-By: PHP/8.2.35\0\0fpm is running, pid %d\0";
    /// A cache for compiled code names all that it knows.
    const CACHE: &[u8] = b"\0X-Powered-By: PHP/8.2.35\0cli-server\0fpm-fcgi\0";

    #[test]
    fn the_version_stands_in_the_header() {
        for (name, bytes, expected) in [
            ("release", HEADER, Some("8.2.35")),
            (
                "of a distribution",
                b"X-Powered-By: PHP/7.4.33-13+0~20240606.91+debian\0",
                Some("7.4.33-13+0~20240606.91+debian"),
            ),
            ("pre-release", b"X-Powered-By: PHP/8.5.0RC1\0", Some("8.5.0RC1")),
            ("a pattern", b"X-Powered-By: PHP/%s\0", None),
            ("cut at the edge", b"X-Powered-By: PHP/8.2", None),
        ] {
            assert_eq!(version(bytes).as_deref(), expected, "{name}");
        }
        crate::mutation::each(HEADER, |bytes| drop(version(bytes)));
    }

    #[test]
    fn an_interpreter_is_one_wherever_it_lies() {
        const MODULE: &str = "/usr/lib/apache2/modules/libphp8.2.so";
        let own = b"\0php_request_startup\0zend_startup\0";
        let fixed = || with_sections(&[(".rodata", HEADER)], None);
        for (name, path, bytes, mapped, expected) in [
            (
                "on the command line",
                "/usr/bin/php8.2",
                elf(own, HEADER),
                &[][..],
                Some(("8.2.35", "")),
            ),
            (
                "FPM, renamed",
                "/app/server",
                elf(own, FPM),
                &[],
                Some(("8.2.35", "8.2.35")),
            ),
            ("static", "/usr/bin/php-cli", fixed(), &[], Some(("8.2.35", ""))),
            (
                "a static program with another name is not searched",
                "/app/x",
                fixed(),
                &[],
                None,
            ),
            (
                "in a web server",
                "/usr/sbin/apache2",
                elf(b"\0ap_run_handler\0", b"\0"),
                &[MODULE],
                Some(("8.2.35", "")),
            ),
            (
                "with a cache",
                "/usr/bin/php",
                elf(own, CACHE),
                &[],
                Some(("8.2.35", "")),
            ),
            ("only called php", "/usr/bin/php", elf(b"\0puts\0", b"\0"), &[], None),
        ] {
            let mut fixture = Fixture::new(path)
                .file(path, bytes)
                .file(MODULE, elf(own, HEADER))
                .mapped(mapped);
            let mut view = fixture.view();
            let found = (PLATFORM.find)(&mut view);
            let fpm = (FPM_RULE.find)(&mut view).pop();
            let versions = found.as_ref().map(|found| {
                let fpm = fpm.as_ref().map_or("", |fpm| fpm.version.as_str());
                (found.kind.version.as_str(), fpm)
            });
            assert_eq!(versions, expected, "{name}");
        }
    }

    #[test]
    fn a_program_in_go_may_have_it_inside() {
        const LIBRARY: &str = "/usr/local/lib/libphp.so";
        const FRANKEN: &str = "/usr/local/bin/frankenphp";
        let fixed = || with_sections(&[(".rodata", HEADER)], None);
        for (name, path, bytes, mapped, expected) in [
            ("linked", FRANKEN, elf(b"\0", b"\0"), &[LIBRARY][..], Some("8.2.35")),
            ("static", FRANKEN, fixed(), &[], Some("8.2.35")),
            ("a name alone", FRANKEN, elf(b"\0", b"\0"), &[], None),
            ("another program in Go", "/app", fixed(), &[], None),
        ] {
            let mut fixture = Fixture::new(path)
                .file(path, bytes)
                .file(LIBRARY, elf(b"\0", HEADER))
                .mapped(mapped);
            let found = (EMBEDDED_RULE.find)(&mut fixture.view());
            assert_eq!(found.first().map(|one| one.version.as_str()), expected, "{name}");
        }
    }

    #[test]
    fn modules_are_known_by_their_names() {
        for (path, expected) in [
            ("/usr/lib/apache2/modules/libphp8.2.so", true),
            ("/usr/lib/libphp.so", true),
            ("/usr/lib64/httpd/modules/mod_php7.so", true),
            ("/usr/lib/libphpcpp.so", false),
            ("/usr/lib/libphp.a", false),
        ] {
            assert_eq!(is_library(path.as_bytes()), expected, "{path}");
        }
    }
}
