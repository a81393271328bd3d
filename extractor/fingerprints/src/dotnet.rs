//! .NET, from its virtual machine: mapped, or inside the executed file; and programs that were compiled ahead.

use serde_json::Value;

use crate::dotnet_bundle as bundle;
use crate::path;
use crate::rule::{Found, Platform, Rule, Runtime, Tier};
use crate::value::{self, three_numbers};
use crate::view::View;

/// The kind as the answer names it.
pub const KIND: &str = ".NET";
const RUNTIME: &str = "Microsoft.NETCore.App";
const WEB: &str = "Microsoft.AspNetCore.App";

/// The rule for .NET.
pub const PLATFORM: Platform = Platform {
    kind: KIND,
    about: "`libcoreclr.so` is mapped: the version is part of a shared runtime's path, or stands in the `runtimeconfig.json` beside a self-contained one; or the executed file exports `DotNetRuntimeInfo`: a single-file application, whose bundle has that file; or it has native AOT's section `__managedcode`: the compiler's version stands in `.comment`",
    find: |view| {
        single_file(view)
            .or_else(|| by_library(view))
            .or_else(|| compiled_ahead(view))
    },
};

/// The rule for ASP.NET Core.
pub const WEB_RULE: Rule = Rule {
    name: "ASP.NET Core",
    tier: Tier::Library,
    of: &[KIND],
    about: "a part of `Microsoft.AspNetCore.App` is mapped, and its path names the version; a self-contained or single-file application lists it as included in its run-time configuration",
    find: |view| web(view).into_iter().collect(),
};

const MAX_CONFIG_BYTES: usize = 256 * 1024;
const MAX_DATA_BYTES: usize = 512 * 1024;

fn single_file(view: &mut dyn View) -> Option<Found> {
    if !view.program().names("DotNetRuntimeInfo") {
        return None;
    }
    let path = value::text(&view.executable());
    let mut found = Found::by(KIND, format!("executes {path}, which holds the runtime"));
    if let Some((config, place)) = carried_config(view)
        && let Some(version) = included(&config, RUNTIME)
    {
        found.kind.version = version;
        found.version_evidence = place;
    } else if let Some(version) = view.section(".data", MAX_DATA_BYTES).as_deref().and_then(file_version) {
        found.kind.version = version;
        found.version_evidence = format!("constants of {path}");
    } else {
        let message = format!("Neither a bundle nor a constant of {path} names a version");
        view.note("kindVersion", "unversioned", message);
    }
    Some(found)
}

fn by_library(view: &mut dyn View) -> Option<Found> {
    let library = library(view)?;
    let text = value::text(&library);
    let mut found = Found::by(KIND, format!("mapped {text}"));
    if let Some(version) = path::after(&library, RUNTIME.as_bytes()).and_then(value::version) {
        found.kind.version = version;
        found.version_evidence = format!("the path {text}");
    } else if let Some((config, place)) = carried_config(view)
        && let Some(version) = included(&config, RUNTIME)
    {
        found.kind.version = version;
        found.version_evidence = place;
    } else {
        let message = format!("Neither the path of {text} nor a runtimeconfig.json beside it names a version");
        view.note("kindVersion", "unversioned", message);
    }
    Some(found)
}

fn compiled_ahead(view: &mut dyn View) -> Option<Found> {
    let program = view.program();
    if program.section("__managedcode").is_none() && !program.names("DotNetRuntimeDebugHeader") {
        return None;
    }
    let path = value::text(&view.executable());
    let mut found = Found::by(KIND, format!("executes {path}, compiled ahead of time"));
    match view.section(".comment", 4096).as_deref().and_then(compiler) {
        Some(version) => {
            found.kind.version = version;
            found.version_evidence = format!("the compiler named in {path}");
        }
        None => {
            let message = format!("{path} was compiled ahead of time and names no version of .NET");
            view.note("kindVersion", "unversioned", message);
        }
    }
    Some(found)
}

fn library(view: &mut dyn View) -> Option<Vec<u8>> {
    let mapped = view.mapped();
    mapped.iter().find(|file| path::name(file) == b"libcoreclr.so").cloned()
}

/// The run-time configuration of an application that brings its runtime along, and where it lies: in the executed file's
/// bundle, or beside the runtime's library.
fn carried_config(view: &mut dyn View) -> Option<(Value, String)> {
    if view.program().names("DotNetRuntimeInfo") {
        let file = view.executable();
        let header = bundle::header(&view.section(".data", MAX_DATA_BYTES)?)?;
        let place = bundle::config(&view.read_at(&file, header, bundle::HEADER_BYTES)?)?;
        let length = usize::try_from(place.end - place.start).ok()?;
        let bytes = view.read_at(&file, place.start, length)?;
        let evidence = format!("runtimeconfig.json in the bundle of {}", value::text(&file));
        return Some((serde_json::from_slice(&bytes).ok()?, evidence));
    }
    let folder = path::folder(&library(view)?).to_vec();
    let own = [path::name(&view.executable()), b".runtimeconfig.json"].concat();
    let names = view.names(&folder);
    let is_config = |name: &&Vec<u8>| name.ends_with(b".runtimeconfig.json");
    let name = names
        .iter()
        .find(|name| **name == own)
        .or(names.iter().find(is_config))?;
    let path = [&folder, &b"/"[..], name].concat();
    let bytes = view.read(&path, MAX_CONFIG_BYTES)?;
    Some((serde_json::from_slice(&bytes).ok()?, value::text(&path)))
}

/// The version of a framework that the configuration says is included.
fn included(config: &Value, framework: &str) -> Option<String> {
    let frameworks = config.get("runtimeOptions")?.get("includedFrameworks")?.as_array()?;
    let one = frameworks
        .iter()
        .find(|one| one.get("name").and_then(Value::as_str) == Some(framework))?;
    value::version(one.get("version")?.as_str()?.as_bytes())
}

/// The version by the runtime's own file version, such as `@(#)Version 10.0.926.27113` for 10.0.9 of 2026.
fn file_version(data: &[u8]) -> Option<String> {
    const NEEDLE: &[u8] = b"@(#)Version ";
    let rest = &data[memchr::memmem::find(data, NEEDLE)? + NEEDLE.len()..];
    let text = std::str::from_utf8(rest.get(..32.min(rest.len()))?).ok()?;
    let mut numbers = text.split([' ', '\0']).next()?.split('.').map(str::parse::<u32>);
    let (major, minor, build) = (numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?);
    // Before .NET 5 the numbers were others.
    (major >= 5).then(|| format!("{major}.{minor}.{}", build / 100))
}

/// The version of the compiler that compiles ahead, such as 10.0.13 for `.NET: ilc 10.0.13-servicing.26504.104+4099f83`.
fn compiler(comment: &[u8]) -> Option<String> {
    const NEEDLE: &[u8] = b".NET: ilc ";
    let rest = &comment[memchr::memmem::find(comment, NEEDLE)? + NEEDLE.len()..];
    value::version(&rest[..three_numbers(rest)?])
}

fn web(view: &mut dyn View) -> Option<Runtime> {
    let runtime = |version, evidence| Runtime {
        name: "ASP.NET Core".to_owned(),
        version,
        evidence,
    };
    let mapped = view.mapped();
    for file in mapped.iter() {
        if let Some(version) = path::after(file, WEB.as_bytes()).and_then(value::version) {
            return Some(runtime(version, format!("mapped {}", value::text(file))));
        }
    }
    let (config, evidence) = carried_config(view)?;
    Some(runtime(included(&config, WEB)?, evidence))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dotnet_bundle::tests::{data, header_of};
    use crate::fixture::Fixture;
    use crate::fixture_elf::{elf, with_sections};

    /// The start of the configuration of `azmcp` 2.0.5.
    const CONFIG: &str = r#"{
  "runtimeOptions": {
    "tfm": "net10.0",
    "includedFrameworks": [
      {
        "name": "Microsoft.NETCore.App",
        "version": "10.0.9"
      },
      {
        "name": "Microsoft.AspNetCore.App",
        "version": "10.0.9"
      }
    ]
  }
}"#;
    const COMMENT: &[u8] =
        b"\0clang version 20.1.8\0.NET: ilc 10.0.13-servicing.26504.104+4099f83977f4d29604a9aeb971fb0a7bc1d5f699\0";

    fn program(data: &[u8]) -> Vec<u8> {
        with_sections(
            &[
                (".dynstr", b"\0DotNetRuntimeInfo\0V1.0\0"),
                (".rodata", b"\0"),
                (".data", data),
            ],
            Some("/lib64/ld-linux-x86-64.so.2"),
        )
    }

    /// A single-file application: the program, then configuration and header at its end.
    fn single_file_program(config: &str) -> Vec<u8> {
        let length = program(&data(1)).len() as u64;
        let end = length + config.len() as u64;
        let mut bytes = program(&data(end));
        bytes.extend(config.as_bytes());
        bytes.extend(header_of(6, length..end));
        bytes
    }

    const SHARED: &str = "/usr/share/dotnet/shared/Microsoft.NETCore.App/8.0.11/libcoreclr.so";
    const SHARED_WEB: &str = "/usr/share/dotnet/shared/Microsoft.AspNetCore.App/8.0.11/Microsoft.AspNetCore.dll";

    fn dotnet() -> Fixture {
        Fixture::new("/usr/share/dotnet/dotnet").file("/usr/share/dotnet/dotnet", elf(b"\0libc.so.6\0", b"\0"))
    }

    fn app(path: &str, bytes: Vec<u8>) -> Fixture {
        Fixture::new(path).file(path, bytes)
    }

    #[test]
    fn the_runtime_is_found_wherever_it_is() {
        let own = || app("/app/web", elf(b"\0libc.so.6\0", b"\0")).mapped(&["/app/libcoreclr.so"]);
        for (name, mut fixture, expected) in [
            (
                "shared, with ASP.NET Core",
                dotnet().mapped(&[SHARED, SHARED_WEB]),
                Some(("8.0.11", "8.0.11")),
            ),
            ("shared, without", dotnet().mapped(&[SHARED]), Some(("8.0.11", ""))),
            (
                "self-contained: the application's own file of several counts",
                own()
                    .file("/app/tool.runtimeconfig.json", "{}")
                    .file("/app/web.runtimeconfig.json", CONFIG),
                Some(("10.0.9", "10.0.9")),
            ),
            ("self-contained without that file", own(), Some(("", ""))),
            (
                "a file that only asks for a version is no evidence of one",
                own().file(
                    "/app/web.runtimeconfig.json",
                    r#"{"runtimeOptions": {"framework": {"name": "Microsoft.NETCore.App", "version": "8.0.0"}}}"#,
                ),
                Some(("", "")),
            ),
            (
                "single file",
                app("/srv/azmcp", single_file_program(CONFIG)),
                Some(("10.0.9", "10.0.9")),
            ),
            (
                "single file whose bundle is no JSON: the runtime's file version",
                app(
                    "/srv/azmcp",
                    program(b"\0@(#)Version 9.0.725.31616 @Commit: 3c298d9f00936d651cc47d221762474e25277672\0"),
                ),
                Some(("9.0.7", "")),
            ),
            (
                "compiled ahead",
                app(
                    "/srv/aot",
                    with_sections(&[("__managedcode", b"\0"), (".comment", COMMENT)], None),
                ),
                Some(("10.0.13", "")),
            ),
            (
                "compiled ahead by one that does not say",
                app("/srv/aot", elf(b"\0DotNetRuntimeDebugHeader\0", b"\0")),
                Some(("", "")),
            ),
            ("something called dotnet", dotnet(), None),
        ] {
            let mut view = fixture.view();
            let found = (PLATFORM.find)(&mut view);
            let web = (WEB_RULE.find)(&mut view).pop();
            let versions = found.as_ref().map(|found| {
                let web = web.as_ref().map_or("", |web| web.version.as_str());
                (found.kind.version.as_str(), web)
            });
            assert_eq!(versions, expected, "{name}");
            let is_explained = fixture.notes.iter().any(|(_, reason, _)| *reason == "unversioned");
            let is_unversioned = found.is_some_and(|found| found.kind.version.is_empty());
            assert_eq!(is_explained, is_unversioned, "{name}: {:?}", fixture.notes);
        }
    }

    #[test]
    fn file_versions_are_those_since_5() {
        for (bytes, expected) in [
            (&b"@(#)Version 10.0.926.27113 @Commit: x\0"[..], Some("10.0.9")),
            (b"@(#)Version 9.0.24.52809\0", Some("9.0.0")),
            (b"@(#)Version 4.700.22.11601 @Commit: 0dee78f\0", None),
            (b"@(#)Version x", None),
            (b"@(#)Version ", None),
        ] {
            assert_eq!(file_version(bytes).as_deref(), expected, "{}", value::text(bytes));
        }
    }

    #[test]
    fn no_change_of_bytes_makes_it_panic() {
        crate::mutation::each(COMMENT, |bytes| drop((compiler(bytes), file_version(bytes))));
        crate::mutation::each(b"@(#)Version 9.0.725.31616 @Commit: 3c298d9f\0", |bytes| {
            let _ = file_version(bytes);
        });
        crate::mutation::each(CONFIG.as_bytes(), |bytes| {
            if let Ok(config) = serde_json::from_slice::<Value>(bytes) {
                let _ = included(&config, WEB);
            }
        });
    }
}
