//! What a rule is, and how rules are applied to a process.

use crate::Kind;
use crate::plain;
use crate::process::{Access, Process};
use crate::value;
use crate::view::View;

/// A rule that tells a language platform.
pub struct Platform {
    /// The kind that it tells.
    pub kind: &'static str,
    /// By what it is recognised and where its version stands: a line for people.
    pub about: &'static str,
    /// What it finds in the process.
    pub find: fn(&mut dyn View) -> Option<Found>,
}

/// A platform that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The platform.
    pub kind: Kind,
    /// Where it was found.
    pub evidence: String,
    /// Where the version was found; empty without one.
    pub version_evidence: String,
    /// Whether it is a program that only starts another.
    pub is_wrapper: bool,
}

/// A rule that tells a framework, library or server.
pub struct Rule {
    /// The name that it gives, or the common part of its names.
    pub name: &'static str,
    /// When it is part of the compatible answer.
    pub tier: Tier,
    /// The kinds in whose processes it is tried.
    pub of: &'static [&'static str],
    /// By what it is recognised and where its version stands: a line for people.
    pub about: &'static str,
    /// What it finds in the process.
    pub find: fn(&mut dyn View) -> Vec<Runtime>,
}

/// A framework, library or server that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runtime {
    /// Its name.
    pub name: String,
    /// Its version, empty when unknown.
    pub version: String,
    /// Where it was found.
    pub evidence: String,
}

/// When a runtime is part of the compatible answer. All are part of the detailed one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Always: the existing extractor tells it, too.
    Upstream,
    /// Always: a product that people install as such.
    Product,
    /// When neither was found: the answers of the existing extractor stay what they are, and a product is told without its parts.
    Library,
    /// Never.
    Detail,
}

/// What a process was found to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// The platform, when there is one.
    pub kind: Option<Kind>,
    /// Where it was found; without one, what is executed.
    pub evidence: String,
    /// Where the version was found.
    pub version_evidence: String,
    /// Whether it is a program that only starts another.
    pub is_wrapper: bool,
    /// Frameworks, libraries and servers, each name once.
    pub runtimes: Vec<(Tier, Runtime)>,
}

/// Frameworks of one process.
const MAX_RUNTIMES: usize = 16;

/// Applies the platform rules until one finds something, then all other rules for what it found.
pub fn identify<A: Access>(platforms: &[Platform], rules: &[Rule], view: &mut Process<A>) -> Identity {
    view.look_for("kindVersion");
    let path = view.executable();
    if plain::is_plain(&path, &view.program()) {
        return Identity {
            evidence: value::text(&path),
            ..Identity::default()
        };
    }
    let found = platforms
        .iter()
        .find_map(|platform| (!view.is_gone()).then(|| (platform.find)(view)).flatten());
    if let Some(sandbox) = sandbox(found.as_ref(), view) {
        let path = value::text(&view.executable());
        view.note(
            "kind",
            "sandboxed",
            format!("{path} runs {sandbox}, into which cannot be seen from outside"),
        );
        return Identity {
            evidence: path,
            ..Identity::default()
        };
    }
    let Some(found) = found else {
        let path = view.executable();
        let program = view.program();
        if program.is_packed && !view.is_gone() {
            view.note("kind", "packed", format!("{} is packed by UPX", value::text(&path)));
        }
        return Identity {
            evidence: value::text(&path),
            ..Identity::default()
        };
    };
    let mut runtimes: Vec<(Tier, Runtime)> = Vec::new();
    view.look_for("runtimes");
    for rule in rules.iter().filter(|rule| rule.of.contains(&found.kind.name)) {
        for runtime in (rule.find)(view) {
            if runtimes.len() < MAX_RUNTIMES && runtimes.iter().all(|(_, other)| other.name != runtime.name) {
                runtimes.push((rule.tier, runtime));
            }
        }
    }
    runtimes.sort_by(|(tier, one), (other_tier, other)| (tier, &one.name).cmp(&(other_tier, &other.name)));
    Identity {
        kind: Some(found.kind),
        evidence: found.evidence,
        version_evidence: found.version_evidence,
        is_wrapper: found.is_wrapper,
        runtimes,
    }
}

/// What keeps a workload out of sight in this process, which is not the workload itself.
fn sandbox<A: Access>(found: Option<&Found>, view: &mut Process<A>) -> Option<&'static str> {
    let package = view.program().go_package.clone().unwrap_or_default();
    if package.starts_with("gvisor.dev/gvisor/") {
        return Some("gVisor");
    }
    // Programs of a managed platform may map such a thing, too, but they are more than that.
    let is_machine = found.is_none_or(|found| ["C/C++", "Rust"].contains(&found.kind.name))
        && !view.is_gone()
        && view
            .mapped()
            .iter()
            .any(|path| path.starts_with(b"anon_inode:kvm-vcpu"));
    is_machine.then_some("a virtual machine")
}

/// Whether each of a process's runtimes is part of the compatible answer.
pub fn is_in_answer(runtimes: &[(Tier, Runtime)]) -> Vec<bool> {
    let is_whole = runtimes.iter().any(|(tier, _)| *tier <= Tier::Product);
    let tiers = runtimes.iter().map(|(tier, _)| match tier {
        Tier::Upstream | Tier::Product => true,
        Tier::Library => !is_whole,
        Tier::Detail => false,
    });
    tiers.collect()
}

impl Found {
    /// A platform that is known by this evidence; its version is still to be found.
    pub fn by(kind: &'static str, evidence: String) -> Self {
        Self {
            kind: Kind::named(kind),
            evidence,
            version_evidence: String::new(),
            is_wrapper: false,
        }
    }

    /// Puts in the version, found among the constants of that file, or notes that it was not.
    pub fn with_constant(mut self, version: Option<String>, file: &[u8], view: &mut dyn View) -> Self {
        let file = value::text(file);
        match version {
            Some(version) => {
                self.kind.version = version;
                self.version_evidence = format!("constants of {file}");
            }
            None => view.note("kindVersion", "unversioned", format!("No version was found in {file}")),
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Fixture;

    const NAMES: [&str; 2] = ["A", "B"];

    fn runtime(name: &str) -> Runtime {
        Runtime {
            name: name.into(),
            version: "1".into(),
            evidence: String::new(),
        }
    }

    #[test]
    fn the_first_platform_counts_and_each_name_once() {
        let platform = |kind, find| Platform { kind, about: "", find };
        let rule = |tier, of, find| Rule {
            name: "",
            tier,
            of,
            about: "",
            find,
        };
        let platforms = [
            platform("none", |_| None),
            platform("A", |_| Some(Found::by("A", "seen".into()))),
            platform("B", |_| Some(Found::by("B", "seen".into()))),
        ];
        let rules = [
            rule(Tier::Library, &NAMES, |_| vec![runtime("y"), runtime("x")]),
            rule(Tier::Upstream, &NAMES[..1], |_| vec![runtime("z"), runtime("y")]),
            rule(Tier::Upstream, &NAMES[1..], |_| vec![runtime("other kind's")]),
        ];
        let identity = identify(&platforms, &rules, &mut Fixture::new("/x").view());
        assert_eq!(identity.kind.map(|kind| kind.name), Some("A"));
        let names: Vec<_> = identity
            .runtimes
            .iter()
            .map(|(_, runtime)| runtime.name.as_str())
            .collect();
        assert_eq!(names, ["z", "x", "y"]);
    }

    #[test]
    fn a_virtual_machine_is_not_taken_for_its_workload() {
        let machine = || Fixture::new("/usr/libexec/qemu-kvm").mapped(&["anon_inode:kvm-vcpu:0"]);
        let of = |kind| Platform {
            kind,
            about: "",
            find: |_| Some(Found::by("C/C++", String::new())),
        };
        for platforms in [&[][..], &[of("C/C++")]] {
            let mut fixture = machine();
            let identity = identify(platforms, &[], &mut fixture.view());
            assert_eq!((identity.kind, fixture.notes[0].1), (None, "sandboxed"));
        }
        assert_eq!(Fixture::new("/usr/bin/qemu").identify().1, []);
    }

    #[test]
    fn what_upstream_and_products_tell_is_not_added_to() {
        for (name, tiers, expected) in [
            (
                "upstream's and a product",
                &[Tier::Upstream, Tier::Product, Tier::Library, Tier::Detail][..],
                &[true, true, false, false][..],
            ),
            (
                "a product and its parts",
                &[Tier::Product, Tier::Library, Tier::Detail],
                &[true, false, false],
            ),
            (
                "only libraries",
                &[Tier::Library, Tier::Library, Tier::Detail],
                &[true, true, false],
            ),
            ("nothing", &[], &[]),
        ] {
            let runtimes: Vec<_> = tiers.iter().map(|tier| (*tier, runtime("x"))).collect();
            assert_eq!(is_in_answer(&runtimes), expected, "{name}");
        }
    }
}
