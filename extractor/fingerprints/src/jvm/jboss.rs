//! WildFly, JBoss EAP, Red Hat Single Sign-On: what JBoss Modules starts from a home that says which product it is.

use super::artifact::below;
use super::class_path;
use super::jar::Jar;
use super::manifest::{self, Manifest};
use super::runtime;
use crate::java;
use crate::path;
use crate::rule::{Rule, Runtime, Tier};
use crate::value::{self, value};
use crate::view::View;

const JAR: &[u8] = b"jboss-modules.jar";
const HOME: &[u8] = b"-Djboss.home.dir=";
/// Below the home: what the product is told by, tried in this order.
const VERSION_FILE: &[u8] = b"version.txt";
const MANIFEST: &[u8] = b"modules/system/layers/base/org/jboss/as/product/main/dir/META-INF/MANIFEST.MF";
const PRODUCT_FOLDER: &[u8] = b"modules/system/layers/base/org/jboss/as/product/main";
const PRODUCT_JAR: &[u8] = b"wildfly-feature-pack-product-conf";

const MAX_BYTES: usize = 64 * 1024;

/// The rule.
pub const RULE: Rule = Rule {
    name: "WildFly, WildFly Full, Red Hat JBoss Enterprise Application Platform, Red Hat Single Sign-On",
    tier: Tier::Upstream,
    of: &[java::KIND],
    about: "`jboss-modules.jar` is started; name and version as the home's `version.txt`, its product manifest or its `wildfly-feature-pack-product-conf` jar say",
    find,
};

fn find(view: &mut dyn View) -> Vec<Runtime> {
    let path = class_path::of(view);
    let started = path.launch.jar.as_ref().or_else(|| {
        let elements = path.launch.class_path.iter();
        elements.clone().find(|element| path::name(element) == JAR)
    });
    let Some(jar) = started.filter(|jar| jar.ends_with(JAR) && view.size(jar).is_some()) else {
        return Vec::new();
    };
    // The server's own home is an argument of its program. What lies beside the jar that runs comes before the environment.
    let arguments = view.arguments();
    let argument = arguments.iter().find_map(|argument| argument.strip_prefix(HOME));
    let variable = view.variable("JBOSS_HOME");
    let homes = [argument, Some(path::folder(jar)), variable.as_deref()];
    let mut tried: Vec<&[u8]> = Vec::new();
    for home in homes.into_iter().flatten() {
        if !tried.contains(&home) {
            tried.push(home);
            if let Some(product) = product(home, view) {
                note_variable(home, variable.as_deref(), view);
                return vec![product];
            }
        }
    }
    Vec::new()
}

/// Notes a `JBOSS_HOME` that is another home than the one that was told.
fn note_variable(home: &[u8], variable: Option<&[u8]>, view: &mut dyn View) {
    let trimmed = |path: &[u8]| path.strip_suffix(b"/").unwrap_or(path).to_vec();
    let Some(other) = variable.filter(|other| !other.is_empty() && trimmed(other) != trimmed(home)) else {
        return;
    };
    // Another name, such as a link, for the same home is no disagreement.
    if !view.is_same(&below(home, JAR), &below(other, JAR)) {
        let (home, other) = (value::text(home), value::text(other));
        let message = format!("JBOSS_HOME is {other}, but the server runs from {home}");
        view.note("runtimes", "disagreement", message);
    }
}

fn product(home: &[u8], view: &mut dyn View) -> Option<Runtime> {
    let file = below(home, VERSION_FILE);
    if let Some((name, version)) = view.read(&file, MAX_BYTES).as_deref().and_then(name_and_version) {
        return Some(runtime(&name, Some(version.as_bytes()), &file, view));
    }
    let file = below(home, MANIFEST);
    let manifest = view.read(&file, MAX_BYTES).map(|bytes| manifest::parse(&bytes));
    if let Some(product) = manifest.and_then(|manifest| of_manifest(&manifest, &file, view)) {
        return Some(product);
    }
    let folder = below(home, PRODUCT_FOLDER);
    let names = view.names(&folder);
    let jar = names
        .iter()
        .find(|name| name.starts_with(PRODUCT_JAR) && name.ends_with(b".jar"))?;
    let jar = Jar::file(below(&folder, jar));
    let manifest = jar.manifest(view)?;
    of_manifest(&manifest, &jar.path, view)
}

fn of_manifest(manifest: &Manifest, place: &[u8], view: &mut dyn View) -> Option<Runtime> {
    let name = manifest.get("JBoss-Product-Release-Name").and_then(value)?;
    let version = manifest.get("JBoss-Product-Release-Version");
    Some(runtime(&name, version, place, view))
}

/// Name and version of a product, from the one line of its `version.txt`.
pub(super) fn name_and_version(bytes: &[u8]) -> Option<(String, String)> {
    const BETWEEN: &[u8] = b"- Version";
    let at = memchr::memmem::find(bytes, BETWEEN)?;
    let rest = &bytes[at + BETWEEN.len()..];
    if memchr::memmem::find(rest, BETWEEN).is_some() {
        return None;
    }
    value(bytes[..at].trim_ascii()).zip(value(rest.trim_ascii()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_file_names_product_and_version() {
        for (name, text, expected) in [
            (
                "JBoss EAP",
                "Red Hat JBoss Enterprise Application Platform - Version 7.4.8.GA\n",
                Some(("Red Hat JBoss Enterprise Application Platform", "7.4.8.GA")),
            ),
            (
                "Red Hat Single Sign-On",
                "Red Hat Single Sign-On - Version 7.6.3.GA",
                Some(("Red Hat Single Sign-On", "7.6.3.GA")),
            ),
            ("two versions", "a - Version 1 - Version 2", None),
            ("several lines", "a\nb - Version 1", None),
            ("another file", "7.4.8", None),
            ("no bytes", "", None),
        ] {
            let expected = expected.map(|(name, version)| (name.to_owned(), version.to_owned()));
            assert_eq!(name_and_version(text.as_bytes()), expected, "{name}");
        }
    }
}
