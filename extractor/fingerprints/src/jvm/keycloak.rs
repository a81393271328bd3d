//! Keycloak and Red Hat's build of it, both on Quarkus. Their predecessors on WildFly name themselves as other such products do.

use super::artifact::{Artifact, below};
use super::class_path;
use super::jboss::name_and_version;
use super::runtime;
use crate::java;
use crate::path;
use crate::rule::{Rule, Runtime, Tier};
use crate::view::View;

const SERVER: Artifact = Artifact {
    group: "org.keycloak",
    name: "keycloak-quarkus-server",
};
const MAX_BYTES: usize = 4096;

/// The rule.
pub const RULE: Rule = Rule {
    name: "Keycloak, Red Hat build of Keycloak",
    tier: Tier::Product,
    of: &[java::KIND],
    about: "`keycloak-quarkus-server` lies among the jars that Quarkus loads; name and version as `version.txt` of the home says, else the version in the jar's name",
    find,
};

fn find(view: &mut dyn View) -> Vec<Runtime> {
    let path = class_path::of(view);
    let Some((jar, version)) = path.find(&SERVER, view) else {
        return Vec::new();
    };
    // The jar lies in lib/lib/main.
    let home = path::folder(path::folder(path::folder(path::folder(&jar.path))));
    let file = below(home, b"version.txt");
    let told = view.read(&file, MAX_BYTES).as_deref().and_then(name_and_version);
    let found = match told.filter(|(name, _)| name.contains("Keycloak")) {
        Some((name, version)) => runtime(&name, Some(version.as_bytes()), &file, view),
        None => {
            let is_red_hat = memchr::memmem::find(version, b"redhat").is_some();
            let name = if is_red_hat {
                "Red Hat build of Keycloak"
            } else {
                "Keycloak"
            };
            runtime(name, Some(version), &jar.place(), view)
        }
    };
    vec![found]
}
