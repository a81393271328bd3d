//! Spring Boot, in an archive with its launcher, unpacked, or as a library.

use super::artifact::Artifact;
use super::class_path;
use super::libraries::{self, Library};
use super::runtime;
use crate::java;
use crate::rule::{Rule, Runtime, Tier};
use crate::view::View;

const NAME: &str = "Spring Boot";

/// Classes that start an archive or what was unpacked of it; the package was another before 3.2.
const LAUNCHERS: [&[u8]; 6] = [
    b"org.springframework.boot.loader.launch.JarLauncher",
    b"org.springframework.boot.loader.launch.WarLauncher",
    b"org.springframework.boot.loader.launch.PropertiesLauncher",
    b"org.springframework.boot.loader.JarLauncher",
    b"org.springframework.boot.loader.WarLauncher",
    b"org.springframework.boot.loader.PropertiesLauncher",
];

const LIBRARY: Library = Library {
    name: NAME,
    artifacts: &[Artifact {
        group: "org.springframework.boot",
        name: "spring-boot",
    }],
    marker: None,
};

/// The rule.
pub const RULE: Rule = Rule {
    name: NAME,
    tier: Tier::Upstream,
    of: &[java::KIND],
    about: "the archive's `Main-Class` is one of Spring Boot's launchers, or one starts what was unpacked: version in `Spring-Boot-Version` of that manifest; else `spring-boot` on the class path: version in its name or manifest",
    find,
};

fn find(view: &mut dyn View) -> Vec<Runtime> {
    let path = class_path::of(view);
    let mut place = None;
    if LAUNCHERS.contains(&path.main_class.as_slice()) {
        let archive = path
            .jar_of_main_class()
            .map(|(jar, contents)| (jar.path.clone(), contents.manifest.clone()));
        let manifests = match archive {
            Some(archive) => vec![archive],
            None => path.manifests(view),
        };
        for (found, manifest) in manifests {
            if let Some(version) = manifest.get("Spring-Boot-Version") {
                return vec![runtime(NAME, Some(version), &found, view)];
            }
            // A launcher that a manifest names is enough without a version.
            if manifest.get("Main-Class") == Some(&path.main_class) {
                place.get_or_insert(found);
            }
        }
    }
    let library = libraries::locate(&LIBRARY, &path, view);
    library
        .or_else(|| place.map(|place| runtime(NAME, None, &place, view)))
        .into_iter()
        .collect()
}
