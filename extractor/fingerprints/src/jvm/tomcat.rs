//! Apache Tomcat as a server of its own.

use super::artifact::below;
use super::class_path;
use super::runtime;
use crate::java;
use crate::path;
use crate::rule::{Rule, Runtime, Tier};
use crate::value;
use crate::view::View;

const BOOTSTRAP: &[u8] = b"org.apache.catalina.startup.Bootstrap";
const JAR: &[u8] = b"bootstrap.jar";

/// The rule.
pub const RULE: Rule = Rule {
    name: "Apache Tomcat",
    tier: Tier::Upstream,
    of: &[java::KIND],
    about: "its `Bootstrap` is started from a `bootstrap.jar` whose manifest names that class: version in `Implementation-Version` there; Red Hat's builds keep `.redhat-` and what follows",
    find,
};

fn find(view: &mut dyn View) -> Vec<Runtime> {
    let path = class_path::of(view);
    if path.main_class != BOOTSTRAP {
        return Vec::new();
    }
    for jar in path.jars.iter().filter(|jar| jar.name().ends_with(JAR)) {
        let manifest = jar.manifest(view).unwrap_or_default();
        if manifest.get("Main-Class") == Some(BOOTSTRAP) {
            note_home(&jar.path, path.launch.property("catalina.home"), view);
            let version = manifest.get("Implementation-Version");
            return vec![runtime(RULE.name, version, &jar.path, view)];
        }
    }
    Vec::new()
}

/// Notes a home that is another one than that of the jar that runs.
fn note_home(jar: &[u8], home: Option<&[u8]>, view: &mut dyn View) {
    let Some(home) = home.filter(|home| *home != path::folder(path::folder(jar))) else {
        return;
    };
    let other = below(home, b"bin/bootstrap.jar");
    if !view.is_same(jar, &other) {
        let (home, jar) = (value::text(home), value::text(jar));
        view.note(
            "runtimes",
            "disagreement",
            format!("catalina.home is {home}, but {jar} was started"),
        );
    }
}
