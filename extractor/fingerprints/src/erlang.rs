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
    about: "the executed file exports what native functions of Erlang need (`enif_...`); the version stands in `releases/25/OTP_VERSION` of the root that its path shows, else, perhaps only the release, among its constants (`Erlang/OTP 25`)",
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
        let mut constants = Constants::default();
        let version = view.constants(&path, KIND, &mut |window| constants.see(window));
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

/// What the constants of the emulator tell about its version.
#[derive(Default)]
struct Constants {
    release: Option<String>,
    versions: Vec<String>,
}

impl Constants {
    /// The version that is known when this part was seen; at the end at least the release.
    fn see(&mut self, window: &[u8]) -> Option<String> {
        self.release = self.release.take().or_else(|| release(window));
        let known = |version: &&[u8]| version[..2.min(version.len())].iter().all(u8::is_ascii_digit);
        let versions = standing_alone(window).filter(known).filter_map(value::version);
        self.versions.extend(versions.take(32));
        let release = self.release.as_ref()?;
        let version = self
            .versions
            .iter()
            .find(|version| version.split('.').next() == Some(release));
        version.cloned().or_else(|| window.is_empty().then(|| release.clone()))
    }
}

/// The release, such as `25`, by the banner that the emulator prints.
fn release(window: &[u8]) -> Option<String> {
    const NEEDLE: &[u8] = b"\0Erlang/OTP ";
    memchr::memmem::find_iter(window, NEEDLE).find_map(|start| {
        let rest = &window[start + NEEDLE.len()..];
        let digits = rest.iter().take(3).take_while(|byte| byte.is_ascii_digit()).count();
        let ends = rest
            .get(digits..)
            .is_some_and(|rest| rest.starts_with(b"%s [erts-") || rest.starts_with(b" [erts-"));
        ends.then(|| value::version(&rest[..digits]))?
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
    use crate::fixture_elf::elf;

    /// From Debian's `erlang-base` 25.2.3.
    const BANNER: &[u8] = b"\0Erlang/OTP 25%s [erts-13.1.5] [source] [64-bit] [jit:ns%s]\n\x0025.2.3\0\0\x0013.1.5\0";
    const APPLICATION: &[u8] =
        b"{application,elixir,\n    [{description,\"elixir\"},\n     {vsn,\"1.14.0\"},\n     {modules,\n";
    const EMULATOR: &str = "/usr/lib/erlang/erts-13.1.5/bin/beam.smp";

    fn erlang(path: &str, constants: &[u8]) -> Fixture {
        Fixture::new(path).file(path, elf(b"\0enif_make_atom\0", constants))
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
                "whose constants only name the release",
                erlang("/x", b"\0Erlang/OTP 26%s [erts-14.2] [source]\0"),
                Some("26"),
            ),
            ("that says nothing", erlang("/x", b"\0"), Some("")),
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
        crate::mutation::each(BANNER, |bytes| {
            let mut constants = Constants::default();
            let _ = (constants.see(bytes), constants.see(b""));
        });
    }
}
