//! Erlang, from its emulator in the executed file, and Elixir, from the application that is loaded into it.

use crate::path;
use crate::rule::{Found, Platform, Rule, Runtime, Tier};
use crate::value::{self, standing_alone};
use crate::view::View;

/// The kind as the answer names it.
pub const KIND: &str = "Erlang";

/// The rule for Erlang.
pub const PLATFORM: Platform = Platform {
    kind: KIND,
    about: "the executed file exports what native functions of Erlang need (`enif_...`); the version stands in `releases/25/OTP_VERSION` of the root that its path shows, else in the banner in its initialised data, else only the release among its constants (`Erlang/OTP 25`)",
    find: |view| {
        if !view.program().needs("enif_") {
            return None;
        }
        let path = view.executable();
        let mut found = Found::by(KIND, format!("executes {}", value::text(&path)));
        if let Some((version, file)) = installed(view) {
            found.kind.version = version;
            found.version_evidence = file;
            return Some(found);
        }
        let data = view.section(".data", MAX_DATA_BYTES).unwrap_or_default();
        let version = full(&data).or_else(|| view.constants(&path, KIND, &mut release));
        Some(found.with_constant(version, &path, view))
    },
};

/// The rule for Elixir.
pub const ELIXIR_RULE: Rule = Rule {
    name: "Elixir",
    tier: Tier::Library,
    of: &[KIND],
    about: "`elixir.app` in a folder that the command line has Erlang load from, or in `lib/elixir-VERSION/ebin` of the running release",
    find: |view| elixir(view).into_iter().collect(),
};

/// The folder in which Erlang, or a release of an application, is installed: the emulator is its `erts-VERSION/bin/beam.smp`.
fn root(view: &dyn View) -> Option<Vec<u8>> {
    let path = view.executable();
    let bin = path::folder(&path);
    let runtime = path::folder(bin);
    let is_usual = path::name(bin) == b"bin" && path::name(runtime).starts_with(b"erts-");
    is_usual.then(|| path::folder(runtime).to_vec())
}

/// The full version by the file that an installation has, and that file.
fn installed(view: &mut dyn View) -> Option<(String, String)> {
    let releases = [&root(view)?, &b"/releases"[..]].concat();
    let number = |name: &Vec<u8>| std::str::from_utf8(name).ok()?.parse::<u32>().ok();
    let release = view.names(&releases).iter().filter_map(number).max()?;
    let path = [&releases, format!("/{release}/OTP_VERSION").as_bytes()].concat();
    let bytes = view.read(&path, 64)?;
    Some((value::version(bytes.trim_ascii())?, value::text(&path)))
}

const MAX_DATA_BYTES: usize = 256 * 1024;

/// The full version by the emulator's initialised data: it stands alone behind the banner with its release.
fn full(data: &[u8]) -> Option<String> {
    const NEEDLE: &[u8] = b"\0Erlang/OTP ";
    memchr::memmem::find_iter(data, NEEDLE).find_map(|start| {
        let rest = &data[start + NEEDLE.len()..];
        let digits = rest.iter().take(3).take_while(|byte| byte.is_ascii_digit()).count();
        rest[digits..].starts_with(b"%s [erts-").then_some(())?;
        let near = &rest[..rest.len().min(512)];
        let is_own = |version: &&[u8]| {
            version
                .strip_prefix(&rest[..digits])
                .is_some_and(|more| more.starts_with(b"."))
        };
        value::version(standing_alone(near).find(is_own)?)
    })
}

/// The release, such as `25`, by what the emulator says about files that it cannot load.
fn release(window: &[u8]) -> Option<String> {
    const NEEDLE: &[u8] = b"than the current (Erlang/OTP ";
    memchr::memmem::find_iter(window, NEEDLE).find_map(|start| {
        let rest = &window[start + NEEDLE.len()..];
        let digits = rest.iter().take(3).take_while(|byte| byte.is_ascii_digit()).count();
        rest[digits..]
            .starts_with(b")")
            .then(|| value::version(&rest[..digits]))?
    })
}

fn elixir(view: &mut dyn View) -> Option<Runtime> {
    for folder in loaded(view) {
        let path = [&folder, &b"/elixir.app"[..]].concat();
        if let Some(bytes) = view.read(&path, 4096) {
            let version = application(&bytes);
            let text = value::text(&path);
            if version.is_none() {
                view.note("runtimes", "unversioned", format!("{text} names no version"));
            }
            return Some(Runtime {
                name: "Elixir".to_owned(),
                version: version.unwrap_or_default(),
                evidence: text,
            });
        }
    }
    None
}

/// Folders from which Elixir may have been loaded.
fn loaded(view: &mut dyn View) -> Vec<Vec<u8>> {
    const MAX_FOLDERS: usize = 4;
    let is_elixir = |name: &[u8]| name == b"elixir" || name.starts_with(b"elixir-");
    let mut folders = Vec::new();
    let arguments = view.arguments();
    for (index, argument) in arguments.iter().enumerate() {
        let before = index.checked_sub(1).map(|before| arguments[before].as_slice());
        if before == Some(b"-elixir_root") {
            folders.push([argument, &b"/elixir/ebin"[..]].concat());
        } else if path::name(argument) == b"ebin" && is_elixir(path::name(path::folder(argument))) {
            folders.push(argument.clone());
        }
    }
    folders.truncate(MAX_FOLDERS);
    if let (true, Some(root)) = (folders.is_empty(), root(view)) {
        let lib = [&root, &b"/lib"[..]].concat();
        let names = view.names(&lib);
        let names = names.iter().filter(|name| is_elixir(name)).take(MAX_FOLDERS);
        folders.extend(names.map(|name| [&lib, &b"/"[..], name, b"/ebin"].concat()));
    }
    folders
}

/// The version that an application's resource file names: `{vsn,"1.14.0"}`.
fn application(bytes: &[u8]) -> Option<String> {
    const NEEDLE: &[u8] = b"{vsn,";
    let rest = &bytes[memchr::memmem::find(bytes, NEEDLE)? + NEEDLE.len()..];
    let rest = rest.trim_ascii_start().strip_prefix(b"\"")?;
    value::version(&rest[..memchr::memchr(b'"', rest)?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Fixture;
    use crate::fixture_elf::{elf, with_sections};

    /// From Debian's `erlang-base` 25.2.3.
    const BANNER: &[u8] = b"\x0013.1.5\0Erlang/OTP 25%s [erts-13.1.5] [source] [64-bit] [jit:ns%s]\n\x0025.2.3\0\0\0";
    const LATER: &[u8] = b"compiled for a later version of the runtime system than the current (Erlang/OTP 25).\0";
    const APPLICATION: &[u8] =
        b"{application,elixir,\n    [{description,\"elixir\"},\n     {vsn,\"1.14.0\"},\n     {modules,\n";
    const EMULATOR: &str = "/usr/lib/erlang/erts-13.1.5/bin/beam.smp";

    fn erlang(path: &str, data: &[u8]) -> Fixture {
        let sections = [
            (".dynstr", &b"\0enif_make_atom\0"[..]),
            (".rodata", LATER),
            (".data", data),
        ];
        Fixture::new(path).file(path, with_sections(&sections, Some("/lib64/ld-linux-x86-64.so.2")))
    }

    #[test]
    fn the_version_is_that_of_the_installation() {
        let versioned = |fixture: Fixture| fixture.file("/usr/lib/erlang/releases/25/OTP_VERSION", "25.2.3\n");
        let older = |fixture: Fixture| fixture.file("/usr/lib/erlang/releases/24/OTP_VERSION", "24.0\n");
        for (name, mut fixture, expected) in [
            ("by its file", versioned(erlang(EMULATOR, b"\0")), Some("25.2.3")),
            (
                "of two the newer",
                versioned(older(erlang(EMULATOR, b"\0"))),
                Some("25.2.3"),
            ),
            (
                "in a release without that file",
                erlang("/app/erts-13.1.5/bin/beam.smp", BANNER).file("/app/releases/0.1.0/env.sh", ""),
                Some("25.2.3"),
            ),
            (
                "whose data name nothing, but its constants the release",
                erlang("/x", b"\0"),
                Some("25"),
            ),
            (
                "that says nothing",
                Fixture::new("/x").file("/x", elf(b"\0enif_make_atom\0", b"\0")),
                Some(""),
            ),
            (
                "only called so",
                Fixture::new(EMULATOR).file(EMULATOR, elf(b"\0puts\0", BANNER)),
                None,
            ),
        ] {
            let found = (PLATFORM.find)(&mut fixture.view());
            assert_eq!(found.map(|found| found.kind.version).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn elixir_is_what_is_loaded() {
        let ebin = "/usr/lib/elixir/lib/elixir/ebin";
        let base = || erlang(EMULATOR, BANNER).file(&format!("{ebin}/elixir.app"), APPLICATION);
        for (name, mut fixture, expected) in [
            (
                "by a folder to load from",
                base().arguments(&["beam.smp", "-pa", ebin]),
                Some("1.14.0"),
            ),
            (
                "by its root",
                base().arguments(&["beam.smp", "-elixir_root", "/usr/lib/elixir/bin/../lib"]),
                Some("1.14.0"),
            ),
            (
                "in a release",
                erlang("/app/erts-13.1.5/bin/beam.smp", b"\0")
                    .file("/app/lib/elixir-1.14.0/ebin/elixir.app", APPLICATION),
                Some("1.14.0"),
            ),
            (
                "whose file names none",
                erlang("/app/erts-13.1.5/bin/beam.smp", b"\0").file("/app/lib/elixir-1.14.0/ebin/elixir.app", "{}"),
                Some(""),
            ),
            ("only installed", base(), None),
        ] {
            let found = (ELIXIR_RULE.find)(&mut fixture.view());
            assert_eq!(found.first().map(|found| found.version.as_str()), expected, "{name}");
        }
    }

    #[test]
    fn no_change_of_bytes_makes_it_panic() {
        crate::mutation::each(APPLICATION, |bytes| drop(application(bytes)));
        crate::mutation::each(BANNER, |bytes| drop(full(bytes)));
        crate::mutation::each(LATER, |bytes| drop(release(bytes)));
    }
}
