//! Frameworks of Node.js: packages that the application declares and that lie in its `node_modules`.

use serde_json::Value;

use crate::node;
use crate::rule::{Rule, Runtime, Tier};
use crate::value::{self, version};
use crate::view::View;

/// The frameworks by the name of their package.
const PACKAGES: [(&str, &str); 3] = [("next", "Next.js"), ("@nestjs/core", "NestJS"), ("express", "Express")];
/// Packages that stand for a framework which the application then does not declare itself.
const BRINGS: [(&str, &str); 1] = [("@nestjs/platform-express", "express")];

/// The rule for all of them.
pub const RULE: Rule = Rule {
    name: "Next.js, NestJS, Express",
    tier: Tier::Library,
    of: &[node::KIND],
    about: "the application's `package.json`, found from its script or working directory upwards, declares the package; the version stands in the package's own `package.json` below `node_modules`",
    find,
};

const MAX_BYTES: usize = 256 * 1024;
/// From the script's folder upwards.
const MAX_LEVELS: usize = 8;

fn find(view: &mut dyn View) -> Vec<Runtime> {
    let arguments = view.arguments();
    let script = arguments.iter().skip(1).find(|argument| !argument.starts_with(b"-"));
    let from_script = script.and_then(|script| application(folder(script), view));
    let Some((root, declared)) = from_script.or_else(|| application(b".", view)) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (package, name) in PACKAGES {
        let is_brought = BRINGS
            .iter()
            .any(|(by, brought)| *brought == package && declared.contains(by));
        if !is_brought && !declared.contains(package) {
            continue;
        }
        let path = [root.as_slice(), b"/node_modules/", package.as_bytes(), b"/package.json"].concat();
        if let Some(manifest) = manifest(&path, view) {
            let text = manifest.get("version").and_then(Value::as_str).unwrap_or_default();
            found.push(Runtime {
                name: name.to_owned(),
                version: version(text.as_bytes()).unwrap_or_default(),
                evidence: value::text(&path),
            });
        }
    }
    for runtime in found.iter().filter(|runtime| runtime.version.is_empty()) {
        view.note(
            "runtimes",
            "unversioned",
            format!("{} names no version", runtime.evidence),
        );
    }
    found
}

/// The names of packages that an application says it needs.
struct Declared(Vec<String>);

impl Declared {
    fn contains(&self, package: &str) -> bool {
        self.0.iter().any(|name| name == package)
    }
}

/// The folder of the nearest `package.json` from this one upwards, and what it declares. What lies in `node_modules` belongs
/// to the application around it.
fn application(folder: &[u8], view: &mut dyn View) -> Option<(Vec<u8>, Declared)> {
    let mut folder = match memchr::memmem::find(folder, b"/node_modules") {
        Some(end) => folder[..end].to_vec(),
        None => folder.to_vec(),
    };
    for _ in 0..MAX_LEVELS {
        if let Some(manifest) = manifest(&[folder.as_slice(), b"/package.json"].concat(), view) {
            let names = manifest.get("dependencies").and_then(Value::as_object);
            let names = names.map(|names| names.keys().cloned().collect());
            return Some((folder, Declared(names.unwrap_or_default())));
        }
        let end = folder.iter().rposition(|byte| *byte == b'/')?;
        folder.truncate(end);
    }
    None
}

fn manifest(path: &[u8], view: &mut dyn View) -> Option<Value> {
    serde_json::from_slice(&view.read(path, MAX_BYTES)?).ok()
}

/// The folder of a file; a relative one begins in the working directory.
fn folder(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(end) => &path[..end],
        None => b".",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Fixture;

    fn found(fixture: &mut Fixture) -> Vec<String> {
        let found = find(&mut fixture.view());
        found
            .iter()
            .map(|runtime| format!("{} {}", runtime.name, runtime.version))
            .collect()
    }

    #[test]
    fn declared_packages_are_told_with_their_versions() {
        let app = || {
            Fixture::new("/usr/bin/node")
                .file(
                    "/srv/package.json",
                    r#"{"dependencies": {"express": "^4", "left-pad": "1"}}"#,
                )
                .file(
                    "/srv/node_modules/express/package.json",
                    r#"{"name": "express", "version": "4.21.2"}"#,
                )
                .file("/srv/node_modules/next/package.json", r#"{"version": "15.1.0"}"#)
        };
        let next = || app().file("/srv/package.json", r#"{"dependencies": {"next": "15"}}"#);
        let express = &["Express 4.21.2"][..];
        for (name, mut fixture, expected) in [
            (
                "script",
                app().arguments(&["node", "--enable-source-maps", "/srv/dist/main.js"]),
                express,
            ),
            (
                "script, relative",
                app().arguments(&["node", "dist/main.js"]).directory("/srv"),
                express,
            ),
            (
                "nothing but the folder",
                app().arguments(&["node"]).directory("/srv/dist"),
                &[],
            ),
            (
                "in the folder itself",
                app().arguments(&["server title"]).directory("/srv"),
                express,
            ),
            (
                "a script of a package",
                next().arguments(&["node", "/srv/node_modules/.bin/next", "start"]),
                &["Next.js 15.1.0"],
            ),
            (
                "brought by another",
                app()
                    .file(
                        "/srv/package.json",
                        r#"{"dependencies": {"@nestjs/core": "11", "@nestjs/platform-express": "11"}}"#,
                    )
                    .file(
                        "/srv/node_modules/@nestjs/core/package.json",
                        r#"{"version": "11.0.1"}"#,
                    )
                    .arguments(&["node", "/srv/dist/main"]),
                &["NestJS 11.0.1", "Express 4.21.2"],
            ),
            (
                "not a version",
                app()
                    .file("/srv/node_modules/express/package.json", r#"{"version": "4\n5"}"#)
                    .arguments(&["node", "/srv/main.js"]),
                &["Express "],
            ),
            (
                "declared, not there",
                Fixture::new("/usr/bin/node")
                    .file("/srv/package.json", r#"{"dependencies": {"express": "4"}}"#)
                    .arguments(&["node", "/srv/main.js"]),
                &[],
            ),
            (
                "not JSON",
                app()
                    .file("/srv/package.json", "{")
                    .arguments(&["node", "/srv/main.js"]),
                &[],
            ),
            ("no script", Fixture::new("/usr/bin/node").arguments(&[]), &[]),
        ] {
            assert_eq!(found(&mut fixture), expected, "{name}");
        }
    }

    #[test]
    fn a_manifest_bears_all_bytes() {
        crate::mutation::each(br#"{"dependencies": {"express": "^4"}, "a": [[{"b": 1}]]}"#, |bytes| {
            let mut fixture = Fixture::new("/node")
                .file("/package.json", bytes)
                .arguments(&["node", "/x.js"]);
            let _ = found(&mut fixture);
        });
    }
}
